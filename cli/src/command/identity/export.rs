//! `bulla identity export`: write an identity or its certificates for other programs.

use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bulla_identity::SaveError;
use serde_json::json;

use crate::args::{ExportArgs, Format};
use crate::certificates::read_chain;
use crate::exit::{Context, Exit, Failure, chain};
use crate::keyring::Keyring;
use crate::printer::{Printer, Style, print_bytes};
use crate::secret::{IdentityFile, new_password};

/// Writes what is wanted, to a new file or to standard output.
pub(super) fn run(args: &ExportArgs, printer: &Printer) -> Result<Exit, Failure> {
    let path = Keyring::open()?.identity_or_default(args.identity.as_deref())?;
    let Some(out) = &args.out else {
        print(args.format, &path, printer)?;
        return Ok(Exit::Done);
    };
    if out.exists() {
        return Err(exists(out));
    }
    let with_key = args.with_key || args.format == Format::Pkcs12;
    if with_key {
        write_key(args, &path, out, printer)?;
    } else {
        write_new(out, &certificates(args.format, &path)?, false)?;
    }
    let object = json!({ "file": out.display().to_string(), "with_key": with_key });
    let text = format_args!("exported to {}", out.display());
    printer.result(&object, printer.style(Style::Good, text))?;
    Ok(Exit::Done)
}

/// Prints certificates; as JSON, PEM is text and all else base64.
fn print(format: Format, path: &Path, printer: &Printer) -> Result<(), Failure> {
    let bytes = certificates(format, path)?;
    if printer.is_json() {
        let object = match format {
            Format::Pem => json!({ "pem": String::from_utf8_lossy(&bytes) }),
            _ => json!({ "der": BASE64.encode(&bytes) }),
        };
        return Ok(printer.result(&object, "")?);
    }
    if format != Format::Pem && io::stdout().is_terminal() {
        return Err(Failure::new(
            "these bytes are nothing for a terminal: give --out FILE, or redirect them",
        ));
    }
    Ok(print_bytes(&bytes)?)
}

fn certificates(format: Format, path: &Path) -> Result<Vec<u8>, Failure> {
    let chain = read_chain(path)?;
    Ok(match format {
        Format::Pem => chain.to_pem().into_bytes(),
        _ => chain.leaf().to_der().to_vec(),
    })
}

fn write_key(args: &ExportArgs, path: &Path, out: &Path, printer: &Printer) -> Result<(), Failure> {
    if args.format == Format::Der {
        return Err(Failure::new(
            "DER holds a certificate alone: choose --format pem or pkcs12 for the key",
        ));
    }
    if args.format == Format::Pkcs12 && args.unprotected {
        return Err(Failure::new(
            "a PKCS#12 file has a password always: choose --format pem to go without",
        ));
    }
    let file = IdentityFile {
        path,
        password_file: args.password.path(),
        password_option: "--password-file",
    };
    let identity = file.load(printer)?;
    let password = if args.unprotected {
        None
    } else {
        let file = args.new_password.path();
        Some(new_password(file.as_deref(), "--new-password-file")?)
    };
    match (args.format, &password) {
        (Format::Pkcs12, Some(password)) => {
            let bytes = identity.to_pkcs12(password).context("cannot export")?;
            write_new(out, &bytes, true)
        }
        _ => identity
            .save(out, password.as_ref().map(|password| password.as_str()))
            .map_err(|error| match error {
                SaveError::Exists { .. } => exists(out),
                error => Failure::new(chain(&error)),
            }),
    }
}

/// Writes a new file; for its owner alone if it is secret.
fn write_new(path: &Path, bytes: &[u8], is_secret: bool) -> Result<(), Failure> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if is_secret {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    let mut file = options.open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists(path),
        _ => Failure::new(format!("cannot write {}: {error}", path.display())),
    })?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .inspect_err(|_| drop(fs::remove_file(path)))
        .context(format_args!("cannot write {}", path.display()))
}

fn exists(path: &Path) -> Failure {
    let path = path.display();
    Failure::new(format!("{path} exists already: choose another --out FILE"))
}
