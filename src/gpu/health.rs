//! Hears of every wgpu error, so that none ends the process, and tells each of them once.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{GpuError, one_line};

/// How many different messages are remembered; more than this is noise.
const REMEMBERED: usize = 64;

/// Collects the errors that no error scope caught, and the loss of the device. Clones share what they collect.
///
/// Without it wgpu turns such an error into a panic. Each different message is told once, however many frames repeat it.
#[derive(Clone, Default)]
pub struct GpuHealth(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    told: HashSet<GpuError>,
    waiting: Vec<GpuError>,
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

    /// What came since the last call, oldest first: things to tell the person.
    pub fn drain(&self) -> Vec<GpuError> {
        std::mem::take(&mut self.state().waiting)
    }

    /// True once the device is gone for good. From then on the window must draw *nothing*, not even text, and be
    /// closed (or closed and opened anew): egui's renderer panics when it cannot write its buffers.
    pub fn is_lost(&self) -> bool {
        self.state().lost
    }

    fn lose(&self, what: &str) {
        let mut state = self.state();
        if !std::mem::replace(&mut state.lost, true) {
            state.waiting.push(GpuError::Lost { reason: one_line(what) });
        }
    }

    /// Queues an error unless it was told before; true if it is new.
    fn tell(&self, error: GpuError) -> bool {
        let mut state = self.state();
        // Everything fails on a lost device; one message about it is enough.
        let new = !state.lost && state.told.len() < REMEMBERED && state.told.insert(error.clone());
        if new {
            state.waiting.push(error);
        }
        new
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere must not silence the messages.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn explain(error: &wgpu::Error) -> GpuError {
    match error {
        wgpu::Error::OutOfMemory { .. } => GpuError::MemoryFull,
        error => GpuError::refused(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trouble(number: usize) -> GpuError {
        GpuError::Refused { reason: format!("trouble {number}") }
    }

    #[test]
    fn each_message_is_told_once_and_not_without_end() {
        let health = GpuHealth::default();
        for number in 0..1000 {
            health.tell(trouble(number % 100));
        }
        assert_eq!(health.drain().len(), REMEMBERED);
        assert!(!health.tell(trouble(0)));
        assert!(health.drain().is_empty());
    }

    #[test]
    fn the_loss_of_the_device_ends_all_other_talk() {
        let health = GpuHealth::default();
        health.lose("  driver\n reset. ");
        health.lose("again");
        assert!(!health.tell(trouble(0)));
        assert!(health.is_lost());
        assert_eq!(health.drain(), [GpuError::Lost { reason: "driver reset".to_owned() }]);
    }
}
