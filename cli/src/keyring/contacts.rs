//! [`Contacts`]: keys of others, by the names that the user gave them.

use std::collections::BTreeMap;

use bulla_identity::LongKeyId;
use serde::{Deserialize, Serialize};

use super::Keyring;
use super::name::Name;
use crate::exit::{Context, Failure};

/// All contacts of the user. Each has one name.
#[derive(Default)]
pub(crate) struct Contacts(BTreeMap<Name, Contact>);

/// A contact.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Contact {
    /// The id of its key.
    pub(crate) id: LongKeyId,
    /// When the fingerprint was compared and found right, in seconds since 1970.
    pub(crate) verified_at: Option<u64>,
}

/// The file. Unknown fields in it would be lost if it were written again, so they are refused.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    contacts: BTreeMap<String, Line>,
}

/// A contact in the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    long_id: String,
    verified_at: Option<u64>,
}

impl Contacts {
    /// Reads those of this user, or none if that fails: to show names where ids would do as well.
    pub(crate) fn known() -> Self {
        Keyring::open()
            .and_then(|keyring| keyring.contacts())
            .unwrap_or_default()
    }

    /// Reads the text of a contacts file.
    pub(super) fn from_json(text: &str) -> Result<Self, Failure> {
        let page: Page = serde_json::from_str(text).context("not a list of contacts")?;
        let contact = |(name, line): (String, Line)| {
            let name: Name = name.parse().context(format_args!("contact {name:?}"))?;
            let id = line
                .long_id
                .parse()
                .context(format_args!("contact {name}"))?;
            let verified_at = line.verified_at;
            Ok((name, Contact { id, verified_at }))
        };
        page.contacts
            .into_iter()
            .map(contact)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Writes the text of a contacts file.
    pub(super) fn to_json(&self) -> Result<String, Failure> {
        let line = |(name, contact): (&Name, &Contact)| {
            let line = Line {
                long_id: contact.id.to_string(),
                verified_at: contact.verified_at,
            };
            (name.to_string(), line)
        };
        let page = Page {
            contacts: self.0.iter().map(line).collect(),
        };
        serde_json::to_string_pretty(&page)
            .map(|text| text + "\n")
            .context("cannot write the contacts")
    }

    /// Adds one that is not verified.
    pub(crate) fn add(&mut self, name: &Name, id: LongKeyId) -> Result<(), Failure> {
        if let Some((known, _)) = self.find(id) {
            return Err(Failure::new(format!(
                "this is {known}, whom you know already: `bulla contact remove {known}` comes first"
            )));
        }
        if self.0.contains_key(name) {
            return Err(Failure::new(format!(
                "you know another {name}: choose another name, or `bulla contact remove {name}` first"
            )));
        }
        let verified_at = None;
        self.0.insert(name.clone(), Contact { id, verified_at });
        Ok(())
    }

    /// Returns the one with this name.
    pub(crate) fn get(&self, name: &Name) -> Result<&Contact, Failure> {
        self.0.get(name).ok_or_else(|| unknown(name))
    }

    /// Returns the one with this name, to change.
    pub(crate) fn get_mut(&mut self, name: &Name) -> Result<&mut Contact, Failure> {
        self.0.get_mut(name).ok_or_else(|| unknown(name))
    }

    /// Removes the one with this name.
    pub(crate) fn remove(&mut self, name: &Name) -> Result<Contact, Failure> {
        self.0.remove(name).ok_or_else(|| unknown(name))
    }

    /// Returns the one with this id.
    pub(crate) fn find(&self, id: LongKeyId) -> Option<(&Name, &Contact)> {
        self.iter().find(|(_, contact)| contact.id == id)
    }

    /// Returns all, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Name, &Contact)> {
        self.0.iter()
    }
}

fn unknown(name: &Name) -> Failure {
    Failure::new(format!(
        "there is no contact {name}: `bulla contact list` shows all, `bulla contact add` adds one"
    ))
}
