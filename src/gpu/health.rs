//! Hears of every wgpu error, so that none ends the process, and tells each of them once.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{GpuError, one_line};

/// How many different messages are remembered; more than this is noise.
const REMEMBERED: usize = 64;

/// One thing to tell the person about the GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuMessage {
    /// One sentence: what happened and what to do.
    pub text: String,
    /// The device is gone: nothing can be drawn until the program is started again.
    pub fatal: bool,
}

/// Collects the errors that no error scope caught, and the loss of the device. Clones share what they collect.
///
/// Without it wgpu turns such an error into a panic. Each different message is told once, however many frames repeat it.
#[derive(Clone, Default)]
pub struct GpuHealth(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    told: HashSet<String>,
    waiting: Vec<GpuMessage>,
    lost: bool,
}

impl GpuHealth {
    /// Starts listening to `device`. `wake` is called, from any thread, when there is something new to
    /// [`drain`](Self::drain); `egui::Context::request_repaint` is made for it.
    pub fn watch(device: &wgpu::Device, wake: impl Fn() + Clone + Send + Sync + 'static) -> Self {
        let health = Self::default();
        device.on_uncaptured_error({
            let (health, wake) = (health.clone(), wake.clone());
            Arc::new(move |error: wgpu::Error| {
                log::error!("wgpu: {error}");
                if health.tell(explain(&error)) {
                    wake();
                }
            })
        });
        device.set_device_lost_callback({
            let health = health.clone();
            move |reason, what| {
                // Also called when the device is destroyed in good order, as the program ends.
                if reason != wgpu::DeviceLostReason::Destroyed {
                    log::error!("wgpu device lost: {what}");
                    health.lose(&what);
                    wake();
                }
            }
        });
        health
    }

    /// The messages that came since the last call, oldest first.
    pub fn drain(&self) -> Vec<GpuMessage> {
        std::mem::take(&mut self.state().waiting)
    }

    /// True once the device is gone for good. From then on the window must draw *nothing*, not even text, and be
    /// closed (or closed and opened anew): egui's renderer panics when it cannot write its buffers.
    pub fn is_lost(&self) -> bool {
        self.state().lost
    }

    fn lose(&self, what: &str) {
        let text = format!(
            "The graphics device was lost and the window can no longer be drawn: start Lucida again, and update the \
             graphics driver if it happens often ({}).",
            one_line(what)
        );
        let mut state = self.state();
        if !std::mem::replace(&mut state.lost, true) {
            state.waiting.push(GpuMessage { text, fatal: true });
        }
    }

    /// Queues a message unless it was told before; true if it is new.
    fn tell(&self, text: String) -> bool {
        let mut state = self.state();
        // Everything fails on a lost device; one message about it is enough.
        let new = !state.lost && state.told.len() < REMEMBERED && state.told.insert(text.clone());
        if new {
            state.waiting.push(GpuMessage { text, fatal: false });
        }
        new
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere must not silence the messages.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn explain(error: &wgpu::Error) -> String {
    match error {
        wgpu::Error::OutOfMemory { .. } => {
            "The graphics memory is full: close other pictures or programs and try again.".to_owned()
        }
        error => GpuError::refused(error).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_is_told_once_and_not_without_end() {
        let health = GpuHealth::default();
        for number in 0..1000 {
            health.tell(format!("trouble {}", number % 100));
        }
        assert_eq!(health.drain().len(), REMEMBERED);
        assert!(!health.tell("trouble 0".to_owned()));
        assert!(health.drain().is_empty());
    }

    #[test]
    fn the_loss_of_the_device_ends_all_other_talk() {
        let health = GpuHealth::default();
        health.lose("  driver\n reset. ");
        health.lose("again");
        assert!(!health.tell("a buffer is invalid".to_owned()));
        let messages = health.drain();
        assert!(messages.len() == 1 && messages[0].fatal && health.is_lost());
        assert!(messages[0].text.ends_with("(driver reset)."), "{}", messages[0].text);
    }
}
