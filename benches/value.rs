//! What does it cost to bring a value into its canonical form? As we send it, and as it came from
//! others.

use bulla::{Draft, Value, ValueId, wire};
use divan::{AllocProfiler, Bencher, black_box};

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

const SIZES: [usize; 3] = [64, 1_000, 32_000];

#[divan::bench(args = SIZES)]
fn pack(bencher: Bencher<'_, '_>, size: usize) {
    let draft = draft(size);
    bencher.bench(|| wire::pack(black_box(&draft), ValueId(1)));
}

#[divan::bench(args = SIZES)]
fn unpack_canonical(bencher: Bencher<'_, '_>, size: usize) {
    let packed = packed(size);
    bencher.bench(|| wire::unpack(black_box(&packed)));
}

/// The same value with its two fields in the other order.
#[divan::bench(args = SIZES)]
fn unpack_another_order(bencher: Bencher<'_, '_>, size: usize) {
    let packed = packed(size);
    let other = swapped(&packed);
    let same = wire::unpack(&other).expect("a value");
    assert!(
        other != packed && *same.packed() == packed,
        "another form of it"
    );
    bencher.bench(|| wire::unpack(black_box(&other)));
}

fn draft(size: usize) -> Draft {
    Draft::new(vec![7; size]).user_type("text/plain")
}

fn packed(size: usize) -> Vec<u8> {
    let value: Value = wire::pack(&draft(size), ValueId(1));
    value.packed().to_vec()
}

/// A map of two with its entries swapped; the first, the id, is of 4 bytes: a key of two letters
/// and a small number.
fn swapped(packed: &[u8]) -> Vec<u8> {
    let (head, entries) = packed.split_at(1);
    let (id, rest) = entries.split_at(4);
    [head, rest, id].concat()
}
