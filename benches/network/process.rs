//! What this process costs, as Linux counts it.

use std::fs;
use std::time::Duration;

use nix::time::ClockId;

const PAGE: u64 = 4096;

/// CPU time of all threads so far.
pub(crate) fn cpu() -> Duration {
    let clock = ClockId::CLOCK_PROCESS_CPUTIME_ID;
    clock.now().expect("a clock of this process").into()
}

/// Resident bytes.
pub(crate) fn memory() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages = statm.split_whitespace().nth(1).expect("a second field");
    pages.parse::<u64>().expect("a number") * PAGE
}
