//! [`Transactions`]: requests under way, each known by its id and the address it went to.
//!
//! A request is sent up to `attempts` times with the same bytes. The waits follow the measured round trip and double; but
//! the third attempt comes no sooner than the reference's second, and the verdict that a node is gone as long as the
//! reference does (`docs/spec/wire.md#15`), however fast the network is.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::wire::Datagrams;
use crate::{Rng, Timestamp};

/// However slowly an answer in parts comes, its request is not waited for longer than parts are kept.
const LONGEST_ANSWER: Duration = Duration::from_secs(10);

/// Attempts that follow each other as quickly as answers come. Those after them come when a node that has had too many
/// requests within a second takes some again.
const QUICK_ATTEMPTS: u32 = 2;

/// What a request is for.
pub(crate) trait Purposeful: Clone {
    /// Whether it is part of a lookup. What strangers give rise to is not.
    fn is_wanted(&self) -> bool;
}

/// Requests waiting for an answer; `P` is what each is for.
#[derive(Debug)]
pub(crate) struct Transactions<P> {
    /// Apart from the table, which grows and shrinks with each burst.
    open: HashMap<u32, Box<Transaction<P>>, BuildHasherDefault<IdHasher>>,
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
struct Transaction<P> {
    to: SocketAddr,
    datagrams: Datagrams,
    sent_at: Timestamp,
    wait: Duration,
    /// Attempts so far.
    attempts: u32,
    /// Time-outs so far.
    overdue: u32,
    deadline: Timestamp,
    purpose: P,
}

/// What became due.
#[derive(Debug)]
pub(crate) enum Due<P> {
    /// An answer is overdue for the `count`th time; send the datagrams (if any) again.
    Late {
        to: SocketAddr,
        datagrams: Vec<Bytes>,
        count: u32,
        purpose: P,
    },
    /// Nobody answered; the transaction is closed.
    Gone {
        to: SocketAddr,
        asked_at: Timestamp,
        purpose: P,
    },
}

/// An answered request.
#[derive(Debug)]
pub(crate) struct Answered<P> {
    pub(crate) purpose: P,
    /// The round trip; at most that if the request was sent again meanwhile.
    pub(crate) round_trip: Duration,
}

impl<P: Purposeful> Transactions<P> {
    /// At most `limit` at a time, each sent `attempts` times; a node is gone after 2^`attempts` − 1 times
    /// `response_time`.
    pub(crate) fn new(attempts: u32, response_time: Duration, limit: usize) -> Self {
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
    pub(crate) fn fresh_id(&self, rng: &mut Rng) -> Option<u32> {
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
    pub(crate) fn open(
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
        let transaction = Box::new(Transaction {
            to,
            datagrams,
            sent_at: now,
            wait,
            attempts: 1,
            overdue: 0,
            deadline,
            purpose,
        });
        self.awaited += usize::from(transaction.is_awaited());
        self.open.insert(id, transaction);
    }

    /// What the request `id` to `from` is for, if it still waits.
    pub(crate) fn pending(&self, from: SocketAddr, id: u32) -> Option<&P> {
        let transaction = self.open.get(&id)?;
        (transaction.to == from).then_some(&transaction.purpose)
    }

    /// Closes the request that an answer with this id from this address belongs to.
    pub(crate) fn close(
        &mut self,
        now: Timestamp,
        from: SocketAddr,
        id: u32,
    ) -> Option<Answered<P>> {
        self.pending(from, id)?;
        let transaction = self.open.remove(&id)?;
        self.deadlines.remove(&(transaction.deadline, id));
        self.awaited -= usize::from(transaction.is_awaited());
        self.release_memory();
        Some(Answered {
            round_trip: now.since(transaction.sent_at),
            purpose: transaction.purpose,
        })
    }

    /// The answer has begun to come, in parts: be patient until `until`, within [`LONGEST_ANSWER`].
    pub(crate) fn extend(&mut self, from: SocketAddr, id: u32, until: Timestamp) {
        if let Some(transaction) = self.open.get_mut(&id)
            && transaction.to == from
        {
            self.deadlines.remove(&(transaction.deadline, id));
            let until = until.min(transaction.sent_at + LONGEST_ANSWER);
            transaction.deadline = transaction.deadline.max(until);
            self.deadlines.insert((transaction.deadline, id));
        }
    }

    /// Takes what is due at `now`; call until `None`.
    pub(crate) fn due(&mut self, now: Timestamp) -> Option<Due<P>> {
        let &(at, id) = self.deadlines.first()?;
        if at > now {
            return None;
        }
        self.deadlines.pop_first();
        let transaction = self.open.get_mut(&id)?;
        self.awaited -= usize::from(transaction.is_awaited());
        let verdict_at = transaction.sent_at + self.verdict;
        if now >= verdict_at {
            let transaction = self.open.remove(&id)?;
            self.release_memory();
            return Some(Due::Gone {
                to: transaction.to,
                asked_at: transaction.sent_at,
                purpose: transaction.purpose,
            });
        }
        transaction.overdue += 1;
        transaction.wait *= 2;
        let is_left = transaction.attempts < self.attempts;
        let respite_at = transaction.sent_at + self.respite;
        let resend = is_left && (transaction.attempts < QUICK_ATTEMPTS || now >= respite_at);
        transaction.attempts += u32::from(resend);
        transaction.deadline = if is_left && !resend {
            respite_at
        } else if transaction.overdue <= self.attempts {
            (now + transaction.wait).min(verdict_at)
        } else {
            verdict_at
        };
        self.deadlines.insert((transaction.deadline, id));
        Some(Due::Late {
            to: transaction.to,
            datagrams: if resend {
                transaction.datagrams.clone().into_iter().collect()
            } else {
                Vec::new()
            },
            count: transaction.overdue,
            purpose: transaction.purpose.clone(),
        })
    }

    /// When something will be due.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
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
    pub(crate) fn awaited(&self) -> usize {
        self.awaited
    }

    /// How many requests are under way.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }
}

impl<P: Purposeful> Transaction<P> {
    fn is_awaited(&self) -> bool {
        self.overdue == 0 && self.purpose.is_wanted()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seed;

    const MS: Duration = Duration::from_millis(1);

    impl Purposeful for () {
        fn is_wanted(&self) -> bool {
            true
        }
    }

    #[test]
    fn a_request_is_awaited_until_it_is_answered_or_overdue() {
        let mut transactions = Transactions::new(3, 1_000 * MS, 10);
        for id in 1..=2 {
            transactions.open(Timestamp::ZERO, id, peer(1), datagrams(), 100 * MS, ());
        }
        assert_eq!(transactions.awaited(), 2);
        assert!(transactions.close(Timestamp::ZERO, peer(1), 1).is_some());
        assert_eq!(transactions.awaited(), 1);
        while let Some(at) = transactions.next_deadline() {
            let _ = transactions.due(at);
            assert_eq!(transactions.awaited(), 0);
        }
    }

    #[test]
    fn an_unanswered_request_is_sent_three_times_and_given_up_after_seven_seconds() {
        let mut transactions = Transactions::new(3, 1_000 * MS, 10);
        transactions.open(Timestamp::ZERO, 5, peer(1), datagrams(), 100 * MS, ());
        let (mut sent, mut gone_at) = (1, None);
        while let Some(at) = transactions.next_deadline() {
            match transactions.due(at) {
                Some(Due::Late { datagrams, .. }) => sent += datagrams.len(),
                Some(Due::Gone { .. }) => gone_at = Some(at),
                None => {}
            }
        }
        assert_eq!(sent, 3);
        assert_eq!(gone_at, Some(Timestamp::ZERO + 7_000 * MS));
        assert_eq!(transactions.len(), 0);
    }

    #[test]
    fn a_second_attempt_comes_at_once_and_a_third_after_a_second() {
        for (wait, expected) in [(50, [50, 1_050]), (400, [400, 1_200])] {
            let mut transactions = Transactions::new(3, 1_000 * MS, 10);
            transactions.open(Timestamp::ZERO, 5, peer(1), datagrams(), wait * MS, ());
            let mut sent_at = Vec::new();
            while let Some(at) = transactions.next_deadline() {
                if let Some(Due::Late { datagrams, .. }) = transactions.due(at)
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
        let mut transactions = Transactions::new(3, 1_000 * MS, 10);
        transactions.open(Timestamp::ZERO, 5, peer(1), datagrams(), 100 * MS, ());
        assert!(transactions.close(Timestamp::ZERO, peer(2), 5).is_none());
        let answered = transactions
            .close(Timestamp::ZERO + 3 * MS, peer(1), 5)
            .unwrap();
        assert_eq!(answered.round_trip, 3 * MS);
        assert!(transactions.close(Timestamp::ZERO, peer(1), 5).is_none());
    }

    #[test]
    fn an_answer_whose_parts_never_end_is_not_waited_for_without_end() {
        let mut transactions = Transactions::new(3, 1_000 * MS, 10);
        transactions.open(Timestamp::ZERO, 5, peer(1), datagrams(), 100 * MS, ());
        let mut now = Timestamp::ZERO;
        while transactions.len() > 0 {
            now = now + 500 * MS;
            assert!(now < Timestamp::ZERO + 11_000 * MS);
            transactions.extend(peer(1), 5, now + 1_000 * MS);
            while transactions.due(now).is_some() {}
        }
    }

    #[test]
    fn ids_run_out_at_the_limit() {
        let mut rng = Seed::from_number(1).public();
        let mut transactions = Transactions::new(3, 1_000 * MS, 1);
        let id = transactions.fresh_id(&mut rng).unwrap();
        transactions.open(Timestamp::ZERO, id, peer(1), datagrams(), MS, ());
        assert_eq!(transactions.fresh_id(&mut rng), None);
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
