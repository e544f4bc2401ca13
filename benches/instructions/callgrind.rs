//! Counting by valgrind.

use std::env;
use std::process::Command;

/// The work is done so often, so that what is not counted evens out.
const TIMES: u32 = 200;

/// Instructions for doing a workload once.
pub(crate) fn count(name: &str) -> u64 {
    let busy = run(name, TIMES);
    busy.saturating_sub(run(name, 0)) / u64::from(TIMES)
}

/// Instructions of a whole run.
fn run(name: &str, times: u32) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe().expect("this program has a file"))
        .args(["--run", name, &times.to_string()])
        .output()
        .expect("valgrind is here (on Debian, apt-get install valgrind)");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {said}");
    let collected = said
        .lines()
        .find_map(|line| line.split("Collected : ").nth(1));
    let collected = collected.expect("callgrind says what it collected");
    collected.trim().parse().expect("a number")
}
