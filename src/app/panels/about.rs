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
                ui.add_space(8.0);
                ui.strong(app.model_name(&card.id));
                let parameters = app.words.with("parameters", [("count", grouped(card.parameters))]);
                ui.label(caption(format!("{} · {parameters} · {}", card.architecture, card.licence)));
                ui.indent(&card.id, |ui| {
                    for s in &card.styles {
                        ui.label(format!("{}, {} ({})", s.title, s.artist, s.year));
                    }
                });
            }
            ui.separator();
            credits(ui, include_str!("../../../assets/CREDITS.md"));
        });
        ui.separator();
        if ui.button(app.words.get("close")).clicked() {
            ui.close();
        }
    });
    app.about = !modal.should_close();
}

/// The credits' Markdown as headings, paragraphs and a line for each row of a table.
fn credits(ui: &mut Ui, text: &str) {
    let mut rows = 0;
    for line in text.lines().filter(|line| !line.starts_with("# ")) {
        rows = if line.starts_with('|') { rows + 1 } else { 0 };
        match (line.strip_prefix("## "), rows) {
            (Some(heading), _) => {
                ui.add_space(8.0);
                ui.strong(heading);
            }
            (None, 0) if line.is_empty() => {}
            (None, 0) => _ = ui.label(caption(plain(line))),
            // The names of the columns, and the line below them.
            (None, 1 | 2) => {}
            (None, _) => {
                let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
                ui.label(caption(plain(&cells.join(" · "))));
            }
        }
    }
}

/// Markdown without its marks; of links what they are called.
fn plain(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("](") {
        // An address may hold a pair of brackets of its own.
        let mut open = 1;
        let end = after.find(|c| {
            open += i32::from(c == '(') - i32::from(c == ')');
            open == 0
        });
        let Some(end) = end else { break };
        out.push_str(&before.replacen('[', "", 1));
        rest = &after[end + 1..];
    }
    out.push_str(rest);
    out.replace('`', "")
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
    fn marks_are_taken_off() {
        let text = "`a.jpg` · [Commons](https://x.org/File:A_(1).jpg), through [B](y) 3.1";
        assert_eq!(super::plain(text), "a.jpg · Commons, through B 3.1");
    }

    #[test]
    fn numbers_are_read_in_threes() {
        assert_eq!([7, 999, 1000, 1678912].map(super::grouped), ["7", "999", "1,000", "1,678,912"]);
    }
}
