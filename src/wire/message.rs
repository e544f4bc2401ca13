//! [`Message`]: what one node tells another (spec `wire.md`, section 3).

use std::borrow::Cow;

use super::msgpack::Raw;
use super::writer::{MapWriter, Writer};
use super::{Arguments, DecodeError, Parts, Reply, Request};
use crate::InfoHash;
use crate::value::ValueId;

/// A message with its envelope. Decoded messages borrow from their datagram.
#[derive(Clone, PartialEq, Debug)]
pub struct Message<'a> {
    /// Joins request and answer.
    pub tid: Tid,
    /// The network it belongs to; the public one is 0.
    pub network: u32,
    /// The sender asks not to be used as a node.
    pub client: bool,
    /// What software the sender says it is; `None` if it says nothing, or not in UTF-8.
    pub agent: Option<&'a str>,
    /// What it says.
    pub payload: Payload<'a>,
}

/// What a message says.
#[derive(Clone, PartialEq, Debug)]
pub enum Payload<'a> {
    /// Asks for something.
    Request {
        /// The sender's node id, never zero.
        sender: InfoHash,
        /// What it asks.
        request: Request<'a>,
    },
    /// Answers a request, or tells a listener of version 0 about values.
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
    /// Tells a listener of version 0 about ids; the transaction id is the listener's [`SocketId`].
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

/// The number under which a listener wants to be notified, chosen by it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct SocketId(pub u32);

/// Why a request was refused (spec `wire.md`, section 10).
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
    /// An extra key in the root map, kept free for extensions of ours: others ignore keys they do not know
    /// (spec `wire.md`, section 14). Not sent and not read yet.
    pub const EXTENSION_KEY: &'static str = "bulla";

    pub(super) fn read(datagram: &'a [u8]) -> Result<Self, DecodeError> {
        let root = Raw::parse(datagram)?.map()?;
        let [a, r, u, e, p, q, t, y, v, n, s] =
            root.last(["a", "r", "u", "e", "p", "q", "t", "y", "v", "n", "s"]);
        let kind = y.map(Raw::str).transpose()?;
        let name = q.map(Raw::str).transpose()?;
        let arguments = || Arguments::read(a.or(r).or(u).ok_or(DecodeError::UnknownKind)?);

        let payload = if let Some(error) = e {
            read_error(error, arguments()?.id)?
        } else if r.is_some() {
            let arguments = arguments()?;
            Payload::Reply {
                sender: arguments.sender()?,
                reply: Reply::read(arguments)?,
            }
        } else if let Some(parts) = p {
            Payload::Parts(Parts::read(parts)?)
        } else if u.is_some() {
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
            Payload::Request {
                sender: arguments.sender()?,
                request: Request::read(name.unwrap_or_default(), arguments)?,
            }
        } else {
            return Err(DecodeError::UnknownKind);
        };
        Ok(Self {
            tid: Tid(t.map_or(Ok(0), Raw::number32)?),
            network: n.map_or(Ok(0), Raw::uint)?,
            client: s.map_or(Ok(false), Raw::bool)?,
            agent: v
                .map(Raw::str)
                .transpose()?
                .and_then(|text| str::from_utf8(text).ok()),
            payload,
        })
    }

    /// Writes the one datagram of the message itself; each kind has its own order of keys (spec section 3).
    pub(super) fn write(&self, out: &mut Writer) {
        out.map(|root| match &self.payload {
            Payload::Request { sender, request } => {
                request.write(sender, root.key("a"));
                if request.is_notice_of_ids() {
                    root.str("y", "q");
                    self.write_sender(root);
                    root.str("q", request.name());
                    root.uint("t", self.tid.0.into());
                } else {
                    root.str("q", request.name());
                    self.write_end(root, "q");
                }
            }
            Payload::Reply { sender, reply } => {
                reply.write(sender, root.key("r"));
                self.write_end(root, "r");
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
                self.write_flags(root);
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
        self.write_flags(root);
    }

    fn write_flags(&self, root: &mut MapWriter<'_>) {
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
        body.ids("re", &self.refreshed);
        body.ids("exp", &self.expired);
    }
}

/// Reads `[code, text]`; of what a peer writes there only the code matters.
fn read_error<'a>(raw: Raw<'a>, sender: Option<InfoHash>) -> Result<Payload<'a>, DecodeError> {
    let mut error = raw.array()?;
    let code = error.next().ok_or(DecodeError::Missing("e"))?.uint()?;
    let text = error.next().and_then(|text| text.str().ok());
    Ok(Payload::Error {
        sender,
        code: ErrorCode(code),
        text: String::from_utf8_lossy(text.unwrap_or_default()),
    })
}
