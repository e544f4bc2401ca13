//! `bulla cert crl`: show a revocation list, and whether it is valid.

use std::path::Path;

use bulla_identity::{Certificate, RevocationList};

use crate::calendar::{now, rfc3339};
use crate::certificates::read_named;
use crate::describe;
use crate::document::read_list;
use crate::exit::{Exit, Failure};
use crate::printer::{Printer, Style, sanitize};

/// Shows the list.
pub(super) fn run(file: &Path, ca: Option<&Path>, printer: &Printer) -> Result<Exit, Failure> {
    let (list, _) = read_list(file)?;
    let issuer = match ca {
        Some(ca) => Some(read_named(ca)?.leaf().clone()),
        None => None,
    };
    let reason = fault(&list, issuer.as_ref(), now());
    let mut described = describe::list(&list);
    described.json["signed"] = issuer
        .as_ref()
        .map(|issuer| list.is_issued_by(issuer))
        .into();
    described.json["valid"] = reason.is_none().into();
    described.json["reason"] = reason.clone().into();
    let verdict = match (&reason, &issuer) {
        (Some(reason), _) => format!("{}: {reason}", printer.style(Style::Bad, "not valid")),
        (None, Some(_)) => printer.style(Style::Good, "valid").to_string(),
        (None, None) => "current; the signature is not checked without --ca".to_owned(),
    };
    let text = format!("{}\n{verdict}", described.text(printer));
    printer.result(&described.json, text)?;
    Ok(match reason {
        None => Exit::Done,
        Some(_) => Exit::Nothing,
    })
}

fn fault(list: &RevocationList, issuer: Option<&Certificate>, now: u64) -> Option<String> {
    match (issuer, list.next_update()) {
        (Some(issuer), _) if !list.is_issued_by(issuer) => {
            let name = sanitize(issuer.name().unwrap_or("(none)"));
            Some(format!(
                "it is not signed by {name}, or {name} may not sign lists"
            ))
        }
        _ if list.this_update() > now => {
            Some(format!("it begins at {}", rfc3339(list.this_update())))
        }
        (_, Some(next)) if list.is_outdated(now) => Some(format!(
            "it is outdated: there should be a newer one since {}",
            rfc3339(next)
        )),
        _ => None,
    }
}
