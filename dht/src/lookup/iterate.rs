//! The walk: which of the nearest candidates is asked next.

use std::net::SocketAddr;
use std::time::Duration;

use super::action::{Action, LookupRequest};
use super::announcement::{Announcement, NextRequest};
use super::find::{Find, FindKind};
use super::{Candidate, Lookup, MAX_UNAWAITED, OpId};
use crate::Timestamp;

/// How soon answers may be expected.
pub(crate) struct Latency<'a> {
    /// The round trip of a node that nothing is known of.
    pub(crate) typical: Duration,
    /// The round trip of the node at an address, if it was measured.
    pub(crate) of: &'a dyn Fn(&SocketAddr) -> Option<Duration>,
    /// When most answers of the node at an address have come.
    pub(crate) slow_after: &'a dyn Fn(&SocketAddr) -> Duration,
}

/// Bits that an answer usually brings a walk nearer to its key: it names the best of a bucket.
const BITS_OF_AN_ANSWER: u32 = 4;

impl Lookup {
    /// The next find to one of the nearest candidates. Answers of those that are no longer among the nearest, or that
    /// pause, are not waited for.
    pub(super) fn iterate(&mut self, now: Timestamp, latency: &Latency<'_>) -> Option<Action> {
        let parallelism = self.parallelism();
        let busy = self.quick(now).filter(|candidate| candidate.busy).count();
        if busy >= parallelism || self.candidates.busy(usize::MAX) >= parallelism + MAX_UNAWAITED {
            return None;
        }
        let nearest = self.quick(now).next()?.shared_bits();
        self.candidates.measure(|addr| latency.round_trip(addr));
        let (candidate, ask) = self
            .quick(now)
            .filter(|candidate| !candidate.busy)
            .filter_map(|candidate| Some((candidate, self.next_find(candidate, now)?)))
            .min_by_key(|(candidate, _)| latency.time_through(candidate, nearest))?;
        let contact = candidate.contact;
        if let Some(candidate) = self.candidates.get_mut(&contact.id) {
            candidate.busy = true;
            candidate.asked_at = now;
            candidate.slow_at = now + (latency.slow_after)(&contact.addr);
        }
        match &ask {
            LookupRequest::Get(op) => {
                if let Some(find) = self.finds.get_mut(op) {
                    if find.asked == 0
                        && let FindKind::Value(query) = &find.goal
                    {
                        self.unasked.remove(query);
                    }
                    find.asked += 1;
                }
            }
            LookupRequest::Find => self.finds.for_each_under_way(|_, find| {
                find.asked += usize::from(find.goal == FindKind::Node);
            }),
            LookupRequest::Probe(id) => {
                if let Some(announce) = self.announcements.get_mut(id) {
                    announce.on_asked(contact.id, NextRequest::Probe);
                }
            }
            LookupRequest::Check(_)
            | LookupRequest::Put(..)
            | LookupRequest::Refresh(..)
            | LookupRequest::Listen { .. } => {}
        }
        Some(Action::LookupRequest(contact, ask))
    }

    /// When the first of those asked pauses: others may be asked then, or a find is answered.
    pub(super) fn next_slow(&self, now: Timestamp) -> Option<Timestamp> {
        let busy = self.quick(now).filter(|candidate| candidate.busy);
        busy.map(|candidate| candidate.slow_at).min()
    }

    /// Whether the nearest have answered a find. One that found something goes without the answers of those that pause
    /// if as many others have answered.
    pub(super) fn is_answered(&self, op: OpId, find: &Find, now: Timestamp) -> bool {
        let has_answered = |candidate: &&Candidate| candidate.has_answered(op);
        let count = self.limits.bucket_size;
        self.candidates.nearest(count).all(|it| has_answered(&it))
            || find.found && self.quick(now).filter(has_answered).count() == count
    }

    /// The nearest candidates but for those that pause.
    fn quick(&self, now: Timestamp) -> impl Iterator<Item = &Candidate> {
        let live = self.candidates.nearest(usize::MAX);
        live.filter(move |candidate| !candidate.is_slow(now))
            .take(self.limits.bucket_size)
    }

    fn next_find(&self, candidate: &Candidate, now: Timestamp) -> Option<LookupRequest> {
        let id = &candidate.contact.id;
        let mut finds = self.finds.under_way();
        let open = finds.find(|(op, _)| !candidate.has_answered(**op));
        if let Some((op, find)) = open {
            return Some(match &find.goal {
                FindKind::Value(_) => LookupRequest::Get(*op),
                FindKind::Node => LookupRequest::Find,
            });
        }
        let oldest = now - self.limits.token_life;
        if candidate.fresh_token(oldest).is_some() {
            return None;
        }
        let mut announcements = self.announcements.under_way();
        let due = |announce: &Announcement| announce.due(id, now) == Some(NextRequest::Probe);
        if let Some((value, _)) = announcements.find(|(_, announce)| due(announce)) {
            return Some(LookupRequest::Probe(*value));
        }
        let wants_token = !self.subscriptions.is_empty()
            || self.lasting > 0
            || (self.announcements.under_way()).any(|(_, announce)| !announce.is_settled(id));
        wants_token.then_some(LookupRequest::Find)
    }
}

impl Latency<'_> {
    /// How long the node at an address is likely to take to answer.
    fn round_trip(&self, addr: &SocketAddr) -> Duration {
        (self.of)(addr).unwrap_or(self.typical)
    }

    /// How long it takes to hear from a candidate, and to make up for the bits that it lies behind the nearest one.
    fn time_through(&self, candidate: &Candidate, nearest: u32) -> Duration {
        let behind = nearest.saturating_sub(candidate.shared_bits());
        candidate.round_trip() + self.typical * behind / BITS_OF_AN_ANSWER
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lookup::tests::ANY_LATENCY;
    use crate::lookup::{Limits, LookupReply};
    use crate::value::Query;
    use crate::{Config, Contact, InfoHash, LookupConfig, Seed};

    const ALPHA: usize = 4;

    #[test]
    fn of_equally_near_nodes_the_quickest_are_asked_first() {
        let latency = Latency {
            typical: Duration::from_millis(100),
            of: &|addr| Some(Duration::from_millis(addr.port().into())),
            slow_after: &|_| Duration::MAX,
        };
        let mut lookup = lookup();
        lookup.offer(
            &[80, 20, 50, 30, 70, 40, 10, 60].map(|ms| node(0x80, ms)),
            true,
        );
        let mut asked = asked(&mut lookup, &latency);
        asked.sort_unstable_by_key(|node| node.addr.port());
        assert_eq!(asked, [10, 20, 30, 40].map(|ms| node(0x80, ms)));
    }

    #[test]
    fn a_node_nearer_by_a_bit_may_be_slower_by_a_quarter_of_the_usual() {
        let latency = Latency {
            typical: Duration::from_millis(100),
            of: &|addr| Some(Duration::from_millis(addr.port().into())),
            slow_after: &|_| Duration::MAX,
        };
        for (slower, first) in [(20, 0x40), (30, 0x80)] {
            let mut lookup = lookup();
            lookup.offer(&[node(0x40, 10 + slower), node(0x80, 10)], true);
            assert_eq!(asked(&mut lookup, &latency)[0].id.as_bytes()[0], first);
        }
    }

    #[test]
    fn answers_of_those_no_longer_among_the_nearest_are_not_waited_for_up_to_a_bound() {
        let mut lookup = lookup();
        let mut under_way = Vec::new();
        for first in [0xff, 0x7f, 0x3f, 0x1f, 0x0f, 0x07, 0x03, 0x01] {
            let nearer: Vec<_> = (1..=8).map(|port| node(first, port)).collect();
            lookup.offer(&nearer, false);
            under_way.extend(asked(&mut lookup, &ANY_LATENCY));
        }
        assert_eq!(under_way.len(), ALPHA + MAX_UNAWAITED);
        let answered = under_way[0].id;
        lookup.on_answer(
            Timestamp::ZERO,
            &answered,
            &LookupRequest::Get(OpId(1)),
            LookupReply::default(),
        );
        assert_eq!(asked(&mut lookup, &ANY_LATENCY).len(), 1);
    }

    #[test]
    fn while_those_asked_pause_others_are_asked() {
        let latency = Latency {
            typical: Duration::ZERO,
            of: &|_| None,
            slow_after: &|addr| Duration::from_millis(addr.port().into()),
        };
        let at = |ms| Timestamp::ZERO + Duration::from_millis(ms);
        let mut lookup = lookup();
        let nodes: Vec<_> = (0..12).map(|nth| node(nth, 10 + u16::from(nth))).collect();
        lookup.offer(&nodes, true);
        assert_eq!(asked(&mut lookup, &latency), nodes[..4]);
        assert_eq!(lookup.next_slow(at(0)), Some(at(10)));
        assert_eq!(asked_at(at(11), &mut lookup, &latency), nodes[4..6]);
        assert_eq!(lookup.next_slow(at(11)), Some(at(12)));
        assert_eq!(asked_at(at(60), &mut lookup, &latency), nodes[6..10]);
        assert_eq!(asked_at(at(120), &mut lookup, &latency), nodes[10..]);
        assert_eq!(lookup.next_slow(at(120)), Some(at(140)));
        assert_eq!(lookup.next_slow(at(200)), None);
    }

    #[test]
    fn what_was_found_does_not_wait_for_those_that_pause_if_enough_others_answer() {
        let slow_after = Duration::from_millis(10);
        assert_eq!(
            answered_at(9, true, slow_after),
            Some(Timestamp::ZERO + slow_after)
        );
        assert_eq!(answered_at(8, true, slow_after), None);
        assert_eq!(answered_at(9, false, slow_after), None);
    }

    /// When a get ends of so many nodes, which all answer at once but for the nearest, and whether they have `found` what is
    /// wanted; `None` if it waits for that one.
    fn answered_at(count: u16, found: bool, slow_after: Duration) -> Option<Timestamp> {
        let latency = Latency {
            typical: Duration::ZERO,
            of: &|_| None,
            slow_after: &|_| slow_after,
        };
        let mut rng = Seed::from_number(1).public();
        let mut lookup = lookup();
        let nodes: Vec<_> = (0..count).map(|nth| node(nth as u8, 1 + nth)).collect();
        lookup.offer(&nodes, true);
        let mut now = Timestamp::ZERO;
        while now < Timestamp::MAX {
            match lookup.poll(now, false, &latency, &mut rng) {
                Action::LookupRequest(contact, ask) if contact != nodes[0] => {
                    let answer = LookupReply {
                        found,
                        ..LookupReply::default()
                    };
                    lookup.on_answer(now, &contact.id, &ask, answer);
                }
                Action::LookupRequest(..) | Action::Announced(..) => {}
                Action::Answered(..) => return Some(now),
                Action::Wait(until) => now = until,
            }
        }
        None
    }

    /// All that a lookup asks as long as nobody answers.
    fn asked(lookup: &mut Lookup, latency: &Latency<'_>) -> Vec<Contact> {
        asked_at(Timestamp::ZERO, lookup, latency)
    }

    fn asked_at(now: Timestamp, lookup: &mut Lookup, latency: &Latency<'_>) -> Vec<Contact> {
        let mut rng = Seed::from_number(1).public();
        let mut poll = || lookup.poll(now, true, latency, &mut rng);
        let asked = std::iter::from_fn(|| match poll() {
            Action::LookupRequest(contact, _) => Some(contact),
            Action::Answered(..) | Action::Announced(..) | Action::Wait(_) => None,
        });
        asked.collect()
    }

    /// A get of the key of zeros.
    fn lookup() -> Lookup {
        let config = Config {
            lookup: LookupConfig {
                parallelism: ALPHA,
                ..LookupConfig::default()
            },
            ..Config::default()
        };
        let mut lookup = Lookup::new(InfoHash::ZERO, Limits::new(&config));
        lookup.ask(Timestamp::ZERO, OpId(1), FindKind::Value(Query::default()));
        lookup
    }

    fn node(first: u8, port: u16) -> Contact {
        let mut id = [0; InfoHash::LEN];
        id[0] = first;
        id[19] = port as u8;
        Contact::new(InfoHash::new(id), ([192, 0, 2, 1], port).into())
    }
}
