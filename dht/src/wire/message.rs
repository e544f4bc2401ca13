//! [`Message`]: what one node tells another (`docs/spec/wire.md#3`).

use std::borrow::Cow;

use super::arguments::write_ids;
use super::{Arguments, GetRequest, Page, Parts, Reply, Request, Rest};
use crate::InfoHash;
use crate::msgpack::{DecodeError, MapWriter, Raw, Writer};
use crate::value::ValueId;

/// A message with its envelope. Decoded messages borrow from their datagram.
#[derive(Clone, PartialEq, Debug)]
pub struct Message<'a> {
    /// Joins request and reply.
    pub tid: Tid,
    /// The network it belongs to; the public one is 0.
    pub network: u32,
    /// The sender asks not to be used as a node.
    pub client: bool,
    /// The software that the sender claims to be; `None` if it claims none, or not in UTF-8.
    pub agent: Option<&'a str>,
    /// The content.
    pub payload: Payload<'a>,
}

/// The content of a message.
#[derive(Clone, PartialEq, Debug)]
pub enum Payload<'a> {
    /// Asks for something.
    Request {
        /// The sender's node id, never zero.
        sender: InfoHash,
        /// What it asks.
        request: Request<'a>,
    },
    /// Answers a request, or notifies a listener of version 0 of values.
    Reply {
        /// The sender's node id, never zero.
        sender: InfoHash,
        /// The answer.
        reply: Reply<'a>,
    },
    /// Refuses a request.
    Error {
        /// The sender's node id, if it gave one.
        sender: Option<InfoHash>,
        /// Why.
        code: ErrorCode,
        /// The same in words, never to be parsed; may be empty.
        text: Cow<'a, str>,
    },
    /// Notifies a listener of version 0 of ids; the transaction id is the listener's [`SocketId`].
    Notice {
        /// The sender's node id, never zero.
        sender: InfoHash,
        /// What happened.
        notice: Notice<'a>,
    },
    /// Carries parts of values that another message of the same transaction announced.
    Parts(Parts<'a>),
}

/// A transaction's number, chosen by the asker.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Tid(pub u32);

/// The number that notifications to a listener bear, chosen by it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct SocketId(pub u32);

/// Why a request was refused (`docs/spec/wire.md#10`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ErrorCode(pub u16);

/// What happened to values that a listener of version 0 knows.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Notice<'a> {
    /// A write token for the listener.
    pub token: Option<Cow<'a, [u8]>>,
    /// Values that live on.
    pub refreshed: Cow<'a, [ValueId]>,
    /// Values that are gone.
    pub expired: Cow<'a, [ValueId]>,
}

impl ErrorCode {
    /// No key, or a value without an id.
    pub const MALFORMED: Self = Self(203);
    /// The write token does not match.
    pub const UNAUTHORIZED: Self = Self(401);
    /// Nothing is stored under the key.
    pub const NOT_FOUND: Self = Self(404);
}

impl<'a> Message<'a> {
    /// An extra key in the root map for extensions of ours, [`Page`] and [`Rest`]: others ignore
    /// keys they do not know (`docs/spec/wire.md#14`).
    pub const EXTENSION_KEY: &'static str = "bulla";

    pub(super) fn read(datagram: &'a [u8]) -> Result<Self, DecodeError> {
        let (mut request, mut reply, mut notice, mut error, mut parts) = Default::default();
        let (mut name, mut kind, mut agent, mut extension) = (None, None, None, None);
        let (mut tid, mut network, mut client) = (Tid(0), 0, false);
        Raw::each_of_map(datagram, |key, value| {
            match key {
                b"a" => request = Some(value),
                b"r" => reply = Some(value),
                b"u" => notice = Some(value),
                b"e" => error = Some(value),
                b"p" => parts = Some(value),
                b"q" => name = Some(value.text()?),
                b"t" => tid = Tid(value.number32()?),
                b"y" => kind = Some(value.text()?),
                b"v" => agent = Some(value.text()?),
                b"n" => network = value.uint()?,
                b"s" => client = value.bool()?,
                key if key == Self::EXTENSION_KEY.as_bytes() => extension = Some(value),
                _ => {}
            }
            Ok(())
        })?;
        let body = request.or(reply).or(notice);
        let arguments = || Arguments::read(body.ok_or(DecodeError::UnknownKind)?);

        // The keys that are there decide the kind, in this order; `y` matters only where it
        // contradicts a request.
        let payload = if let Some(error) = error {
            let sender = body.map(|_| arguments()).transpose()?;
            read_error(error, sender.and_then(|arguments| arguments.id))?
        } else if reply.is_some() {
            let arguments = arguments()?;
            Payload::Reply {
                sender: arguments.sender()?,
                reply: Reply {
                    rest: extension.and_then(Rest::read),
                    ..Reply::read(arguments)?
                },
            }
        } else if let Some(parts) = parts {
            Payload::Parts(Parts::read(parts)?)
        } else if notice.is_some() {
            let arguments = arguments()?;
            Payload::Notice {
                sender: arguments.sender()?,
                notice: Notice {
                    token: arguments.token,
                    refreshed: arguments.refreshed.into(),
                    expired: arguments.expired.into(),
                },
            }
        } else if matches!(kind, None | Some(b"q")) {
            let arguments = arguments()?;
            let sender = arguments.sender()?;
            let mut request = Request::read(name.unwrap_or_default(), arguments)?;
            if let Request::Get(get) = &mut request {
                get.page = extension.and_then(Page::read);
            }
            Payload::Request { sender, request }
        } else {
            return Err(DecodeError::UnknownKind);
        };
        Ok(Self {
            tid,
            network,
            client,
            agent: agent.and_then(|text| str::from_utf8(text).ok()),
            payload,
        })
    }

    /// Writes the one datagram of the message itself; each kind has its own order of keys
    /// (`docs/spec/wire.md#3`).
    pub(super) fn write(&self, out: &mut Writer) {
        out.map(|root| match &self.payload {
            Payload::Request { sender, request } => {
                request.write(sender, root.key("a"));
                if request.is_update_of_ids() {
                    root.str("y", "q");
                    self.write_sender(root);
                    root.str("q", request.name());
                    root.uint("t", self.tid.0.into());
                } else {
                    root.str("q", request.name());
                    self.write_end(root, "q");
                }
                if let Request::Get(GetRequest {
                    page: Some(page), ..
                }) = request
                {
                    root.key(Self::EXTENSION_KEY).map(|own| page.write(own));
                }
            }
            Payload::Reply { sender, reply } => {
                reply.write(sender, root.key("r"));
                self.write_end(root, "r");
                if let Some(rest) = &reply.rest {
                    root.key(Self::EXTENSION_KEY).map(|own| rest.write(own));
                }
            }
            Payload::Error { sender, code, text } => {
                let error = root.key("e");
                error.array(2);
                error.uint(code.0.into());
                error.str(text.as_bytes());
                if let Some(sender) = sender {
                    root.key("r").map(|body| body.hash("id", sender));
                }
                self.write_end(root, "e");
            }
            Payload::Notice { sender, notice } => {
                root.key("u").map(|body| notice.write(sender, body));
                root.str("y", "r");
                self.write_sender(root);
                root.uint("t", self.tid.0.into());
            }
            Payload::Parts(parts) => {
                self.write_sender(root);
                root.str("y", "p");
                root.uint("t", self.tid.0.into());
                parts.write(root.key("p"));
            }
        });
    }

    fn write_end(&self, root: &mut MapWriter<'_>, kind: &str) {
        root.uint("t", self.tid.0.into());
        root.str("y", kind);
        self.write_sender(root);
    }

    fn write_sender(&self, root: &mut MapWriter<'_>) {
        if let Some(agent) = self.agent {
            root.str("v", agent);
        }
        if self.network != 0 {
            root.uint("n", self.network.into());
        }
        if self.client {
            root.key("s").bool(true);
        }
    }
}

impl Notice<'_> {
    fn write(&self, sender: &InfoHash, body: &mut MapWriter<'_>) {
        body.hash("id", sender);
        if let Some(token) = &self.token {
            body.bin("token", token);
        }
        write_ids(body, "re", &self.refreshed);
        write_ids(body, "exp", &self.expired);
    }
}

/// Reads `[code, text]`; of what a peer writes there only the code matters.
fn read_error(raw: Raw<'_>, sender: Option<InfoHash>) -> Result<Payload<'_>, DecodeError> {
    let mut error = raw.array()?;
    let code = error.next().ok_or(DecodeError::Missing("e"))?.uint()?;
    let text = error.next().and_then(|text| text.str().ok());
    Ok(Payload::Error {
        sender,
        code: ErrorCode(code),
        text: String::from_utf8_lossy(text.unwrap_or_default()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: InfoHash = InfoHash::new([7; 20]);

    /// Returns what a message with these root keys is taken for.
    fn kind_of(keys: &[&str], y: Option<&str>) -> &'static str {
        let mut out = Writer::default();
        out.map(|root| {
            for key in keys {
                if *key == "e" {
                    let error = root.key("e");
                    error.array(1);
                    error.uint(404);
                } else {
                    root.key(key).map(|body| body.hash("id", &ID));
                }
            }
            root.str("q", "ping");
            if let Some(y) = y {
                root.str("y", y);
            }
        });
        match Message::read(&out.into_bytes()).map(|message| message.payload) {
            Ok(Payload::Error { .. }) => "error",
            Ok(Payload::Reply { .. }) => "reply",
            Ok(Payload::Parts(_)) => "parts",
            Ok(Payload::Notice { .. }) => "notice",
            Ok(Payload::Request { .. }) => "request",
            Err(_) => "nothing",
        }
    }

    #[test]
    fn the_root_keys_decide_the_kind_of_a_message() {
        assert_eq!(kind_of(&["a", "u", "p", "r", "e"], Some("q")), "error");
        assert_eq!(kind_of(&["e"], None), "error");
        assert_eq!(kind_of(&["a", "u", "p", "r"], Some("q")), "reply");
        assert_eq!(kind_of(&["a", "u", "p"], Some("q")), "parts");
        assert_eq!(kind_of(&["a", "u"], Some("q")), "notice");
        assert_eq!(kind_of(&["a"], Some("q")), "request");
        assert_eq!(kind_of(&["a"], None), "request");
        assert_eq!(kind_of(&["a"], Some("r")), "nothing");
        assert_eq!(kind_of(&[], Some("q")), "nothing");
    }

    #[test]
    fn keys_for_extensions_are_ignored() {
        let mut out = Writer::default();
        out.map(|root| {
            root.key("a").map(|body| body.hash("id", &ID));
            root.str("q", "ping");
            root.key(Message::EXTENSION_KEY).map(|own| own.uint("v", 1));
        });
        assert!(Message::read(&out.into_bytes()).is_ok());
    }
}
