//! Puts and gets: what was put is found, whole, by every node, until it expires and no longer.

use std::collections::BTreeSet;

use bulla_dht::{Condition, Draft, Field, Query, ValueId, ValueType};
use bulla_sim::{Link, Scenario};

use crate::world::{World, key, millis, secs, seed};

#[test]
fn what_any_node_puts_any_node_finds() {
    let mut world = World::settled(&Scenario::new(seed(101)));
    let _ = world.put_everywhere(100);
    let gets: Vec<_> = (0..100)
        .map(|number| {
            let host = world.any_host().unwrap();
            world.get(host, key(number), Query::default()).unwrap()
        })
        .collect();
    world.finish_all(&gets);
    for get in &gets {
        assert_eq!(world.operation(*get).values().len(), 1);
    }
    world.check();
}

#[test]
fn puts_and_gets_work_after_an_hour_of_silence() {
    let mut world = World::settled(&Scenario::new(seed(102)));
    world.run_for(secs(3_600));
    let puts = world.put_everywhere(20);
    for put in puts {
        let report = world.operation(put).put_report().unwrap();
        assert!(report.acknowledged >= 8, "{report:?}");
    }
    world.get_everywhere(20);
    world.check();
}

#[test]
fn values_of_all_sizes_arrive_whole_in_spite_of_loss() {
    let mut world = World::settled(&Scenario {
        hosts: 100,
        ..Scenario::new(seed(103))
    });
    let sizes = [0, 1, 599, 600, 1_280, 1_281, 10_000, 65_000, 65_536 - 8];
    for (number, size) in (0..).zip(sizes) {
        let host = world.any_host().unwrap();
        let draft = Draft::new(vec![number as u8; size]);
        let put = world.put(host, key(number), &draft, false).unwrap();
        world.finish_all(&[put]);
        let report = world.operation(put).put_report().unwrap();
        assert!(report.acknowledged >= 6, "{size} bytes: {report:?}");
        let reader = world.any_host().unwrap();
        let get = world.get(reader, key(number), Query::default()).unwrap();
        world.finish_all(&[get]);
        let values = world.operation(get).values();
        assert_eq!(values.len(), 1, "{size} bytes");
        assert_eq!(values[0].data().len(), size);
    }
    world.check();
}

#[test]
fn many_values_under_one_key_are_all_found() {
    let mut world = World::settled(&Scenario::new(seed(104)));
    let puts: Vec<_> = (1..=60)
        .map(|id| {
            let host = world.any_host().unwrap();
            let draft = Draft {
                id: ValueId(id),
                ..Draft::new(vec![id as u8; 100])
            };
            world.put(host, key(1), &draft, false).unwrap()
        })
        .collect();
    world.finish_all(&puts);
    let get = world.get_anywhere(1, Query::default());
    assert_eq!(world.operation(get).values().len(), 60);
    let one = Query {
        conditions: vec![Condition::Id(ValueId(7))],
        ..Query::default()
    };
    let get = world.get_anywhere(1, one);
    assert_eq!(world.operation(get).values().len(), 1);
    let host = world.any_host().unwrap();
    let ids = Query {
        select: BTreeSet::from([Field::Id]),
        ..Query::default()
    };
    let query = world.query(host, key(1), ids).unwrap();
    world.finish_all(&[query]);
    assert_eq!(world.operation(query).rows.len(), 60);
    world.check();
}

#[test]
fn a_value_lives_as_long_as_its_kind_and_a_permanent_one_as_long_as_it_is_announced() {
    let mut world = World::settled(&Scenario::new(seed(105)));
    let ice = Draft::from("candidates").value_type(ValueType::ICE_CANDIDATES);
    let (host, other) = (world.any_host().unwrap(), world.any_host().unwrap());
    let once = world.put(host, key(1), &ice, false).unwrap();
    let again = world.put(other, key(2), &ice, true).unwrap();
    world.finish_all(&[once, again]);
    world.run_for(secs(30));
    assert_eq!(world.found(1), 1);
    world.run_for(secs(50));
    assert_eq!(world.found(1), 0);
    world.run_for(secs(600));
    assert_eq!(world.found(2), 1);
    assert!(world.holders(again).len() >= 8);
    world.cancel_put(again);
    world.run_for(secs(80));
    assert_eq!(world.found(2), 0);
    world.check();
}

#[test]
fn the_last_of_two_writers_does_not_replace_the_first() {
    let mut world = World::settled(&Scenario {
        link: Link::PERFECT,
        ..Scenario::new(seed(106))
    });
    for (number, text) in [(3, "first"), (9, "second")] {
        let host = world.hosts()[number];
        let draft = Draft {
            id: ValueId(7),
            ..Draft::from(text)
        };
        let put = world.put(host, key(1), &draft, false).unwrap();
        world.finish_all(&[put]);
    }
    let reader = world.hosts()[50];
    let get = world.get(reader, key(1), Query::default()).unwrap();
    world.finish_all(&[get]);
    let values = world.operation(get).values();
    assert!(values.iter().any(|value| value.data() == b"first"));
    world.check();
}

#[test]
fn a_thousand_puts_of_one_node_all_arrive() {
    let mut world = World::settled(&Scenario {
        hosts: 60,
        ..Scenario::new(seed(107))
    });
    let host = world.hosts()[5];
    let mut puts = Vec::new();
    for number in 0..1_000 {
        puts.push(
            world
                .put(host, key(number), &Draft::from("one of many"), false)
                .unwrap(),
        );
        world.run_for(millis(5));
    }
    world.finish_all(&puts);
    let few = puts.iter().filter(|put| {
        let report = world.operation(**put).put_report().unwrap();
        report.acknowledged < 8
    });
    assert!(few.count() <= 10);
    for number in (0..1_000).step_by(50) {
        assert_eq!(world.found(number), 1);
    }
    world.check();
}
