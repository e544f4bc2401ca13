//! [`Pool`]: a few threads for work that would hold up the loop.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc;
use tracing::{error, warn};

use crate::secure::Lane;

/// How long jobs may wait without any being begun before a thread that insists more on its share takes them.
pub(super) const PATIENCE: Duration = Duration::from_millis(50);

/// So many it then does alone, before workers may try again.
const RELIEF: u32 = 64;

/// How much less of a processor than the loop's thread it claims: a third of its share where both want it.
#[cfg(any(target_os = "linux", target_os = "android"))]
const NICENESS: i32 = 5;

/// Worker threads that turn jobs `J` into outcomes. How many jobs wait is for those who submit them to bound: the
/// secure layer admits a number of jobs until they are done. The first thread is there from the start; the others
/// begin when all are at work and a job waits.
///
/// Where the system has a way to say so, workers take only the time that no other thread wants, so that the loop never
/// waits for one. On a machine that others keep busy they would hardly get any: one thread more, the reliever, then
/// does what waits, as one who claims little.
///
/// Dropping the pool forgets the jobs that wait and lets each thread end after the job at hand. It does not wait for that:
/// on a busy machine it may be long until workers get to know.
#[derive(Debug)]
pub(super) struct Pool<J, D> {
    shared: Arc<Shared<J>>,
    workers: usize,
    max_workers: usize,
    has_reliever: bool,
    patience: Duration,
    run: fn(J) -> D,
    done: mpsc::UnboundedSender<D>,
}

#[derive(Debug)]
struct Shared<J> {
    queue: Mutex<Queue<J>>,
    /// There is a job, or the end: for workers.
    changed: Condvar,
    /// There is a job while the reliever does not watch, or the end: for the reliever.
    submitted: Condvar,
}

#[derive(Debug)]
struct Queue<J> {
    local: VecDeque<J>,
    remote: VecDeque<J>,
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

impl<J> Queue<J> {
    fn len(&self) -> usize {
        self.local.len() + self.remote.len()
    }

    fn pop(&mut self) -> Option<J> {
        self.local.pop_front().or_else(|| self.remote.pop_front())
    }
}

impl<J: Send + 'static, D: Send + 'static> Pool<J, D> {
    /// Starts threads that `run` jobs, and one that steps in when jobs wait for longer than the patience and none is
    /// begun. The outcomes come out of the channel, in any order; none of a job that panics.
    ///
    /// # Errors
    ///
    /// What the system says if it gives no thread.
    pub(super) fn start(
        workers: usize,
        patience: Duration,
        run: fn(J) -> D,
    ) -> io::Result<(Self, mpsc::UnboundedReceiver<D>)> {
        let (done, finished) = mpsc::unbounded_channel();
        let queue = Queue {
            local: VecDeque::new(),
            remote: VecDeque::new(),
            idle: 0,
            begun: 0,
            begun_before: None,
            relief: 0,
            is_watched: false,
            is_closed: false,
        };
        let mut pool = Self {
            shared: Arc::new(Shared {
                queue: Mutex::new(queue),
                changed: Condvar::new(),
                submitted: Condvar::new(),
            }),
            workers: 0,
            max_workers: workers,
            has_reliever: false,
            patience,
            run,
            done,
        };
        pool.add_worker()?;
        Ok((pool, finished))
    }

    /// Has a thread do this as soon as one is free; local jobs go before remote ones.
    pub(super) fn submit(&mut self, lane: Lane, job: J) {
        let mut queue = self.shared.queue();
        match lane {
            Lane::Local => queue.local.push_back(job),
            Lane::Remote => queue.remote.push_back(job),
        }
        let are_all_busy = queue.len() > queue.idle;
        let is_watched = mem::replace(&mut queue.is_watched, true);
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
        self.shared.changed.notify_one();
    }

    fn add_worker(&mut self) -> io::Result<()> {
        let (shared, run, done) = (Arc::clone(&self.shared), self.run, self.done.clone());
        thread::Builder::new()
            .name(format!("bulla-worker-{}", self.workers))
            .spawn(move || {
                yield_to_all();
                work(|| shared.next(), run, &done);
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
        let (shared, run, done) = (Arc::clone(&self.shared), self.run, self.done.clone());
        let patience = self.patience;
        thread::Builder::new()
            .name("bulla-reliever".to_owned())
            .spawn(move || {
                claim_little();
                work(|| shared.next_delayed(patience), run, &done);
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

impl<J> Shared<J> {
    /// Waits for the next job; `None` when the pool is closed.
    fn next(&self) -> Option<J> {
        let mut queue = self.queue();
        loop {
            if queue.is_closed {
                return None;
            }
            if queue.relief == 0
                && let Some(job) = queue.pop()
            {
                queue.begun += 1;
                return Some(job);
            }
            queue.idle += 1;
            queue = self
                .changed
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
            queue.idle -= 1;
        }
    }

    /// Waits for a job that workers do not get to: none has begun another since the reliever, before its patience ran
    /// out, last looked. `None` when the pool is closed.
    fn next_delayed(&self, patience: Duration) -> Option<J> {
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
                && let Some(job) = queue.pop()
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
                let waited = self.submitted.wait_timeout(queue, patience);
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
    fn queue(&self) -> MutexGuard<'_, Queue<J>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn work<J, D>(
    mut next: impl FnMut() -> Option<J>,
    run: fn(J) -> D,
    done: &mpsc::UnboundedSender<D>,
) {
    while let Some(job) = next() {
        let Ok(outcome) = catch_unwind(AssertUnwindSafe(|| run(job))) else {
            error!("a job panicked; its operation will not end by itself");
            continue;
        };
        // If nobody receives, the node is gone and the queue closed.
        let _ = done.send(outcome);
    }
}

/// Has this thread run when no other wants to, where the system can be told so.
fn yield_to_all() {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use thread_priority::{
            NormalThreadSchedulePolicy::Idle, ThreadPriority, ThreadSchedulePolicy::Normal,
            set_thread_priority_and_policy, thread_native_id, thread_schedule_policy,
        };
        // It also sets the niceness, which has no meaning then and cannot be set by everybody.
        let _ =
            set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, Normal(Idle));
        if thread_schedule_policy() != Ok(Normal(Idle)) {
            claim_little();
        }
    }
}

/// Has this thread claim less of a processor than the loop, where the system counts that for each thread by itself.
fn claim_little() {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Err(error) = rustix::process::nice(NICENESS) {
        warn!(%error, "a thread for jobs takes as much of the processor as the loop");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    /// A number to give back, once the gate opens.
    type GatedJob = (u32, Option<Receiver<()>>);

    /// Longer than any test.
    const FOREVER: Duration = Duration::from_secs(3_600);

    fn run((number, gate): GatedJob) -> u32 {
        if let Some(gate) = gate {
            gate.recv().unwrap();
        }
        assert_ne!(number, 0, "a job that panics");
        number
    }

    #[tokio::test]
    async fn local_jobs_go_before_remote_ones() {
        let (mut pool, mut finished) = Pool::start(1, FOREVER, run).unwrap();
        let (open, gate) = channel();
        pool.submit(Lane::Local, (1, Some(gate)));
        pool.submit(Lane::Remote, (3, None));
        pool.submit(Lane::Local, (2, None));
        open.send(()).unwrap();
        for expected in 1..=3 {
            assert_eq!(finished.recv().await, Some(expected));
        }
    }

    #[tokio::test]
    async fn a_job_that_panics_does_not_end_its_worker() {
        let (mut pool, mut finished) = Pool::start(1, FOREVER, run).unwrap();
        pool.submit(Lane::Local, (0, None));
        pool.submit(Lane::Local, (1, None));
        assert_eq!(finished.recv().await, Some(1));
        drop(pool);
        assert_eq!(finished.recv().await, None);
    }

    #[tokio::test]
    async fn a_thread_is_added_when_a_job_waits_and_there_may_be_more() {
        let (mut pool, mut finished) = Pool::start(2, FOREVER, run).unwrap();
        let (open, gate) = channel();
        pool.submit(Lane::Local, (1, Some(gate)));
        pool.submit(Lane::Local, (2, None));
        assert_eq!(finished.recv().await, Some(2));
        open.send(()).unwrap();
        assert_eq!(finished.recv().await, Some(1));
        assert_eq!(pool.workers, 2);
    }

    #[tokio::test]
    async fn what_workers_do_not_get_to_is_done_by_the_reliever() {
        let (mut pool, mut finished) = Pool::start(1, Duration::from_millis(1), run).unwrap();
        let (open, gate) = channel();
        pool.submit(Lane::Local, (1, Some(gate)));
        for number in 2..=2 * RELIEF {
            pool.submit(Lane::Local, (number, None));
        }
        for expected in 2..=2 * RELIEF {
            assert_eq!(finished.recv().await, Some(expected));
        }
        open.send(()).unwrap();
        assert_eq!(finished.recv().await, Some(1));
    }

    #[tokio::test]
    async fn workers_try_again_after_relief() {
        let work = |gate: Option<Receiver<()>>| {
            if let Some(gate) = gate {
                gate.recv().unwrap();
            }
            let thread = thread::current();
            thread.name().is_some_and(|name| name == "bulla-worker-0")
        };
        let (mut pool, mut finished) = Pool::start(1, Duration::from_millis(1), work).unwrap();
        let (open, gate) = channel();
        pool.submit(Lane::Local, Some(gate));
        pool.submit(Lane::Local, None);
        assert_eq!(finished.recv().await, Some(false));
        open.send(()).unwrap();
        assert_eq!(finished.recv().await, Some(true));
        let mut is_workers = false;
        while !is_workers {
            pool.submit(Lane::Local, None);
            is_workers = finished.recv().await.unwrap();
        }
    }

    #[tokio::test]
    async fn the_reliever_leaves_alone_what_workers_get_to() {
        let name = |()| thread::current().name().map(str::to_owned);
        let (mut pool, mut finished) = Pool::start(1, FOREVER, name).unwrap();
        for _ in 0..99 {
            pool.submit(Lane::Remote, ());
        }
        for _ in 0..99 {
            let worker = Some("bulla-worker-0".to_owned());
            assert_eq!(finished.recv().await, Some(worker));
        }
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[tokio::test]
    async fn workers_yield_to_all_and_the_reliever_claims_little() {
        use thread_priority::{
            NormalThreadSchedulePolicy::{Idle, Other},
            ThreadSchedulePolicy::Normal,
            thread_schedule_policy,
        };
        let policy = |gate: Option<Receiver<()>>| {
            if let Some(gate) = gate {
                gate.recv().unwrap();
            }
            let niceness = rustix::process::getpriority_process(None).unwrap();
            (thread_schedule_policy().unwrap(), niceness)
        };
        let ours = rustix::process::getpriority_process(None).unwrap();
        let (mut pool, mut finished) = Pool::start(1, Duration::from_millis(1), policy).unwrap();
        let (open, gate) = channel();
        pool.submit(Lane::Local, Some(gate));
        pool.submit(Lane::Local, None);
        let reliever = (Normal(Other), (ours + NICENESS).min(19));
        assert_eq!(finished.recv().await, Some(reliever));
        open.send(()).unwrap();
        let (worker, _) = finished.recv().await.unwrap();
        assert_eq!(worker, Normal(Idle));
    }

    #[tokio::test]
    async fn a_dropped_pool_forgets_what_waits() {
        let (mut pool, mut finished) = Pool::start(1, FOREVER, run).unwrap();
        let (open, gate) = channel();
        pool.submit(Lane::Local, (1, Some(gate)));
        let (waits, gate) = channel();
        pool.submit(Lane::Local, (2, Some(gate)));
        drop(pool);
        waits.send(()).unwrap_err();
        // The first is forgotten as well if no worker got to it.
        let _ = open.send(());
        assert!(finished.recv().await.is_none_or(|number| number == 1));
        assert_eq!(finished.recv().await, None);
    }
}
