//! [`Narrator`]: tells step by step what is done and what came of it, and sums it up.

use std::time::Duration;

use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use crate::exit::{Failure, one_line};
use crate::printer::{Printer, Style};

/// What came of a step.
pub(super) struct Outcome {
    /// In a sentence.
    pub(super) text: String,
    /// For programs.
    pub(super) facts: Json,
}

/// What a step hands to the next, and what came of it.
pub(super) type Step<T> = Result<(T, Outcome), Failure>;

/// Tells the steps of a demonstration.
pub(super) struct Narrator {
    printer: Printer,
    rows: Vec<[String; 3]>,
}

impl Narrator {
    pub(super) fn new(printer: Printer) -> Self {
        Self {
            printer,
            rows: Vec::new(),
        }
    }

    /// Takes a step, and tells what it is before and what came of it after.
    pub(super) async fn step<T>(
        &mut self,
        name: &'static str,
        plan: &str,
        work: impl Future<Output = Step<T>>,
    ) -> Result<T, Failure> {
        let number = self.rows.len() + 1;
        let heading = self.printer.style(Style::Bold, name);
        self.printer
            .print(format_args!("{number}. {heading}\n   {plan}"))?;
        let started = Instant::now();
        let spinner = self.printer.spinner(name);
        let done = work.await;
        drop(spinner);
        let took = started.elapsed();
        match done {
            Ok((result, outcome)) => {
                self.tell(name, true, took, &outcome)?;
                Ok(result)
            }
            Err(failure) => {
                let outcome = Outcome {
                    text: failure.to_string(),
                    facts: json!({}),
                };
                self.tell(name, false, took, &outcome)?;
                Err(failure)
            }
        }
    }

    fn tell(
        &mut self,
        name: &str,
        ok: bool,
        took: Duration,
        outcome: &Outcome,
    ) -> Result<(), Failure> {
        let mut object = outcome.facts.clone();
        object["step"] = name.into();
        object["ok"] = ok.into();
        object["text"] = one_line(&outcome.text).into();
        object["ms"] = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).into();
        let mark = if ok {
            self.printer.style(Style::Good, "ok")
        } else {
            self.printer.style(Style::Bad, "failed")
        };
        self.printer
            .result(&object, format_args!("   {mark}: {}", outcome.text))?;
        self.rows.push([
            format!("{} {name}", self.rows.len() + 1),
            if ok {
                "ok".to_owned()
            } else {
                "failed".to_owned()
            },
            format!("{} ms", took.as_millis()),
        ]);
        Ok(())
    }

    /// Sums up all steps in a table.
    pub(super) fn sum_up(&self) -> Result<(), Failure> {
        let mut table = Table::new();
        table
            .load_style(UTF8_FULL_CONDENSED)
            .set_header(["step", "result", "took"])
            .add_rows(self.rows.iter());
        Ok(self.printer.print(format_args!("\n{table}"))?)
    }
}
