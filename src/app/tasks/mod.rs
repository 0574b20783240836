//! One file per task: its controls in the inspector.

pub mod caption;
pub mod segment;
pub mod style;
pub mod translate;

use std::path::{Path, PathBuf};

use egui::{Align, Button, ComboBox, InnerResponse, Layout, Role, Ui, WidgetInfo, vec2};
use lucide_icons::Icon;

use crate::app::App;
use crate::app::commands::Command as C;
use crate::app::panels::menu_bar::tip;
use crate::app::session::Task;
use crate::app::widgets::{asks_default, elide, icon_only, percent};
use crate::app::words::Words;
use crate::nn::Precision;
use crate::zoo;

/// The task's name, and the way back to its defaults.
fn heading(app: &mut App, ui: &mut Ui, task: C) {
    ui.add_space(8.0);
    ui.horizontal(|ui| {
        ui.heading(app.words.get(&format!("{}-short", task.key())));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let r = icon_only(ui, Icon::RotateCcw, &app.words.get("cmd-reset-look"));
            if r.on_hover_text(tip(&app.words, C::ResetLook)).clicked() {
                app.ask(C::ResetLook);
            }
        });
    });
}

/// A row of buttons of which one is pressed.
fn choice<T: PartialEq + Copy>(app: &App, ui: &mut Ui, value: &mut T, options: &[(T, &str)]) {
    let gap = 4.0;
    let width = (ui.available_width() - gap * (options.len() - 1) as f32) / options.len() as f32;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = gap;
        for (option, key) in options {
            let (name, chosen) = (app.words.get(key), value == option);
            let r = ui.add(Button::selectable(chosen, &name).min_size(vec2(width, 28.0)).truncate());
            r.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, chosen, &name));
            if r.on_hover_text(app.words.get(&format!("{key}-tip"))).clicked() {
                *value = *option;
            }
        }
    });
}

/// A name, and a control beside it that takes the rest of the line.
fn labelled<R>(ui: &mut Ui, name: &str, tip: &str, add: impl FnOnce(&mut Ui, f32) -> egui::InnerResponse<R>) {
    /// Names take as much, so that the controls stand in a column.
    const NAME: f32 = 76.0;
    ui.horizontal(|ui| {
        let at = egui::Rect::from_min_size(ui.cursor().min, vec2(NAME, 26.0));
        let layout = Layout::left_to_right(Align::Center);
        let label = ui.scope_builder(egui::UiBuilder::new().max_rect(at).layout(layout), |ui| {
            ui.set_min_width(NAME);
            ui.add(egui::Label::new(name).truncate())
        });
        let width = ui.available_width();
        add(ui, width).response.labelled_by(label.inner.id).on_hover_text(tip);
    });
}

/// The choice of a model: those that ship, checkpoints that were opened, and the way to another one.
fn model_list(
    app: &mut App,
    ui: &mut Ui,
    width: f32,
    model: &mut String,
    shipped: &[String],
    checkpoints: &[String],
) -> InnerResponse<Option<()>> {
    let now = if model.is_empty() { app.words.get("model-none") } else { app.model_name(model) };
    let list = ComboBox::from_id_salt("model").height(360.0).selected_text(now).width(width).truncate();
    let r = list.show_ui(ui, |ui| {
        for id in shipped {
            ui.selectable_value(model, id.clone(), app.model_name(id)).on_hover_text(app.model_hint(id));
        }
        for path in checkpoints {
            ui.selectable_value(model, path.clone(), app.model_name(path)).on_hover_text(path);
        }
        ui.separator();
        if ui.button(app.words.get("cmd-open-checkpoint")).clicked() {
            app.asked.push(C::OpenCheckpoint);
        }
    });
    app.look_for_added(&r.response);
    r
}

/// The size that a network sees the picture at; `key` is that of its name.
fn size(ui: &mut Ui, words: &Words, key: &str, side: &mut Option<u32>, sizes: &[(Option<u32>, String)]) {
    let now = sizes.iter().find(|(s, _)| s == side).map(|(_, text)| text.clone());
    let now = now.or_else(|| side.map(|pixels| words.with("detail-pixels", [("pixels", i64::from(pixels))])));
    labelled(ui, &words.get(key), &words.get(&format!("{key}-tip")), |ui, width| {
        let list = ComboBox::from_id_salt(key).selected_text(now.unwrap_or_default()).width(width).truncate();
        list.show_ui(ui, |ui| {
            for (option, text) in sizes {
                ui.selectable_value(side, *option, text);
            }
        })
    });
}

/// A slider with its name above; true when a double click asks for its default.
fn slider(ui: &mut Ui, slider: egui::Slider<'_>, name: &str, tip: &str) -> bool {
    let text = ui.label(name).id;
    ui.spacing_mut().slider_width = (ui.available_width() - 76.0).max(80.0);
    // A number is taken as a whole, not digit by digit.
    let r = ui.add(slider.update_while_editing(false)).labelled_by(text).on_hover_text(tip);
    asks_default(ui, &r)
}

/// How a result is laid over its original: uniforms of the shader, nothing is computed again.
fn blend(words: &Words, ui: &mut Ui, strength: &mut f32, keep_colours: &mut bool) {
    percent(ui, strength, 1.0, &words.get("strength"), &words.get("strength-tip"));
    ui.checkbox(keep_colours, words.get("keep-colours")).on_hover_text(words.get("keep-colours-tip"));
}

/// Puts a path before others that were opened.
fn remember(paths: &mut Vec<PathBuf>, path: PathBuf) {
    const KEEP: usize = 8;
    paths.retain(|p| *p != path);
    paths.insert(0, path);
    paths.truncate(KEEP);
}

/// Speed for exactness, where the processor has the instructions; `tip` is the key of what that does to the picture.
fn arithmetic(words: &Words, ui: &mut Ui, precision: &mut Precision, tip: &str) {
    let available = Precision::Bf16.is_available();
    let mut rounded = available && *precision == Precision::Bf16;
    let checkbox = egui::Checkbox::new(&mut rounded, words.get("bf16"));
    let r = ui.add_enabled(available, checkbox).on_hover_text(words.get(tip));
    if r.on_disabled_hover_text(words.get("bf16-missing")).changed() {
        *precision = if rounded { Precision::Bf16 } else { Precision::F32 };
    }
}

impl App {
    /// The ids of the models that a person added for the task that is shown. They are looked for when the task is shown, and
    /// when a list of models opens.
    fn added(&mut self) -> Vec<String> {
        let task = self.session.task;
        match &self.added {
            Some((of, ids)) if *of == task => ids.clone(),
            _ => {
                let wanted = match task {
                    Task::Style => zoo::Task::Style,
                    Task::Segment => zoo::Task::Segment,
                    Task::Translate => zoo::Task::Translate,
                    Task::Caption => zoo::Task::Caption,
                };
                let ids: Vec<_> = zoo::imported().into_iter().filter(|c| c.task == wanted).map(|c| c.id).collect();
                self.added = Some((task, ids.clone()));
                ids
            }
        }
    }

    /// Has them looked for again where this list of models was clicked.
    fn look_for_added(&mut self, list: &egui::Response) {
        if list.clicked() {
            self.added = None;
        }
    }

    /// What a model is called: by its id in the window's language, or its file's name.
    pub fn model_name(&self, model: &str) -> String {
        let key = format!("model-{model}");
        if self.words.has(&key) {
            return self.words.get(&key);
        }
        let file = || Path::new(model).file_name().map_or(model.to_owned(), |f| f.to_string_lossy().into_owned());
        let form = || crate::tasks::segment::models().into_iter().find(|m| m.id == model).map(|m| m.card);
        zoo::card(model).or_else(form).map_or_else(|| elide(&file(), 32), |card| card.name.clone())
    }

    /// What a model knows and how, in a sentence.
    fn model_hint(&self, model: &str) -> String {
        let key = format!("model-{model}-tip");
        match self.words.has(&key) {
            true => self.words.get(&key),
            false if zoo::is_checkpoint(Path::new(model)) => self.words.with("segment-checkpoint", [("path", model)]),
            false => self.words.with("model-added", [("id", model)]),
        }
    }
}
