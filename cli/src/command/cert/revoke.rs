//! `bulla cert revoke`: revoke certificates.

use std::fs::File;
use std::path::Path;

use bulla_identity::{Certificate, RevocationDraft, RevocationList};
use serde_json::json;

use super::load_identity;
use crate::args::RevokeArgs;
use crate::calendar::{now, rfc3339};
use crate::certificates::read_named;
use crate::describe::{self, hex};
use crate::document::read_list;
use crate::exit::{Context, Exit, Failure};
use crate::file::{Readers, replace, write_new};
use crate::printer::{Printer, Style, sanitize};

/// Makes the list, or the next one, and prints what is on it now.
pub(super) fn run(args: &RevokeArgs, printer: &Printer) -> Result<Exit, Failure> {
    let certificates = args
        .certificates
        .iter()
        .map(|path| Ok(read_named(path)?.leaf().clone()))
        .collect::<Result<Vec<_>, Failure>>()?;
    let authority = load_identity(
        &args.ca,
        args.ca_password_file.as_ref(),
        "--ca-password-file",
        printer,
    )?;
    let _turn = wait_for_turn(&args.crl);
    let previous = args
        .crl
        .exists()
        .then(|| read_list(&args.crl))
        .transpose()?;
    let mut draft = match &previous {
        Some((previous, _)) => RevocationDraft::extending(previous, now()),
        None => RevocationDraft::new(now()),
    };
    for certificate in &certificates {
        draft = draft.revoke(certificate, args.reason);
    }
    let list = draft
        .days(args.days)
        .sign(&authority)
        .context(format_args!("cannot make {}", args.crl.display()))?;
    match &previous {
        Some((_, true)) => replace(&args.crl, list.to_pem().as_bytes())?,
        Some((_, false)) => replace(&args.crl, list.to_der())?,
        None => write_new(&args.crl, list.to_pem().as_bytes(), Readers::All)?,
    }
    show(&certificates, &list, printer)?;
    let before = previous.as_ref().map(|(previous, _)| previous);
    let stays = |certificate: &&Certificate| before?.revocation_of(certificate);
    for certificate in certificates.iter().filter(|known| stays(known).is_some()) {
        let name = sanitize(certificate.name().unwrap_or("(none)"));
        printer.note(format_args!(
            "{name} was revoked before: its entry stays as it is"
        ));
    }
    Ok(Exit::Done)
}

/// Waits while another process extends a list in the same folder: of two that extend the same one,
/// the later would undo the earlier. Where folders cannot be locked, there is no waiting.
fn wait_for_turn(list: &Path) -> Option<File> {
    let path = list.canonicalize().unwrap_or_else(|_| list.to_path_buf());
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let folder = File::open(folder).ok()?;
    folder.lock().ok()?;
    Some(folder)
}

fn show(
    certificates: &[Certificate],
    list: &RevocationList,
    printer: &Printer,
) -> Result<(), Failure> {
    let revoked = certificates.iter().filter_map(|certificate| {
        let entry = list.revocation_of(certificate)?;
        Some((certificate, entry))
    });
    let number = hex(list.number().unwrap_or_default());
    let next_update = list.next_update().map(rfc3339);
    let mut lines = Vec::new();
    let mut objects = Vec::new();
    for (certificate, entry) in revoked {
        let serial = hex(entry.serial());
        let reason = describe::reason(entry.reason());
        let name = certificate.name();
        objects.push(json!({
            "name": name,
            "serial": serial,
            "time": rfc3339(entry.time()),
            "reason": reason,
        }));
        let name = printer.style(Style::Bold, sanitize(name.unwrap_or("(none)")));
        lines.push(format!("revoked {name}, serial {serial}: {reason}"));
    }
    lines.push(format!(
        "list {number}: {} revoked, the next one by {}",
        list.revocations().len(),
        next_update.as_deref().unwrap_or("(none)")
    ));
    let object = json!({
        "issuer": list.issuer_name(),
        "number": number,
        "this_update": rfc3339(list.this_update()),
        "next_update": next_update,
        "count": list.revocations().len(),
        "revoked": objects,
    });
    Ok(printer.result(&object, lines.join("\n"))?)
}
