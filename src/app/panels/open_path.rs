//! A field for a path: the way in that works where dialogs and drag-and-drop do not.

use egui::{Key, Role, TextEdit, Ui, WidgetInfo};
use lucide_icons::Icon;

use crate::app::App;
use crate::app::dialogs::Ask;
use crate::app::studio::PictureId;
use crate::app::translate_look::Model;
use crate::app::widgets::{dialog, main_button};

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
}

impl State {
    /// The field in place of the dialog that this would have been asked in.
    pub fn without_dialog(ask: &Ask) -> State {
        let purpose = match ask {
            Ask::WayBack(model) => Purpose::WayBack(model.clone()),
            Ask::Partner(id) => Purpose::Partner(*id),
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
        let title = match state.purpose {
            Purpose::Open => "open-path-title",
            Purpose::WayBack(_) => "cmd-join-way-back",
            Purpose::Partner(_) => "cmd-choose-partner",
        };
        ui.heading(app.words.get(title));
        if state.no_dialog {
            ui.label(app.words.get("no-dialog"));
        }
        let name = app.words.get("open-path-label");
        let hint = app.words.get("open-path-hint");
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
            let open = app.words.get("open-path-open");
            let ready = !state.typed.trim().is_empty();
            let r = ui.add_enabled(ready, main_button(ui, &open, Icon::ImagePlus));
            let r = crate::app::widgets::named(r, Role::Button, &open);
            done = ready && (r.clicked() || entered);
            if ui.button(app.words.get("cancel")).clicked() {
                ui.close();
            }
        });
    });
    if done {
        let path = expand_home(state.typed.trim());
        match state.purpose {
            Purpose::Open => app.open(vec![path]),
            Purpose::WayBack(model) => app.join_way_back(model, path),
            Purpose::Partner(id) => app.studio.choose_partner(id, path),
        }
    } else if !modal.should_close() {
        app.open_path = Some(state);
    }
}

/// `~/` as shells read it, and without the quotes that file managers put around a copied path.
fn expand_home(typed: &str) -> std::path::PathBuf {
    let typed = typed.trim_matches(['"', '\'']);
    let typed = typed.strip_prefix("file://").unwrap_or(typed);
    match (typed.strip_prefix("~/"), directories::UserDirs::new()) {
        (Some(rest), Some(dirs)) => dirs.home_dir().join(rest),
        _ => typed.into(),
    }
}
