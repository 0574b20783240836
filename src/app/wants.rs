//! What the window asks its workers for by itself: the results that the settings in force are about, once each.

use super::App;
use super::panels::export::State;
use super::session::Task;

impl App {
    /// Asks for what the canvas needs and does not have.
    pub(super) fn want(&mut self, ctx: &egui::Context) {
        // While a slider is held its value is not final; inference would only chase it.
        if ctx.input(|i| i.pointer.any_down()) {
            return;
        }
        let Some(id) = self.studio.selected else { return };
        self.studio.drop_unseen();
        match self.session.task {
            Task::Style => {
                let params = self.session.look.params();
                if self.studio.stylizer.is_some() && self.asked_params.as_ref() != Some(&(id, params.clone())) {
                    self.studio.ask(&params);
                    // Asked once: a job that failed or was cancelled is not started again by itself.
                    self.asked_params = Some((id, params));
                }
                self.studio.ask_gallery();
            }
            Task::Segment => {
                let look = &self.session.segment;
                let wanted: Vec<_> = [Some(look.asked()), look.asked_other()].into_iter().flatten().collect();
                let wanted: Vec<_> = wanted.into_iter().map(|asked| (id, asked)).collect();
                for (_, asked) in wanted.iter().filter(|w| !self.asked_segmentations.contains(w)) {
                    self.studio.request(asked);
                }
                self.studio.give_up(&wanted);
                self.asked_segmentations = wanted;
            }
            Task::Translate => self.want_translations(id),
            Task::Caption => self.want_captions(id),
        }
        // What failed or was cancelled is not waited for.
        if self.studio.nets.is_idle() {
            self.export.iter_mut().for_each(State::stop_waiting);
        }
    }

    /// Lets the chosen style and the gallery be asked for again, after a cancelled or failed job.
    pub fn paint_again(&mut self) {
        self.asked_params = None;
        self.studio.gallery_again();
    }

    /// Lets what is chosen be asked for again, in all tasks.
    pub fn ask_again(&mut self) {
        self.paint_again();
        self.segment_again();
        self.translate_again();
        self.caption_again();
    }

    /// Whether there is a model of the task that is chosen.
    pub fn has_model(&self) -> bool {
        match self.session.task {
            Task::Style | Task::Segment => true,
            Task::Translate => !self.session.translate.model.is_empty(),
            Task::Caption => !self.session.caption.model.is_empty(),
        }
    }
}
