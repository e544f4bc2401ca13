//! [`Figures`]: what one library's networks have said.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::Outcome;
use crate::sample::median;

/// How the names of our networks begin.
pub(crate) const OURS: &str = "bulla";

/// Figures by their names, one for each round.
#[derive(Clone, Default)]
pub(crate) struct Figures {
    pub(crate) library: String,
    single: BTreeMap<String, Vec<f64>>,
    /// Those that come in rows of many.
    curves: BTreeMap<String, Vec<Value>>,
}

impl Figures {
    /// Adds what was said of a phase, or which library it is.
    pub(crate) fn add(&mut self, said: &Value) -> Outcome<()> {
        if let Some(library) = said["library"].as_str() {
            library.clone_into(&mut self.library);
            return Ok(());
        }
        let phase = said["phase"].as_str().ok_or("a phase has a name")?;
        self.flatten(phase, said);
        Ok(())
    }

    /// Adds all numbers in an object under the path to each.
    fn flatten(&mut self, path: &str, said: &Value) {
        match said {
            Value::Object(fields) => {
                for (name, value) in fields {
                    self.flatten(&format!("{path} {name}"), value);
                }
            }
            Value::Array(_) => {
                let rounds = self.curves.entry(path.to_owned()).or_default();
                rounds.push(said.clone());
            }
            number => {
                if let Some(number) = number.as_f64() {
                    self.single.entry(path.to_owned()).or_default().push(number);
                }
            }
        }
    }

    fn is_ours(&self) -> bool {
        self.library.starts_with(OURS)
    }

    /// All rounds, for programs.
    pub(crate) fn json(&self) -> Value {
        json!({ "library": self.library, "figures": self.single, "curves": self.curves })
    }
}

/// The medians, and the ratios of those of our networks to the first other's.
pub(crate) fn table(networks: &[Figures]) -> String {
    let base = networks.iter().find(|network| !network.is_ours());
    let ours: Vec<_> = networks
        .iter()
        .filter(|network| network.is_ours())
        .collect();
    let mut text = "| |".to_owned();
    for network in networks {
        let _ = write!(text, " {} |", network.library);
    }
    for network in &ours {
        let _ = write!(text, " {} |", network.library.replacen(OURS, "ratio", 1));
    }
    text.push_str("\n|---|");
    text.push_str(&"--:|".repeat(networks.len() + ours.len()));
    let names = networks
        .iter()
        .take(1)
        .flat_map(|first| first.single.keys());
    for name in names.filter(|name| !name.ends_with(" count")) {
        let median = |network: &Figures| network.single.get(name).map(|rounds| median(rounds));
        let _ = write!(text, "\n| {name} |");
        for network in networks {
            let _ = write!(text, " {} |", median(network).map(cell).unwrap_or_default());
        }
        let base = base.and_then(median).filter(|base| *base != 0.0);
        for network in &ours {
            let _ = match (median(network), base) {
                (Some(ours), Some(base)) => write!(text, " {:.2} |", ours / base),
                _ => write!(text, " |"),
            };
        }
    }
    text
}

/// As many digits as matter.
fn cell(figure: f64) -> String {
    if figure.abs() >= 100.0 || figure.fract() == 0.0 {
        format!("{figure:.0}")
    } else {
        format!("{figure:.3}")
    }
}
