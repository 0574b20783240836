//! What each command does.

use egui::{ThemePreference, ViewportCommand};

use super::commands::Command as C;
use super::dialogs::Ask;
use super::notices::Kind;
use super::session::{CompareMode, Look, Theme};
use super::words::{Language, Words};
use super::workers::FileJob;
use super::{App, SAMPLES, panels};

impl App {
    /// Whether a command makes sense now.
    pub fn can(&self, c: C) -> bool {
        let picture = self.studio.current().is_some();
        match c {
            C::Export | C::CopyResult | C::RemovePicture | C::ZoomFit | C::ZoomOne | C::ZoomIn | C::ZoomOut => picture,
            C::PreviousPicture => self.studio.position().is_some_and(|i| i > 0),
            C::NextPicture => self.studio.position().is_some_and(|i| i + 1 < self.studio.entries.len()),
            C::ExportAll => self.studio.entries.iter().any(|e| e.find(&self.session.look.params()).is_some()),
            C::ApplyToAll => self.studio.entries.len() > 1 && self.studio.stylizer.is_some(),
            C::CancelJob | C::CancelAll => !self.studio.nets.is_idle(),
            C::Undo => self.undo.has_undo(&self.session.look),
            C::Redo => self.undo.has_redo(&self.session.look),
            C::ResetLook => self.session.look != Look::default(),
            _ => true,
        }
    }

    /// Does a command, if it makes sense now.
    pub(super) fn carry_out(&mut self, ctx: &egui::Context, c: C) {
        if !self.can(c) {
            return;
        }
        let s = &mut self.session;
        match c {
            C::Open => self.dialogs.ask(ctx, Ask::Pictures, self.words.get("cmd-open"), self.words.get("pictures")),
            C::OpenFolder => self.dialogs.ask(ctx, Ask::Folder, self.words.get("cmd-open-folder"), String::new()),
            C::OpenPath => self.open_path = Some(Default::default()),
            C::OpenSamples => self.open_samples(SAMPLES.len()),
            C::Paste => ctx.send_viewport_cmd(ViewportCommand::RequestPaste),
            C::Export => panels::export::open(self),
            C::ExportAll => self.dialogs.ask(ctx, Ask::ExportFolder, self.words.get("cmd-export-all"), String::new()),
            C::CopyResult => {
                if let Some((original, styled)) = self.seen() {
                    let look = self.session.look.clone();
                    self.studio.files.push(FileJob::Copy { original, styled, look });
                }
            }
            C::RemovePicture => self.studio.remove_selected(),
            C::PreviousPicture | C::NextPicture => {
                let at = self.studio.position().map(|i| if c == C::NextPicture { i + 1 } else { i.saturating_sub(1) });
                self.studio.selected = at.and_then(|i| self.studio.entries.get(i)).map(|e| e.id);
                self.reveal_selected = true;
            }
            C::ApplyToAll => {
                let count = self.studio.ask_all(&self.session.look.params());
                self.notices.tell(Kind::Done, self.words.with("queued", [("count", count)]), None);
            }
            C::CancelJob | C::CancelAll => {
                if c == C::CancelAll {
                    self.studio.nets.drop_waiting(|_| true);
                }
                if let Some(id) = self.studio.nets.running().map(|r| r.id) {
                    self.studio.nets.cancel(id);
                }
            }
            C::Undo => {
                if let Some(look) = self.undo.undo(&self.session.look) {
                    self.session.look = look.clone();
                }
            }
            C::Redo => {
                if let Some(look) = self.undo.redo(&self.session.look) {
                    self.session.look = look.clone();
                }
            }
            C::ResetLook => {
                // The chosen style stays: what is reset is what the sliders do to it.
                let first = s.look.mix.first().cloned();
                s.look = Look::default();
                if let Some((id, _)) = first {
                    s.look.mix = vec![(id, 1.0)];
                }
                self.mixing = false;
            }
            C::ZoomFit | C::ZoomOne | C::ZoomIn | C::ZoomOut => self.canvas.zoom(c),
            C::CompareResult => s.compare = CompareMode::Result,
            C::CompareSplit => s.compare = CompareMode::Split,
            C::CompareSideBySide => s.compare = CompareMode::SideBySide,
            C::CompareDifference => s.compare = CompareMode::Difference,
            C::TaskStyle => s.inspector = true,
            C::ToggleInspector => s.inspector = !s.inspector,
            C::ToggleStrip => s.strip = !s.strip,
            C::ThemeSystem | C::ThemeLight | C::ThemeDark => {
                s.theme = match c {
                    C::ThemeSystem => Theme::System,
                    C::ThemeLight => Theme::Light,
                    _ => Theme::Dark,
                };
                self.apply_appearance(ctx);
            }
            C::ScaleUp | C::ScaleDown | C::ScaleReset => {
                s.scale = match c {
                    C::ScaleUp => (s.scale + 0.1).min(2.5),
                    C::ScaleDown => (s.scale - 0.1).max(0.75),
                    _ => 1.0,
                };
                self.apply_appearance(ctx);
            }
            C::ReduceMotion => {
                s.still = !s.still;
                self.apply_appearance(ctx);
            }
            C::LanguageEnglish | C::LanguageKorean => {
                let l = if c == C::LanguageKorean { Language::Ko } else { Language::En };
                s.language = Some(l);
                self.words = Words::new(l);
            }
            C::Palette => self.palette = Some(Default::default()),
            C::About => self.about = true,
            C::Quit => ctx.send_viewport_cmd(ViewportCommand::Close),
        }
    }

    /// Theme, scale and motion as the session has them.
    pub(super) fn apply_appearance(&self, ctx: &egui::Context) {
        ctx.set_theme(match self.session.theme {
            Theme::System => ThemePreference::System,
            Theme::Light => ThemePreference::Light,
            Theme::Dark => ThemePreference::Dark,
        });
        ctx.set_zoom_factor(self.session.scale);
        let still = self.session.still;
        ctx.all_styles_mut(|s| s.animation_time = if still { 0.0 } else { 0.12 });
    }
}
