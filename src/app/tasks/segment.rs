//! The segmentation task's controls: the model, what is shown, the classes, and how labels are refined.

use std::path::PathBuf;

use egui::{Align, Button, ComboBox, InnerResponse, Layout, Role, Slider, Ui, WidgetInfo, vec2};
use lucide_icons::Icon;

use super::{choice, heading, labelled, model_list, size, slider};
use crate::app::App;
use crate::app::commands::Command as C;
use crate::app::notices::Kind;
use crate::app::segment_look::{Asked, SegmentLook, Shown, usually_twice};
use crate::app::segmented::Segmented;
use crate::app::session::{CompareMode, Task};
use crate::app::widgets::{caption, icon_only, icon_toggle, named, percent};
use crate::gpu::{Colormap, OverlayMode};
use crate::tasks::segment::{Refine, models};

/// The model that finds something in every picture with a sky, a tree or a building.
const LANDSCAPES: &str = "unet-camvid";

/// Of a picture in which so small a part is anything that a model knows, another model may know more.
const LITTLE: f64 = 0.03;

/// The working sizes on offer, in pixels.
const SIZES: [u32; 5] = [320, 480, 640, 960, 1280];

/// Draws the controls.
pub fn show(app: &mut App, ui: &mut Ui) {
    heading(app, ui, C::TaskSegment);
    model(app, ui);
    ui.separator();
    shown(app, ui);
    ui.separator();
    classes(app, ui);
    ui.separator();
    refinement(app, ui);
    ui.separator();
    computation(app, ui);
    ui.add_space(8.0);
}

fn model(app: &mut App, ui: &mut Ui) {
    let mut look = app.session.segment.clone();
    let shipped: Vec<_> = models().iter().map(|m| m.id.to_owned()).chain(app.added()).collect();
    let checkpoints: Vec<String> = app.session.checkpoints.iter().map(|p| p.display().to_string()).collect();
    let (name, tip) = (app.words.get("segment-model"), app.words.get("segment-model-tip"));
    labelled(ui, &name, &tip, |ui, width| model_list(app, ui, width, &mut look.model, &shipped, &checkpoints));
    ui.label(caption(app.model_hint(&look.model)));
    let none = app.words.get("segment-other-none");
    let others = shipped.iter().chain(&checkpoints);
    // Maps of one class or of doubt are one model's.
    let compared = look.shown == Shown::Classes;
    let maps = app.words.get("segment-maps-of-one");
    labelled(ui, &app.words.get("segment-other"), &app.words.get("segment-other-tip"), |ui, width| {
        ui.add_enabled_ui(compared, |ui| {
            let text = look.other.as_ref().map_or_else(|| none.clone(), |other| app.model_name(other));
            let list = ComboBox::from_id_salt("other").height(360.0).selected_text(text).width(width).truncate();
            let r = list.show_ui(ui, |ui| {
                ui.selectable_value(&mut look.other, None, &none);
                for id in others.filter(|id| **id != look.model && app.same_classes(id, &look.model)) {
                    ui.selectable_value(&mut look.other, Some(id.clone()), app.model_name(id))
                        .on_hover_text(app.model_hint(id));
                }
            });
            app.look_for_added(&r.response);
            InnerResponse::new(r.inner, r.response.on_disabled_hover_text(maps))
        })
        .inner
    });
    // Also where a result was taken back, with its model.
    look.other.take_if(|other| *other == look.model);
    if let Some(other) = look.other.take_if(|other| !app.same_classes(other, &look.model)) {
        let models = [("model", app.model_name(&other)), ("other", app.model_name(&look.model))];
        app.notices.tell(Kind::Warning, app.words.with("segment-other-classes", models), None);
    }
    if look.other.is_some() && look.other != app.session.segment.other {
        // Two models are there to be compared.
        app.session.compare = CompareMode::Split;
    }
    app.session.segment = look;
}

fn shown(app: &mut App, ui: &mut Ui) {
    let mut look = app.session.segment.clone();
    let options = [
        (Shown::Classes, "show-classes"),
        (Shown::Probability, "show-probability"),
        (Shown::Uncertainty, "show-uncertainty"),
    ];
    choice(app, ui, &mut look.shown, &options);
    if look.shown == Shown::Classes {
        let modes = [
            (OverlayMode::Fill, "mode-fill"),
            (OverlayMode::Outlines, "mode-outlines"),
            (OverlayMode::CutOut, "mode-cut-out"),
        ];
        choice(app, ui, &mut look.mode, &modes);
    } else {
        labelled(ui, &app.words.get("colormap"), &app.words.get("colormap-tip"), |ui, width| {
            ComboBox::from_id_salt("colormap")
                .selected_text(app.words.colormap(look.colormap))
                .width(width)
                .truncate()
                .show_ui(ui, |ui| {
                    for map in Colormap::ALL {
                        ui.selectable_value(&mut look.colormap, map, app.words.colormap(map));
                    }
                })
        });
    }
    let (name, hint) = (app.words.get("opacity"), app.words.get("opacity-tip"));
    let used = look.shown != Shown::Classes || look.mode != OverlayMode::CutOut;
    ui.add_enabled_ui(used, |ui| {
        let r = percent(ui, &mut look.opacity, SegmentLook::default().opacity, &name, &hint);
        r.on_disabled_hover_text(app.words.get("opacity-cut-out"));
    });
    ui.horizontal_wrapped(|ui| {
        let (names, legend) = (app.words.get("show-names"), app.words.get("show-legend"));
        // A map has no regions to be named, and never goes without its scale.
        ui.add_enabled_ui(look.shown == Shown::Classes, |ui| {
            for (value, name, key) in
                [(&mut look.names, names, "show-names-tip"), (&mut look.legend, legend, "show-legend-tip")]
            {
                let r = ui.checkbox(value, name).on_hover_text(app.words.get(key));
                r.on_disabled_hover_text(app.words.get("show-on-classes"));
            }
        });
    });
    app.session.segment = look;
}

/// The legend: a row for each class that is in the picture, the largest first.
fn classes(app: &mut App, ui: &mut Ui) {
    let mut look = app.session.segment.clone();
    let asked = look.asked();
    let Some(e) = app.studio.current() else { return };
    let all = [Some(asked.clone()), look.asked_other()];
    let running = all.iter().flatten().any(|asked| app.studio.requested(e.id, asked));
    let so_far = e.segmentation_so_far(&asked);
    if so_far.is_none() && running {
        ui.horizontal(|ui| {
            ui.spinner();
            ui.label(app.words.get("segment-running"));
        });
    }
    // It was cancelled, or failed.
    let is_missing =
        |asked: &Asked| app.asked_segmentations.contains(&(e.id, asked.clone())) && e.segmentation(asked).is_none();
    let again = !running && all.iter().flatten().any(is_missing) && none_yet(app, ui);
    let Some(s) = so_far else {
        if again {
            app.segment_again();
        }
        return;
    };
    ui.horizontal(|ui| {
        ui.label(app.words.with("segment-classes", [("count", s.outcome.areas.len())]));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let all = app.words.get("show-all");
            let able = s.classes.iter().any(|name| !look.shows(name));
            let r = ui.add_enabled_ui(able, |ui| icon_only(ui, Icon::Eye, &all)).inner;
            if r.on_hover_text(&all).clicked() {
                s.classes.iter().for_each(|name| _ = look.hidden.remove(name));
            }
            if running {
                ui.spinner();
            }
        });
    });
    let absent =
        (0..s.classes.len() as u8).filter(|c| s.outcome.areas.iter().all(|a| a.class != *c)).map(|c| (c, None));
    // How likely a class is can also be asked of one that is likeliest nowhere.
    let absent = absent.filter(|_| look.shown == Shown::Probability);
    let rows: Vec<(u8, Option<f64>)> = s.outcome.areas.iter().map(|a| (a.class, Some(a.share))).chain(absent).collect();
    let colours = look.class_colours(&s.classes);
    for (class, part) in rows {
        let Some(name) = s.classes.get(usize::from(class)) else { continue };
        row(app, ui, &mut look, s, (name, colours.colour(class)), part);
    }
    let named = |class: u8| s.classes.get(usize::from(class)).is_some_and(|name| name != "background");
    let found: f64 = s.outcome.areas.iter().filter(|a| named(a.class)).map(|a| a.share).sum();
    if found < LITTLE {
        let key = if found > 0.0 { "segment-little" } else { "segment-nothing" };
        ui.label(caption(app.words.get(key)));
        // Another model may know what there is.
        if look.model != LANDSCAPES && models().iter().any(|m| m.id == LANDSCAPES) {
            let model = app.model_name(LANDSCAPES);
            if ui.link(app.words.with("segment-try", [("model", model)])).clicked() {
                look.model = LANDSCAPES.to_owned();
            }
        }
    }
    app.session.segment = look;
    if again {
        app.segment_again();
    }
}

/// Says that there are no classes yet by these settings; true where they are to be asked for again.
fn none_yet(app: &App, ui: &mut Ui) -> bool {
    let row = ui.horizontal_wrapped(|ui| {
        ui.label(caption(app.words.get("segment-none")));
        ui.button(app.words.get("segment-again")).clicked()
    });
    row.inner
}

/// A class: its colour, name, share of the picture (none where it is not in it), and whether it is shown.
fn row(
    app: &App,
    ui: &mut Ui,
    look: &mut SegmentLook,
    s: &Segmented,
    (name, mut colour): (&str, [u8; 3]),
    part: Option<f64>,
) {
    let shows = look.shows(name);
    ui.horizontal(|ui| {
        let text = app.words.class(name);
        let what = app.words.with("class-colour", [("class", text.clone())]);
        let r = ui.color_edit_button_srgb(&mut colour);
        let r = named(r, Role::ColorWell, &what).on_hover_text(app.words.get("class-colour-tip"));
        if r.changed() {
            look.colours.insert(name.to_owned(), colour);
        }
        if r.secondary_clicked() {
            look.colours.remove(name);
        }
        let chosen = look.class.as_deref() == Some(name);
        let wide = (ui.available_width() - 132.0).max(60.0);
        // Weak letters would not be read on what is chosen.
        let weak = !shows && !chosen;
        let label = if weak { egui::RichText::new(&text).weak() } else { egui::RichText::new(&text) };
        // Names begin at the left, however wide the button.
        let r = ui.add(Button::selectable(chosen, (label, egui::Atom::grow())).min_size(vec2(wide, 26.0)).truncate());
        r.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, true, chosen, &text));
        if r.on_hover_text(app.words.get("class-pick-tip")).clicked() {
            look.class = (!chosen).then(|| name.to_owned());
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let hide = app.words.with(if shows { "class-hide" } else { "class-show" }, [("class", text.clone())]);
            let eye = if shows { Icon::Eye } else { Icon::EyeOff };
            if icon_only(ui, eye, &hide).on_hover_text(&hide).clicked() {
                match shows {
                    true => _ = look.hidden.insert(name.to_owned()),
                    false => _ = look.hidden.remove(name),
                }
            }
            let alone = s.classes.iter().all(|other| look.shows(other) == (other == name));
            let solo = app.words.with("class-solo", [("class", text.clone())]);
            if icon_toggle(ui, alone, Icon::Focus, &solo).on_hover_text(&solo).clicked() {
                // Alone again: all come back, but for the background.
                let hide = |other: &&String| if alone { *other == "background" } else { *other != name };
                s.classes.iter().for_each(|name| _ = look.hidden.remove(name));
                look.hidden.extend(s.classes.iter().filter(hide).cloned());
            }
            ui.label(caption(part.map_or_else(|| "–".to_owned(), crate::tasks::percent)));
        });
    });
}

fn refinement(app: &mut App, ui: &mut Ui) {
    let look = &mut app.session.segment;
    let (words, d) = (&app.words, Refine::default());
    ui.checkbox(&mut look.refined, words.get("crf")).on_hover_text(words.get("crf-tip"));
    if !look.refined {
        return;
    }
    let refine = &mut look.refine;
    slider(
        ui,
        Slider::new(&mut refine.iterations, Refine::ITERATIONS),
        &words.get("crf-iterations"),
        &words.get("crf-iterations-tip"),
    )
    .then(|| refine.iterations = d.iterations);
    let reach = Slider::new(&mut refine.reach, Refine::REACH).step_by(0.5).suffix(" %");
    slider(ui, reach, &words.get("crf-reach"), &words.get("crf-reach-tip")).then(|| refine.reach = d.reach);
    let colour = Slider::new(&mut refine.colour, Refine::COLOUR).step_by(1.0);
    slider(ui, colour, &words.get("crf-colour"), &words.get("crf-colour-tip")).then(|| refine.colour = d.colour);
    let smoothness = Slider::new(&mut refine.smoothness, Refine::SMOOTHNESS).step_by(0.5).suffix(" px");
    if slider(ui, smoothness, &words.get("crf-smoothness"), &words.get("crf-smoothness-tip")) {
        refine.smoothness = d.smoothness;
    }
}

fn computation(app: &mut App, ui: &mut Ui) {
    let mut look = app.session.segment.clone();
    let usual = models().iter().find(|m| m.id == look.model).and_then(|m| m.card.longer_side);
    let text = |side: Option<u32>| match side.or(usual) {
        Some(pixels) if side.is_none() => app.words.with("detail-usual-pixels", [("pixels", i64::from(pixels))]),
        Some(pixels) => app.words.with("detail-pixels", [("pixels", i64::from(pixels))]),
        None => app.words.get("detail-usual"),
    };
    let sizes: Vec<_> = [None].into_iter().chain(SIZES.map(Some)).map(|side| (side, text(side))).collect();
    size(ui, &app.words, "detail", &mut look.longer_side, &sizes);
    let mut twice = look.twice.unwrap_or_else(|| usually_twice(&look.model));
    if ui.checkbox(&mut twice, app.words.get("look-twice")).on_hover_text(app.words.get("look-twice-tip")).changed() {
        look.twice = Some(twice);
    }
    super::arithmetic(&app.words, ui, &mut look.precision, "segment-bf16-tip");
    app.session.segment = look;
}

impl App {
    /// Takes a checkpoint as the model of the segmentation task.
    pub(in crate::app) fn take_segmenter(&mut self, path: PathBuf) {
        let model = path.display().to_string();
        // The file may hold other weights by now.
        self.studio.outdate(&model);
        for e in &mut self.studio.entries {
            e.segmented.retain(|s| s.asked.model != model);
        }
        self.session.segment.model = model;
        self.session.segment.other = None;
        self.session.task = Task::Segment;
        self.session.inspector = true;
        super::remember(&mut self.session.checkpoints, path);
        self.segment_again();
    }

    /// Lets segmentations be asked for that were cancelled or failed.
    pub fn segment_again(&mut self) {
        self.asked_segmentations.clear();
    }

    /// Whether two models tell the same classes apart, so that their labels can be compared. Of a checkpoint that is not
    /// known before it is run.
    fn same_classes(&self, a: &str, b: &str) -> bool {
        let classes = |model: &str| {
            let shipped = models().into_iter().find(|m| m.id == model).map(|m| m.card.classes.clone());
            let run = || self.studio.entries.iter().flat_map(|e| &e.segmented).find(|s| s.asked.model == model);
            shipped.or_else(|| run().map(|s| s.classes.to_vec()))
        };
        match (classes(a), classes(b)) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        }
    }
}
