//! Short messages over the canvas: what happened, and a button for what to do about it.
//!
//! egui-notify draws text only; a message that names a remedy needs its button, and a name for the screen reader.

use std::time::{Duration, Instant};

use egui::{Align2, Area, Frame, Id, Role, Ui, Vec2, WidgetInfo};
use lucide_icons::Icon;

use super::commands::Command;
use super::widgets::{caption, icon, icon_only};
use super::words::Words;

/// How urgent a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something went well.
    Done,
    /// Something to know.
    Warning,
    /// Something failed. Stays until closed.
    Failure,
}

struct Notice {
    kind: Kind,
    text: String,
    action: Option<Command>,
    until: Option<Instant>,
    count: usize,
    /// The pictures that it is about.
    about: Vec<String>,
}

impl Notice {
    /// The names of the pictures that it is about: some of them, and how many more there are.
    fn names(&self, words: &Words) -> Option<String> {
        const MOST: usize = 3;
        let some = self.about.iter().take(MOST).cloned().collect::<Vec<_>>().join(", ");
        match self.about.len() {
            0 => None,
            n if n <= MOST => Some(some),
            n => Some(words.with("names-and-more", [("names", some), ("count", (n - MOST).to_string())])),
        }
    }
}

/// The messages now on screen, and how many failures there was no room for any more.
#[derive(Default)]
pub struct Notices {
    shown: Vec<Notice>,
    more: usize,
}

impl Notices {
    /// Closes those that offer this command.
    pub fn close(&mut self, action: Command) {
        self.shown.retain(|n| n.action != Some(action));
    }

    /// Tells something. The same text again only counts up.
    pub fn tell(&mut self, kind: Kind, text: impl Into<String>, action: Option<Command>) {
        self.add(kind, text.into(), action, None);
    }

    /// Tells something about the picture of this name. The same text about other pictures only adds their names.
    pub fn tell_about(&mut self, kind: Kind, text: impl Into<String>, name: Option<String>) {
        self.add(kind, text.into(), None, name);
    }

    fn add(&mut self, kind: Kind, text: String, action: Option<Command>, name: Option<String>) {
        const MOST: usize = 5;
        let until = match kind {
            Kind::Done => Some(Instant::now() + Duration::from_secs(5)),
            Kind::Warning => Some(Instant::now() + Duration::from_secs(12)),
            Kind::Failure => None,
        };
        if let Some(n) = self.shown.iter_mut().find(|n| n.text == text) {
            n.count += 1;
            n.until = until;
            n.about.extend(name.filter(|name| !n.about.contains(name)));
            return;
        }
        if self.shown.len() >= MOST {
            // The oldest that would go by itself goes first; failures stay longest.
            let at = self.shown.iter().position(|n| n.until.is_some()).unwrap_or(0);
            let gone = self.shown.remove(at);
            self.more += if gone.kind == Kind::Failure { gone.count } else { 0 };
        }
        let about = name.into_iter().collect();
        self.shown.push(Notice { kind, text, action, until, count: 1, about });
    }

    /// The texts on screen, oldest first.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.shown.iter().map(|n| n.text.as_str())
    }

    /// Draws the messages in the lower right corner of `ui`, `below` free below them. Returns the command of a pressed button.
    pub fn show(&mut self, ui: &Ui, words: &Words, below: f32) -> Option<Command> {
        let now = Instant::now();
        self.shown.retain(|n| n.until.is_none_or(|t| t > now));
        if let Some(next) = self.shown.iter().filter_map(|n| n.until).min() {
            ui.ctx().request_repaint_after(next - now);
        }
        // Above the canvas' bars, so that neither covers the other.
        let mut bounds = ui.max_rect().shrink(12.0);
        bounds.max.y -= below.max(48.0);
        let mut asked = None;
        let mut closed = None;
        Area::new(Id::unique("notices"))
            .anchor(Align2::RIGHT_BOTTOM, Vec2::ZERO)
            .constrain_to(bounds)
            .order(egui::Order::Foreground)
            .show(ui.ctx(), |ui| {
                ui.set_max_width(380.0);
                if self.more > 0 {
                    Frame::window(ui.style()).inner_margin(10).show(ui, |ui| {
                        ui.set_width(356.0);
                        ui.label(caption(words.with("more-failures", [("count", self.more)])));
                    });
                }
                for (i, n) in self.shown.iter().enumerate() {
                    Frame::window(ui.style()).inner_margin(10).show(ui, |ui| {
                        ui.set_width(356.0);
                        ui.horizontal_top(|ui| {
                            let v = ui.visuals();
                            let (what, colour) = match n.kind {
                                Kind::Done => (Icon::CircleCheck, v.hyperlink_color),
                                Kind::Warning => (Icon::TriangleAlert, v.warn_fg_color),
                                Kind::Failure => (Icon::CircleAlert, v.error_fg_color),
                            };
                            ui.label(icon(what).color(colour).size(16.0));
                            ui.vertical(|ui| {
                                ui.set_width(286.0);
                                let again = n.count > n.about.len().max(1);
                                let text = if again { format!("{} ({}×)", n.text, n.count) } else { n.text.clone() };
                                let r = ui.label(&text);
                                r.widget_info(|| WidgetInfo::labeled(Role::Alert, true, &text));
                                if let Some(names) = n.names(words) {
                                    ui.label(caption(names));
                                }
                                if let Some(c) = n.action
                                    && ui.button(words.get(c.key())).clicked()
                                {
                                    asked = Some(c);
                                    closed = Some(i);
                                }
                            });
                            if icon_only(ui, Icon::X, &words.get("close")).clicked() {
                                closed = Some(i);
                            }
                        });
                    });
                }
            });
        if let Some(i) = closed {
            self.shown.remove(i);
        }
        if !self.shown.iter().any(|n| n.kind == Kind::Failure) {
            self.more = 0;
        }
        asked
    }
}
