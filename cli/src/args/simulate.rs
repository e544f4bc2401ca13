//! `bulla simulate`: how large a world, and what is wanted of it.

use std::path::PathBuf;

use clap::{Args, ValueHint};

/// `bulla simulate`.
#[derive(Debug, Args)]
#[command(after_help = "\
The nodes are real ones; the network between them, its regions and time are simulated. The same scenario and seed give the
same run on any machine: compare the digest. Up to 2,000 nodes find each other through the first few; more than that start
with the contacts they would have saved, unless the scenario says otherwise.

A scenario is a TOML file; benches/scenarios/ has some, and shows all fields.

Examples:
  bulla simulate
  bulla simulate --nodes 10000 --seed 7 --json
  bulla simulate --scenario benches/scenarios/churn-10min.toml
  bulla simulate --nodes 1000 --report report.html")]
pub(crate) struct SimulateArgs {
    /// How many nodes. 1,000 unless the scenario says otherwise.
    #[arg(long, short = 'n', value_name = "N", value_parser = clap::value_parser!(u32).range(10..=10_000_000))]
    pub nodes: Option<u32>,
    /// The number that all chance grows from. 1 unless the scenario says otherwise.
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,
    /// What the world is like and what is done in it.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub scenario: Option<PathBuf>,
    /// Also run networks of growing size, with churn, losses and other settings, and plot them all
    /// in this HTML file.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub report: Option<PathBuf>,
}
