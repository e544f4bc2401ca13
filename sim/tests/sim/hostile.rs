//! Hostile hosts are ordinary members of the network: the others go on, keep their bounds, and harm
//! none.

use bulla_dht::node::{PutReport, Status};
use bulla_dht::{Draft, Query};
use bulla_sim::{Behaviour, OperationId, Scenario};

use crate::world::{World, key, median, secs, seed};

#[test]
fn liars_that_name_nodes_that_do_not_exist_delay_but_do_not_hide() {
    let found = survives(501, Behaviour::Liar, 40);
    assert!(found >= 95, "{found} %");
}

#[test]
fn wrong_tokens_do_not_keep_values_from_honest_nodes() {
    let found = survives(502, Behaviour::WrongTokens, 40);
    assert!(found >= 98, "{found} %");
}

#[test]
fn replies_without_token_do_not_stop_lookups() {
    let found = survives(503, Behaviour::NoTokens, 40);
    assert!(found >= 98, "{found} %");
}

#[test]
fn nodes_that_keep_values_to_themselves_do_not_hide_them() {
    let found = survives(504, Behaviour::Denier, 60);
    assert!(found >= 98, "{found} %");
}

#[test]
fn nodes_that_answer_only_pings_do_not_stop_lookups() {
    let found = survives(505, Behaviour::Mute, 60);
    assert!(found >= 98, "{found} %");
}

#[test]
fn values_that_never_come_whole_do_not_stop_gets() {
    let found = survives(506, Behaviour::EndlessParts, 40);
    assert!(found >= 98, "{found} %");
}

#[test]
fn half_sent_values_are_found_elsewhere() {
    let mut world = World::settled(&with(507, Behaviour::HalfParts, 60));
    for number in 0..10 {
        let host = world.any_host().unwrap();
        let draft = Draft::new(vec![number as u8; 20_000]);
        let put = world.put(host, key(number), &draft, false).unwrap();
        world.finish_all(&[put]);
        assert_eq!(world.found(number), 1);
    }
    world.check();
}

#[test]
fn floods_do_not_stop_the_others() {
    let found = survives(508, Behaviour::Flooder, 10);
    assert!(found >= 98, "{found} %");
}

#[test]
fn replayed_datagrams_change_nothing() {
    let found = survives(509, Behaviour::Replayer, 40);
    assert!(found >= 98, "{found} %");
}

#[test]
fn garbage_is_dropped() {
    let found = survives(510, Behaviour::Garbage, 40);
    assert!(found >= 98, "{found} %");
}

#[test]
fn an_unvalidated_address_gets_one_small_datagram_for_each_request() {
    let mut world = World::settled(&with(511, Behaviour::Spoofer, 20));
    // Large values everywhere, so that answers could be large.
    for number in 0..50 {
        let host = world.any_host().unwrap();
        let draft = Draft::new(vec![number as u8; 30_000]);
        let _ = world.put(host, key(number), &draft, false).unwrap();
    }
    world.run_for(secs(60));
    let asked = world.spoofed();
    let astray = world.undelivered_to(Behaviour::VICTIM);
    eprintln!("{asked:?} spoofed, {astray:?} sent to the victim");
    assert!(asked.datagrams > 10_000);
    assert!(astray.largest <= 600);
    assert!(astray.datagrams <= asked.datagrams * 12 / 10);
    world.check();
}

#[test]
fn one_tenth_of_every_behaviour_together_is_survived() {
    let mut world = World::settled(&Scenario {
        hosts: 160,
        hostile: Behaviour::ALL.map(|behaviour| (behaviour, 4)).into(),
        ..Scenario::new(seed(513))
    });
    let found = found_percent(&mut world, 50);
    assert!(found >= 95, "{found} %");
    world.check();
}

/// 200 nodes of which so many are hostile; how many percent of values were found.
fn survives(number: u64, behaviour: Behaviour, count: usize) -> usize {
    let mut world = World::settled(&with(number, behaviour, count));
    let found = found_percent(&mut world, 50);
    for host in world.hosts() {
        assert_eq!(world.status(host), Status::Connected);
        let stats = world.stats(host);
        assert!(stats.pending_requests < 500, "{stats:?}");
    }
    world.check();
    found
}

fn found_percent(world: &mut World, keys: u64) -> usize {
    let puts = world.put_everywhere(keys);
    let mut acknowledged: Vec<_> = puts
        .iter()
        .map(|put| report(world, *put).acknowledged)
        .collect();
    let mut waits: Vec<_> = puts
        .iter()
        .map(|put| world.operation(*put).duration().unwrap())
        .collect();
    let gets: Vec<_> = (0..keys)
        .map(|number| world.get_anywhere(number, Query::default()))
        .collect();
    let mut durations: Vec<_> = gets
        .iter()
        .map(|get| world.operation(*get).duration().unwrap())
        .collect();
    let found = gets
        .iter()
        .filter(|get| !world.operation(**get).values().is_empty())
        .count();
    eprintln!(
        "found {found} of {keys}; put {:?} (worst {:?}), acknowledged {} (worst {}); get {:?} (worst {:?})",
        median(&mut waits),
        waits[waits.len() - 1],
        median(&mut acknowledged),
        acknowledged[0],
        median(&mut durations),
        durations[durations.len() - 1],
    );
    found * 100 / keys as usize
}

fn report(world: &World, put: OperationId) -> PutReport {
    world.operation(put).put_report().unwrap()
}

fn with(number: u64, behaviour: Behaviour, count: usize) -> Scenario {
    Scenario {
        hosts: 200 - count,
        hostile: vec![(behaviour, count)],
        ..Scenario::new(seed(number))
    }
}
