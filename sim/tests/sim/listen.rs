//! Listens: each value is heard of once, soon, and its end as well.

use bulla_dht::{Draft, Query, ValueType};
use bulla_sim::{Churn, Distribution, Link, OperationId, Scenario};

use crate::world::{World, key, median, secs, seed};

#[test]
fn listeners_everywhere_hear_of_each_value_soon() {
    let mut world = World::settled(&Scenario::new(seed(201)));
    let listens = listen_on(&mut world, 20);
    world.run_for(secs(10));
    let puts = world.put_everywhere(20);
    world.run_for(secs(20));
    let mut delays = Vec::new();
    for (listen, put) in listens.iter().zip(&puts) {
        let (listen, put) = (world.operation(*listen), world.operation(*put));
        assert_eq!(listen.observations.len(), 1, "{listen:?}");
        delays.push(listen.observations[0].at.since(put.started));
    }
    eprintln!(
        "heard after {:?}, at worst {:?}",
        median(&mut delays),
        delays.last()
    );
    assert!(median(&mut delays) < secs(2));
    world.check();
}

#[test]
fn a_listener_hears_of_what_was_there_before() {
    let mut world = World::settled(&Scenario::new(seed(202)));
    let _ = world.put_everywhere(20);
    let listens = listen_on(&mut world, 20);
    world.run_for(secs(10));
    for listen in listens {
        assert_eq!(world.operation(listen).values().len(), 1);
    }
    world.check();
}

#[test]
fn the_end_of_a_value_is_told_once_and_not_before_its_time() {
    let mut world = World::settled(&Scenario::new(seed(203)));
    let listens = listen_on(&mut world, 10);
    world.run_for(secs(5));
    for number in 0..10 {
        let host = world.any_host().unwrap();
        let ice = Draft::from("candidates").value_type(ValueType::ICE_CANDIDATES);
        let _ = world.put(host, key(number), &ice, false).unwrap();
    }
    world.run_for(secs(50));
    for listen in &listens {
        assert_eq!(
            world.operation(*listen).values().len(),
            1,
            "{:?}",
            world.operation(*listen)
        );
    }
    // A node that is subscribed to at the end of a value's minute tells of it without its age:
    // it gets another one.
    world.run_for(secs(80));
    for listen in &listens {
        let observations: Vec<_> = world
            .operation(*listen)
            .observations
            .iter()
            .map(|observations| observations.expired)
            .collect();
        assert_eq!(observations, [false, true]);
    }
    world.check();
}

#[test]
fn a_listen_of_hours_has_no_gap() {
    let mut world = World::settled(&Scenario {
        hosts: 60,
        ..Scenario::new(seed(204))
    });
    let listens = listen_on(&mut world, 5);
    for round in 0..12 {
        world.run_for(secs(500));
        for number in 0..5 {
            let host = world.any_host().unwrap();
            let draft = Draft::from(format!("round {round}").as_str());
            let _ = world.put(host, key(number), &draft, false).unwrap();
        }
        world.run_for(secs(20));
        for listen in &listens {
            let last = world
                .operation(*listen)
                .observations
                .iter()
                .rfind(|observations| !observations.expired);
            assert_eq!(
                last.unwrap().value.data(),
                format!("round {round}").as_bytes()
            );
        }
    }
    for listen in listens {
        world.cancel(listen);
    }
    world.run_for(secs(1_000));
    for host in world.hosts() {
        assert_eq!(world.stats(host).listeners, 0);
    }
    world.check();
}

#[test]
fn a_permanent_value_never_seems_to_end() {
    let mut world = World::settled(&Scenario::new(seed(205)));
    let listens = listen_on(&mut world, 10);
    for number in 0..10 {
        let host = world.any_host().unwrap();
        let ice = Draft::from("candidates").value_type(ValueType::ICE_CANDIDATES);
        let _ = world.put(host, key(number), &ice, true).unwrap();
    }
    world.run_for(secs(900));
    for listen in listens {
        let observations: Vec<_> = world
            .operation(listen)
            .observations
            .iter()
            .map(|observations| observations.expired)
            .collect();
        assert_eq!(observations, [false]);
    }
    world.check();
}

#[test]
fn a_listener_goes_on_hearing_while_storing_nodes_come_and_go() {
    let mut world = World::settled(&Scenario {
        churn: Some(Churn {
            session: Distribution::Between(secs(120), secs(600)),
            absence: Distribution::Between(secs(10), secs(60)),
            anchors: 20,
        }),
        ..Scenario::new(seed(206))
    });
    let listener = world.hosts()[4];
    let listen = world.listen(listener, key(1), Query::default()).unwrap();
    let writer = world.hosts()[9];
    let mut late = 0;
    for round in 0..15 {
        world.run_for(secs(40));
        let draft = Draft::from(format!("round {round}").as_str());
        let _ = world.put(writer, key(1), &draft, false).unwrap();
        world.run_for(secs(20));
        let heard = world
            .operation(listen)
            .observations
            .iter()
            .any(|observations| observations.value.data() == &draft.data[..]);
        late += usize::from(!heard);
    }
    eprintln!("{late} of 15 values heard late");
    assert!(late <= 1, "{late}");
    world.check();
}

#[test]
fn hundreds_of_listeners_on_one_key_all_hear() {
    let mut world = World::settled(&Scenario {
        link: Link::PERFECT,
        ..Scenario::new(seed(207))
    });
    let hosts = world.hosts();
    let listens: Vec<_> = hosts
        .iter()
        .map(|host| world.listen(*host, key(1), Query::default()).unwrap())
        .collect();
    world.run_for(secs(5));
    let put = world
        .put(hosts[0], key(1), &Draft::from("all"), false)
        .unwrap();
    world.finish_all(&[put]);
    world.run_for(secs(2));
    for listen in listens {
        assert_eq!(world.operation(listen).values().len(), 1);
    }
    world.check();
}

/// A listener on each of the first keys.
fn listen_on(world: &mut World, keys: u64) -> Vec<OperationId> {
    (0..keys)
        .map(|number| {
            let host = world.any_host().unwrap();
            world.listen(host, key(number), Query::default()).unwrap()
        })
        .collect()
}
