//! The walk: which of the nearest candidates is asked next.

use std::net::SocketAddr;
use std::time::Duration;

use super::announce::{Announce, Due};
use super::frontier::Candidate;
use super::question::{Goal, Question};
use super::step::{Ask, Step};
use super::{Lookup, MAX_UNAWAITED, OpId};
use crate::Timestamp;

/// How soon answers may be expected.
pub(crate) struct Pace<'a> {
    /// The round trip of a node that nothing is known of.
    pub(crate) usual: Duration,
    /// The round trip of the node at an address, if it was measured.
    pub(crate) of: &'a dyn Fn(&SocketAddr) -> Option<Duration>,
    /// When most answers of the node at an address have come.
    pub(crate) pause: &'a dyn Fn(&SocketAddr) -> Duration,
}

/// Bits that an answer usually brings a walk nearer to its key: it names the best of a bucket.
const BITS_OF_AN_ANSWER: u32 = 4;

impl Lookup {
    /// The next question to one of the nearest candidates. Answers of those that are no longer among the nearest, or that
    /// pause, are not waited for.
    pub(super) fn walk(&mut self, now: Timestamp, pace: &Pace<'_>) -> Option<Step> {
        let parallelism = self.parallelism();
        let busy = self.prompt(now).filter(|candidate| candidate.busy).count();
        if busy >= parallelism || self.frontier.busy(usize::MAX) >= parallelism + MAX_UNAWAITED {
            return None;
        }
        let nearest = self.prompt(now).next()?.shared_bits();
        self.frontier.measure(|addr| pace.round_trip(addr));
        let (candidate, ask) = self
            .prompt(now)
            .filter(|candidate| !candidate.busy)
            .filter_map(|candidate| Some((candidate, self.open_question(candidate, now)?)))
            .min_by_key(|(candidate, _)| pace.time_through(candidate, nearest))?;
        let contact = candidate.contact;
        if let Some(candidate) = self.frontier.get_mut(&contact.id) {
            candidate.busy = true;
            candidate.asked_at = now;
            candidate.pauses_at = now + (pace.pause)(&contact.addr);
        }
        match &ask {
            Ask::Get(op) => {
                if let Some(question) = self.questions.get_mut(op) {
                    if question.asked == 0
                        && let Goal::Values(query) = &question.goal
                    {
                        self.unasked.remove(query);
                    }
                    question.asked += 1;
                }
            }
            Ask::Find => self.questions.for_each_under_way(|_, question| {
                question.asked += usize::from(question.goal == Goal::Nodes);
            }),
            Ask::Probe(id) => {
                if let Some(announce) = self.announces.get_mut(id) {
                    announce.on_asked(contact.id, Due::Probe);
                }
            }
            Ask::Check(_) | Ask::Put(..) | Ask::Refresh(..) | Ask::Listen { .. } => {}
        }
        Some(Step::Ask(contact, ask))
    }

    /// When the first of those asked pauses: others may be asked then, or a question is answered.
    pub(super) fn next_pause(&self, now: Timestamp) -> Option<Timestamp> {
        let busy = self.prompt(now).filter(|candidate| candidate.busy);
        busy.map(|candidate| candidate.pauses_at).min()
    }

    /// Whether the nearest have answered a question. One that found something goes without the answers of those that pause
    /// if as many others have answered.
    pub(super) fn is_answered(&self, op: OpId, question: &Question, now: Timestamp) -> bool {
        let has_answered = |candidate: &&Candidate| candidate.has_answered(op);
        let count = self.limits.bucket_size;
        self.frontier.nearest(count).all(|it| has_answered(&it))
            || question.found && self.prompt(now).filter(has_answered).count() == count
    }

    /// The nearest candidates but for those that pause.
    fn prompt(&self, now: Timestamp) -> impl Iterator<Item = &Candidate> {
        let live = self.frontier.nearest(usize::MAX);
        live.filter(move |candidate| !candidate.pauses(now))
            .take(self.limits.bucket_size)
    }

    fn open_question(&self, candidate: &Candidate, now: Timestamp) -> Option<Ask> {
        let id = &candidate.contact.id;
        let mut questions = self.questions.under_way();
        let open = questions.find(|(op, _)| !candidate.has_answered(**op));
        if let Some((op, question)) = open {
            return Some(match &question.goal {
                Goal::Values(_) => Ask::Get(*op),
                Goal::Nodes => Ask::Find,
            });
        }
        let oldest = now - self.limits.token_life;
        if candidate.fresh_token(oldest).is_some() {
            return None;
        }
        let mut announces = self.announces.under_way();
        let due = |announce: &Announce| announce.due(id, now) == Some(Due::Probe);
        if let Some((value, _)) = announces.find(|(_, announce)| due(announce)) {
            return Some(Ask::Probe(*value));
        }
        let wants_token = !self.subscribes.is_empty()
            || self.lasting > 0
            || (self.announces.under_way()).any(|(_, announce)| !announce.is_settled(id));
        wants_token.then_some(Ask::Find)
    }
}

impl Pace<'_> {
    /// How long the node at an address is likely to take to answer.
    fn round_trip(&self, addr: &SocketAddr) -> Duration {
        (self.of)(addr).unwrap_or(self.usual)
    }

    /// How long it takes to hear from a candidate, and to make up for the bits that it lies behind the nearest one.
    fn time_through(&self, candidate: &Candidate, nearest: u32) -> Duration {
        let behind = nearest.saturating_sub(candidate.shared_bits());
        candidate.round_trip() + self.usual * behind / BITS_OF_AN_ANSWER
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lookup::tests::AT_ANY_PACE;
    use crate::lookup::{Answer, Limits};
    use crate::value::Query;
    use crate::{Config, Contact, InfoHash, Seed};

    const ALPHA: usize = 4;

    #[test]
    fn of_equally_near_nodes_the_quickest_are_asked_first() {
        let pace = Pace {
            usual: Duration::from_millis(100),
            of: &|addr| Some(Duration::from_millis(addr.port().into())),
            pause: &|_| Duration::MAX,
        };
        let mut lookup = lookup();
        lookup.offer(
            &[80, 20, 50, 30, 70, 40, 10, 60].map(|ms| node(0x80, ms)),
            true,
        );
        let mut asked = asked(&mut lookup, &pace);
        asked.sort_unstable_by_key(|node| node.addr.port());
        assert_eq!(asked, [10, 20, 30, 40].map(|ms| node(0x80, ms)));
    }

    #[test]
    fn a_node_nearer_by_a_bit_may_be_slower_by_a_quarter_of_the_usual() {
        let pace = Pace {
            usual: Duration::from_millis(100),
            of: &|addr| Some(Duration::from_millis(addr.port().into())),
            pause: &|_| Duration::MAX,
        };
        for (slower, first) in [(20, 0x40), (30, 0x80)] {
            let mut lookup = lookup();
            lookup.offer(&[node(0x40, 10 + slower), node(0x80, 10)], true);
            assert_eq!(asked(&mut lookup, &pace)[0].id.as_bytes()[0], first);
        }
    }

    #[test]
    fn answers_of_those_no_longer_among_the_nearest_are_not_waited_for_up_to_a_bound() {
        let mut lookup = lookup();
        let mut under_way = Vec::new();
        for first in [0xff, 0x7f, 0x3f, 0x1f, 0x0f, 0x07, 0x03, 0x01] {
            let nearer: Vec<_> = (1..=8).map(|port| node(first, port)).collect();
            lookup.offer(&nearer, false);
            under_way.extend(asked(&mut lookup, &AT_ANY_PACE));
        }
        assert_eq!(under_way.len(), ALPHA + MAX_UNAWAITED);
        let answered = under_way[0].id;
        lookup.on_answer(
            Timestamp::ZERO,
            &answered,
            &Ask::Get(OpId(1)),
            Answer::default(),
        );
        assert_eq!(asked(&mut lookup, &AT_ANY_PACE).len(), 1);
    }

    #[test]
    fn while_those_asked_pause_others_are_asked() {
        let pace = Pace {
            usual: Duration::ZERO,
            of: &|_| None,
            pause: &|addr| Duration::from_millis(addr.port().into()),
        };
        let at = |ms| Timestamp::ZERO + Duration::from_millis(ms);
        let mut lookup = lookup();
        let nodes: Vec<_> = (0..12).map(|nth| node(nth, 10 + u16::from(nth))).collect();
        lookup.offer(&nodes, true);
        assert_eq!(asked(&mut lookup, &pace), nodes[..4]);
        assert_eq!(lookup.next_pause(at(0)), Some(at(10)));
        assert_eq!(asked_at(at(11), &mut lookup, &pace), nodes[4..6]);
        assert_eq!(lookup.next_pause(at(11)), Some(at(12)));
        assert_eq!(asked_at(at(60), &mut lookup, &pace), nodes[6..10]);
        assert_eq!(asked_at(at(120), &mut lookup, &pace), nodes[10..]);
        assert_eq!(lookup.next_pause(at(120)), Some(at(140)));
        assert_eq!(lookup.next_pause(at(200)), None);
    }

    #[test]
    fn what_was_found_does_not_wait_for_those_that_pause_if_enough_others_answer() {
        let pause = Duration::from_millis(10);
        assert_eq!(answered_at(9, true, pause), Some(Timestamp::ZERO + pause));
        assert_eq!(answered_at(8, true, pause), None);
        assert_eq!(answered_at(9, false, pause), None);
    }

    /// When a get ends of so many nodes, which all answer at once but for the nearest, and whether they have `found` what is
    /// wanted; `None` if it waits for that one.
    fn answered_at(count: u16, found: bool, pause: Duration) -> Option<Timestamp> {
        let pace = Pace {
            usual: Duration::ZERO,
            of: &|_| None,
            pause: &|_| pause,
        };
        let mut rng = Seed::from_number(1).public();
        let mut lookup = lookup();
        let nodes: Vec<_> = (0..count).map(|nth| node(nth as u8, 1 + nth)).collect();
        lookup.offer(&nodes, true);
        let mut now = Timestamp::ZERO;
        while now < Timestamp::MAX {
            match lookup.poll(now, false, &pace, &mut rng) {
                Step::Ask(contact, ask) if contact != nodes[0] => {
                    let answer = Answer {
                        found,
                        ..Answer::default()
                    };
                    lookup.on_answer(now, &contact.id, &ask, answer);
                }
                Step::Ask(..) | Step::Announced(..) => {}
                Step::Answered(..) => return Some(now),
                Step::Wait(until) => now = until,
            }
        }
        None
    }

    /// All that a lookup asks as long as nobody answers.
    fn asked(lookup: &mut Lookup, pace: &Pace<'_>) -> Vec<Contact> {
        asked_at(Timestamp::ZERO, lookup, pace)
    }

    fn asked_at(now: Timestamp, lookup: &mut Lookup, pace: &Pace<'_>) -> Vec<Contact> {
        let mut rng = Seed::from_number(1).public();
        let mut poll = || lookup.poll(now, true, pace, &mut rng);
        let asked = std::iter::from_fn(|| match poll() {
            Step::Ask(contact, _) => Some(contact),
            Step::Answered(..) | Step::Announced(..) | Step::Wait(_) => None,
        });
        asked.collect()
    }

    /// A get of the key of zeros.
    fn lookup() -> Lookup {
        let config = Config {
            lookup_parallelism: ALPHA,
            ..Config::default()
        };
        let mut lookup = Lookup::new(InfoHash::ZERO, Limits::new(&config));
        lookup.ask(Timestamp::ZERO, OpId(1), Goal::Values(Query::default()));
        lookup
    }

    fn node(first: u8, port: u16) -> Contact {
        let mut id = [0; InfoHash::LEN];
        id[0] = first;
        id[19] = port as u8;
        Contact::new(InfoHash::new(id), ([192, 0, 2, 1], port).into())
    }
}
