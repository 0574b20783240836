//! The progress bar, drawn only where standard error is a terminal.

use std::fmt::Display;
use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::console;

/// Steps of the bar: finer than any terminal is wide.
const STEPS: u64 = 1000;

/// A progress bar over one picture after the other.
pub(super) struct Progress {
    bar: ProgressBar,
    pictures: usize,
}

impl Progress {
    /// A bar for so many pictures.
    pub(super) fn new(pictures: usize) -> Progress {
        let bar = ProgressBar::with_draw_target(Some(STEPS), ProgressDrawTarget::stderr());
        if let Ok(style) =
            ProgressStyle::with_template("{msg:30!} {bar:32.yellow/dim} {percent:>3} %  {elapsed}  {eta} left")
        {
            bar.set_style(style.progress_chars("━━─"));
        }
        Progress { bar, pictures }
    }

    /// Picture number `index` (from 0) begins.
    pub(super) fn begin(&self, index: usize, name: &str) {
        let name = console::plain(name);
        self.bar.reset();
        self.bar.set_message(match self.pictures {
            1 => name,
            many => format!("{}/{many} {name}", index + 1),
        });
    }

    /// The share of the present picture that is done, 0..=1.
    pub(super) fn at(&self, share: f32) {
        self.bar.set_position((share * STEPS as f32) as u64);
    }

    /// Says a line without tearing the bar.
    pub(super) fn say(&self, line: impl Display) {
        self.aside(|| console::say(line));
    }

    /// Does what writes to the terminal while the bar is away.
    pub(super) fn aside<R>(&self, write: impl FnOnce() -> R) -> R {
        self.bar.suspend(write)
    }

    /// Says a line only a person at a terminal cares for.
    pub(super) fn whisper(&self, line: impl Display) {
        if stderr().is_terminal() {
            self.say(line);
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
