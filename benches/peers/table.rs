//! The figures of all rounds, as a table and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

/// What was measured, of each node and row in each round.
#[derive(Default)]
pub(crate) struct Figures(BTreeMap<(usize, String), Vec<BTreeMap<&'static str, f64>>>);

/// Units and the figure that a row is compared by.
const COLUMNS: [&str; 6] = ["per_sec", "lost", "refused", "p50_us", "p99_us", "p999_us"];

impl Figures {
    /// Adds the figures of one round.
    pub(crate) fn add(
        &mut self,
        node: usize,
        row: impl Into<String>,
        figures: impl IntoIterator<Item = (&'static str, f64)>,
    ) {
        let rounds = self.0.entry((node, row.into())).or_default();
        rounds.push(figures.into_iter().collect());
    }

    /// The table: of each row and node the medians, and the ratio of `cost` to that of the last node, which is the
    /// median of the rounds' ratios, as both nodes of a round ran on the same machine at nearly the same time.
    pub(crate) fn table(&self, nodes: &[String], rows: &[String]) -> String {
        let mut text = "| | node | cost | ratio |".to_owned();
        for column in COLUMNS {
            let _ = write!(text, " {column} |");
        }
        text.push_str("\n|---|---|--:|--:|");
        text.push_str(&"--:|".repeat(COLUMNS.len()));
        for row in rows {
            for (node, name) in nodes.iter().enumerate() {
                let Some(rounds) = self.0.get(&(node, row.clone())) else {
                    continue;
                };
                let _ = write!(
                    text,
                    "\n| {row} | {name} | {} |",
                    cell(median_of(rounds, "cost"))
                );
                let _ = write!(text, " {} |", cell(self.ratio(node, 1, row)));
                for column in COLUMNS {
                    let _ = write!(text, " {} |", cell(median_of(rounds, column)));
                }
            }
        }
        text
    }

    /// All rounds, for programs.
    pub(crate) fn json(&self, nodes: &[String]) -> Value {
        let rows = self.0.iter().map(|((node, row), rounds)| {
            json!({
                "node": nodes[*node],
                "row": row,
                "ratio": self.ratio(*node, 1, row),
                "rounds": rounds,
            })
        });
        rows.collect()
    }

    fn ratio(&self, node: usize, base: usize, row: &str) -> Option<f64> {
        let rounds = |node| self.0.get(&(node, row.to_owned()));
        let pairs = rounds(node)?.iter().zip(rounds(base)?);
        median(pairs.filter_map(|(ours, base)| Some(ours.get("cost")? / base.get("cost")?)))
    }
}

fn median_of(rounds: &[BTreeMap<&'static str, f64>], column: &str) -> Option<f64> {
    median(rounds.iter().filter_map(|round| round.get(column).copied()))
}

fn median(figures: impl Iterator<Item = f64>) -> Option<f64> {
    let mut figures: Vec<_> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}

fn cell(figure: Option<f64>) -> String {
    match figure {
        None => String::new(),
        Some(figure) if figure.abs() >= 100.0 || figure == 0.0 => format!("{figure:.0}"),
        Some(figure) => format!("{figure:.2}"),
    }
}
