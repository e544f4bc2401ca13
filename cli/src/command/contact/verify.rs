//! `bulla contact verify`: compare fingerprints with a contact, and remember whether they matched.

use std::path::Path;

use bulla_identity::Fingerprint;

use super::describe;
use crate::calendar::now;
use crate::certificates::read_chain;
use crate::confirm::confirm;
use crate::exit::{Exit, Failure};
use crate::keyring::{Keyring, Name};
use crate::printer::{Printer, Style};

/// How it is known whether the fingerprints match.
pub(super) enum Answer {
    /// The user is asked.
    Ask,
    /// The user has said so.
    Yes,
    /// They do if these are the other's words.
    Words(Fingerprint),
}

/// Shows both fingerprints, finds out whether they match, and remembers it.
pub(super) fn run(
    keyring: &Keyring,
    name: &Name,
    identity: Option<&Path>,
    answer: Answer,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let id = keyring.contacts()?.get(name)?.id;
    let theirs = id.fingerprint();
    let ours = own_fingerprint(keyring, identity)?;
    let both = match ours {
        Some(ours) => format!("yours: {ours}\n{name}'s: {theirs}"),
        None => format!("{name}'s: {theirs}"),
    };
    let is_match = match answer {
        Answer::Yes => true,
        Answer::Words(words) => words == theirs,
        Answer::Ask => {
            let question = format!("{both}\nDo all words match what {name} sees?");
            confirm(&question, "--yes, or give the other's --words")?
        }
    };
    let contact = keyring.change_contacts(|contacts| {
        let contact = contacts.get_mut(name)?;
        if contact.id != id {
            return Err(Failure::new(format!(
                "meanwhile {name} is somebody else: begin again"
            )));
        }
        contact.verified_at = is_match.then(now);
        Ok(*contact)
    })?;
    let mut object = describe(name, &contact);
    object["own_fingerprint"] = ours.map(|words| words.to_string()).into();
    let verdict = if is_match {
        printer.style(Style::Good, format!("{name} is verified"))
    } else {
        printer.style(
            Style::Bad,
            format!("{name} is not verified: the words do not match"),
        )
    };
    match answer {
        Answer::Ask => printer.result(&object, verdict)?,
        _ => printer.result(&object, format_args!("{both}\n{verdict}"))?,
    }
    Ok(if is_match { Exit::Done } else { Exit::Nothing })
}

/// Returns the words that the contact is to see: those of the identity asked for, else of the
/// default one, if there is one.
fn own_fingerprint(
    keyring: &Keyring,
    identity: Option<&Path>,
) -> Result<Option<Fingerprint>, Failure> {
    let path = match identity {
        Some(named) => Some(keyring.identity_path(named)),
        None => keyring.default_identity()?,
    };
    let chain = path.as_deref().map(read_chain).transpose()?;
    Ok(chain.map(|chain| chain.leaf().long_id().fingerprint()))
}
