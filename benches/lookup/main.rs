//! What does a lookup cost the node that makes it? One get of nothing and one put, from the first
//! request to the last answer, beside so many lookups that it remembers. What its peers need to
//! answer is part of the time.

mod asker;

use divan::{AllocProfiler, Bencher};

use asker::Asker;

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

const REMEMBERED: [usize; 3] = [0, 1_000, 10_000];

#[divan::bench(args = REMEMBERED, sample_count = 50, sample_size = 20)]
fn get(bencher: Bencher<'_, '_>, remembered: usize) {
    let mut asker = beside(remembered);
    bencher.bench_local(|| asker.get());
}

#[divan::bench(args = REMEMBERED, sample_count = 50, sample_size = 20)]
fn put(bencher: Bencher<'_, '_>, remembered: usize) {
    let mut asker = beside(remembered);
    bencher.bench_local(|| asker.put());
}

fn beside(remembered: usize) -> Asker {
    let mut asker = Asker::new();
    for _ in 0..remembered {
        asker.get();
    }
    asker
}
