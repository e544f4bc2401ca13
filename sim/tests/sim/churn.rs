//! Hosts come and go: what is announced stays, and no operation is left waiting.

use std::time::Duration;

use bulla_dht::node::Status;
use bulla_dht::{Draft, Query};
use bulla_sim::{Churn, Distribution, Link, Scenario};

use crate::world::{World, key, median, secs, seed};

#[test]
fn permanent_values_survive_churn() {
    let mut world = World::settled(&churning(301));
    let publishers: Vec<_> = world.hosts().into_iter().take(10).collect();
    for (number, host) in (0..).zip(&publishers) {
        let _ = world
            .put(*host, key(number), &Draft::from("here to stay"), true)
            .unwrap();
    }
    let (mut found, mut of) = (0, 0);
    for _ in 0..15 {
        world.run_for(secs(120));
        for number in 0..10 {
            found += world.found(number);
            of += 1;
        }
    }
    eprintln!("found {found} of {of}");
    assert!(found * 100 >= of * 99, "{found} of {of}");
    world.check();
}

#[test]
fn values_outlive_half_of_the_network() {
    let mut world = World::settled(&Scenario::new(seed(302)));
    let puts = world.put_everywhere(50);
    let hosts = world.hosts();
    for host in hosts.iter().skip(1).step_by(2) {
        world.leave(*host);
    }
    let live = puts
        .iter()
        .filter(|put| !world.holders(**put).is_empty())
        .count();
    let found: usize = (0..50).map(|number| world.found(number)).sum();
    eprintln!("{found} of {live} found at once");
    assert!(found * 100 >= live * 98, "{found} of {live}");
    world.run_for(secs(900));
    for host in world.hosts() {
        assert_eq!(world.status(host), Status::Connected);
    }
    let _ = world.put_everywhere(20);
    world.get_everywhere(20);
    world.check();
}

#[test]
fn a_get_does_not_wait_for_the_dead() {
    let mut world = World::settled(&Scenario::new(seed(303)));
    let _ = world.put_everywhere(20);
    let hosts = world.hosts();
    for host in hosts.iter().skip(1).step_by(2) {
        world.leave(*host);
    }
    let mut durations = Vec::new();
    for number in 0..20 {
        let get = world.get_anywhere(number, Query::default());
        durations.push(world.operation(get).duration().unwrap());
    }
    durations.sort_unstable();
    eprintln!(
        "after half died: {:?}, worst {:?}",
        durations[10], durations[19]
    );
    assert!(durations[10] < secs(5), "{durations:?}");
    world.check();
}

#[test]
fn a_node_that_has_met_the_dead_waits_for_them_no_more() {
    let mut world = World::settled(&Scenario {
        hosts: 32,
        link: Link::PERFECT,
        ..Scenario::new(seed(304))
    });
    let _ = world.put_everywhere(10);
    let hosts = world.hosts();
    for host in hosts.iter().skip(1).step_by(2) {
        world.leave(*host);
    }
    let mut durations = Vec::new();
    for number in 0..10 {
        let get = world.get(hosts[0], key(number), Query::default()).unwrap();
        world.finish_all(&[get]);
        durations.push(world.operation(get).duration().unwrap());
    }
    eprintln!("after half died: {durations:?}");
    // The dead are forgotten after seven seconds: this is before.
    assert!(durations.iter().sum::<Duration>() < secs(5));
    let (_, late) = durations.split_at_mut(5);
    late.sort_unstable();
    let a_time_out = bulla_dht::Config::default().transport.response_time_min;
    assert!(late[2] < a_time_out, "{late:?}");
    world.check();
}

#[test]
fn after_one_get_each_all_know_what_is_left_of_half_a_network() {
    let mut world = World::settled(&Scenario {
        hosts: 128,
        link: Link::PERFECT,
        ..Scenario::new(seed(306))
    });
    let _ = world.put_everywhere(100);
    for host in world.hosts().iter().skip(1).step_by(2) {
        world.leave(*host);
    }
    let mut medians = [Duration::ZERO; 2];
    for (round, median_of) in (0..).zip(&mut medians) {
        let mut gets = Vec::new();
        for (number, host) in (0..).zip(world.hosts()) {
            let key = key(number + round * 36);
            gets.push(world.get(host, key, Query::default()).unwrap());
        }
        world.finish_all(&gets);
        world.run_for(secs(2));
        let durations = gets
            .iter()
            .map(|get| world.operation(*get).duration().unwrap());
        *median_of = median(&mut durations.collect::<Vec<_>>());
    }
    eprintln!("after half died: {medians:?}");
    let a_time_out = bulla_dht::Config::default().transport.response_time_min;
    assert!(medians[1] < a_time_out, "{medians:?}");
    world.check();
}

#[test]
fn operations_during_heavy_churn_end_and_mostly_succeed() {
    let mut world = World::settled(&Scenario {
        churn: Some(Churn {
            session: Distribution::Between(secs(20), secs(120)),
            absence: Distribution::Between(secs(5), secs(30)),
            anchors: 5,
        }),
        ..Scenario::new(seed(304))
    });
    let (mut found, mut of) = (0, 0);
    for number in 0..40 {
        let host = world.any_host().unwrap();
        let put = world
            .put(host, key(number), &Draft::from("quick"), false)
            .unwrap();
        world.finish(&[put]);
        world.run_for(secs(2));
        found += world.found(number);
        of += 1;
    }
    eprintln!("found {found} of {of}");
    assert!(found * 100 >= of * 95, "{found} of {of}");
    world.check();
}

#[test]
fn a_node_that_returns_at_its_address_under_another_id_is_known_again() {
    let mut world = World::settled(&Scenario {
        hosts: 50,
        ..Scenario::new(seed(305))
    });
    let host = world.hosts()[20];
    for _ in 0..5 {
        world.leave(host);
        world.run_for(secs(5));
        world.rejoin(host);
        world.run_for(secs(15));
        assert!(world.good_contacts(host) >= 8);
        let put = world
            .put(host, key(1), &Draft::from("back"), false)
            .unwrap();
        world.finish_all(&[put]);
        assert!(world.operation(put).put_report().unwrap().acknowledged >= 8);
    }
    world.check();
}

fn churning(number: u64) -> Scenario {
    Scenario {
        churn: Some(Churn {
            session: Distribution::Between(secs(300), secs(1_800)),
            absence: Distribution::Between(secs(10), secs(120)),
            anchors: 10,
        }),
        ..Scenario::new(seed(number))
    }
}
