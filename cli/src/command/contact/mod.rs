//! `bulla contact`: names for the keys of others, and the comparison of their fingerprints.

mod verify;

use std::path::Path;

use bulla_identity::{KeyId, LongKeyId};
use serde_json::{Value as Json, json};

use crate::args::ContactCommand;
use crate::calendar::rfc3339;
use crate::certificates::read_chain;
use crate::exit::{Exit, Failure};
use crate::keyring::{Contact, Keyring, Name};
use crate::printer::{Printer, Style};

/// Runs one of the contact commands.
pub(crate) fn run(command: &ContactCommand, printer: &Printer) -> Result<Exit, Failure> {
    let keyring = Keyring::open()?;
    match command {
        ContactCommand::Add { name, who } => add(&keyring, name, who, printer),
        ContactCommand::List => list(&keyring, printer),
        ContactCommand::Verify {
            name,
            identity,
            words,
            yes,
        } => {
            let answer = match words {
                Some(words) => verify::Answer::Words(*words),
                None if *yes => verify::Answer::Yes,
                None => verify::Answer::Ask,
            };
            verify::run(&keyring, name, identity.as_deref(), answer, printer)
        }
        ContactCommand::Remove { name } => remove(&keyring, name, printer),
    }
}

fn add(keyring: &Keyring, name: &Name, who: &str, printer: &Printer) -> Result<Exit, Failure> {
    let id = identify(keyring, who)?;
    let contact = keyring.change_contacts(|contacts| {
        contacts.add(name, id)?;
        contacts.get(name).copied()
    })?;
    let text = format!(
        "{name} is {id}\nwords: {}\nnot verified: compare the words with {name} (`bulla contact verify {name}`)",
        printer.style(Style::Bold, id.fingerprint())
    );
    printer.result(&describe(name, &contact), text)?;
    Ok(Exit::Done)
}

/// Returns the long id that was given, or that of the certificate in a file.
fn identify(keyring: &Keyring, who: &str) -> Result<LongKeyId, Failure> {
    if let Ok(id) = who.parse() {
        return Ok(id);
    }
    if who.parse::<KeyId>().is_ok() {
        return Err(Failure::new(
            "a short id is no proof of who somebody is: give the long id (64 hexadecimal digits) or the certificate",
        ));
    }
    let path = keyring.identity_path(Path::new(who));
    if !path.exists() {
        return Err(Failure::new(format!(
            "{who:?} is neither a long id (64 hexadecimal digits) nor a file with a certificate"
        )));
    }
    Ok(read_chain(&path)?[0].long_id())
}

fn list(keyring: &Keyring, printer: &Printer) -> Result<Exit, Failure> {
    let contacts = keyring.contacts()?;
    let row = |(name, contact): (&Name, &Contact)| {
        let row = [
            name.to_string(),
            contact.id.to_string(),
            contact.verified_at.map_or("no".to_owned(), rfc3339),
            contact.id.fingerprint().to_string(),
        ];
        (describe(name, contact), row)
    };
    let rows: Vec<_> = contacts.iter().map(row).collect();
    if rows.is_empty() {
        printer.note("you have no contacts: `bulla contact add NAME ID` adds one");
        return Ok(Exit::Nothing);
    }
    printer.results(["name", "long id", "verified", "words"], &rows)?;
    Ok(Exit::Done)
}

fn remove(keyring: &Keyring, name: &Name, printer: &Printer) -> Result<Exit, Failure> {
    let contact = keyring.change_contacts(|contacts| contacts.remove(name))?;
    let object = json!({
        "name": name.as_str(),
        "long_id": contact.id.to_string(),
        "removed": true,
    });
    let text = format!("removed {name}, who was {}", contact.id);
    printer.result(&object, text)?;
    Ok(Exit::Done)
}

/// Describes a contact, for programs.
fn describe(name: &Name, contact: &Contact) -> Json {
    json!({
        "name": name.as_str(),
        "long_id": contact.id.to_string(),
        "fingerprint": contact.id.fingerprint().to_string(),
        "verified": contact.verified_at.is_some(),
        "verified_at": contact.verified_at.map(rfc3339),
    })
}
