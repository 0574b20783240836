//! Threads that stay awake while a network runs.
//!
//! A network is a hundred or more steps of a fraction of a millisecond, each of which all threads begin and end together.
//! Two cores spent 7 % of ResNet-101's time on falling asleep and waking up. So for the time of a pass the other threads look out for the
//! next step, and sleep only when none comes. They are not rayon's, whose other work must not wait for a pass to end.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::hint::spin_loop;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rayon::iter::plumbing::{Producer, ProducerCallback};
use rayon::prelude::*;

/// How long a thread looks out for a next step before it sleeps.
const PATIENCE: Duration = Duration::from_millis(1);
/// Looks between two at the clock, or two turns for other threads.
const LOOKS: usize = 64;
/// Parts that a step is cut into at most.
const PARTS: usize = 256;

/// As many threads as rayon's current pool has, at work for the thread that called them until this is dropped.
pub(super) struct Team {
    /// None where the thread has a team already, or is to work alone.
    own: Option<Arc<Shared>>,
    /// The thread that called them lets them go.
    here: PhantomData<*const ()>,
}

impl Team {
    /// Calls them. Where the system gives fewer threads they are fewer.
    pub(super) fn call() -> Team {
        let others = rayon::current_num_threads() - 1;
        let own = TEAM.with_borrow_mut(|team| {
            (team.is_none() && others > 0).then(|| team.insert(Arc::new(Shared::default())).clone())
        });
        own.iter().for_each(|shared| (0..others).for_each(|_| join(shared)));
        Team { own, here: PhantomData }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        if let Some(shared) = &self.own {
            TEAM.set(None);
            shared.over.store(true, SeqCst);
            shared.wake();
        }
    }
}

/// Threads without a team.
static FREE: Mutex<Vec<Sender<Arc<Shared>>>> = Mutex::new(Vec::new());

thread_local! {
    /// Of the thread that runs a network.
    static TEAM: RefCell<Option<Arc<Shared>>> = const { RefCell::new(None) };
    /// Whether the thread is within a step: one within another it does by itself.
    static WITHIN: Cell<bool> = const { Cell::new(false) };
}

/// Sends a thread to a team.
fn join(team: &Arc<Shared>) {
    let free = lock(&FREE).pop();
    if free.is_some_and(|thread| thread.send(team.clone()).is_ok()) {
        return;
    }
    let (sender, teams) = channel::<Arc<Shared>>();
    let first = sender.send(team.clone());
    let serve = move || {
        for team in teams {
            team.serve();
            lock(&FREE).push(sender.clone());
        }
    };
    // Without the thread the others do its part.
    drop(first.map(|()| thread::Builder::new().name("network".into()).spawn(serve)));
}

/// Parallel iterators whose items the thread's team shares out, or, where it has none, rayon.
pub(super) trait Together: IndexedParallelIterator {
    /// As `for_each`.
    fn each(self, work: impl Fn(Self::Item) + Sync + Send) {
        let team = TEAM.with_borrow(Option::clone);
        if team.is_some() || WITHIN.get() {
            let len = self.len();
            self.with_producer(Parts { team: team.filter(|_| !WITHIN.get()), len, work });
        } else {
            self.with_max_len(1).for_each(work);
        }
    }

    /// As `map` and `collect`.
    fn every<T: Send>(self, work: impl Fn(Self::Item) -> T + Sync + Send) -> Vec<T> {
        let mut results: Vec<Option<T>> = (0..self.len()).map(|_| None).collect();
        self.zip(&mut results).each(|(item, result)| *result = Some(work(item)));
        results.into_iter().flatten().collect()
    }
}

impl<I: IndexedParallelIterator> Together for I {}

/// Cuts items into parts for a team, or does all of them.
struct Parts<F> {
    team: Option<Arc<Shared>>,
    len: usize,
    work: F,
}

impl<T, F: Fn(T) + Sync> ProducerCallback<T> for Parts<F> {
    type Output = ();

    fn callback<P: Producer<Item = T>>(self, items: P) {
        let Some(team) = self.team else { return items.into_iter().for_each(self.work) };
        let count = self.len.min(PARTS);
        let mut parts = Vec::with_capacity(count);
        let mut rest = items;
        for i in 1..count {
            let (part, others) = rest.split_at(i * self.len / count - (i - 1) * self.len / count);
            parts.push(Mutex::new(Some(part)));
            rest = others;
        }
        parts.push(Mutex::new(Some(rest)));
        team.run(parts.len(), &|i| {
            let part = lock(&parts[i]).take();
            part.into_iter().flat_map(P::into_iter).for_each(&self.work);
        });
    }
}

/// What the threads of a team look at.
#[derive(Default)]
struct Shared {
    /// Counts openings and closings of steps: odd while one is open.
    state: AtomicUsize,
    step: Mutex<Option<Step>>,
    /// The next part of it that nobody has.
    next: AtomicUsize,
    /// Members that may be at work on it.
    inside: AtomicUsize,
    /// Of one of them.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    /// Whether the team is let go.
    over: AtomicBool,
    sleepers: AtomicUsize,
    asleep: Mutex<()>,
    news: Condvar,
}

/// Work on each of so many parts.
#[derive(Clone, Copy)]
struct Step {
    parts: usize,
    work: &'static (dyn Fn(usize) + Sync),
}

impl Shared {
    /// Calls `work` with each of `0..parts`, on all threads; returns when all of them have.
    fn run(&self, parts: usize, work: &(dyn Fn(usize) + Sync)) {
        // SAFETY: members copy and use it inside of the open step only; `closing`, before this returns, waits until all
        // have left, and then takes it out of their sight.
        let work = unsafe { std::mem::transmute::<&(dyn Fn(usize) + Sync), &'static (dyn Fn(usize) + Sync)>(work) };
        let step = Step { parts, work };
        self.next.store(0, SeqCst);
        *lock(&self.panic) = None; // of a step that the caller's own panic ended
        *lock(&self.step) = Some(step);
        self.state.fetch_add(1, SeqCst);
        let closing = Closing(self);
        self.wake();
        self.work(step);
        drop(closing);
        if let Some(panic) = lock(&self.panic).take() {
            resume_unwind(panic);
        }
    }

    /// Does parts of a step as long as there are any.
    fn work(&self, step: Step) {
        WITHIN.set(true);
        let _within = Leaving;
        loop {
            let part = self.next.fetch_add(1, SeqCst);
            if part >= step.parts {
                return;
            }
            (step.work)(part);
        }
    }

    /// What a member does until the team is let go.
    fn serve(&self) {
        let mut done = 0;
        while self.wait(done) {
            // Either whoever closes the step sees this member inside, or this one sees that it is closed.
            self.inside.fetch_add(1, SeqCst);
            let state = self.state.load(SeqCst);
            let step = if is_news(state, done) { *lock(&self.step) } else { None };
            if let Some(step) = step {
                done = state;
                if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.work(step))) {
                    *lock(&self.panic) = Some(panic);
                }
            }
            self.inside.fetch_sub(1, SeqCst);
        }
    }

    /// Looks out for another step than the one that is `done`; `false` when the team is let go.
    fn wait(&self, done: usize) -> bool {
        let none = || !self.over.load(SeqCst) && !is_news(self.state.load(SeqCst), done);
        let since = Instant::now();
        while none() && since.elapsed() < PATIENCE {
            (0..LOOKS).take_while(|_| none()).for_each(|_| spin_loop());
        }
        if none() {
            self.sleepers.fetch_add(1, SeqCst);
            let asleep = self.news.wait_while(lock(&self.asleep), |()| none());
            drop(asleep);
            self.sleepers.fetch_sub(1, SeqCst);
        }
        !self.over.load(SeqCst)
    }

    /// To be called after news: who has not seen them counts among the sleepers already.
    fn wake(&self) {
        if self.sleepers.load(SeqCst) > 0 {
            let _asleep = lock(&self.asleep);
            self.news.notify_all();
        }
    }
}

/// Whether a step is open, and another than the one that is `done`.
fn is_news(state: usize, done: usize) -> bool {
    state % 2 == 1 && state != done
}

/// Closes a step when dropped, once all members have left it; also when the work on it has panicked.
struct Closing<'a>(&'a Shared);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.next.store(usize::MAX / 2, SeqCst); // a panic leaves parts that nobody needs
        self.0.state.fetch_add(1, SeqCst);
        while self.0.inside.load(SeqCst) > 0 {
            (0..LOOKS).take_while(|_| self.0.inside.load(SeqCst) > 0).for_each(|_| spin_loop());
            thread::yield_now();
        }
        *lock(&self.0.step) = None;
    }
}

/// Ends being within a step when dropped.
struct Leaving;

impl Drop for Leaving {
    fn drop(&mut self) {
        WITHIN.set(false);
    }
}

/// What a panic left is as good as before: each value is set as a whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// On four threads, however many the machine has.
    fn with_four<T: Send>(work: impl FnOnce() -> T + Send) -> T {
        rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap().install(work)
    }

    #[test]
    fn every_item_is_done_once_and_results_stay_in_order() {
        with_four(|| {
            let _team = Team::call();
            for len in (0..20).chain([PARTS - 1, PARTS, PARTS + 1, 3 * PARTS + 7]).cycle().take(500) {
                let mut values = vec![0; len];
                values.par_iter_mut().enumerate().each(|(i, v)| *v += i + 1);
                assert_eq!(values, (1..=len).collect::<Vec<_>>());
                assert_eq!((0..len).into_par_iter().every(|i| 2 * i), (0..len).map(|i| 2 * i).collect::<Vec<_>>());
            }
        });
    }

    #[test]
    fn members_help_also_after_they_have_slept() {
        with_four(|| {
            let _team = Team::call();
            for _ in 0..3 {
                // Each part waits for another thread's.
                let met = std::sync::Barrier::new(4);
                let caller = thread::current().id();
                (0..4).into_par_iter().each(|_| {
                    let here = thread::current();
                    assert!(here.id() == caller || here.name() == Some("network"));
                    met.wait();
                });
                thread::sleep(20 * PATIENCE);
            }
        });
    }

    #[test]
    fn a_step_within_a_step_is_done_by_its_thread() {
        with_four(|| {
            let _team = Team::call();
            (0..50_usize).into_par_iter().each(|i| {
                let here = thread::current().id();
                let threads = (0..i).into_par_iter().every(|_| thread::current().id());
                assert_eq!(threads, vec![here; i]);
            });
        });
    }

    #[test]
    fn a_panic_comes_out_of_its_step_and_the_next_one_works() {
        with_four(|| {
            let _team = Team::call();
            for bad in 0..20 {
                let one = || (0..20).into_par_iter().each(|i| assert!(i != bad, "part {i}"));
                assert!(catch_unwind(one).is_err());
                let met = std::sync::Barrier::new(4);
                let all = || {
                    (0..4).into_par_iter().each(|i| {
                        met.wait();
                        panic!("part {i}");
                    });
                };
                assert!(catch_unwind(AssertUnwindSafe(all)).is_err());
                assert_eq!((0..20).into_par_iter().every(|i| i), (0..20).collect::<Vec<_>>());
            }
        });
    }

    #[test]
    fn teams_at_once_leave_rayon_to_others() {
        thread::scope(|threads| {
            for _ in 0..8 {
                threads.spawn(|| {
                    let _team = Team::call();
                    for _ in 0..20 {
                        assert_eq!((0..100_u32).into_par_iter().every(|i| i).len(), 100);
                        assert_eq!((0..100_u32).into_par_iter().sum::<u32>(), 4950); // by rayon
                    }
                });
            }
        });
    }
}
