//! [`Pool`]: a few threads for work that would hold up the driver.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::Notify;
use tracing::{error, warn};

use super::clock::Clock;
use super::priority::{lower_priority, set_idle_policy, yield_scheduler_credit};
use crate::secure::Lane;

/// How long jobs may wait without any being begun before the starvation guard does them.
pub(crate) const STARVED_AFTER: Duration = Duration::from_millis(50);

/// How many jobs the guard then does alone, before workers may try again.
const GUARD_TURNS: u32 = 64;

/// How long an outcome waits before the driver is woken for it, while its worker has remote jobs to
/// do: those are short, and waking takes as long as some of them.
const WAKE_DELAY: Duration = Duration::from_micros(250);

/// Worker threads that turn jobs `J` into outcomes `D`. How many jobs wait is for the submitter to
/// bound: the secure layer admits a number of jobs until they are done. A thread is started when a
/// job waits and all others are at work.
///
/// Where the system can be told so, workers take only the time that no other thread wants, so that
/// the driver never waits for one. On a machine that is kept busy they would hardly get any: one
/// thread more, the starvation guard, then does what waits, at a low priority of its own.
///
/// Dropping the pool drops the jobs that wait and lets each thread end after the job at hand. It
/// does not wait for that: on a busy machine it may be long until workers run at all.
#[derive(Debug)]
pub(crate) struct Pool<J, D> {
    shared: Arc<Shared<J, D>>,
    workers: usize,
    max_workers: usize,
    has_guard: bool,
    starved_after: Duration,
}

#[derive(Debug)]
struct Shared<J, D> {
    run: fn(J) -> D,
    /// Makes the outcome of a job that panics.
    failed: fn(&J) -> D,
    queue: Mutex<Queue<J, D>>,
    /// Tells workers of a job, or of the end.
    changed: Condvar,
    /// Tells the guard of a job while it does not watch, or of the end.
    submitted: Condvar,
    /// Tells the submitter of outcomes.
    finished: Notify,
    /// Whether there are outcomes, to be seen without the lock.
    has_outcomes: AtomicBool,
}

#[derive(Debug)]
struct Queue<J, D> {
    local: VecDeque<J>,
    remote: VecDeque<J>,
    outcomes: VecDeque<D>,
    /// Workers that wait for a job.
    idle: usize,
    /// How many jobs workers have begun.
    begun: u64,
    /// How many they had begun when the guard last looked.
    begun_before: Option<u64>,
    /// How many of the next jobs are the guard's alone.
    guard_turns: u32,
    /// Whether the guard looks at the queue from time to time.
    is_watched: bool,
    is_closed: bool,
}

impl<J, D> Queue<J, D> {
    fn len(&self) -> usize {
        self.local.len() + self.remote.len()
    }

    fn pop(&mut self) -> Option<(Lane, J)> {
        let local = self.local.pop_front().map(|job| (Lane::Local, job));
        local.or_else(|| self.remote.pop_front().map(|job| (Lane::Remote, job)))
    }

    /// Takes the next job for a worker, unless it is the guard's.
    fn begin(&mut self) -> Option<(Lane, J)> {
        if self.guard_turns > 0 {
            return None;
        }
        let next = self.pop()?;
        self.begun += 1;
        Some(next)
    }
}

impl<J: Send + 'static, D: Send + 'static> Pool<J, D> {
    /// Makes a pool of up to so many threads that `run` jobs, and of a guard that steps in when
    /// jobs have waited for so long and none was begun. A job that panics has the outcome `failed`.
    pub(crate) fn new(
        workers: usize,
        starved_after: Duration,
        run: fn(J) -> D,
        failed: fn(&J) -> D,
    ) -> Self {
        let queue = Queue {
            local: VecDeque::new(),
            remote: VecDeque::new(),
            outcomes: VecDeque::new(),
            idle: 0,
            begun: 0,
            begun_before: None,
            guard_turns: 0,
            is_watched: false,
            is_closed: false,
        };
        Self {
            shared: Arc::new(Shared {
                run,
                failed,
                queue: Mutex::new(queue),
                changed: Condvar::new(),
                submitted: Condvar::new(),
                finished: Notify::new(),
                has_outcomes: AtomicBool::new(false),
            }),
            workers: 0,
            max_workers: workers,
            has_guard: false,
            starved_after,
        }
    }

    /// Has a thread do this job as soon as one is free; local jobs go before remote ones.
    pub(crate) fn submit(&mut self, lane: Lane, job: J) {
        let mut queue = self.shared.queue();
        match lane {
            Lane::Local => queue.local.push_back(job),
            Lane::Remote => queue.remote.push_back(job),
        }
        let are_all_busy = queue.len() > queue.idle;
        let is_watched = mem::replace(&mut queue.is_watched, true);
        let has_idle = queue.idle > 0;
        drop(queue);
        let mut added = Ok(());
        if are_all_busy && self.workers < self.max_workers {
            added = self.add_worker();
        }
        if !is_watched {
            added = added.and(self.watch());
        }
        if let Err(error) = added {
            warn!(%error, "no further thread for jobs");
        }
        if has_idle {
            self.shared.changed.notify_one();
        }
        if self.workers == 0 {
            self.shared.run_inline();
        }
    }

    /// Waits until there are outcomes, or may be. Loses nothing if it is dropped.
    pub(crate) async fn finished(&self) {
        self.shared.finished.notified().await;
    }

    /// Takes outcomes that are there, in any order, and so many at most.
    pub(crate) fn take_outcomes(&mut self, limit: usize) -> Vec<D> {
        if !self.shared.has_outcomes.load(Ordering::Acquire) {
            return Vec::new();
        }
        let mut queue = self.shared.queue();
        let count = queue.outcomes.len().min(limit);
        let taken = queue.outcomes.drain(..count).collect();
        let are_more = !queue.outcomes.is_empty();
        self.shared.has_outcomes.store(are_more, Ordering::Release);
        drop(queue);
        if are_more {
            self.shared.finished.notify_one();
        }
        taken
    }

    fn add_worker(&mut self) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        thread::Builder::new()
            .name(format!("bulla-worker-{}", self.workers))
            .spawn(move || {
                set_idle_policy();
                shared.work();
            })?;
        self.workers += 1;
        Ok(())
    }

    /// Has the guard look at the queue from time to time until it is empty.
    fn watch(&mut self) -> io::Result<()> {
        if self.has_guard {
            self.shared.submitted.notify_one();
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        let starved_after = self.starved_after;
        thread::Builder::new()
            .name("bulla-guard".to_owned())
            .spawn(move || {
                lower_priority();
                shared.guard(starved_after);
            })
            .inspect_err(|_| self.shared.queue().is_watched = false)?;
        self.has_guard = true;
        Ok(())
    }
}

impl<J, D> Drop for Pool<J, D> {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl<J, D> Shared<J, D> {
    /// Does jobs as a worker until the pool is closed.
    fn work(&self) {
        let clock = Clock::start();
        let mut woken_at = clock.now();
        while let Some(first) = self.next() {
            let mut next = Some(first);
            while let Some((lane, job)) = next {
                if lane == Lane::Local {
                    yield_scheduler_credit();
                }
                let outcome = self.attempt(job);
                next = self.store_and_begin(outcome);
                let may_wait = matches!(next, Some((Lane::Remote, _)));
                let now = clock.now();
                if !may_wait || now.since(woken_at) >= WAKE_DELAY {
                    self.finished.notify_one();
                    woken_at = now;
                }
            }
        }
    }

    /// Does what waits in the submitting thread: there is no other.
    fn run_inline(&self) {
        let mut next = self.queue().begin();
        while let Some((_, job)) = next {
            let outcome = self.attempt(job);
            next = self.store_and_begin(outcome);
        }
        self.finished.notify_one();
    }

    /// Does jobs as the guard until the pool is closed.
    fn guard(&self, starved_after: Duration) {
        while let Some(job) = self.next_starved(starved_after) {
            let outcome = self.attempt(job);
            self.store(&mut self.queue(), outcome);
            self.finished.notify_one();
        }
    }

    /// Does a job.
    fn attempt(&self, job: J) -> D {
        let failed = (self.failed)(&job);
        catch_unwind(AssertUnwindSafe(|| (self.run)(job))).unwrap_or_else(|_| {
            error!("a job panicked");
            failed
        })
    }

    fn store(&self, queue: &mut Queue<J, D>, outcome: D) {
        queue.outcomes.push_back(outcome);
        self.has_outcomes.store(true, Ordering::Release);
    }

    /// Stores an outcome, and takes the next job if there is one for a worker.
    fn store_and_begin(&self, outcome: D) -> Option<(Lane, J)> {
        let mut queue = self.queue();
        self.store(&mut queue, outcome);
        queue.begin()
    }

    /// Waits for the next job; `None` when the pool is closed.
    fn next(&self) -> Option<(Lane, J)> {
        let mut queue = self.queue();
        loop {
            if queue.is_closed {
                return None;
            }
            let next = queue.begin();
            if next.is_some() {
                return next;
            }
            queue.idle += 1;
            queue = self
                .changed
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
            queue.idle -= 1;
        }
    }

    /// Waits for a job that workers do not get to: since the guard last looked, `starved_after`
    /// ago, none has begun one. `None` when the pool is closed.
    fn next_starved(&self, starved_after: Duration) -> Option<J> {
        let mut queue = self.queue();
        loop {
            if queue.is_closed {
                return None;
            }
            if queue.len() > 0 && queue.begun_before == Some(queue.begun) {
                queue.guard_turns = GUARD_TURNS;
            }
            queue.begun_before = None;
            if queue.guard_turns > 0
                && let Some((_, job)) = queue.pop()
            {
                queue.guard_turns -= 1;
                if queue.guard_turns == 0 {
                    self.changed.notify_all();
                }
                return Some(job);
            }
            if queue.len() == 0 {
                queue.is_watched = false;
                queue = (self.submitted.wait(queue)).unwrap_or_else(PoisonError::into_inner);
                queue.is_watched = true;
            } else if queue.guard_turns == 0 {
                queue.begun_before = Some(queue.begun);
                let waited = self.submitted.wait_timeout(queue, starved_after);
                queue = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }

    fn close(&self) {
        let mut queue = self.queue();
        queue.is_closed = true;
        let waiting = (mem::take(&mut queue.local), mem::take(&mut queue.remote));
        drop(queue);
        drop(waiting);
        self.changed.notify_all();
        self.submitted.notify_all();
    }

    /// Nothing panics while the lock is held, so a poisoned one guards a sound queue.
    fn queue(&self) -> MutexGuard<'_, Queue<J, D>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
