//! `bulla identity verify`: whether a certificate leads to one that is trusted.

use std::path::{Path, PathBuf};

use crate::cli::calendar::now;
use crate::cli::certificates::read_named;
use crate::cli::exit::{Exit, Failure};
use crate::cli::judge::Judge;
use crate::cli::printer::Printer;

/// Judges the chain, and says why if it is refused.
pub(super) fn run(file: &Path, ca: Option<&PathBuf>, printer: &Printer) -> Result<Exit, Failure> {
    let chain = read_named(file)?;
    let judge = match ca {
        Some(ca) => Judge::read(std::slice::from_ref(ca), &[])?,
        None => Judge::of_itself(chain.leaf()),
    };
    let verdict = judge.judge(&chain, now())?;
    printer.result(&verdict.json(chain.leaf()), verdict.text(printer))?;
    Ok(verdict.exit())
}
