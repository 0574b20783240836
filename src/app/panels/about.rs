//! What this is, which models it holds, and whose work they rest on.

use egui::{ScrollArea, Ui};

use crate::app::App;
use crate::app::widgets::{caption, dialog};

/// Draws the page, while it is open.
pub fn show(app: &mut App, ui: &Ui) {
    if !app.about {
        return;
    }
    let modal = dialog(ui, "about").show(ui.ctx(), |ui| {
        ui.set_width(520.0);
        ui.heading(format!("Lucida {}", env!("CARGO_PKG_VERSION")));
        ui.label(app.words.get("about-text"));
        ui.separator();
        ScrollArea::vertical().max_height(400.0).show(ui, |ui| {
            for card in crate::zoo::models() {
                ui.strong(&card.id);
                let parameters = app.words.with("parameters", [("count", grouped(card.parameters))]);
                ui.label(caption(format!("{} · {parameters} · {}", card.architecture, card.licence)));
                for s in &card.styles {
                    ui.label(format!("{}, {} ({})", s.title, s.artist, s.year));
                }
            }
            ui.separator();
            ui.label(caption(include_str!("../../../assets/CREDITS.md")));
        });
        ui.separator();
        if ui.button(app.words.get("close")).clicked() {
            ui.close();
        }
    });
    app.about = !modal.should_close();
}

/// A number with a comma after every three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut groups: Vec<&[u8]> = digits.as_bytes().rchunks(3).collect();
    groups.reverse();
    String::from_utf8_lossy(&groups.join(&b',')).into_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_read_in_threes() {
        assert_eq!([7, 999, 1000, 1678912].map(super::grouped), ["7", "999", "1,000", "1,678,912"]);
    }
}
