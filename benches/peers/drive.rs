//! [`Drive`]: one node in one round. The nodes of a round take turns, row by row.

use std::io::Result;

use crate::Args;
use crate::field::{Course, Field};
use crate::load::Pace;
use crate::table::Figures;
use crate::told;
use crate::workload::{Signed, Workload};

/// Requests in a second, at a steady rate, of gets.
const RATES: [u32; 3] = [1_000, 5_000, 20_000];
/// So many fifths of a second at each of them in a round, each measured by itself: what the machine
/// does elsewhere upsets some.
const FIFTHS: usize = 30;
/// Puts that are told to all listeners.
const TOLD: u64 = 40;

/// What is done with a node and noted in a row.
#[derive(Clone, Copy)]
pub(crate) enum Row {
    /// Nothing.
    Idle,
    /// Requests in a closed loop.
    Closed(Workload),
    /// Puts that are told to listeners.
    Told,
    /// Gets at so many a second, for a fifth of one.
    Rate(u32),
    /// Requests that come all at once.
    Burst,
}

impl Row {
    /// All rows with these workloads.
    pub(crate) fn all(workloads: &[Workload], is_brief: bool) -> Vec<Self> {
        let closed = workloads.iter().copied().map(Self::Closed);
        let rates = [RATES; FIFTHS].into_iter().flatten().map(Self::Rate);
        let others = [Self::Told].into_iter().chain(rates).chain([Self::Burst]);
        let others = others.filter(|_| !is_brief);
        [Self::Idle]
            .into_iter()
            .chain(closed)
            .chain(others)
            .collect()
    }
}

/// One node in one round.
pub(crate) struct Drive<'a> {
    args: &'a Args,
    signed: &'a Signed,
    field: Field,
    node: usize,
}

impl<'a> Drive<'a> {
    pub(crate) fn new(
        args: &'a Args,
        signed: &'a Signed,
        field: Field,
        node: usize,
    ) -> Result<Self> {
        field.node.take_turn(false)?;
        Ok(Self {
            args,
            signed,
            field,
            node,
        })
    }

    /// Does what a row says, and notes what it cost. Nodes are halted when it is not their turn.
    pub(crate) fn take(&mut self, row: Row, figures: &mut Figures) -> Result<()> {
        self.field.node.take_turn(true)?;
        let done = self.act(row, figures);
        self.field.node.take_turn(false)?;
        done
    }

    fn act(&mut self, row: Row, figures: &mut Figures) -> Result<()> {
        match row {
            Row::Idle => {
                let idle = self.field.node.memory()? as f64 / f64::from(1 << 20);
                figures.add(self.node, "memory idle (MiB)", [("cost", idle)]);
            }
            Row::Closed(workload) => {
                let pace = self.args.closed_loop(&self.field);
                let course = self.course(workload, workload.count(self.args.replies), pace)?;
                let memory = match workload {
                    Workload::Put => Some("memory per value (B)"),
                    Workload::Listen => Some("memory per listener (B)"),
                    Workload::ListenTogether => Some("memory per listener, 20 to a key (B)"),
                    _ => None,
                };
                let growth = course.growth_each();
                self.add_course(workload.to_string(), course, figures);
                if let Some(memory) = memory {
                    figures.add(self.node, memory, [("cost", growth)]);
                }
            }
            Row::Told => {
                let told = told::tell(&mut self.field, TOLD)?;
                self.add_course("told", told, figures);
            }
            Row::Rate(rate) => {
                let pace = Pace::Rate(f64::from(rate) / self.field.peers.len() as f64);
                let course = self.course(Workload::Get, rate as usize / 5, pace)?;
                self.add_course(format!("get 64 B at {rate}/s"), course, figures);
            }
            Row::Burst => {
                let lost = told::burst(&mut self.field)?;
                let row = format!("burst of {} pings", told::BURST);
                figures.add(self.node, &row, [("lost", lost as f64)]);
            }
        }
        Ok(())
    }

    fn course(&mut self, workload: Workload, count: usize, pace: Pace) -> Result<Course> {
        let batches = workload.prepare(&mut self.field, count, self.signed)?;
        self.field.load(&batches, pace)
    }

    fn add_course(&self, row: impl Into<String>, mut course: Course, figures: &mut Figures) {
        // Seconds for 100,000 replies.
        let cost = course.cpu_each().as_secs_f64() * 1e5;
        let tally = &mut course.tally;
        let all = [
            ("cost", cost),
            ("per_sec", tally.per_sec()),
            ("lost", tally.lost as f64),
            ("refused", tally.refused as f64),
            ("p50_us", tally.quantile(0.5)),
            ("p99_us", tally.quantile(0.99)),
            ("p999_us", tally.quantile(0.999)),
        ];
        figures.add(self.node, &row.into(), all);
    }
}
