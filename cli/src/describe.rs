//! Certificates, requests and revocation lists as rows for people and as JSON. Text of others is
//! sanitized first.

use std::fmt::Write;

use bulla_identity::{
    AlternativeName, Certificate, CertificateRequest, RevocationList, RevocationReason,
};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use super::calendar::rfc3339;
use super::printer::{Printer, Style, sanitize};

/// The reasons for a revocation, by the names that the command line and JSON have for them.
pub(crate) const REASONS: [(&str, RevocationReason); 8] = [
    ("unspecified", RevocationReason::Unspecified),
    ("key-compromise", RevocationReason::KeyCompromise),
    ("ca-compromise", RevocationReason::AuthorityCompromise),
    ("affiliation-changed", RevocationReason::AffiliationChanged),
    ("superseded", RevocationReason::Superseded),
    ("cessation", RevocationReason::CessationOfOperation),
    ("hold", RevocationReason::Hold),
    ("privilege-withdrawn", RevocationReason::PrivilegeWithdrawn),
];

/// A description in its two forms.
pub(crate) struct Description {
    /// For programs.
    pub(crate) json: Json,
    rows: Vec<(&'static str, String)>,
}

impl Description {
    /// Adds a row, with the same name for programs.
    pub(crate) fn add(&mut self, label: &'static str, value: &str) {
        self.json[label] = value.into();
        self.rows.push((label, value.to_owned()));
    }

    /// Returns the rows, one to a line, without empty ones.
    pub(crate) fn text(&self, printer: &Printer) -> String {
        let line = |(label, value): &(&str, String)| {
            let label = format!("{label:<13}");
            format!("{} {value}", printer.style(Style::Dim, label))
        };
        let told = self.rows.iter().filter(|(_, value)| !value.is_empty());
        told.map(line).collect::<Vec<_>>().join("\n")
    }
}

/// Describes a certificate.
pub(crate) fn certificate(certificate: &Certificate) -> Description {
    let sha256 = hex(&Sha256::digest(certificate.to_der()));
    let words = certificate.long_id().fingerprint().to_string();
    let serial = hex(certificate.serial());
    let issuer_key_id = certificate.issuer_key_id().map(hex);
    let (from, until) = (
        rfc3339(certificate.not_before()),
        rfc3339(certificate.not_after()),
    );
    let authority = match certificate.path_length() {
        _ if !certificate.is_ca() => "no".to_owned(),
        None => "yes".to_owned(),
        Some(0) => "yes, with no other below it".to_owned(),
        Some(most) => format!("yes, with at most {most} others below it in a chain"),
    };
    let json = json!({
        "name": certificate.name(),
        "uid": certificate.uid(),
        "alternative_names": strings(certificate.alternative_names()),
        "id": certificate.id().to_string(),
        "long_id": certificate.long_id().to_string(),
        "fingerprint": words,
        "algorithm": certificate.algorithm(),
        "kind": kind(certificate),
        "bits": certificate.bits(),
        "issuer": certificate.issuer_name(),
        "issuer_uid": certificate.issuer_uid(),
        "issuer_key_id": issuer_key_id,
        "serial": serial,
        "not_before": from,
        "not_after": until,
        "ca": certificate.is_ca(),
        "path_length": certificate.path_length(),
        "sha256": sha256,
    });
    let mut rows = vec![
        ("name", name(certificate.name())),
        ("uid", name(certificate.uid())),
        ("also named", names(certificate.alternative_names())),
        ("id", certificate.id().to_string()),
        ("long id", certificate.long_id().to_string()),
        ("words", words),
        ("key", certified_key(certificate)),
        ("issuer", name(certificate.issuer_name())),
        ("issuer uid", name(certificate.issuer_uid())),
    ];
    if let Some(id) = issuer_key_id {
        rows.push(("issuer key id", id));
    }
    rows.extend([
        ("serial", serial),
        ("valid from", from),
        ("valid until", until),
        ("authority", authority),
        ("sha-256", sha256),
    ]);
    Description { json, rows }
}

/// Describes a request, and whether its key signed it. The challenge is not shown: it is for the
/// authority to compare.
pub(crate) fn request(request: &CertificateRequest) -> Description {
    let asks = request.public_key();
    let id = asks.map(|key| key.id().to_string());
    let long_id = asks.map(|key| key.long_id().to_string());
    let json = json!({
        "name": request.name(),
        "uid": request.uid(),
        "alternative_names": strings(request.alternative_names()),
        "id": id,
        "long_id": long_id,
        "algorithm": asks.map(|key| key.kind().to_string()),
        "bits": asks.map(bulla_identity::PublicKey::bits),
        "challenge": request.challenge().is_some(),
        "signed": request.is_signed(),
    });
    let unknown = || "(of no supported kind)".to_owned();
    let yes_or_no = |is_so| if is_so { "yes" } else { "no" }.to_owned();
    let rows = vec![
        ("name", name(request.name())),
        ("uid", name(request.uid())),
        ("also named", names(request.alternative_names())),
        ("id", id.unwrap_or_else(unknown)),
        ("long id", long_id.unwrap_or_else(unknown)),
        (
            "key",
            asks.map_or_else(unknown, |asks| key(&asks.kind().to_string(), asks.bits())),
        ),
        ("challenge", yes_or_no(request.challenge().is_some())),
        ("signed", yes_or_no(request.is_signed())),
    ];
    Description { json, rows }
}

/// Describes a revocation list with all its entries.
pub(crate) fn list(list: &RevocationList) -> Description {
    let number = list.number().map(hex);
    let next_update = list.next_update().map(rfc3339);
    let revocations: Vec<Json> = list
        .revocations()
        .iter()
        .map(|revocation| {
            json!({
                "serial": hex(revocation.serial()),
                "time": rfc3339(revocation.time()),
                "reason": reason(revocation.reason()),
            })
        })
        .collect();
    let json = json!({
        "issuer": list.issuer_name(),
        "issuer_uid": list.issuer_uid(),
        "number": number,
        "this_update": rfc3339(list.this_update()),
        "next_update": next_update,
        "revocations": revocations,
    });
    let none = || "(none)".to_owned();
    let mut rows = vec![
        ("issuer", name(list.issuer_name())),
        ("issuer uid", name(list.issuer_uid())),
        ("number", number.unwrap_or_else(none)),
        ("this update", rfc3339(list.this_update())),
        ("next update", next_update.unwrap_or_else(none)),
        ("revoked", list.revocations().len().to_string()),
    ];
    rows.extend(list.revocations().iter().map(|revocation| {
        let entry = format!(
            "{} since {}, {}",
            hex(revocation.serial()),
            rfc3339(revocation.time()),
            reason(revocation.reason())
        );
        ("  serial", entry)
    }));
    Description { json, rows }
}

/// Returns the name of a reason.
pub(crate) fn reason(reason: RevocationReason) -> &'static str {
    let known = REASONS.iter().find(|(_, known)| *known == reason);
    known.map_or("unspecified", |(name, _)| name)
}

/// Writes bytes in hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut digits, byte| {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

/// Writes alternative names in a line, empty if there are none.
pub(crate) fn names(names: &[AlternativeName]) -> String {
    sanitize(&strings(names).join(", "))
}

fn name(name: Option<&str>) -> String {
    sanitize(name.unwrap_or("(none)"))
}

/// Describes the key of a certificate in a few words.
pub(crate) fn certified_key(certificate: &Certificate) -> String {
    key(&kind(certificate), certificate.bits())
}

/// Returns the kind of key, or the algorithm if it is an unknown one.
fn kind(certificate: &Certificate) -> String {
    let known = certificate.public_key().map(|key| key.kind().to_string());
    known.unwrap_or_else(|| certificate.algorithm().to_owned())
}

fn key(kind: &str, bits: usize) -> String {
    format!("{kind}, {bits} bits")
}

fn strings(names: &[AlternativeName]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_name_of_its_own() {
        for (name, known) in REASONS {
            assert_eq!(reason(known), name);
        }
    }
}
