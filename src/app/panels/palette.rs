//! The command list: every command by name, a few letters and Enter away.

use egui::{Key, ScrollArea, TextEdit, Ui};

use crate::app::App;
use crate::app::commands::Command;
use crate::app::panels::menu_bar::{item, tip};
use crate::app::widgets::dialog;

/// What was typed, and the chosen line.
#[derive(Default)]
pub struct State {
    typed: String,
    line: usize,
}

/// Draws the list, while it is open.
pub fn show(app: &mut App, ui: &Ui) {
    let Some(mut state) = app.palette.take() else { return };
    let mut picked = None;
    let modal = dialog(ui, "palette").show(ui.ctx(), |ui| {
        ui.set_width(460.0);
        let hint = app.words.get("palette-hint");
        let edit = TextEdit::singleline(&mut state.typed)
            .hint_text(&hint)
            .desired_width(f32::INFINITY)
            .margin(egui::vec2(10.0, 8.0));
        let r = ui.add(edit);
        r.widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, &hint));
        r.request_focus();
        if r.changed() {
            state.line = 0;
        }
        let found = find(app, &state.typed);
        let (up, down, enter) =
            ui.input(|i| (i.key_pressed(Key::ArrowUp), i.key_pressed(Key::ArrowDown), i.key_pressed(Key::Enter)));
        let last = found.len().saturating_sub(1);
        state.line = (state.line + usize::from(down)).saturating_sub(usize::from(up)).min(last);
        ui.add_space(4.0);
        ScrollArea::vertical().max_height(360.0).show(ui, |ui| {
            ui.set_min_height(360.0_f32.min(found.len() as f32 * 30.0));
            ui.spacing_mut().item_spacing.y = 2.0;
            if found.is_empty() {
                ui.weak(app.words.get("palette-none"));
            }
            for (i, c) in found.iter().enumerate() {
                let top = ui.cursor().top();
                let clicked = item(app, ui, *c);
                if i == state.line {
                    let rect = egui::Rect::from_min_max(
                        egui::pos2(ui.min_rect().left(), top),
                        egui::pos2(ui.min_rect().right(), ui.cursor().top() - 2.0),
                    );
                    let stroke = egui::Stroke::new(1.5, ui.visuals().hyperlink_color);
                    ui.painter().rect_stroke(rect, 6, stroke, egui::StrokeKind::Inside);
                    if up || down {
                        ui.scroll_to_rect(rect, None);
                    }
                }
                if clicked || (enter && i == state.line && app.can(*c)) {
                    picked = Some(*c);
                }
            }
        });
    });
    if let Some(c) = picked {
        app.ask(c);
    } else if !modal.should_close() {
        app.palette = Some(state);
    }
}

/// The commands whose name, or what they are said to do, has all typed words in it, in palette order; those whose name
/// begins with it first, those only said to do it last.
fn find(app: &App, typed: &str) -> Vec<Command> {
    let typed = typed.trim().to_lowercase();
    let text = |c: &Command| app.words.get(c.key()).to_lowercase();
    let said = |c: &Command| tip(&app.words, *c).to_lowercase();
    let all_in = |text: String| typed.split_whitespace().all(|word| text.contains(word));
    let mut found: Vec<_> = Command::ALL
        .into_iter()
        .filter(|c| *c != Command::Palette)
        .filter(|c| all_in(text(c)) || all_in(said(c)))
        .collect();
    if !typed.is_empty() {
        found.sort_by_key(|c| (!all_in(text(c)), !text(c).starts_with(&typed)));
    }
    found
}
