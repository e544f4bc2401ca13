//! Values, rows and reports as JSON, with the field names of OpenDHT's proxy
//! (`docs/spec/proxy.md#2`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bulla::secure::{Checked, Protection};
use bulla::{Change, InfoHash, Placed, Row, ValueId};
use serde_json::{Map, Value as Json, json};

use super::keyring::Contacts;

/// Writes a value, with fields of our own: `status` (`clear`, `signed`, `encrypted`), `signer`
/// (long id or null), if the signer is a contact `contact` (its name) and `verified`, `bound`, if
/// it is bound in time `bound_until` (Unix seconds), and if it is for several `readers` (long ids).
pub(crate) fn value(value: &Checked, contacts: &Contacts) -> Json {
    let mut fields = Map::new();
    let mut add = |name: &str, field: Json| fields.insert(name.to_owned(), field);
    add("id", id(value.id()));
    add("type", value.value_type().0.into());
    add("data", BASE64.encode(value.data()).into());
    if !value.user_type().is_empty() {
        add("utype", value.user_type().into());
    }
    if let Some(signed) = value.value().signed() {
        add("seq", signed.seq.into());
        add("sig", BASE64.encode(signed.signature).into());
    }
    if let Some(owner) = value.signer_key() {
        add("owner", owner.to_pem().into());
    }
    if let Some(to) = value.recipient() {
        add("to", to.to_string().into());
    }
    if value.value().priority() != 0 {
        add("prio", value.value().priority().into());
    }
    if !value.value().push_type().is_empty() {
        add("pt", value.value().push_type().into());
    }
    add("status", status(value.protection()).into());
    add("signer", value.signer().map(|id| id.to_string()).into());
    if let Some((name, contact)) = value.signer().and_then(|id| contacts.find(id)) {
        add("contact", name.to_string().into());
        add("verified", contact.verified_at.is_some().into());
    }
    let binding = value.binding();
    add("bound", binding.is_some().into());
    if let Some(end) = binding.and_then(|binding| binding.expires) {
        add("bound_until", end.as_secs().into());
    }
    if !value.recipients().is_empty() {
        let readers = value.recipients().iter().map(ToString::to_string);
        add("readers", readers.collect::<Vec<_>>().into());
    }
    Json::Object(fields)
}

/// Writes a value that was found, or one that has `expired`.
pub(crate) fn change(change: &Change, contacts: &Contacts) -> Json {
    let mut object = value(change.value(), contacts);
    if let Change::Expired(_) = change {
        object["expired"] = true.into();
    }
    object
}

/// Writes the fields that a query selected. `owner` is the owner's short id: the key is not sent.
pub(crate) fn row(row: &Row) -> Json {
    let mut fields = Map::new();
    let mut add =
        |name: &str, field: Option<Json>| field.map(|field| fields.insert(name.to_owned(), field));
    add("id", row.id.map(id));
    add("type", row.value_type.map(|value_type| value_type.0.into()));
    add("owner", row.owner.map(owner));
    add("seq", row.seq.map(Json::from));
    add("utype", row.user_type.clone().map(Json::from));
    Json::Object(fields)
}

/// Writes what became of a put.
pub(crate) fn put(key: InfoHash, Placed { id: number, report }: &Placed) -> Json {
    json!({
        "key": key.to_string(),
        "id": id(*number),
        "asked": report.asked,
        "acknowledged": report.acknowledged,
        "refused": report.refused,
        "silent": report.silent,
    })
}

/// Writes a value's number: as text, for it may be greater than what a JSON number holds.
pub(crate) fn id(id: ValueId) -> Json {
    id.0.to_string().into()
}

/// Returns the word for the protection of a value.
pub(crate) fn status(trust: Protection) -> &'static str {
    match trust {
        Protection::Clear => "clear",
        Protection::Signed => "signed",
        Protection::Encrypted => "encrypted",
    }
}

/// Writes an owner's short id; null for the zero hash, which stands for "none".
fn owner(owner: InfoHash) -> Json {
    if owner.is_zero() {
        Json::Null
    } else {
        owner.to_string().into()
    }
}
