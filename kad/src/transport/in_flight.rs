//! [`InFlight`]: requests under way, each known by its id and the address it went to.
//!
//! A request is sent up to `attempts` times with the same bytes. The waits follow the measured round trip and double; but
//! the third attempt comes no sooner than the reference's second, and the verdict that a node is gone as long as the
//! reference does (`docs/spec/wire.md#15`), however fast the network is.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::Datagrams;
use crate::{Rng, Timestamp};

/// However slowly an answer in parts comes, its request is not waited for longer than parts are kept.
const LONGEST_ANSWER: Duration = Duration::from_secs(10);

/// Attempts that follow each other as quickly as answers come. Those after them come when a node that has had too many
/// requests within a second takes some again.
const QUICK_ATTEMPTS: u32 = 2;

/// What a request is for.
pub trait Purpose: Clone {
    /// Whether it is part of a lookup. What strangers give rise to is not.
    fn is_for_lookup(&self) -> bool;
}

/// Requests waiting for an answer; `P` is what each is for.
#[derive(Debug)]
pub struct InFlight<P> {
    /// Apart from the table, which grows and shrinks with each burst.
    open: HashMap<u32, Box<Pending<P>>, BuildHasherDefault<IdHasher>>,
    deadlines: BTreeSet<(Timestamp, u32)>,
    /// How many of the wanted ones are not overdue.
    awaited: usize,
    attempts: u32,
    respite: Duration,
    verdict: Duration,
    limit: usize,
}

/// An id is random and our own, so nobody can choose many that meet in a table: it is as good as a hash.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0 << 8 | u64::from(*byte);
        }
    }

    fn write_u32(&mut self, id: u32) {
        // Tables look at both ends.
        self.0 = u64::from(id) << 32 | u64::from(id);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[derive(Debug)]
struct Pending<P> {
    to: SocketAddr,
    datagrams: Datagrams,
    sent_at: Timestamp,
    wait: Duration,
    /// Attempts so far.
    attempts: u32,
    /// Time-outs so far.
    timeouts: u32,
    deadline: Timestamp,
    purpose: P,
}

/// What became due.
#[derive(Debug)]
pub enum Due<P> {
    /// An answer is overdue for the `count`th time; send the datagrams (if any) again.
    TimedOut {
        /// Where the request went.
        to: SocketAddr,
        /// What to send again.
        datagrams: Vec<Bytes>,
        /// How many time-outs there were.
        count: u32,
        /// What the request is for.
        purpose: P,
    },
    /// Nobody answered; the transaction is closed.
    Failed {
        /// Where the request went.
        to: SocketAddr,
        /// When it was first sent.
        asked_at: Timestamp,
        /// What the request was for.
        purpose: P,
    },
}

/// An answered request.
#[derive(Debug)]
pub struct Answered<P> {
    /// What the request was for.
    pub purpose: P,
    /// The round trip; at most that if the request was sent again meanwhile.
    pub round_trip: Duration,
}

impl<P: Purpose> InFlight<P> {
    /// At most `limit` at a time, each sent `attempts` times; a node is gone after 2^`attempts` − 1 times
    /// `response_time`.
    pub fn new(attempts: u32, response_time: Duration, limit: usize) -> Self {
        Self {
            open: HashMap::default(),
            deadlines: BTreeSet::new(),
            awaited: 0,
            attempts,
            respite: response_time * 21 / 20,
            verdict: response_time * ((1 << attempts) - 1),
            limit,
        }
    }

    /// An unused, random id, never 0; `None` if too many requests are under way.
    pub fn fresh_id(&self, rng: &mut Rng) -> Option<u32> {
        if self.open.len() >= self.limit {
            return None;
        }
        loop {
            let id = rng.number() as u32;
            if id != 0 && !self.open.contains_key(&id) {
                return Some(id);
            }
        }
    }

    /// Notes a request that is being sent now; the first answer is overdue after `wait`.
    pub fn open(
        &mut self,
        now: Timestamp,
        id: u32,
        to: SocketAddr,
        datagrams: Datagrams,
        wait: Duration,
        purpose: P,
    ) {
        let deadline = now + wait;
        self.deadlines.insert((deadline, id));
        let pending = Box::new(Pending {
            to,
            datagrams,
            sent_at: now,
            wait,
            attempts: 1,
            timeouts: 0,
            deadline,
            purpose,
        });
        self.awaited += usize::from(pending.is_awaited());
        self.open.insert(id, pending);
    }

    /// What the request `id` to `from` is for, if it still waits.
    pub fn pending(&self, from: SocketAddr, id: u32) -> Option<&P> {
        let pending = self.open.get(&id)?;
        (pending.to == from).then_some(&pending.purpose)
    }

    /// Closes the request that an answer with this id from this address belongs to.
    pub fn close(&mut self, now: Timestamp, from: SocketAddr, id: u32) -> Option<Answered<P>> {
        self.pending(from, id)?;
        let pending = self.open.remove(&id)?;
        self.deadlines.remove(&(pending.deadline, id));
        self.awaited -= usize::from(pending.is_awaited());
        self.release_memory();
        Some(Answered {
            round_trip: now.since(pending.sent_at),
            purpose: pending.purpose,
        })
    }

    /// The answer has begun to come, in parts: be patient until `until`, within [`LONGEST_ANSWER`].
    pub fn extend(&mut self, from: SocketAddr, id: u32, until: Timestamp) {
        if let Some(pending) = self.open.get_mut(&id)
            && pending.to == from
        {
            self.deadlines.remove(&(pending.deadline, id));
            let until = until.min(pending.sent_at + LONGEST_ANSWER);
            pending.deadline = pending.deadline.max(until);
            self.deadlines.insert((pending.deadline, id));
        }
    }

    /// Takes what is due at `now`; call until `None`.
    pub fn due(&mut self, now: Timestamp) -> Option<Due<P>> {
        let &(at, id) = self.deadlines.first()?;
        if at > now {
            return None;
        }
        self.deadlines.pop_first();
        let pending = self.open.get_mut(&id)?;
        self.awaited -= usize::from(pending.is_awaited());
        let verdict_at = pending.sent_at + self.verdict;
        if now >= verdict_at {
            let pending = self.open.remove(&id)?;
            self.release_memory();
            return Some(Due::Failed {
                to: pending.to,
                asked_at: pending.sent_at,
                purpose: pending.purpose,
            });
        }
        pending.timeouts += 1;
        pending.wait *= 2;
        let is_left = pending.attempts < self.attempts;
        let respite_at = pending.sent_at + self.respite;
        let resend = is_left && (pending.attempts < QUICK_ATTEMPTS || now >= respite_at);
        pending.attempts += u32::from(resend);
        pending.deadline = if is_left && !resend {
            respite_at
        } else if pending.timeouts <= self.attempts {
            (now + pending.wait).min(verdict_at)
        } else {
            verdict_at
        };
        self.deadlines.insert((pending.deadline, id));
        Some(Due::TimedOut {
            to: pending.to,
            datagrams: if resend {
                pending.datagrams.clone().into_iter().collect()
            } else {
                Vec::new()
            },
            count: pending.timeouts,
            purpose: pending.purpose.clone(),
        })
    }

    /// When something will be due.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// After a burst, gives back most of what it took.
    fn release_memory(&mut self) {
        let size = self.open.len().max(3);
        if self.open.capacity() > 8 * size {
            self.open.shrink_to(2 * size);
        }
    }

    /// How many wanted requests are under way whose answer is not overdue.
    pub fn awaited(&self) -> usize {
        self.awaited
    }

    /// How many requests are under way.
    pub fn len(&self) -> usize {
        self.open.len()
    }
}

impl<P: Purpose> Pending<P> {
    fn is_awaited(&self) -> bool {
        self.timeouts == 0 && self.purpose.is_for_lookup()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seed;

    const MS: Duration = Duration::from_millis(1);

    impl Purpose for () {
        fn is_for_lookup(&self) -> bool {
            true
        }
    }

    #[test]
    fn a_request_is_awaited_until_it_is_answered_or_overdue() {
        let mut in_flight = InFlight::new(3, 1_000 * MS, 10);
        for id in 1..=2 {
            in_flight.open(Timestamp::ZERO, id, peer(1), datagrams(), 100 * MS, ());
        }
        assert_eq!(in_flight.awaited(), 2);
        assert!(in_flight.close(Timestamp::ZERO, peer(1), 1).is_some());
        assert_eq!(in_flight.awaited(), 1);
        while let Some(at) = in_flight.next_deadline() {
            let _ = in_flight.due(at);
            assert_eq!(in_flight.awaited(), 0);
        }
    }

    #[test]
    fn an_unanswered_request_is_sent_three_times_and_given_up_after_seven_seconds() {
        let mut in_flight = InFlight::new(3, 1_000 * MS, 10);
        in_flight.open(Timestamp::ZERO, 5, peer(1), datagrams(), 100 * MS, ());
        let (mut sent, mut gone_at) = (1, None);
        while let Some(at) = in_flight.next_deadline() {
            match in_flight.due(at) {
                Some(Due::TimedOut { datagrams, .. }) => sent += datagrams.len(),
                Some(Due::Failed { .. }) => gone_at = Some(at),
                None => {}
            }
        }
        assert_eq!(sent, 3);
        assert_eq!(gone_at, Some(Timestamp::ZERO + 7_000 * MS));
        assert_eq!(in_flight.len(), 0);
    }

    #[test]
    fn a_second_attempt_comes_at_once_and_a_third_after_a_second() {
        for (wait, expected) in [(50, [50, 1_050]), (400, [400, 1_200])] {
            let mut in_flight = InFlight::new(3, 1_000 * MS, 10);
            in_flight.open(Timestamp::ZERO, 5, peer(1), datagrams(), wait * MS, ());
            let mut sent_at = Vec::new();
            while let Some(at) = in_flight.next_deadline() {
                if let Some(Due::TimedOut { datagrams, .. }) = in_flight.due(at)
                    && !datagrams.is_empty()
                {
                    sent_at.push(at);
                }
            }
            assert_eq!(sent_at, expected.map(|ms| Timestamp::ZERO + ms * MS));
        }
    }

    #[test]
    fn an_answer_counts_only_from_the_address_asked() {
        let mut in_flight = InFlight::new(3, 1_000 * MS, 10);
        in_flight.open(Timestamp::ZERO, 5, peer(1), datagrams(), 100 * MS, ());
        assert!(in_flight.close(Timestamp::ZERO, peer(2), 5).is_none());
        let answered = in_flight
            .close(Timestamp::ZERO + 3 * MS, peer(1), 5)
            .unwrap();
        assert_eq!(answered.round_trip, 3 * MS);
        assert!(in_flight.close(Timestamp::ZERO, peer(1), 5).is_none());
    }

    #[test]
    fn an_answer_whose_parts_never_end_is_not_waited_for_without_end() {
        let mut in_flight = InFlight::new(3, 1_000 * MS, 10);
        in_flight.open(Timestamp::ZERO, 5, peer(1), datagrams(), 100 * MS, ());
        let mut now = Timestamp::ZERO;
        while in_flight.len() > 0 {
            now = now + 500 * MS;
            assert!(now < Timestamp::ZERO + 11_000 * MS);
            in_flight.extend(peer(1), 5, now + 1_000 * MS);
            while in_flight.due(now).is_some() {}
        }
    }

    #[test]
    fn ids_run_out_at_the_limit() {
        let mut rng = Seed::from_number(1).public();
        let mut in_flight = InFlight::new(3, 1_000 * MS, 1);
        let id = in_flight.fresh_id(&mut rng).unwrap();
        in_flight.open(Timestamp::ZERO, id, peer(1), datagrams(), MS, ());
        assert_eq!(in_flight.fresh_id(&mut rng), None);
    }

    fn datagrams() -> Datagrams {
        Datagrams {
            head: Bytes::from_static(b"x"),
            parts: Vec::new(),
        }
    }

    fn peer(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }
}
