//! The film strip under the canvas: all pictures, and the results of the shown one, newest first.

use egui::{
    Align2, Color32, CornerRadius, FontId, Panel, Rect, Role, ScrollArea, Sense, Stroke, TextureHandle, Ui, WidgetInfo,
    pos2, vec2,
};

use crate::app::App;
use crate::app::captioned::Captioned;
use crate::app::commands::Command as C;
use crate::app::entry::Entry;
use crate::app::panels::menu_bar::tipped;
use crate::app::segmented::Segmented;
use crate::app::session::Task;
use crate::app::styled::Made;
use crate::app::theme::{self, RADIUS};
use crate::app::translate_look;
use crate::app::translated::Translated;
use crate::app::widgets::{caption, elide, icon_only};
use crate::nn::Precision;
use crate::tasks::segment;

const SIDE: f32 = 72.0;
/// The width of a result that is a text.
const CARD: f32 = 196.0;

/// Draws the strip.
pub fn show(app: &mut App, ui: &mut Ui) {
    let mut open = app.session.strip;
    Panel::bottom("film-strip").exact_size(SIDE + 52.0).resizable(false).show_collapsible(ui, &mut open, |ui| {
        ui.add_space(6.0);
        let results = results(app);
        ui.horizontal_top(|ui| {
            let width = ui.available_width();
            let share = if results.is_empty() {
                width
            } else {
                (width * 0.5).max(width - 14.0 - results.iter().map(|r| r.width() + 8.0).sum::<f32>().max(150.0))
            };
            ui.allocate_ui(vec2(share, SIDE + 40.0), |ui| pictures(app, ui));
            if !results.is_empty() {
                ui.separator();
                ui.vertical(|ui| made(app, ui, &results));
            }
        });
    });
    app.session.strip = open;
}

fn pictures(app: &mut App, ui: &mut Ui) {
    ui.vertical(|ui| {
        ui.horizontal(|ui| {
            ui.label(caption(app.words.with("strip-pictures", [("count", app.studio.entries.len())])));
            for c in [C::Open, C::RemovePicture] {
                let r = ui.add_enabled_ui(app.can(c), |ui| icon_only(ui, c.icon(), &app.words.get(c.key()))).inner;
                if tipped(app, r, c).clicked() {
                    app.ask(c);
                }
            }
        });
        let mut picked = None;
        let count = app.studio.entries.len();
        ScrollArea::horizontal().id_salt("pictures").auto_shrink([false, true]).show_viewport(ui, |ui, view| {
            // Only what is in view is laid out, so that hundreds of pictures stay smooth.
            let step = SIDE + 8.0;
            ui.set_width(count as f32 * step);
            ui.set_height(SIDE);
            let first_at = ui.max_rect().left_top();
            let place = |i: usize| Rect::from_min_size(first_at + vec2(i as f32 * step, 0.0), vec2(SIDE, SIDE));
            if let Some(i) = app.studio.position().filter(|_| std::mem::take(&mut app.reveal_selected)) {
                ui.scroll_to_rect(place(i).expand2(vec2(step, 0.0)), None);
            }
            let first = (view.left() / step).floor().max(0.0) as usize;
            let last = ((view.right() / step).ceil() as usize).min(count);
            for i in first..last {
                let e = &app.studio.entries[i];
                let chosen = Some(e.id) == app.studio.selected;
                let r = thumb(ui, place(i), ("picture", e.id), &e.thumb, chosen, &e.name);
                let facts = format!("{} × {}, {}", e.picture.width(), e.picture.height(), e.picture.colour_name());
                let r = r.on_hover_ui(|ui| {
                    ui.label(&e.name);
                    ui.label(caption(facts));
                });
                if r.clicked() {
                    picked = Some(e.id);
                }
            }
        });
        if picked.is_some() {
            app.studio.selected = picked;
        }
    });
}

/// A result as the strip shows it.
struct Result {
    face: Face,
    name: String,
    seconds: f64,
    /// What else is to be known of how it was made, line by line.
    how: Vec<String>,
    chosen: bool,
}

/// What is seen of a result.
enum Face {
    /// A picture, and what sets it apart from others of its task, in a word or two.
    Picture(TextureHandle, String),
    Text(String),
}

impl Face {
    fn tag(&self) -> &str {
        match self {
            Face::Picture(_, tag) => tag,
            Face::Text(_) => "",
        }
    }
}

impl Result {
    fn width(&self) -> f32 {
        if matches!(self.face, Face::Text(_)) { CARD } else { SIDE }
    }
}

/// The results of the chosen task on the shown picture.
fn results(app: &App) -> Vec<Result> {
    let Some(e) = app.studio.current() else { return Vec::new() };
    let mut results: Vec<Result> = match app.session.task {
        Task::Style => {
            let params = app.session.look.params();
            let result = |m: &Made| Result {
                face: Face::Picture(m.thumb.clone(), app.mix_name(&m.params.mix)),
                name: app.mix_name(&m.params.mix),
                seconds: m.seconds,
                how: how(app, m.params.longer_side, m.params.precision),
                chosen: m.params == params,
            };
            e.made.iter().map(result).collect()
        }
        Task::Segment => {
            let asked = app.session.segment.asked();
            let result = |s: &Segmented| Result {
                face: Face::Picture(s.thumb.clone(), last_part(&app.model_name(&s.asked.model))),
                name: app.model_name(&s.asked.model),
                seconds: s.outcome.seconds,
                how: segmented_how(app, &s.asked.params),
                chosen: s.asked == asked,
            };
            e.segmented.iter().map(result).collect()
        }
        Task::Translate => {
            let asked = app.translation_asked();
            let result = |t: &Translated| {
                let way = app.way(&t.asked.model, t.asked.params.direction);
                let model = app.model_name(&t.asked.model.id);
                Result {
                    face: Face::Picture(t.thumb.clone(), last_part(&model)),
                    name: format!("{model} · {way}"),
                    seconds: t.outcome.seconds,
                    how: translated_how(app, &t.asked),
                    chosen: asked.as_ref().is_some_and(|asked| t.asked.covers(asked)),
                }
            };
            e.translated.iter().map(result).collect()
        }
        Task::Caption => {
            let asked = app.caption_asked();
            let result = |c: &Captioned| {
                let told = c.told(Default::default());
                let text = told.sentence().map(|s| app.words.sentence(s)).unwrap_or_default();
                let beam = app.words.with("strip-beam", [("beam", c.outcome.beam)]);
                Result {
                    face: Face::Text(text),
                    name: format!("{} · {beam}", app.model_name(&c.asked.model)),
                    seconds: c.outcome.seconds,
                    how: told
                        .sentence()
                        .map(|s| app.log_prob(s))
                        .into_iter()
                        .chain(how(app, None, c.asked.params.precision))
                        .collect(),
                    chosen: asked.as_ref() == Some(&c.asked),
                }
            };
            e.captioned.iter().map(result).collect()
        }
    };
    tell_apart(&mut results);
    results
}

/// The settings of a result that another one with its name may not share.
fn how(app: &App, longer_side: Option<u32>, precision: Precision) -> Vec<String> {
    let own = |e: &Entry| e.picture.width().max(e.picture.height());
    let pixels = longer_side.map(|side| app.studio.current().map_or(side, |e| side.min(own(e))));
    let size = pixels.map(|pixels| app.words.with("detail-pixels", [("pixels", i64::from(pixels))]));
    let rounded = (precision == Precision::Bf16).then(|| app.words.get("bf16"));
    size.into_iter().chain(rounded).collect()
}

/// The same of a segmentation.
fn segmented_how(app: &App, params: &segment::Params) -> Vec<String> {
    let mut lines = how(app, params.longer_side, params.precision);
    lines.extend(params.twice.map(|twice| app.words.get(if twice { "looked-twice" } else { "looked-once" })));
    lines.extend(params.refine.map(|_| app.words.get("crf")));
    lines
}

/// The same of a translation.
fn translated_how(app: &App, asked: &translate_look::Asked) -> Vec<String> {
    let mut lines = how(app, asked.params.longer_side, asked.params.precision);
    lines.extend(app.statistics(asked));
    lines
}

/// Gives results of one tag but different names the first part of their names that tells them apart.
fn tell_apart(results: &mut [Result]) {
    let all: Vec<_> = results.iter().map(|r| (r.face.tag().to_owned(), r.name.clone())).collect();
    for r in results {
        let parts: Vec<&str> = r.name.split(" · ").collect();
        let twins = all.iter().filter(|(tag, name)| tag == r.face.tag() && *name != r.name);
        let twins: Vec<Vec<&str>> = twins.map(|(_, name)| name.split(" · ").collect()).collect();
        let other = parts.iter().enumerate().find(|(i, part)| twins.iter().any(|twin| twin.get(*i) != Some(*part)));
        if let (Face::Picture(_, tag), Some((_, part)), false) = (&mut r.face, other, twins.is_empty()) {
            *tag = (*part).to_owned();
        }
    }
}

/// Of `Streets · U-Net` what has the room of a thumbnail.
fn last_part(name: &str) -> String {
    name.rsplit(" · ").next().unwrap_or(name).to_owned()
}

fn made(app: &mut App, ui: &mut Ui, results: &[Result]) {
    ui.horizontal(|ui| {
        ui.set_height(26.0);
        ui.label(caption(app.words.with("strip-results", [("count", results.len())])));
    });
    let mut picked = None;
    ScrollArea::horizontal().id_salt("results").auto_shrink([false, true]).show(ui, |ui| {
        ui.horizontal(|ui| {
            for (i, m) in results.iter().enumerate() {
                let (_, rect) = ui.allocate_space(vec2(m.width(), SIDE));
                let r = match &m.face {
                    Face::Text(text) => card(ui, rect, ("result", i), m, text),
                    Face::Picture(image, tag) => {
                        let r = thumb(ui, rect, ("result", i), image, m.chosen, &m.name);
                        name_tag(ui, rect, tag);
                        r
                    }
                };
                let facts = app.words.with("made-in", [("seconds", format!("{:.1}", m.seconds))]);
                let r = r.on_hover_ui(|ui| {
                    ui.label(&m.name);
                    ui.label(caption(facts));
                    for line in &m.how {
                        ui.label(caption(line));
                    }
                });
                if r.clicked() {
                    picked = Some(i);
                }
            }
        });
    });
    let Some((e, i)) = app.studio.current().zip(picked) else { return };
    match app.session.task {
        Task::Style => {
            if let Some(p) = e.made.get(i).map(|m| m.params.clone()) {
                app.mixing = p.mix.len() > 1;
                app.session.look.mix = p.mix;
                app.session.look.longer_side = p.longer_side;
                app.session.look.precision = p.precision;
            }
        }
        Task::Segment => {
            if let Some(asked) = e.segmented.get(i).map(|s| s.asked.clone()) {
                app.session.segment.take_back(asked);
            }
        }
        Task::Translate => {
            if let Some(asked) = e.translated.get(i).map(|t| t.asked.clone()) {
                app.session.translate.take_back(asked);
            }
        }
        Task::Caption => {
            let id = e.id;
            if let Some(asked) = e.captioned.get(i).map(|c| c.asked.clone()) {
                app.session.caption.take_back(id, asked);
            }
        }
    }
}

/// A result that is a text: the sentence, and whose it is.
fn card(
    ui: &mut Ui,
    rect: Rect,
    id: impl std::hash::Hash + std::fmt::Debug,
    result: &Result,
    text: &str,
) -> egui::Response {
    let r = ui.interact(rect, ui.scope_id().with(id), Sense::click());
    let (v, radius) = (ui.visuals().clone(), CornerRadius::same(RADIUS));
    let hot = r.hovered() || r.has_focus();
    ui.painter().rect_filled(rect, radius, if hot { v.widgets.hovered.weak_bg_fill } else { v.faint_bg_color });
    let inner = rect.shrink2(vec2(9.0, 6.0));
    let set = |text: &str, size: f32, ink: Color32, rows: usize| {
        let mut job = egui::text::LayoutJob::simple(text.to_owned(), FontId::proportional(size), ink, inner.width());
        job.wrap.max_rows = rows;
        ui.fonts_mut(|f| f.layout_job(job))
    };
    let below = set(&result.name, theme::CAPTION - 1.0, v.weak_text_color(), 1);
    let sentence = set(text, theme::CAPTION + 0.5, v.strong_text_color(), 3);
    let at = pos2(inner.left(), inner.bottom() - below.size().y);
    ui.painter().galley(inner.min, sentence, Color32::WHITE);
    ui.painter().galley(at, below, Color32::WHITE);
    if result.chosen {
        let stroke = Stroke::new(3.0, theme::accent(v.dark_mode));
        ui.painter().rect_stroke(rect, radius, stroke, egui::StrokeKind::Inside);
    }
    let name = format!("{text}, {}", result.name);
    r.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, true, result.chosen, &name));
    r
}

/// A name on a result's thumbnail: two of one picture may look alike.
fn name_tag(ui: &Ui, thumb: Rect, name: &str) {
    const HEIGHT: f32 = 17.0;
    let inside = thumb.shrink(3.0);
    let bar = inside.with_min_y(inside.bottom() - HEIGHT);
    let mut job = egui::text::LayoutJob::simple_singleline(
        name.to_owned(),
        FontId::proportional(theme::CAPTION - 1.0),
        Color32::WHITE,
    );
    job.wrap = egui::text::TextWrapping::truncate_at_width(bar.width() - 6.0);
    let text = ui.fonts_mut(|f| f.layout_job(job));
    let corners = CornerRadius { nw: 0, ne: 0, ..CornerRadius::same(RADIUS.saturating_sub(3)) };
    ui.painter().rect_filled(bar, corners, Color32::from_black_alpha(170));
    ui.painter().galley(Align2::CENTER_CENTER.align_size_within_rect(text.size(), bar).min, text, Color32::WHITE);
}

fn thumb(
    ui: &mut Ui,
    rect: Rect,
    id: impl std::hash::Hash + std::fmt::Debug,
    image: &TextureHandle,
    chosen: bool,
    name: &str,
) -> egui::Response {
    let r = ui.interact(rect, ui.scope_id().with(id), Sense::click());
    let radius = CornerRadius::same(RADIUS);
    let dark = ui.visuals().dark_mode;
    ui.painter().rect_filled(rect, radius, ui.visuals().faint_bg_color);
    let [w, h] = image.size().map(|v| v as f32);
    let s = SIDE / w.max(h);
    let inner = Rect::from_center_size(rect.center(), vec2((w * s).max(2.0), (h * s).max(2.0)));
    egui::Image::from_texture((image.id(), image.size_vec2())).corner_radius(radius).paint_at(ui, inner);
    let stroke = if chosen {
        Stroke::new(3.0, theme::accent(dark))
    } else if r.hovered() || r.has_focus() {
        Stroke::new(2.0, ui.visuals().widgets.hovered.fg_stroke.color)
    } else {
        Stroke::new(1.0, Color32::TRANSPARENT)
    };
    ui.painter().rect_stroke(rect, radius, stroke, egui::StrokeKind::Inside);
    let short = elide(name, 40);
    r.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, true, chosen, &short));
    r
}
