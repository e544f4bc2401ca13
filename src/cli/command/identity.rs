//! `bulla identity`: make, show and verify identities.

use std::path::Path;

use bulla_identity::{
    Certificate, Identity, IdentityParameters, IssueError, KeyError, SaveError, verify_chain,
};
use serde_json::{Value as Json, json};

use crate::cli::args::{IdentityCommand, NewArgs};
use crate::cli::calendar::{now, rfc3339};
use crate::cli::certificates::read_chain;
use crate::cli::exit::{Exit, Failure, chain};
use crate::cli::printer::{Printer, Style, harmless};
use crate::cli::secret::{IdentityFile, ask_new_password, read_password};

/// Runs one of the identity commands.
pub(crate) fn run(command: &IdentityCommand, printer: &Printer) -> Result<Exit, Failure> {
    match command {
        IdentityCommand::New(args) => new(args, printer),
        IdentityCommand::Show { file } => {
            show(&leaf(&read_chain(file)?), printer)?;
            Ok(Exit::Done)
        }
        IdentityCommand::Verify { certificate, ca } => verify(certificate, ca.as_deref(), printer),
    }
}

fn new(args: &NewArgs, printer: &Printer) -> Result<Exit, Failure> {
    let out = args.out.display();
    let exists = || Failure::new(format!("{out} exists already: choose another --out FILE"));
    if args.out.exists() {
        return Err(exists());
    }
    let authority = args
        .ca
        .as_deref()
        .map(|path| {
            let password_file = args.ca_password_file.clone();
            let password_option = "--ca-password-file";
            IdentityFile {
                path,
                password_file,
                password_option,
            }
            .load(printer)
        })
        .transpose()?;
    let password = match &args.password_file {
        Some(file) => Some(read_password(file)?),
        None if args.password => Some(ask_new_password()?),
        None => None,
    };
    let mut parameters = IdentityParameters::new(&args.name, now()).bits(args.bits);
    if let Some(authority) = &authority {
        parameters = parameters.issuer(authority);
    }
    let spinner = printer.spinner("making a key");
    let made = Identity::generate(&parameters);
    drop(spinner);
    let identity = made.map_err(|error| {
        let option = match error {
            IssueError::Key(KeyError::Size { .. }) => " (--bits)",
            IssueError::Name => " (--name)",
            IssueError::NotAuthority => " (--ca)",
            _ => "",
        };
        Failure::new(format!(
            "cannot make the identity{option}: {}",
            chain(&error)
        ))
    })?;
    let password = password.as_ref().map(|password| password.as_str());
    identity
        .save(&args.out, password)
        .map_err(|error| match error {
            SaveError::Exists { .. } => exists(),
            error => Failure::new(chain(&error)),
        })?;
    show(identity.certificate(), printer)?;
    printer.say(printer.style(Style::Good, format_args!("saved to {out}")))?;
    Ok(Exit::Done)
}

fn show(certificate: &Certificate, printer: &Printer) -> Result<(), Failure> {
    let described = describe(certificate);
    let rows = [
        ("name", harmless(certificate.name().unwrap_or("(none)"))),
        ("id", certificate.id().to_string()),
        ("long id", certificate.long_id().to_string()),
        (
            "key",
            format!("{}, {} bits", certificate.algorithm(), certificate.bits()),
        ),
        (
            "issuer",
            harmless(certificate.issuer_name().unwrap_or("(none)")),
        ),
        ("valid until", rfc3339(certificate.not_after())),
        (
            "authority",
            if certificate.is_ca() { "yes" } else { "no" }.to_owned(),
        ),
    ];
    let text: Vec<String> = rows
        .iter()
        .map(|(label, value)| {
            format!(
                "{} {value}",
                printer.style(Style::Dim, format_args!("{label:<11}"))
            )
        })
        .collect();
    Ok(printer.result(&described, text.join("\n"))?)
}

fn describe(certificate: &Certificate) -> Json {
    json!({
        "name": certificate.name(),
        "id": certificate.id().to_string(),
        "long_id": certificate.long_id().to_string(),
        "algorithm": certificate.algorithm(),
        "bits": certificate.bits(),
        "issuer": certificate.issuer_name(),
        "not_after": rfc3339(certificate.not_after()),
        "ca": certificate.is_ca(),
    })
}

fn verify(file: &Path, ca: Option<&Path>, printer: &Printer) -> Result<Exit, Failure> {
    let chain = read_chain(file)?;
    let subject = leaf(&chain);
    let roots = match ca {
        Some(ca) => read_chain(ca)?[..1].to_vec(),
        // Trusting it as a root would skip the check of its own signature.
        None if subject.is_issued_by(&subject) => vec![subject.clone()],
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

/// The certificate of the chain's owner; a chain that was read is never empty.
fn leaf(chain: &[Certificate]) -> Certificate {
    chain[0].clone()
}
