//! The bar at the top: menus, the way to the command list, and the theme.

use egui::{Button, Panel, Ui};
use lucide_icons::Icon;

use crate::app::commands::Command as C;
use crate::app::session::{Task, Theme};
use crate::app::widgets::{icon, icon_only, named};
use crate::app::{App, words::Words};

/// Draws the bar.
pub fn show(app: &mut App, ui: &mut Ui) {
    Panel::top("menu-bar").exact_size(38.0).show(ui, |ui| {
        ui.horizontal_centered(|ui| {
            ui.add_space(4.0);
            ui.label(egui::RichText::new("Lucida").strong().size(15.0));
            ui.add_space(8.0);
            menu(
                app,
                ui,
                "menu-file",
                &[
                    &[C::Open, C::OpenFolder, C::OpenPath, C::Paste, C::OpenSamples],
                    &[C::OpenCheckpoint, C::JoinWayBack, C::ChoosePartner],
                    &[C::Export, C::ExportAll, C::CopyResult],
                    &[C::RemovePicture, C::PutBack],
                    &[C::Quit],
                ],
            );
            menu(
                app,
                ui,
                "menu-edit",
                &[
                    &[C::TaskStyle, C::TaskSegment, C::TaskTranslate, C::TaskCaption],
                    &[C::PlayWords, C::CopySentence, C::FreeWords],
                    &[C::Undo, C::Redo, C::ResetLook],
                    &[C::ApplyToAll, C::CancelJob, C::CancelAll],
                ],
            );
            menu(
                app,
                ui,
                "menu-view",
                &[
                    &[C::ZoomFit, C::ZoomOne, C::ZoomIn, C::ZoomOut],
                    &[C::CompareResult, C::CompareSplit, C::CompareSideBySide, C::CompareDifference],
                    &[C::PreviousPicture, C::NextPicture],
                    &[C::ToggleInspector, C::ToggleStrip],
                    &[C::ThemeSystem, C::ThemeLight, C::ThemeDark, C::ReduceMotion],
                    &[C::ScaleUp, C::ScaleDown, C::ScaleReset],
                    &[C::LanguageSystem, C::LanguageEnglish, C::LanguageKorean],
                ],
            );
            menu(app, ui, "menu-help", &[&[C::Palette, C::About]]);
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                let dark = ui.visuals().dark_mode;
                let (what, to) = if dark { (Icon::Sun, C::ThemeLight) } else { (Icon::Moon, C::ThemeDark) };
                let tip = app.words.get(to.key());
                if icon_only(ui, what, &tip).on_hover_text(&tip).clicked() {
                    app.ask(to);
                }
                let text = app.words.get("search-commands");
                let keys = ui.ctx().format_shortcut(
                    &C::Palette
                        .shortcut()
                        .unwrap_or(egui::KeyboardShortcut::new(egui::Modifiers::COMMAND, egui::Key::K)),
                );
                let button =
                    Button::new((icon(Icon::Search).weak(), egui::RichText::new(&text).weak())).shortcut_text(keys);
                if named(ui.add(button.min_size(egui::vec2(230.0, 26.0))), egui::Role::Button, &text).clicked() {
                    app.ask(C::Palette);
                }
            });
        });
    });
}

fn menu(app: &mut App, ui: &mut Ui, key: &str, groups: &[&[C]]) {
    let title = app.words.get(key);
    ui.menu_button(title, |ui| {
        // Narrow and tight: the longest menu must fit a small window.
        ui.set_width(300.0);
        ui.spacing_mut().item_spacing.y = 2.0;
        // On a small window, or at a large scale, it still may not.
        let room = ui.ctx().content_rect().height() - 64.0;
        egui::ScrollArea::vertical().max_height(room).min_scrolled_height(room).show(ui, |ui| {
            for (i, group) in groups.iter().enumerate() {
                if i > 0 {
                    ui.separator();
                }
                for &c in *group {
                    if item(app, ui, c) {
                        app.ask(c);
                        ui.close();
                    }
                }
            }
        });
    });
}

/// One line of a menu or of the palette; true when it was picked.
pub fn item(app: &App, ui: &mut Ui, c: C) -> bool {
    let text = app.words.get(c.key());
    let mark =
        if is_chosen(app, c) { icon(Icon::Check).color(ui.visuals().hyperlink_color) } else { icon(c.icon()).weak() };
    let mut button = Button::new((mark, &text)).frame_when_inactive(false);
    if let Some(s) = c.shortcut() {
        button = button.shortcut_text(egui::RichText::new(ui.ctx().format_shortcut(&s)).weak());
    }
    let r = ui.add_enabled(app.can(c), button.min_size(egui::vec2(ui.available_width(), 24.0)));
    tipped(app, named(r, egui::Role::MenuItem, &text), c).clicked()
}

/// What a command does, in a sentence.
pub fn tip(words: &Words, c: C) -> String {
    words.get(&format!("{}-tip", c.key()))
}

/// Says on hover what a command does and, where it makes no sense now, why.
pub fn tipped(app: &App, r: egui::Response, c: C) -> egui::Response {
    let tip = tip(&app.words, c);
    match app.why_not(c) {
        Some(why) => r.on_disabled_hover_text(format!("{tip}\n{}", app.words.get(why))),
        None => r.on_hover_text(tip),
    }
}

/// Whether a command names the choice that is in force.
fn is_chosen(app: &App, c: C) -> bool {
    use crate::app::session::CompareMode as M;
    use crate::app::words::Language as L;
    let s = &app.session;
    match c {
        C::CompareResult => s.compare == M::Result,
        C::CompareSplit => s.compare == M::Split,
        C::CompareSideBySide => s.compare == M::SideBySide,
        C::CompareDifference => s.compare == M::Difference,
        C::ThemeSystem => s.theme == Theme::System,
        C::ThemeLight => s.theme == Theme::Light,
        C::ThemeDark => s.theme == Theme::Dark,
        C::ReduceMotion => s.still,
        C::LanguageSystem => s.language.is_none(),
        C::LanguageEnglish => s.language == Some(L::En),
        C::LanguageKorean => s.language == Some(L::Ko),
        C::TaskStyle => s.task == Task::Style,
        C::TaskSegment => s.task == Task::Segment,
        C::TaskTranslate => s.task == Task::Translate,
        C::TaskCaption => s.task == Task::Caption,
        C::ToggleInspector => s.inspector,
        C::ToggleStrip => s.strip,
        _ => false,
    }
}
