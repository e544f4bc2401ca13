//! Nodes get more requests than they accept.

use bulla_dht::node::Status;
use bulla_dht::{Config, Draft, TransportConfig};
use bulla_sim::{Link, Scenario};

use crate::world::{World, key, secs, seed};

#[test]
fn a_network_asked_more_than_it_lets_through_slows_down_and_stays_whole() {
    const BATCHES: u64 = 30;
    const BATCH: u64 = 64;
    let mut world = World::settled(&Scenario {
        hosts: 8,
        link: Link::PERFECT,
        config: Config {
            transport: TransportConfig {
                peer_rate_limit_per_sec: Some(32),
                ..TransportConfig::default()
            },
            ..Config::default()
        },
        ..Scenario::new(seed(1_101))
    });
    let began = world.now();
    let mut unheard = 0;
    for batch in 0..BATCHES {
        let puts = (batch * BATCH..).take(BATCH as usize).map(|number| {
            let host = world.any_host().unwrap();
            world
                .put(host, key(number), &Draft::from("one of many"), false)
                .unwrap()
        });
        let puts: Vec<_> = puts.collect();
        world.finish_all(&puts);
        let reports = puts
            .iter()
            .filter_map(|put| world.operation(*put).put_report());
        unheard += reports.filter(|report| report.acknowledged == 0).count();
        for host in world.hosts() {
            assert_eq!(world.status(host), Status::Connected);
            assert_eq!(world.good_contacts(host), 7);
        }
    }
    let took = world.now().since(began);
    eprintln!("{took:?}, {unheard} puts were acknowledged by no node");
    assert!(took > secs(7), "{took:?}: hardly more than is let through");
    assert!(unheard <= 20, "{unheard}");
    for number in (0..BATCHES * BATCH).step_by(20) {
        assert_eq!(world.found(number), 1);
        world.run_for(secs(1));
    }
    world.check();
}
