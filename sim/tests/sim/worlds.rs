//! Worlds of regions, routers and restarts.

use std::ops::ControlFlow;

use bulla_dht::node::Status;
use bulla_dht::{Draft, Query};
use bulla_sim::{Churn, Distribution, Experiment, Link, Nat, Phase, Results, Scenario, Start};

use crate::world::{World, key, median, millis, secs, seed};

#[test]
fn hosts_behind_routers_of_each_kind_put_and_get() {
    let mut world = World::settled(&Scenario {
        hosts: 60,
        natted: Nat::ALL.map(|nat| (nat, 5)).into(),
        ..Scenario::new(seed(701))
    });
    let behind = world.behind_nat();
    assert_eq!(behind.len(), 20);
    for (number, host) in (0..).zip(&behind) {
        let put = world
            .put(*host, key(number), &Draft::from("from behind"), false)
            .unwrap();
        world.finish_all(&[put]);
        assert!(world.operation(put).put_report().unwrap().acknowledged >= 7);
        let other = behind[(number as usize + 7) % behind.len()];
        let get = world.get(other, key(number), Query::default()).unwrap();
        world.finish_all(&[get]);
        assert_eq!(world.operation(get).values().len(), 1);
    }
    world.check();
}

#[test]
fn nothing_is_stored_at_hosts_that_let_nothing_in() {
    let mut world = World::settled(&Scenario {
        hosts: 40,
        natted: vec![(Nat::Symmetric, 40)],
        ..Scenario::new(seed(702))
    });
    let behind = world.behind_nat();
    let puts = world.put_everywhere(30);
    let held: usize = puts
        .iter()
        .flat_map(|put| world.holders(*put))
        .filter(|host| behind.contains(host))
        .count();
    let all: usize = puts.iter().map(|put| world.holders(*put).len()).sum();
    eprintln!("{held} of {all} copies behind routers");
    assert!(held * 2 < all, "{held} of {all}");
    world.get_everywhere(30);
    world.check();
}

#[test]
fn the_world_is_as_slow_as_its_regions() {
    let results = results(&Experiment::of(Scenario {
        hosts: 200,
        link: Link::WORLD,
        ..Scenario::new(seed(703))
    }));
    assert_eq!(results.found, 500, "{results:?}");
    // One round trip between two regions at random takes 140 ms.
    assert!(
        (20.0..400.0).contains(&results.latency_ms_p50),
        "{results:?}"
    );
    assert!(results.latency_ms_p99 < 1_500.0, "{results:?}");
    assert!((1..=2).contains(&results.hops_p50), "{results:?}");
}

#[test]
fn a_restarted_network_knows_itself_at_once() {
    let mut world = World::new(&Scenario {
        start: Start::Warm,
        ..Scenario::new(seed(704))
    });
    world.run_for(secs(10));
    let hosts = world.hosts();
    assert_eq!(hosts.len(), 200);
    for host in &hosts {
        assert_eq!(world.status(*host), Status::Connected);
    }
    let mut good: Vec<_> = hosts
        .iter()
        .map(|host| world.good_contacts(*host))
        .collect();
    assert!(median(&mut good) >= 20, "{good:?}");
    world.put_everywhere(20);
    world.get_everywhere(20);
    world.check();
}

#[test]
fn an_experiment_measures_churn_and_what_is_left_when_nodes_vanish() {
    let results = results(&Experiment {
        lookups: 200,
        values: 40,
        vanish: vec![20, 60],
        ..Experiment::of(Scenario {
            hosts: 100,
            away: 100,
            link: Link::WORLD,
            churn: Some(Churn {
                session: Distribution::Exponential(secs(600)),
                absence: Distribution::Exponential(secs(600)),
                anchors: 3,
            }),
            ..Scenario::new(seed(705))
        })
    });
    assert!((60..=140).contains(&results.nodes), "{results:?}");
    assert!(results.found * 100 >= results.lookups * 97, "{results:?}");
    assert!(results.found + results.abandoned <= 200, "{results:?}");
    assert!(results.connected > 100, "{results:?}");
    assert!(results.busy.bytes_per_node_per_s > results.idle.bytes_per_node_per_s);
    let [few, many] = &results.vanished[..] else {
        panic!("{results:?}");
    };
    assert!(few.found * 100 >= few.still_held * 90, "{results:?}");
    assert!(many.still_held <= few.still_held, "{results:?}");
    assert_eq!(results.violations, 0, "{results:?}");
}

#[test]
fn an_experiment_says_of_a_lookup_that_found_nothing_what_there_was_to_find() {
    let eleven_minutes = secs(11 * 60);
    let results = results(&Experiment {
        lookups: 4,
        values: 2,
        age: (eleven_minutes, eleven_minutes),
        ..Experiment::of(Scenario {
            hosts: 20,
            ..Scenario::new(seed(707))
        })
    });
    assert_eq!((results.lookups, results.found), (4, 0));
    assert_eq!(results.misses.len(), 4);
    for miss in &results.misses {
        assert!(miss.acknowledged >= 7 && miss.answered >= 7, "{miss:?}");
        assert!(miss.began_s - miss.put_s >= 600.0, "{miss:?}");
        assert_eq!((miss.holders, miss.nearest_holders), (0, 0), "expired");
    }
}

#[test]
fn an_experiment_ends_when_it_is_told_to() {
    let experiment = Experiment::of(Scenario::new(seed(706)));
    let end = experiment.run(|sim, progress| match progress.phase {
        Phase::Arrival if sim.now().since(bulla_dht::Timestamp::ZERO) < millis(1_000) => {
            ControlFlow::Continue(())
        }
        _ => ControlFlow::Break(()),
    });
    assert_eq!(end, None);
}

fn results(experiment: &Experiment) -> Results {
    experiment.run(|_, _| ControlFlow::Continue(())).unwrap()
}
