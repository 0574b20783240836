//! The rail at the left: the tasks.

use egui::{Align, Button, Layout, Panel, RichText, Role, Ui, vec2};

use crate::app::App;
use crate::app::commands::Command as C;
use crate::app::panels::menu_bar::tip;
use crate::app::session::Task;
use crate::app::widgets::{icon, named};

/// Draws the rail.
pub fn show(app: &mut App, ui: &mut Ui) {
    Panel::left("rail").exact_size(72.0).resizable(false).show(ui, |ui| {
        ui.add_space(8.0);
        ui.with_layout(Layout::top_down(Align::Center), |ui| {
            let chosen = app.session.task;
            task(app, ui, C::TaskStyle, chosen == Task::Style);
            task(app, ui, C::TaskSegment, chosen == Task::Segment);
            task(app, ui, C::TaskTranslate, chosen == Task::Translate);
            task(app, ui, C::TaskCaption, chosen == Task::Caption);
        });
        ui.with_layout(Layout::bottom_up(Align::Center), |ui| {
            ui.add_space(8.0);
            task(app, ui, C::About, false);
        });
    });
}

fn task(app: &mut App, ui: &mut Ui, c: C, chosen: bool) {
    let name = app.words.get(&format!("{}-short", c.key()));
    let size = vec2(56.0, 52.0);
    let r = ui.add(Button::selectable(chosen, "").min_size(size));
    let colour =
        if chosen { ui.visuals().selection.stroke.color } else { ui.visuals().widgets.inactive.fg_stroke.color };
    let at = |y: f32| egui::pos2(r.rect.center().x, r.rect.top() + y);
    let painter = ui.painter();
    let glyph = icon(c.icon());
    painter.text(at(19.0), egui::Align2::CENTER_CENTER, glyph.text(), egui::FontId::proportional(20.0), colour);
    painter.text(
        at(40.0),
        egui::Align2::CENTER_CENTER,
        &name,
        egui::FontId::proportional(crate::app::theme::CAPTION),
        colour,
    );
    let r = named(r, Role::Button, &name).on_hover_ui(|ui| {
        ui.label(RichText::new(tip(&app.words, c)));
    });
    if r.clicked() {
        app.ask(c);
    }
}
