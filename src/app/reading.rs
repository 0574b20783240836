//! Where a person is in a caption: which sentence, which word, and whether the words are being played.

use egui::{Context, Key, Modifiers};

use super::App;
use super::caption_look::Asked;
use super::captioned::{Captioned, Pick, Step, Told};
use super::entry::PictureId;
use super::session::Task;

/// Where a person is. No setting: nothing of it is remembered or undone.
#[derive(Default)]
pub struct Reading {
    /// The caption that it is about.
    of: Option<(PictureId, Asked)>,
    /// The sentence.
    pub pick: Pick,
    /// What was chosen to be seen of it.
    pub step: Step,
    /// What is seen instead, as long as the pointer is there.
    pub(super) hovered: Option<Step>,
    /// Since when the word that is played is seen, in seconds of the window's time.
    since: Option<f64>,
    /// What is to be seen of the caption that this picture gets.
    then: Option<(PictureId, Step)>,
    /// Whether a word has the keyboard, and so the next one is to have it.
    pub(super) word_has_focus: bool,
    pub(super) give_focus: bool,
}

impl Reading {
    /// What is seen.
    pub fn seen(&self) -> Step {
        self.hovered.unwrap_or(self.step)
    }

    /// Whether words are being played.
    pub fn plays(&self) -> bool {
        self.since.is_some()
    }

    /// Chooses what is seen; the same again lets go of it.
    pub fn choose(&mut self, step: Step) {
        self.step = if self.step == step && !self.plays() { Step::Nothing } else { step };
        self.since = None;
    }

    /// Chooses another sentence, and what is seen of it.
    pub fn pick(&mut self, pick: Pick, step: Step) {
        (self.pick, self.step, self.since) = (pick, step, None);
    }
}

impl App {
    /// What is asked for to describe the shown picture; `None` where there is no model, or no picture.
    pub fn caption_asked(&self) -> Option<Asked> {
        let look = &self.session.caption;
        self.studio.selected.filter(|_| !look.model.is_empty()).map(|id| look.asked(id))
    }

    /// The same for the model whose sentence stands beside.
    pub fn caption_beside(&self) -> Option<Asked> {
        self.session.caption.asked_beside(self.studio.selected?)
    }

    /// The caption that is shown: that of the settings, or until it is there an older one.
    pub fn caption_now(&self) -> Option<&Captioned> {
        self.studio.current()?.caption_so_far(&self.caption_asked()?)
    }

    /// The sentence that is shown.
    pub fn told(&self) -> Option<Told> {
        Some(self.caption_now()?.told(self.reading.pick)).filter(|told| told.sentence().is_some())
    }

    /// Whether the shown picture's sentence has to begin with given words.
    pub fn is_forced(&self) -> bool {
        self.studio.selected.is_some_and(|id| self.session.caption.forced.contains_key(&id))
    }

    /// Whether the words of the shown sentence can be forced: those of another model the chosen one may not have.
    pub fn can_force(&self) -> bool {
        self.caption_now().is_some_and(|c| c.asked.model == self.session.caption.model)
    }

    /// Has the shown picture's sentence begin with these words; with none, it chooses for itself again.
    pub fn force(&mut self, words: Vec<String>) {
        let Some(id) = self.studio.selected else { return };
        self.reading.then = words.len().checked_sub(1).map(|last| (id, Step::Word(last)));
        self.session.caption.force(id, words);
        // A forced word may be asked for again after its job was cancelled.
        self.caption_again();
    }

    /// Plays the words, or stops that.
    pub(super) fn play(&mut self, ctx: &Context) {
        let now = ctx.input(|i| i.time);
        let reading = &mut self.reading;
        reading.since = if reading.since.is_some() { None } else { Some(now) };
        if reading.plays() && !matches!(reading.step, Step::Word(_)) {
            reading.step = Step::Word(0);
        }
    }

    /// Keeps up with what is shown: another caption is read from its beginning; keys step; time plays.
    pub(super) fn follow_caption(&mut self, ctx: &Context) {
        if self.session.task != Task::Caption {
            self.reading.since = None;
            return;
        }
        let now = self.studio.selected.zip(self.caption_now().map(|c| c.asked.clone()));
        let wanted = self.studio.selected.zip(self.caption_asked());
        let then = self.reading.then.filter(|(id, _)| Some(*id) == self.studio.selected);
        let exact = now == wanted;
        if then.is_some() && (exact || !wanted.is_some_and(|(id, asked)| self.caption_is_to_come(id, &asked))) {
            // It is seen now; or never, where its job was cancelled or failed.
            self.reading.then = None;
        }
        if now != self.reading.of {
            let told = self.caption_now().map(|c| c.told(Pick::default()));
            let forced = then.filter(|_| exact).map(|(_, step)| step);
            let step = forced.or(told.map(|told| told.sharpest())).unwrap_or_default();
            let Reading { since, word_has_focus, then, .. } = self.reading;
            // What is played goes on with the next picture.
            let step = if since.is_some() { Step::Word(0) } else { step };
            self.reading = Reading { of: now, step, since, word_has_focus, then, ..Reading::default() };
        }
        let Some(told) = self.told() else { return };
        self.keys(ctx, &told);
        self.tick(ctx, &told);
    }

    fn keys(&mut self, ctx: &Context, told: &Told) {
        // Of another control, they are its own.
        let free = ctx.memory(|m| m.focused()).is_none() || self.reading.word_has_focus;
        if !free || ctx.text_edit_focused() || told.steps() == 0 {
            return;
        }
        let pressed = |key| ctx.input_mut(|i| i.consume_key(Modifiers::NONE, key));
        let last = told.steps() - 1;
        let at = match self.reading.step {
            Step::Word(at) => Some(at.min(last)),
            _ => None,
        };
        let to = match () {
            () if pressed(Key::ArrowRight) => at.map_or(0, |at| (at + 1).min(last)),
            () if pressed(Key::ArrowLeft) => at.map_or(last, |at| at.saturating_sub(1)),
            () if pressed(Key::Home) => 0,
            () if pressed(Key::End) => last,
            () => return,
        };
        self.reading.step = Step::Word(to);
        self.reading.since = None;
        self.reading.give_focus = self.reading.word_has_focus;
    }

    fn tick(&mut self, ctx: &Context, told: &Told) {
        let Some(since) = self.reading.since else { return };
        let (now, each) = (ctx.input(|i| i.time), 1.0 / f64::from(self.session.caption.speed.max(0.1)));
        if now - since >= each {
            let at = if let Step::Word(at) = self.reading.step { at + 1 } else { 0 };
            self.reading.step = Step::Word(if at < told.steps() { at } else { 0 });
            // On time, unless the window was not drawn for a while.
            self.reading.since = Some(if now - since < 2.0 * each { since + each } else { now });
        }
        let next = self.reading.since.map_or(each, |since| (since + each - now).max(0.0));
        ctx.request_repaint_after(std::time::Duration::from_secs_f64(next));
    }
}
