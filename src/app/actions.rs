//! What each command does.

use egui::style::ScrollAnimation;
use egui::{ThemePreference, ViewportCommand};

use super::commands::Command as C;
use super::dialogs::Ask;
use super::notices::Kind;
use super::opening::SAMPLES;
use super::request::Request;
use super::session::{CompareMode, Looks, Task, Theme};
use super::theme;
use super::translate_look::TranslateView;
use super::words::{Language, Words};
use super::workers::{FileJob, NetJob};
use super::{App, panels};

impl App {
    /// Whether a command makes sense now.
    pub fn can(&self, c: C) -> bool {
        self.why_not(c).is_none()
    }

    /// Why a command makes no sense now: the key of a sentence. `None` where it does.
    pub fn why_not(&self, c: C) -> Option<&'static str> {
        let picture = self.studio.current().is_some();
        let needs = |there: bool, why: &'static str| (!there).then_some(why);
        match c {
            C::Export | C::CopyResult | C::RemovePicture | C::ZoomFit | C::ZoomOne | C::ZoomIn | C::ZoomOut => {
                needs(picture, "needs-picture")
            }
            C::PutBack => needs(!self.studio.removed.is_empty(), "needs-removed"),
            C::PreviousPicture => needs(picture, "needs-picture")
                .or(needs(self.studio.position().is_some_and(|i| i > 0), "needs-previous")),
            C::NextPicture => {
                let last = self.studio.position().is_none_or(|i| i + 1 >= self.studio.entries.len());
                needs(picture, "needs-picture").or(needs(!last, "needs-next"))
            }
            C::ExportAll => needs(self.studio.entries.iter().any(|e| self.seen_of(e).has_result()), "needs-any-result"),
            C::ApplyToAll => {
                let ready = match self.session.task {
                    Task::Style => self.studio.stylizer.is_some(),
                    Task::Segment => true,
                    Task::Translate => self.translation_asked().is_some_and(|a| self.able(&a)),
                    Task::Caption => !self.session.caption.model.is_empty(),
                };
                needs(picture, "needs-picture")
                    .or(needs(self.studio.entries.len() > 1, "needs-pictures"))
                    .or(needs(ready, "needs-model"))
            }
            C::CancelJob => needs(!self.studio.nets.is_idle(), "needs-job"),
            C::CancelAll => {
                let files = self.studio.reading() + self.studio.writing();
                needs(!self.studio.nets.is_idle() || files > 0, "needs-job")
            }
            C::Undo => needs(self.removed_last() || self.undo.has_undo(&self.session.looks()), "needs-undo"),
            C::Redo => needs(self.undo.has_redo(&self.session.looks()), "needs-redo"),
            C::ResetLook => {
                let changed = match self.session.task {
                    Task::Style => self.session.look != self.session.look.reset(),
                    Task::Segment => self.session.segment != self.session.segment.reset(),
                    Task::Translate => self.session.translate != self.session.translate.reset(),
                    Task::Caption => self.session.caption != self.session.caption.reset(),
                };
                needs(changed, "needs-change")
            }
            C::CompareResult | C::CompareSplit | C::CompareSideBySide | C::CompareDifference => {
                needs(self.session.task != Task::Caption, "needs-result-picture")
            }
            C::PlayWords | C::CopySentence => needs(self.session.task == Task::Caption, "needs-caption")
                .or_else(|| needs(self.told().is_some(), "needs-sentence")),
            C::FreeWords => needs(self.session.task == Task::Caption, "needs-caption")
                .or_else(|| needs(self.is_forced(), "needs-forced")),
            C::JoinWayBack => {
                let facts = self.studio.facts(&self.session.translate.networks());
                needs(self.session.task == Task::Translate, "needs-translate")
                    .or_else(|| needs(facts.is_some_and(|facts| !facts.goes_back()), "needs-one-way"))
            }
            C::ChoosePartner => {
                needs(self.session.task == Task::Translate, "needs-translate").or(needs(picture, "needs-picture"))
            }
            _ => None,
        }
    }

    /// Does a command, if it makes sense now.
    pub(super) fn carry_out(&mut self, ctx: &egui::Context, c: C) {
        if !self.can(c) {
            return;
        }
        let c = if c == C::Undo && self.removed_last() { C::PutBack } else { c };
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
                if let Some(seen) = self.seen() {
                    if seen.has_result() {
                        self.studio.file(FileJob::Copy(seen));
                    } else {
                        self.notices.tell(Kind::Warning, self.words.get("copy-no-result"), None);
                    }
                }
            }
            C::RemovePicture => {
                if let Some(name) = self.studio.remove_selected(self.session.looks()) {
                    // Its button puts back the last one.
                    self.notices.close(C::PutBack);
                    self.notices.tell(Kind::Done, self.words.with("removed", [("name", name)]), Some(C::PutBack));
                }
            }
            C::PutBack => {
                self.studio.put_back();
                self.reveal_selected = true;
                // What was cancelled when it went is asked for again.
                self.ask_again();
            }
            C::PreviousPicture | C::NextPicture => {
                let at = self.studio.position().map(|i| if c == C::NextPicture { i + 1 } else { i.saturating_sub(1) });
                self.studio.selected = at.and_then(|i| self.studio.entries.get(i)).map(|e| e.id);
                self.reveal_selected = true;
            }
            C::ApplyToAll => {
                let count = match self.session.task {
                    Task::Style => self.studio.request_all(|_| vec![self.session.look.params()]),
                    Task::Segment => self.studio.request_all(|_| vec![self.session.segment.asked()]),
                    Task::Translate => {
                        let wanted = [self.translation_asked(), self.translation_beside()].into_iter().flatten();
                        let wanted: Vec<_> = wanted.filter(|asked| self.able(asked)).collect();
                        self.studio.request_all(|_| wanted.clone())
                    }
                    Task::Caption => self.caption_all(),
                };
                if count > 0 || self.studio.no_room == 0 {
                    self.notices.tell(Kind::Done, self.words.with("queued", [("count", count)]), None);
                }
            }
            C::CancelJob | C::CancelAll => {
                if c == C::CancelAll {
                    self.studio.nets.drop_waiting(|_| true);
                    self.studio.files.drop_waiting(|j| matches!(j, FileJob::Open(_) | FileJob::Export { .. }));
                }
                if let Some((id, job)) = self.studio.nets.running().map(|r| (r.id, r.job.clone())) {
                    self.studio.nets.cancel(id);
                    if let NetJob::Preview { entry, params, .. } = &*job {
                        // What it is the preview of goes with it.
                        self.studio.nets.drop_waiting(|j| j.entry() == Some(*entry) && params.is_served_by(j));
                    }
                }
            }
            C::Undo => {
                if let Some(looks) = self.undo.undo(&self.session.looks()).cloned() {
                    self.take_looks(looks);
                }
            }
            C::Redo => {
                if let Some(looks) = self.undo.redo(&self.session.looks()).cloned() {
                    self.take_looks(looks);
                }
            }
            C::ResetLook => match s.task {
                Task::Style => {
                    s.look = s.look.reset();
                    self.mixing = false;
                }
                Task::Segment => s.segment = s.segment.reset(),
                Task::Translate => s.translate = s.translate.reset(),
                Task::Caption => s.caption = s.caption.reset(),
            },
            C::ZoomFit | C::ZoomOne | C::ZoomIn | C::ZoomOut => self.canvas.zoom(c),
            C::CompareResult | C::CompareSplit | C::CompareSideBySide | C::CompareDifference => {
                s.compare = match c {
                    C::CompareSplit => CompareMode::Split,
                    C::CompareSideBySide => CompareMode::SideBySide,
                    C::CompareDifference => CompareMode::Difference,
                    _ => CompareMode::Result,
                };
                if s.task == Task::Translate {
                    // Only the result is compared that way.
                    s.translate.view = TranslateView::Result;
                }
            }
            C::TaskStyle | C::TaskSegment | C::TaskTranslate | C::TaskCaption => {
                s.task = match c {
                    C::TaskStyle => Task::Style,
                    C::TaskSegment => Task::Segment,
                    C::TaskCaption => Task::Caption,
                    _ => Task::Translate,
                };
                s.inspector = true;
            }
            C::PlayWords => self.play(ctx),
            C::CopySentence => {
                if let Some(text) = self.told().and_then(|told| Some(told.sentence()?.text())) {
                    ctx.copy_text(text);
                    self.notices.tell(Kind::Done, self.words.get("copied"), None);
                }
            }
            C::FreeWords => self.force(Vec::new()),
            C::OpenCheckpoint => {
                let (title, filter) = (self.words.get("cmd-open-checkpoint"), self.words.get("checkpoints"));
                self.dialogs.ask(ctx, Ask::Checkpoint, title, filter);
            }
            C::JoinWayBack => {
                let (title, filter) = (self.words.get("cmd-join-way-back"), self.words.get("checkpoints"));
                self.dialogs.ask(ctx, Ask::WayBack(self.session.translate.networks()), title, filter);
            }
            C::ChoosePartner => {
                let (title, filter) = (self.words.get("cmd-choose-partner"), self.words.get("pictures"));
                if let Some(id) = self.studio.selected {
                    self.dialogs.ask(ctx, Ask::Partner(id), title, filter);
                }
            }
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
            C::LanguageSystem | C::LanguageEnglish | C::LanguageKorean => {
                s.language = match c {
                    C::LanguageEnglish => Some(Language::En),
                    C::LanguageKorean => Some(Language::Ko),
                    _ => None,
                };
                self.words = Words::new(s.language.unwrap_or_else(Language::of_system));
            }
            C::Palette => self.palette = Some(Default::default()),
            C::About => self.about = true,
            C::Quit => ctx.send_viewport_cmd(ViewportCommand::Close),
        }
    }

    /// Whether a picture was taken out and no setting changed since: that is what undoing means then.
    fn removed_last(&self) -> bool {
        self.studio.removed.last().is_some_and(|removed| removed.looks == self.session.looks())
    }

    /// Goes back (or forth) to settings; where the forced words of one picture are others then, that one is shown.
    fn take_looks(&mut self, looks: Looks) {
        let before = self.session.caption.forced.clone();
        self.session.take_looks(looks);
        self.mixing = self.session.look.mix.len() > 1;
        let after = &self.session.caption.forced;
        let changed = |e: &&super::entry::Entry| before.get(&e.id) != after.get(&e.id);
        let mut changed = self.studio.entries.iter().filter(changed).map(|e| e.id);
        if let (Some(id), None) = (changed.next(), changed.next()) {
            self.studio.selected = Some(id);
            self.reveal_selected = true;
        }
    }

    /// Theme, scale and motion as the session has them.
    pub(super) fn apply_appearance(&self, ctx: &egui::Context) {
        ctx.set_theme(match self.session.theme {
            Theme::System => ThemePreference::System,
            Theme::Light => ThemePreference::Light,
            Theme::Dark => ThemePreference::Dark,
        });
        // The scale is the session's; egui's own zoom would not be remembered.
        ctx.options_mut(|o| o.zoom_with_keyboard = false);
        ctx.set_zoom_factor(self.session.scale);
        let still = self.session.still;
        ctx.all_styles_mut(|s| {
            s.animation_time = if still { 0.0 } else { theme::MOTION };
            s.scroll_animation = match still {
                true => ScrollAnimation::none(),
                false => ScrollAnimation::duration(theme::MOTION),
            };
        });
    }
}
