//! `bulla chat`: exchange messages in a room, as OpenDHT's chat does.
//!
//! A room is a key. A message is an [`ImMessage`] put there, signed; or encrypted for one
//! recipient, at the same key.

use std::io::IsTerminal;

use bulla::secure::{Checked, KeyName, Protection, Recipient};
use bulla::{Change, Dht, ImMessage, Typed, ValueType};
use bulla_identity::LongKeyId;
use serde_json::json;

use crate::args::ChatArgs;
use crate::calendar::{now, rfc3339};
use crate::exit::{Context, Exit, Failure};
use crate::input::Input;
use crate::interrupt::Interrupt;
use crate::keyring::Contacts;
use crate::printer::{Printer, Style, sanitize};
use crate::session::{Session, require_identity};
use crate::text;
use crate::trust_rules::{TrustRules, resolve_all};

/// Digits of a long id that stand for the sender of a message on a terminal.
const SHORT: usize = 16;

/// Chats until the input ends or is interrupted.
pub(crate) async fn run(args: &ChatArgs, printer: &Printer) -> Result<Exit, Failure> {
    require_identity(&args.network, "messages are signed")?;
    let to = resolve_all(&args.to)?;
    let rules = TrustRules::new(&args.trust)?;
    let contacts = Contacts::known();
    let session = Session::join(&args.network, printer).await?;
    let mut interrupt = Interrupt::install()?;
    let (mut input, printer) = open(printer)?;
    let mut room = rules.over(session.dht.listen(args.room), &session.dht);
    let mut exit = Exit::Done;
    loop {
        tokio::select! {
            () = interrupt.wait() => break,
            line = input.next() => match line.as_deref().map(str::trim) {
                Some("") => {}
                Some(line) => if !send(&session.dht, args, &to, line, &printer).await? {
                    exit = Exit::Nothing;
                },
                None => break,
            },
            change = room.next() => match change? {
                Some(Change::Added(value)) => receive(&value, session.dht.identity(), &contacts, &printer)?,
                Some(Change::Expired(_)) => {}
                None => break,
            },
        }
    }
    if let Some(error) = room.error() {
        return Err(error).context(format_args!("cannot listen to room {}", args.room));
    }
    drop(room);
    session.leave().await?;
    Ok(exit)
}

fn open(printer: &Printer) -> Result<(Input, Printer), Failure> {
    if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() && !printer.is_json() {
        Input::of_terminal("> ", printer.clone())
    } else {
        Ok((Input::of_pipe()?, printer.clone()))
    }
}

/// Sends a line, and returns whether a node acknowledged it.
async fn send(
    dht: &Dht,
    args: &ChatArgs,
    to: &[KeyName],
    line: &str,
    printer: &Printer,
) -> Result<bool, Failure> {
    let message = ImMessage {
        id: getrandom::u64().context("cannot number the message")?,
        text: line.to_owned(),
        date: now().try_into().unwrap_or(i64::MAX),
        ..ImMessage::default()
    };
    let put = match to {
        [] => dht.put_signed(args.room, message.draft()),
        to => {
            let to = to.iter().copied().map(Recipient::Name);
            dht.put_encrypted_to_many(args.room, to, message.draft())
        }
    };
    let put = put.scope(args.bound.scope());
    let placed = if args.compatible {
        put.compatible().await
    } else {
        vec![put.await]
    };
    let mut acknowledged = 0;
    for placed in placed {
        match placed {
            Ok(placed) if placed.report.acknowledged == 0 => printer.note(format_args!(
                "nobody holds what you wrote: {}",
                text::holders(&placed.report)
            )),
            Ok(placed) => acknowledged += placed.report.acknowledged,
            Err(error) => printer.note(format_args!("not sent: {error}")),
        }
    }
    let to: Vec<String> = to.iter().map(ToString::to_string).collect();
    if printer.is_json() {
        let object = json!({
            "event": "sent",
            "id": message.id.to_string(),
            "to": to,
            "acknowledged": acknowledged,
        });
        printer.result(&object, "")?;
    }
    Ok(acknowledged > 0)
}

/// Shows a signed message of another; other values in the room are ignored.
fn receive(
    value: &Checked,
    me: Option<LongKeyId>,
    contacts: &Contacts,
    printer: &Printer,
) -> Result<(), Failure> {
    let Some(sender) = value.signer().filter(|sender| Some(*sender) != me) else {
        return Ok(());
    };
    let body = value
        .value()
        .body()
        .filter(|body| body.value_type == ValueType::IM_MESSAGE);
    let Some(message) = body.and_then(|body| ImMessage::read(body).ok()) else {
        return Ok(());
    };
    let is_private = value.protection() == Protection::Encrypted;
    let contact = contacts.find(sender);
    let object = json!({
        "event": "message",
        "from": sender.to_string(),
        "contact": contact.map(|(name, _)| name.to_string()),
        "id": message.id.to_string(),
        "text": message.text,
        "date": message.date,
        "encrypted": is_private,
    });
    let sender = match contact {
        Some((name, contact)) if contact.verified_at.is_some() => name.to_string(),
        // A question mark means that the fingerprints were not compared.
        Some((name, _)) => format!("{name}?"),
        None => sender.to_string().chars().take(SHORT).collect(),
    };
    let sender = printer.style(Style::Bold, sender);
    let date = u64::try_from(message.date).map_or_else(|_| String::new(), rfc3339);
    let date = printer.style(Style::Dim, date);
    let how = if is_private { " to you alone" } else { "" };
    let text = format!("{date} {sender}{how}: {}", sanitize(&message.text));
    Ok(printer.result(&object, text)?)
}
