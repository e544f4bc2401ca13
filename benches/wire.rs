//! What does a datagram cost to read and to write? Over every captured datagram of
//! `tests/vectors/datagrams.json`.

use bulla::wire;
use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher, black_box};

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

const KINDS: [&str; 6] = ["ping", "find", "get", "put", "listen", "reply"];

#[divan::bench(args = KINDS)]
fn decode(bencher: Bencher<'_, '_>, kind: &str) {
    let datagrams = captured(kind);
    bencher
        .counter(ItemsCount::new(datagrams.len()))
        .bench_local(|| {
            for datagram in &datagrams {
                let _ = black_box(wire::decode(black_box(datagram)));
            }
        });
}

#[divan::bench(args = KINDS)]
fn encode(bencher: Bencher<'_, '_>, kind: &str) {
    let datagrams = captured(kind);
    let messages: Vec<_> = datagrams
        .iter()
        .flat_map(|bytes| wire::decode(bytes))
        .collect();
    bencher
        .counter(ItemsCount::new(messages.len()))
        .bench_local(|| {
            for message in &messages {
                let _ = black_box(wire::encode(black_box(message)));
            }
        });
}

/// The captured datagrams of a kind.
fn captured(kind: &str) -> Vec<Vec<u8>> {
    let text = include_str!("../tests/vectors/datagrams.json");
    let file: serde_json::Value = serde_json::from_str(text).expect("the vectors are JSON");
    let vectors = file["vectors"].as_array().expect("there are vectors");
    vectors
        .iter()
        .filter(|vector| {
            vector["kind"]
                .as_str()
                .is_some_and(|its| its.contains(kind))
        })
        .map(|vector| hex::decode(vector["hex"].as_str().unwrap_or_default()).expect("hex"))
        .collect()
}
