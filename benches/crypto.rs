//! What do signatures and envelopes cost, in time and in allocations? Keys of 2,048 and 4,096 bits,
//! a payload of 1,000 bytes.

use bulla_identity::PrivateKey;
use divan::{AllocProfiler, Bencher, black_box};

/// Counts what Rust allocates; a C library under it has an allocator of its own.
#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

const BITS: [usize; 2] = [2048, 4096];
const MESSAGE: [u8; 1_000] = [7; 1_000];

#[divan::bench(args = BITS, sample_count = 20)]
fn sign(bencher: Bencher<'_, '_>, bits: usize) {
    let key = key(bits);
    bencher.bench(|| key.sign(black_box(&MESSAGE)));
}

#[divan::bench(args = BITS)]
fn verify(bencher: Bencher<'_, '_>, bits: usize) {
    let key = key(bits);
    let signature = key.sign(&MESSAGE).expect("it signs");
    bencher.bench(|| key.public_key().verify(black_box(&MESSAGE), &signature));
}

#[divan::bench(args = BITS)]
fn encrypt(bencher: Bencher<'_, '_>, bits: usize) {
    let key = key(bits);
    bencher.bench(|| key.public_key().encrypt(black_box(&MESSAGE)));
}

#[divan::bench(args = BITS, sample_count = 20)]
fn decrypt(bencher: Bencher<'_, '_>, bits: usize) {
    let key = key(bits);
    let letter = key.public_key().encrypt(&MESSAGE).expect("it encrypts");
    bencher.bench(|| key.decrypt(black_box(&letter)));
}

fn key(bits: usize) -> PrivateKey {
    PrivateKey::generate(bits).expect("a key is made")
}
