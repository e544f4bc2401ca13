//! Iterations over a network that is only a list of ids: each node names the contacts nearest to
//! the key that it knows.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{Contact, Id, OpId, Rng, Seed, Timestamp};

type Action = FindAction<Infallible, 20>;
type Kind = FindKind<u8>;
type Lookup = Iterate<u8, 20>;
type Request = FindRequest<Infallible>;

const MS: Duration = Duration::from_millis(1);
const START: Timestamp = Timestamp::ZERO;
const OP: OpId = OpId(1);
/// When a find that begins at [`START`] ends at the latest.
const END: Timestamp = Timestamp::from_micros(30_000_000);
const NODES: Kind = FindKind::Node;
const VALUES: Kind = FindKind::Value(0);
/// Requests in flight that are not waited for.
const MAX_UNAWAITED: usize = 16;

proptest! {
    #[test]
    fn a_get_asks_exactly_the_nearest_of_the_living(
        seed: u64,
        count in 1..150usize,
        dead_percent in 0..60u64,
    ) {
        let mut net = Net::new(seed, count, dead_percent);
        let mut lookup = net.lookup();
        lookup.find(START, OP, VALUES);
        net.run(&mut lookup, false);
        prop_assert_eq!(net.answered.len(), 1);
        prop_assert_eq!(lookup.find_count(), 0);
        let nearest = net.nearest_living(8);
        prop_assert!(nearest.is_subset(&net.asked), "not all of the nearest were asked");
        prop_assert!(net.most_in_flight <= IterateConfig::default().parallelism_max);
    }

    #[test]
    fn a_search_for_nodes_finds_the_nearest_of_the_living(
        seed: u64,
        count in 1..150usize,
        dead_percent in 0..60u64,
    ) {
        let mut net = Net::new(seed, count, dead_percent);
        let mut lookup = net.lookup();
        lookup.find(START, OP, NODES);
        net.run(&mut lookup, false);
        prop_assert_eq!(net.answered.len(), 1);
        let found = lookup.candidates().nearest(8).map(|candidate| candidate.contact.id);
        prop_assert_eq!(found.collect::<BTreeSet<_>>(), net.nearest_living(8));
        prop_assert!(net.most_in_flight <= IterateConfig::default().parallelism);
    }
}

#[test]
fn without_contacts_an_iteration_waits_while_it_may_and_ends_otherwise() {
    let mut net = Net::new(1, 0, 0);
    let mut lookup = net.lookup();
    lookup.find(START, OP, VALUES);
    net.run(&mut lookup, true);
    assert!(net.answered.is_empty());
    net.run(&mut lookup, false);
    assert_eq!(net.answered, [GetReport::default()]);
}

#[test]
fn unresponsive_nodes_are_asked_a_bounded_number_at_once() {
    let mut net = Net::new(1, 0, 0);
    let mut lookup = net.lookup();
    lookup.find(START, OP, VALUES);
    let mut asked = 0;
    // There is always another one, named by some peer.
    loop {
        lookup.offer(&[contact(net.rng.hash()), contact(net.rng.hash())], false);
        match lookup.poll(START, true, &Latency::UNKNOWN) {
            FindAction::Request(node, _) => lookup.on_known_unresponsive(&node),
            FindAction::Answered(..) | FindAction::Wait(_) => break,
        }
        asked += 1;
        assert!(asked < 1_000, "no end");
    }
    // Of those that are not waited for there is one too many when the others are looked at.
    let at_once = IterateConfig::default().parallelism_max;
    assert!(
        (MAX_UNAWAITED..=MAX_UNAWAITED + at_once).contains(&asked),
        "{asked}"
    );
}

#[test]
fn nothing_found_waits_for_unresponsive_nodes_as_long_as_any_node_may_take() {
    let mut lookup = lookup_of(8);
    let (near, far) = (node(1, 1), node(2, 2));
    lookup.offer(&[near, far], true);
    lookup.find(START, OP, VALUES);
    assert_eq!(asked(&mut lookup, &Latency::UNKNOWN), [near, far]);
    reply(&mut lookup, 1, near, false);
    lookup.on_timeout(&far, 1, false);
    lookup.on_timeout(&far, 2, false);
    let any_node_timeout = IterateConfig::default().any_node_timeout;
    assert_eq!(
        poll(&mut lookup, 150),
        FindAction::Wait(START + any_node_timeout)
    );
    // Late, but a reply after all.
    reply(&mut lookup, 300, far, true);
    let report = GetReport {
        asked: 2,
        answered: 2,
        hops: 1,
        ended: Ended::Converged,
    };
    assert_eq!(
        poll(&mut lookup, 300),
        FindAction::Answered(vec![OP], report)
    );

    lookup.find(START, OP, VALUES);
    lookup.on_timeout(&far, 2, false);
    assert_eq!(asked_at(at(400), &mut lookup, &Latency::UNKNOWN), [near]);
    reply(&mut lookup, 410, near, false);
    let report = GetReport {
        asked: 1,
        answered: 1,
        hops: 0,
        ended: Ended::Converged,
    };
    assert_eq!(
        poll(&mut lookup, 2_100),
        FindAction::Answered(vec![OP], report)
    );
}

#[test]
fn a_find_ends_by_time_and_by_requests_and_says_so() {
    let mut lookup = lookup_of(8);
    lookup.offer(&[node(1, 1)], true);
    lookup.find(START, OP, VALUES);
    asked(&mut lookup, &Latency::UNKNOWN);
    let ended = |action| match action {
        FindAction::Answered(_, report) => report.ended,
        action => panic!("{action:?}"),
    };
    assert_eq!(poll(&mut lookup, 29_999), FindAction::Wait(END));
    assert_eq!(ended(poll(&mut lookup, 30_000)), Ended::OutOfTime);

    let config = IterateConfig {
        max_requests: 1,
        ..IterateConfig::default()
    };
    let mut lookup = Iterate::new(Id::ZERO, config);
    lookup.offer(&[node(1, 1), node(2, 2)], true);
    lookup.find(START, OP, VALUES);
    assert_eq!(asked(&mut lookup, &Latency::UNKNOWN), [node(1, 1)]);
    assert_eq!(poll(&mut lookup, 1), FindAction::Wait(END));
    reply(&mut lookup, 2, node(1, 1), false);
    assert_eq!(ended(poll(&mut lookup, 2)), Ended::OutOfRequests);

    let mut lookup = lookup_of(8);
    lookup.find(START, OP, VALUES);
    assert_eq!(
        ended(lookup.poll(START, false, &Latency::UNKNOWN)),
        Ended::NoContacts
    );
}

#[test]
fn no_node_is_asked_where_there_is_no_room() {
    let mut lookup = lookup_of(8);
    lookup.offer(&[node(1, 1), node(2, 2)], true);
    lookup.find(START, OP, VALUES);
    let latency = Latency {
        has_room: &|addr| addr.port() == 2,
        ..Latency::UNKNOWN
    };
    assert_eq!(asked(&mut lookup, &latency), [node(2, 2)]);
    assert_eq!(asked(&mut lookup, &Latency::UNKNOWN), [node(1, 1)]);
}

#[test]
fn an_unresponsive_node_is_waited_for_until_its_second_time_out() {
    let mut lookup = lookup_of(8);
    lookup.offer(&[node(1, 1)], true);
    lookup.find(START, OP, VALUES);
    asked(&mut lookup, &Latency::UNKNOWN);
    lookup.on_timeout(&node(1, 1), 1, false);
    let long_after = 5_000;
    assert_eq!(poll(&mut lookup, long_after), FindAction::Wait(END));
    lookup.on_timeout(&node(1, 1), 2, false);
    assert!(matches!(
        poll(&mut lookup, long_after),
        FindAction::Answered(..)
    ));
}

#[test]
fn what_was_found_does_not_wait_for_unresponsive_nodes() {
    let mut lookup = lookup_of(2);
    let nodes = [node(1, 1), node(2, 2), node(3, 3)];
    lookup.offer(&nodes, true);
    lookup.find(START, OP, VALUES);
    asked(&mut lookup, &Latency::UNKNOWN);
    lookup.on_timeout(&nodes[0], 1, false);
    asked(&mut lookup, &Latency::UNKNOWN);
    reply(&mut lookup, 1, nodes[1], true);
    reply(&mut lookup, 1, nodes[2], false);
    assert!(matches!(poll(&mut lookup, 1), FindAction::Answered(..)));
}

#[test]
fn where_few_answer_more_are_asked_at_once_if_a_caller_waits_for_them() {
    let typical = IterateConfig::default().parallelism;
    for (kind, is_urgent, expected) in [
        (NODES, false, typical),
        (NODES, true, 2 * typical),
        (VALUES, false, 2 * typical),
    ] {
        let mut net = Net::new(1, 0, 0);
        let mut lookup = net.lookup();
        lookup.find(START, OP, kind);
        for _ in 0..100 {
            lookup.offer(&[contact(net.rng.hash())], false);
        }
        let mut ask_all = || {
            let step = || {
                lookup.next_request(
                    START,
                    &Latency::UNKNOWN,
                    is_urgent,
                    |_| None::<Request>,
                    |_| None,
                )
            };
            let asked: Vec<_> = std::iter::from_fn(step).collect();
            for (node, _) in &asked {
                lookup.on_timeout(node, 1, false);
            }
            asked.len()
        };
        assert_eq!(ask_all(), typical, "nothing is known of the others");
        assert_eq!(ask_all(), expected, "as many as it waits for at most");
    }
}

#[test]
fn parallelism_grows_with_the_share_of_those_that_do_not_answer() {
    let mut lookup = lookup_of(20);
    let nodes: Vec<_> = (1..=40).map(|byte| node(byte, byte.into())).collect();
    lookup.offer(&nodes, true);
    lookup.find(START, OP, VALUES);
    assert_eq!(asked(&mut lookup, &Latency::UNKNOWN), nodes[..4]);
    reply(&mut lookup, 1, nodes[0], false);
    lookup.on_timeout(&nodes[1], 1, false);
    // One of two answered: of six requests, three or four will be. Two are in flight.
    assert_eq!(asked_at(at(1), &mut lookup, &Latency::UNKNOWN), nodes[4..8]);
    for node in &nodes[2..8] {
        reply(&mut lookup, 2, *node, false);
    }
    assert_eq!(
        asked_at(at(2), &mut lookup, &Latency::UNKNOWN),
        nodes[8..12]
    );
}

#[test]
fn of_equally_near_nodes_the_quickest_are_asked_first() {
    let latency = Latency {
        typical: 100 * MS,
        of: &|addr| Some(MS * addr.port().into()),
        slow_after: &|_| Duration::MAX,
        has_room: &|_| true,
    };
    let mut lookup = getting();
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
        typical: 100 * MS,
        of: &|addr| Some(MS * addr.port().into()),
        slow_after: &|_| Duration::MAX,
        has_room: &|_| true,
    };
    for (slower, first) in [(20, 0x40), (30, 0x80)] {
        let mut lookup = getting();
        lookup.offer(&[node(0x40, 10 + slower), node(0x80, 10)], true);
        assert_eq!(asked(&mut lookup, &latency)[0].id.as_bytes()[0], first);
    }
}

#[test]
fn a_node_that_nothing_is_known_of_counts_as_typical() {
    let latency = Latency {
        typical: 100 * MS,
        of: &|addr| (addr.port() == 1).then_some(150 * MS),
        slow_after: &|_| Duration::MAX,
        has_room: &|_| true,
    };
    let mut lookup = getting();
    lookup.offer(&[node(0x80, 1), node(0x80, 2)], true);
    assert_eq!(asked(&mut lookup, &latency), [node(0x80, 2), node(0x80, 1)]);
}

#[test]
fn replies_of_those_no_longer_among_the_nearest_are_not_waited_for_up_to_a_bound() {
    let mut lookup = getting();
    let mut in_flight = Vec::new();
    for first in [0xff, 0x7f, 0x3f, 0x1f, 0x0f, 0x07, 0x03, 0x01] {
        let nearer: Vec<_> = (1..=8).map(|port| node(first, port)).collect();
        lookup.offer(&nearer, false);
        in_flight.extend(asked(&mut lookup, &Latency::UNKNOWN));
    }
    let parallelism = IterateConfig::default().parallelism;
    assert_eq!(in_flight.len(), parallelism + MAX_UNAWAITED);
    reply(&mut lookup, 0, in_flight[0], false);
    assert_eq!(asked(&mut lookup, &Latency::UNKNOWN).len(), 1);
}

#[test]
fn while_those_asked_are_slow_others_are_asked() {
    let latency = Latency {
        typical: Duration::ZERO,
        of: &|_| None,
        slow_after: &|addr| MS * addr.port().into(),
        has_room: &|_| true,
    };
    let mut lookup = getting();
    let nodes: Vec<_> = (0..12).map(|nth| node(nth, 10 + u16::from(nth))).collect();
    lookup.offer(&nodes, true);
    let mut asked = |ms| {
        let asked = asked_at(at(ms), &mut lookup, &latency);
        (asked, lookup.poll(at(ms), true, &latency))
    };
    let wait = |ms| FindAction::Wait(at(ms));
    assert_eq!(asked(0), (nodes[..4].to_vec(), wait(10)));
    assert_eq!(asked(11), (nodes[4..6].to_vec(), wait(12)));
    assert_eq!(asked(60).0, nodes[6..10]);
    assert_eq!(asked(120), (nodes[10..].to_vec(), wait(140)));
    assert_eq!(asked(200), (vec![], FindAction::Wait(END)));
}

#[test]
fn what_was_found_does_not_wait_for_slow_nodes_if_enough_others_answer() {
    let slow_after = 10 * MS;
    assert_eq!(answered_at(9, true, slow_after), Some(START + slow_after));
    assert_eq!(answered_at(8, true, slow_after), Some(END));
    assert_eq!(answered_at(9, false, slow_after), Some(END));
}

#[test]
fn operations_that_want_the_same_are_answered_together_unless_it_has_been_asked_already() {
    let mut lookup = lookup_of(8);
    let nodes: Vec<_> = (1..=8).map(|byte| node(byte, byte.into())).collect();
    lookup.offer(&nodes, true);
    let op = OpId;
    lookup.find(START, op(1), VALUES);
    let mut actions = vec![poll(&mut lookup, 0)];
    lookup.find(START, op(2), VALUES);
    for number in [3, 5, 6, 7] {
        lookup.find(START, op(number), VALUES);
    }
    lookup.find(START, op(4), FindKind::Value(9));
    assert!(lookup.operations(op(2)).eq([2, 3, 5, 6, 7].map(op)));
    assert_eq!(lookup.query(op(4)), Some(&9));
    assert_eq!((lookup.query(op(3)), lookup.find_count()), (None, 3));
    // One that asked first, one that joined.
    lookup.cancel(op(2));
    lookup.cancel(op(6));
    let mut answered = Vec::new();
    loop {
        match poll(&mut lookup, 0) {
            FindAction::Wait(_) => match actions.pop() {
                Some(FindAction::Request(node, request)) => {
                    lookup.on_reply(START, &node, Some(&request), FindReply::default());
                }
                _ => break,
            },
            FindAction::Answered(ops, report) => answered.push((ops, report.asked)),
            request @ FindAction::Request(..) => actions.push(request),
        }
    }
    answered.sort();
    let expected = [vec![1], vec![3, 5, 7], vec![4]];
    let expected = expected.map(|ops| (ops.into_iter().map(op).collect(), 8));
    assert_eq!(answered, expected);
    assert_eq!(lookup.find_count(), 0);
    assert!(lookup.operations(op(3)).next().is_none());
}

#[test]
fn a_find_that_none_wants_any_more_is_not_asked_and_can_be_asked_anew() {
    let mut lookup = lookup_of(8);
    lookup.offer(&[node(1, 1)], true);
    lookup.find(START, OP, VALUES);
    lookup.find(START, OpId(2), VALUES);
    lookup.cancel(OP);
    assert_eq!(lookup.find_count(), 1, "the one that joined is left");
    lookup.cancel(OpId(2));
    assert_eq!(lookup.find_count(), 0);
    assert_eq!(asked(&mut lookup, &Latency::UNKNOWN), []);
    lookup.find(START, OpId(3), VALUES);
    assert!(lookup.operations(OpId(3)).eq([OpId(3)]));
    assert_eq!(asked(&mut lookup, &Latency::UNKNOWN), [node(1, 1)]);
}

/// One of our contacts names nodes in league, nearer than any other, which answer and name more.
#[test]
fn nodes_in_league_do_not_hide_the_others_from_a_get_that_finds_nothing() {
    for (found, is_asked) in [(false, true), (true, false)] {
        let mut lookup = getting();
        let honest: Vec<_> = (0x40..0x48)
            .map(|first| node(first, first.into()))
            .collect();
        let (hostile, known) = (node(0xf0, 99), node(0xf1, 98));
        lookup.offer(&[hostile, known], true);
        let mut asked = Vec::new();
        loop {
            match poll(&mut lookup, 0) {
                FindAction::Request(contact, request) => {
                    asked.push(contact);
                    let league: Vec<_> = (1..9).map(|port| node(0, port)).collect();
                    let is_honest = contact == known || honest.contains(&contact);
                    let reply = FindReply {
                        contacts: if is_honest { &honest } else { &league },
                        found,
                        token: None,
                    };
                    lookup.on_reply(START, &contact, Some(&request), reply);
                }
                FindAction::Answered(..) => break,
                FindAction::Wait(_) => panic!("it waits"),
            }
        }
        let all_are = honest.iter().all(|node| asked.contains(node));
        assert_eq!(all_are, is_asked);
        assert!(asked.len() <= 20, "{}", asked.len());
    }
}

#[test]
fn another_node_at_an_address_is_on_the_path_of_the_one_that_was_asked() {
    let mut lookup = getting();
    lookup.offer(&[node(0xf0, 1), node(0xf1, 2)], true);
    let first = asked(&mut lookup, &Latency::UNKNOWN)[0];
    let named: Vec<_> = (1..9).map(|port| node(0, port)).collect();
    let reply = FindReply {
        contacts: &named,
        ..FindReply::default()
    };
    lookup.on_reply(START, &first, Some(&Request::Value(OP)), reply);
    let path = |lookup: &Lookup, contact| lookup.candidates().get(&contact).unwrap().path();
    let on = path(&lookup, named[0]);
    let actual = node(9, 1);
    lookup.on_other(START, &named[0], actual);
    assert_eq!(path(&lookup, actual), on);
    assert!(lookup.introduce(node(10, 1)));
}

#[test]
fn what_an_operation_wants_instead_is_asked_of_all_again() {
    let mut lookup = lookup_of(8);
    lookup.offer(&[node(1, 1)], true);
    lookup.find(START, OP, NODES);
    asked(&mut lookup, &Latency::UNKNOWN);
    let reply = FindReply::default();
    lookup.on_reply(START, &node(1, 1), Some(&Request::Node), reply);
    lookup.find(START, OP, NODES);
    assert_eq!(asked(&mut lookup, &Latency::UNKNOWN), [node(1, 1)]);
}

#[test]
fn a_find_of_nodes_is_answered_by_requests_for_nodes_and_those_of_values_by_their_own() {
    let mut lookup = lookup_of(8);
    lookup.offer(&[node(1, 1)], true);
    for (number, kind) in [(1, NODES), (2, VALUES), (3, NODES)] {
        lookup.find(START, OpId(number), kind);
    }
    let mut requests = Vec::new();
    loop {
        match poll(&mut lookup, 0) {
            FindAction::Request(node, request) => {
                requests.push(request);
                let reply = FindReply {
                    found: true,
                    ..FindReply::default()
                };
                lookup.on_reply(START, &node, Some(&request), reply);
            }
            FindAction::Answered(ops, report) => {
                let hops = u8::from(ops == [OpId(2)]);
                assert_eq!((report.answered, report.hops), (1, hops));
            }
            FindAction::Wait(_) => break,
        }
    }
    assert_eq!(requests, [Request::Node, Request::Value(OpId(2))]);
}

#[test]
fn hops_count_the_nodes_that_named_each_other_since_the_iteration_began() {
    let mut lookup = getting();
    let reply_naming = |lookup: &mut Lookup, from: Contact<20>, named: &[Contact<20>], found| {
        let reply = FindReply {
            contacts: named,
            found,
            token: None,
        };
        lookup.on_reply(START, &from, Some(&Request::Value(OP)), reply);
    };
    lookup.offer(&[node(4, 4)], true);
    for far in [4, 3, 2] {
        assert_eq!(
            asked(&mut lookup, &Latency::UNKNOWN),
            [node(far, far.into())]
        );
        let nearer = node(far - 1, u16::from(far) - 1);
        reply_naming(&mut lookup, node(far, far.into()), &[nearer], far == 2);
    }
    assert_eq!(asked(&mut lookup, &Latency::UNKNOWN), [node(1, 1)]);
    reply_naming(&mut lookup, node(1, 1), &[], true);
    let action = poll(&mut lookup, 0);
    let FindAction::Answered(_, report) = action else {
        panic!("{action:?}");
    };
    assert_eq!(
        (report.hops, report.answered),
        (3, 4),
        "the first that had something"
    );
    lookup.reset_hops();
    lookup.find(START, OP, VALUES);
    asked(&mut lookup, &Latency::UNKNOWN);
    for near in [1, 2, 3, 4] {
        reply_naming(&mut lookup, node(near, near.into()), &[], near == 3);
    }
    let FindAction::Answered(_, report) = poll(&mut lookup, 0) else {
        panic!("all have answered");
    };
    assert_eq!(report.hops, 1);
}

#[test]
fn a_candidate_that_has_answered_is_asked_what_the_caller_wants_besides() {
    let mut lookup = lookup_of(8);
    let (near, far) = (node(1, 1), node(2, 2));
    lookup.offer(&[near, far], true);
    lookup.find(START, OP, NODES);
    let next = |lookup: &mut Lookup| {
        let other = |candidate: &Candidate<20>| {
            let is_wanted = candidate.fresh_token(START).is_none();
            is_wanted.then_some(FindRequest::Other("token"))
        };
        lookup.next_request(START, &Latency::UNKNOWN, false, other, other)
    };
    assert_eq!(next(&mut lookup), Some((near, FindRequest::Node)));
    assert_eq!(next(&mut lookup), Some((far, FindRequest::Node)));
    assert_eq!(next(&mut lookup), None, "both are being asked");
    for (node, token) in [(near, None), (far, Some("token".into()))] {
        let reply = FindReply {
            token,
            ..FindReply::default()
        };
        let request = FindRequest::<&str>::Node;
        lookup.on_reply(START, &node, Some(&request), reply);
    }
    assert_eq!(next(&mut lookup), Some((near, FindRequest::Other("token"))));
    assert_eq!(next(&mut lookup), None, "the other has given one");
    assert!(lookup.awaits_reply(|_| false));
    let reply = FindReply::default();
    lookup.on_reply(START, &near, Some(&FindRequest::Other("token")), reply);
    assert!(!lookup.awaits_reply(|_| false));
    assert!(lookup.awaits_reply(|node| *node == far), "of the caller");
    assert_eq!(next(&mut lookup), Some((near, FindRequest::Other("token"))));
}

#[test]
fn a_reply_to_the_caller_alone_ends_no_request_of_the_iteration() {
    let mut lookup = getting();
    lookup.offer(&[node(1, 1)], true);
    asked(&mut lookup, &Latency::UNKNOWN);
    let id = node(1, 1);
    lookup.on_timeout(&id, 1, false);
    lookup.on_reply::<Infallible>(START, &id, None, FindReply::default());
    let candidate = lookup.candidates().get(&id).unwrap();
    assert_eq!(candidate.state, CandidateState::Responsive);
    assert!(candidate.in_flight);
    lookup.on_timeout(&id, 1, false);
    lookup.on_refused(&id);
    let candidate = lookup.candidates().get(&id).unwrap();
    assert_eq!(candidate.state, CandidateState::Responsive);
    assert!(candidate.in_flight);
}

#[test]
fn an_error_ends_a_request_and_perhaps_a_token() {
    let mut lookup = getting();
    lookup.offer(&[node(1, 1)], true);
    let id = node(1, 1);
    asked(&mut lookup, &Latency::UNKNOWN);
    lookup.on_token(START, &id, "token".into());
    assert!(!lookup.on_error(&id, Some(b"another")));
    let candidate = lookup.candidates().get(&id).unwrap();
    assert!(!candidate.in_flight && candidate.token.is_some());
    assert_eq!(candidate.state, CandidateState::Responsive);
    assert_eq!(asked(&mut lookup, &Latency::UNKNOWN).len(), 1);
    assert!(lookup.on_error(&id, Some(b"token")));
    assert!(lookup.candidates().get(&id).unwrap().token.is_none());
}

#[test]
fn a_failed_candidate_is_left_alone_for_a_minute() {
    let mut lookup = getting();
    lookup.offer(&[node(1, 1)], true);
    let id = node(1, 1);
    asked(&mut lookup, &Latency::UNKNOWN);
    lookup.on_token(START, &id, "token".into());
    lookup.on_failed(at(1), &id);
    let candidate = lookup.candidates().get(&id).unwrap();
    assert!(!candidate.in_flight && candidate.token.is_none());
    lookup.on_timeout(&id, 2, false);
    let candidate = lookup.candidates().get(&id).unwrap();
    assert_eq!(candidate.state, CandidateState::Failed(at(1)), "for good");
    for (ms, is_taken) in [(2, false), (60_001, false), (60_002, true)] {
        asked_at(at(ms), &mut lookup, &Latency::UNKNOWN);
        assert_eq!(lookup.offer(&[node(1, 1)], false), is_taken, "{ms}");
    }
}

#[test]
fn contacts_are_wanted_in_place_of_those_that_do_not_answer() {
    let config = IterateConfig {
        width: 3,
        bucket_size: 2,
        ..IterateConfig::default()
    };
    let mut lookup = Lookup::new(Id::ZERO, config);
    assert_eq!(lookup.contacts_wanted(), Some(3));
    lookup.offer(&[1, 2, 3].map(|byte| node(byte, 1)), true);
    assert_eq!(lookup.contacts_wanted(), None);
    lookup.on_timeout(&node(1, 1), 1, false);
    lookup.on_failed(START, &node(2, 1));
    assert_eq!(lookup.contacts_wanted(), Some(5), "three, beyond those two");
}

#[test]
fn it_wakes_when_something_is_due_unless_that_waits_for_a_reply() {
    let mut lookup = lookup_of(8);
    lookup.offer(&[node(1, 1)], true);
    let none = |_: &Contact<20>| false;
    let wake = |lookup: &Lookup, ms| lookup.next_wake(at(100), at(ms), none);
    assert_eq!(wake(&lookup, 101), at(101));
    assert_eq!(wake(&lookup, 100), at(200), "it looks again soon");
    let waits = lookup.next_wake(at(100), at(100), |node| *node == self::node(1, 1));
    assert_eq!(waits, Timestamp::MAX);
    lookup.find(START, OP, VALUES);
    let latency = Latency {
        slow_after: &|_| 300 * MS,
        ..Latency::UNKNOWN
    };
    asked(&mut lookup, &latency);
    assert_eq!(wake(&lookup, 100), at(300), "then it is slow");
    assert_eq!(wake(&lookup, 150), at(150));
}

#[test]
fn what_is_over_leaves_no_memory_behind() {
    let mut lookup = getting();
    lookup.offer(&[node(1, 1)], true);
    lookup.shrink();
    assert_eq!(lookup.find_count(), 1, "not what is under way");
    lookup.cancel(OP);
    lookup.shrink();
    assert_eq!(lookup.candidates().iter().count(), 1);
}

/// When a get ends of so many nodes, which all answer at once but for the nearest, and whether they
/// have `found` what is wanted; `None` if it waits for that one.
fn answered_at(count: u8, found: bool, slow_after: Duration) -> Option<Timestamp> {
    let latency = Latency {
        slow_after: &|_| slow_after,
        ..Latency::UNKNOWN
    };
    let mut lookup = getting();
    let nodes: Vec<_> = (0..count)
        .map(|nth| node(nth, 1 + u16::from(nth)))
        .collect();
    lookup.offer(&nodes, true);
    let mut now = START;
    while now < Timestamp::MAX {
        match lookup.poll(now, false, &latency) {
            FindAction::Request(contact, request) if contact != nodes[0] => {
                let reply = FindReply {
                    found,
                    ..FindReply::default()
                };
                lookup.on_reply(now, &contact, Some(&request), reply);
            }
            FindAction::Request(..) => {}
            FindAction::Answered(..) => return Some(now),
            FindAction::Wait(until) => now = until,
        }
    }
    None
}

fn poll(lookup: &mut Lookup, ms: u32) -> Action {
    lookup.poll(at(ms), false, &Latency::UNKNOWN)
}

fn reply(lookup: &mut Lookup, ms: u32, from: Contact<20>, found: bool) {
    let reply = FindReply {
        found,
        ..FindReply::default()
    };
    lookup.on_reply(at(ms), &from, Some(&Request::Value(OP)), reply);
}

/// All that an iteration asks as long as no node answers.
fn asked(lookup: &mut Lookup, latency: &Latency<'_>) -> Vec<Contact<20>> {
    asked_at(START, lookup, latency)
}

fn asked_at(now: Timestamp, lookup: &mut Lookup, latency: &Latency<'_>) -> Vec<Contact<20>> {
    let asked = std::iter::from_fn(|| match lookup.poll(now, true, latency) {
        FindAction::Request(contact, _) => Some(contact),
        FindAction::Answered(..) | FindAction::Wait(_) => None,
    });
    asked.collect()
}

/// A get of the key of zeros.
fn getting() -> Lookup {
    let mut lookup = lookup_of(8);
    lookup.find(START, OP, VALUES);
    lookup
}

fn lookup_of(bucket_size: usize) -> Lookup {
    let config = IterateConfig {
        bucket_size,
        width: bucket_size + 6,
        ..IterateConfig::default()
    };
    Iterate::new(Id::ZERO, config)
}

fn at(ms: u32) -> Timestamp {
    START + MS * ms
}

/// A node of the id that begins with `first` and ends with the port.
fn node(first: u8, port: u16) -> Contact<20> {
    let mut id = [0; 20];
    id[0] = first;
    id[19] = port as u8;
    Contact::new(Id::new(id), ([127, 0, 0, 1], port).into())
}

fn contact(id: Id<20>) -> Contact<20> {
    Contact::new(id, "127.0.0.1:4222".parse().unwrap())
}

/// A network of ids; the dead never answer, the others after 10 ms.
struct Net {
    key: Id<20>,
    nodes: BTreeMap<Id<20>, bool>,
    now: Timestamp,
    rng: Rng,
    asked: BTreeSet<Id<20>>,
    answered: Vec<GetReport>,
    most_in_flight: usize,
}

/// What is due to happen to a request.
enum Fate {
    Reply,
    TimeOut(u32),
    Failure,
}

impl Net {
    fn new(seed: u64, count: usize, dead_percent: u64) -> Self {
        let mut rng = Seed::from_number(seed).public();
        let key = rng.hash();
        let nodes = (0..count).map(|_| (rng.hash(), rng.below(100) >= dead_percent));
        Self {
            key,
            nodes: nodes.collect(),
            now: START,
            rng,
            asked: BTreeSet::new(),
            answered: Vec::new(),
            most_in_flight: 0,
        }
    }

    /// An iteration that knows a few nodes, the living among them.
    fn lookup(&mut self) -> Lookup {
        let mut lookup = Iterate::new(self.key, IterateConfig::default());
        let living = self.nodes.iter().filter(|(_, alive)| **alive).take(4);
        let others = self.nodes.iter().filter(|(_, alive)| !**alive).take(4);
        let known: Vec<_> = living.chain(others).map(|(id, _)| contact(*id)).collect();
        lookup.offer(&known, false);
        lookup
    }

    fn nearest_living(&self, count: usize) -> BTreeSet<Id<20>> {
        let living = self.nodes.iter().filter(|(_, alive)| **alive);
        let mut living: Vec<_> = living.map(|(id, _)| *id).collect();
        living.sort_by_key(|id| id.distance(&self.key));
        living.into_iter().take(count).collect()
    }

    /// Runs for half a minute.
    fn run(&mut self, lookup: &mut Lookup, may_wait: bool) {
        let end = self.now + 30_000 * MS;
        let mut queue = BTreeMap::new();
        let mut sent = 0;
        loop {
            let wake = loop {
                match lookup.poll(self.now, may_wait, &Latency::UNKNOWN) {
                    FindAction::Request(contact, request) => {
                        sent += 1;
                        let fates = if self.nodes[&contact.id] {
                            vec![(10, Fate::Reply)]
                        } else {
                            vec![
                                (100, Fate::TimeOut(1)),
                                (300, Fate::TimeOut(2)),
                                (7_000, Fate::Failure),
                            ]
                        };
                        for (delay, fate) in fates {
                            let at = self.now + MS * delay;
                            queue.insert((at, sent, delay), (contact.id, request, fate));
                        }
                    }
                    FindAction::Answered(ops, report) => {
                        assert_eq!(ops, [OP]);
                        self.answered.push(report);
                    }
                    FindAction::Wait(at) => break at,
                }
            };
            let in_flight = lookup.candidates().nearest(8).filter(|it| it.in_flight);
            self.most_in_flight = self.most_in_flight.max(in_flight.count());
            let next = queue
                .first_key_value()
                .map_or(Timestamp::MAX, |(key, _)| key.0);
            if next.min(wake) > end {
                self.now = end;
                return;
            }
            self.now = self.now.max(next.min(wake));
            if next <= wake
                && let Some((_, (node, request, fate))) = queue.pop_first()
            {
                self.happen(lookup, node, request, &fate);
            }
        }
    }

    fn happen(&mut self, lookup: &mut Lookup, node: Id<20>, request: Request, fate: &Fate) {
        match fate {
            Fate::TimeOut(count) => lookup.on_timeout(&contact(node), *count, false),
            Fate::Failure => lookup.on_failed(self.now, &contact(node)),
            Fate::Reply => {
                self.asked.insert(node);
                let named = self.named();
                let reply = FindReply {
                    contacts: &named,
                    ..FindReply::default()
                };
                lookup.on_reply(self.now, &contact(node), Some(&request), reply);
            }
        }
    }

    /// The contacts that any node names: the nearest to the key, some of them dead.
    fn named(&self) -> Vec<Contact<20>> {
        let mut ids: Vec<_> = self.nodes.keys().copied().collect();
        ids.sort_by_key(|id| id.distance(&self.key));
        let living = ids.iter().filter(|id| self.nodes[id]).take(8);
        let dead = ids.iter().filter(|id| !self.nodes[id]).take(4);
        living.chain(dead).map(|id| contact(*id)).collect()
    }
}
