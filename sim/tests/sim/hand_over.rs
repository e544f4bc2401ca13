//! Values outlive the nodes that they were put to: they are handed over.

use std::collections::BTreeMap;
use std::time::Duration;

use bulla_dht::{
    Config, Draft, HandOverConfig, InfoHash, Policy, TypeRules, ValueType, ValueTypes,
};
use bulla_sim::{HostId, HostSpec, OperationId, Scenario};

use crate::world::{World, key, secs, seed};

const VALUES: u64 = 20;
/// A type of values that live for a week.
const LONG_LIVED: ValueType = ValueType(4711);

/// Returns a settled network of so many hosts.
fn network(seed: u64, hosts: usize, hand_over: &HandOverConfig) -> (World, HostSpec) {
    let mut value_types = ValueTypes::default();
    let rules = TypeRules {
        lifetime: Duration::from_secs(7 * 24 * 3_600),
        policy: Policy::Open,
    };
    value_types.register(LONG_LIVED, rules);
    let config = Config {
        hand_over: hand_over.clone(),
        value_types,
        ..Config::default()
    };
    let spec = HostSpec {
        config: config.clone(),
        ..HostSpec::default()
    };
    let world = World::settled(&Scenario {
        hosts,
        config,
        ..Scenario::new(seed)
    });
    (world, spec)
}

/// Returns how many of the values a host at random finds, after 40 nodes have joined ten, and after
/// the ten have left one after the other or at once.
fn found_of_20(hand_over: &HandOverConfig, at_once: bool) -> [usize; 2] {
    let (mut world, spec) = network(seed(831), 10, hand_over);
    let first = world.hosts();
    world.put_everywhere(VALUES);
    for _ in 0..40 {
        world.join(spec.clone());
        world.run_for(secs(1));
    }
    world.run_for(secs(20));
    let found = |world: &mut World| (0..VALUES).filter(|it| world.found(*it) == 1).count();
    let joined = found(&mut world);
    let sent = |world: &World, hosts: &[HostId]| -> u64 {
        hosts.iter().map(|host| world.datagrams_sent(*host)).sum()
    };
    let before = sent(&world, &first);
    let groups = first.chunks(if at_once { first.len() } else { 1 });
    let mut leaving = 0;
    for group in groups {
        for host in group {
            world.begin_leave(*host, secs(2));
        }
        world.run_for(secs(2));
        leaving += sent(&world, group);
        for host in group {
            assert!(world.node(*host).unwrap().has_left());
            world.leave(*host);
        }
    }
    eprintln!("{} datagrams sent by those that left", leaving - before);
    world.run_for(secs(20));
    let left = found(&mut world);
    world.check();
    [joined, left]
}

#[test]
fn values_are_found_after_many_nodes_have_come_and_those_that_held_them_have_left() {
    for at_once in [false, true] {
        let found = found_of_20(&HandOverConfig::default(), at_once);
        eprintln!("handed over, at once: {at_once}: {found:?}");
        assert_eq!(found, [20, 20]);
    }
    let off = HandOverConfig {
        to_newcomers: false,
        republish_after: None,
        on_leave: false,
    };
    let found = found_of_20(&off, false);
    eprintln!("not handed over: {found:?}");
    assert!(found[1] < 20);
}

#[test]
fn a_node_that_restarts_with_its_address_is_given_back_what_it_held() {
    let (mut world, spec) = network(seed(832), 11, &HandOverConfig::default());
    let mut spec = spec;
    spec.config.id = Some(InfoHash::of(b"the one that restarts"));
    let host = world.join(spec);
    world.run_for(secs(20));
    let puts = world.put_everywhere(VALUES);
    world.run_for(secs(130));
    let held = |world: &World| -> Vec<OperationId> {
        let holds = |put: &&OperationId| world.holders(**put).contains(&host);
        puts.iter().filter(holds).copied().collect()
    };
    let is_near = |world: &World, put: OperationId| {
        let key = world.operation(put).key;
        world.nearest(host, key, 8).contains(&host)
    };
    let before = held(&world);
    world.leave(host);
    world.run_for(secs(5));
    assert_eq!(held(&world), []);
    world.rejoin(host);
    world.run_for(secs(30));
    let after = held(&world);
    let near = before.iter().filter(|put| is_near(&world, **put));
    let missed: Vec<_> = near.clone().filter(|it| !after.contains(it)).collect();
    eprintln!(
        "held {} before, {} of them as one of the eight nearest; {} after",
        before.len(),
        near.count(),
        after.len()
    );
    assert!(before.len() > 5 && missed.is_empty(), "{missed:?}");
    world.check();
}

#[test]
fn what_lives_for_long_is_republished_where_holders_are_gone() {
    let (mut world, _) = network(seed(833), 40, &HandOverConfig::default());
    let writer = world.hosts()[3];
    let puts: Vec<_> = (0..VALUES)
        .map(|number| {
            let draft = Draft::new(vec![number as u8]).value_type(LONG_LIVED);
            world.put(writer, key(number), &draft, false).unwrap()
        })
        .collect();
    world.finish_all(&puts);
    // Five of the eight holders of one value end without a word, and others lose some with them.
    for host in world.holders(puts[0]).into_iter().skip(2).take(5) {
        world.leave(host);
    }
    let fewest = |world: &World| {
        let near = |number: usize| {
            let nearest = world.nearest(writer, key(number as u64), 8);
            let holders = world.holders(puts[number]);
            nearest.iter().filter(|host| holders.contains(host)).count()
        };
        (0..puts.len()).map(near).min()
    };
    let mut counts = BTreeMap::new();
    counts.insert("before", fewest(&world));
    world.run_for(secs(1_500));
    counts.insert("after", fewest(&world));
    eprintln!("of the eight nearest, the fewest that hold a value: {counts:?}");
    assert!(counts["before"] < Some(5) && counts["after"] >= Some(7));
    world.check();
}
