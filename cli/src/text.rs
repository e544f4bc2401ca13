//! Values, rows and reports as text for people. Text of others is sanitized first.

use std::fmt::Write;

use bulla::node::PutReport;
use bulla::secure::Checked;
use bulla::{Change, DhtMessage, ImMessage, Placed, Row, Typed, ValueType};

use super::calendar::rfc3339;
use super::json;
use super::keyring::Contacts;
use super::printer::{Printer, Style, sanitize};

/// The most bytes that are shown of a payload that is not text.
const MAX_SHOWN_BYTES: usize = 32;

/// Describes a value: its payload, and below it what it is.
pub(crate) fn value(value: &Checked, contacts: &Contacts, printer: &Printer) -> String {
    let mut about = vec![format!("id {}", value.id().0)];
    if value.value_type() != ValueType::USER_DATA {
        about.push(format!("type {}", value.value_type().0));
    }
    if !value.user_type().is_empty() {
        about.push(sanitize(&value.user_type()));
    }
    about.push(json::status(value.protection()).to_owned());
    if let Some(signer) = value.signer() {
        about.push(match contacts.find(signer) {
            Some((name, contact)) if contact.verified_at.is_some() => format!("by {name}"),
            Some((name, _)) => format!("by {name} (not verified)"),
            None => format!("by {signer}"),
        });
    }
    match value.binding().map(|binding| binding.expires) {
        Some(Some(end)) => about.push(format!("bound until {}", rfc3339(end.as_secs()))),
        Some(None) => about.push("bound".to_owned()),
        None => {}
    }
    if !value.recipients().is_empty() {
        about.push(format!("for {} readers", value.recipients().len()));
    }
    if value.seq() > 0 {
        about.push(format!("edit {}", value.seq()));
    }
    let about = printer.style(Style::Dim, about.join(", "));
    format!("{}\n  {about}", payload(value))
}

/// Describes a value that was found, or one that has expired.
pub(crate) fn change(change: &Change, contacts: &Contacts, printer: &Printer) -> String {
    let text = value(change.value(), contacts, printer);
    match change {
        Change::Added(_) => text,
        Change::Expired(_) => format!("{} {text}", printer.style(Style::Bad, "expired:")),
    }
}

/// Returns the text of a value, or the beginning of its bytes.
fn payload(value: &Checked) -> String {
    let body = value.value().body();
    if let Some(message) = body.and_then(|body| ImMessage::read(body).ok()) {
        return sanitize(&message.text);
    }
    if let Some(message) = body.and_then(|body| DhtMessage::read(body).ok()) {
        return format!("{}: {}", sanitize(&message.service), bytes(&message.data));
    }
    bytes(value.data())
}

/// Writes bytes as text if they are one, else in hex.
pub(crate) fn bytes(data: &[u8]) -> String {
    if let Ok(text) = str::from_utf8(data) {
        return sanitize(text);
    }
    let mut shown = format!("({} bytes) ", data.len());
    for byte in data.iter().take(MAX_SHOWN_BYTES) {
        // Writing to a string cannot fail.
        let _ = write!(shown, "{byte:02x}");
    }
    if data.len() > MAX_SHOWN_BYTES {
        shown.push('…');
    }
    shown
}

/// Writes the fields that a query selected.
pub(crate) fn row(row: &Row) -> String {
    let owner = row.owner.map(|owner| {
        if owner.is_zero() {
            "none".to_owned()
        } else {
            owner.to_string()
        }
    });
    let fields = [
        ("id", row.id.map(|id| id.0.to_string())),
        (
            "type",
            row.value_type.map(|value_type| value_type.0.to_string()),
        ),
        ("owner", owner),
        ("seq", row.seq.map(|seq| seq.to_string())),
        ("user type", row.user_type.as_deref().map(sanitize)),
    ];
    let shown: Vec<String> = fields
        .into_iter()
        .filter_map(|(name, field)| field.map(|field| format!("{name} {field}")))
        .collect();
    shown.join(", ")
}

/// Describes what became of a put.
pub(crate) fn put(placed: &Placed, printer: &Printer) -> String {
    let id = printer.style(Style::Bold, placed.id.0);
    format!("value {id}: acknowledged by {}", holders(&placed.report))
}

/// Counts the nodes that acknowledged a put, and those that did not.
pub(crate) fn holders(report: &PutReport) -> String {
    let mut text = format!("{} of {} nodes", report.acknowledged, report.asked);
    for (count, what) in [
        (report.refused, "refused"),
        (report.silent, "did not answer"),
    ] {
        if count > 0 {
            let _ = write!(text, ", {count} {what}");
        }
    }
    text
}

/// Writes several items in a line.
pub(crate) fn list<T: ToString>(items: &[T]) -> String {
    match items {
        [] => "none".to_owned(),
        items => {
            let texts: Vec<String> = items.iter().map(ToString::to_string).collect();
            texts.join(", ")
        }
    }
}
