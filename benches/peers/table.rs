//! The figures of all rounds, as a table and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

/// What was measured.
#[derive(Default)]
pub(crate) struct Figures {
    /// In the order of their first figures.
    rows: Vec<String>,
    /// Of each node and row, by their numbers, in each round.
    rounds: BTreeMap<(usize, usize), Vec<BTreeMap<&'static str, f64>>>,
}

/// Units and the figure that a row is compared by.
const COLUMNS: [&str; 6] = ["per_sec", "lost", "refused", "p50_us", "p99_us", "p999_us"];

impl Figures {
    /// Adds the figures of one round.
    pub(crate) fn add(
        &mut self,
        node: usize,
        row: &str,
        figures: impl IntoIterator<Item = (&'static str, f64)>,
    ) {
        let known = self.rows.iter().position(|known| known == row);
        let row = known.unwrap_or_else(|| {
            self.rows.push(row.to_owned());
            self.rows.len() - 1
        });
        let rounds = self.rounds.entry((node, row)).or_default();
        rounds.push(figures.into_iter().collect());
    }

    /// The table: of each row and node the medians, and the ratio of `cost` to that of the last
    /// node, which is the median of the rounds' ratios, as both nodes of a round ran on the same
    /// machine at nearly the same time.
    pub(crate) fn table(&self, nodes: &[String]) -> String {
        let mut text = "| | node | cost | ratio |".to_owned();
        for column in COLUMNS {
            let _ = write!(text, " {column} |");
        }
        text.push_str("\n|---|---|--:|--:|");
        text.push_str(&"--:|".repeat(COLUMNS.len()));
        for (row, title) in self.rows.iter().enumerate() {
            for (node, name) in nodes.iter().enumerate() {
                let Some(rounds) = self.rounds.get(&(node, row)) else {
                    continue;
                };
                let cost = cell(median_of(rounds, "cost"));
                let ratio = cell(self.ratio(node, 1, row, "cost"));
                let _ = write!(text, "\n| {title} | {name} | {cost} | {ratio} |");
                for column in COLUMNS {
                    let _ = write!(text, " {} |", cell(median_of(rounds, column)));
                }
            }
        }
        text
    }

    /// What more cores do, where `nodes` are so many kinds with each number of cores, the smallest
    /// first: replies per second, beside those of the same kind with the smallest.
    pub(crate) fn rates(&self, nodes: &[String], value_types: usize) -> String {
        let mut text = "| | node | per_sec | ratio |\n|---|---|--:|--:|".to_owned();
        for (row, title) in self.rows.iter().enumerate() {
            for (node, name) in nodes.iter().enumerate() {
                if let Some(ratio) = self.ratio(node, node % value_types, row, "per_sec") {
                    let rate = cell(median_of(&self.rounds[&(node, row)], "per_sec"));
                    let _ = write!(text, "\n| {title} | {name} | {rate} | {ratio:.2} |");
                }
            }
        }
        text
    }

    /// All rounds, for programs.
    pub(crate) fn json(&self, nodes: &[String]) -> Value {
        let rows = self.rounds.iter().map(|(&(node, row), rounds)| {
            json!({
                "node": nodes[node],
                "row": self.rows[row],
                "ratio": self.ratio(node, 1, row, "cost"),
                "rounds": rounds,
            })
        });
        rows.collect()
    }

    fn ratio(&self, node: usize, base: usize, row: usize, column: &str) -> Option<f64> {
        let rounds = |node| self.rounds.get(&(node, row));
        let pairs = rounds(node)?.iter().zip(rounds(base)?);
        median(pairs.filter_map(|(ours, base)| Some(ours.get(column)? / base.get(column)?)))
    }
}

fn median_of(rounds: &[BTreeMap<&'static str, f64>], column: &str) -> Option<f64> {
    median(rounds.iter().filter_map(|round| round.get(column).copied()))
}

/// The figure in the middle.
pub(crate) fn median(figures: impl Iterator<Item = f64>) -> Option<f64> {
    let mut figures: Vec<_> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}

/// As many digits as matter.
pub(crate) fn cell(figure: Option<f64>) -> String {
    match figure {
        None => String::new(),
        Some(figure) if figure.abs() >= 100.0 || figure == 0.0 => format!("{figure:.0}"),
        Some(figure) => format!("{figure:.2}"),
    }
}
