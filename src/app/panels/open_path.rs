//! A field for a path: the way in that works where dialogs and drag-and-drop do not.

use std::path::PathBuf;

use egui::{Key, Role, TextEdit, Ui, WidgetInfo};
use lucide_icons::Icon;

use crate::app::App;
use crate::app::dialogs::Ask;
use crate::app::entry::PictureId;
use crate::app::translate_look::Model;
use crate::app::widgets::{caption, dialog, main_button};

/// What the person is filling in.
#[derive(Default)]
pub struct State {
    /// The path as typed.
    pub typed: String,
    /// Opened because the system has no file dialog.
    no_dialog: bool,
    purpose: Purpose,
}

/// What the path is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Purpose {
    /// To be opened, whatever it is.
    #[default]
    Open,
    /// The way back of these networks.
    WayBack(Model),
    /// The true partner of this picture.
    Partner(PictureId),
    /// The folder that every result is saved in.
    ExportFolder,
}

impl State {
    /// The field in place of the dialog that this would have been asked in.
    pub fn without_dialog(ask: &Ask) -> State {
        let purpose = match ask {
            Ask::WayBack(model) => Purpose::WayBack(model.clone()),
            Ask::Partner(id) => Purpose::Partner(*id),
            Ask::ExportFolder => Purpose::ExportFolder,
            _ => Purpose::Open,
        };
        State { typed: String::new(), no_dialog: true, purpose }
    }
}

/// Draws the field, while it is open.
pub fn show(app: &mut App, ui: &Ui) {
    let Some(mut state) = app.open_path.take() else { return };
    let mut done = false;
    let modal = dialog(ui, "open-path").show(ui.ctx(), |ui| {
        ui.set_width(460.0);
        let (title, name, act) = match state.purpose {
            Purpose::Open => ("open-path-title", "open-path-label", "open-path-open"),
            Purpose::WayBack(_) => ("cmd-join-way-back", "path-of-checkpoint", "open-path-open"),
            Purpose::Partner(_) => ("cmd-choose-partner", "path-of-picture", "open-path-open"),
            Purpose::ExportFolder => ("cmd-export-all", "path-of-folder", "export-save"),
        };
        ui.heading(app.words.get(title));
        if state.no_dialog {
            ui.label(app.words.get("no-dialog"));
        }
        let name = app.words.get(name);
        ui.label(caption(&name));
        // Only there to be typed over; a picture's where one is meant.
        let pictures = matches!(state.purpose, Purpose::Open | Purpose::Partner(_));
        let hint = if pictures { app.words.get("open-path-hint") } else { String::new() };
        let r = ui.add(
            TextEdit::singleline(&mut state.typed)
                .hint_text(hint)
                .desired_width(f32::INFINITY)
                .margin(egui::vec2(10.0, 8.0)),
        );
        r.widget_info(|| WidgetInfo::labeled(Role::TextInput, true, &name));
        let entered = r.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
        if !entered {
            r.request_focus();
        }
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let act = app.words.get(act);
            let sign = if state.purpose == Purpose::ExportFolder { Icon::Download } else { Icon::ImagePlus };
            let ready = !state.typed.trim().is_empty();
            let r = ui.add_enabled(ready, main_button(ui, &act, sign));
            let r = crate::app::widgets::named(r, Role::Button, &act);
            done = ready && (r.clicked() || entered);
            if ui.button(app.words.get("cancel")).clicked() {
                ui.close();
            }
        });
    });
    if done {
        let path = path_of(&state.typed);
        match state.purpose {
            Purpose::Open => app.open(vec![path]),
            Purpose::WayBack(model) => app.join_way_back(model, path),
            Purpose::Partner(id) => app.studio.choose_partner(id, path),
            Purpose::ExportFolder => crate::app::panels::export::all(app, &path),
        }
    } else if !modal.should_close() {
        app.open_path = Some(state);
    }
}

/// The path that was typed or pasted: `~/` as shells read it, `file://` as file managers write it, without the quotes that
/// they put around a copied path.
pub fn path_of(typed: &str) -> PathBuf {
    let typed = typed.trim().trim_matches(['"', '\'']);
    let url = url::Url::parse(typed).ok().filter(|url| url.scheme() == "file");
    if let Some(path) = url.and_then(|url| url.to_file_path().ok()) {
        return path;
    }
    match (typed.strip_prefix("~/"), directories::UserDirs::new()) {
        (Some(rest), Some(dirs)) => dirs.home_dir().join(rest),
        _ => typed.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::path_of;

    #[test]
    #[cfg(unix)]
    fn paths_are_read_as_they_are_copied() {
        let home = directories::UserDirs::new().map(|d| d.home_dir().join("a.jpg"));
        assert_eq!(Some(path_of("~/a.jpg")), home);
        for text in ["/photos/my cat.jpg", " '/photos/my cat.jpg'\n", "file:///photos/my%20cat.jpg"] {
            assert_eq!(path_of(text).to_str(), Some("/photos/my cat.jpg"));
        }
        assert_eq!(path_of("100%.png").to_str(), Some("100%.png"));
    }
}
