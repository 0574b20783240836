//! Worker threads: one job at a time, typed events back, cancel at any moment.
//!
//! A [`Worker`] owns one thread and the queue before it. Jobs wait on the caller's side, so that a waiting job can be
//! counted, reordered or dropped without asking the thread; the thread itself holds one job. Both directions are
//! bounded channels: progress is dropped when nobody drains it, outcomes never are.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use crate::nn::{CancelToken, Watch};

/// Names a job for as long as the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(u64);

/// What the caller gets back from a worker, in the order it happened.
#[derive(Debug)]
pub enum Event<J, O> {
    /// An intermediate result, to be shown until a better one comes.
    Part(JobId, O),
    /// This job ended: its outcome, or why there is none.
    Ended(JobId, Arc<J>, Result<O, Failure>),
}

/// Why a job has no outcome.
#[derive(Clone, Debug)]
pub enum Failure {
    /// The person (or a newer job) stopped it.
    Cancelled,
    /// It went wrong; the error says what, and what to do.
    Failed(Trouble),
}

/// An error on its way to a person, as a value, so that it can be told in any language.
pub type Trouble = Arc<dyn std::error::Error + Send + Sync>;

impl Failure {
    /// It went wrong like this.
    pub fn of(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
        Failure::Failed(Arc::new(error))
    }
}

/// The code of a job panicked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Something inside Lucida broke ({what}). The rest goes on; please report this.")]
pub struct Broken {
    /// What the panic said.
    pub what: String,
}

/// Handed to the code that does a job: where to report, when to stop.
pub struct Desk<O> {
    id: JobId,
    cancel: CancelToken,
    events: Sender<Message<O>>,
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl<O> Desk<O> {
    /// Sends an intermediate result.
    pub fn part(&self, outcome: O) {
        // A closed channel means the window is gone; nobody is left to tell.
        let _ = self.events.send(Message::Part(self.id, outcome));
        (self.wake)();
    }

    /// # Errors
    /// [`nn::Error::Cancelled`](crate::nn::Error::Cancelled) when the job is no longer wanted.
    pub fn check(&self) -> Result<(), crate::nn::Error> {
        self.watched(|w| w.check())
    }

    /// Runs `work` with a watch that forwards progress (0..=1) and the cancel token.
    pub fn watched<R>(&self, work: impl FnOnce(&Watch) -> R) -> R {
        let report = |done: f32| match self.events.try_send(Message::Progress(self.id, done)) {
            Ok(()) => (self.wake)(),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        };
        work(&Watch::new(self.cancel.clone(), &report))
    }
}

enum Message<O> {
    Progress(JobId, f32),
    Part(JobId, O),
    Ended(JobId, Result<O, Failure>),
}

struct Waiting<J> {
    id: JobId,
    // Shared with the thread while it runs, so that the caller can still see what runs.
    job: Arc<J>,
}

/// What is running now.
pub struct Running<J> {
    /// Its name.
    pub id: JobId,
    /// What it does.
    pub job: Arc<J>,
    /// Share done, 0..=1.
    pub done: f32,
    began: Instant,
    cancel: CancelToken,
}

impl<J> Running<J> {
    /// How long the job will take from here, once enough of it is done to tell.
    pub fn time_left(&self) -> Option<Duration> {
        let spent = self.began.elapsed();
        (self.done > 0.03 && spent > Duration::from_millis(150)).then(|| spent.mul_f32((1.0 - self.done) / self.done))
    }
}

/// One thread that does jobs of type `J` with outcomes of type `O`.
pub struct Worker<J, O> {
    jobs: Option<Sender<(Waiting<J>, CancelToken)>>,
    events: Receiver<Message<O>>,
    waiting: VecDeque<Waiting<J>>,
    running: Option<Running<J>>,
    next: u64,
    thread: Option<JoinHandle<()>>,
}

impl<J: Send + Sync + 'static, O: Send + 'static> Worker<J, O> {
    /// Starts the thread. `work` does one job; `wake` is called (from the thread) whenever there is something to drain.
    ///
    /// # Errors
    /// When the system refuses another thread.
    pub fn start(
        name: &str,
        wake: impl Fn() + Send + Sync + 'static,
        mut work: impl FnMut(&J, &Desk<O>) -> Result<O, Failure> + Send + 'static,
    ) -> std::io::Result<Self> {
        let (jobs, inbox) = bounded::<(Waiting<J>, CancelToken)>(1);
        let (outbox, events) = bounded(256);
        let wake: Arc<dyn Fn() + Send + Sync> = Arc::new(wake);
        let thread = std::thread::Builder::new().name(name.into()).spawn(move || {
            while let Ok((Waiting { id, job }, cancel)) = inbox.recv() {
                let desk = Desk { id, cancel: cancel.clone(), events: outbox.clone(), wake: wake.clone() };
                // A panic in a decoder or a kernel must cost this job only.
                let outcome = catch_unwind(AssertUnwindSafe(|| work(&job, &desk))).unwrap_or_else(|panic| {
                    let what = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
                    let what = what.or_else(|| panic.downcast_ref::<String>().cloned());
                    Err(Failure::of(Broken { what: what.unwrap_or_default() }))
                });
                let outcome = if cancel.is_cancelled() { Err(Failure::Cancelled) } else { outcome };
                if outbox.send(Message::Ended(id, outcome)).is_err() {
                    return;
                }
                wake();
            }
        })?;
        Ok(Self { jobs: Some(jobs), events, waiting: VecDeque::new(), running: None, next: 0, thread: Some(thread) })
    }

    /// Puts a job at the end of the queue.
    pub fn push(&mut self, job: J) -> JobId {
        self.push_before(job, |_| false)
    }

    /// Puts a job before the first waiting one that `which` picks; what runs already goes on.
    pub fn push_before(&mut self, job: J, which: impl Fn(&J) -> bool) -> JobId {
        self.push_all_before([job], which);
        JobId(self.next)
    }

    /// Puts jobs, in their order, before the first waiting one that `which` picks.
    pub fn push_all_before(&mut self, jobs: impl IntoIterator<Item = J>, which: impl Fn(&J) -> bool) {
        let at = self.waiting.iter().position(|w| which(&w.job)).unwrap_or(self.waiting.len());
        for (i, job) in jobs.into_iter().enumerate() {
            self.next += 1;
            self.waiting.insert(at + i, Waiting { id: JobId(self.next), job: Arc::new(job) });
        }
        self.dispatch();
    }

    /// Stops a running job at its next check, or drops a waiting one.
    pub fn cancel(&mut self, id: JobId) {
        self.waiting.retain(|w| w.id != id);
        if let Some(r) = self.running.as_ref().filter(|r| r.id == id) {
            r.cancel.cancel();
        }
    }

    /// Drops the waiting jobs that `which` picks.
    pub fn drop_waiting(&mut self, which: impl Fn(&J) -> bool) {
        self.waiting.retain(|w| !which(&w.job));
    }

    /// The job under way.
    pub fn running(&self) -> Option<&Running<J>> {
        self.running.as_ref()
    }

    /// The jobs that wait, first to run first.
    pub fn waiting(&self) -> impl ExactSizeIterator<Item = &J> {
        self.waiting.iter().map(|w| &*w.job)
    }

    /// The jobs that will have an outcome: the running one, unless it was told to stop, then those that wait.
    pub fn jobs(&self) -> impl Iterator<Item = &J> {
        self.running.iter().filter(|r| !r.cancel.is_cancelled()).map(|r| &*r.job).chain(self.waiting())
    }

    /// Neither running nor waiting.
    pub fn is_idle(&self) -> bool {
        self.running.is_none() && self.waiting.is_empty()
    }

    /// Takes in what the thread said since the last call, and hands it the next job when it is free. Never blocks.
    pub fn drain(&mut self) -> Vec<Event<J, O>> {
        let mut out = Vec::new();
        while let Ok(message) = self.events.try_recv() {
            match message {
                Message::Progress(id, done) => {
                    if let Some(r) = self.running.as_mut().filter(|r| r.id == id) {
                        r.done = done.clamp(r.done, 1.0);
                    }
                }
                Message::Part(id, outcome) => out.push(Event::Part(id, outcome)),
                Message::Ended(id, outcome) => {
                    // The thread has one job at a time, so that what ends is what runs.
                    out.extend(self.running.take().map(|r| Event::Ended(id, r.job, outcome)));
                }
            }
        }
        self.dispatch();
        out
    }

    fn dispatch(&mut self) {
        if self.running.is_some() {
            return;
        }
        let (Some(jobs), Some(job)) = (&self.jobs, self.waiting.pop_front()) else { return };
        let cancel = CancelToken::default();
        let now =
            Running { id: job.id, job: job.job.clone(), done: 0.0, began: Instant::now(), cancel: cancel.clone() };
        match jobs.try_send((job, cancel)) {
            Ok(()) => self.running = Some(now),
            Err(TrySendError::Full((job, _)) | TrySendError::Disconnected((job, _))) => self.waiting.push_front(job),
        }
    }
}

impl<J, O> Drop for Worker<J, O> {
    fn drop(&mut self) {
        if let Some(r) = &self.running {
            r.cancel.cancel();
        }
        self.jobs = None; // ends the thread's loop
        // The thread may be waiting to send; emptying the channel lets it see the end.
        if let Some(thread) = self.thread.take() {
            while !thread.is_finished() {
                while self.events.try_recv().is_ok() {}
                std::thread::sleep(Duration::from_millis(2));
            }
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn wait<J: Send + Sync + 'static, O: Send + 'static>(w: &mut Worker<J, O>) -> Vec<Event<J, O>> {
        let mut all = Vec::new();
        let end = Instant::now() + Duration::from_secs(20);
        while !w.is_idle() && Instant::now() < end {
            all.extend(w.drain());
            std::thread::sleep(Duration::from_millis(1));
        }
        all.extend(w.drain());
        all
    }

    #[test]
    fn jobs_run_in_order_and_a_panic_costs_one_job() {
        let mut w =
            Worker::start("t", || {}, |n: &i32, _: &Desk<i32>| if *n == 2 { panic!("two") } else { Ok(n * 10) })
                .unwrap();
        for n in 1..=3 {
            w.push(n);
        }
        let ended: Vec<_> = wait(&mut w)
            .into_iter()
            .map(|e| match e {
                Event::Ended(_, job, r) => (*job, r),
                Event::Part(..) => unreachable!(),
            })
            .collect();
        assert_eq!(ended.len(), 3);
        assert!(matches!(ended[0], (1, Ok(10))));
        assert!(matches!(&ended[1], (2, Err(Failure::Failed(why))) if why.to_string().contains("two")));
        assert!(matches!(ended[2], (3, Ok(30))));
    }

    #[test]
    fn a_running_job_stops_and_a_waiting_one_never_starts() {
        let steps = Arc::new(AtomicUsize::new(0));
        let counted = steps.clone();
        let mut w = Worker::start(
            "t",
            || {},
            move |n: &i32, desk: &Desk<i32>| {
                desk.watched(|watch| {
                    for i in 0..10_000 {
                        counted.fetch_add(1, Ordering::Relaxed);
                        if watch.step(i as f32 / 10_000.0).is_err() {
                            return Err(Failure::Cancelled);
                        }
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    Ok(*n)
                })
            },
        )
        .unwrap();
        let (a, b) = (w.push(1), w.push(2));
        std::thread::sleep(Duration::from_millis(50));
        assert!(w.jobs().eq(&[1, 2]));
        w.cancel(a);
        w.cancel(b);
        // The thread may be at it still, but nothing is to be expected of it.
        assert_eq!(w.jobs().count(), 0);
        let events = wait(&mut w);
        assert!(steps.load(Ordering::Relaxed) < 10_000, "it ran to its end");
        assert_eq!(events.len(), 1);
        assert!(matches!(&events[0], Event::Ended(id, _, Err(Failure::Cancelled)) if *id == a));
    }

    #[test]
    fn progress_only_grows_and_floods_do_not_block() {
        let (release, held) = bounded::<()>(0);
        let mut w = Worker::start(
            "t",
            || {},
            move |(): &(), desk: &Desk<()>| {
                desk.watched(|watch| {
                    for i in 0..5000 {
                        let _ = watch.step(if i % 2 == 0 { 0.9 } else { 0.1 });
                    }
                });
                let _ = held.recv();
                Ok(())
            },
        )
        .unwrap();
        w.push(());
        let end = Instant::now() + Duration::from_secs(20);
        while w.running().is_some_and(|r| r.done < 0.9) && Instant::now() < end {
            w.drain();
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(50));
        w.drain(); // what came last is 0.1
        assert_eq!(w.running().map(|r| r.done), Some(0.9));
        drop(release);
    }
}
