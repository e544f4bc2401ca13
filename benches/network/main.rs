//! A network in one process: bulla's and OpenDHT's, through the same phases, in turns.
//!
//! ```sh
//! cargo bench --bench network -- --python PYTHON [--nodes 32,64] [--rounds 3] [--json FILE]
//! ```
//!
//! PYTHON is an interpreter that has OpenDHT's binding; without one, bulla's network runs alone. Each network is a process
//! of its own, which says what each phase measured in one JSON object; the table has the median of the rounds.

#![expect(
    clippy::disallowed_methods,
    reason = "a bench looks at the clock, and figures are rounded"
)]

mod fleet;
mod phases;
mod process;
mod sample;

use std::collections::BTreeMap;
use std::error::Error;
use std::process::Command;

use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Figures by their names, one for each round.
type Figures = BTreeMap<String, Vec<f64>>;

fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| {
        let place = args.iter().position(|arg| arg == name)?;
        args.get(place + 1).map(String::as_str)
    };
    if let Some(plan) = option("--run") {
        return phases::run(&serde_json::from_str(plan)?);
    }
    let rounds: u64 = option("--rounds").unwrap_or("1").parse()?;
    let mut document = Vec::new();
    for nodes in option("--nodes").unwrap_or("32").split(',') {
        let (mut ours, mut theirs) = (Figures::new(), Figures::new());
        for round in 0..rounds {
            let plan = plan(nodes.parse()?, round).to_string();
            let this = std::env::current_exe()?;
            collect(Command::new(this).args(["--run", &plan]), &mut ours)?;
            if let Some(python) = option("--python") {
                let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/network/reference.py");
                collect(Command::new(python).args([script, &plan]), &mut theirs)?;
            }
        }
        document
            .push(json!({ "nodes": nodes, "rounds": rounds, "bulla": ours, "opendht": theirs }));
        table(nodes, &ours, &theirs);
    }
    if let Some(file) = option("--json") {
        std::fs::write(file, serde_json::to_string_pretty(&document)?)?;
    }
    Ok(())
}

/// How much of what is done.
fn plan(nodes: u64, seed: u64) -> Value {
    json!({
        "nodes": nodes,
        "seed": seed,
        "idle_s": 5,
        "latency": 200,
        "in_flight": 64,
        "throughput": 1000,
        "growth_block": 1000,
        "growth_blocks": 8,
        "listens": 20,
        "signed": 200,
        "kept": 600,
        "kill_s": 20,
        "phases": [
            "boot", "idle", "latency", "throughput", "growth", "listen", "signed", "encrypted", "join", "kill",
        ],
    })
}

/// Runs a network, and adds what it says to the figures.
fn collect(network: &mut Command, figures: &mut Figures) -> Outcome<()> {
    let output = network.output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    for line in String::from_utf8(output.stdout)?.lines() {
        let said: Value = serde_json::from_str(line)?;
        let phase = said["phase"]
            .as_str()
            .ok_or("a phase has a name")?
            .to_owned();
        flatten(&phase, &said, figures);
    }
    Ok(())
}

/// Adds all numbers in an object under the path to each.
fn flatten(path: &str, said: &Value, figures: &mut Figures) {
    match said {
        Value::Object(fields) => {
            for (name, value) in fields {
                flatten(&format!("{path} {name}"), value, figures);
            }
        }
        Value::Array(items) => {
            for (place, value) in items.iter().enumerate() {
                flatten(&format!("{path} {}", place + 1), value, figures);
            }
        }
        number => {
            if let Some(number) = number.as_f64() {
                figures.entry(path.to_owned()).or_default().push(number);
            }
        }
    }
}

fn table(nodes: &str, ours: &Figures, theirs: &Figures) {
    println!("\n{nodes} nodes\n\n| | bulla | OpenDHT | bulla / OpenDHT |\n|---|---|---|---|");
    for (name, ours) in ours {
        let ours = sample::median(ours);
        match theirs.get(name).map(|theirs| sample::median(theirs)) {
            Some(theirs) => println!("| {name} | {ours} | {theirs} | {:.2} |", ours / theirs),
            None => println!("| {name} | {ours} | | |"),
        }
    }
}
