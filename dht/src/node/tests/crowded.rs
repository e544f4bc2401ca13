//! Keys with more values than one answer has room for.

use std::collections::BTreeSet;

use super::*;
use crate::value::Condition;

const KEY: InfoHash = InfoHash::new([0x56; InfoHash::LEN]);
/// `net.core.rmem_max` of an ordinary system, which counts what datagrams take of memory.
const BUFFER: usize = 212_992;

#[test]
fn all_values_of_a_crowded_key_come_through_an_ordinary_buffer() {
    let mut net = crowded(12, 10_000, Config::default());
    let (found, report) = get_through(&mut net, BUFFER);
    assert_eq!(found.len(), 10_000);
    assert_eq!(ids(&found).len(), 10_000, "each once");
    assert!(report.answered >= 8, "{report:?}");
    let (dropped, arrived) = net.dropped_and_arrived(11);
    assert_eq!(dropped, 0);
    // The values once, and from each of eight nodes which it has; 14 MB if each sent all.
    assert!(arrived < 4_000_000, "{arrived}");
}

#[test]
fn what_came_whole_is_handed_out_and_the_rest_is_asked_for() {
    // A node that answers with all it has, as OpenDHT does.
    let mut config = Config::default();
    config.storage.answer_bytes = usize::MAX;
    let mut net = crowded(2, 3_000, config);
    let (found, report) = get_through(&mut net, BUFFER);
    let (dropped, _) = net.dropped_and_arrived(1);
    assert!(dropped > 1_000, "{dropped}");
    assert_eq!((found.len(), ids(&found).len()), (3_000, 3_000));
    assert_eq!(report.answered, 1);
}

#[test]
fn a_key_that_is_not_crowded_takes_one_answer_of_each_node() {
    let mut net = crowded(2, 80, Config::default());
    let before = net.gets();
    let (found, _) = get_through(&mut net, BUFFER);
    assert_eq!(found.len(), 80);
    assert_eq!(net.gets() - before, 1);
}

#[test]
fn rows_of_a_crowded_key_come_in_pages() {
    let mut net = crowded(2, 9_000, Config::default());
    let query = "SELECT id,owner_pk".parse().unwrap();
    let op = net.nodes[1].query(net.now, KEY, query).unwrap();
    net.run(12_000);
    let (mut rows, mut is_over) = (0, false);
    for event in net.events(1) {
        match event {
            Event::Rows { rows: new, .. } => rows += new.len(),
            Event::GetDone { op: its, .. } => is_over = its == op,
            _ => {}
        }
    }
    assert_eq!((rows, is_over), (9_000, true));
}

#[test]
fn a_listen_on_a_crowded_key_is_told_of_all_values() {
    let mut net = crowded(2, 2_000, Config::default());
    net.buffer = Some(BUFFER);
    net.nodes[1].listen(net.now, KEY, Query::default()).unwrap();
    net.run(5_000);
    let told: BTreeSet<_> = net.on_seen(1).into_iter().collect();
    assert_eq!((told.len(), net.dropped_and_arrived(1).0), (2_000, 0));
}

#[test]
fn a_get_that_is_cancelled_or_whose_nodes_fall_silent_ends_with_its_pages() {
    for is_cancelled in [true, false] {
        let mut net = crowded(2, 5_000, Config::default());
        let get = net.nodes[1].get(net.now, KEY, Query::default()).unwrap();
        net.run(8);
        if is_cancelled {
            net.nodes[1].cancel(net.now, get);
        } else {
            net.set_dead(0, true);
        }
        net.events(1);
        net.run(20_000);
        let events = net.events(1);
        let ends = |event: &Event| matches!(event, Event::GetDone { .. });
        assert_eq!(events.iter().any(ends), !is_cancelled);
        assert_eq!(net.nodes[1].stats(net.now).operations, 0);
    }
}

#[test]
fn a_get_of_one_id_asks_for_no_pages() {
    let mut net = crowded(2, 5_000, Config::default());
    let query = Query {
        conditions: vec![Condition::Id(ValueId(7))],
        ..Query::default()
    };
    let before = net.gets();
    net.nodes[1].get(net.now, KEY, query).unwrap();
    net.run(1_000);
    assert_eq!(net.gets() - before, 1);
}

/// Makes a network whose first nodes all hold so many values; the last has none.
fn crowded(count: usize, values: u64, config: Config) -> Net<Node> {
    let mut net = Net::of(count, &config);
    net.settle();
    let today = net.nodes[0].calendar(net.now);
    for id in 0..values {
        // Ids are spread over their range, as others draw them at random.
        let id = ValueId((id + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let stored = wire::pack(&Draft::new(vec![id.0 as u8; 100]), id);
        for node in &mut net.nodes[..count - 1] {
            assert!(node.server.store_own(net.now, &KEY, &stored, today, true));
        }
    }
    net
}

fn get_through(net: &mut Net<Node>, buffer: usize) -> (Vec<Value>, GetReport) {
    net.buffer = Some(buffer);
    let last = net.nodes.len() - 1;
    net.get(last, KEY)
}

fn ids(values: &[Value]) -> BTreeSet<ValueId> {
    values.iter().map(Value::id).collect()
}
