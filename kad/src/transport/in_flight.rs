//! [`InFlight`]: requests that wait for a reply, each known by its id and the address it went to.
//!
//! A request is sent several times with the same bytes. The waits follow the measured round trip
//! and double; but the third attempt comes no sooner than OpenDHT's second, and a request fails no
//! sooner than OpenDHT's (`docs/spec/wire.md#15`), however fast the network is.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::congestion::Congestion;
use super::uplink::{Mark, Uplink};
use super::{Datagrams, TransactionId, TransportConfig};
use crate::{Rng, Source, Timestamp};

/// However slowly a reply in parts comes, its request is not waited for longer than parts are kept.
const LONGEST_REPLY: Duration = Duration::from_secs(10);

/// Attempts that follow each other as quickly as replies come. Those after them come when a node
/// that has had too many requests within a second takes some again.
const QUICK_ATTEMPTS: u32 = 2;

/// One in so many requests in flight is kept for what this node asks of its own accord.
const OWN_SHARE: usize = 4;

/// What a request is for, as the caller of a [`Transport`](super::Transport) notes it.
pub trait Purpose: Clone {
    /// Reports whether it is part of a lookup. What other nodes give rise to is not.
    fn is_for_lookup(&self) -> bool;
}

/// Requests waiting for a reply, by their ids `I`; `P` is what each is for.
#[derive(Debug)]
pub(super) struct InFlight<I, P> {
    /// Each in a place of its own, apart from the table, which grows and shrinks with each burst.
    open: HashMap<I, Box<Pending<P>>, BuildHasherDefault<IdHasher>>,
    deadlines: BTreeSet<(Timestamp, I)>,
    /// How many of those for lookups may be on their way.
    congestion: Congestion,
    /// What stands before a request that is sent now.
    uplink: Uplink,
    /// How long a reply takes as a rule; zero if that is not known.
    typical: Duration,
    /// How often a request is sent.
    attempts: u32,
    /// How long after the first attempt the third may come.
    respite: Duration,
    /// How long after the first attempt a request has failed.
    verdict: Duration,
    limit: usize,
}

/// An id is random and our own, so no peer can choose many that meet in a table: it is as good as a
/// hash.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0 << 8 | u64::from(*byte);
        }
    }

    fn write_u16(&mut self, id: u16) {
        self.0 = u64::from(id) << 48 | u64::from(id);
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
    /// When it was first sent, or will have left for all that is known.
    sent_at: Timestamp,
    /// Its place on the uplink.
    mark: Mark,
    /// Whether other requests stood before it, or it is large.
    is_queued: bool,
    wait: Duration,
    /// Attempts so far.
    attempts: u32,
    /// Time-outs so far.
    timeouts: u32,
    /// Whether its last attempt is overdue too.
    is_given_up: bool,
    /// Whether its target may be gone.
    is_suspect: bool,
    deadline: Timestamp,
    /// How long after it was sent it has failed; zero if the system cannot send to its target.
    fails_after: Duration,
    purpose: P,
}

/// What became due.
#[derive(Debug)]
pub(super) enum Due<P> {
    /// A request timed out for the `count`th time; its datagrams, if any, are to be sent again.
    TimedOut {
        to: SocketAddr,
        datagrams: Vec<Bytes>,
        count: u32,
        /// Whether it was sent for the last time before, and there is hardly any hope.
        is_last: bool,
        purpose: P,
    },
    /// A request of several datagrams may not have left yet, for all that is known.
    Held { purpose: P },
    /// A request failed, and is no longer in flight.
    Failed {
        to: SocketAddr,
        asked_at: Timestamp,
        purpose: P,
    },
}

/// A request that got its reply.
#[derive(Debug)]
pub(super) struct Answered<P> {
    pub(super) purpose: P,
    /// The round trip; at most that if the request was sent again meanwhile. `None` if it stood in
    /// a queue here.
    pub(super) round_trip: Option<Duration>,
}

impl<I: TransactionId, P: Purpose> InFlight<I, P> {
    /// Begins without any request. One fails after 2^`attempts` − 1 times the response time.
    pub(super) fn new(config: &TransportConfig) -> Self {
        Self {
            open: HashMap::default(),
            deadlines: BTreeSet::new(),
            congestion: Congestion::new(config),
            uplink: Uplink::new(),
            typical: Duration::ZERO,
            attempts: config.attempts,
            respite: config.response_time * 21 / 20,
            verdict: config.response_time * ((1 << config.attempts) - 1),
            limit: config.max_requests,
        }
    }

    /// Draws an unused id, never the default one; `None` if too many requests are in flight.
    pub(super) fn fresh_id(&self, rng: &mut Rng) -> Option<I> {
        if self.open.len() >= self.limit {
            return None;
        }
        loop {
            let id = I::random(rng);
            if id != I::default() && !self.open.contains_key(&id) {
                return Some(id);
            }
        }
    }

    /// Notes how long a reply takes as a rule.
    pub(super) fn set_typical_round_trip(&mut self, typical: Duration) {
        self.typical = typical;
    }

    /// Notes a request that is being sent now; it times out after `wait`.
    pub(super) fn open(
        &mut self,
        now: Timestamp,
        id: I,
        to: SocketAddr,
        datagrams: Datagrams,
        wait: Duration,
        purpose: P,
    ) {
        let sizes = datagrams.sizes();
        let mark = self.uplink.send(now, sizes);
        let sent_at = now + self.uplink.delay_of(now, mark);
        let deadline = sent_at + wait;
        self.deadlines.insert((deadline, id));
        let pending = Box::new(Pending {
            to,
            datagrams,
            sent_at,
            mark,
            is_queued: self.uplink.may_hold(mark),
            wait,
            attempts: 1,
            timeouts: 0,
            is_given_up: false,
            is_suspect: false,
            deadline,
            fails_after: self.verdict,
            purpose,
        });
        if pending.is_counted() {
            let source = Source::of(to.ip());
            self.congestion.on_sent(now, source, self.typical);
        }
        self.open.insert(id, pending);
    }

    /// Notes that the request `id` went to an address that let another one time out.
    pub(super) fn suspect(&mut self, now: Timestamp, id: I) {
        if let Some(pending) = self.open.get_mut(&id)
            && pending.is_counted()
        {
            let source = Source::of(pending.to.ip());
            pending.is_suspect = self.congestion.suspect(now, source);
        }
    }

    /// Returns what the request `id` to `from` is for, if it is in flight.
    pub(super) fn pending(&self, from: SocketAddr, id: I) -> Option<&P> {
        let pending = self.open.get(&id)?;
        (pending.to == from).then_some(&pending.purpose)
    }

    /// Closes the request that a reply with this id from this address belongs to, where replies
    /// take `round_trip` as a rule.
    pub(super) fn close(
        &mut self,
        now: Timestamp,
        from: SocketAddr,
        id: I,
        round_trip: Duration,
    ) -> Option<Answered<P>> {
        self.pending(from, id)?;
        let pending = self.open.remove(&id)?;
        self.deadlines.remove(&(pending.deadline, id));
        if pending.is_counted() {
            self.congestion.on_reply(now, Source::of(from.ip()));
            if pending.is_suspect {
                self.congestion.clear_suspect();
            }
        }
        self.release_memory();
        self.uplink.on_reply(now, pending.mark, round_trip);
        let is_idle = !pending.is_queued;
        Some(Answered {
            round_trip: is_idle.then(|| now.since(pending.sent_at)),
            purpose: pending.purpose,
        })
    }

    /// Forgets a request that is not of a lookup.
    pub(super) fn cancel(&mut self, to: SocketAddr, id: I) {
        if self.pending(to, id).is_some()
            && let Some(pending) = self.open.remove(&id)
        {
            self.deadlines.remove(&(pending.deadline, id));
            self.release_memory();
        }
    }

    /// Reports whether there is room for requests that other nodes give rise to: a share of all is
    /// kept for those of this node's own accord.
    pub(super) fn has_room_for_others(&self) -> bool {
        self.open.len() < self.limit - self.limit.div_ceil(OWN_SHARE)
    }

    /// Notes that the reply has begun to come, in parts: the request does not time out before
    /// `until`, within [`LONGEST_REPLY`].
    pub(super) fn extend(&mut self, from: SocketAddr, id: I, until: Timestamp) {
        if let Some(pending) = self.open.get_mut(&id)
            && pending.to == from
        {
            self.deadlines.remove(&(pending.deadline, id));
            let until = until.min(pending.sent_at + LONGEST_REPLY);
            pending.deadline = pending.deadline.max(until);
            self.deadlines.insert((pending.deadline, id));
        }
    }

    /// Lets all requests to an address fail at `now`: the system cannot send there. Costs as much
    /// as there are requests in flight.
    pub(super) fn fail(&mut self, now: Timestamp, to: SocketAddr) {
        let deadlines = &mut self.deadlines;
        let there = self.open.iter_mut().filter(|(_, it)| it.to == to);
        there.for_each(|(id, pending)| {
            deadlines.remove(&(pending.deadline, *id));
            pending.deadline = now;
            pending.sent_at = pending.sent_at.min(now);
            pending.fails_after = Duration::ZERO;
            deadlines.insert((now, *id));
        });
    }

    /// Puts deadlines off that are due while their requests may not have left yet. Returns what the
    /// next such request of several datagrams is for.
    fn put_off(&mut self, now: Timestamp) -> Option<P> {
        loop {
            let &(at, id) = self.deadlines.first()?;
            let pending = self.open.get_mut(&id)?;
            let is_lost = pending.fails_after.is_zero();
            if at > now || is_lost || !self.uplink.may_hold(pending.mark) {
                return None;
            }
            if !self.uplink.slow_down(now, pending.mark) {
                self.uplink.give_up(now, pending.mark);
                return None;
            }
            self.deadlines.pop_first();
            pending.sent_at = now + self.uplink.delay_of(now, pending.mark);
            pending.deadline = pending.sent_at + pending.wait;
            self.deadlines.insert((pending.deadline, id));
            if !pending.datagrams.parts.is_empty() {
                return Some(pending.purpose.clone());
            }
        }
    }

    /// Returns the next request that is due at `now`, and whether it has failed then.
    pub(super) fn next_due(&self, now: Timestamp) -> Option<(SocketAddr, I, bool)> {
        let &(at, id) = self.deadlines.first()?;
        let pending = self.open.get(&id).filter(|_| at <= now)?;
        let has_failed = now >= pending.sent_at + pending.fails_after;
        Some((pending.to, id, has_failed))
    }

    /// Takes what is due at `now`; to be called until it returns `None`.
    pub(super) fn due(&mut self, now: Timestamp) -> Option<Due<P>> {
        if let Some(purpose) = self.put_off(now) {
            return Some(Due::Held { purpose });
        }
        let &(at, id) = self.deadlines.first()?;
        if at > now {
            return None;
        }
        self.deadlines.pop_first();
        let pending = self.open.get_mut(&id)?;
        let (source, was_counted) = (Source::of(pending.to.ip()), pending.is_counted());
        let verdict_at = pending.sent_at + pending.fails_after;
        if now >= verdict_at {
            let pending = self.open.remove(&id)?;
            if was_counted {
                self.congestion.on_left(now, source);
                if pending.is_suspect {
                    self.congestion.clear_suspect();
                }
            }
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
        pending.is_given_up = !is_left;
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
        if resend {
            let sizes = pending.datagrams.sizes();
            pending.mark = self.uplink.send(now, sizes);
            pending.is_queued |= self.uplink.may_hold(pending.mark);
            pending.deadline = pending.deadline + self.uplink.delay_of(now, pending.mark);
        }
        self.deadlines.insert((pending.deadline, id));
        if was_counted {
            let (sent_at, count) = (pending.sent_at, pending.timeouts);
            let is_suspect = pending.is_suspect;
            let congestion = &mut self.congestion;
            pending.is_suspect |= congestion.on_timeout(now, source, sent_at, count, is_suspect);
            if pending.is_given_up {
                congestion.on_left(now, source);
                if pending.is_suspect {
                    congestion.clear_suspect();
                }
            }
        }
        Some(Due::TimedOut {
            to: pending.to,
            datagrams: if resend {
                pending.datagrams.clone().into_iter().collect()
            } else {
                Vec::new()
            },
            count: pending.timeouts,
            is_last: pending.is_given_up,
            purpose: pending.purpose.clone(),
        })
    }

    /// Returns when something will be due.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Returns how many requests for lookups are in flight, and whether there is room for more.
    pub(super) fn congestion(&self) -> &Congestion {
        &self.congestion
    }

    /// Returns how much longer it takes until all that was sent has left.
    pub(super) fn uplink_delay(&self, now: Timestamp) -> Duration {
        self.uplink.delay(now)
    }

    /// Returns how many requests are in flight.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Gives back most of what a burst took.
    fn release_memory(&mut self) {
        let size = self.open.len().max(3);
        if self.open.capacity() > 8 * size {
            self.open.shrink_to(2 * size);
        }
    }
}

impl<P: Purpose> Pending<P> {
    fn is_counted(&self) -> bool {
        !self.is_given_up && self.purpose.is_for_lookup()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seed;

    const MS: Duration = Duration::from_millis(1);
    const START: Timestamp = Timestamp::ZERO;

    /// What a request is for: whether a lookup.
    #[derive(Clone, PartialEq, Debug)]
    struct TestPurpose(bool);

    impl Purpose for TestPurpose {
        fn is_for_lookup(&self) -> bool {
            self.0
        }
    }

    #[test]
    fn requests_to_an_address_that_cannot_be_reached_fail_at_once() {
        let mut in_flight = in_flight(3);
        for (id, port) in [(1, 1), (2, 2), (3, 1)] {
            in_flight.open(
                START,
                id,
                peer(port),
                datagrams(),
                MS * 50,
                TestPurpose(true),
            );
        }
        in_flight.fail(START + MS, peer(1));
        for _ in 0..2 {
            let due = in_flight.due(START + MS);
            assert!(matches!(due, Some(Due::Failed { to, .. }) if to == peer(1)));
        }
        assert!(in_flight.due(START + MS).is_none());
        assert_eq!(in_flight.len(), 1);
    }

    #[test]
    fn a_request_for_a_lookup_counts_until_it_is_answered_or_its_last_attempt_is_overdue() {
        let mut in_flight = in_flight(3);
        for id in 1..=2 {
            open(&mut in_flight, id, 100, true);
        }
        open(&mut in_flight, 3, 100, false);
        let counts = |it: &InFlight<_, _>| (it.congestion().in_flight(), it.len());
        assert_eq!(counts(&in_flight), (2, 3));
        assert!(in_flight.close(START, peer(1), 1, MS).is_some());
        assert_eq!(counts(&in_flight), (1, 2));
        while let Some(at) = in_flight.next_deadline() {
            let _ = in_flight.due(at);
            let _ = in_flight.due(at);
            let is_overdue = at >= START + 1_850 * MS;
            assert_eq!(in_flight.congestion().in_flight(), usize::from(!is_overdue));
        }
        assert_eq!(in_flight.len(), 0);
    }

    #[test]
    fn a_request_is_sent_as_often_as_configured_and_fails_when_its_waits_have_doubled_as_often() {
        for (attempts, failed_at) in [(1, 1_000), (2, 3_000), (3, 7_000), (4, 15_000)] {
            let mut in_flight = in_flight(attempts);
            open(&mut in_flight, 5, 100, true);
            let (mut sent, mut ended) = (1, None);
            while let Some(at) = in_flight.next_deadline() {
                match in_flight.due(at) {
                    Some(Due::TimedOut { datagrams, .. }) => sent += datagrams.len(),
                    Some(Due::Failed { .. }) => ended = Some(at),
                    Some(Due::Held { .. }) | None => {}
                }
            }
            assert_eq!(sent, attempts as usize);
            assert_eq!(ended, Some(START + failed_at * MS));
            assert_eq!(in_flight.len(), 0);
        }
    }

    #[test]
    fn a_second_attempt_comes_at_once_and_a_third_after_a_second() {
        for (wait, expected) in [(50, [50, 1_050]), (400, [400, 1_200])] {
            let mut in_flight = in_flight(3);
            open(&mut in_flight, 5, wait, true);
            let mut sent_at = Vec::new();
            while let Some(at) = in_flight.next_deadline() {
                if let Some(Due::TimedOut { datagrams, .. }) = in_flight.due(at)
                    && !datagrams.is_empty()
                {
                    sent_at.push(at);
                }
            }
            assert_eq!(sent_at, expected.map(|ms| START + ms * MS));
        }
    }

    #[test]
    fn time_outs_are_counted_and_their_waits_double() {
        let mut in_flight = in_flight(3);
        open(&mut in_flight, 5, 100, true);
        let mut timed_out = Vec::new();
        while let Some(at) = in_flight.next_deadline() {
            if let Some(Due::TimedOut {
                count, to, purpose, ..
            }) = in_flight.due(at)
            {
                assert_eq!((to, purpose), (peer(1), TestPurpose(true)));
                timed_out.push((at.since(START).as_millis(), count));
            }
        }
        // The second time the third attempt is not due yet; the last wait is for the verdict.
        let expected = [(100, 1), (300, 2), (1_050, 3), (1_850, 4)];
        assert_eq!(timed_out, expected);
    }

    #[test]
    fn a_reply_counts_only_from_the_address_asked_and_for_its_id() {
        let mut in_flight = in_flight(3);
        open(&mut in_flight, 5, 100, true);
        assert_eq!(in_flight.pending(peer(1), 5), Some(&TestPurpose(true)));
        assert_eq!(in_flight.pending(peer(2), 5), None);
        assert!(in_flight.close(START, peer(2), 5, MS).is_none());
        assert!(in_flight.close(START, peer(1), 6, MS).is_none());
        let answered = in_flight.close(START + 3 * MS, peer(1), 5, MS).unwrap();
        assert_eq!(answered.round_trip, Some(3 * MS));
        assert_eq!(answered.purpose, TestPurpose(true));
        assert!(in_flight.close(START, peer(1), 5, MS).is_none());
        assert_eq!(in_flight.next_deadline(), None);
    }

    #[test]
    fn a_reply_whose_parts_never_end_is_not_waited_for_without_end() {
        let mut in_flight = in_flight(3);
        open(&mut in_flight, 5, 100, true);
        let mut now = START;
        while in_flight.len() > 0 {
            now = now + 500 * MS;
            assert!(now < START + 11_000 * MS);
            in_flight.extend(peer(1), 5, now + 1_000 * MS);
            while in_flight.due(now).is_some() {}
        }
        assert!(now >= START + 10_000 * MS, "as long as parts are kept");
    }

    #[test]
    fn a_wait_is_never_made_shorter_nor_by_another_address() {
        let mut in_flight = in_flight(3);
        open(&mut in_flight, 5, 100, true);
        in_flight.extend(peer(1), 5, START + 50 * MS);
        assert_eq!(in_flight.next_deadline(), Some(START + 100 * MS));
        in_flight.extend(peer(2), 5, START + 500 * MS);
        in_flight.extend(peer(1), 6, START + 500 * MS);
        assert_eq!(in_flight.next_deadline(), Some(START + 100 * MS));
        in_flight.extend(peer(1), 5, START + 500 * MS);
        assert_eq!(in_flight.next_deadline(), Some(START + 500 * MS));
        assert!(in_flight.due(START + 499 * MS).is_none());
        assert!(in_flight.due(START + 500 * MS).is_some());
    }

    #[test]
    fn ids_run_out_at_the_limit() {
        let mut rng = Seed::from_number(1).public();
        let mut in_flight: InFlight<u32, TestPurpose> = InFlight::new(&TransportConfig {
            max_requests: 1,
            ..TransportConfig::default()
        });
        let id = in_flight.fresh_id(&mut rng).unwrap();
        in_flight.open(START, id, peer(1), datagrams(), MS, TestPurpose(true));
        assert_eq!(in_flight.fresh_id(&mut rng), None);
    }

    #[test]
    fn an_id_is_neither_in_use_nor_the_default_one() {
        /// Draws 0, 1, 2 or 3.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
        struct Few(u8);

        impl TransactionId for Few {
            fn random(rng: &mut Rng) -> Self {
                Self(rng.below(4) as u8)
            }
        }

        let mut rng = Seed::from_number(1).public();
        let mut in_flight: InFlight<Few, TestPurpose> = InFlight::new(&TransportConfig::default());
        let mut ids = [(); 3].map(|()| {
            let id = in_flight.fresh_id(&mut rng).unwrap();
            in_flight.open(START, id, peer(1), datagrams(), MS, TestPurpose(true));
            id
        });
        ids.sort_unstable();
        assert_eq!(ids, [1, 2, 3].map(Few));
        assert!(
            ids.iter()
                .all(|id| in_flight.pending(peer(1), *id).is_some())
        );
    }

    #[test]
    fn a_large_request_is_waited_for_as_long_as_it_may_stand_in_a_queue() {
        let mut in_flight = in_flight(3);
        let large = || Bytes::from_static(&[0; 972]).into();
        for id in 1..=2 {
            in_flight.open(START, id, peer(1), large(), 50 * MS, TestPurpose(true));
        }
        // It takes five times as long as was thought.
        let mut sent = 0;
        let mut now = START;
        let run = |in_flight: &mut InFlight<_, _>, now| {
            let mut sent = 0;
            while let Some(due) = in_flight.due(now) {
                if let Due::TimedOut { datagrams, .. } = due {
                    sent += datagrams.len();
                }
            }
            sent
        };
        for id in 1..=2 {
            let answered_at = now + 41 * MS;
            while let Some(at) = in_flight.next_deadline().filter(|at| *at < answered_at) {
                sent += run(&mut in_flight, at);
            }
            let answered = in_flight.close(answered_at, peer(1), id, MS).unwrap();
            assert_eq!(answered.round_trip, None, "it says nothing of the path");
            now = answered_at - MS;
        }
        assert_eq!(sent, 0);
    }

    #[test]
    fn most_of_the_memory_of_a_burst_is_given_back() {
        let mut in_flight = in_flight(3);
        for id in 1..=1_000 {
            open(&mut in_flight, id, 100, true);
        }
        for id in 1..=1_000 {
            assert!(in_flight.close(START, peer(1), id, MS).is_some());
            let size = in_flight.len().max(3);
            assert!(in_flight.open.capacity() <= 8 * size);
        }
        open(&mut in_flight, 1, 100, true);
        assert!(in_flight.open.capacity() < 8 * 3, "nor is it taken again");
    }

    fn in_flight(attempts: u32) -> InFlight<u32, TestPurpose> {
        InFlight::new(&TransportConfig {
            attempts,
            ..TransportConfig::default()
        })
    }

    fn open(in_flight: &mut InFlight<u32, TestPurpose>, id: u32, wait: u32, is_for_lookup: bool) {
        let purpose = TestPurpose(is_for_lookup);
        in_flight.open(START, id, peer(1), datagrams(), wait * MS, purpose);
    }

    fn datagrams() -> Datagrams {
        Bytes::from_static(b"x").into()
    }

    fn peer(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }
}
