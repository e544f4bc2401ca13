//! `bulla identity import`: keep an identity that other programs made.

use std::error::Error;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use bulla_identity::{
    Identity, KeyError, LoadError, MAX_CHAIN_BYTES, Pkcs12Error, PrivateKey, Zeroizing,
};

use super::show;
use crate::args::ImportArgs;
use crate::certificates::read_chain;
use crate::exit::{Context, Exit, Failure, chain};
use crate::keyring::Keyring;
use crate::printer::Printer;
use crate::secret::{Password, new_password, unlock};

/// The beginning of every PEM block, and of no DER.
const PEM_BEGIN: &[u8] = b"-----BEGIN ";

/// Reads the identity, and keeps it.
pub(super) fn run(args: &ImportArgs, printer: &Printer) -> Result<Exit, Failure> {
    let keyring = Keyring::open()?;
    keyring.vacant(&args.name)?;
    let (identity, opened_by) = match &args.certificate {
        Some(certificate) => read_pair(args, certificate)?,
        None => read_whole(args)?,
    };
    let password = match args.new_password.path() {
        None => opened_by,
        file => Some(new_password(file.as_deref(), "--new-password-file")?),
    };
    let password = password.as_ref().map(|password| password.as_str());
    let is_default = keyring.add_identity(&args.name, &identity, password)?;
    show::kept(&args.name, identity.certificate(), is_default, printer)?;
    Ok(Exit::Done)
}

/// Reads a key from one file and its certificates from another.
fn read_pair(
    args: &ImportArgs,
    certificate: &Path,
) -> Result<(Identity, Option<Password>), Failure> {
    let bytes = read(&args.file)?;
    let is_pem = is_pem(&bytes);
    let (key, password) = unlock(
        args.file.display(),
        args.password.path().as_deref(),
        |password| {
            if is_pem {
                PrivateKey::from_pem(&bytes[..], password)
            } else {
                PrivateKey::from_der(&bytes)
            }
        },
        |error| matches!(error, KeyError::PasswordNeeded),
    )?;
    let key = key.map_err(|error| refusal(&args.file, &error, is_about_password(&error)))?;
    let identity = Identity::new(key, read_chain(certificate)?).context(format_args!(
        "cannot use {} with {}",
        args.file.display(),
        certificate.display()
    ))?;
    Ok((identity, password))
}

/// Reads key and certificates from PKCS#12 or PEM; of a PEM pair the name may be given.
fn read_whole(args: &ImportArgs) -> Result<(Identity, Option<Password>), Failure> {
    let password_file = args.password.path();
    let (what, password_file) = (args.file.display(), password_file.as_deref());
    let bytes = if args.file.exists() {
        Some(read(&args.file)?)
    } else {
        None
    };
    if let Some(bytes) = bytes.filter(|bytes| !is_pem(bytes)) {
        let (identity, password) = unlock(
            what,
            password_file,
            // Without a password means with an empty one: the format knows no other way.
            |password| Identity::from_pkcs12(&bytes, password.unwrap_or_default()),
            |error| matches!(error, Pkcs12Error::WrongPassword),
        )?;
        let is_locked = matches!(identity, Err(Pkcs12Error::WrongPassword));
        let identity = identity.map_err(|error| refusal(&args.file, &error, is_locked))?;
        return Ok((identity, password));
    }
    let (identity, password) = unlock(
        what,
        password_file,
        |password| Identity::load(&args.file, password),
        |error| matches!(error, LoadError::Key(KeyError::PasswordNeeded)),
    )?;
    let identity = identity.map_err(|error| {
        let is_locked = matches!(&error, LoadError::Key(error) if is_about_password(error));
        refusal(&args.file, &error, is_locked)
    })?;
    Ok((identity, password))
}

fn refusal(path: &Path, error: &(dyn Error + 'static), is_locked: bool) -> Failure {
    let advice = if is_locked {
        " (--password-file FILE)"
    } else {
        ""
    };
    Failure::new(format!(
        "cannot import {}: {}{advice}",
        path.display(),
        chain(error)
    ))
}

fn is_about_password(error: &KeyError) -> bool {
    matches!(error, KeyError::PasswordNeeded | KeyError::WrongPassword)
}

fn is_pem(bytes: &[u8]) -> bool {
    bytes
        .windows(PEM_BEGIN.len())
        .any(|window| window == PEM_BEGIN)
}

/// Reads a file up to the greatest length of an identity and a byte more, to detect one that is too
/// long.
fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_CHAIN_BYTES + 1));
    File::open(path)
        .and_then(|file| {
            file.take(MAX_CHAIN_BYTES as u64 + 1)
                .read_to_end(&mut bytes)
        })
        .context(format_args!("cannot read {}", path.display()))?;
    Ok(bytes)
}
