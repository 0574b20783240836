//! Every command of the window: one list for menus, shortcuts and the command palette, so that they never drift apart.

use egui::{Key, KeyboardShortcut, Modifiers};
use lucide_icons::Icon;

/// What a person can ask for, in palette order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Choose pictures in a dialog.
    Open,
    /// Choose a folder of pictures in a dialog.
    OpenFolder,
    /// Type a path.
    OpenPath,
    /// Add the samples that come with Lucida.
    OpenSamples,
    /// Take a picture from the clipboard.
    Paste,
    /// Save what is seen.
    Export,
    /// Save the result of every picture that has one for these settings.
    ExportAll,
    /// Put what is seen on the clipboard.
    CopyResult,
    /// Take the picture out of the film strip (the file stays).
    RemovePicture,
    /// Put the picture back that was taken out last, with its results.
    PutBack,
    /// The previous picture of the film strip.
    PreviousPicture,
    /// The next picture of the film strip.
    NextPicture,
    /// Do the same with every picture of the strip.
    ApplyToAll,
    /// Stop the running job.
    CancelJob,
    /// Stop the running job and drop all that wait.
    CancelAll,
    /// Take back.
    Undo,
    /// Do again.
    Redo,
    /// The task's settings as at first.
    ResetLook,
    /// The picture as large as the canvas allows.
    ZoomFit,
    /// One picture pixel per screen pixel.
    ZoomOne,
    /// Closer.
    ZoomIn,
    /// Farther.
    ZoomOut,
    /// Show the result.
    CompareResult,
    /// Show original and result on the two sides of a line.
    CompareSplit,
    /// Show original and result beside each other.
    CompareSideBySide,
    /// Show how far the result is from the original.
    CompareDifference,
    /// The style task.
    TaskStyle,
    /// The segmentation task.
    TaskSegment,
    /// The translation task.
    TaskTranslate,
    /// The caption task.
    TaskCaption,
    /// Play the words of a sentence one after another, or stop that.
    PlayWords,
    /// Put the sentence on the clipboard.
    CopySentence,
    /// Let the sentence be chosen freely again.
    FreeWords,
    /// Choose a checkpoint in a dialog.
    OpenCheckpoint,
    /// Choose, in a dialog, the checkpoint of the way back of a translation.
    JoinWayBack,
    /// Choose, in a dialog, the true partner that translations of the picture are held against.
    ChoosePartner,
    /// Show or hide the inspector.
    ToggleInspector,
    /// Show or hide the film strip.
    ToggleStrip,
    /// Follow the system's theme.
    ThemeSystem,
    /// Light theme.
    ThemeLight,
    /// Dark theme.
    ThemeDark,
    /// Larger controls.
    ScaleUp,
    /// Smaller controls.
    ScaleDown,
    /// Controls as at first.
    ScaleReset,
    /// Nothing moves by itself.
    ReduceMotion,
    /// The language of the system.
    LanguageSystem,
    /// English.
    LanguageEnglish,
    /// Korean.
    LanguageKorean,
    /// The command list.
    Palette,
    /// What this is, and whose work it holds.
    About,
    /// Close the window.
    Quit,
}

use Command as C;

impl Command {
    /// All commands, in palette order.
    pub const ALL: [Self; 51] = [
        C::Open,
        C::OpenFolder,
        C::OpenPath,
        C::OpenSamples,
        C::Paste,
        C::Export,
        C::ExportAll,
        C::CopyResult,
        C::RemovePicture,
        C::PutBack,
        C::PreviousPicture,
        C::NextPicture,
        C::ApplyToAll,
        C::CancelJob,
        C::CancelAll,
        C::Undo,
        C::Redo,
        C::ResetLook,
        C::ZoomFit,
        C::ZoomOne,
        C::ZoomIn,
        C::ZoomOut,
        C::CompareResult,
        C::CompareSplit,
        C::CompareSideBySide,
        C::CompareDifference,
        C::TaskStyle,
        C::TaskSegment,
        C::TaskTranslate,
        C::TaskCaption,
        C::PlayWords,
        C::CopySentence,
        C::FreeWords,
        C::OpenCheckpoint,
        C::JoinWayBack,
        C::ChoosePartner,
        C::ToggleInspector,
        C::ToggleStrip,
        C::ThemeSystem,
        C::ThemeLight,
        C::ThemeDark,
        C::ScaleUp,
        C::ScaleDown,
        C::ScaleReset,
        C::ReduceMotion,
        C::LanguageSystem,
        C::LanguageEnglish,
        C::LanguageKorean,
        C::Palette,
        C::About,
        C::Quit,
    ];

    /// The key of its text in the catalogue; its tooltip is under the same key with `-tip`.
    pub fn key(self) -> &'static str {
        self.facts().0
    }

    /// Its icon.
    pub fn icon(self) -> Icon {
        self.facts().1
    }

    /// Its keyboard shortcut.
    pub fn shortcut(self) -> Option<KeyboardShortcut> {
        self.facts().2
    }

    fn facts(self) -> (&'static str, Icon, Option<KeyboardShortcut>) {
        let key = |m, k| Some(KeyboardShortcut::new(m, k));
        let (none, ctrl) = (Modifiers::NONE, Modifiers::COMMAND);
        let both = Modifiers::COMMAND.plus(Modifiers::SHIFT);
        match self {
            C::Open => ("cmd-open", Icon::ImagePlus, key(ctrl, Key::O)),
            C::OpenFolder => ("cmd-open-folder", Icon::FolderOpen, key(both, Key::O)),
            C::OpenPath => ("cmd-open-path", Icon::TextCursorInput, key(ctrl, Key::L)),
            C::OpenSamples => ("cmd-open-samples", Icon::Images, None),
            C::Paste => ("cmd-paste", Icon::ClipboardPaste, key(ctrl, Key::V)),
            C::Export => ("cmd-export", Icon::Download, key(ctrl, Key::E)),
            C::ExportAll => ("cmd-export-all", Icon::FolderDown, key(both, Key::E)),
            C::CopyResult => ("cmd-copy", Icon::Copy, key(ctrl, Key::C)),
            C::RemovePicture => ("cmd-remove", Icon::ImageMinus, key(ctrl, Key::Backspace)),
            C::PutBack => ("cmd-put-back", Icon::ImageUp, None),
            C::PreviousPicture => ("cmd-previous", Icon::ChevronLeft, key(none, Key::PageUp)),
            C::NextPicture => ("cmd-next", Icon::ChevronRight, key(none, Key::PageDown)),
            C::ApplyToAll => ("cmd-apply-all", Icon::Layers, key(both, Key::A)),
            C::CancelJob => ("cmd-cancel", Icon::CircleX, key(ctrl, Key::Period)),
            C::CancelAll => ("cmd-cancel-all", Icon::CircleX, key(both, Key::Period)),
            C::Undo => ("cmd-undo", Icon::Undo2, key(ctrl, Key::Z)),
            C::Redo => ("cmd-redo", Icon::Redo2, key(both, Key::Z)),
            C::ResetLook => ("cmd-reset-look", Icon::RotateCcw, key(ctrl, Key::R)),
            C::ZoomFit => ("cmd-zoom-fit", Icon::Maximize, key(none, Key::F)),
            C::ZoomOne => ("cmd-zoom-one", Icon::Scan, key(none, Key::Z)),
            C::ZoomIn => ("cmd-zoom-in", Icon::ZoomIn, key(none, Key::Plus)),
            C::ZoomOut => ("cmd-zoom-out", Icon::ZoomOut, key(none, Key::Minus)),
            C::CompareResult => ("cmd-compare-result", Icon::Image, key(none, Key::Q)),
            C::CompareSplit => ("cmd-compare-split", Icon::SquareSplitHorizontal, key(none, Key::W)),
            C::CompareSideBySide => ("cmd-compare-side", Icon::Columns2, key(none, Key::E)),
            C::CompareDifference => ("cmd-compare-difference", Icon::Diff, key(none, Key::D)),
            C::TaskStyle => ("cmd-task-style", Icon::Palette, key(none, Key::Num1)),
            C::TaskSegment => ("cmd-task-segment", Icon::Shapes, key(none, Key::Num2)),
            C::TaskTranslate => ("cmd-task-translate", Icon::ArrowLeftRight, key(none, Key::Num3)),
            C::TaskCaption => ("cmd-task-caption", Icon::MessageSquareText, key(none, Key::Num4)),
            C::PlayWords => ("cmd-play-words", Icon::Play, key(none, Key::P)),
            C::CopySentence => ("cmd-copy-sentence", Icon::ClipboardCopy, None),
            C::FreeWords => ("cmd-free-words", Icon::Shuffle, None),
            C::OpenCheckpoint => ("cmd-open-checkpoint", Icon::BrainCircuit, None),
            C::JoinWayBack => ("cmd-join-way-back", Icon::Undo, None),
            C::ChoosePartner => ("cmd-choose-partner", Icon::ImagePlus, None),
            C::ToggleInspector => ("cmd-toggle-inspector", Icon::PanelRight, key(none, Key::I)),
            C::ToggleStrip => ("cmd-toggle-strip", Icon::PanelBottom, key(none, Key::T)),
            C::ThemeSystem => ("cmd-theme-system", Icon::SunMoon, None),
            C::ThemeLight => ("cmd-theme-light", Icon::Sun, None),
            C::ThemeDark => ("cmd-theme-dark", Icon::Moon, None),
            C::ScaleUp => ("cmd-scale-up", Icon::AArrowUp, key(ctrl, Key::Plus)),
            C::ScaleDown => ("cmd-scale-down", Icon::AArrowDown, key(ctrl, Key::Minus)),
            C::ScaleReset => ("cmd-scale-reset", Icon::ALargeSmall, key(ctrl, Key::Num0)),
            C::ReduceMotion => ("cmd-reduce-motion", Icon::CirclePause, None),
            C::LanguageSystem => ("cmd-language-system", Icon::Languages, None),
            C::LanguageEnglish => ("cmd-language-en", Icon::Languages, None),
            C::LanguageKorean => ("cmd-language-ko", Icon::Languages, None),
            C::Palette => ("cmd-palette", Icon::Command, key(ctrl, Key::K)),
            C::About => ("cmd-about", Icon::Info, key(none, Key::F1)),
            C::Quit => ("cmd-quit", Icon::LogOut, key(ctrl, Key::Q)),
        }
    }
}

/// The commands whose shortcuts were pressed this frame. Plain keys are left alone while a text field has the focus.
pub fn pressed(ctx: &egui::Context) -> Vec<Command> {
    let typing = ctx.text_edit_focused();
    // A key that is held down empties no strip.
    let held = |e: &egui::Event| matches!(e, egui::Event::Key { pressed: true, repeat: true, .. });
    let held = ctx.input(|i| i.events.iter().any(held));
    let mut with_keys: Vec<_> = Command::ALL.iter().filter_map(|c| c.shortcut().map(|s| (*c, s))).collect();
    // Ctrl+Shift+Z before Ctrl+Z: a shortcut with fewer modifiers would swallow the one with more.
    with_keys.sort_by_key(|(_, s)| std::cmp::Reverse(u8::from(s.modifiers.shift) + u8::from(s.modifiers.command)));
    // egui turns Ctrl+C and Ctrl+V into events of their own; the app looks for those.
    with_keys
        .into_iter()
        .filter(|(c, _)| !matches!(c, C::CopyResult | C::Paste))
        .filter(|(c, s)| !(typing && keeps_to_text(*c, s)))
        .filter(|(_, s)| {
            ctx.input_mut(|i| i.consume_shortcut(s) || unshifted(s).is_some_and(|s| i.consume_shortcut(&s)))
        })
        .map(|(c, _)| c)
        .filter(|c| !(held && *c == C::RemovePicture))
        .collect()
}

/// Where "+" is the shifted "=", nobody shifts to come closer.
fn unshifted(s: &KeyboardShortcut) -> Option<KeyboardShortcut> {
    (s.logical_key == Key::Plus).then(|| KeyboardShortcut::new(s.modifiers, Key::Equals))
}

/// Whether a text field that has the focus needs the key for itself.
fn keeps_to_text(c: Command, s: &KeyboardShortcut) -> bool {
    !s.modifiers.command || matches!(c, C::Undo | C::Redo | C::RemovePicture)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::words::{Language, Words};

    #[test]
    fn every_command_has_words_and_no_two_share_a_shortcut() {
        for l in Language::ALL {
            let words = Words::new(l);
            for c in Command::ALL {
                assert!(words.has(c.key()), "{l:?} {}", c.key());
                assert!(words.has(&format!("{}-tip", c.key())), "{l:?} {}-tip", c.key());
            }
        }
        let mut seen = std::collections::HashMap::new();
        for c in Command::ALL {
            if let Some(s) = c.shortcut() {
                assert_eq!(seen.insert(s, c), None, "{c:?}");
            }
        }
    }
}
