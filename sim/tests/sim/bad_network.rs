//! Bad networks: loss, disorder, copies, splits, one-way doors, two families.

use bulla_dht::node::Status;
use bulla_dht::{Config, Draft, Family, Query};
use bulla_sim::{Addressing, HostId, HostSpec, Latency, Link, Nat, Scenario};

use crate::world::{World, key, millis, secs, seed};

#[test]
fn a_third_of_all_datagrams_may_get_lost() {
    let mut world = World::settled(&Scenario {
        link: Link {
            loss_per_mille: 300,
            ..Link::INTERNET
        },
        ..Scenario::new(seed(601))
    });
    world.put_everywhere(30);
    let found: usize = (0..30).map(|number| world.found(number)).sum();
    assert!(found >= 28, "{found} of 30");
}

#[test]
fn datagrams_may_overtake_each_other_and_come_twice() {
    let mut world = World::settled(&Scenario {
        link: Link {
            latency: Latency::Between(millis(5), millis(20)),
            jitter: millis(300),
            loss_per_mille: 20,
            duplication_per_mille: 300,
        },
        ..Scenario::new(seed(602))
    });
    let listener = world.hosts()[3];
    let listen = world.listen(listener, key(0), Query::default()).unwrap();
    world.run_for(secs(5));
    let large = Draft::new(vec![1; 30_000]);
    let host = world.hosts()[9];
    let put = world.put(host, key(0), &large, false).unwrap();
    world.finish_all(&[put]);
    assert!(world.operation(put).put_report().unwrap().acknowledged >= 6);
    world.run_for(secs(10));
    assert_eq!(world.operation(listen).values().len(), 1);
    assert_eq!(world.found(0), 1);
    world.check();
}

#[test]
fn a_slow_network_is_only_slow() {
    let mut world = World::settled(&Scenario {
        link: Link {
            latency: Latency::Between(millis(600), millis(900)),
            jitter: millis(100),
            ..Link::INTERNET
        },
        ..Scenario::new(seed(603))
    });
    world.put_everywhere(20);
    world.get_everywhere(20);
    world.check();
}

#[test]
fn both_halves_of_a_split_network_go_on_and_become_one_again() {
    let mut world = World::settled(&Scenario::new(seed(604)));
    let hosts = world.hosts();
    let (left, right) = hosts.split_at(100);
    let put = world
        .put(left[7], key(0), &Draft::from("before"), true)
        .unwrap();
    world.finish_all(&[put]);
    let listen = world.listen(right[8], key(1), Query::default()).unwrap();
    world.run_for(secs(5));
    world.split(&[left, right]);
    world.run_for(secs(60));
    for (side, number) in [(left, 1), (right, 2)] {
        let put = world
            .put(side[50], key(number), &Draft::from("during"), true)
            .unwrap();
        world.finish_all(&[put]);
        let get = world.get(side[20], key(number), Query::default()).unwrap();
        world.finish_all(&[get]);
        assert_eq!(world.operation(get).values().len(), 1);
    }
    world.run_for(secs(600));
    assert!(world.operation(listen).values().is_empty());
    world.heal();
    world.run_for(secs(900));
    assert_eq!(world.operation(listen).values().len(), 1);
    for (side, number) in [(right, 0), (right, 1), (left, 2)] {
        for reader in &side[10..20] {
            let get = world.get(*reader, key(number), Query::default()).unwrap();
            world.finish_all(&[get]);
            assert_eq!(world.operation(get).values().len(), 1, "key {number}");
        }
    }
    world.check();
}

#[test]
fn a_host_that_was_cut_off_for_long_comes_back_by_itself() {
    let mut world = World::settled(&Scenario {
        hosts: 60,
        ..Scenario::new(seed(605))
    });
    let hosts = world.hosts();
    let (alone, others) = (hosts[30], [&hosts[..30], &hosts[31..]].concat());
    let listen = world.listen(alone, key(1), Query::default()).unwrap();
    world.run_for(secs(5));
    world.split(&[&[alone], &others]);
    world.run_for(secs(1_800));
    assert_ne!(world.status(alone), Status::Connected);
    let get = world.get(alone, key(1), Query::default()).unwrap();
    world.finish_all(&[get]);
    world.heal();
    world.connectivity_changed(alone);
    world.run_for(secs(15));
    assert_eq!(world.status(alone), Status::Connected);
    let put = world
        .put(others[3], key(1), &Draft::from("welcome back"), false)
        .unwrap();
    world.finish_all(&[put]);
    world.run_for(secs(70));
    assert_eq!(world.operation(listen).values().len(), 1);
    world.check();
}

/// Cuts a host off from all others for some hours, and returns how long after that it takes to be
/// connected again, in seconds.
fn time_to_come_back(world: &mut World, alone: HostId, hours: u64) -> u64 {
    let others: Vec<_> = world
        .hosts()
        .into_iter()
        .filter(|it| *it != alone)
        .collect();
    world.split(&[&[alone], &others]);
    world.run_for(secs(hours * 3_600));
    assert_ne!(world.status(alone), Status::Connected);
    world.heal();
    let mut passed = 0;
    while world.status(alone) != Status::Connected && passed < 3_600 {
        world.run_for(secs(1));
        passed += 1;
    }
    passed
}

#[test]
fn a_host_comes_back_within_two_minutes_however_long_it_was_cut_off() {
    let mut world = World::settled(&Scenario {
        hosts: 30,
        ..Scenario::new(seed(610))
    });
    // The first host has no bootstrap address: others start from it.
    for (host, hours) in [(7, 6), (0, 6), (7, 24), (0, 24)] {
        let alone = world.hosts()[host];
        let passed = time_to_come_back(&mut world, alone, hours);
        assert!(passed <= 120, "host {host} after {hours} h: {passed} s");
        world.run_for(secs(60));
    }
    world.check();
}

#[test]
fn ipv6_alone_works_as_ipv4_does() {
    let mut world = World::settled(&Scenario {
        addressing: vec![Addressing::V6],
        ..Scenario::new(seed(606))
    });
    world.put_everywhere(20);
    world.get_everywhere(20);
    world.check();
}

#[test]
fn dual_hosts_join_both_families() {
    let mut world = World::settled(&Scenario {
        addressing: vec![Addressing::Dual],
        hosts: 100,
        ..Scenario::new(seed(607))
    });
    for host in world.hosts() {
        let node = world.node(host).unwrap();
        assert_eq!(node.status(Family::V4), Status::Connected);
        assert_eq!(node.status(Family::V6), Status::Connected);
    }
    for put in world.put_everywhere(10) {
        let report = world.operation(put).put_report().unwrap();
        assert!(report.acknowledged >= 16, "{report:?}");
    }
    world.get_everywhere(10);
    world.check();
}

#[test]
fn what_one_family_stores_dual_hosts_carry_to_the_other() {
    let mut world = World::settled(&Scenario {
        addressing: vec![Addressing::V4, Addressing::V6, Addressing::Dual],
        ..Scenario::new(seed(608))
    });
    let dual = world.hosts()[5];
    for number in 0..10 {
        let put = world
            .put(dual, key(number), &Draft::from("both"), false)
            .unwrap();
        world.finish_all(&[put]);
    }
    for number in 0..10 {
        for reader in [world.hosts()[30], world.hosts()[31], world.hosts()[32]] {
            let get = world.get(reader, key(number), Query::default()).unwrap();
            world.finish_all(&[get]);
            assert_eq!(world.operation(get).values().len(), 1);
        }
    }
    world.check();
}

#[test]
fn networks_of_different_numbers_do_not_see_each_other() {
    let mut world = World::settled(&Scenario {
        hosts: 50,
        ..Scenario::new(seed(609))
    });
    let other = HostSpec {
        config: Config {
            network: 7,
            ..Config::default()
        },
        ..HostSpec::default()
    };
    let others: Vec<_> = (0..20).map(|_| world.join(other.clone())).collect();
    world.run_for(secs(20));
    let ours = world.hosts()[3];
    let put = world
        .put(ours, key(1), &Draft::from("ours"), false)
        .unwrap();
    world.finish_all(&[put]);
    assert_eq!(
        world.good_contacts(others[0]).min(19),
        world.good_contacts(others[0])
    );
    let get = world.get(others[5], key(1), Query::default()).unwrap();
    world.finish_all(&[get]);
    assert!(world.operation(get).values().is_empty());
    assert!(world.operation(get).get_report().unwrap().answered > 0);
    world.check();
}

#[test]
fn clients_use_the_network_and_are_in_no_table() {
    let mut world = World::settled(&Scenario {
        hosts: 100,
        clients: 50,
        ..Scenario::new(seed(610))
    });
    let clients = world.clients();
    assert_eq!(clients.len(), 50);
    for (number, client) in (0..).zip(&clients[..10]) {
        let put = world
            .put(*client, key(number), &Draft::from("mobile"), false)
            .unwrap();
        world.finish_all(&[put]);
        assert!(world.operation(put).put_report().unwrap().acknowledged >= 8);
        let reader = clients[40];
        let get = world.get(reader, key(number), Query::default()).unwrap();
        world.finish_all(&[get]);
        assert_eq!(world.operation(get).values().len(), 1);
    }
    for client in &clients {
        let id = world.node(*client).unwrap().id();
        for host in world.hosts() {
            let node = world.node(host).unwrap();
            let known = node.export_contacts(world.clock(host));
            assert!(known.iter().all(|contact| contact.id != id));
        }
    }
    world.check();
}

#[test]
fn hosts_behind_filters_put_get_and_listen() {
    let mut world = World::settled(&Scenario {
        hosts: 100,
        natted: vec![(Nat::PortRestricted, 40)],
        ..Scenario::new(seed(611))
    });
    world.run_for(secs(60));
    let filtered = world.behind_nat();
    assert_eq!(filtered.len(), 40);
    for (number, host) in (0..).zip(&filtered[..10]) {
        let listen = world
            .listen(filtered[20], key(number), Query::default())
            .unwrap();
        world.run_for(secs(3));
        let put = world
            .put(*host, key(number), &Draft::from("behind"), false)
            .unwrap();
        world.finish_all(&[put]);
        let report = world.operation(put).put_report().unwrap();
        assert!(report.acknowledged >= 8, "{report:?}");
        world.run_for(secs(2));
        assert_eq!(world.operation(listen).values().len(), 1);
        let get = world
            .get(filtered[30], key(number), Query::default())
            .unwrap();
        world.finish_all(&[get]);
        assert_eq!(world.operation(get).values().len(), 1);
    }
    world.check();
}
