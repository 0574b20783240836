//! Progress up, cancellation down: what a long computation and its listener say to each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Error, Precision};

/// A flag shared between whoever started a computation and the computation: once set, it stays set.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// Asks every computation that holds a clone of this token to stop at its next check.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether [`CancelToken::cancel`] was called on any clone.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Handed down through a forward pass: told how far it is, asked whether to stop and how exactly to compute.
///
/// Kernels that spread over threads take [`Watch::token`] with them, for a listener need not be thread-safe.
pub struct Watch<'a> {
    cancel: CancelToken,
    report: Option<&'a (dyn Fn(f32) + 'a)>,
    from: f32,
    to: f32,
    precision: Precision,
}

impl<'a> Watch<'a> {
    /// Nobody listens and nobody will cancel.
    pub fn silent() -> Watch<'static> {
        Watch { cancel: CancelToken::default(), report: None, from: 0.0, to: 1.0, precision: Precision::F32 }
    }

    /// `report` hears the share that is done, 0..=1, on the thread that runs the computation.
    pub fn new(cancel: CancelToken, report: &'a (dyn Fn(f32) + 'a)) -> Watch<'a> {
        Watch { cancel, report: Some(report), from: 0.0, to: 1.0, precision: Precision::F32 }
    }

    /// The same for a pass of this precision; at first it is f32.
    #[must_use]
    pub fn with_precision(self, precision: Precision) -> Watch<'a> {
        Watch { precision, ..self }
    }

    /// How exactly the pass is computed.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The token behind [`Watch::check`], to be looked at from other threads.
    pub fn token(&self) -> &CancelToken {
        &self.cancel
    }

    /// # Errors
    /// [`Error::Cancelled`] when the work is no longer wanted.
    pub fn check(&self) -> Result<(), Error> {
        if self.cancel.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// Reports that `done` (0..=1) of this watch's part of the work is behind us, and checks.
    ///
    /// # Errors
    /// [`Error::Cancelled`] when the work is no longer wanted.
    pub fn step(&self, done: f32) -> Result<(), Error> {
        if let Some(report) = self.report {
            report(self.from + (self.to - self.from) * done.clamp(0.0, 1.0));
        }
        self.check()
    }

    /// A watch over the stretch `from..to` (0..=1) of this one's, for a step that counts its own progress from 0 to 1.
    pub fn part(&self, from: f32, to: f32) -> Watch<'_> {
        let at = |t: f32| self.from + (self.to - self.from) * t.clamp(0.0, 1.0);
        Watch {
            cancel: self.cancel.clone(),
            report: self.report,
            from: at(from),
            to: at(to),
            precision: self.precision,
        }
    }
}
