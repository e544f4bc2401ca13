//! `bulla identity verify`: whether a certificate leads to one that is trusted.

use std::path::{Path, PathBuf};

use crate::calendar::now;
use crate::certificates::read_named;
use crate::exit::{Exit, Failure};
use crate::printer::Printer;
use crate::verifier::Verifier;

/// Verifies the chain, and prints why if it is refused.
pub(super) fn run(file: &Path, ca: Option<&PathBuf>, printer: &Printer) -> Result<Exit, Failure> {
    let chain = read_named(file)?;
    let verifier = match ca {
        Some(ca) => Verifier::read(std::slice::from_ref(ca), &[])?,
        None => Verifier::of_itself(chain.leaf()),
    };
    let verdict = verifier.verify(&chain, now())?;
    printer.result(&verdict.json(chain.leaf()), verdict.text(printer))?;
    Ok(verdict.exit())
}
