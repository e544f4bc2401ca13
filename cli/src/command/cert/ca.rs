//! `bulla cert ca`: make a certificate authority.

use bulla_identity::{CertificateParams, Identity, IdentityParams, SaveError};

use super::{check_chain, issue_failure, load_identity, said_saved};
use crate::args::CaArgs;
use crate::calendar::now;
use crate::describe;
use crate::exit::{Exit, Failure, chain};
use crate::file::refuse_existing;
use crate::printer::Printer;
use crate::secret::new_password;

/// Makes the authority, and describes it.
pub(super) fn run(args: &CaArgs, printer: &Printer) -> Result<Exit, Failure> {
    refuse_existing(&args.out)?;
    let issuer = args
        .issuer
        .as_deref()
        .map(|path| {
            let password_file = args.issuer_password_file.as_ref();
            load_identity(path, password_file, "--issuer-password-file", printer)
        })
        .transpose()?;
    let password = match args.password_file.as_deref() {
        None if !args.password => None,
        file => Some(new_password(file, "--password-file")?),
    };
    let mut terms = CertificateParams::new(now()).days(args.days).authority();
    if let Some(most) = args.path_length {
        terms = terms.path_length(most);
    }
    if issuer.is_some() {
        terms = terms.authority_key_id();
    }
    let mut parameters = IdentityParams::with_certificate(&args.name, terms)
        .kind(args.key.kind())
        .bits(args.bits);
    if let Some(issuer) = &issuer {
        parameters = parameters.issuer(issuer);
    }
    let spinner = printer.spinner("making a key");
    let made = Identity::generate(&parameters);
    drop(spinner);
    let authority = made.map_err(|error| issue_failure("cannot make the authority", &error))?;
    check_chain(authority.chain(), printer)?;
    let password = password.as_ref().map(|password| password.as_str());
    authority
        .save(&args.out, password)
        .map_err(|error| match error {
            SaveError::Exists { .. } => Failure::new(format!("{error}: choose another file")),
            error => Failure::new(chain(&error)),
        })?;
    let described = describe::certificate(authority.certificate());
    printer.result(&described.json, described.text(printer))?;
    said_saved(&args.out, printer)?;
    Ok(Exit::Done)
}
