//! `bulla cert ca`: make a certificate authority.

use bulla_identity::{
    Certificate, CertificateTerms, Identity, IdentityParameters, SaveError, verify_chain,
};

use super::{issue_failure, load_authority, said_saved};
use crate::cli::args::CaArgs;
use crate::cli::calendar::now;
use crate::cli::describe;
use crate::cli::exit::{Exit, Failure, chain};
use crate::cli::file::refuse_existing;
use crate::cli::printer::Printer;
use crate::cli::secret::{ask_new_password, read_password};

/// Makes the authority, and says who it is.
pub(super) fn run(args: &CaArgs, printer: &Printer) -> Result<Exit, Failure> {
    refuse_existing(&args.out)?;
    let issuer = args
        .issuer
        .as_deref()
        .map(|path| {
            let password_file = args.issuer_password_file.as_ref();
            load_authority(path, password_file, "--issuer-password-file")
        })
        .transpose()?;
    let password = match &args.password_file {
        Some(file) => Some(read_password(file)?),
        None if args.password => Some(ask_new_password()?),
        None => None,
    };
    let mut terms = CertificateTerms::new(now()).days(args.days).authority();
    if let Some(most) = args.path_length {
        terms = terms.path_length(most);
    }
    if issuer.is_some() {
        terms = terms.authority_key_id();
    }
    let mut parameters = IdentityParameters::on_terms(&args.name, terms).bits(args.bits);
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

/// Refuses what nobody could trust, since an authority above has expired or permits no more of them, and remarks on what will
/// last no longer than its issuer.
pub(super) fn check_chain(chain: &[Certificate], printer: &Printer) -> Result<(), Failure> {
    let issued = &chain[0];
    let root = &chain[chain.len() - 1..];
    verify_chain(chain, root, issued.not_before()).map_err(|refusal| {
        Failure::new(format!(
            "nobody could trust the new certificate: {refusal} (use another authority)"
        ))
    })?;
    if let Some(issuer) = chain[1..]
        .iter()
        .find(|issuer| issuer.not_after() < issued.not_after())
    {
        printer.remark(format_args!(
            "the certificate outlives its issuer, which ends at {} (--days)",
            crate::cli::calendar::rfc3339(issuer.not_after())
        ));
    }
    Ok(())
}
