//! Saving what is seen: where, in which format, and what that format would lose.

mod what;

use std::path::{Path, PathBuf};

use egui::{Key, Role, TextEdit, Ui, WidgetInfo};
use lucide_icons::Icon;

use crate::app::App;
use crate::app::compose::{Composition, Over};
use crate::app::dialogs::Ask;
use crate::app::notices::Kind;
use crate::app::panels::open_path::path_of;
use crate::app::product::Product;
use crate::app::segment_look::Shown;
use crate::app::session::{CompareMode, Task};
use crate::app::translate_look::TranslateView;
use crate::app::widgets::{asks_default, caption, dialog, icon, icon_button, main_button, named};
use crate::app::workers::FileJob;
use crate::gpu::OverlayMode;
use crate::imaging::{Format, Loss};
use what::{What, product};

/// What the person is filling in.
pub struct State {
    /// The path as typed.
    pub path: String,
    what: What,
    replace: bool,
    /// It is to be saved once it is finished.
    waiting: bool,
    /// The field takes the keyboard once, when the dialog opens.
    opened: bool,
}

impl State {
    /// Whether it is to be saved once it is finished.
    pub fn is_waiting(&self) -> bool {
        self.waiting
    }

    /// What failed or was cancelled does not come.
    pub fn stop_waiting(&mut self) {
        self.waiting = false;
    }
}

const FORMATS: [&str; 4] = ["png", "jpg", "webp", "tiff"];

/// Opens the dialog with a proposed name that is not taken.
pub fn open(app: &mut App) {
    let Some(e) = app.studio.current() else { return };
    let folder = app.session.export.folder.clone();
    let own = || e.path.as_ref().and_then(|p| p.parent()).map(Path::to_owned);
    // What was pasted lies among the settings, where nobody looks for results.
    let folder = folder.or_else(|| own().filter(|own| Some(own) != app.start.pasted().as_ref()));
    let folder = folder
        .filter(|f| f.is_dir())
        .or_else(|| directories::UserDirs::new().map(|d| d.home_dir().to_owned()))
        .unwrap_or_default();
    let first = What::first(app);
    let path = free_name(&folder, &stem(&e.name), app, first);
    app.export =
        Some(State { path: path.display().to_string(), what: first, replace: false, waiting: false, opened: false });
}

/// What results of a picture of this name are called after: of a long name as much as leaves a file's name room for more.
pub(in crate::app) fn stem(picture: &str) -> String {
    const MOST: usize = 120; // bytes; file systems end at 255
    let stem = Path::new(picture).file_stem().map_or("picture".into(), |s| s.to_string_lossy());
    stem[..stem.floor_char_boundary(MOST)].to_owned()
}

/// What a mix of styles is called in a file's name: by its ids, or of many by the first.
pub(in crate::app) fn mix_stem(mix: &[(String, f32)]) -> String {
    const MOST: usize = 80;
    let all = mix.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>().join("+");
    match mix {
        [(first, _), others @ ..] if all.len() > MOST => format!("{first}+{}", others.len()),
        _ => all,
    }
}

/// A file name for the result of a picture of this stem that is not taken in `folder`.
fn free_name(folder: &Path, name: &str, app: &App, what: What) -> PathBuf {
    let made_by = match app.session.task {
        Task::Style => mix_stem(&app.session.look.mix),
        Task::Segment => stem(&app.session.segment.model),
        Task::Translate => stem(&app.session.translate.model),
        Task::Caption => stem(&app.session.caption.model),
    };
    let (more, extension) = (what.suffix(), what.ending().unwrap_or(&app.session.export.format));
    let numbered = (2..10_000).map(|n| folder.join(format!("{name}-{made_by}{more}-{n}.{extension}")));
    let first = folder.join(format!("{name}-{made_by}{more}.{extension}"));
    std::iter::once(first.clone()).chain(numbered).find(|p| !p.exists()).unwrap_or(first)
}

/// Saves, as it would be seen, every picture that has a result for the settings in force, and says what the format loses.
pub fn all(app: &mut App, folder: &Path) {
    let quality = app.session.export.quality;
    let mut taken = std::collections::HashSet::new();
    let mut jobs = Vec::new();
    let (mut lossy, mut no_camera_data) = (0, false);
    for e in &app.studio.entries {
        let seen = app.seen_of(e);
        if !seen.has_result() {
            continue;
        }
        // Two pictures of the same name from different folders must not end in one file.
        let stem = stem(&e.name);
        let stems = std::iter::once(stem.clone()).chain((2..).map(|n| format!("{stem}-{n}")));
        // Without attention there is but the photo to be seen.
        let text = match &seen.over {
            Over::Attention(told, ..) if !told.attends() => Product::sentence(told),
            _ => None,
        };
        let what = if text.is_some() { What::Sentence } else { What::Picture };
        let mut paths = stems.map(|stem| free_name(folder, &stem, app, what));
        let Some(mut path) = paths.find(|path| taken.insert(path.clone())) else { continue };
        if let Some(product) = text {
            jobs.push(FileJob::Export { product, path, replace: false });
            continue;
        }
        if cut_out(app) && path.extension().is_some_and(|e| e == "jpg") {
            // It could not hold what is cut away.
            path.set_extension("png");
        }
        let Some(format) = format_of(&path.display().to_string(), quality) else { continue };
        lossy += usize::from(seen.losses(format).iter().any(|l| matches!(l, Loss::Alpha | Loss::SixteenBit)));
        no_camera_data |= app.session.export.camera_data && seen.losses(format).contains(&Loss::CameraData);
        let product = as_wished(app, Product::Picture(seen, format));
        jobs.push(FileJob::Export { product, path, replace: false });
    }
    for job in jobs {
        app.studio.file(job);
    }
    if lossy > 0 {
        app.notices.tell(Kind::Warning, app.words.with("export-all-losses", [("count", lossy)]), None);
    }
    if no_camera_data {
        app.notices.tell(Kind::Warning, app.words.get("loss-camera-data"), None);
    }
}

/// Draws the dialog, while it is open.
pub fn show(app: &mut App, ui: &Ui) {
    let Some(mut state) = app.export.take() else { return };
    let Some(seen) = state.what.composition(app).or_else(|| app.seen()) else { return };
    let mut save = false;
    let mut entered = false;
    let modal = dialog(ui, "export").show(ui.ctx(), |ui| {
        ui.set_width(480.0);
        ui.heading(app.words.get("export-title"));
        let compared = app.session.compare != CompareMode::Result;
        let in_panes = app.session.translate.view != TranslateView::Result;
        let key = match (state.what, app.session.task) {
            (What::Picture, Task::Segment) if compared && app.session.segment.other.is_none() => {
                "export-size-segment-alone"
            }
            (What::Picture, Task::Segment) => "export-size-segment",
            (What::Picture, Task::Style) if compared => "export-size-alone",
            (What::Picture, Task::Translate) if compared && !in_panes => "export-size-alone",
            (What::Picture, _) => "export-size",
            _ => "export-size-part",
        };
        if let Some([width, height]) = seen.size().filter(|_| state.what.is_picture()) {
            ui.label(caption(app.words.with(key, [("width", width), ("height", height)])));
        }
        let finished = app.seen().is_some_and(|seen| seen.has_result());
        if app.session.task != Task::Style {
            what(app, ui, &mut state, finished);
        }
        if !finished {
            ui.horizontal(|ui| {
                if state.waiting {
                    ui.spinner();
                }
                let key =
                    if state.waiting || app.studio.works_on_shown() { "export-no-result" } else { "export-makes-it" };
                ui.colored_label(ui.visuals().warn_fg_color, app.words.get(key));
            });
        }

        let name = app.words.get("export-path");
        ui.label(&name);
        ui.horizontal(|ui| {
            let browse = app.words.get("export-browse");
            let r = ui.add(
                TextEdit::singleline(&mut state.path)
                    // Its place in the dialog changes when the result arrives, and who is typing must not lose the cursor.
                    .id(egui::Id::unique("export path"))
                    .desired_width(ui.available_width() - 120.0)
                    .margin(egui::vec2(8.0, 6.0)),
            );
            entered = r.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
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
                (state.replace, state.waiting) = (false, false);
                // The ending says it, too.
                if let (None, Some(format)) = (state.what.ending(), format_of(&state.path, 90)) {
                    app.session.export.format = format.extension().to_owned();
                }
            }
            if icon_button(ui, Icon::FolderOpen, &browse).clicked() {
                let path = path_of(&state.path);
                let file = path.file_name().map(|f| f.to_string_lossy().into_owned()).unwrap_or_default();
                let (title, filter) = (app.words.get("export-title"), app.words.get("pictures"));
                app.dialogs.ask(ui.ctx(), Ask::Save(path.parent().map(Path::to_owned), file), title, filter);
            }
        });

        let product = product(app, &state);
        let mut possible = product.is_some() && app.has_model();
        if state.what.ending().is_none() {
            format(app, ui, &mut state);
            possible &= losses(app, ui, &state, &seen);
        } else if let Some(ending) = state.what.ending().filter(|ending| !ends_with(&state.path, ending)) {
            warn(ui, &app.words.with("export-ending", [("ending", ending)]));
        } else if let Some(product @ (Product::CutOuts(..) | Product::Maps(..))) = &product {
            let names: Vec<_> = product.files(&path_of(&state.path)).iter().map(|f| file_name(f)).collect();
            possible &= !names.is_empty();
            if !names.is_empty() {
                ui.label(caption(app.words.with("export-files", [("files", names.join(", "))])));
            } else {
                warn(ui, &app.words.get("export-no-class"));
            }
        }
        if state.what.is_picture() && seen.has_camera_data() {
            let text = app.words.get("export-camera-data");
            let r = ui.checkbox(&mut app.session.export.camera_data, text);
            r.on_hover_text(app.words.get("export-camera-data-tip"));
        }
        let files = product.iter().flat_map(|p| p.files(&path_of(&state.path)));
        let exists = files.into_iter().any(|f| f.exists());
        if exists {
            let text = app.words.get("export-replace");
            ui.checkbox(&mut state.replace, text);
        }
        ui.add_space(8.0);
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let text = app.words.get("export-save");
            let ready = possible && (!exists || state.replace) && !state.path.trim().is_empty();
            let r = named(ui.add_enabled(ready, main_button(ui, &text, Icon::Download)), Role::Button, &text);
            if ready && (r.clicked() || entered) && !std::mem::replace(&mut state.waiting, true) && !finished {
                app.ask_again();
            }
            save = ready && finished && state.waiting;
            if ui.button(app.words.get("cancel")).clicked() {
                ui.close();
            }
        });
    });
    if save && let Some(product) = product(app, &state) {
        let path = path_of(&state.path);
        app.session.export.folder = path.parent().map(Path::to_owned);
        let product = as_wished(app, product);
        app.studio.file(FileJob::Export { product, path, replace: state.replace });
    } else if !modal.should_close() {
        app.export = Some(state);
    }
}

/// The choice of what to save of a result.
fn what(app: &App, ui: &mut Ui, state: &mut State, has_result: bool) {
    ui.add_enabled_ui(has_result, |ui| {
        ui.horizontal_wrapped(|ui| {
            for &what in What::of(app.session.task) {
                let text = app.words.get(what.key());
                let there = what.is_there(app);
                let r = ui.add_enabled(there, egui::RadioButton::new(state.what == what, text));
                let r = r.on_disabled_hover_text(app.words.get(what.why_not(app)));
                if r.on_hover_text(app.words.get(&format!("{}-tip", what.key()))).clicked() && state.what != what {
                    let folder = path_of(&state.path).parent().map(Path::to_owned).unwrap_or_default();
                    let name = app.studio.current().map(|e| e.name.clone()).unwrap_or_default();
                    state.what = what;
                    state.path = free_name(&folder, &stem(&name), app, what).display().to_string();
                    (state.replace, state.waiting) = (false, false);
                }
            }
        });
    });
}

/// With the camera data or without.
pub fn as_wished(app: &App, product: Product) -> Product {
    if app.session.export.camera_data { product } else { product.without_exif() }
}

/// The format and, for JPEG, the quality.
fn format(app: &mut App, ui: &mut Ui, state: &mut State) {
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
            state.path = path_of(&state.path).with_extension(&chosen).display().to_string();
            state.replace = false;
            app.session.export.format = chosen;
        }
        if app.session.export.format == "jpg" {
            let text = ui.label(app.words.get("export-quality")).id;
            let slider = egui::Slider::new(&mut app.session.export.quality, 1..=100).update_while_editing(false);
            let r = ui.add(slider).labelled_by(text).on_hover_text(app.words.get("export-quality-tip"));
            if asks_default(ui, &r) {
                app.session.export.quality = Format::QUALITY;
            }
        }
    });
}

/// Says what the format would lose; false where it cannot hold the picture.
fn losses(app: &App, ui: &mut Ui, state: &State, seen: &Composition) -> bool {
    let Some(format) = format_of(&state.path, app.session.export.quality) else {
        warn(ui, &app.words.get("export-unknown-format"));
        return false;
    };
    let mut possible = true;
    let mut losses = seen.losses(format);
    if cut_out(app) && matches!(format, Format::Jpeg { .. }) && !losses.contains(&Loss::Alpha) {
        losses.insert(0, Loss::Alpha);
    }
    for loss in losses {
        match loss {
            Loss::Alpha => warn(ui, &app.words.get("loss-alpha")),
            Loss::SixteenBit => warn(ui, &app.words.get("loss-sixteen-bit")),
            Loss::CameraData if !app.session.export.camera_data => {}
            Loss::CameraData => warn(ui, &app.words.get("loss-camera-data")),
            Loss::TooLarge { max } => {
                possible = false;
                warn(ui, &app.words.with("loss-too-large", [("most", max)]));
            }
            Loss::Detail => {
                ui.label(caption(app.words.get("loss-detail")));
            }
        }
    }
    possible
}

fn ends_with(path: &str, ending: &str) -> bool {
    path_of(path).extension().is_some_and(|e| e.eq_ignore_ascii_case(ending))
}

/// Whether what is seen is transparent where no class is.
fn cut_out(app: &App) -> bool {
    let look = &app.session.segment;
    app.session.task == Task::Segment && look.shown == Shown::Classes && look.mode == OverlayMode::CutOut
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The person chose a place in the system's dialog, which has asked about replacing already.
pub fn chosen(app: &mut App, path: PathBuf) {
    let Some(state) = &mut app.export else { return };
    let full = match state.what.ending() {
        None if path.extension().is_some() => path.clone(),
        ending => path.with_extension(ending.unwrap_or(&app.session.export.format)),
    };
    // The dialog has asked about this one file, and about no other.
    state.replace = full == path && path.exists() && !matches!(state.what, What::CutOuts | What::Maps);
    state.path = full.display().to_string();
    if let (None, Some(format)) = (state.what.ending(), format_of(&state.path, 90)) {
        app.session.export.format = format.extension().to_owned();
    }
}

fn format_of(path: &str, quality: u8) -> Option<Format> {
    Some(match Format::from_path(&path_of(path))? {
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
