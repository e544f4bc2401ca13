//! A network in one process: bulla's and OpenDHT's, through the same phases, in turns.
//!
//! ```sh
//! cargo bench --bench network -- --python PYTHON [--old-python PYTHON] \
//!     [--nodes 32,64] [--rounds 3] [--json FILE]
//! ```
//!
//! PYTHON is an interpreter that has OpenDHT's binding; without one, bulla's network runs alone.
//! Each network is a process of its own, which says what each phase measured in one JSON object;
//! the table has the median of the rounds.

#![expect(
    clippy::disallowed_methods,
    reason = "a bench looks at the clock, and figures are rounded"
)]

mod figures;
mod fleet;
mod loops;
mod phases;
mod ping;
mod process;
mod sample;

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use figures::{Figures, table};
use loops::Loops;
use ping::Pings;

/// The phases that depend on the size of the network, or on how many threads it has.
const BRIEF: [&str; 7] = [
    "boot",
    "early",
    "idle",
    "latency",
    "throughput",
    "join",
    "kill",
];

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| {
        let place = args.iter().position(|arg| arg == name)?;
        args.get(place + 1).map(String::as_str)
    };
    if let Some(plan) = option("--run") {
        return phases::run(serde_json::from_str(plan)?);
    }
    let rounds: u64 = option("--rounds").unwrap_or("1").parse()?;
    let pythons = [option("--python"), option("--old-python")];
    let mut document = Vec::new();
    for (place, nodes) in option("--nodes").unwrap_or("32").split(',').enumerate() {
        let mut networks = vec![Figures::default(); 4];
        for round in 0..rounds {
            let mut plan = plan(nodes.parse()?, round, place == 0);
            let this = std::env::current_exe()?;
            let whole = plan.to_string();
            run(
                Command::new(&this).args(["--run", &whole]),
                &mut networks[0],
            )?;
            for (python, figures) in pythons.iter().zip(&mut networks[1..]) {
                if let Some(python) = python {
                    let script =
                        concat!(env!("CARGO_MANIFEST_DIR"), "/benches/network/reference.py");
                    run(Command::new(python).args([script, &whole]), figures)?;
                }
            }
            plan["one_thread"] = true.into();
            plan["phases"] = BRIEF.into();
            let brief = plan.to_string();
            run(Command::new(this).args(["--run", &brief]), &mut networks[3])?;
        }
        networks.retain(|figures| !figures.library.is_empty());
        println!("\n### {nodes} nodes\n\n{}", table(&networks));
        let networks: Vec<_> = networks.iter().map(Figures::json).collect();
        document.push(json!({ "nodes": nodes, "rounds": rounds, "networks": networks }));
    }
    if let Some(file) = option("--json") {
        std::fs::write(file, serde_json::to_string_pretty(&document)?)?;
    }
    Ok(())
}

/// How much of what is done. What does not depend on the size of the network is done in one only.
fn plan(nodes: u64, seed: u64, is_complete: bool) -> Value {
    let phases: &[&str] = if is_complete {
        &[
            "boot",
            "early",
            "idle",
            "latency",
            "throughput",
            "listen",
            "plain",
            "busy",
            "signed",
            "encrypted",
            "signed_4096",
            "encrypted_4096",
            "join",
            "growth",
            "kill",
        ]
    } else {
        &BRIEF
    };
    json!({
        "nodes": nodes,
        "one_thread": false,
        "seed": seed,
        "early": 500,
        "idle_s": 5,
        "latency": 200,
        "in_flight": 64,
        "throughput": 1000,
        "growth_block": 1000,
        "growth_blocks": 100,
        "growth_s": 60,
        "listens": 20,
        "round_trips_s": 5,
        "kept": 600,
        "kill_s": 20,
        "phases": phases,
    })
}

/// Runs a network, and adds what it says to the figures.
fn run(network: &mut Command, figures: &mut Figures) -> Outcome<()> {
    let mut child = network.stdout(Stdio::piped()).spawn()?;
    let lines = child.stdout.take().ok_or("no standard output")?;
    let mut pinged = None;
    for line in BufReader::new(lines).lines() {
        let mut said: Value = serde_json::from_str(&line?)?;
        if let Some(address) = said["ping"].as_str() {
            let loops = (said["during"] == "busy").then(Loops::start).transpose()?;
            pinged = Some((Pings::start(address.parse()?)?, loops));
        } else {
            if let Some((pings, _loops)) = pinged.take() {
                said["ping"] = sample::milliseconds(pings.stop());
            }
            figures.add(&said)?;
        }
    }
    let status = child.wait()?;
    status
        .success()
        .then_some(())
        .ok_or_else(|| format!("{network:?}: {status}").into())
}
