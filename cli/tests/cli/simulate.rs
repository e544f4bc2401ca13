//! `bulla simulate`.

use std::fs;

use serde_json::Value as Json;
use tempfile::tempdir;

use super::program::{Run, bulla};

const SMALL: &str = "nodes = 30\nsettle = '20s'\nwatch = '10s'\nwork = '10s'\nage = ['2s', '10s']\nvalues = 10\nlookups = 40\n";

#[test]
fn a_run_reports_what_it_measured() {
    let run = simulate(SMALL, &[]);
    let figures = run.assert_done().object();
    assert_eq!(figures["nodes"], 30);
    assert_eq!(figures["lookups"], 40);
    assert!(figures["found"].as_u64().unwrap() >= 39, "{figures}");
    for name in [
        "hops_p50",
        "hops_p99",
        "latency_ms_p50",
        "latency_ms_p99",
        "bytes_per_node_per_s",
    ] {
        assert!(figures[name].as_f64().unwrap() > 0.0, "{name}: {figures}");
    }
    assert!(figures.get("memory_bytes_per_node").is_some());
}

#[test]
fn a_seed_is_one_run_and_another_seed_another() {
    let digest = |seed| {
        let run = simulate(SMALL, &["--seed", seed]);
        run.assert_done().object()["digest"].clone()
    };
    let first = digest("7");
    assert!(matches!(&first, Json::String(digest) if digest.len() == 32));
    assert_eq!(first, digest("7"));
    assert_ne!(first, digest("8"));
}

#[test]
fn bad_scenarios_are_refused_in_a_line() {
    for (text, reason) in [
        ("nodes = 30\nnode = 3", "line 2"),
        ("nodes = 'many'", "line 1"),
        ("nodes = 3", "nodes must be"),
        ("settle = 'soon'", "\"soon\" is no time span"),
        ("settle = '100 years'", "longer than 30 days"),
        ("vanish = [50, 10]", "growing order"),
        ("nodes = 100\n[nat]\nsymmetric = 101", "80 % at most"),
        ("[churn]\nsession = '0s'", "session must be"),
        ("[node]\nbucket_size = 0", "bucket_size must be"),
        ("[node]\nattempts = -1", "line 2"),
        ("= ", "line 1"),
    ] {
        simulate(text, &[]).assert_refused(2, reason);
    }
    bulla(["simulate", "--scenario", "/nowhere/at all"]).assert_refused(2, "/nowhere/at all");
    bulla(["simulate", "--nodes", "3"]).assert_refused(2, "--nodes");
    simulate(SMALL, &["--report", "/nowhere/at all"]).assert_refused(2, "/nowhere/at all");
}

#[test]
fn the_scenarios_that_come_along_are_good() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../benches/scenarios");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let text = text.replace("nodes = ", "nodes = 3 #");
        // All is well with it but what was changed.
        simulate(&text, &[]).assert_refused(2, "nodes must be");
    }
}

fn simulate(scenario: &str, args: &[&str]) -> Run {
    let folder = tempdir().unwrap();
    let path = folder.path().join("scenario.toml");
    fs::write(&path, scenario).unwrap();
    let fixed = ["simulate", "--json", "--scenario", path.to_str().unwrap()];
    bulla(fixed.iter().chain(args))
}
