//! The parts of the core, each by itself.

use std::time::Duration;

use bulla::{
    Contact, Draft, InfoHash, Query, RoutingConfig, Seed, StorageConfig, Timestamp, TokenConfig,
    ValueId, wire,
};
use bulla_dht::bench::{Confidence, Incoming, Storage, Table, Tokens};
use divan::black_box;

const MANY: u64 = 10_000;

pub(crate) fn decode(times: u32) {
    let datagrams = captured();
    for _ in 0..times {
        for datagram in &datagrams {
            let _ = black_box(wire::decode(black_box(datagram)));
        }
    }
}

pub(crate) fn encode(times: u32) {
    let datagrams = captured();
    let messages: Vec<_> = datagrams
        .iter()
        .flat_map(|bytes| wire::decode(bytes))
        .collect();
    for _ in 0..times {
        for message in &messages {
            let _ = black_box(wire::encode(black_box(message)));
        }
    }
}

pub(crate) fn value(times: u32) {
    let draft = Draft::new(vec![7; 1000]).user_type("text/plain");
    for _ in 0..times {
        let value = wire::pack(black_box(&draft), ValueId(1));
        let _ = black_box(wire::unpack(value.packed()));
    }
}

pub(crate) fn closest(times: u32) {
    let table = full_table();
    let mut rng = Seed::from_number(2).public();
    for _ in 0..times {
        black_box(table.closest(&rng.hash(), 8, Timestamp::ZERO));
    }
}

pub(crate) fn heard(times: u32) {
    let mut table = full_table();
    let known = table.closest(&InfoHash::ZERO, 1, Timestamp::ZERO)[0];
    for _ in 0..times {
        let _ = black_box(table.on_seen(known, Confidence::Sent, Timestamp::ZERO));
    }
}

pub(crate) fn token(times: u32) {
    let mut rng = Seed::from_number(3).public();
    let keeper = Tokens::new(&TokenConfig::default(), Timestamp::ZERO, &mut rng);
    let addr = ([127, 0, 0, 1], 4222).into();
    for _ in 0..times {
        let token = keeper.token(black_box(addr));
        assert!(keeper.verify(addr, &token));
    }
}

pub(crate) fn store(times: u32) {
    let mut storage = filled();
    for id in (MANY..).take(times as usize) {
        keep(&mut storage, id);
    }
}

pub(crate) fn get(times: u32) {
    let storage = filled();
    let query = Query::default();
    for id in (1..).take(times as usize) {
        assert_eq!(storage.get(&key(id), &query).count(), 1);
    }
}

pub(crate) fn expire(times: u32) {
    let mut storage = filled();
    // One value is over in each second.
    for second in 1..=u64::from(times) {
        let now = Timestamp::ZERO + Duration::from_secs(second);
        assert_eq!(storage.expire(now).len(), 1);
    }
}

fn captured() -> Vec<Vec<u8>> {
    let text = include_str!("../../tests/vectors/datagrams.json");
    let file: serde_json::Value = serde_json::from_str(text).expect("the vectors are JSON");
    let vectors = file["vectors"].as_array().expect("there are vectors");
    let bytes =
        |vector: &serde_json::Value| hex::decode(vector["hex"].as_str().unwrap_or_default());
    vectors
        .iter()
        .map(|vector| bytes(vector).expect("hex"))
        .collect()
}

fn full_table() -> Table {
    let mut rng = Seed::from_number(1).public();
    let mut table = Table::new(rng.hash(), &RoutingConfig::default());
    for _ in 0..MANY {
        let contact = Contact::new(rng.hash(), ([127, 0, 0, 1], 4222).into());
        let _ = table.on_seen(contact, Confidence::Replied, Timestamp::ZERO);
    }
    table
}

fn key(id: u64) -> InfoHash {
    InfoHash::of(&id.to_be_bytes())
}

fn filled() -> Storage {
    let config = StorageConfig {
        limit_bytes: usize::MAX,
        limit_per_source_bytes: usize::MAX,
        ..StorageConfig::default()
    };
    let mut storage = Storage::new(&config, InfoHash::ZERO, &mut Seed::from_number(1).hashing());
    for id in 1..MANY {
        keep(&mut storage, id);
    }
    storage
}

fn keep(storage: &mut Storage, id: u64) {
    let now = Timestamp::ZERO;
    let incoming = Incoming {
        value: wire::pack(&Draft::new(vec![7; 100]), ValueId(id)),
        source: None,
        created: now,
        expires: now + Duration::from_secs(id),
    };
    let _ = black_box(storage.store(now, &key(id), incoming));
}
