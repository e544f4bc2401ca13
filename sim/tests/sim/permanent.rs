//! Permanent puts, more of them than the configured background rate pays for: none runs out.

use bulla_dht::{Config, Draft, OperationConfig};
use bulla_sim::{OperationId, Scenario};

use crate::world::{World, key, secs, seed};

/// Has one of twelve nodes put so many values for good, watches them for `minutes` once all are
/// announced, and asserts that each is always held by other nodes.
fn all_are_held(seed: u64, rate: u32, puts: u64, minutes: u32) {
    let mut world = World::settled(&Scenario {
        hosts: 12,
        config: Config {
            operations: OperationConfig {
                background_rate_per_sec: rate,
                ..OperationConfig::default()
            },
            ..Config::default()
        },
        ..Scenario::new(seed)
    });
    let publisher = world.hosts()[5];
    let puts: Vec<_> = (0..puts)
        .map(|number| {
            let draft = Draft::new(number.to_be_bytes().to_vec());
            world.put(publisher, key(number), &draft, true).unwrap()
        })
        .collect();
    let began = world.now();
    let mut first = 0;
    while let Some(put) = puts.get(first) {
        match world.operation(*put).ended {
            Some(_) => first += 1,
            None => world.run_for(secs(1)),
        }
    }
    let announced_after = world.now().since(began);
    let lost = |world: &World| {
        let elsewhere = |put: &OperationId| world.holders(*put).iter().any(|it| *it != publisher);
        puts.iter().filter(|put| !elsewhere(put)).count()
    };
    let (mut most_lost, mut most_overdue) = (0, 0);
    let before = world.datagrams_sent(publisher);
    for _ in 0..minutes {
        world.run_for(secs(60));
        most_lost = most_lost.max(lost(&world));
        most_overdue = most_overdue.max(world.stats(publisher).overdue_announcements);
    }
    let sent = world.datagrams_sent(publisher) - before;
    eprintln!(
        "{} puts announced after {announced_after:?}; then for {minutes} minutes at most \
         {most_lost} held by no other node, {most_overdue} overdue, {} datagrams a second",
        puts.len(),
        sent / (60 * u64::from(minutes))
    );
    assert_eq!((most_lost, most_overdue), (0, 0));
    world.check();
}

#[test]
fn the_rate_follows_permanent_puts_so_that_none_runs_out() {
    all_are_held(seed(821), 8, 400, 40);
}

/// As many as a node may have, with default settings: an hour of a processor.
#[test]
#[ignore = "long"]
fn as_many_permanent_puts_as_operations_are_held() {
    all_are_held(seed(822), 512, 65_536, 25);
}
