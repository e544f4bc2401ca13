//! What does a write token cost to make and to check?

use bulla::{Seed, Timestamp, TokenConfig};
use bulla_dht::bench::Tokens;
use divan::{AllocProfiler, Bencher, black_box};

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

#[divan::bench]
fn make(bencher: Bencher<'_, '_>) {
    let tokens = tokens();
    bencher.bench(|| tokens.token(black_box(([127, 0, 0, 1], 4222).into())));
}

#[divan::bench]
fn check(bencher: Bencher<'_, '_>) {
    let (tokens, addr) = (tokens(), ([127, 0, 0, 1], 4222).into());
    let token = tokens.token(addr);
    assert!(tokens.verify(addr, &token), "a good token");
    bencher.bench(|| tokens.verify(black_box(addr), &token));
}

#[divan::bench]
fn check_a_wrong_one(bencher: Bencher<'_, '_>) {
    let (tokens, addr) = (tokens(), ([127, 0, 0, 1], 4222).into());
    let token = tokens.token(([127, 0, 0, 2], 4222).into());
    assert!(!tokens.verify(addr, &token), "a token of another");
    bencher.bench(|| tokens.verify(black_box(addr), &token));
}

fn tokens() -> Tokens {
    let mut rng = Seed::from_number(1).public();
    Tokens::new(&TokenConfig::default(), Timestamp::ZERO, &mut rng)
}
