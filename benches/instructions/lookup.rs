//! Whole lookups; what the peers do, all played here, is counted as well.

#[path = "../lookup/asker.rs"]
mod asker;

pub(crate) use asker::without_limits;

use asker::Asker;

pub(crate) fn get(times: u32) {
    let mut asker = Asker::new();
    for _ in 0..times {
        asker.get();
    }
}

pub(crate) fn put(times: u32) {
    let mut asker = Asker::new();
    for _ in 0..times {
        asker.put();
    }
}
