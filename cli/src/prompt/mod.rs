//! [`Prompt`]: runs the commands typed to a running node, one after the other.

mod info;
mod listing;
mod typed_line;

use std::collections::BTreeMap;
use std::sync::Arc;

use bulla::secure::Recipient;
use bulla::{Change, Dht, Draft, InfoHash, ValueId};
use serde_json::{Value as Json, json};
use tokio::task::{AbortHandle, spawn};
use tokio::time::Instant;

use self::typed_line::{HELP, How, TypedLine};
use super::exit::{Context, Failure};
use super::input::Input;
use super::keyring::Contacts;
use super::printer::{Printer, Style};
use super::{json, text};

/// The media type that `dhtnode` gives to what is typed.
const TEXT: &str = "text/plain";

/// A running node that takes commands.
pub(crate) struct Prompt {
    dht: Dht,
    printer: Printer,
    contacts: Arc<Contacts>,
    listens: BTreeMap<u64, (InfoHash, AbortHandle)>,
    last_token: u64,
}

/// Why there are no more lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// The user said so.
    Quit,
    /// The input is over.
    Input,
}

impl Prompt {
    /// Makes a prompt for this node.
    pub(crate) fn new(dht: Dht, printer: Printer) -> Self {
        Self {
            dht,
            printer,
            contacts: Contacts::known().into(),
            listens: BTreeMap::new(),
            last_token: 0,
        }
    }

    /// Runs commands until they end. A command that fails ends nothing; output that cannot be
    /// written does.
    pub(crate) async fn run(&mut self, mut input: Input) -> Result<End, Failure> {
        while let Some(line) = input.next().await {
            match TypedLine::parse(&line) {
                Ok(TypedLine::Quit) => return Ok(End::Quit),
                Ok(line) => match self.run_line(line).await {
                    Err(Failure::Explained(why)) => self.printer.note(why),
                    result => result?,
                },
                Err(form) => self.printer.note(format_args!("expected {form}")),
            }
        }
        Ok(End::Input)
    }

    async fn run_line(&mut self, line: TypedLine) -> Result<(), Failure> {
        let dht = &self.dht;
        match line {
            TypedLine::Empty | TypedLine::Quit => Ok(()),
            TypedLine::Help => self.show(&json!({ "event": "help", "text": HELP }), HELP),
            TypedLine::Info => {
                let info = dht.node_info().await.context("cannot look at the node")?;
                self.show(&info::object(&info), info::text(&info))
            }
            TypedLine::Routing => {
                let contacts = dht
                    .list_contacts()
                    .await
                    .context("cannot look at the routing tables")?;
                self.show_listing("routing", &listing::contacts(&contacts))
            }
            TypedLine::Storage(key) => {
                let mut stored = dht
                    .list_stored()
                    .await
                    .context("cannot look at the storage")?;
                let Some(key) = key else {
                    return self.show_listing("storage", &listing::stored(&stored));
                };
                stored.retain(|stored| stored.key == key);
                self.show_listing("storage", listing::stored(&stored).trim_end())
            }
            TypedLine::Searches(key) => {
                let lookups = dht
                    .list_lookups(key)
                    .await
                    .context("cannot look at the searches")?;
                self.show_listing("searches", &listing::lookups(&lookups))
            }
            TypedLine::Addresses => self.show_addresses().await,
            TypedLine::Bootstrap(peer) => {
                dht.bootstrap(&peer)
                    .await
                    .context(format_args!("cannot make contact with {peer}"))?;
                self.show(
                    &json!({ "event": "bootstrap", "peer": peer }),
                    format_args!("pinged {peer}"),
                )
            }
            TypedLine::ConnectivityChanged => {
                dht.connectivity_changed()
                    .await
                    .context("cannot check the contacts")?;
                self.show(
                    &json!({ "event": "connectivity_changed" }),
                    "checking all contacts",
                )
            }
            TypedLine::Get(key) => self.get(key).await,
            TypedLine::Listen(key) => self.listen(key),
            TypedLine::CancelListen(key, token) => self.cancel_listen(key, token),
            TypedLine::Put(key, how, text) => self.put(key, how, text).await,
            TypedLine::CancelPut(key, id) => self.cancel_put(key, id).await,
        }
    }

    async fn show_addresses(&self) -> Result<(), Failure> {
        let addresses = self
            .dht
            .public_addresses()
            .await
            .context("cannot look at the addresses")?;
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let text = match addresses.as_slice() {
            [] => "nobody has told us yet".to_owned(),
            known => known.join("\n"),
        };
        self.show(
            &json!({ "event": "public_addresses", "addresses": addresses }),
            text,
        )
    }

    async fn get(&self, key: InfoHash) -> Result<(), Failure> {
        let started = Instant::now();
        let mut get = self.dht.get(key);
        let mut found = 0;
        while let Some(value) = get.next().await {
            found += 1;
            let object = event("value", key, json::value(&value, &self.contacts));
            self.show(&object, text::value(&value, &self.contacts, &self.printer))?;
        }
        if let Some(error) = get.error() {
            return Err(error).context(format_args!("cannot get {key}"));
        }
        let report = get.report().unwrap_or_default();
        let object = json!({
            "event": "get",
            "key": key.to_string(),
            "found": found,
            "dropped": get.dropped(),
            "asked": report.asked,
            "answered": report.answered,
        });
        let text = format!(
            "{found} values after {:.1?}, {} of {} nodes answered",
            started.elapsed(),
            report.answered,
            report.asked
        );
        self.show(&object, self.printer.style(Style::Dim, text))
    }

    fn listen(&mut self, key: InfoHash) -> Result<(), Failure> {
        self.last_token += 1;
        let token = self.last_token;
        let object = json!({ "event": "listen", "key": key.to_string(), "token": token });
        self.show(&object, format_args!("listening, token {token}"))?;
        let mut listen = self.dht.listen(key);
        let (contacts, printer) = (self.contacts.clone(), self.printer.clone());
        let task = spawn(async move {
            while let Some(change) = listen.next().await {
                if show_change(&change, key, token, &contacts, &printer).is_err() {
                    return;
                }
            }
            if let Some(error) = listen.error() {
                printer.note(format_args!("listen {token} on {key} ended: {error}"));
            }
        });
        self.listens.insert(token, (key, task.abort_handle()));
        Ok(())
    }

    fn cancel_listen(&mut self, key: InfoHash, token: u64) -> Result<(), Failure> {
        match self.listens.get(&token) {
            Some((its, task)) if *its == key => {
                task.abort();
                self.listens.remove(&token);
                let object =
                    json!({ "event": "listen_cancelled", "key": key.to_string(), "token": token });
                self.show(&object, format_args!("no longer listening, token {token}"))
            }
            _ => Err(Failure::new(format!("there is no listen {token} on {key}"))),
        }
    }

    async fn put(&self, key: InfoHash, how: How, text: String) -> Result<(), Failure> {
        let draft = Draft::from(text).user_type(TEXT);
        let put = match how {
            How::Clear => self.dht.put(key, draft),
            How::Permanent => self.dht.put_permanent(key, draft),
            How::Signed => self.dht.put_signed(key, draft),
            How::Encrypted(name) => self.dht.put_encrypted(key, Recipient::Name(name), draft),
        };
        let placed = put.await.context(format_args!("cannot put under {key}"))?;
        let object = event("put", key, json::put(key, &placed));
        self.show(&object, text::put(&placed, &self.printer))
    }

    async fn cancel_put(&self, key: InfoHash, id: ValueId) -> Result<(), Failure> {
        let was_announced = self
            .dht
            .cancel_put(key, id)
            .await
            .context("cannot cancel the put")?;
        if !was_announced {
            return Err(Failure::new(format!(
                "value {} of {key} is not being announced by us",
                id.0
            )));
        }
        let object =
            json!({ "event": "put_cancelled", "key": key.to_string(), "id": json::id(id) });
        self.show(
            &object,
            format_args!("value {} is no longer announced", id.0),
        )
    }

    fn show_listing(&self, of: &str, listing: &str) -> Result<(), Failure> {
        let text = match listing.trim_end() {
            "" => "none",
            text => text,
        };
        self.show(&json!({ "event": of, "text": listing }), text)
    }

    fn show(&self, object: &Json, text: impl std::fmt::Display) -> Result<(), Failure> {
        Ok(self.printer.result(object, text)?)
    }
}

impl Drop for Prompt {
    fn drop(&mut self) {
        self.listens.values().for_each(|(_, task)| task.abort());
    }
}

fn show_change(
    change: &Change,
    key: InfoHash,
    token: u64,
    contacts: &Contacts,
    printer: &Printer,
) -> std::io::Result<()> {
    let mut object = event("value", key, json::change(change, contacts));
    object["token"] = token.into();
    printer.result(&object, text::change(change, contacts, printer))
}

/// Adds the name of what happened, and the key, to an object.
fn event(name: &str, key: InfoHash, mut object: Json) -> Json {
    object["event"] = name.into();
    object["key"] = key.to_string().into();
    object
}
