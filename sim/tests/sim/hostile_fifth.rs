//! A fifth of all nodes is hostile, in turns silent, lying, in league, forging and keeping values
//! to itself: what gets find, where puts go, and what both cost.

use bulla_dht::{Config, Draft, InfoHash, Query};
use bulla_sim::{Addressing, Behaviour, HostId, Scenario, Start};

use crate::world::{World, key, seed};

/// What a fifth of the nodes is, in turns.
const HOSTILE: [Behaviour; 5] = [
    Behaviour::Mute,
    Behaviour::Liar,
    Behaviour::League,
    Behaviour::Forger,
    Behaviour::Denier,
];

/// What came of puts, each followed by a get.
#[derive(Default, Debug)]
struct Figures {
    /// Puts that an honest node holds.
    held: usize,
    /// Gets that found the value.
    found: usize,
    /// Datagrams sent by the node that puts, and by that which gets, in all.
    put_datagrams: u64,
    get_datagrams: u64,
    /// The most of one.
    most: u64,
    /// The same of gets that find nothing.
    miss_datagrams: u64,
    /// Time of puts, gets and gets that find nothing, in milliseconds, in all.
    took: [u128; 3],
}

#[test]
fn where_a_fifth_is_hostile_values_are_held_and_found() {
    let figures = measure(&mut world(520, 300, 1, 3), 100);
    assert!(figures.held >= 99, "{figures:?}");
    assert!(figures.found >= 97, "{figures:?}");
    assert!(figures.most <= 200, "{figures:?}");
}

/// Half an hour.
#[test]
#[ignore = "takes long"]
fn where_a_fifth_of_ten_thousand_is_hostile_values_are_held_and_found() {
    let figures = measure(&mut world(521, 10_000, 1, 3), 300);
    assert!(figures.held >= 297, "{figures:?}");
    assert!(figures.found >= 297, "{figures:?}");
    assert!(figures.most <= 200, "{figures:?}");
}

/// What paths cost where no node is hostile, and what they are worth where some are.
#[test]
#[ignore = "a measurement"]
fn paths_and_what_they_cost() {
    let count = std::env::var("SIM_NODES").map_or(300, |text| text.parse().unwrap());
    for fifths in [1, 0] {
        for paths in [3, 1] {
            let figures = measure(&mut world(522, count, fifths, paths), 50);
            eprintln!("{count} nodes, {fifths} fifths hostile, {paths} paths: {figures:?}");
        }
    }
}

/// A settled world of which so many fifths are hostile.
fn world(number: u64, count: usize, fifths: usize, paths: usize) -> World {
    let hostile = HOSTILE.map(|behaviour| (behaviour, count * fifths / 25));
    let mut config = Config::default();
    config.lookup.paths = paths;
    World::settled(&Scenario {
        hosts: count - count * fifths / 5,
        hostile: hostile
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .collect(),
        start: Start::Warm,
        addressing: vec![Addressing::PublicV4],
        config,
        ..Scenario::new(seed(number))
    })
}

fn measure(world: &mut World, keys: u64) -> Figures {
    let mut figures = Figures::default();
    for number in 0..keys {
        let [writer, reader] = [(); 2].map(|()| world.any_host().unwrap());
        let draft = Draft::new(format!("value {number}").into_bytes());
        let before = world.datagrams_sent(writer);
        let put = world.put(writer, key(number), &draft, false).unwrap();
        world.finish_all(&[put]);
        let sent = world.datagrams_sent(writer) - before;
        figures.put_datagrams += sent;
        figures.most = figures.most.max(sent);
        figures.took[0] += world.operation(put).duration().unwrap().as_millis();
        let is_other = |host: &HostId| *host != writer;
        figures.held += usize::from(world.holders(put).iter().any(is_other));

        let mut get = |key: InfoHash| {
            let before = world.datagrams_sent(reader);
            let get = world.get(reader, key, Query::default()).unwrap();
            world.finish_all(&[get]);
            let sent = world.datagrams_sent(reader) - before;
            let operation = world.operation(get);
            let values = operation.values();
            let found = values.iter().any(|value| value.data() == draft.data);
            (sent, found, operation.duration().unwrap().as_millis())
        };
        let (sent, found, took) = get(key(number));
        let (sent_in_vain, _, took_in_vain) = get(key(1_000_000 + number));
        figures.found += usize::from(found);
        figures.get_datagrams += sent;
        figures.miss_datagrams += sent_in_vain;
        figures.most = figures.most.max(sent).max(sent_in_vain);
        figures.took[1] += took;
        figures.took[2] += took_in_vain;
    }
    figures
}
