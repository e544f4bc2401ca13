//! Requests at a pace, and what became of them.

use std::io::{Error, Result};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::peer::{Heard, Peer, TIMEOUT};

/// After so many silences a load is given up.
const MAX_SILENCES: usize = 10;
/// Datagrams that a peer takes before it is the next one's turn: with a fast node there is always
/// one more.
const TURN: usize = 8;
/// How long a generator sleeps that shares its core with the node.
const NAP: Duration = Duration::from_micros(100);

/// Requests of one peer, ready to be sent: for each its datagrams. Their numbers follow one
/// another.
pub(crate) struct Batch {
    pub(crate) first_tid: u32,
    pub(crate) requests: Vec<Vec<Vec<u8>>>,
}

/// How requests are sent.
#[derive(Clone, Copy)]
pub(crate) enum Pace {
    /// So many are under way all the time, at each peer.
    Window(usize),
    /// So many are sent in a second, by each peer.
    Rate(f64),
}

/// What is done while there is nothing to hear.
#[derive(Clone, Copy)]
pub(crate) enum Rest {
    /// Nothing: to be woken up would be charged to the node.
    Yield,
    /// The core is left to the node for some time.
    Sleep,
}

/// What became of requests.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) lost: usize,
    pub(crate) refused: usize,
    /// How long each answer took.
    pub(crate) delays: Vec<Duration>,
    pub(crate) elapsed: Duration,
}

/// Lets all peers send their requests. One thread looks after all of them; when it has no processor
/// it sends nothing, and what comes meanwhile has come when the system says, if peers are stamped.
pub(crate) fn run(peers: &mut [Peer], batches: &[Batch], pace: Pace, rest: Rest) -> Result<Tally> {
    let (begin, began_at) = (Instant::now(), SystemTime::now());
    let mut tally = Tally::default();
    let turns = (0..).map(|place| f64::from(place) / batches.len() as f64);
    let mut runs: Vec<_> = batches.iter().zip(turns).map(BatchRun::new).collect();
    let mut last = begin;
    let mut silences = 0;
    while runs.iter().any(|run| !run.is_over()) {
        let before = tally.delays.len();
        for (run, peer) in runs.iter_mut().zip(&mut *peers) {
            for _ in 0..TURN {
                let Some(heard) = peer.hear()? else { break };
                let stamp = peer.came_at.and_then(|at| at.duration_since(began_at).ok());
                let now = stamp.unwrap_or_else(|| begin.elapsed());
                run.take(&heard, now, &mut tally);
            }
            run.send(peer, pace, begin)?;
        }
        if tally.delays.len() > before {
            last = Instant::now();
        } else if last.elapsed() > TIMEOUT {
            tally.lost += runs.iter_mut().map(BatchRun::give_up).sum::<usize>();
            last = Instant::now();
            silences += 1;
            if silences > MAX_SILENCES {
                return Err(Error::other("the node has stopped answering"));
            }
        } else {
            rest.take();
        }
    }
    tally.elapsed = last - begin;
    Ok(tally)
}

impl Rest {
    fn take(self) {
        match self {
            Self::Yield => thread::yield_now(),
            Self::Sleep => thread::sleep(NAP),
        }
    }
}

/// A batch on its way.
struct BatchRun<'a> {
    batch: &'a Batch,
    /// At a rate, how far its requests lag behind those of the first peer, as a share of the time
    /// between two of them: else the requests of all peers would come together.
    lag: f64,
    /// When each request was sent, since the beginning.
    sent: Vec<Duration>,
    /// What is missing of each answer, in bytes of values; `None` before it began, and 0 once all
    /// is settled.
    missing: Vec<Option<usize>>,
    settled: usize,
}

impl<'a> BatchRun<'a> {
    fn new((batch, lag): (&'a Batch, f64)) -> Self {
        Self {
            batch,
            lag,
            sent: Vec::with_capacity(batch.requests.len()),
            missing: vec![None; batch.requests.len()],
            settled: 0,
        }
    }

    fn is_over(&self) -> bool {
        self.settled == self.batch.requests.len()
    }

    /// Sends what is to be sent by now.
    fn send(&mut self, peer: &Peer, pace: Pace, begin: Instant) -> Result<()> {
        let mut due: Vec<&[u8]> = Vec::new();
        while let Some(request) = self.batch.requests.get(self.sent.len()) {
            let now = begin.elapsed();
            let at = match pace {
                Pace::Window(window) if self.sent.len() - self.settled < window => now,
                Pace::Rate(per_sec) => {
                    Duration::from_secs_f64((self.sent.len() as f64 + self.lag) / per_sec)
                }
                Pace::Window(_) => break,
            };
            if at > now {
                break;
            }
            self.sent.push(now);
            due.extend(request.iter().map(Vec::as_slice));
        }
        peer.send(&due)
    }

    /// Takes in what the node sent.
    fn take(&mut self, heard: &Heard, now: Duration, tally: &mut Tally) {
        let (tid, refused) = match heard {
            Heard::Answer { tid, .. } | Heard::Parts { tid, .. } => (*tid, false),
            Heard::Refusal(tid) => (*tid, true),
            Heard::Request(_) => return,
        };
        let index = tid.0.wrapping_sub(self.batch.first_tid) as usize;
        let (Some(sent), Some(place)) = (self.sent.get(index), self.missing.get_mut(index)) else {
            return;
        };
        let missing = match (&heard, *place) {
            (_, Some(0)) | (Heard::Parts { .. }, None) | (Heard::Request(_), _) => return,
            (Heard::Answer { follow, .. }, _) => *follow,
            (Heard::Parts { bytes, .. }, Some(missing)) => missing.saturating_sub(*bytes),
            (Heard::Refusal(_), _) => 0,
        };
        *place = Some(missing);
        if missing == 0 {
            self.settled += 1;
            tally.refused += usize::from(refused);
            tally.delays.push(now.saturating_sub(*sent));
        }
    }

    /// Counts what is under way as lost.
    fn give_up(&mut self) -> usize {
        let lost = self.sent.len() - self.settled;
        self.missing[..self.sent.len()].fill(Some(0));
        self.settled = self.sent.len();
        lost
    }
}

impl Tally {
    pub(crate) fn replies(&self) -> usize {
        self.delays.len()
    }

    pub(crate) fn per_sec(&self) -> f64 {
        self.replies() as f64 / self.elapsed.as_secs_f64()
    }

    /// The delay that this share of the answers did not exceed, in microseconds.
    pub(crate) fn quantile(&mut self, share: f64) -> f64 {
        self.delays.sort_unstable();
        let index = (self.delays.len() as f64 * share) as usize;
        let delay = self.delays.get(index).or(self.delays.last());
        delay.map_or(f64::NAN, |delay| delay.as_secs_f64() * 1e6)
    }
}
