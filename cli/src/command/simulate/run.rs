//! [`Runs`]: experiments one after the other, with a gauge, until they are over or interrupted.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bulla_sim::{Experiment, Results, Start};
use serde_json::Value as Json;
use tokio::task;
use tokio::time::Instant;

use super::memory::resident_bytes;
use crate::exit::{Context, Failure};
use crate::interrupt::Interrupt;
use crate::printer::Printer;

/// What runs experiments.
pub(super) struct Runs<'a> {
    printer: &'a Printer,
    interrupt: Interrupt,
}

/// What came of an experiment, and what it took.
#[derive(Clone, Debug)]
pub(super) struct Measurement {
    pub(super) results: Results,
    pub(super) start: &'static str,
    /// Seconds of real time.
    pub(super) real_s: f64,
    /// How much the memory of this process grew at most, if the system tells.
    memory_bytes: Option<u64>,
    nodes: usize,
}

impl<'a> Runs<'a> {
    pub(super) fn new(printer: &'a Printer) -> Result<Self, Failure> {
        Ok(Self {
            printer,
            interrupt: Interrupt::install()?,
        })
    }

    /// Runs an experiment; `name` tells it from others.
    pub(super) async fn run(
        &mut self,
        name: String,
        experiment: Experiment,
    ) -> Result<Measurement, Failure> {
        let stop = Arc::new(AtomicBool::new(false));
        let gauge = self.printer.progress();
        let mut work = {
            let (stop, gauge) = (Arc::clone(&stop), gauge.clone());
            task::spawn_blocking(move || {
                let started = Instant::now();
                let before = resident_bytes();
                let mut most = before;
                let start = match experiment.scenario.start {
                    Start::Bootstrap => "bootstrapped",
                    Start::Warm => "started with tables",
                };
                let nodes = experiment.scenario.hosts
                    + experiment.scenario.clients
                    + experiment
                        .scenario
                        .natted
                        .iter()
                        .map(|(_, count)| count)
                        .sum::<usize>();
                let results = experiment.run(|sim, progress| {
                    let seconds = sim.now().as_micros() / 1_000_000;
                    gauge.show(
                        format!("{name}{}, at {seconds} s", progress.phase.name()),
                        progress.share,
                    );
                    most = most.max(resident_bytes());
                    if stop.load(Ordering::Relaxed) {
                        ControlFlow::Break(())
                    } else {
                        ControlFlow::Continue(())
                    }
                })?;
                Some(Measurement {
                    results,
                    start,
                    real_s: started.elapsed().as_secs_f64(),
                    memory_bytes: most.zip(before).map(|(most, before)| most - before),
                    nodes,
                })
            })
        };
        let measurement = tokio::select! {
            measurement = &mut work => measurement,
            () = self.interrupt.wait() => {
                stop.store(true, Ordering::Relaxed);
                work.await
            }
        };
        gauge.clear();
        let measurement = measurement.context("the simulation failed")?;
        measurement.ok_or_else(|| Failure::new("interrupted: nothing was measured"))
    }
}

impl Measurement {
    /// Returns the memory for one node, with its share in the simulation's own.
    pub(super) fn memory_bytes_per_node(&self) -> Option<u64> {
        self.memory_bytes
            .map(|bytes| bytes / self.nodes.max(1) as u64)
    }

    /// Returns all results as one object.
    pub(super) fn to_json(&self) -> Result<Json, Failure> {
        let mut object = serde_json::to_value(&self.results).context("cannot write the figures")?;
        object["start"] = self.start.into();
        object["real_s"] = self.real_s.into();
        object["memory_bytes_per_node"] = self.memory_bytes_per_node().into();
        Ok(object)
    }
}
