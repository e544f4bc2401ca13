//! Networks that grow: what was begun when they were small holds when they are large.

use bulla_dht::{Draft, Query};
use bulla_sim::{HostSpec, Link, Scenario};

use crate::world::{World, key, secs, seed};

/// Things begun by few hosts, each once.
const BEGUN: u64 = 20;

#[test]
fn permanent_values_of_a_small_network_are_found_in_the_large_one() {
    let mut world = small(501);
    for number in 0..BEGUN {
        let host = world.any_host().unwrap();
        let put = world.put(host, key(number), &Draft::from("early"), true);
        world.finish_all(&[put.unwrap()]);
    }
    grow(&mut world);
    world.get_everywhere(BEGUN);
    world.check();
}

#[test]
fn listeners_of_a_small_network_hear_of_values_of_the_large_one() {
    let mut world = small(502);
    let listens: Vec<_> = (0..BEGUN)
        .map(|number| {
            let host = world.any_host().unwrap();
            world.listen(host, key(number), Query::default()).unwrap()
        })
        .collect();
    grow(&mut world);
    let _ = world.put_everywhere(BEGUN);
    world.run_for(secs(10));
    for listen in listens {
        assert_eq!(world.operation(listen).values().len(), 1);
    }
    world.check();
}

/// A network of four.
fn small(number: u64) -> World {
    World::settled(&Scenario {
        hosts: 4,
        link: Link::PERFECT,
        ..Scenario::new(seed(number))
    })
}

/// Sixty more join.
fn grow(world: &mut World) {
    for _ in 0..60 {
        world.join(HostSpec::default());
    }
    world.run_for(secs(20));
}
