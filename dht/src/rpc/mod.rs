//! [`Rpc`]: the requests and replies of OpenDHT on a [`Transport`], and what that has to be told of
//! this dialect.

use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};

pub(crate) use bulla_kad::transport::reassembly;
pub use bulla_kad::transport::{Traffic, Transmit};

use bulla_kad::transport::{Datagrams, Dialect, MessageKind, Rejected, TransactionId, Transport};
use bytes::Bytes;
use reassembly::Completed;

use crate::wire::{self, Encoder, ErrorCode, Message, Part, Payload, Reply, Request, Tid};
use crate::{InfoHash, Rng, Timestamp, TransportConfig};

pub(crate) use bulla_kad::transport::{NoReply, Purpose};

/// What software we say we are; others look at the type of the field, not at its text.
const AGENT: &str = "bulla";

/// The requests of one node, and its gate for datagrams. `P` is what a request is for.
#[derive(Debug)]
pub(crate) struct Rpc<P>(Transport<OpenDht, P>);

/// The messages of OpenDHT (`docs/spec/wire.md`), as one node writes them.
#[derive(Debug)]
pub(crate) struct OpenDht {
    id: InfoHash,
    network: u32,
    client: bool,
    encoder: Encoder,
}

/// Where the reply to a request goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct ReplyTo {
    /// Where the request came from.
    pub(crate) addr: SocketAddr,
    /// Its transaction id.
    pub(crate) tid: Tid,
}

impl<P: Purpose> Rpc<P> {
    pub(crate) fn new(id: InfoHash, network: u32, client: bool, config: &TransportConfig) -> Self {
        let dialect = OpenDht {
            id,
            network,
            client,
            encoder: Encoder::default(),
        };
        Self(Transport::new(dialect, config))
    }

    /// Sends a request; returns its transaction id, `None` if too many are in flight.
    pub(crate) fn request(
        &mut self,
        now: Timestamp,
        rng: &mut Rng,
        to: SocketAddr,
        request: Request<'_>,
        purpose: P,
    ) -> Option<Tid> {
        let tid = self.0.fresh_id(rng)?;
        let datagrams = self.0.dialect_mut().encode_request(tid, request);
        self.0.request(now, tid, to, datagrams, purpose);
        Some(tid)
    }

    /// Sends a reply, and reports whether it does: one of more than a small datagram is sent to
    /// validated addresses only.
    pub(crate) fn reply(&mut self, now: Timestamp, to: ReplyTo, reply: Reply<'_>) -> bool {
        let reply = Reply {
            observed: Some(to.addr.ip()),
            ..reply
        };
        let sender = self.0.dialect().id;
        let payload = Payload::Reply { sender, reply };
        let datagrams = self.0.dialect_mut().encode_transient(to.tid, payload);
        self.0.reply(now, to.addr, datagrams)
    }

    /// Refuses a request.
    pub(crate) fn error(&mut self, to: ReplyTo, code: ErrorCode, text: &'static str) {
        let payload = Payload::Error {
            sender: Some(self.0.dialect().id),
            code,
            text: text.into(),
        };
        self.notify(to.addr, to.tid, payload);
    }

    /// Sends a message that is neither answered nor repeated.
    pub(crate) fn notify(&mut self, to: SocketAddr, tid: Tid, payload: Payload<'_>) {
        let datagrams = self.0.dialect_mut().encode_transient(tid, payload);
        self.0.send(to, datagrams);
    }

    /// Takes a part; returns the message that it completes.
    pub(crate) fn part(
        &mut self,
        now: Timestamp,
        from: SocketAddr,
        tid: Tid,
        part: &Part<'_>,
    ) -> Option<Completed<Bytes>> {
        let part = reassembly::Part {
            index: part.index as usize,
            offset: part.offset as usize,
            data: &part.data,
        };
        self.0.part(now, from, tid, &part)
    }
}

impl<P> Deref for Rpc<P> {
    type Target = Transport<OpenDht, P>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<P> DerefMut for Rpc<P> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl Dialect for OpenDht {
    type NodeId = InfoHash;
    type TransactionId = Tid;
    type Message<'a> = Message<'a>;

    fn node_id(&self) -> InfoHash {
        self.id
    }

    fn decode<'a>(&self, datagram: &'a [u8]) -> Result<Message<'a>, Rejected> {
        let message = wire::decode(datagram).map_err(|_| Rejected::Malformed)?;
        if message.network == self.network {
            Ok(message)
        } else {
            Err(Rejected::OtherNetwork)
        }
    }

    fn transaction(message: &Message<'_>) -> Tid {
        message.tid
    }

    fn sender(message: &Message<'_>) -> Option<InfoHash> {
        match &message.payload {
            Payload::Request { sender, .. }
            | Payload::Reply { sender, .. }
            | Payload::Notice { sender, .. } => Some(*sender),
            Payload::Error { sender, .. } => *sender,
            Payload::Parts(_) => None,
        }
    }

    fn kind(message: &Message<'_>) -> MessageKind {
        match &message.payload {
            Payload::Request { .. } => MessageKind::Request,
            Payload::Reply { .. } => MessageKind::Reply,
            Payload::Error { .. } => MessageKind::Error,
            Payload::Parts(_) => MessageKind::Part,
            // Sent to listeners of version 0; we listen with version 1 only.
            Payload::Notice { .. } => MessageKind::Notice,
        }
    }

    fn ping(&mut self, tid: Tid) -> Datagrams {
        self.encode_request(tid, Request::Ping)
    }
}

impl TransactionId for Tid {
    fn random(rng: &mut Rng) -> Self {
        Self(rng.number() as u32)
    }
}

impl OpenDht {
    /// Writes a request, which is kept until it is answered.
    fn encode_request(&mut self, tid: Tid, request: Request<'_>) -> Datagrams {
        let sender = self.id;
        let message = self.message(tid, Payload::Request { sender, request });
        self.encoder.encode(&message)
    }

    /// Writes what is sent at once.
    fn encode_transient(&mut self, tid: Tid, payload: Payload<'_>) -> Datagrams {
        let message = self.message(tid, payload);
        self.encoder.encode_transient(&message)
    }

    fn message<'a>(&self, tid: Tid, payload: Payload<'a>) -> Message<'a> {
        Message {
            tid,
            network: self.network,
            client: self.client,
            agent: Some(AGENT),
            payload,
        }
    }
}
