use std::sync::mpsc::{Receiver, channel};

use tokio::time::{sleep, timeout};

use super::*;
use crate::identity::{Identity, IdentityParams, PrivateKey};
use crate::node::{Core, Node, PutOptions};
use crate::secure::{Job, SecureConfig, SecureDht, SecureEvent, SecureOutput, SecurePutError};
use crate::{Config, InfoHash, Origin, Seed, Timestamp};

/// A number to return, once the gate opens.
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

/// Waits for the next outcome.
async fn next<J: Send + 'static, D: Send + 'static>(pool: &mut Pool<J, D>) -> D {
    loop {
        if let Some(outcome) = pool.take_outcomes(1).pop() {
            return outcome;
        }
        pool.finished().await;
    }
}

#[tokio::test]
async fn local_jobs_go_before_remote_ones() {
    let mut pool = Pool::new(1, FOREVER, run, |_| 0);
    let (open, gate) = channel();
    pool.submit(Lane::Local, (1, Some(gate)));
    pool.submit(Lane::Remote, (3, None));
    pool.submit(Lane::Local, (2, None));
    open.send(()).unwrap();
    for expected in 1..=3 {
        assert_eq!(next(&mut pool).await, expected);
    }
}

#[tokio::test]
async fn a_job_that_panics_has_an_outcome_and_does_not_end_its_worker() {
    let mut pool = Pool::new(1, FOREVER, run, |_| 0);
    pool.submit(Lane::Local, (0, None));
    pool.submit(Lane::Local, (1, None));
    assert_eq!(next(&mut pool).await, 0);
    assert_eq!(next(&mut pool).await, 1);
}

#[tokio::test]
async fn a_put_whose_signature_panics_ends_with_an_error() {
    let pem = include_bytes!("../../../identity/tests/vectors/alice.pem");
    let key = PrivateKey::from_pem(pem, None).unwrap();
    let identity = Identity::issue(key, &IdentityParams::new("alice", 0)).unwrap();
    let now = Timestamp::ZERO;
    let node = Node::new(Config::default(), Seed::from_number(1), Origin::default()).unwrap();
    let seed = Seed::from_number(2);
    let mut dht = SecureDht::new(node, Some(identity), seed, SecureConfig::default());
    let key = InfoHash::of(b"key");
    let (op, _) = (dht.put_signed(now, key, "hello", PutOptions::default())).unwrap();
    let mut pool = Pool::new(1, FOREVER, |_: Job| panic!("a fault"), Job::failed);
    loop {
        match dht.poll_output() {
            SecureOutput::Job(job) => {
                pool.submit(job.lane(), job);
                dht.handle_done(now, next(&mut pool).await);
            }
            SecureOutput::Event(event) => {
                let error = SecurePutError::JobFailed;
                assert_eq!(event, SecureEvent::PutFailed { op, error });
                return;
            }
            SecureOutput::Transmit(_) => {}
            SecureOutput::Wake(..) => panic!("the put never ended"),
        }
    }
}

#[tokio::test]
async fn without_workers_jobs_are_done_by_the_submitting_thread() {
    let mut pool = Pool::new(0, FOREVER, run, |_| 0);
    pool.submit(Lane::Remote, (1, None));
    assert_eq!(pool.take_outcomes(2), [1]);
}

#[tokio::test]
async fn outcomes_that_are_left_are_announced_again() {
    let mut pool = Pool::new(1, FOREVER, run, |_| 0);
    for number in 1..=2 {
        pool.submit(Lane::Local, (number, None));
    }
    while pool.shared.queue().outcomes.len() < 2 {
        sleep(Duration::from_millis(1)).await;
    }
    let mut taken = Vec::new();
    for _ in 0..2 {
        let announced = timeout(Duration::from_secs(10), pool.finished()).await;
        announced.expect("there are outcomes");
        taken.extend(pool.take_outcomes(1));
    }
    assert_eq!(taken, [1, 2]);
}

#[tokio::test]
async fn a_thread_is_added_when_a_job_waits_and_there_may_be_more() {
    let mut pool = Pool::new(2, FOREVER, run, |_| 0);
    assert_eq!(pool.workers, 0);
    let (open, gate) = channel();
    pool.submit(Lane::Local, (1, Some(gate)));
    pool.submit(Lane::Local, (2, None));
    assert_eq!(next(&mut pool).await, 2);
    open.send(()).unwrap();
    assert_eq!(next(&mut pool).await, 1);
    assert_eq!(pool.workers, 2);
}

#[tokio::test]
async fn what_workers_do_not_get_to_is_done_by_the_guard() {
    let mut pool = Pool::new(1, Duration::from_millis(1), run, |_| 0);
    let (open, gate) = channel();
    pool.submit(Lane::Local, (1, Some(gate)));
    for number in 2..=2 * GUARD_TURNS {
        pool.submit(Lane::Local, (number, None));
    }
    for expected in 2..=2 * GUARD_TURNS {
        assert_eq!(next(&mut pool).await, expected);
    }
    open.send(()).unwrap();
    assert_eq!(next(&mut pool).await, 1);
}

#[tokio::test]
async fn workers_try_again_after_the_turns_of_the_guard() {
    let work = |gate: Option<Receiver<()>>| {
        if let Some(gate) = gate {
            gate.recv().unwrap();
        }
        let thread = thread::current();
        thread.name().is_some_and(|name| name == "bulla-worker-0")
    };
    let mut pool = Pool::new(1, Duration::from_millis(1), work, |_| false);
    let (open, gate) = channel();
    pool.submit(Lane::Local, Some(gate));
    pool.submit(Lane::Local, None);
    assert!(!next(&mut pool).await);
    open.send(()).unwrap();
    assert!(next(&mut pool).await);
    let mut is_workers = false;
    while !is_workers {
        pool.submit(Lane::Local, None);
        is_workers = next(&mut pool).await;
    }
}

#[tokio::test]
async fn the_guard_leaves_alone_what_workers_get_to() {
    let name = |()| thread::current().name().map(str::to_owned);
    let mut pool = Pool::new(1, FOREVER, name, |()| None);
    for _ in 0..99 {
        pool.submit(Lane::Remote, ());
    }
    for _ in 0..99 {
        let worker = Some("bulla-worker-0".to_owned());
        assert_eq!(next(&mut pool).await, worker);
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[tokio::test]
async fn workers_take_idle_time_and_the_guard_has_a_low_priority() {
    use thread_priority::{
        NormalThreadSchedulePolicy::{Idle, Other},
        ThreadSchedulePolicy::Normal,
        thread_schedule_policy,
    };

    use crate::runner::priority::NICENESS;
    let policy = |gate: Option<Receiver<()>>| {
        if let Some(gate) = gate {
            gate.recv().unwrap();
        }
        let niceness = rustix::process::getpriority_process(None).unwrap();
        (thread_schedule_policy().unwrap(), niceness)
    };
    let ours = rustix::process::getpriority_process(None).unwrap();
    let mut pool = Pool::new(1, Duration::from_millis(1), policy, |_| (Normal(Idle), 0));
    let (open, gate) = channel();
    pool.submit(Lane::Local, Some(gate));
    pool.submit(Lane::Local, None);
    let guard = (Normal(Other), (ours + NICENESS).min(19));
    assert_eq!(next(&mut pool).await, guard);
    open.send(()).unwrap();
    let (worker, _) = next(&mut pool).await;
    assert_eq!(worker, Normal(Idle));
}

#[tokio::test]
async fn a_dropped_pool_drops_what_waits() {
    let mut pool = Pool::new(1, FOREVER, run, |_| 0);
    let (open, gate) = channel();
    pool.submit(Lane::Local, (1, Some(gate)));
    let (waits, gate) = channel();
    pool.submit(Lane::Local, (2, Some(gate)));
    let shared = Arc::clone(&pool.shared);
    drop(pool);
    waits.send(()).unwrap_err();
    // The first is dropped as well if no worker got to it.
    let _ = open.send(());
    while Arc::strong_count(&shared) > 1 {
        sleep(Duration::from_millis(1)).await;
    }
    assert!(shared.queue().outcomes.iter().all(|number| *number == 1));
}
