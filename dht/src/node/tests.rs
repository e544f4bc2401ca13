//! A few nodes together.

mod crowded;
mod operations;
mod peers;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::rpc::Rpc;
use crate::value::{Field, Query, Value, ValueId};
use crate::wire::{GetRequest, Request};
use crate::{Draft, TransportConfig, wire};
use testing::{MS, Net, addr};

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

/// Of nodes that join all at once, the last find the bucket of their entry point full, and their
/// lookup is over before it has heard from the others.
#[test]
fn a_node_that_comes_when_none_is_known_yet_asks_again() {
    let mut net = Net::new(32);
    let entry = net.nodes[0].id();
    let far = |node: &Node| node.id().bit(0) != entry.bit(0);
    let last = net.nodes.iter().rposition(far).unwrap();
    net.run(2);
    net.delay(MS * 100, |from, to| to == addr(0) && from != addr(last));
    let good = |net: &Net<Node>| net.nodes[last].stats(net.now).families.v4.contacts.good;
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
    net.set_dead(3, true);
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
fn a_get_of_nothing_ends_and_tells_how_many_answered() {
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
    net.settle();
    let rows = net.events(2).into_iter().filter_map(|event| match event {
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
    let sent = |net: &Net<Node>| net.nodes[1].stats(net.now).traffic.sent;
    let before = sent(&net);
    for _ in 0..1_000 {
        let ids = Query {
            select: [Field::Id].into(),
            conditions: Vec::new(),
        };
        net.nodes[1].get(now, key, Query::default()).unwrap();
        net.nodes[1].query(now, key, ids).unwrap();
    }
    net.settle();
    let requests = sent(&net) - before;
    assert!((16..100).contains(&requests), "{requests} datagrams");
    let events = net.events(1);
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
    let limit = Config::default().transport.max_window;
    assert!((16..limit + 16).contains(&stats.pending_requests));
    assert!(stats.waiting_lookups > 200, "{}", stats.waiting_lookups);
    net.settle();
    let events = net.events(9);
    let full =
        |event: &&Event| matches!(event, Event::GetDone { report, .. } if report.answered == 8);
    assert_eq!(events.iter().filter(full).count(), 500);
    assert_eq!(net.nodes[9].stats(net.now).waiting_lookups, 0);
}

#[test]
fn pings_of_unknown_nodes_hold_up_no_get() {
    let mut net = Net::new(10);
    net.settle();
    let (now, key) = (net.now, InfoHash::of(b"key"));
    let large = wire::pack(&Draft::new(vec![7; 2_000]), ValueId(1));
    let _ = net.put(9, key, large, PutOptions::default());
    let mut rng = Seed::from_number(1).public();
    let mut strangers = Rpc::new(rng.hash(), 0, false, &TransportConfig::default());
    for stranger in 0..600u16 {
        let request = Request::Get(GetRequest {
            key,
            query: Query::default(),
            want: None,
            page: None,
        });
        let purpose = RequestPurpose::Bootstrap;
        let tid = strangers.request(now, &mut rng, addr(9), request, purpose);
        assert!(tid.is_some());
        let asked = strangers.poll_transmit().unwrap();
        let from = SocketAddr::from(([198, 51, 100, 1 + (stranger / 64) as u8], stranger));
        net.nodes[9].handle_datagram(net.now, from, &asked.bytes);
    }
    let pings = net.nodes[9].stats(net.now).pending_requests;
    assert!(pings > Config::default().transport.max_window, "{pings}");
    let other = InfoHash::of(b"other");
    net.nodes[9].get(net.now, other, Query::default()).unwrap();
    assert_eq!(net.nodes[9].stats(net.now).waiting_lookups, 0);
}

#[test]
fn saved_contacts_are_asked_a_few_at_a_time_until_all_have_been() {
    let mut node = Node::new(Config::default(), Seed::from_number(1), Origin::default()).unwrap();
    let mut rng = Seed::from_number(2).public();
    let saved: Vec<_> = (0..40).map(|i| Contact::new(rng.hash(), addr(i))).collect();
    node.insert_contacts(Timestamp::ZERO, &saved);
    let known = node.stats(Timestamp::ZERO).families.v4.contacts.dubious;
    let mut asked = BTreeSet::new();
    let mut at_once = None;
    let end = Timestamp::ZERO + Duration::from_secs(60);
    let mut now = Timestamp::ZERO;
    while now < end {
        now = loop {
            match node.poll_output() {
                Output::Transmit(ping) => drop(asked.insert(ping.to)),
                Output::Wake(at, _) => break at,
                Output::Event(_) | Output::Job(_) => {}
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
    net.run(10_000);
    assert_eq!(net.nodes[9].stats(net.now).waiting_lookups, 0);

    let key = InfoHash::of(b"key");
    let op = net.nodes[9].listen(net.now, key, Query::default()).unwrap();
    net.run(2_000);
    let _ = net.put(3, key, value("hello", 7), PutOptions::default());
    let told = |event: &Event| matches!(event, Event::Values { op: its, .. } if *its == op);
    assert!(net.events(9).iter().any(told));
}

#[test]
fn own_requests_go_on_while_others_ask_as_much_as_is_answered_or_more() {
    for (strangers, drops) in [(4, false), (20, true)] {
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
            for event in net.events(9) {
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

#[test]
fn what_waits_goes_on_when_a_lost_contact_shows_up_by_itself() {
    let mut net = Net::new(2);
    net.settle();
    net.set_dead(0, true);
    let _ = net.get(1, InfoHash::of(b"no node is there"));
    assert_eq!(net.nodes[1].status(Family::V4), Status::Connecting);

    let key = InfoHash::of(b"key");
    let op = net.nodes[1].get(net.now, key, Query::default()).unwrap();
    net.set_dead(0, false);
    net.nodes[0].get(net.now, key, Query::default()).unwrap();
    net.run(30_000);
    assert_eq!(net.nodes[1].status(Family::V4), Status::Connected);
    let answered = |event| match event {
        Event::GetDone { op: its, report } if its == op => Some(report.answered),
        _ => None,
    };
    let answered = net.events(1).into_iter().find_map(answered);
    assert_eq!(answered, Some(1));
}

fn value(text: &str, id: u64) -> Value {
    wire::pack(&Draft::from(text), ValueId(id))
}
