//! `bulla identity verify`: whether a certificate leads to one that is trusted.

use std::path::Path;

use bulla_identity::verify_chain;
use serde_json::json;

use super::read_certificate;
use crate::cli::calendar::now;
use crate::cli::certificates::read_chain;
use crate::cli::exit::{Exit, Failure};
use crate::cli::keyring::Keyring;
use crate::cli::printer::{Printer, Style};

/// Judges the chain, and says why if it is refused.
pub(super) fn run(file: &Path, ca: Option<&Path>, printer: &Printer) -> Result<Exit, Failure> {
    let keyring = Keyring::open()?;
    let chain = read_chain(&keyring.identity_path(file))?;
    let subject = &chain[0];
    let roots = match ca {
        Some(ca) => vec![read_certificate(&keyring.identity_path(ca))?],
        // Trusting it as a root would skip the check of its own signature.
        None if subject.is_issued_by(subject) => vec![subject.clone()],
        None => Vec::new(),
    };
    let verdict = verify_chain(&chain, &roots, now());
    let reason = verdict.as_ref().err().map(ToString::to_string);
    let text = match &reason {
        None => format!("{}", printer.style(Style::Good, "trusted")),
        Some(reason) => format!("{}: {reason}", printer.style(Style::Bad, "not trusted")),
    };
    let object = json!({
        "trusted": reason.is_none(),
        "reason": reason,
        "name": subject.name(),
        "long_id": subject.long_id().to_string(),
    });
    printer.result(&object, text)?;
    Ok(if reason.is_none() {
        Exit::Done
    } else {
        Exit::Nothing
    })
}
