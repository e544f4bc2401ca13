//! `bulla identity passwd`: set, change or remove the password of an identity.

use std::fs;

use serde_json::json;

use crate::args::PasswdArgs;
use crate::exit::{Context, Exit, Failure, chain};
use crate::keyring::Keyring;
use crate::printer::{Printer, Style};
use crate::secret::{IdentityFile, new_password};

/// Rewrites the file of the identity.
pub(super) fn run(args: &PasswdArgs, printer: &Printer) -> Result<Exit, Failure> {
    let path = Keyring::open()?.identity_or_default(args.identity.as_deref())?;
    let file = IdentityFile {
        path: &path,
        password_file: args.password.path(),
        password_option: "--password-file",
    };
    let (identity, old) = file.open(printer)?;
    let new = if args.remove {
        None
    } else {
        let file = args.new_password.path();
        Some(new_password(file.as_deref(), "--new-password-file")?)
    };
    // The file that a link leads to is written, lest the old key stays there.
    let place = fs::canonicalize(&path).context(format_args!("cannot find {}", path.display()))?;
    identity
        .replace(&place, new.as_ref().map(|password| password.as_str()))
        .map_err(|error| Failure::new(chain(&error)))?;
    let done = match (old.is_some(), new.is_some()) {
        (false, true) => "password set",
        (true, true) => "password changed",
        (_, false) => "no password protects it now",
    };
    let object = json!({ "file": path.display().to_string(), "protected": new.is_some() });
    let text = format_args!("{}: {done}", path.display());
    printer.result(&object, printer.style(Style::Good, text))?;
    Ok(Exit::Done)
}
