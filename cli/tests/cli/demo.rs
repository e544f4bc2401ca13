//! The demonstration.

use super::program::bulla;

#[test]
fn every_step_does_what_it_says() {
    let run = bulla(["demo", "--json"]);
    run.assert_done();
    let steps = run.objects();
    assert_eq!(steps.len(), 8, "{run:?}");
    assert!(steps.iter().all(|step| step["ok"] == true), "{run:?}");
    assert_eq!(steps[7]["step"], "nodes killed");
    assert_eq!(steps[7]["killed"], 5);
}

#[test]
fn it_ends_with_a_table() {
    let run = bulla(["demo"]);
    let last = run.assert_done().stdout.lines().rev().take(11);
    let table: Vec<&str> = last.collect();
    assert!(
        table
            .iter()
            .any(|row| row.contains("8 nodes killed") && row.contains("ok")),
        "{run:?}"
    );
}
