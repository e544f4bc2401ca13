//! [`Growth`]: what each more costs where there are many already.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Result;
use std::time::Duration;

use serde_json::{Value, json};

use crate::Args;
use crate::field::Field;
use crate::table::{cell, median};
use crate::workload::{Signed, Workload};

/// What grows.
const KINDS: [Workload; 3] = [Workload::PutTogether, Workload::Put, Workload::Listen];
/// Points of each curve.
const BLOCKS: usize = 12;
/// A node that takes longer for one block is let off the rest.
const TIMEOUT: Duration = Duration::from_secs(20);

/// One node that is given more and more.
pub(crate) struct Growth<'a> {
    args: &'a Args,
    field: Field,
    node: usize,
    curves: &'a mut Curves,
}

/// Of each kind, by how many there are in the end, of each node: what each more cost in each round.
#[derive(Default)]
pub(crate) struct Curves(BTreeMap<Workload, BTreeMap<usize, BTreeMap<usize, Vec<Cost>>>>);

/// Of one item.
#[derive(Clone, Copy)]
struct Cost {
    cpu: Duration,
    bytes: f64,
}

impl<'a> Growth<'a> {
    pub(crate) fn new(args: &'a Args, field: Field, node: usize, curves: &'a mut Curves) -> Self {
        Self {
            args,
            field,
            node,
            curves,
        }
    }

    pub(crate) fn run(&mut self) -> Result<()> {
        let unsigned = Signed::default();
        let block = self.args.growth / BLOCKS;
        for kind in KINDS {
            for number in 1..=BLOCKS {
                let batches = kind.prepare(&mut self.field, block, &unsigned)?;
                let pace = self.args.closed_loop(&self.field);
                let course = self.field.load(&batches, pace)?;
                let cost = Cost {
                    cpu: course.cpu_each(),
                    bytes: course.growth_each(),
                };
                let counts = self.curves.0.entry(kind).or_default();
                let nodes = counts.entry(number * block).or_default();
                nodes.entry(self.node).or_default().push(cost);
                if course.tally.elapsed > TIMEOUT {
                    eprintln!("{kind}: {block} took {:?}; no more", course.tally.elapsed);
                    break;
                }
            }
        }
        Ok(())
    }
}

impl Curves {
    /// A table of each kind: the medians.
    pub(crate) fn tables(&self, names: &[String]) -> String {
        let mut text = String::new();
        for (kind, counts) in &self.0 {
            let _ = write!(text, "\n### {kind}, of many\n\n| there are |");
            for name in names {
                let _ = write!(text, " {name}, µs | bytes |");
            }
            let _ = write!(text, "\n|--:|{}", "--:|--:|".repeat(names.len()));
            for (count, nodes) in counts {
                let _ = write!(text, "\n| {count} |");
                for node in 0..names.len() {
                    let costs = || nodes.get(&node).into_iter().flatten();
                    let micros = median(costs().map(|cost| cost.cpu.as_secs_f64() * 1e6));
                    let bytes = median(costs().map(|cost| cost.bytes));
                    let _ = write!(text, " {} | {} |", cell(micros), cell(bytes));
                }
            }
            text.push('\n');
        }
        text
    }

    /// All rounds, for programs.
    pub(crate) fn json(&self, names: &[String]) -> Value {
        let mut points = Vec::new();
        for (kind, counts) in &self.0 {
            for (count, nodes) in counts {
                for (node, costs) in nodes {
                    points.push(json!({
                        "kind": kind.to_string(),
                        "node": names[*node],
                        "count": count,
                        "cpu_us": costs.iter().map(|cost| cost.cpu.as_secs_f64() * 1e6).collect::<Vec<_>>(),
                        "bytes": costs.iter().map(|cost| cost.bytes).collect::<Vec<_>>(),
                    }));
                }
            }
        }
        points.into()
    }
}
