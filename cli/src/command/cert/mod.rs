//! `bulla cert`: the work of a certificate authority, and of its subscribers.

mod ca;
mod crl;
mod find;
mod publish;
mod request;
mod revoke;
mod show;
mod sign;
mod verify;

use std::path::{Path, PathBuf};

use bulla_identity::{CertificateChain, Identity, IssueError, KeyError, verify_chain};

use crate::args::{CertCommand, Deferred};
use crate::calendar::rfc3339;
use crate::describe::Description;
use crate::exit::{Exit, Failure, chain};
use crate::file::{Readers, write_new};
use crate::networked;
use crate::printer::{Printer, Style};
use crate::secret::IdentityFile;

/// Runs one of the certificate commands.
pub(crate) fn run(command: CertCommand, printer: &Printer) -> Result<Exit, Failure> {
    match command {
        CertCommand::Ca(Deferred(args)) => ca::run(&args, printer),
        CertCommand::Request(Deferred(args)) => request::run(&args, printer),
        CertCommand::Sign(Deferred(args)) => sign::run(&args, printer),
        CertCommand::Revoke(Deferred(args)) => revoke::run(&args, printer),
        CertCommand::Crl { file, ca } => crl::run(&file, ca.as_deref(), printer),
        CertCommand::Verify(Deferred(args)) => verify::run(&args, printer),
        CertCommand::Show { file } => show::run(&file, printer),
        CertCommand::Publish { once, network } => networked(publish::run(network, once, printer)),
        CertCommand::Find(Deferred(args)) => networked(find::run(&args, printer)),
    }
}

/// Loads an identity; `option` is the one that names its password file.
fn load_identity(
    path: &Path,
    password_file: Option<&PathBuf>,
    option: &'static str,
    printer: &Printer,
) -> Result<Identity, Failure> {
    let file = IdentityFile {
        path,
        password_file: password_file.cloned(),
        password_option: option,
    };
    file.load(printer)
}

/// Refuses a chain that could not be verified, since an authority above has expired or permits no
/// more of them, and prints a note on what will last no longer than its issuer.
fn check_chain(chain: &CertificateChain, printer: &Printer) -> Result<(), Failure> {
    let issued = chain.leaf();
    let root = &chain[chain.len() - 1..];
    verify_chain(chain, root, issued.not_before()).map_err(|refusal| {
        Failure::new(format!(
            "nobody could trust the new certificate: {refusal} (use another authority)"
        ))
    })?;
    if let Some(issuer) = chain
        .issuers()
        .iter()
        .find(|issuer| issuer.not_after() < issued.not_after())
    {
        printer.note(format_args!(
            "the certificate outlives its issuer, which ends at {} (--days)",
            rfc3339(issuer.not_after())
        ));
    }
    Ok(())
}

/// Writes PEM text to a new file and describes it, or prints the text.
fn deliver(
    pem: &str,
    out: Option<&Path>,
    what: Description,
    printer: &Printer,
) -> Result<(), Failure> {
    let text = what.text(printer);
    let mut json = what.json;
    if let Some(out) = out {
        write_new(out, pem.as_bytes(), Readers::All)?;
        printer.result(&json, text)?;
        return said_saved(out, printer);
    }
    json["pem"] = pem.into();
    Ok(printer.result(&json, pem.trim_end())?)
}

fn said_saved(out: &Path, printer: &Printer) -> Result<(), Failure> {
    let saved = format!("saved to {}", out.display());
    Ok(printer.print(printer.style(Style::Good, saved))?)
}

/// Explains why something could not be issued, with the option that can be changed.
fn issue_failure(doing: &str, error: &IssueError) -> Failure {
    let option = match error {
        IssueError::Key(KeyError::Size { .. }) => " (--bits)",
        IssueError::Name => " (see the name, and --uid)",
        IssueError::Validity => " (--days)",
        IssueError::NotAuthority => " (`bulla cert ca` makes one)",
        _ => "",
    };
    Failure::new(format!("{doing}: {}{option}", chain(error)))
}
