//! Networks in which many nodes share an address: none is locked out by the bounds of tables.

use bulla_dht::{Config, Draft, Query};
use bulla_sim::{Addressing, HostId, Link, Scenario};

use crate::world::{World, key, seed};

/// What the nodes of a world, or some of them, have and reach.
#[derive(Debug)]
struct Figures {
    nodes: usize,
    /// Good contacts of the node that has fewest, and of the median.
    fewest: usize,
    median: usize,
    /// Operations of which each node does one.
    fewest_acknowledged: usize,
    found: usize,
    /// Values that each node holds, on average, in tenths.
    tenths_held: usize,
}

#[test]
fn nodes_behind_one_public_address_are_served_by_those_elsewhere() {
    let mut world = settled(
        60,
        vec![Addressing::PublicV4, Addressing::SharedV4],
        Config::default(),
    );
    let hosts = world.hosts();
    let every_other = |from| {
        hosts
            .iter()
            .copied()
            .skip(from)
            .step_by(2)
            .collect::<Vec<_>>()
    };
    let (elsewhere, behind) = (every_other(0), every_other(1));
    for (name, hosts) in [("behind one address", behind), ("elsewhere", elsewhere)] {
        let figures = measure(&mut world, &hosts);
        eprintln!("{name}: {figures:?}");
        assert_eq!((figures.nodes, figures.found), (30, 30), "{figures:?}");
        assert!(
            figures.fewest_acknowledged >= 8 && figures.fewest >= 8,
            "{figures:?}"
        );
    }
    world.check();
}

#[test]
fn a_network_behind_one_public_address_works() {
    let mut world = settled(20, vec![Addressing::SharedV4], Config::default());
    let hosts = world.hosts();
    let figures = measure(&mut world, &hosts);
    eprintln!("{figures:?}");
    assert_eq!((figures.median, figures.found), (2, 20), "{figures:?}");
    // So few know each other that each value is stored at a handful of nodes.
    assert!((20..=80).contains(&figures.tenths_held), "{figures:?}");
    world.check();
}

#[test]
fn on_one_lan_and_on_one_host_there_are_no_bounds_unless_they_are_asked_for() {
    for addressing in [Addressing::V4, Addressing::LoopbackV4] {
        for limit_private_networks in [false, true] {
            let mut config = Config::default();
            config.routing.limit_private_networks = limit_private_networks;
            let mut world = settled(20, vec![addressing], config);
            let hosts = world.hosts();
            let figures = measure(&mut world, &hosts);
            eprintln!("{addressing:?}, limited {limit_private_networks}: {figures:?}");
            assert_eq!(figures.found, 20, "{figures:?}");
            let expected = if limit_private_networks { 2 } else { 19 };
            assert_eq!(figures.median, expected, "{figures:?}");
            world.check();
        }
    }
}

#[test]
fn the_size_of_a_network_is_known_from_its_lookups() {
    let mut world = settled(300, vec![Addressing::V4], Config::default());
    world.put_everywhere(30);
    world.get_everywhere(30);
    let host = world.hosts()[7];
    for number in 0..40 {
        let get = world.get(host, key(100 + number), Query::default());
        world.finish_all(&[get.unwrap()]);
    }
    let v4 = world.stats(host).families.v4;
    let (estimate, error) = (v4.network_size_estimate, v4.network_size_error_percent);
    eprintln!(
        "{estimate} of 300, error {error:?} %, {} dense",
        v4.dense_lookups
    );
    assert!((220..=400).contains(&estimate), "{estimate}");
    assert!(error.is_some_and(|percent| percent <= 12) && v4.dense_lookups <= 1);
    world.check();
}

fn settled(hosts: usize, addressing: Vec<Addressing>, config: Config) -> World {
    World::settled(&Scenario {
        hosts,
        addressing,
        config,
        link: Link::PERFECT,
        ..Scenario::new(seed(1_301))
    })
}

/// Has each of these hosts put a value, and the next one get it.
fn measure(world: &mut World, hosts: &[HostId]) -> Figures {
    let mut tables: Vec<_> = hosts
        .iter()
        .map(|host| world.good_contacts(*host))
        .collect();
    tables.sort_unstable();
    let mut fewest_acknowledged = usize::MAX;
    let (mut found, mut puts) = (0, Vec::new());
    for (number, host) in (0..).zip(hosts) {
        let draft = Draft::from("of many at one address");
        let put = world.put(*host, key(number), &draft, false).unwrap();
        world.finish_all(&[put]);
        let report = world.operation(put).put_report().unwrap();
        fewest_acknowledged = fewest_acknowledged.min(report.acknowledged);
        let reader = hosts[(number as usize + 1) % hosts.len()];
        let get = world.get(reader, key(number), Query::default()).unwrap();
        world.finish_all(&[get]);
        found += usize::from(!world.operation(get).values().is_empty());
        puts.push(put);
    }
    let holders: Vec<_> = puts.iter().flat_map(|put| world.holders(*put)).collect();
    let held = hosts
        .iter()
        .map(|host| holders.iter().filter(|it| *it == host).count());
    Figures {
        nodes: hosts.len(),
        fewest: tables[0],
        median: tables[tables.len() / 2],
        fewest_acknowledged,
        found,
        tenths_held: held.sum::<usize>() * 10 / hosts.len(),
    }
}
