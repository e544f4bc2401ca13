//! `bulla simulate`: a network under virtual time, and what it did.

mod goal;
mod memory;
mod report;
mod run;
mod scenario;

use bulla_sim::Results;

use crate::args::SimulateArgs;
use crate::exit::{Exit, Failure};
use crate::printer::{Printer, Style};
use report::Report;
use run::{Measurement, Runs};
use scenario::ScenarioFile;

/// Runs the scenario, or the usual one, and prints its results.
pub(crate) async fn run(args: &SimulateArgs, printer: &Printer) -> Result<Exit, Failure> {
    let mut scenario = match &args.scenario {
        Some(path) => ScenarioFile::read(path)?,
        None => ScenarioFile::default(),
    };
    scenario.nodes = args.nodes.unwrap_or(scenario.nodes);
    scenario.seed = args.seed.unwrap_or(scenario.seed);
    if let Some(path) = &args.report {
        Report::check(path)?;
    }
    let mut runs = Runs::new(printer)?;
    let experiment = scenario.experiment()?;
    let measurement = runs.run(String::new(), experiment).await?;
    if let Some(path) = &args.report {
        let report = Report::make(&scenario, measurement.clone(), &mut runs).await?;
        report.write(path)?;
    }
    show(&measurement, printer)?;
    if let Some(first) = &measurement.results.first_violation {
        let count = measurement.results.violations;
        printer.note(format_args!(
            "{count} times a rule was broken, first {first}"
        ));
        return Ok(Exit::Failed);
    }
    Ok(Exit::Done)
}

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn show(measurement: &Measurement, printer: &Printer) -> Result<(), Failure> {
    let Results {
        nodes,
        lookups,
        found,
        hops_p50,
        hops_p90,
        hops_p99,
        latency_ms_p50,
        latency_ms_p90,
        latency_ms_p99,
        idle,
        busy,
        load,
        digest,
        ..
    } = &measurement.results;
    let heading = |text| printer.style(Style::Bold, text);
    let share = *found as f64 * 100.0 / (*lookups).max(1) as f64;
    let text = format!(
        "{}  {nodes} nodes, {}; {:.0} virtual seconds in {:.1} s\n\
         {}  {found} of {lookups} lookups ({share:.2} %)\n\
         {}     p50 {hops_p50}, p90 {hops_p90}, p99 {hops_p99}\n\
         {}  p50 {latency_ms_p50:.0} ms, p90 {latency_ms_p90:.0} ms, p99 {latency_ms_p99:.0} ms\n\
         {}  idle {:.0} B/s and {:.0} datagrams/h a node; busy {:.0} B/s and {:.0} datagrams/h\n\
         {}     p1 {}, p50 {}, p99 {}, most {} datagrams to a node while busy\n\
         {}   {}\n\
         {}   {digest}",
        heading("network"),
        measurement.start,
        measurement.results.virtual_s,
        measurement.real_s,
        heading("found  "),
        heading("hops"),
        heading("latency"),
        heading("traffic"),
        idle.bytes_per_node_per_s,
        idle.datagrams_per_node_per_h,
        busy.bytes_per_node_per_s,
        busy.datagrams_per_node_per_h,
        heading("load"),
        load[0],
        load[2],
        load[4],
        load[5],
        heading("memory"),
        measurement.memory_bytes_per_node().map_or_else(
            || "unknown".to_owned(),
            |bytes| format!("{bytes} bytes a node")
        ),
        heading("digest"),
    );
    printer.result(&measurement.to_json()?, text)?;
    Ok(())
}
