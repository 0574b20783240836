//! The panel at the right: the chosen task's controls, and the way out.

use egui::{Panel, ScrollArea, Ui};
use lucide_icons::Icon;

use crate::app::commands::Command as C;
use crate::app::panels::menu_bar::tipped;
use crate::app::session::Task;
use crate::app::widgets::{main_button, named};
use crate::app::{App, tasks};

/// Draws the inspector.
pub fn show(app: &mut App, ui: &mut Ui) {
    let mut open = app.session.inspector;
    let panel = Panel::right("inspector").default_size(app.session.inspector_width).size_range(272.0..=440.0);
    let shown = panel.show_collapsible(ui, &mut open, |ui| {
        Panel::bottom("export-bar").frame(egui::Frame::NONE).show(ui, |ui| {
            ui.add_space(8.0);
            let text = app.words.get("export-picture");
            let button = main_button(ui, &text, Icon::Download).min_size(egui::vec2(ui.available_width(), 34.0));
            let r = ui.vertical_centered_justified(|ui| ui.add_enabled(app.can(C::Export), button)).inner;
            let r = named(r, egui::Role::Button, &text);
            if tipped(app, r, C::Export).clicked() {
                app.ask(C::Export);
            }
            ui.add_space(8.0);
        });
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| match app.session.task {
            Task::Style => tasks::style::show(app, ui),
            Task::Segment => tasks::segment::show(app, ui),
            Task::Translate => tasks::translate::show(app, ui),
            Task::Caption => tasks::caption::show(app, ui),
        });
    });
    if let Some(shown) = shown.filter(|_| open) {
        app.session.inspector_width = shown.response.rect.width().round();
    }
    app.session.inspector = open;
}
