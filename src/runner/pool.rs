//! [`Pool`]: a few threads for work that would hold up the loop.

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
use super::priority::{claim_little, forgo_arrears, yield_to_all};
use crate::secure::Lane;

/// How long jobs may wait without any being begun before a thread that insists more on its share takes them.
pub(crate) const STARVED_AFTER: Duration = Duration::from_millis(50);

/// So many it then does alone, before workers may try again.
const RELIEF: u32 = 64;

/// How long an outcome lies before the loop is woken for it, while its worker has remote jobs to do: those are short, and
/// waking takes as long as some of them.
const REST: Duration = Duration::from_micros(250);

/// Worker threads that turn jobs `J` into outcomes. How many jobs wait is for those who submit them to bound: the
/// secure layer admits a number of jobs until they are done. A thread is started when a job waits and all others are at
/// work.
///
/// Where the system has a way to say so, workers take only the time that no other thread wants, so that the loop never
/// waits for one. On a machine that others keep busy they would hardly get any: one thread more, the reliever, then
/// does what waits, as one who claims little.
///
/// Dropping the pool forgets the jobs that wait and lets each thread end after the job at hand. It does not wait for that:
/// on a busy machine it may be long until workers get to know.
#[derive(Debug)]
pub(crate) struct Pool<J, D> {
    shared: Arc<Shared<J, D>>,
    workers: usize,
    max_workers: usize,
    has_reliever: bool,
    starved_after: Duration,
}

#[derive(Debug)]
struct Shared<J, D> {
    run: fn(J) -> D,
    queue: Mutex<Queue<J, D>>,
    /// There is a job, or the end: for workers.
    changed: Condvar,
    /// There is a job while the reliever does not watch, or the end: for the reliever.
    submitted: Condvar,
    /// There are outcomes: for who submits.
    finished: Notify,
    /// The same, to see without the lock.
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
    /// How many they had begun when the reliever last looked.
    begun_before: Option<u64>,
    /// How many of the next jobs are the reliever's alone.
    relief: u32,
    /// Whether the reliever looks at the queue from time to time.
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

    /// The next job for a worker, unless it is the reliever's.
    fn begin(&mut self) -> Option<(Lane, J)> {
        if self.relief > 0 {
            return None;
        }
        let next = self.pop()?;
        self.begun += 1;
        Some(next)
    }
}

impl<J: Send + 'static, D: Send + 'static> Pool<J, D> {
    /// Will have up to so many threads `run` jobs, and one that steps in when jobs wait for longer than the limit and
    /// none is begun.
    pub(crate) fn new(workers: usize, starved_after: Duration, run: fn(J) -> D) -> Self {
        let queue = Queue {
            local: VecDeque::new(),
            remote: VecDeque::new(),
            outcomes: VecDeque::new(),
            idle: 0,
            begun: 0,
            begun_before: None,
            relief: 0,
            is_watched: false,
            is_closed: false,
        };
        Self {
            shared: Arc::new(Shared {
                run,
                queue: Mutex::new(queue),
                changed: Condvar::new(),
                submitted: Condvar::new(),
                finished: Notify::new(),
                has_outcomes: AtomicBool::new(false),
            }),
            workers: 0,
            max_workers: workers,
            has_reliever: false,
            starved_after,
        }
    }

    /// Has a thread do this as soon as one is free; local jobs go before remote ones.
    pub(crate) fn submit(&mut self, lane: Lane, job: J) {
        let mut queue = self.shared.queue();
        match lane {
            Lane::Local => queue.local.push_back(job),
            Lane::Remote => queue.remote.push_back(job),
        }
        let are_all_busy = queue.len() > queue.idle;
        let is_watched = mem::replace(&mut queue.is_watched, true);
        let is_waited_for = queue.idle > 0;
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
        if is_waited_for {
            self.shared.changed.notify_one();
        }
        if self.workers == 0 {
            self.shared.work_off();
        }
    }

    /// Waits until there are outcomes, or may be. Loses nothing if it is dropped.
    pub(crate) async fn finished(&self) {
        self.shared.finished.notified().await;
    }

    /// Takes outcomes that are there, in any order and so many at most; none comes of a job that panics.
    pub(crate) fn take_outcomes(&mut self, limit: usize) -> Vec<D> {
        if !self.shared.has_outcomes.load(Ordering::Acquire) {
            return Vec::new();
        }
        let mut queue = self.shared.queue();
        let count = queue.outcomes.len().min(limit);
        let taken = queue.outcomes.drain(..count).collect();
        let is_rest = !queue.outcomes.is_empty();
        self.shared.has_outcomes.store(is_rest, Ordering::Release);
        drop(queue);
        if is_rest {
            self.shared.finished.notify_one();
        }
        taken
    }

    fn add_worker(&mut self) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        thread::Builder::new()
            .name(format!("bulla-worker-{}", self.workers))
            .spawn(move || {
                yield_to_all();
                shared.work();
            })?;
        self.workers += 1;
        Ok(())
    }

    /// Has the reliever look at the queue from time to time until it is empty.
    fn watch(&mut self) -> io::Result<()> {
        if self.has_reliever {
            self.shared.submitted.notify_one();
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        let starved_after = self.starved_after;
        thread::Builder::new()
            .name("bulla-reliever".to_owned())
            .spawn(move || {
                claim_little();
                shared.relieve(starved_after);
            })
            .inspect_err(|_| self.shared.queue().is_watched = false)?;
        self.has_reliever = true;
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
        let mut told_at = clock.now();
        while let Some(first) = self.next() {
            let mut next = Some(first);
            while let Some((lane, job)) = next {
                if lane == Lane::Local {
                    forgo_arrears();
                }
                let outcome = self.attempt(job);
                next = self.exchange(outcome);
                let may_rest = matches!(next, Some((Lane::Remote, _)));
                let now = clock.now();
                if !may_rest || now.since(told_at) >= REST {
                    self.finished.notify_one();
                    told_at = now;
                }
            }
        }
    }

    /// Does what waits, in the thread of who submits it: there is no other.
    fn work_off(&self) {
        let mut next = self.queue().begin();
        while let Some((_, job)) = next {
            let outcome = self.attempt(job);
            next = self.exchange(outcome);
        }
        self.finished.notify_one();
    }

    /// Does jobs as the reliever until the pool is closed.
    fn relieve(&self, starved_after: Duration) {
        while let Some(job) = self.next_delayed(starved_after) {
            let outcome = self.attempt(job);
            self.lay_down(&mut self.queue(), outcome);
            self.finished.notify_one();
        }
    }

    /// Does a job.
    fn attempt(&self, job: J) -> Option<D> {
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.run)(job)));
        if outcome.is_err() {
            error!("a job panicked; its operation will not end by itself");
        }
        outcome.ok()
    }

    fn lay_down(&self, queue: &mut Queue<J, D>, outcome: Option<D>) {
        queue.outcomes.extend(outcome);
        self.has_outcomes.store(true, Ordering::Release);
    }

    /// Leaves an outcome for the loop, and takes the next job if there is one for a worker.
    fn exchange(&self, outcome: Option<D>) -> Option<(Lane, J)> {
        let mut queue = self.queue();
        self.lay_down(&mut queue, outcome);
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

    /// Waits for a job that workers do not get to: none has begun another since the reliever, before its limit ran
    /// out, last looked. `None` when the pool is closed.
    fn next_delayed(&self, starved_after: Duration) -> Option<J> {
        let mut queue = self.queue();
        loop {
            if queue.is_closed {
                return None;
            }
            if queue.len() > 0 && queue.begun_before == Some(queue.begun) {
                queue.relief = RELIEF;
            }
            queue.begun_before = None;
            if queue.relief > 0
                && let Some((_, job)) = queue.pop()
            {
                queue.relief -= 1;
                if queue.relief == 0 {
                    self.changed.notify_all();
                }
                return Some(job);
            }
            if queue.len() == 0 {
                queue.is_watched = false;
                queue = (self.submitted.wait(queue)).unwrap_or_else(PoisonError::into_inner);
                queue.is_watched = true;
            } else if queue.relief == 0 {
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
