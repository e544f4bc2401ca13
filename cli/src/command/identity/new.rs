//! `bulla identity new`: make an identity.

use std::ops::ControlFlow;
use std::path::Path;

use bulla_identity::{Identity, IdentityParams, IssueError, KeyError, SaveError};

use super::show;
use crate::args::NewArgs;
use crate::calendar::now;
use crate::exit::{Exit, Failure, chain};
use crate::keyring::{Keyring, Name};
use crate::printer::Printer;
use crate::secret::{IdentityFile, new_password};

/// The common name of an identity that is made without a name.
const NAMELESS: &str = "bulla";

/// Where the new identity goes.
enum Place<'a> {
    Keyring(Keyring, Name),
    File(&'a Path),
}

/// Makes an identity, keeps it and shows it.
pub(super) fn run(args: &NewArgs, printer: &Printer) -> Result<Exit, Failure> {
    let common_name = args.name.as_deref().or(args.common_name.as_deref());
    let common_name = common_name.unwrap_or(NAMELESS);
    let place = place(common_name, args.out.as_deref())?;
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
    let password = match args.password_from.path() {
        None if !args.password => None,
        file => Some(new_password(file.as_deref(), "--password-file")?),
    };
    let mut parameters = IdentityParams::new(common_name, now())
        .kind(args.key.kind())
        .bits(args.bits);
    if let Some(authority) = &authority {
        parameters = parameters.issuer(authority);
    }
    let identity = make(&parameters, printer).map_err(|error| {
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
    match place {
        Place::Keyring(keyring, name) => {
            let is_default = keyring.add_identity(&name, &identity, password)?;
            show::kept(&name, identity.certificate(), is_default, printer)?;
        }
        Place::File(path) => {
            identity.save(path, password).map_err(|error| match error {
                SaveError::Exists { .. } => exists(path),
                error => Failure::new(chain(&error)),
            })?;
            show::saved(path, identity.certificate(), printer)?;
        }
    }
    Ok(Exit::Done)
}

/// Decides where it is to go, and checks that nothing is there, before a key is made in vain.
fn place<'a>(name: &str, out: Option<&'a Path>) -> Result<Place<'a>, Failure> {
    if let Some(path) = out {
        return if path.exists() {
            Err(exists(path))
        } else {
            Ok(Place::File(path))
        };
    }
    let name = name.parse().map_err(|error| {
        Failure::new(format!(
            "{error}: choose such a name, or a file of its own with --out FILE"
        ))
    })?;
    let keyring = Keyring::open()?;
    keyring.vacant(&name)?;
    Ok(Place::Keyring(keyring, name))
}

fn exists(path: &Path) -> Failure {
    let path = path.display();
    Failure::new(format!("{path} exists already: choose another --out FILE"))
}

/// Makes the identity, and shows its progress on a terminal.
fn make(parameters: &IdentityParams<'_>, printer: &Printer) -> Result<Identity, IssueError> {
    let spinner = printer.spinner("making a key");
    Identity::generate_with(parameters, |progress| {
        spinner.tell(format!(
            "making a key: {} of 2 primes found, {} numbers tried",
            progress.primes, progress.candidates
        ));
        ControlFlow::Continue(())
    })
}
