//! `bulla identity show`: what an identity or certificate contains.

use std::path::Path;

use bulla_identity::Certificate;

use super::read_certificate;
use crate::describe;
use crate::exit::{Exit, Failure};
use crate::keyring::{Contacts, Keyring, Name};
use crate::printer::{Printer, Style};

/// Shows an identity or certificate, and which contact it is.
pub(super) fn run(named: Option<&Path>, printer: &Printer) -> Result<Exit, Failure> {
    let keyring = Keyring::open()?;
    let certificate = read_certificate(&keyring.identity_or_default(named)?)?;
    let contacts = Contacts::known();
    let mut shown = describe::certificate(&certificate);
    if let Some((name, _)) = contacts.find(certificate.long_id()) {
        shown.add("contact", name.as_str());
    }
    printer.result(&shown.json, shown.text(printer))?;
    Ok(Exit::Done)
}

/// Shows an identity that was put into the keyring.
pub(super) fn kept(
    name: &Name,
    certificate: &Certificate,
    is_default: bool,
    printer: &Printer,
) -> Result<(), Failure> {
    let mut shown = describe::certificate(certificate);
    let text = shown.text(printer);
    shown.json["identity"] = name.as_str().into();
    shown.json["default"] = is_default.into();
    printer.result(&shown.json, text)?;
    let default = if is_default {
        ", the default from now on"
    } else {
        ""
    };
    let text = format_args!("kept in your keyring as {name}{default}");
    Ok(printer.print(printer.style(Style::Good, text))?)
}

/// Shows an identity that was put into a file of its own.
pub(super) fn saved(
    path: &Path,
    certificate: &Certificate,
    printer: &Printer,
) -> Result<(), Failure> {
    let shown = describe::certificate(certificate);
    printer.result(&shown.json, shown.text(printer))?;
    let text = format_args!("saved to {}", path.display());
    Ok(printer.print(printer.style(Style::Good, text))?)
}
