//! `bulla identity list`: the identities in the keyring.

use bulla_identity::{Identity, KeyError, LoadError};

use super::read_certificate;
use crate::describe;
use crate::exit::{Exit, Failure};
use crate::keyring::Keyring;
use crate::printer::Printer;

/// Lists them; one that is damaged keeps none of the others from being shown.
pub(super) fn run(printer: &Printer) -> Result<Exit, Failure> {
    let keyring = Keyring::open()?;
    let default = keyring.default_name()?;
    let mut exit = Exit::Done;
    let mut found = Vec::new();
    for name in keyring.identities()? {
        let path = keyring.kept(&name)?;
        let certificate = match read_certificate(&path) {
            Ok(certificate) => certificate,
            Err(failure) => {
                printer.note(failure);
                exit = Exit::Failed;
                continue;
            }
        };
        let is_default = default.as_ref() == Some(&name);
        let is_protected = matches!(
            Identity::load(&path, None),
            Err(LoadError::Key(KeyError::PasswordNeeded))
        );
        let mut object = describe::certificate(&certificate).json;
        object["identity"] = name.as_str().into();
        object["default"] = is_default.into();
        object["protected"] = is_protected.into();
        object["file"] = path.display().to_string().into();
        let row = [
            name.to_string(),
            certificate.long_id().to_string(),
            describe::certified_key(&certificate),
            if is_protected { "password" } else { "none" }.to_owned(),
            if is_default { "default" } else { "" }.to_owned(),
        ];
        found.push((object, row));
    }
    if !found.is_empty() {
        printer.results(["name", "long id", "key", "protection", ""], &found)?;
    } else if exit == Exit::Done {
        printer.note("you have no identities: `bulla identity new NAME` makes one");
        exit = Exit::Nothing;
    }
    Ok(exit)
}
