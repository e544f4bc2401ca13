//! `bulla identity show`: who an identity or certificate is.

use std::path::Path;

use bulla_identity::Certificate;
use serde_json::{Value as Json, json};

use super::read_certificate;
use crate::cli::calendar::rfc3339;
use crate::cli::exit::{Exit, Failure};
use crate::cli::keyring::{Contacts, Keyring, Name};
use crate::cli::printer::{Printer, Style, harmless};

/// Shows an identity or certificate, and who it is to us.
pub(super) fn run(named: Option<&Path>, printer: &Printer) -> Result<Exit, Failure> {
    let keyring = Keyring::open()?;
    let certificate = read_certificate(&keyring.identity_or_default(named)?)?;
    let contacts = Contacts::known();
    let mut object = describe(&certificate);
    let mut text = card(&certificate, printer);
    if let Some((name, _)) = contacts.find(certificate.long_id()) {
        text = format!("{text}\n{}", row("contact", name.as_str(), printer));
        object["contact"] = name.as_str().into();
    }
    printer.result(&object, text)?;
    Ok(Exit::Done)
}

/// Shows an identity that is in the keyring now.
pub(super) fn kept(
    name: &Name,
    certificate: &Certificate,
    is_default: bool,
    printer: &Printer,
) -> Result<(), Failure> {
    let mut object = describe(certificate);
    object["identity"] = name.as_str().into();
    object["default"] = is_default.into();
    printer.result(&object, card(certificate, printer))?;
    let default = if is_default {
        ", the default from now on"
    } else {
        ""
    };
    let text = format_args!("kept in your keyring as {name}{default}");
    Ok(printer.say(printer.style(Style::Good, text))?)
}

/// Shows an identity that is in a file of its own now.
pub(super) fn saved(
    path: &Path,
    certificate: &Certificate,
    printer: &Printer,
) -> Result<(), Failure> {
    printer.result(&describe(certificate), card(certificate, printer))?;
    let text = format_args!("saved to {}", path.display());
    Ok(printer.say(printer.style(Style::Good, text))?)
}

/// What a certificate says, for programs.
pub(super) fn describe(certificate: &Certificate) -> Json {
    json!({
        "name": certificate.name(),
        "id": certificate.id().to_string(),
        "long_id": certificate.long_id().to_string(),
        "fingerprint": certificate.long_id().fingerprint().to_string(),
        "algorithm": certificate.algorithm(),
        "kind": kind(certificate),
        "bits": certificate.bits(),
        "issuer": certificate.issuer_name(),
        "not_after": rfc3339(certificate.not_after()),
        "ca": certificate.is_ca(),
    })
}

/// The key of a certificate in a few words.
pub(super) fn key(certificate: &Certificate) -> String {
    format!("{}, {} bits", kind(certificate), certificate.bits())
}

/// The kind of key, or the algorithm if it is one that we do not know.
fn kind(certificate: &Certificate) -> String {
    let key = certificate.public_key();
    key.map_or_else(
        || certificate.algorithm().to_owned(),
        |key| key.kind().to_string(),
    )
}

fn card(certificate: &Certificate, printer: &Printer) -> String {
    let is_authority = if certificate.is_ca() { "yes" } else { "no" };
    let rows = [
        ("name", harmless(certificate.name().unwrap_or("(none)"))),
        ("id", certificate.id().to_string()),
        ("long id", certificate.long_id().to_string()),
        ("words", certificate.long_id().fingerprint().to_string()),
        ("key", key(certificate)),
        (
            "issuer",
            harmless(certificate.issuer_name().unwrap_or("(none)")),
        ),
        ("valid until", rfc3339(certificate.not_after())),
        ("authority", is_authority.to_owned()),
    ];
    let text = rows.map(|(label, value)| row(label, &value, printer));
    text.join("\n")
}

fn row(label: &str, value: &str, printer: &Printer) -> String {
    let label = printer.style(Style::Dim, format!("{label:<11}"));
    format!("{label} {value}")
}
