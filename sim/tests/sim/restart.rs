//! Nodes with much to announce and to listen to restart at once, and flood no other node.

use std::ops::ControlFlow;

use bulla_dht::{Config, Draft, OperationConfig, Query};
use bulla_sim::{Experiment, Link, Restart, Scenario};

use crate::world::{World, key, secs, seed};

/// What a node sends in a second at most, as `docs/SIMULATION.md` has it.
const MOST_SENT_PER_S: u64 = 2_500;

#[test]
fn a_network_that_restarts_settles_within_a_bound_and_serves_its_users_meanwhile() {
    let experiment = Experiment {
        settle: secs(20),
        watch: secs(5),
        work: secs(5),
        values: 5,
        lookups: 20,
        age: (secs(2), secs(5)),
        restart: Some(Restart {
            nodes: 12,
            puts: 50,
            listens: 500,
            settle_limit: secs(300),
        }),
        ..Experiment::of(Scenario {
            hosts: 12,
            link: Link::WORLD,
            ..Scenario::new(seed(801))
        })
    };
    let results = experiment.run(|_, _| ControlFlow::Continue(())).unwrap();
    let restarted = results.restarted.unwrap();
    eprintln!("{restarted:?}");
    assert_eq!((restarted.nodes, restarted.refused), (12, 0));
    assert_eq!(restarted.announced, 12 * 50);
    assert!(restarted.settled_s.is_some_and(|settled| settled < 60.0));
    assert!(restarted.sent_per_s_most < MOST_SENT_PER_S);
    assert!(restarted.received_per_s_most < MOST_SENT_PER_S);
    assert!(restarted.requests_most < 500);
    assert!(restarted.lookups >= 10 && restarted.found == restarted.lookups);
    assert!(restarted.latency_ms_p99 < 1_000.0);
    assert_eq!(results.found, results.lookups);
    assert_eq!(results.violations, 0, "{:?}", results.first_violation);
}

#[test]
fn more_listens_than_can_be_renewed_soon_are_renewed_later_one_after_the_other() {
    const RATE: u32 = 40;
    let mut world = World::settled(&Scenario {
        hosts: 20,
        link: Link::WORLD,
        config: Config {
            operations: OperationConfig {
                background_rate_per_sec: RATE,
                ..OperationConfig::default()
            },
            ..Config::default()
        },
        ..Scenario::new(seed(802))
    });
    let listener = world.hosts()[7];
    let listens: Vec<_> = (0..500)
        .map(|number| {
            let key = key(number);
            world.listen(listener, key, Query::default()).unwrap()
        })
        .collect();
    // Longer than storing nodes keep a listener that is not heard of.
    world.run_for(secs(900));
    let mut sent = Vec::new();
    for _ in 0..40 {
        let before = world.datagrams_sent(listener);
        world.run_for(secs(1));
        sent.push(world.datagrams_sent(listener) - before);
    }
    eprintln!("{sent:?}");
    let all: u64 = sent.iter().sum();
    assert!(all < 40 * u64::from(RATE), "{sent:?}");
    assert!(sent.iter().all(|sent| *sent <= 3 * u64::from(RATE)));
    assert!(sent.iter().filter(|sent| **sent > 0).count() > 30);
    let writer = world.hosts()[3];
    for (number, listen) in (0..).zip(&listens).step_by(50) {
        let draft = Draft::from("heard");
        let put = world.put(writer, key(number), &draft, false).unwrap();
        world.finish_all(&[put]);
        world.run_for(secs(1));
        assert_eq!(world.operation(*listen).values().len(), 1, "{number}");
    }
    world.check();
}
