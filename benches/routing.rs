//! What does a full routing table cost to ask and to fill? 8 of 10,000 contacts.

use bulla::{Contact, InfoHash, RoutingConfig, Seed, Timestamp};
use bulla_dht::bench::{Confidence, Table};
use divan::{AllocProfiler, Bencher, black_box};

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

#[divan::bench]
fn closest_8(bencher: Bencher<'_, '_>) {
    let table = full_table();
    let mut rng = Seed::from_number(2).public();
    bencher
        .with_inputs(|| rng.hash())
        .bench_local_values(|target| table.closest(black_box(&target), 8, Timestamp::ZERO));
}

#[divan::bench]
fn hear_of_a_known_contact(bencher: Bencher<'_, '_>) {
    let mut table = full_table();
    let known = table.closest(&InfoHash::ZERO, 1, Timestamp::ZERO)[0];
    bencher.bench_local(|| table.on_seen(black_box(known), Confidence::Sent, Timestamp::ZERO));
}

#[divan::bench]
fn hear_of_a_new_contact(bencher: Bencher<'_, '_>) {
    let mut table = full_table();
    let mut rng = Seed::from_number(3).public();
    bencher
        .with_inputs(|| contact(rng.hash()))
        .bench_local_values(|contact| table.on_seen(contact, Confidence::Sent, Timestamp::ZERO));
}

fn full_table() -> Table {
    let mut rng = Seed::from_number(1).public();
    let mut table = Table::new(rng.hash(), &RoutingConfig::default());
    for _ in 0..10_000 {
        let _ = table.on_seen(contact(rng.hash()), Confidence::Replied, Timestamp::ZERO);
    }
    table
}

fn contact(id: InfoHash) -> Contact {
    Contact::new(id, ([127, 0, 0, 1], 4222).into())
}
