//! [`Drive`]: one node in one round, row after row.

use std::io::Result;

use crate::Args;
use crate::field::{Course, Field};
use crate::load::Pace;
use crate::table::Figures;
use crate::told;
use crate::workload::{Signed, Workload};

/// Requests in a second, at a steady rate, of gets.
const RATES: [f64; 3] = [1_000.0, 5_000.0, 20_000.0];
/// Puts that are told to all listeners.
const TOLD: u64 = 40;

/// One node in one round.
pub(crate) struct Drive<'a> {
    args: &'a Args,
    signed: &'a Signed,
    field: Field,
    node: usize,
    figures: &'a mut Figures,
}

impl<'a> Drive<'a> {
    pub(crate) fn new(
        args: &'a Args,
        signed: &'a Signed,
        field: Field,
        node: usize,
        figures: &'a mut Figures,
    ) -> Self {
        Self {
            args,
            signed,
            field,
            node,
            figures,
        }
    }

    pub(crate) fn run(&mut self, workloads: &[Workload]) -> Result<()> {
        let idle = self.field.node.memory()? as f64 / f64::from(1 << 20);
        self.add("memory idle (MiB)", [("cost", idle)]);
        for &workload in workloads {
            let pace = self.args.closed_loop(&self.field);
            let course = self.course(workload, workload.count(self.args.replies), pace)?;
            let growth = course.growth_each();
            self.add_course(workload.to_string(), course);
            match workload {
                Workload::Put => self.add("memory per value (B)", [("cost", growth)]),
                Workload::Listen => self.add("memory per listener (B)", [("cost", growth)]),
                Workload::ListenTogether => {
                    self.add("memory per listener, 20 to a key (B)", [("cost", growth)]);
                }
                _ => {}
            }
        }
        if self.args.brief {
            return Ok(());
        }
        let told = told::tell(&mut self.field, TOLD)?;
        self.add_course("told", told);
        for rate in RATES {
            let pace = Pace::Rate(rate / self.field.peers.len() as f64);
            let course = self.course(Workload::Get, rate as usize * 2, pace)?;
            self.add_course(format!("get 64 B at {rate}/s"), course);
        }
        let lost = told::burst(&mut self.field)?;
        let row = format!("burst of {} pings", told::BURST);
        self.add(&row, [("lost", lost as f64)]);
        Ok(())
    }

    fn course(&mut self, workload: Workload, count: usize, pace: Pace) -> Result<Course> {
        let batches = workload.prepare(&mut self.field, count, self.signed)?;
        self.field.load(&batches, pace)
    }

    fn add_course(&mut self, row: impl Into<String>, mut course: Course) {
        // Seconds for 100,000 replies.
        let cost = course.cpu_each().as_secs_f64() * 1e5;
        let tally = &mut course.tally;
        let figures = [
            ("cost", cost),
            ("per_sec", tally.per_sec()),
            ("lost", tally.lost as f64),
            ("refused", tally.refused as f64),
            ("p50_us", tally.quantile(0.5)),
            ("p99_us", tally.quantile(0.99)),
            ("p999_us", tally.quantile(0.999)),
        ];
        self.add(&row.into(), figures);
    }

    fn add(&mut self, row: &str, figures: impl IntoIterator<Item = (&'static str, f64)>) {
        self.figures.add(self.node, row, figures);
    }
}
