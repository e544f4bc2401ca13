//! A few nodes in memory: every datagram arrives after a millisecond, in order.

mod reconnect;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::rpc::Rpc;
use crate::value::{Field, Query, Value, ValueId};
use crate::wire::{GetRequest, Request};
use crate::{Draft, wire};

const MS: Duration = Duration::from_millis(1);

#[test]
fn two_nodes_find_each_other_and_a_value() {
    let mut net = Net::new(2);
    net.settle();
    assert_eq!(net.nodes[0].status(Family::V4), Status::Connected);
    assert_eq!(net.nodes[1].status(Family::V4), Status::Connected);

    let key = InfoHash::of(b"key");
    let report = net.put(0, key, value("hello", 7), PutOptions::default());
    assert_eq!((report.asked, report.acknowledged), (1, 1));
    let (values, report) = net.get(1, key);
    assert_eq!(values, [value("hello", 7)]);
    assert_eq!(report.answered, 1);
}

/// Of those who come all at once, the last find the bucket of their entry point taken, and their
/// walk is over before it has heard from the others.
#[test]
fn whoever_comes_when_nobody_is_known_yet_asks_again() {
    let mut net = Net::new(32);
    let entry = net.nodes[0].id();
    let far = |node: &Node| node.id().bit(0) != entry.bit(0);
    let last = net.nodes.iter().rposition(far).unwrap();
    net.run(2);
    net.delay(MS * 100, |from, to| to == addr(0) && from != addr(last));
    let good = |net: &Net| net.nodes[last].stats(net.now).v4.contacts.good;
    net.run(20);
    assert_eq!(good(&net), 1);
    net.run(680);
    assert!(good(&net) >= 8, "{}", good(&net));
}

#[test]
fn a_value_outlives_its_publisher() {
    let mut net = Net::new(12);
    net.settle();
    let key = InfoHash::of(b"key");
    let report = net.put(3, key, value("hello", 7), PutOptions::default());
    assert_eq!(report.acknowledged, 8);
    net.kill(3);
    let (values, _) = net.get(9, key);
    assert_eq!(values, [value("hello", 7)]);
}

#[test]
fn a_large_value_travels_in_parts() {
    let mut net = Net::new(5);
    net.settle();
    let key = InfoHash::of(b"key");
    let large = wire::pack(&Draft::new(vec![7; 50_000]), ValueId(1));
    let report = net.put(0, key, large.clone(), PutOptions::default());
    assert_eq!(report.acknowledged, 4);
    assert_eq!(net.get(4, key).0, [large]);
}

#[test]
fn a_get_of_nothing_ends_and_says_who_answered() {
    let mut net = Net::new(10);
    net.settle();
    let (values, report) = net.get(1, InfoHash::of(b"nothing"));
    assert!(values.is_empty());
    assert_eq!(report.answered, 8);
}

#[test]
fn a_get_without_a_network_ends() {
    let mut net = Net::new(1);
    let (values, report) = net.get(0, InfoHash::of(b"nothing"));
    assert!(values.is_empty());
    assert_eq!(report, GetReport::default());
}

#[test]
fn a_listen_hears_of_new_values_once_and_of_their_end() {
    let mut net = Net::new(6);
    net.settle();
    let key = InfoHash::of(b"key");
    let now = net.now;
    net.nodes[2].listen(now, key, Query::default()).unwrap();
    net.settle();
    let short = wire::pack(
        &Draft::from("ice").value_type(crate::ValueType::ICE_CANDIDATES),
        ValueId(3),
    );
    let _ = net.put(0, key, short.clone(), PutOptions::default());
    net.run(30 * 1_000);
    assert_eq!(net.on_seen(2), [("new", 3)]);
    net.run(40 * 1_000);
    assert_eq!(net.on_seen(2), [("expired", 3)]);
}

#[test]
fn a_permanent_value_lives_as_long_as_its_publisher() {
    let mut net = Net::new(6);
    net.settle();
    let key = InfoHash::of(b"key");
    let short = wire::pack(
        &Draft::from("ice").value_type(crate::ValueType::ICE_CANDIDATES),
        ValueId(3),
    );
    let options = PutOptions {
        permanent: true,
        created: None,
    };
    let _ = net.put(0, key, short, options);
    net.run(300 * 1_000);
    assert_eq!(net.get(4, key).0.len(), 1);
    let now = net.now;
    assert!(net.nodes[0].cancel_put(now, key, ValueId(3)));
    net.run(70 * 1_000);
    assert_eq!(net.get(4, key).0.len(), 0);
}

#[test]
fn a_query_yields_rows() {
    let mut net = Net::new(4);
    net.settle();
    let key = InfoHash::of(b"key");
    let _ = net.put(0, key, value("hello", 7), PutOptions::default());
    let now = net.now;
    let query = Query {
        select: [Field::Id].into(),
        conditions: Vec::new(),
    };
    net.nodes[2].query(now, key, query).unwrap();
    net.drain(2);
    net.settle();
    let rows = net
        .take_events(2)
        .into_iter()
        .filter_map(|event| match event {
            Event::Rows { rows, .. } => Some(rows),
            _ => None,
        });
    assert_eq!(rows.flatten().count(), 1);
}

#[test]
fn gets_and_queries_of_one_key_at_once_take_few_requests() {
    let mut net = Net::new(10);
    net.settle();
    let (key, now) = (InfoHash::of(b"key"), net.now);
    let _ = net.put(0, key, value("hello", 7), PutOptions::default());
    let sent = |net: &Net| net.nodes[1].stats(net.now).traffic.sent;
    let before = sent(&net);
    for _ in 0..1_000 {
        let ids = Query {
            select: [Field::Id].into(),
            conditions: Vec::new(),
        };
        net.nodes[1].get(now, key, Query::default()).unwrap();
        net.nodes[1].query(now, key, ids).unwrap();
    }
    net.drain(1);
    net.settle();
    let requests = sent(&net) - before;
    assert!((16..100).contains(&requests), "{requests} datagrams");
    let events = net.take_events(1);
    let count = |of: fn(&Event) -> bool| events.iter().filter(|event| of(event)).count();
    assert_eq!(count(|it| matches!(it, Event::Values { .. })), 1_000);
    assert_eq!(count(|it| matches!(it, Event::Rows { .. })), 1_000);
    assert_eq!(count(|it| matches!(it, Event::GetDone { .. })), 2_000);
}

#[test]
fn of_many_gets_at_once_no_more_begin_than_answers_may_come_at_once() {
    let mut net = Net::new(10);
    net.settle();
    let now = net.now;
    for number in 0..500u32 {
        let key = InfoHash::of(&number.to_be_bytes());
        net.nodes[9].get(now, key, Query::default()).unwrap();
    }
    let stats = net.nodes[9].stats(now);
    let limit = Config::default().lookup.max_awaited;
    assert!((limit..limit + 16).contains(&stats.pending_requests));
    assert!(stats.waiting_lookups > 200, "{}", stats.waiting_lookups);
    net.drain(9);
    net.settle();
    let events = net.take_events(9);
    let full =
        |event: &&Event| matches!(event, Event::GetDone { report, .. } if report.answered == 8);
    assert_eq!(events.iter().filter(full).count(), 500);
    assert_eq!(net.nodes[9].stats(net.now).waiting_lookups, 0);
}

#[test]
fn pings_of_strangers_hold_up_no_get() {
    let mut net = Net::new(10);
    net.settle();
    let (now, key) = (net.now, InfoHash::of(b"key"));
    let large = wire::pack(&Draft::new(vec![7; 2_000]), ValueId(1));
    let _ = net.put(9, key, large, PutOptions::default());
    let mut rng = Seed::from_number(1).public();
    let mut strangers = Rpc::new(rng.hash(), &Config::default());
    for stranger in 0..600u16 {
        let request = Request::Get(GetRequest {
            key,
            query: Query::default(),
            want: None,
        });
        assert!(strangers.request(now, &mut rng, addr(9), request, RequestPurpose::Notify));
        let asked = strangers.poll_transmit().unwrap();
        let from = SocketAddr::from(([198, 51, 100, 1 + (stranger / 64) as u8], stranger));
        net.nodes[9].handle_datagram(net.now, from, &asked.bytes);
    }
    let pings = net.nodes[9].stats(net.now).pending_requests;
    assert!(pings > Config::default().lookup.max_awaited, "{pings}");
    let other = InfoHash::of(b"other");
    net.nodes[9].get(net.now, other, Query::default()).unwrap();
    assert_eq!(net.nodes[9].stats(net.now).waiting_lookups, 0);
}

#[test]
fn saved_contacts_are_called_up_a_few_at_a_time_until_all_have_been_asked() {
    let mut node = Node::new(Config::default(), Seed::from_number(1), Origin::default()).unwrap();
    let mut rng = Seed::from_number(2).public();
    let saved: Vec<_> = (0..40).map(|i| Contact::new(rng.hash(), addr(i))).collect();
    node.insert_contacts(Timestamp::ZERO, &saved);
    let known = node.stats(Timestamp::ZERO).v4.contacts.dubious;
    let mut asked = BTreeSet::new();
    let mut at_once = None;
    let end = Timestamp::ZERO + Duration::from_secs(60);
    let mut now = Timestamp::ZERO;
    while now < end {
        now = loop {
            match node.poll_output() {
                Output::Transmit(ping) => drop(asked.insert(ping.to)),
                Output::Wake(at, _) => break at,
                Output::Event(_) | Output::Check(_) => {}
            }
        };
        at_once.get_or_insert(asked.len());
        node.handle_timeout(now);
    }
    assert_eq!(at_once, Some(16));
    assert!(known > 16, "{known}");
    assert_eq!(asked.len(), known);
}

#[test]
fn listens_cancelled_before_their_turn_take_no_place() {
    let mut net = Net::new(10);
    net.settle();
    let now = net.now;
    let node = &mut net.nodes[9];
    let ops: Vec<_> = (0..1_000u32)
        .map(|i| InfoHash::of(&i.to_be_bytes()))
        .map(|key| node.listen(now, key, Query::default()).unwrap())
        .collect();
    assert!(node.stats(now).waiting_lookups > 100);
    for op in ops {
        node.cancel(now, op);
    }
    net.drain(9);
    net.run(10_000);
    assert_eq!(net.nodes[9].stats(net.now).waiting_lookups, 0);

    let key = InfoHash::of(b"key");
    let op = net.nodes[9].listen(net.now, key, Query::default()).unwrap();
    net.drain(9);
    net.run(2_000);
    let _ = net.put(3, key, value("hello", 7), PutOptions::default());
    let told = |event: &Event| matches!(event, Event::Values { op: its, .. } if *its == op);
    assert!(net.take_events(9).iter().any(told));
}

#[test]
fn own_requests_go_on_while_strangers_ask_as_much_as_is_answered_or_more() {
    for (strangers, drops) in [(5, false), (20, true)] {
        let mut net = Net::new(10);
        net.settle();
        let key = InfoHash::of(b"key");
        let _ = net.put(3, key, value("hello", 7), PutOptions::default());
        for _ in 0..1_000 {
            net.flood(9, strangers);
        }
        let begin = net.now;
        let get = net.nodes[9].get(begin, key, Query::default()).unwrap();
        let (mut found, mut ended) = (false, None);
        while ended.is_none() && net.now < begin + MS * 5_000 {
            net.flood(9, strangers);
            for event in net.take_events(9) {
                match event {
                    Event::Values { op, .. } if op == get => found = true,
                    Event::GetDone { op, report } if op == get => ended = Some(report),
                    _ => {}
                }
            }
        }
        assert!(found);
        assert_eq!(ended.map(|report| report.answered), Some(8));
        let least_time_out = Config::default().transport.response_time_min;
        assert!(net.now.since(begin) < least_time_out, "nothing was lost");
        let dropped = net.nodes[9].stats(net.now).traffic.dropped_rate;
        assert_eq!(dropped > 0, drops, "{dropped} of {strangers} a millisecond");
    }
}

fn value(text: &str, id: u64) -> Value {
    wire::pack(&Draft::from(text), ValueId(id))
}

struct Net {
    nodes: Vec<Node>,
    dead: Vec<bool>,
    now: Timestamp,
    wake: Vec<Timestamp>,
    mail: BTreeMap<(Timestamp, u64), (SocketAddr, Transmit)>,
    sent: u64,
    events: Vec<Vec<Event>>,
}

impl Net {
    /// So many nodes, all told of the first.
    fn new(count: usize) -> Self {
        let mut net = Self {
            nodes: Vec::new(),
            dead: vec![false; count],
            now: Timestamp::ZERO,
            wake: vec![Timestamp::ZERO; count],
            mail: BTreeMap::new(),
            sent: 0,
            events: vec![Vec::new(); count],
        };
        for i in 0..count {
            let seed = Seed::from_number(i as u64);
            let mut node = Node::new(Config::default(), seed, Origin::default()).unwrap();
            if i > 0 {
                node.bootstrap(net.now, &[addr(0)]);
            }
            net.nodes.push(node);
            net.drain(i);
        }
        net
    }

    fn settle(&mut self) {
        self.run(2_000);
    }

    fn run(&mut self, millis: u32) {
        let end = self.now + MS * millis;
        loop {
            let wake = self.wake.iter().copied().min().unwrap_or(Timestamp::MAX);
            let mail = self
                .mail
                .first_key_value()
                .map_or(Timestamp::MAX, |(key, _)| key.0);
            let next = wake.min(mail);
            if next > end {
                self.now = end;
                return;
            }
            self.now = self.now.max(next);
            if mail <= wake {
                let Some((_, (from, transmit))) = self.mail.pop_first() else {
                    return;
                };
                let to = usize::from(transmit.to.port()) - 1;
                let is_ours = transmit.to.ip().is_loopback();
                if is_ours && !self.dead[to] {
                    self.nodes[to].handle_datagram(self.now, from, &transmit.bytes);
                    self.drain(to);
                }
            } else {
                for i in 0..self.nodes.len() {
                    if self.wake[i] <= self.now {
                        self.nodes[i].handle_timeout(self.now);
                        self.drain(i);
                    }
                }
            }
        }
    }

    fn drain(&mut self, i: usize) {
        if self.dead[i] {
            self.wake[i] = Timestamp::MAX;
            return;
        }
        loop {
            match self.nodes[i].poll_output() {
                Output::Transmit(transmit) => {
                    self.sent += 1;
                    self.mail
                        .insert((self.now + MS, self.sent), (addr(i), transmit));
                }
                Output::Event(event) => self.events[i].push(event),
                Output::Check(check) => self.nodes[i].handle_verdict(self.now, check.id, true),
                Output::Wake(at, _) => {
                    self.wake[i] = at;
                    return;
                }
            }
        }
    }

    /// Delays datagrams under way.
    fn delay(&mut self, by: Duration, which: impl Fn(SocketAddr, SocketAddr) -> bool) {
        let mail = std::mem::take(&mut self.mail).into_iter();
        self.mail = mail
            .map(|((at, number), (from, transmit))| {
                let delay = if which(from, transmit.to) {
                    by
                } else {
                    Duration::ZERO
                };
                ((at + delay, number), (from, transmit))
            })
            .collect();
    }

    /// A millisecond in which so many strangers ask a node, each from another address.
    fn flood(&mut self, i: usize, strangers: usize) {
        for _ in 0..strangers {
            self.sent += 1;
            let seed = Seed::from_number(self.sent);
            let mut stranger = Node::new(Config::default(), seed, Origin::default()).unwrap();
            stranger.bootstrap(Timestamp::ZERO, &[addr(i)]);
            let Output::Transmit(ping) = stranger.poll_output() else {
                panic!("it pings");
            };
            let [.., high, low] = self.sent.to_be_bytes();
            let from = SocketAddr::from(([198, 51, high, low], 4222));
            self.nodes[i].handle_datagram(self.now, from, &ping.bytes);
        }
        self.drain(i);
        self.run(1);
    }

    fn kill(&mut self, i: usize) {
        self.dead[i] = true;
        self.wake[i] = Timestamp::MAX;
    }

    fn put(&mut self, i: usize, key: InfoHash, value: Value, options: PutOptions) -> PutReport {
        let op = self.nodes[i].put(self.now, key, value, options).unwrap();
        self.drain(i);
        self.run(10_000);
        let done = |event: &Event| matches!(event, Event::PutDone { op: its, .. } if *its == op);
        match self.take_events(i).into_iter().find(done) {
            Some(Event::PutDone { report, .. }) => report,
            _ => panic!("the put never ended"),
        }
    }

    fn get(&mut self, i: usize, key: InfoHash) -> (Vec<Value>, GetReport) {
        let op = self.nodes[i].get(self.now, key, Query::default()).unwrap();
        self.drain(i);
        self.run(12_000);
        let (mut found, mut end) = (Vec::new(), None);
        for event in self.take_events(i) {
            match event {
                Event::Values { op: its, values } if its == op => found.extend(values),
                Event::GetDone { op: its, report } if its == op => end = Some(report),
                _ => {}
            }
        }
        (found, end.expect("the get ended"))
    }

    fn on_seen(&mut self, i: usize) -> Vec<(&'static str, u64)> {
        let events = self.take_events(i);
        let told = events.iter().flat_map(|event| match event {
            Event::Values { values, .. } => values.iter().map(|v| ("new", v.id().0)).collect(),
            Event::Expired { values, .. } => values.iter().map(|v| ("expired", v.id().0)).collect(),
            _ => Vec::new(),
        });
        told.collect()
    }

    fn take_events(&mut self, i: usize) -> Vec<Event> {
        std::mem::take(&mut self.events[i])
    }
}

fn addr(i: usize) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], i as u16 + 1))
}
