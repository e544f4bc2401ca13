//! The same seed is the same world, datagram by datagram.

use bulla_dht::{Draft, Query};
use bulla_sim::{
    Addressing, Behaviour, Churn, Distribution, Link, Nat, Scenario, Start, TraceDigest,
};

use crate::world::{World, key, secs, seed};

#[test]
fn an_ordinary_world_replays() {
    replays(&Scenario::new(seed(401)));
}

#[test]
fn a_world_of_comings_and_goings_replays() {
    replays(&Scenario {
        churn: Some(Churn {
            session: Distribution::Between(secs(20), secs(60)),
            absence: Distribution::Between(secs(5), secs(30)),
            anchors: 5,
        }),
        ..small(402)
    });
}

#[test]
fn a_hostile_world_replays() {
    replays(&Scenario {
        hostile: Behaviour::ALL.map(|behaviour| (behaviour, 2)).into(),
        ..small(403)
    });
}

#[test]
fn a_world_of_both_families_with_clients_and_filters_replays() {
    replays(&Scenario {
        clients: 5,
        natted: Nat::ALL.map(|nat| (nat, 2)).into(),
        addressing: vec![Addressing::Dual, Addressing::V4, Addressing::V6],
        link: Link {
            duplication_per_mille: 100,
            ..Link::INTERNET
        },
        ..small(404)
    });
}

#[test]
fn a_warm_world_of_regions_replays() {
    replays(&Scenario {
        start: Start::Warm,
        link: Link::WORLD,
        away: 30,
        churn: Some(Churn {
            session: Distribution::Exponential(secs(60)),
            absence: Distribution::HeavyTailed(secs(30)),
            anchors: 5,
        }),
        ..small(407)
    });
}

#[test]
fn another_seed_is_another_world() {
    assert_ne!(run(&small(405)), run(&small(406)));
}

fn small(number: u64) -> Scenario {
    Scenario {
        hosts: 60,
        ..Scenario::new(seed(number))
    }
}

fn replays(scenario: &Scenario) {
    assert_eq!(run(scenario), run(scenario));
}

fn run(scenario: &Scenario) -> TraceDigest {
    let mut world = World::settled(scenario);
    let listener = world.any_host().unwrap();
    world.listen(listener, key(0), Query::default()).unwrap();
    for number in 0..5 {
        let host = world.any_host().unwrap();
        world
            .put(host, key(number), &Draft::from("again"), number == 0)
            .unwrap();
        world.run_for(secs(5));
        let host = world.any_host().unwrap();
        world.get(host, key(number), Query::default()).unwrap();
        world.run_for(secs(5));
    }
    world.trace().digest()
}
