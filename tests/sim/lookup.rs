//! Lookups: do they end, how fast, and do they find the nearest nodes?

use bulla::node::Status;
use bulla::sim::{Link, Scenario};
use bulla::{Draft, Family, InfoHash, Query};

use crate::world::{World, secs, seed};

#[test]
fn two_hundred_nodes_connect_and_find() {
    let scenario = Scenario::new(seed(1));
    let start = std::time::Duration::ZERO;
    let _ = start;
    let mut world = World::settled(&scenario);
    eprintln!("settled {:?} at {:?}", world.trace(), world.now());
    let hosts = world.hosts();
    let mut puts = Vec::new();
    for i in 0..20u64 {
        let key = InfoHash::of(&i.to_be_bytes());
        let host = world.any_host().unwrap();
        puts.push(world.put(host, key, &Draft::from("hello"), false).unwrap());
    }
    world.finish_all(&puts);
    for put in &puts {
        eprintln!(
            "{:?} {:?}",
            world.errand(*put).put_report(),
            world.errand(*put).duration()
        );
    }
    let mut gets = Vec::new();
    for i in 0..20u64 {
        let key = InfoHash::of(&i.to_be_bytes());
        let host = world.any_host().unwrap();
        gets.push(world.get(host, key, Query::default()).unwrap());
    }
    world.finish_all(&gets);
    for get in &gets {
        let e = world.errand(*get);
        eprintln!(
            "{:?} {:?} {:?} {}",
            e.get_report(),
            e.duration(),
            e.time_to_first_value(),
            e.values().len()
        );
    }
    world.run_for(secs(60));
    eprintln!("end {:?} at {:?}", world.trace(), world.now());
    let statuses = hosts
        .iter()
        .filter(|host| world.node(**host).unwrap().status(Family::V4) == Status::Connected)
        .count();
    assert_eq!(statuses, hosts.len());
    let _ = Link::PERFECT;
    world.check();
}
