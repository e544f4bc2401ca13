//! [`Pool`]: a few threads for work that would hold up the loop.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use tokio::sync::mpsc;
use tracing::{error, warn};

use crate::secure::Lane;

/// How much less of a processor than the loop's thread a worker claims: a tenth of its share where both want it.
#[cfg(any(target_os = "linux", target_os = "android"))]
const NICENESS: i32 = 10;

/// Worker threads that turn jobs `J` into outcomes. How many jobs wait is for those who submit them to bound: the
/// secure layer admits a number of jobs until they are done. The first thread is there from the start; the others
/// begin when all are at work and a job waits.
///
/// Dropping the pool lets each thread end after the job at hand; jobs that wait are forgotten.
#[derive(Debug)]
pub(super) struct Pool<J, D> {
    shared: Arc<Shared<J>>,
    threads: Vec<JoinHandle<()>>,
    max_threads: usize,
    run: fn(J) -> D,
    done: mpsc::UnboundedSender<D>,
}

#[derive(Debug)]
struct Shared<J> {
    queue: Mutex<Queue<J>>,
    changed: Condvar,
}

#[derive(Debug)]
struct Queue<J> {
    local: VecDeque<J>,
    remote: VecDeque<J>,
    /// Threads that wait for a job.
    idle: usize,
    is_closed: bool,
}

impl<J: Send + 'static, D: Send + 'static> Pool<J, D> {
    /// Starts threads that `run` jobs. The outcomes come out of the channel, in any order; none of a job that panics.
    ///
    /// # Errors
    ///
    /// What the system says if it gives no thread.
    pub(super) fn start(
        workers: usize,
        run: fn(J) -> D,
    ) -> io::Result<(Self, mpsc::UnboundedReceiver<D>)> {
        let (done, finished) = mpsc::unbounded_channel();
        let queue = Queue {
            local: VecDeque::new(),
            remote: VecDeque::new(),
            idle: 0,
            is_closed: false,
        };
        let mut pool = Self {
            shared: Arc::new(Shared {
                queue: Mutex::new(queue),
                changed: Condvar::new(),
            }),
            threads: Vec::new(),
            max_threads: workers,
            run,
            done,
        };
        pool.add_thread()?;
        Ok((pool, finished))
    }

    /// Has a thread do this as soon as one is free; local jobs go before remote ones.
    pub(super) fn submit(&mut self, lane: Lane, job: J) {
        let mut queue = self.shared.queue();
        match lane {
            Lane::Local => queue.local.push_back(job),
            Lane::Remote => queue.remote.push_back(job),
        }
        let are_all_busy = queue.local.len() + queue.remote.len() > queue.idle;
        drop(queue);
        if are_all_busy
            && self.threads.len() < self.max_threads
            && let Err(error) = self.add_thread()
        {
            warn!(%error, "no further thread for jobs");
        }
        self.shared.changed.notify_one();
    }

    fn add_thread(&mut self) -> io::Result<()> {
        let (shared, run, done) = (Arc::clone(&self.shared), self.run, self.done.clone());
        let thread = thread::Builder::new()
            .name(format!("bulla-worker-{}", self.threads.len()))
            .spawn(move || work(&shared, run, &done))?;
        self.threads.push(thread);
        Ok(())
    }

    /// Lets the threads end, and waits for the jobs at hand.
    pub(super) fn join(mut self) {
        self.shared.close();
        for thread in self.threads.drain(..) {
            // Workers catch what jobs panic with.
            let _ = thread.join();
        }
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
            if let Some(job) = queue.local.pop_front().or_else(|| queue.remote.pop_front()) {
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

    fn close(&self) {
        self.queue().is_closed = true;
        self.changed.notify_all();
    }

    /// Nothing panics while the lock is held, so a poisoned one guards a sound queue.
    fn queue(&self) -> MutexGuard<'_, Queue<J>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn work<J, D>(shared: &Shared<J>, run: fn(J) -> D, done: &mpsc::UnboundedSender<D>) {
    make_way();
    while let Some(job) = shared.next() {
        let Ok(outcome) = catch_unwind(AssertUnwindSafe(|| run(job))) else {
            error!("a job panicked; its operation will not end by itself");
            continue;
        };
        // If nobody receives, the node is gone and the queue closed.
        let _ = done.send(outcome);
    }
}

/// Lets other threads, the loop above all, go before this one where the system counts that for each thread by itself.
fn make_way() {
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

    fn run((number, gate): GatedJob) -> u32 {
        if let Some(gate) = gate {
            gate.recv().unwrap();
        }
        assert_ne!(number, 0, "a job that panics");
        number
    }

    #[tokio::test]
    async fn local_jobs_go_before_remote_ones() {
        let (mut pool, mut finished) = Pool::start(1, run).unwrap();
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
        let (mut pool, mut finished) = Pool::start(1, run).unwrap();
        pool.submit(Lane::Local, (0, None));
        pool.submit(Lane::Local, (1, None));
        assert_eq!(finished.recv().await, Some(1));
        pool.join();
        assert_eq!(finished.recv().await, None);
    }

    #[tokio::test]
    async fn a_thread_is_added_when_a_job_waits_and_there_may_be_more() {
        let (mut pool, mut finished) = Pool::start(2, run).unwrap();
        let (open, gate) = channel();
        pool.submit(Lane::Local, (1, Some(gate)));
        pool.submit(Lane::Local, (2, None));
        assert_eq!(finished.recv().await, Some(2));
        open.send(()).unwrap();
        assert_eq!(finished.recv().await, Some(1));
        assert_eq!(pool.threads.len(), 2);
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[tokio::test]
    async fn workers_make_way_for_the_loop() {
        let niceness = |()| rustix::process::getpriority_process(None).unwrap();
        let ours = niceness(());
        let (mut pool, mut finished) = Pool::start(1, niceness).unwrap();
        pool.submit(Lane::Local, ());
        assert_eq!(finished.recv().await, Some((ours + NICENESS).min(19)));
    }

    #[tokio::test]
    async fn a_dropped_pool_forgets_what_waits() {
        let (mut pool, mut finished) = Pool::start(1, run).unwrap();
        let (open, gate) = channel();
        pool.submit(Lane::Local, (1, Some(gate)));
        pool.submit(Lane::Local, (2, None));
        drop(pool);
        open.send(()).unwrap();
        assert!(finished.recv().await.is_none_or(|number| number == 1));
        assert_eq!(finished.recv().await, None);
    }
}
