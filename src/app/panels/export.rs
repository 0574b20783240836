//! Saving what is seen: where, in which format, and what that format would lose.

use std::path::{Path, PathBuf};

use egui::{Key, Role, TextEdit, Ui, WidgetInfo};
use lucide_icons::Icon;

use crate::app::App;
use crate::app::dialogs::Ask;
use crate::app::widgets::{caption, dialog, icon, icon_button, main_button, named};
use crate::app::workers::FileJob;
use crate::imaging::{Format, Loss};

/// What the person is filling in.
pub struct State {
    /// The path as typed.
    pub path: String,
    replace: bool,
    /// The field takes the keyboard once, when the dialog opens.
    opened: bool,
}

const FORMATS: [&str; 4] = ["png", "jpg", "webp", "tiff"];

/// Opens the dialog with a proposed name that is not taken.
pub fn open(app: &mut App) {
    let Some(e) = app.studio.current() else { return };
    let folder = app.session.export.folder.clone();
    let folder = folder.or_else(|| e.path.as_ref().and_then(|p| p.parent()).map(Path::to_owned));
    let folder = folder
        .filter(|f| f.is_dir())
        .or_else(|| directories::UserDirs::new().map(|d| d.home_dir().to_owned()))
        .unwrap_or_default();
    let path = free_name(&folder, &e.name, app);
    app.export = Some(State { path: path.display().to_string(), replace: false, opened: false });
}

/// A file name for a picture with the chosen style that is not taken in `folder`.
fn free_name(folder: &Path, picture: &str, app: &App) -> PathBuf {
    let stem = Path::new(picture).file_stem().map_or("picture".into(), |s| s.to_string_lossy().into_owned());
    let style = app.session.look.mix.iter().map(|m| m.0.as_str()).collect::<Vec<_>>().join("+");
    let extension = &app.session.export.format;
    let numbered = (2..10_000).map(|n| folder.join(format!("{stem}-{style}-{n}.{extension}")));
    let first = folder.join(format!("{stem}-{style}.{extension}"));
    std::iter::once(first.clone()).chain(numbered).find(|p| !p.exists()).unwrap_or(first)
}

/// Saves, with the look in force, every picture that has a result for the chosen style.
pub fn all(app: &mut App, folder: &Path) {
    let params = app.session.look.params();
    let quality = app.session.export.quality;
    let mut taken = std::collections::HashSet::new();
    let mut jobs = Vec::new();
    for e in &app.studio.entries {
        let Some(made) = e.find(&params) else { continue };
        let mut path = free_name(folder, &e.name, app);
        // Two pictures of the same name from different folders must not end in one file.
        let mut n = 2;
        while !taken.insert(path.clone()) {
            path = free_name(folder, &format!("{}-{n}", Path::new(&e.name).with_extension("").display()), app);
            n += 1;
        }
        let Some(format) = format_of(&path.display().to_string(), quality) else { continue };
        let (original, styled, look) = (e.picture.clone(), Some(made.styled.clone()), app.session.look.clone());
        jobs.push(FileJob::Export { original, styled, look, path, format, replace: false });
    }
    for job in jobs {
        app.studio.files.push(job);
    }
}

/// Draws the dialog, while it is open.
pub fn show(app: &mut App, ui: &Ui) {
    let Some(mut state) = app.export.take() else { return };
    let Some((original, styled)) = app.seen() else { return };
    let mut save = false;
    let modal = dialog(ui, "export").show(ui.ctx(), |ui| {
        ui.set_width(480.0);
        ui.heading(app.words.get("export-title"));
        let size = [("width", original.width()), ("height", original.height())];
        ui.label(caption(app.words.with("export-size", size)));
        if styled.is_none() {
            ui.colored_label(ui.visuals().warn_fg_color, app.words.get("export-no-result"));
        }

        let name = app.words.get("export-path");
        ui.label(&name);
        ui.horizontal(|ui| {
            let browse = app.words.get("export-browse");
            let r = ui.add(
                TextEdit::singleline(&mut state.path)
                    .desired_width(ui.available_width() - 120.0)
                    .margin(egui::vec2(8.0, 6.0)),
            );
            let value = state.path.clone();
            r.widget_info(|| WidgetInfo {
                label: Some(name.clone()),
                current_text_value: Some(value.clone()),
                ..WidgetInfo::new(Role::TextInput)
            });
            if !std::mem::replace(&mut state.opened, true) {
                r.request_focus();
            }
            if r.changed() {
                state.replace = false;
            }
            if icon_button(ui, Icon::FolderOpen, &browse).clicked() {
                let path = PathBuf::from(&state.path);
                let file = path.file_name().map(|f| f.to_string_lossy().into_owned()).unwrap_or_default();
                let (title, filter) = (app.words.get("export-title"), app.words.get("pictures"));
                app.dialogs.ask(ui.ctx(), Ask::Save(path.parent().map(Path::to_owned), file), title, filter);
            }
        });

        ui.horizontal(|ui| {
            let text = ui.label(app.words.get("export-format")).id;
            let mut chosen = app.session.export.format.clone();
            egui::ComboBox::from_id_salt("format")
                .selected_text(chosen.to_uppercase())
                .show_ui(ui, |ui| {
                    for f in FORMATS {
                        ui.selectable_value(&mut chosen, f.to_owned(), f.to_uppercase());
                    }
                })
                .response
                .labelled_by(text);
            if chosen != app.session.export.format {
                state.path = Path::new(&state.path).with_extension(&chosen).display().to_string();
                state.replace = false;
                app.session.export.format = chosen;
            }
            if app.session.export.format == "jpg" {
                let text = ui.label(app.words.get("export-quality")).id;
                ui.add(egui::Slider::new(&mut app.session.export.quality, 1..=100)).labelled_by(text);
            }
        });

        let format = format_of(&state.path, app.session.export.quality);
        let mut possible = true;
        match format {
            None => {
                possible = false;
                warn(ui, &app.words.get("export-unknown-format"));
            }
            Some(f) => {
                for loss in f.losses(&original) {
                    match loss {
                        Loss::Alpha => warn(ui, &app.words.get("loss-alpha")),
                        Loss::SixteenBit => warn(ui, &app.words.get("loss-sixteen-bit")),
                        Loss::TooLarge { max } => {
                            possible = false;
                            warn(ui, &app.words.with("loss-too-large", [("most", max)]));
                        }
                        Loss::Detail => {
                            ui.label(caption(app.words.get("loss-detail")));
                        }
                    }
                }
            }
        }
        let exists = Path::new(&state.path).exists();
        if exists {
            let text = app.words.get("export-replace");
            ui.checkbox(&mut state.replace, text);
        }
        ui.add_space(8.0);
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let text = app.words.get("export-save");
            let ready = possible && (!exists || state.replace) && !state.path.trim().is_empty();
            let r = named(ui.add_enabled(ready, main_button(ui, &text, Icon::Download)), Role::Button, &text);
            let enter = ui.input(|i| i.key_pressed(Key::Enter));
            save = ready && (r.clicked() || enter);
            if ui.button(app.words.get("cancel")).clicked() {
                ui.close();
            }
        });
    });
    if save && let Some(format) = format_of(&state.path, app.session.export.quality) {
        let path = PathBuf::from(state.path.trim());
        app.session.export.folder = path.parent().map(Path::to_owned);
        let look = app.session.look.clone();
        app.studio.files.push(FileJob::Export { original, styled, look, path, format, replace: state.replace });
    } else if !modal.should_close() {
        app.export = Some(state);
    }
}

/// The person chose a place in the system's dialog, which has asked about replacing already.
pub fn chosen(app: &mut App, path: PathBuf) {
    if let Some(state) = &mut app.export {
        state.replace = path.exists();
        let path = if path.extension().is_none() { path.with_extension(&app.session.export.format) } else { path };
        if let Some(f) =
            FORMATS.iter().find(|f| format_of(&path.display().to_string(), 90).is_some_and(|g| g.extension() == **f))
        {
            app.session.export.format = (*f).to_owned();
        }
        state.path = path.display().to_string();
    }
}

fn format_of(path: &str, quality: u8) -> Option<Format> {
    Some(match Format::from_path(Path::new(path.trim()))? {
        Format::Jpeg { .. } => Format::Jpeg { quality },
        other => other,
    })
}

fn warn(ui: &mut Ui, text: &str) {
    let colour = ui.visuals().warn_fg_color;
    ui.horizontal_wrapped(|ui| {
        ui.label(icon(Icon::TriangleAlert).color(colour));
        ui.colored_label(colour, text);
    });
}
