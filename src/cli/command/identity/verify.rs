//! `bulla identity verify`: whether a certificate leads to one that is trusted.

use std::path::{Path, PathBuf};

use crate::cli::calendar::now;
use crate::cli::certificates::read_named;
use crate::cli::exit::{Exit, Failure};
use crate::cli::printer::Printer;
use crate::cli::verifier::Verifier;

/// Judges the chain, and says why if it is refused.
pub(super) fn run(file: &Path, ca: Option<&PathBuf>, printer: &Printer) -> Result<Exit, Failure> {
    let chain = read_named(file)?;
    let verifier = match ca {
        Some(ca) => Verifier::read(std::slice::from_ref(ca), &[])?,
        None => Verifier::of_itself(&chain[0]),
    };
    let verdict = verifier.verify(&chain, now())?;
    printer.result(&verdict.json(&chain[0]), verdict.text(printer))?;
    Ok(verdict.exit())
}
