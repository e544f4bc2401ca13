//! `bulla identity default`: the identity that commands use unless another is asked for.

use serde_json::json;

use crate::exit::{Exit, Failure};
use crate::keyring::{Keyring, Name};
use crate::printer::Printer;

/// Sets it if there is a name, or to `none`; shows it in any case.
pub(super) fn run(name: Option<&Name>, none: bool, printer: &Printer) -> Result<Exit, Failure> {
    let keyring = Keyring::open()?;
    if name.is_some() || none {
        keyring.set_default(name)?;
    }
    let default = keyring.default_name()?;
    let object = json!({ "default": default.as_ref().map(Name::as_str) });
    match default {
        Some(name) => printer.result(&object, name)?,
        None => printer.result(&object, "none")?,
    }
    Ok(Exit::Done)
}
