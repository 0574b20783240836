//! The translation task's controls: the model and its direction, what is seen, and how the networks are run.

use std::path::PathBuf;

use egui::{Button, ComboBox, Role, Ui, WidgetInfo, vec2};
use lucide_icons::Icon;

use super::{choice, heading, labelled, model_list, size};
use crate::app::App;
use crate::app::commands::Command as C;
use crate::app::entry::PictureId;
use crate::app::panels::menu_bar::tip;
use crate::app::panes::steps;
use crate::app::session::Task;
use crate::app::translate_look::{Asked, Facts, Model, OWN_SIZE, TranslateView};
use crate::app::widgets::{caption, elide, icon_button, icon_only};
use crate::tasks::translate::{Direction, models};

/// The working sizes on offer, in pixels.
const SIZES: [u32; 6] = [256, 384, 512, 768, 1024, 2048];

/// Draws the controls.
pub fn show(app: &mut App, ui: &mut Ui) {
    heading(app, ui, C::TaskTranslate);
    model(app, ui);
    if app.session.translate.model.is_empty() {
        ui.label(caption(app.words.get("translate-no-model")));
        let text = app.words.get("cmd-open-checkpoint");
        if icon_button(ui, C::OpenCheckpoint.icon(), &text).on_hover_text(tip(&app.words, C::OpenCheckpoint)).clicked()
        {
            app.ask(C::OpenCheckpoint);
        }
        return;
    }
    let facts = app.studio.facts(&app.session.translate.networks()).cloned();
    direction(app, ui, facts.as_ref());
    ui.separator();
    let mut view = app.session.translate.view;
    let views = [
        (TranslateView::Result, "view-result"),
        (TranslateView::Cycle, "view-cycle"),
        (TranslateView::Beside, "view-beside"),
    ];
    choice(app, ui, &mut view, &views);
    app.session.translate.view = view;
    state(app, ui);
    match view {
        TranslateView::Result => {
            let look = &mut app.session.translate;
            super::blend(&app.words, ui, &mut look.strength, &mut look.keep_colours);
        }
        TranslateView::Cycle => cycle(app, ui, facts.as_ref()),
        TranslateView::Beside => beside(app, ui),
    }
    ui.separator();
    computation(app, ui, facts.as_ref());
    ui.add_space(8.0);
}

fn model(app: &mut App, ui: &mut Ui) {
    let shipped: Vec<_> = models().iter().map(|m| m.id.clone()).chain(app.added()).collect();
    let checkpoints: Vec<String> = app.session.generators.iter().map(|p| p.display().to_string()).collect();
    let mut model = app.session.translate.model.clone();
    let (name, hint) = (app.words.get("segment-model"), app.words.get("translate-model-tip"));
    labelled(ui, &name, &hint, |ui, width| model_list(app, ui, width, &mut model, &shipped, &checkpoints));
    if model != app.session.translate.model {
        let look = &mut app.session.translate;
        (look.model, look.back, look.direction) = (model, None, None);
    } else if !model.is_empty() {
        ui.label(caption(app.model_hint(&model)));
    }
}

/// Two buttons, one for each way; where the model goes but one, how to join the other.
fn direction(app: &mut App, ui: &mut Ui, facts: Option<&Facts>) {
    if let Some(left_out) = facts.and_then(|facts| facts.left_out.as_ref()) {
        ui.label(caption(app.words.trouble(&**left_out)).color(ui.visuals().warn_fg_color));
    }
    let (networks, now) = (app.session.translate.networks(), app.way_now());
    let gap = 4.0;
    let width = (ui.available_width() - gap) / 2.0;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = gap;
        for direction in [Direction::AToB, Direction::BToA] {
            let (name, chosen) = (app.way(&networks, direction), now == direction);
            let able = facts.is_none_or(|facts| facts.directions.contains(&direction));
            let button = Button::selectable(chosen, &name).min_size(vec2(width, 28.0)).truncate();
            let r = ui.add_enabled(able, button.wrap_mode(egui::TextWrapMode::Truncate));
            r.widget_info(|| WidgetInfo::selected(Role::RadioButton, able, chosen, &name));
            let r = r.on_hover_text(app.words.with("translate-way-tip", [("way", name)]));
            if r.on_disabled_hover_text(app.words.get("translate-one-way")).clicked() {
                app.session.translate.direction = Some(direction);
            }
        }
    });
    if let Some(back) = networks.back {
        ui.horizontal(|ui| {
            let name = app.model_name(&back);
            ui.label(caption(app.words.with("translate-joined", [("name", elide(&name, 30))]))).on_hover_text(back);
            let part = app.words.get("translate-part");
            if icon_only(ui, Icon::X, &part).on_hover_text(&part).clicked() {
                app.session.translate.back = None;
            }
        });
    } else if facts.is_some_and(|facts| !facts.goes_back()) {
        let text = app.words.get(C::JoinWayBack.key());
        let r = icon_button(ui, C::JoinWayBack.icon(), &text).on_hover_text(tip(&app.words, C::JoinWayBack));
        if r.clicked() {
            app.ask(C::JoinWayBack);
        }
    }
}

/// Whether what is seen is there, being made, or has to be asked for again.
fn state(app: &mut App, ui: &mut Ui) {
    let Some((e, asked)) = app.studio.current().zip(app.translation_asked()) else { return };
    let wanted = [Some(asked), app.translation_beside()];
    let goes =
        |a: &Asked| app.studio.facts(&a.model).is_none_or(|facts| facts.directions.contains(&a.params.direction));
    let missing = wanted.into_iter().flatten().filter(|a| e.translation(a).is_none() && goes(a));
    let missing: Vec<_> = missing.collect();
    if missing.is_empty() {
        return;
    }
    let busy = missing.iter().any(|a| app.studio.requested(e.id, a) || app.studio.meeting(&a.model));
    ui.horizontal(|ui| match busy {
        true => {
            ui.spinner();
            ui.label(app.words.get("translate-running"));
        }
        false => {
            ui.label(caption(app.words.get("translate-none")));
            // It was cancelled, or failed.
            if ui.button(app.words.get("translate-again")).clicked() {
                app.translate_again();
            }
        }
    });
}

fn cycle(app: &mut App, ui: &mut Ui, facts: Option<&Facts>) {
    let direction = app.way_now();
    let (words, look) = (&app.words, &mut app.session.translate);
    let back = facts.is_none_or(Facts::goes_back);
    let one_way = words.get("translate-one-way");
    let mut add = |value: &mut bool, able: bool, key: &str, why: &str| {
        let mut shown = *value && able;
        let r = ui.add_enabled(able, egui::Checkbox::new(&mut shown, words.get(key)));
        let r = r.on_hover_text(words.get(&format!("{key}-tip")));
        if r.on_disabled_hover_text(why).changed() {
            *value = shown;
        }
    };
    add(&mut look.error, back, "cycle-error", &one_way);
    let judged = facts.is_none_or(|facts| facts.judged.contains(&direction));
    add(&mut look.judged, judged, "cycle-judged", &words.get("translate-no-judge"));
    add(&mut look.identity, back, "cycle-identity", &one_way);
    numbers(app, ui);
}

/// The means of the cycle, where they are known.
fn numbers(app: &App, ui: &mut Ui) {
    let t = app.studio.current().zip(app.translation_asked()).and_then(|(e, asked)| e.translation(&asked));
    let Some(outcome) = t.map(|t| &t.outcome) else { return };
    let mut row = |key: &str, value: String| {
        ui.horizontal(|ui| {
            ui.label(caption(app.words.get(key))).on_hover_text(app.words.get(&format!("{key}-tip")));
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| ui.label(value));
        });
    };
    let of = |mean: f64| app.words.with("of-255", [("value", steps(mean))]);
    if let Some(cycle) = &outcome.cycle {
        row("cycle-error-mean", of(cycle.error.mean));
        row("cycle-identity-mean", of(cycle.same_error.mean));
    }
    if let Some(verdict) = outcome.verdict.as_ref().filter(|_| app.session.translate.judged) {
        row("cycle-judged-mean", format!("{:.2}", verdict.mean));
    }
}

/// The second model, and the true partner.
fn beside(app: &mut App, ui: &mut Ui) {
    let mut look = app.session.translate.clone();
    let now = look.networks_beside().map(|m| m.id);
    let shipped = models().into_iter().map(|m| m.id.clone()).chain(app.added());
    let checkpoints = app.session.generators.iter().map(|p| p.display().to_string());
    let others: Vec<String> = shipped.chain(checkpoints).filter(|id| *id != look.model).collect();
    let (name, hint) = (app.words.get("translate-other"), app.words.get("translate-other-tip"));
    labelled(ui, &name, &hint, |ui, width| {
        let text = now.as_ref().map_or_else(|| app.words.get("model-none"), |id| app.model_name(id));
        let list = ComboBox::from_id_salt("other").height(360.0).selected_text(text).width(width).truncate();
        let r = list.show_ui(ui, |ui| {
            for id in &others {
                let r = ui.selectable_label(now.as_ref() == Some(id), app.model_name(id));
                if r.on_hover_text(app.model_hint(id)).clicked() {
                    look.other = Some(id.clone());
                }
            }
            if others.is_empty() {
                ui.label(caption(app.words.get("translate-no-other")));
            }
        });
        app.look_for_added(&r.response);
        r
    });
    app.session.translate = look;
    let partner = app.studio.partner().map(|p| p.path.clone());
    match &partner {
        Some(path) => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let text = app.words.with("translate-partner", [("name", elide(&name, 30))]);
            ui.label(caption(text)).on_hover_text(path.display().to_string());
        }
        None => _ = ui.label(caption(app.words.get("translate-no-partner"))),
    }
    let text = app.words.get(C::ChoosePartner.key());
    if icon_button(ui, C::ChoosePartner.icon(), &text).on_hover_text(tip(&app.words, C::ChoosePartner)).clicked() {
        app.ask(C::ChoosePartner);
    }
}

fn computation(app: &mut App, ui: &mut Ui, facts: Option<&Facts>) {
    let Some(e) = app.studio.current() else { return };
    let longer = e.picture.width().max(e.picture.height());
    let mut look = app.session.translate.clone();
    let usual = facts.and_then(|facts| facts.longer_side);
    let pixels = |key: &str, pixels: u32| app.words.with(key, [("pixels", i64::from(pixels))]);
    let text = |side: Option<u32>| match (side, usual) {
        // Small pictures are not enlarged.
        (None, Some(usual)) => pixels("detail-usual-pixels", usual.min(longer)),
        (None, None) | (Some(OWN_SIZE), _) => pixels("size-own", longer),
        (Some(side), _) => pixels("detail-pixels", side),
    };
    // Sizes beyond the picture's own would do nothing.
    let smaller = SIZES.into_iter().filter(|side| *side < longer).map(Some);
    let own = usual.map(|_| Some(OWN_SIZE));
    let sizes: Vec<_> = [None].into_iter().chain(smaller).chain(own).map(|side| (side, text(side))).collect();
    size(ui, &app.words, "translate-size", &mut look.longer_side, &sizes);
    super::arithmetic(&app.words, ui, &mut look.precision, "translate-bf16-tip");
    if facts.is_some_and(|facts| facts.batch_norm) {
        let own = app.words.get("own-statistics");
        ui.checkbox(&mut look.own_statistics, own).on_hover_text(app.words.get("own-statistics-tip"));
    }
    app.session.translate = look;
}

impl App {
    /// The way that translations go now.
    pub fn way_now(&self) -> Direction {
        let look = &self.session.translate;
        look.way(self.studio.facts(&look.networks()))
    }

    /// What is asked for of the chosen networks; `None` where there are none.
    pub fn translation_asked(&self) -> Option<Asked> {
        let look = &self.session.translate;
        (!look.model.is_empty()).then(|| self.asked_of(look.networks()))
    }

    /// The same of the networks beside them, where those are seen.
    pub fn translation_beside(&self) -> Option<Asked> {
        self.session.translate.networks_beside().map(|model| self.asked_of(model))
    }

    fn asked_of(&self, model: Model) -> Asked {
        let facts = self.studio.facts(&model);
        self.session.translate.asked_of(model.clone(), self.way_now(), facts)
    }

    /// Whether the networks, as far as they are known, can do what is asked for.
    pub fn able(&self, asked: &Asked) -> bool {
        self.studio.facts(&asked.model).is_some_and(|facts| facts.directions.contains(&asked.params.direction))
    }

    /// Asks for what the task shows and does not have.
    pub(in crate::app) fn want_translations(&mut self, id: PictureId) {
        let look = &self.session.translate;
        for model in [Some(look.networks()), look.networks_beside()].into_iter().flatten() {
            self.studio.meet(&model);
        }
        let wanted = [self.translation_asked(), self.translation_beside()].into_iter().flatten();
        let wanted: Vec<_> = wanted.filter(|asked| self.able(asked)).map(|asked| (id, asked)).collect();
        for (_, asked) in wanted.iter().filter(|w| !self.asked_translations.contains(w)) {
            self.studio.request(asked);
        }
        if self.session.translate.view == TranslateView::Beside {
            self.studio.seek_partner(&self.session.partners);
            wanted.iter().for_each(|(_, asked)| self.studio.compare_with_partner(asked));
        }
        self.studio.give_up(&wanted);
        // Asked once: a job that failed or was cancelled is not started again by itself.
        self.asked_translations = wanted;
    }

    /// Takes a checkpoint as the model of the translation task.
    pub(in crate::app) fn take_translator(&mut self, path: PathBuf) {
        let model = path.display().to_string();
        self.forget_results_of(&model);
        let look = &mut self.session.translate;
        (look.model, look.back, look.direction) = (model, None, None);
        self.session.task = Task::Translate;
        self.session.inspector = true;
        super::remember(&mut self.session.generators, path);
        self.translate_again();
    }

    /// Takes a checkpoint as the way back of these networks, which are chosen again if others are by now.
    pub fn join_way_back(&mut self, model: Model, path: PathBuf) {
        let back = std::path::absolute(&path).unwrap_or(path).display().to_string();
        self.forget_results_of(&back);
        let look = &mut self.session.translate;
        if look.model != model.id {
            (look.model, look.direction) = (model.id, None);
        }
        look.back = Some(back);
        self.translate_again();
    }

    /// The file may hold other weights by now.
    fn forget_results_of(&mut self, file: &str) {
        self.studio.outdate(file);
        for e in &mut self.studio.entries {
            e.translated.retain(|t| !t.asked.model.uses(file));
        }
        self.studio.forget_models(|model| model.uses(file));
    }

    /// Lets translations be asked for that were cancelled or failed.
    pub fn translate_again(&mut self) {
        self.studio.forget_models(|_| false);
        self.asked_translations.clear();
    }
}
