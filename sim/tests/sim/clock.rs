//! Clocks that jump: systems that sleep, calendars that are wrong or set.

use std::time::Duration;

use bulla_dht::{Draft, Query, UnixTime};
use bulla_sim::{HostId, Scenario};

use crate::world::{World, key, secs, seed};

const HOUR: Duration = secs(3_600);
const DAY: u64 = 86_400;

fn world(number: u64) -> World {
    World::settled(&Scenario {
        hosts: 60,
        ..Scenario::new(seed(number))
    })
}

fn set_back(world: &mut World, host: HostId, seconds: u64) {
    let today = calendar(world, host);
    world.set_calendar(host, UnixTime::from_secs(today - seconds));
}

fn calendar(world: &World, host: HostId) -> u64 {
    let node = world.node(host).unwrap();
    node.calendar(world.clock(host)).as_secs()
}

#[test]
fn what_was_due_while_a_host_slept_is_done_at_once() {
    let mut world = world(901);
    let hosts = world.hosts();
    let (sleeper, other) = (hosts[20], hosts[40]);
    let listen = world.listen(sleeper, key(1), Query::default()).unwrap();
    let draft = Draft::from("for good");
    let put = world.put(sleeper, key(0), &draft, true).unwrap();
    world.finish_all(&[put]);
    world.sleep(sleeper, HOUR);
    world.run_for(secs(3_570));
    assert_eq!(world.found(0), 0, "nothing has kept it alive");
    world.run_for(secs(45));
    assert_eq!(world.found(0), 1);
    assert!(world.holders(put).len() >= 7);
    let put = world
        .put(other, key(1), &Draft::from("heard"), false)
        .unwrap();
    world.finish_all(&[put]);
    world.run_for(secs(5));
    assert_eq!(world.operation(listen).values().len(), 1);
    world.check();
}

#[test]
fn a_put_that_had_to_wait_is_held_though_its_sender_is_an_hour_behind() {
    let mut world = world(902);
    let hosts = world.hosts();
    let (late, others) = (hosts[20], [&hosts[..20], &hosts[21..]].concat());
    set_back(&mut world, late, 3_600);
    world.split(&[&[late], &others]);
    let put = world
        .put(late, key(0), &Draft::from("late"), false)
        .unwrap();
    world.run_for(secs(2));
    world.heal();
    world.finish_all(&[put]);
    let acknowledged = world.operation(put).put_report().unwrap().acknowledged;
    assert!(acknowledged >= 7, "{acknowledged}");
    // A node that is too far from the key acknowledges too: each path leads to its own nearest.
    let held = world.holders(put);
    assert!(held.len() >= 8, "{held:?} of {acknowledged}");
    assert_eq!(world.found(0), 1);
}

#[test]
fn a_calendar_that_jumps_a_day_either_way_loses_nothing() {
    let mut world = world(903);
    world.put_everywhere(10);
    for forward in [true, false] {
        for host in world.hosts() {
            let today = calendar(&world, host);
            let day = if forward { today + DAY } else { today - DAY };
            world.set_calendar(host, UnixTime::from_secs(day));
        }
        world.get_everywhere(10);
    }
    // Half of them alone.
    for host in world.hosts().into_iter().step_by(2) {
        set_back(&mut world, host, DAY);
    }
    world.get_everywhere(10);
    for put in world.put_everywhere(10) {
        assert!(world.holders(put).len() >= 7);
    }
    for number in 0..10 {
        assert_eq!(world.found(number), 2, "one from before, one from now");
    }
}

#[test]
fn a_host_that_starts_in_1970_takes_part() {
    let mut world = world(904);
    let host = world.hosts()[20];
    world.set_calendar(host, UnixTime::from_secs(60));
    world.run_for(secs(60));
    let put = world
        .put(host, key(0), &Draft::from("hello"), true)
        .unwrap();
    world.finish_all(&[put]);
    world.run_for(HOUR);
    assert_eq!(world.found(0), 1);
    assert!(world.holders(put).len() >= 7);
    let other = world.hosts()[30];
    let put = world
        .put(other, key(1), &Draft::from("hello"), false)
        .unwrap();
    world.finish_all(&[put]);
    let get = world.get(host, key(1), Query::default()).unwrap();
    world.finish_all(&[get]);
    assert_eq!(world.operation(get).values().len(), 1);
}
