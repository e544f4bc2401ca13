//! Does storing stay flat? One more value on top of so many, under one key and under as many keys.

use std::time::Duration;

use bulla::{Draft, InfoHash, Query, Seed, StorageConfig, Timestamp, ValueId, wire};
use bulla_dht::bench::{Incoming, Storage};
use divan::{AllocProfiler, Bencher, black_box};

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// Values, each under a key of its own.
const APART: [u64; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// Values under one key.
const TOGETHER: [u64; 3] = [1_000, 10_000, 50_000];

#[divan::bench(args = TOGETHER, sample_count = 20, sample_size = 500)]
fn put_under_one_key(bencher: Bencher<'_, '_>, count: u64) {
    let mut storage = filled(count, one_key);
    let mut id = count;
    bencher.bench_local(|| {
        id += 1;
        keep(&mut storage, &one_key(id), id);
        storage.remove_own(&one_key(id), ValueId(id))
    });
}

#[divan::bench(args = APART, sample_count = 20, sample_size = 500)]
fn put_under_a_new_key(bencher: Bencher<'_, '_>, count: u64) {
    let mut storage = filled(count, own_key);
    let mut id = count;
    bencher.bench_local(|| {
        id += 1;
        keep(&mut storage, &own_key(id), id);
        storage.remove_own(&own_key(id), ValueId(id))
    });
}

#[divan::bench(args = APART, sample_count = 20)]
fn get_one_of_many(bencher: Bencher<'_, '_>, count: u64) {
    let storage = filled(count, own_key);
    let key = own_key(count / 2);
    let query = Query::default();
    bencher.bench_local(|| storage.get(black_box(&key), &query).count());
}

#[divan::bench(args = TOGETHER, sample_count = 20)]
fn find_one_under_one_key(bencher: Bencher<'_, '_>, count: u64) {
    let storage = filled(count, one_key);
    let key = one_key(0);
    bencher.bench_local(|| storage.find(black_box(&key), ValueId(count / 2)).is_some());
}

#[divan::bench(args = APART, sample_count = 20, sample_size = 20)]
fn expire_one_of_many(bencher: Bencher<'_, '_>, count: u64) {
    expire_one(bencher, filled(count, own_key));
}

#[divan::bench(args = TOGETHER, sample_count = 20, sample_size = 20)]
fn expire_one_under_one_key(bencher: Bencher<'_, '_>, count: u64) {
    expire_one(bencher, filled(count, one_key));
}

/// In each second one value is over.
fn expire_one(bencher: Bencher<'_, '_>, mut storage: Storage) {
    let mut now = Timestamp::ZERO;
    bencher.bench_local(|| {
        now = now + Duration::from_secs(1);
        let expired = storage.expire(now).len();
        assert_eq!(expired, 1, "one is over");
    });
}

fn one_key(_: u64) -> InfoHash {
    InfoHash::of(b"key")
}

fn own_key(id: u64) -> InfoHash {
    InfoHash::of(&id.to_be_bytes())
}

fn filled(count: u64, key: impl Fn(u64) -> InfoHash) -> Storage {
    let config = StorageConfig {
        limit_bytes: usize::MAX,
        limit_per_source_bytes: usize::MAX,
        ..StorageConfig::default()
    };
    let mut storage = Storage::new(&config, InfoHash::ZERO, &mut Seed::from_number(1).hashing());
    for id in 1..=count {
        keep(&mut storage, &key(id), id);
    }
    storage
}

fn keep(storage: &mut Storage, key: &InfoHash, id: u64) {
    let now = Timestamp::ZERO;
    let incoming = Incoming {
        value: wire::pack(&Draft::new(vec![7; 100]), ValueId(id)),
        source: None,
        created: now,
        expires: now + Duration::from_secs(id),
    };
    let _ = black_box(storage.store(now, key, incoming));
}
