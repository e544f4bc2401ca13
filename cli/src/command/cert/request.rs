//! `bulla cert request`: ask for a certificate.

use std::path::Path;

use bulla_identity::{
    CertificateRequest, KeyError, MAX_CHAIN_BYTES, PrivateKey, RequestParams, Zeroizing,
};

use super::{deliver, issue_failure, load_identity};
use crate::args::RequestArgs;
use crate::describe;
use crate::exit::{Context, Exit, Failure, chain};
use crate::file::{self, Readers, refuse_existing, write_new};
use crate::printer::Printer;
use crate::secret::{new_password, read_password, unlock};

/// Makes the request.
pub(super) fn run(args: &RequestArgs, printer: &Printer) -> Result<Exit, Failure> {
    for made in [&args.out, &args.new_key].into_iter().flatten() {
        refuse_existing(made)?;
    }
    let challenge = args.challenge_file.as_deref().map(read_password);
    let challenge = challenge.transpose()?;
    let (key, own_name) = if let Some(path) = &args.identity {
        let identity = load_identity(
            path,
            args.password_file.as_ref(),
            "--password-file",
            printer,
        )?;
        let name = identity.certificate().name().map(str::to_owned);
        (identity.key().clone(), name)
    } else if let Some(path) = &args.key {
        (load_key(path, args.password_file.as_deref())?, None)
    } else {
        (generate(args, printer)?, None)
    };
    let name = args.name.clone().or(own_name).unwrap_or_default();
    let mut parameters =
        RequestParams::new(&name).alternative_names(args.alternative_names.iter().cloned());
    if let Some(uid) = &args.uid {
        parameters = parameters.uid(uid);
    }
    if let Some(challenge) = &challenge {
        parameters = parameters.challenge(challenge);
    }
    let request = CertificateRequest::new(&key, &parameters)
        .map_err(|error| issue_failure("cannot make the request", &error))?;
    if let Some(path) = &args.new_key {
        save(&key, path, args)?;
    }
    let described = describe::request(&request);
    deliver(&request.to_pem(), args.out.as_deref(), described, printer)?;
    Ok(Exit::Done)
}

fn generate(args: &RequestArgs, printer: &Printer) -> Result<PrivateKey, Failure> {
    let spinner = printer.spinner("making a key");
    let made = PrivateKey::generate(args.bits);
    drop(spinner);
    made.context("cannot make a key (--bits)")
}

fn save(key: &PrivateKey, path: &Path, args: &RequestArgs) -> Result<(), Failure> {
    let password = match args.password_file.as_deref() {
        None if !args.password => None,
        file => Some(new_password(file, "--password-file")?),
    };
    let pem = match &password {
        Some(password) => {
            let protected = key.to_encrypted_pem(password);
            Zeroizing::new(protected.context("cannot protect the new key")?)
        }
        None => key.to_pem(),
    };
    write_new(path, pem.as_bytes(), Readers::Owner)
}

/// Loads a private key that has no certificate yet.
fn load_key(path: &Path, password_file: Option<&Path>) -> Result<PrivateKey, Failure> {
    let text = file::read(path, MAX_CHAIN_BYTES)?;
    let (loaded, _) = unlock(
        path.display(),
        password_file,
        |password| PrivateKey::from_pem(&text[..], password),
        |error| matches!(error, KeyError::PasswordNeeded),
    )?;
    loaded.map_err(|error| {
        let advice = match error {
            KeyError::PasswordNeeded | KeyError::WrongPassword => " (--password-file FILE)",
            _ => "",
        };
        let (path, explained) = (path.display(), chain(&error));
        Failure::new(format!("cannot use {path}: {explained}{advice}"))
    })
}
