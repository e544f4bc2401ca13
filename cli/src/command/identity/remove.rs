//! `bulla identity remove`: remove an identity for ever.

use serde_json::json;

use crate::confirm::confirm;
use crate::exit::{Exit, Failure};
use crate::keyring::{Keyring, Name};
use crate::printer::{Printer, Style};

/// Removes it, once that is confirmed.
pub(super) fn run(name: &Name, is_meant: bool, printer: &Printer) -> Result<Exit, Failure> {
    let keyring = Keyring::open()?;
    keyring.kept(name)?;
    let question = format!("Remove identity {name}? Nobody can bring its private key back.");
    if !is_meant && !confirm(&question, "--yes")? {
        printer.note(format_args!("{name} stays"));
        return Ok(Exit::Nothing);
    }
    let was_default = keyring.default_name()?.as_ref() == Some(name);
    keyring.remove_identity(name)?;
    let rest = if was_default {
        "; there is no default identity now"
    } else {
        ""
    };
    let object = json!({ "identity": name.as_str(), "removed": true });
    let text = format_args!("removed {name}{rest}");
    printer.result(&object, printer.style(Style::Good, text))?;
    Ok(Exit::Done)
}
