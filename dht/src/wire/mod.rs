//! Bytes ⇄ messages: [`decode`] and [`encode`] are the only door (`docs/spec/wire.md`,
//! `docs/spec/secure.md`).
//!
//! A datagram is one msgpack map. Decoded messages borrow from it; values, nodes and rows in them
//! are read one by one when asked for. What is encoded is canonical: a captured datagram that is
//! decoded and encoded again is the same, byte for byte.
//!
//! Only the form is checked here, not whether an address is sane, a token right, a signature valid
//! or a reply asked for.

mod arguments;
mod buffer;
mod message;
mod nodes;
mod pack;
mod paging;
mod query;
mod reply;
mod request;
mod rows;
pub mod snapshot;
mod values;

use bytes::Bytes;

pub use crate::msgpack::DecodeError;
pub use bulla_kad::transport::Datagrams;
pub use message::{ErrorCode, Message, Notice, Payload, SocketId, Tid};
pub use nodes::Nodes;
pub use pack::{
    open_envelope, pack, pack_body, pack_encrypted, pack_envelope, pack_signed, unpack,
};
pub use paging::{Digest, Page, Rest};
pub use reply::Reply;
pub use request::{
    FindRequest, GetRequest, ListenRequest, PutRequest, RefreshRequest, Request, UpdateRequest,
    Want,
};
pub use rows::Rows;
pub use values::{Item, Part, Parts, Values};

use crate::msgpack::Writer;
use arguments::Arguments;
use buffer::BufferPool;

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
        Bytes::copy_from_slice(write(message, &mut out))
    })
}

/// Writes messages one after another into memory that some of them share, which saves an
/// allocation for each.
#[derive(Debug)]
pub(crate) struct Encoder {
    out: Writer,
    kept: BufferPool,
    transient: BufferPool,
}

impl Encoder {
    /// Writes a message as [`encode`] does, for a request that is kept until it is answered.
    pub(crate) fn encode(&mut self, message: &Message<'_>) -> Datagrams {
        let Self { out, kept, .. } = self;
        datagrams(message, |message| kept.place(write(message, out)))
    }

    /// Writes a message as [`encode`] does, for what is sent at once: its memory is used again when
    /// none of it is left. If it is to be kept after all, call [`Datagrams::detach`].
    pub(crate) fn encode_transient(&mut self, message: &Message<'_>) -> Datagrams {
        let Self { out, transient, .. } = self;
        datagrams(message, |message| transient.place(write(message, out)))
    }
}

impl Default for Encoder {
    /// Makes an encoder without memory yet.
    fn default() -> Self {
        Self {
            out: Writer::default(),
            // Forty requests, which live as long as the last of them.
            kept: BufferPool::new(4 << 10),
            // Fifty replies.
            transient: BufferPool::new(32 << 10),
        }
    }
}

/// Returns the one datagram of the message itself.
fn write<'w>(message: &Message<'_>, out: &'w mut Writer) -> &'w [u8] {
    out.clear();
    message.write(out);
    out.as_bytes()
}

/// Returns the message and the parts of its values, each as `pack` makes it.
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
