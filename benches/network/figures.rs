//! [`Figures`]: what one library's networks have said.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::Outcome;
use crate::sample::median;

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

    /// All rounds, for programs.
    pub(crate) fn json(&self) -> Value {
        json!({ "library": self.library, "figures": self.single, "curves": self.curves })
    }
}

/// The medians; ratios are those of the first network's to the second's.
pub(crate) fn table(networks: &[Figures]) -> String {
    let mut text = "| |".to_owned();
    for network in networks {
        let _ = write!(text, " {} |", network.library);
    }
    text.push_str(" ratio |\n|---|");
    text.push_str(&"--:|".repeat(networks.len() + 1));
    let names = networks.iter().take(1).flat_map(|ours| ours.single.keys());
    for name in names.filter(|name| !name.ends_with(" count")) {
        let _ = write!(text, "\n| {name} |");
        let medians: Vec<_> = networks
            .iter()
            .map(|network| network.single.get(name).map(|rounds| median(rounds)))
            .collect();
        for median in &medians {
            let _ = write!(text, " {} |", median.map(cell).unwrap_or_default());
        }
        let _ = match medians[..] {
            [Some(ours), Some(theirs), ..] if theirs != 0.0 => {
                write!(text, " {:.2} |", ours / theirs)
            }
            _ => write!(text, " |"),
        };
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
