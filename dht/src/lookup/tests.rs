//! Puts and listens over a network that is only a list of ids. How a lookup finds the nearest nodes
//! is for the tests of `bulla_kad` to say.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::value::sample::sample;
use crate::value::{Row, Value};
use crate::{Rng, Seed};

const MS: Duration = Duration::from_millis(1);
const OP: OpId = OpId(1);

proptest! {
    #[test]
    fn a_put_reaches_the_nearest_of_the_living(seed: u64, count in 1..150usize, dead_percent in 0..60u64) {
        let mut net = LookupNet::new(seed, count, dead_percent);
        let mut lookup = net.lookup();
        let replaced = lookup.announce(Timestamp::ZERO, Announcement::new(OP, clear(1), None, None));
        prop_assert_eq!(replaced, None);
        net.run(&mut lookup);
        let [report] = net.announced[..] else {
            return Err(TestCaseError::fail("a put is reported once"));
        };
        let nearest = net.nearest_living(8);
        prop_assert!(nearest.is_subset(&net.replicas));
        prop_assert_eq!(report.acknowledged, net.replicas.len());
        prop_assert!(lookup.is_idle());
    }

    #[test]
    fn a_listen_subscribes_to_the_four_nearest_and_renews(seed: u64, count in 4..100usize) {
        let mut net = LookupNet::new(seed, count, 0);
        let mut lookup = net.lookup();
        lookup.subscribe(Timestamp::ZERO, OP);
        net.run_until(&mut lookup, Timestamp::ZERO + 70_000 * MS);
        let nearest = net.nearest_living(4);
        for node in &nearest {
            prop_assert_eq!(net.listens.get(node).copied().unwrap_or(0), 4, "at 0, 20, 40 and 60 s");
        }
    }
}

#[test]
fn an_unsigned_value_is_not_sent_over_a_signed_one() {
    let mut net = LookupNet::new(1, 3, 0);
    let owner = InfoHash::of(b"someone else");
    net.held = Some(Row {
        id: Some(ValueId(1)),
        owner: Some(owner),
        ..Row::default()
    });
    let mut lookup = net.lookup();
    assert_eq!(
        lookup.announce(Timestamp::ZERO, Announcement::new(OP, clear(1), None, None)),
        None
    );
    net.run(&mut lookup);
    assert!(net.replicas.is_empty());
    assert_eq!(net.announced[0].refused, 3);
}

#[test]
fn a_permanent_value_is_refreshed_where_it_is_and_put_where_it_is_not() {
    let mut net = LookupNet::new(1, 3, 0);
    let mut lookup = net.lookup();
    let renewal = Some(50_000 * MS);
    assert_eq!(
        lookup.announce(
            Timestamp::ZERO,
            Announcement::new(OP, clear(1), None, renewal)
        ),
        None
    );
    net.run_until(&mut lookup, Timestamp::ZERO + 40_000 * MS);
    assert_eq!((net.puts, net.refreshes), (3, 0));
    net.held = Some(Row {
        id: Some(ValueId(1)),
        ..Row::default()
    });
    net.run_until(&mut lookup, Timestamp::ZERO + 60_000 * MS);
    assert_eq!((net.puts, net.refreshes), (3, 3));
    net.held = None;
    net.run_until(&mut lookup, Timestamp::ZERO + 110_000 * MS);
    assert_eq!((net.puts, net.refreshes), (6, 3));
}

#[test]
fn of_a_finished_lookup_the_nodes_that_answered_are_remembered() {
    let mut net = LookupNet::new(3, 50, 0);
    let mut lookup = net.lookup();
    lookup.ask(net.now, OP, FindKind::Value(Query::default()));
    net.run(&mut lookup);
    assert!(lookup.retire());
    net.asked_values.clear();
    lookup.ask(net.now, OP, FindKind::Value(Query::default()));
    net.run(&mut lookup);
    assert_eq!(net.asked_values, net.nearest_living(8), "and no others");

    let mut empty = Lookup::new(net.key, Limits::default());
    empty.ask(net.now, OP, FindKind::Value(Query::default()));
    net.run(&mut empty);
    assert!(!empty.retire());
}

#[test]
fn a_refused_token_is_fetched_anew() {
    let mut net = LookupNet::new(1, 1, 0);
    let mut lookup = net.lookup();
    assert_eq!(
        lookup.announce(Timestamp::ZERO, Announcement::new(OP, clear(1), None, None)),
        None
    );
    net.refuse_tokens = 1;
    net.run(&mut lookup);
    assert_eq!(net.announced[0].acknowledged, 1);
    assert_eq!(net.puts, 2);
}

#[test]
fn a_late_refusal_of_a_put_is_a_sign_of_life() {
    let mut net = LookupNet::new(1, 1, 0);
    let mut lookup = net.lookup();
    let replaced = lookup.announce(Timestamp::ZERO, Announcement::new(OP, clear(1), None, None));
    assert_eq!(replaced, None);
    net.refuse_late = true;
    net.run(&mut lookup);
    assert_eq!(net.announced[0].refused, 1);
    lookup.ask(Timestamp::ZERO, OP, FindKind::Value(Query::default()));
    net.run(&mut lookup);
    assert_eq!(net.answered.len(), 1, "nothing holds it up");
}

#[test]
fn a_put_among_the_dead_is_over_when_any_node_would_have_answered() {
    let mut net = LookupNet::new(1, 8, 100);
    let mut lookup = net.lookup();
    let replaced = lookup.announce(Timestamp::ZERO, Announcement::new(OP, clear(1), None, None));
    assert_eq!(replaced, None);
    net.run_until(&mut lookup, Timestamp::ZERO + 2_000 * MS);
    assert_eq!(net.announced, [PutReport::default()]);
}

#[test]
fn a_cancelled_listen_closes_its_sockets() {
    let mut net = LookupNet::new(1, 6, 0);
    let mut lookup = net.lookup();
    lookup.subscribe(Timestamp::ZERO, OP);
    net.run_until(&mut lookup, Timestamp::ZERO + 1_000 * MS);
    lookup.cancel(OP);
    assert_eq!(lookup.take_closed_sockets().len(), 4);
    assert!(lookup.is_idle());
}

#[test]
fn a_lookup_takes_turns_if_all_it_serves_lasts() {
    let mut net = LookupNet::new(1, 10, 0);
    let mut lookup = net.lookup();
    assert_eq!(lookup.state(), LookupState::New, "there is nothing to do");
    lookup.subscribe(Timestamp::ZERO, OP);
    assert_eq!(lookup.state(), LookupState::Lasting);
    let lasting = Announcement::new(OpId(2), clear(1), None, Some(50_000 * MS));
    assert_eq!(lookup.announce(Timestamp::ZERO, lasting), None);
    assert_eq!(lookup.state(), LookupState::Lasting);
    lookup.ask(Timestamp::ZERO, OpId(3), FindKind::Value(Query::default()));
    assert_eq!(lookup.state(), LookupState::New);
    lookup.cancel(OpId(3));
    let once = Announcement::new(OpId(4), clear(2), None, None);
    assert_eq!(lookup.announce(Timestamp::ZERO, once), None);
    assert_eq!(lookup.state(), LookupState::New);
    lookup.poll(Timestamp::ZERO, false, &Latency::UNKNOWN, &mut net.rng);
    assert_eq!(lookup.state(), LookupState::Running);
}

#[test]
fn what_is_due_behind_a_request_in_flight_waits_for_its_reply() {
    let mut net = LookupNet::new(1, 8, 0);
    let mut lookup = net.lookup();
    lookup.subscribe(Timestamp::ZERO, OP);
    net.run_until(&mut lookup, Timestamp::ZERO + 1_000 * MS);
    assert!(!lookup.awaits_reply());
    let renewal = Timestamp::ZERO + 21_000 * MS;
    let LookupAction::Request(..) = lookup.poll(renewal, false, &Latency::UNKNOWN, &mut net.rng)
    else {
        panic!("a listen is due");
    };
    loop {
        match lookup.poll(renewal, false, &Latency::UNKNOWN, &mut net.rng) {
            LookupAction::Request(..) => assert!(lookup.awaits_reply()),
            LookupAction::Wait(at) => {
                assert!(at > renewal + 1_000 * MS, "{at:?}: an answer comes before");
                break;
            }
            other => panic!("{other:?}"),
        }
    }
}

fn clear(id: u64) -> Value {
    sample(id).data(b"hello").build()
}

/// A network of ids; the dead never answer, the others after 10 ms.
struct LookupNet {
    key: InfoHash,
    nodes: BTreeMap<InfoHash, bool>,
    now: Timestamp,
    rng: Rng,
    held: Option<Row>,
    refuse_tokens: usize,
    refuse_late: bool,
    asked_values: BTreeSet<InfoHash>,
    replicas: BTreeSet<InfoHash>,
    listens: BTreeMap<InfoHash, usize>,
    puts: usize,
    refreshes: usize,
    answered: Vec<GetReport>,
    announced: Vec<PutReport>,
}

/// What is due to happen to a request.
enum Fate {
    Reply,
    Late(u32),
    Gone,
}

impl LookupNet {
    fn new(seed: u64, count: usize, dead_percent: u64) -> Self {
        let mut rng = Seed::from_number(seed).public();
        let key = rng.hash();
        let nodes = (0..count).map(|_| (rng.hash(), rng.below(100) >= dead_percent));
        Self {
            key,
            nodes: nodes.collect(),
            now: Timestamp::ZERO,
            rng,
            held: None,
            refuse_tokens: 0,
            refuse_late: false,
            asked_values: BTreeSet::new(),
            replicas: BTreeSet::new(),
            listens: BTreeMap::new(),
            puts: 0,
            refreshes: 0,
            answered: Vec::new(),
            announced: Vec::new(),
        }
    }

    /// A lookup that knows the contacts that any node names.
    fn lookup(&self) -> Lookup {
        let mut lookup = Lookup::new(self.key, Limits::default());
        lookup.offer(&self.named(), false);
        lookup
    }

    fn nearest_living(&self, count: usize) -> BTreeSet<InfoHash> {
        self.nearest(true, count).into_iter().collect()
    }

    fn nearest(&self, are_alive: bool, count: usize) -> Vec<InfoHash> {
        let nodes = self.nodes.iter().filter(|(_, alive)| **alive == are_alive);
        let mut ids: Vec<_> = nodes.map(|(id, _)| *id).collect();
        ids.sort_by_key(|id| id.distance(&self.key));
        ids.truncate(count);
        ids
    }

    fn run(&mut self, lookup: &mut Lookup) {
        self.run_until(lookup, self.now + 30_000 * MS);
    }

    fn run_until(&mut self, lookup: &mut Lookup, end: Timestamp) {
        let mut queue = BTreeMap::new();
        let mut sent = 0;
        loop {
            let wake = loop {
                match lookup.poll(self.now, false, &Latency::UNKNOWN, &mut self.rng) {
                    LookupAction::Request(contact, ask) => {
                        sent += 1;
                        let alive = self.nodes[&contact.id];
                        let fates = if alive {
                            vec![(10, Fate::Reply)]
                        } else {
                            vec![
                                (100, Fate::Late(1)),
                                (300, Fate::Late(2)),
                                (1_500, Fate::Late(3)),
                                (7_000, Fate::Gone),
                            ]
                        };
                        for (delay, fate) in fates {
                            let at = self.now + MS * delay;
                            queue.insert((at, sent, delay), (contact.id, ask.clone(), fate));
                        }
                    }
                    LookupAction::Answered(ops, report) if ops == [OP.into()] => {
                        self.answered.push(report);
                    }
                    LookupAction::Announced(OP, report) => self.announced.push(report),
                    LookupAction::Answered(..) | LookupAction::Announced(..) => {
                        panic!("an unknown operation")
                    }
                    LookupAction::Wait(at) => break at,
                }
            };
            let next = queue
                .first_key_value()
                .map_or(Timestamp::MAX, |(key, _)| key.0);
            if next.min(wake) > end {
                self.now = end;
                return;
            }
            self.now = self.now.max(next.min(wake));
            if next <= wake
                && let Some((_, (node, ask, fate))) = queue.pop_first()
            {
                self.happen(lookup, node, &ask, &fate);
            }
        }
    }

    fn happen(&mut self, lookup: &mut Lookup, node: InfoHash, ask: &LookupRequest, fate: &Fate) {
        let contact = contact(node);
        match fate {
            Fate::Late(count) => lookup.on_timeout(&contact, *count, *count == 3),
            Fate::Gone => lookup.on_failed(self.now, &contact),
            Fate::Reply => {
                match ask {
                    LookupRequest::Find | LookupRequest::Probe(_) | LookupRequest::Check(_) => {}
                    LookupRequest::Get(_) => {
                        self.asked_values.insert(node);
                    }
                    LookupRequest::Put(..) => {
                        self.puts += 1;
                        if self.refuse_tokens > 0 {
                            self.refuse_tokens -= 1;
                            return lookup.on_rejected(&contact, ask, true);
                        }
                        if self.refuse_late {
                            lookup.on_timeout(&contact, 1, false);
                            return lookup.on_refused(self.now, &contact, ask);
                        }
                        self.replicas.insert(node);
                    }
                    LookupRequest::Refresh(..) => self.refreshes += 1,
                    LookupRequest::Listen { .. } => *self.listens.entry(node).or_default() += 1,
                }
                let answer = LookupReply {
                    token: Some(Bytes::from_static(b"token")),
                    contacts: self.named(),
                    found: false,
                    held: self.held.as_ref(),
                    renewal: 20_000 * MS,
                };
                lookup.on_answer(self.now, &contact, ask, answer);
            }
        }
    }

    /// The contacts that any node names: the nearest to the key, some of them dead.
    fn named(&self) -> Vec<Contact> {
        let living = self.nearest(true, 8).into_iter();
        living.chain(self.nearest(false, 4)).map(contact).collect()
    }
}

fn contact(id: InfoHash) -> Contact {
    Contact::new(id, "127.0.0.1:4222".parse().unwrap())
}
