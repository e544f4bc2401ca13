//! Forgers, and other nodes that ask for too much.

use super::*;

#[test]
fn a_forged_number_does_not_exhaust_ours() {
    let mut net = Net::of([Some(alice()), None, None]);
    // A type with signatures that are not checked on storing.
    let value_type = ValueType(4711);
    let forged = forge(value_type, u16::MAX);
    net.put_value(1, "diary", forged);
    let key = InfoHash::from_key("diary");
    let (op, _) = net.nodes[0]
        .put_signed(
            net.now,
            key,
            draft("mine", 7).value_type(value_type),
            PutOptions::default(),
        )
        .unwrap();
    net.run(20_000);
    let ended: Vec<_> = net.events(0).iter().filter_map(ended_put).collect();
    assert_eq!(ended, [op]);
}

#[test]
fn forged_values_are_dropped_and_counted() {
    let mut net = Net::of([None, None, None]);
    net.put_value(0, "greeting", forge(ValueType(4711), 0));
    let (values, dropped) = net.get(2, "greeting");
    assert_eq!((values.len(), dropped), (0, 1));
    assert_eq!(net.nodes[2].stats().dropped_values, 1);
}

#[test]
fn a_forged_value_is_not_stored_where_signatures_are_checked() {
    let mut net = Net::of([None, None, None]);
    net.put_value(0, "greeting", forge(ValueType::USER_DATA, 0));
    for i in 1..3 {
        assert_eq!(net.nodes[i].node().export_values(), []);
    }
}

#[test]
fn other_nodes_cannot_have_more_checked_than_allowed() {
    let config = SecureConfig {
        max_remote_checks_per_source: 2,
        ..SecureConfig::default()
    };
    let mut net = Net::configured([None, None], &config);
    net.hold_jobs(1);
    let key = InfoHash::from_key("flood");
    for id in 1..=5 {
        let value = signed(&alice(), id, 0, &format!("flood {id}"));
        net.nodes[0]
            .put_value(net.now, key, value, PutOptions::default())
            .unwrap();
    }
    net.run(200);
    let stats = net.nodes[1].stats();
    assert_eq!(stats.checks, 2);
    assert!(stats.dropped_checks >= 3, "{stats:?}");
}

#[test]
fn another_node_that_was_not_answered_asks_again_and_is_served() {
    let config = SecureConfig {
        max_remote_checks_per_source: 1,
        ..SecureConfig::default()
    };
    let mut net = Net::configured([None, None], &config);
    net.hold_jobs(1);
    let key = InfoHash::from_key("news");
    for id in 1..=2 {
        let value = signed(&alice(), id, 0, &format!("item {id}"));
        let sender = &mut net.nodes[0];
        let _ = sender.put_value(net.now, key, value, PutOptions::default());
    }
    net.run(50);
    assert_eq!(net.nodes[1].stats().dropped_checks, 1);
    net.finish_jobs_backwards(1);
    net.run(10_000);
    assert_eq!(net.nodes[1].node().export_values().len(), 2);
}

#[test]
fn values_beyond_the_bound_are_dropped_and_the_get_ends() {
    let config = SecureConfig {
        max_waiting_bytes: 2_400,
        ..SecureConfig::default()
    };
    let mut net = Net::configured([None, None, None], &config);
    for id in 1..=5 {
        // Of a type that is not verified on storing, so that no verdict is known.
        net.put_value(0, "news", signed_as(ValueType(4711), id));
    }
    net.hold_jobs(2);
    let key = InfoHash::from_key("news");
    let op = net.nodes[2].get(net.now, key, Query::default()).unwrap();
    net.run(10_000);
    net.finish_jobs_backwards(2);
    let (values, dropped) = net.end_of_get(2, op);
    assert_eq!((values.len(), dropped), (2, 3));
}
