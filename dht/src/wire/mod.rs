//! Bytes ⇄ messages: [`decode`] and [`encode`] are the only door (`docs/spec/wire.md`,
//! `docs/spec/secure.md`).
//!
//! A datagram is one msgpack map. Decoded messages borrow from it; values, nodes and rows in them are read one by
//! one when asked for. What is encoded is canonical: a captured datagram that is decoded and encoded again is the
//! same, byte for byte.
//!
//! Nothing here judges: whether an address is sane, a token right, a signature valid or a reply asked for is for
//! others to say.

mod arguments;
mod buffer;
mod cursor;
mod error;
mod message;
mod msgpack;
mod nodes;
mod query;
mod reply;
mod request;
mod rows;
pub mod snapshot;
mod value;
mod values;
mod writer;

use bytes::Bytes;

pub use bulla_kad::transport::Datagrams;
pub use error::DecodeError;
pub use message::{ErrorCode, Message, Notice, Payload, SocketId, Tid};
pub use nodes::Nodes;
pub use reply::Reply;
pub use request::{Request, Want};
pub use rows::Rows;
pub use value::{
    open_envelope, pack, pack_body, pack_encrypted, pack_envelope, pack_signed, unpack,
};
pub use values::{Item, Part, Parts, Values};

use arguments::Arguments;
use buffer::BufferPool;
use writer::Writer;

/// Reads a datagram; bytes after the message are ignored.
///
/// It costs time and memory in proportion to the datagram's length at most.
///
/// # Errors
///
/// [`DecodeError`] for all that gets no answer (`docs/spec/wire.md#14`): no map, an unknown kind,
/// no sender, a known key of a wrong type.
pub fn decode(datagram: &[u8]) -> Result<Message<'_>, DecodeError> {
    Message::read(datagram)
}

/// Writes a message, and its values in parts if they are too much for one datagram.
///
/// ```
/// use bulla_dht::InfoHash;
/// use bulla_dht::wire::{self, Message, Payload, Request, Tid};
///
/// let sender = InfoHash::of(b"me");
/// let ping = Message {
///     tid: Tid(1),
///     network: 0,
///     client: false,
///     agent: None,
///     payload: Payload::Request { sender, request: Request::Ping },
/// };
/// let datagrams = wire::encode(&ping);
/// assert_eq!(wire::decode(&datagrams.head)?, ping);
/// # Ok::<(), wire::DecodeError>(())
/// ```
pub fn encode(message: &Message<'_>) -> Datagrams {
    let mut out = Writer::default();
    datagrams(message, |message| {
        Bytes::copy_from_slice(out.write(message))
    })
}

/// Writes messages one after another into memory that some of them share, so that it need not be asked for every time.
#[derive(Debug)]
pub struct Encoder {
    out: Writer,
    kept: BufferPool,
    passing: BufferPool,
}

impl Encoder {
    /// As [`encode`], for what is kept until it is answered.
    pub fn encode(&mut self, message: &Message<'_>) -> Datagrams {
        let Self { out, kept, .. } = self;
        datagrams(message, |message| kept.place(out.write(message)))
    }

    /// As [`encode`], for what is sent at once: its memory is used again when none of it is left. What is to be kept after
    /// all should be [`Datagrams::detach`].
    pub fn encode_transient(&mut self, message: &Message<'_>) -> Datagrams {
        let Self { out, passing, .. } = self;
        datagrams(message, |message| passing.place(out.write(message)))
    }
}

impl Default for Encoder {
    /// An encoder without memory yet.
    fn default() -> Self {
        Self {
            out: Writer::default(),
            // Forty requests, held by the last of them.
            kept: BufferPool::new(4 << 10),
            // Fifty answers.
            passing: BufferPool::new(32 << 10),
        }
    }
}

impl Writer {
    fn write(&mut self, message: &Message<'_>) -> &[u8] {
        self.clear();
        message.write(self);
        self.as_bytes()
    }
}

/// The message and the parts of its values, each as `pack` makes it.
fn datagrams(message: &Message<'_>, mut pack: impl FnMut(&Message<'_>) -> Bytes) -> Datagrams {
    let values = match &message.payload {
        Payload::Request { request, .. } => request.values(),
        Payload::Reply { reply, .. } => reply.values.unwrap_or_default(),
        Payload::Error { .. } | Payload::Notice { .. } | Payload::Parts(_) => Values::default(),
    };
    let head = pack(message);
    let parts = values.parts().map(|part| {
        pack(&Message {
            agent: None,
            payload: Payload::Parts(Parts::new(part)),
            ..*message
        })
    });
    Datagrams {
        head,
        parts: parts.collect(),
    }
}
