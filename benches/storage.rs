//! Does storing stay flat? One more value on top of so many, under one key and under as many keys.

use std::net::IpAddr;
use std::time::Duration;

use bulla::storage::Storage;
use bulla::{Config, Draft, InfoHash, Query, Timestamp, ValueId, wire};
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

const COUNTS: [u64; 4] = [100, 1_000, 10_000, 50_000];

#[divan::bench(args = COUNTS, sample_count = 20)]
fn put_under_one_key(bencher: Bencher<'_, '_>, count: u64) {
    let mut storage = filled(count, |_| InfoHash::of(b"key"));
    let mut id = count;
    bencher.bench_local(|| {
        id += 1;
        keep(&mut storage, &InfoHash::of(b"key"), id);
        storage.remove_own(&InfoHash::of(b"key"), ValueId(id))
    });
}

#[divan::bench(args = COUNTS, sample_count = 20)]
fn put_under_a_new_key(bencher: Bencher<'_, '_>, count: u64) {
    let mut storage = filled(count, |id| InfoHash::of(&id.to_be_bytes()));
    let mut id = count;
    bencher.bench_local(|| {
        id += 1;
        let key = InfoHash::of(&id.to_be_bytes());
        keep(&mut storage, &key, id);
        storage.remove_own(&key, ValueId(id))
    });
}

#[divan::bench(args = COUNTS, sample_count = 20)]
fn get_one_of_many(bencher: Bencher<'_, '_>, count: u64) {
    let storage = filled(count, |id| InfoHash::of(&id.to_be_bytes()));
    let key = InfoHash::of(&(count / 2).to_be_bytes());
    let query = Query::default();
    bencher.bench_local(|| storage.get(black_box(&key), &query).count());
}

fn filled(count: u64, key: impl Fn(u64) -> InfoHash) -> Storage {
    let config = Config {
        storage_limit_bytes: usize::MAX,
        storage_limit_per_source_bytes: usize::MAX,
        ..Config::default()
    };
    let mut storage = Storage::new(&config);
    for id in 1..=count {
        keep(&mut storage, &key(id), id);
    }
    storage
}

fn keep(storage: &mut Storage, key: &InfoHash, id: u64) {
    let now = Timestamp::ZERO;
    let value = wire::pack(&Draft::new(vec![7; 100]), ValueId(id));
    let expires = now + Duration::from_secs(600);
    let own: Option<IpAddr> = None;
    let _ = black_box(storage.store(now, key, value, own, now, expires));
}
