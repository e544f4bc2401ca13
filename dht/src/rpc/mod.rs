//! `Rpc`: requests out, answers matched to them, strangers' datagrams let in or not.
//!
//! It knows messages, not what they are for: `P` is the caller's own note on each request.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::config::Config;
use crate::wire::{
    self, Datagrams, Encoder, ErrorCode, Message, Part, Payload, Reply, Request, Tid,
};
use crate::{InfoHash, Rng, Timestamp, is_martian};
pub(crate) use bulla_kad::transport::Purpose;
pub(crate) use bulla_kad::transport::reassembly;
use bulla_kad::transport::{Answered, DeferredReplies, Due, InFlight, Limiter, Peers};
use reassembly::{Completed, Reassembly, Slot};

/// How long to wait for the next part of an answer before the request is sent again.
const PARTS_TIMEOUT: Duration = Duration::from_secs(1);
/// Datagrams that the queue keeps memory for when it is empty.
const KEPT_PLACES: usize = 16;
/// What software we say we are; others look at the type of the field, not at its text.
const AGENT: &str = "bulla";

/// A datagram to send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transmit {
    /// Where to.
    pub to: SocketAddr,
    /// The payload, at most 1,313 bytes unless a field table or an id list is larger.
    pub bytes: Bytes,
}

/// Datagrams counted since the start.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Traffic {
    /// Datagrams received.
    pub received: u64,
    /// Datagrams sent.
    pub sent: u64,
    /// Dropped: from an address that cannot be one, or that broke the protocol.
    pub dropped_source: u64,
    /// Dropped: not a message, or one with a field of a wrong type.
    pub dropped_malformed: u64,
    /// Dropped: of another network.
    pub dropped_network: u64,
    /// Dropped: more requests than the limits allow.
    pub dropped_rate: u64,
    /// Dropped: an answer or a part that nobody asked for.
    pub dropped_unexpected: u64,
}

/// The requests of one node, and its gate for datagrams.
#[derive(Debug)]
pub(crate) struct Rpc<P> {
    id: InfoHash,
    network: u32,
    client: bool,
    unvalidated_reply_bytes: usize,
    in_flight: InFlight<Kind<P>>,
    peers: Peers,
    limiter: Limiter,
    parts: Reassembly<Bytes>,
    deferred: DeferredReplies,
    encoder: Encoder,
    outbox: VecDeque<Transmit>,
    traffic: Traffic,
}

/// What a request is for.
#[derive(Clone, Debug)]
enum Kind<P> {
    /// To have its address prove itself.
    Validation,
    /// What the caller noted.
    Caller(P),
}

/// Something happened to a request of the caller.
#[derive(Debug)]
pub(crate) enum NoReply<P> {
    /// An answer is overdue for the `count`th time.
    TimedOut { purpose: P, count: u32 },
    /// No answer came to what was first asked then.
    Failed {
        to: SocketAddr,
        asked_at: Timestamp,
        purpose: P,
    },
}

impl<P: Purpose> Purpose for Kind<P> {
    fn is_for_lookup(&self) -> bool {
        match self {
            Self::Validation => false,
            Self::Caller(purpose) => purpose.is_for_lookup(),
        }
    }
}

impl<P: Purpose> Rpc<P> {
    pub(crate) fn new(id: InfoHash, config: &Config) -> Self {
        let transport = &config.transport;
        Self {
            id,
            network: config.network,
            client: config.client,
            unvalidated_reply_bytes: transport.unvalidated_reply_bytes,
            in_flight: InFlight::new(
                transport.attempts,
                transport.response_time,
                transport.max_requests,
            ),
            peers: Peers::new(transport),
            limiter: Limiter::new(transport),
            parts: Reassembly::new(transport),
            deferred: DeferredReplies::new(
                transport.max_deferred_replies,
                transport.max_deferred_bytes,
            ),
            encoder: Encoder::default(),
            outbox: VecDeque::new(),
            traffic: Traffic::default(),
        }
    }

    /// Sends a request; `false` if too many are under way.
    pub(crate) fn request(
        &mut self,
        now: Timestamp,
        rng: &mut Rng,
        to: SocketAddr,
        request: Request<'_>,
        purpose: P,
    ) -> bool {
        self.send_request(now, rng, to, request, Kind::Caller(purpose))
    }

    /// Answers a request. An answer of more than one small datagram waits until the address has proved itself.
    pub(crate) fn reply(
        &mut self,
        now: Timestamp,
        rng: &mut Rng,
        to: SocketAddr,
        tid: Tid,
        reply: Reply<'_>,
    ) {
        let reply = Reply {
            observed: Some(to.ip()),
            ..reply
        };
        let payload = Payload::Reply {
            sender: self.id,
            reply,
        };
        let message = self.message(tid, payload);
        let datagrams = self.encoder.encode_transient(&message);
        let small =
            datagrams.parts.is_empty() && datagrams.head.len() <= self.unvalidated_reply_bytes;
        if small || self.peers.is_validated(now, &to) {
            self.transmit(to, datagrams);
        } else if self
            .deferred
            .defer(now, to, datagrams.detach().into_iter().collect())
            && self.peers.may_probe(now, to)
        {
            self.send_request(now, rng, to, Request::Ping, Kind::Validation);
        }
    }

    /// Whether `to` may be pinged because of something that came from there, or seemed to. Notes that it will be.
    pub(crate) fn may_probe(&mut self, now: Timestamp, to: SocketAddr) -> bool {
        self.peers.may_probe(now, to)
    }

    /// Answers with an error.
    pub(crate) fn error(&mut self, to: SocketAddr, tid: Tid, code: ErrorCode, text: &'static str) {
        let payload = Payload::Error {
            sender: Some(self.id),
            code,
            text: text.into(),
        };
        let message = self.message(tid, payload);
        let datagrams = self.encoder.encode_transient(&message);
        self.transmit(to, datagrams);
    }

    /// Sends a message that is neither answered nor repeated.
    pub(crate) fn notify(&mut self, to: SocketAddr, tid: Tid, payload: Payload<'_>) {
        let message = self.message(tid, payload);
        let datagrams = self.encoder.encode_transient(&message);
        self.transmit(to, datagrams);
    }

    /// Reads a datagram and lets it in, unless its source, its network or its sender's rate speaks against it.
    pub(crate) fn admit<'a>(
        &mut self,
        now: Timestamp,
        from: SocketAddr,
        datagram: &'a [u8],
    ) -> Option<Message<'a>> {
        self.traffic.received += 1;
        if is_martian(&from) || self.peers.is_blocked(&from) {
            self.traffic.dropped_source += 1;
            return None;
        }
        let Ok(message) = wire::decode(datagram) else {
            self.traffic.dropped_malformed += 1;
            return None;
        };
        if message.network != self.network {
            self.traffic.dropped_network += 1;
            return None;
        }
        match &message.payload {
            Payload::Request { sender, .. } => {
                if sender.is_zero() || *sender == self.id {
                    self.traffic.dropped_malformed += 1;
                    return None;
                }
                if !self.limiter.allow(now, from.ip()) {
                    self.traffic.dropped_rate += 1;
                    return None;
                }
            }
            Payload::Reply { sender, .. } => {
                if sender.is_zero() || *sender == self.id {
                    self.traffic.dropped_malformed += 1;
                    return None;
                }
                if self.in_flight.pending(from, message.tid.0).is_none() {
                    self.traffic.dropped_unexpected += 1;
                    return None;
                }
            }
            Payload::Error { .. } => {
                if self.in_flight.pending(from, message.tid.0).is_none() {
                    self.traffic.dropped_unexpected += 1;
                    return None;
                }
            }
            Payload::Parts(_) => {
                if !self.parts.is_announced(&key(from, message.tid)) {
                    // Parts that overtook their message are kept for those who have proved to be there.
                    if !self.peers.is_validated(now, &from) {
                        self.traffic.dropped_unexpected += 1;
                        return None;
                    }
                    if !self.limiter.allow(now, from.ip()) {
                        self.traffic.dropped_rate += 1;
                        return None;
                    }
                }
            }
            // We listen with version 1 only, so nobody has cause to send one.
            Payload::Notice { .. } => {
                self.traffic.dropped_unexpected += 1;
                return None;
            }
        }
        Some(message)
    }

    /// Closes the request that this answer belongs to. `None` if it is nobody's, or only proves an address.
    pub(crate) fn close(&mut self, now: Timestamp, from: SocketAddr, tid: Tid) -> Option<P> {
        let Answered {
            purpose,
            round_trip,
        } = self.in_flight.close(now, from, tid.0)?;
        self.peers.on_reply(now, from, round_trip);
        for bytes in self.deferred.release(&from) {
            self.send(from, bytes);
        }
        match purpose {
            Kind::Validation => None,
            Kind::Caller(purpose) => Some(purpose),
        }
    }

    /// Waits for the announced values of a message, whose bytes are kept in `head`.
    pub(crate) fn assemble(
        &mut self,
        now: Timestamp,
        from: SocketAddr,
        tid: Tid,
        slots: impl IntoIterator<Item = Slot>,
        head: Bytes,
    ) -> Option<Completed<Bytes>> {
        if !self.parts.is_announced(&key(from, tid)) {
            self.in_flight.extend(from, tid.0, now + PARTS_TIMEOUT);
        }
        self.parts.announce(now, key(from, tid), slots, head)
    }

    /// Takes a part; gives the message it completes.
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
        if self.parts.is_progress(&key(from, tid), &part) {
            self.in_flight.extend(from, tid.0, now + PARTS_TIMEOUT);
        }
        self.parts.part(now, key(from, tid), &part)
    }

    /// Takes what has become due; call until `None`.
    pub(crate) fn poll_no_reply(&mut self, now: Timestamp) -> Option<NoReply<P>> {
        self.parts.expire(now);
        self.deferred.expire(now);
        loop {
            match self.in_flight.due(now)? {
                Due::TimedOut {
                    to,
                    datagrams,
                    count,
                    purpose,
                } => {
                    self.peers.on_timeout(to);
                    for bytes in datagrams {
                        self.send(to, bytes);
                    }
                    if let Kind::Caller(purpose) = purpose {
                        return Some(NoReply::TimedOut { purpose, count });
                    }
                }
                Due::Failed {
                    to,
                    asked_at,
                    purpose: Kind::Caller(purpose),
                } => {
                    return Some(NoReply::Failed {
                        to,
                        asked_at,
                        purpose,
                    });
                }
                Due::Failed {
                    purpose: Kind::Validation,
                    ..
                } => {}
            }
        }
    }

    /// When something will be due.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        [
            self.in_flight.next_deadline(),
            self.parts.next_deadline(),
            self.deferred.next_deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Takes the next datagram to send.
    pub(crate) fn poll_transmit(&mut self) -> Option<Transmit> {
        let transmit = self.outbox.pop_front();
        if transmit.is_none() && self.outbox.capacity() > KEPT_PLACES {
            self.outbox = VecDeque::new();
        }
        transmit
    }

    pub(crate) fn peers_mut(&mut self) -> &mut Peers {
        &mut self.peers
    }

    pub(crate) fn peers(&self) -> &Peers {
        &self.peers
    }

    pub(crate) fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Requests waiting for an answer.
    pub(crate) fn pending_count(&self) -> usize {
        self.in_flight.len()
    }

    /// Those of them that are wanted and not overdue.
    pub(crate) fn awaited_count(&self) -> usize {
        self.in_flight.awaited()
    }

    fn send_request(
        &mut self,
        now: Timestamp,
        rng: &mut Rng,
        to: SocketAddr,
        request: Request<'_>,
        purpose: Kind<P>,
    ) -> bool {
        let Some(id) = self.in_flight.fresh_id(rng) else {
            return false;
        };
        let payload = Payload::Request {
            sender: self.id,
            request,
        };
        let message = self.message(Tid(id), payload);
        let datagrams = self.encoder.encode(&message);
        self.transmit(to, datagrams.clone());
        let wait = self.peers.timeout(&to);
        self.in_flight.open(now, id, to, datagrams, wait, purpose);
        true
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

    fn transmit(&mut self, to: SocketAddr, datagrams: Datagrams) {
        for bytes in datagrams {
            self.send(to, bytes);
        }
    }

    fn send(&mut self, to: SocketAddr, bytes: Bytes) {
        self.traffic.sent += 1;
        self.outbox.push_back(Transmit { to, bytes });
    }
}

fn key(from: SocketAddr, tid: Tid) -> reassembly::Key {
    reassembly::Key {
        from,
        transaction: tid.0,
    }
}
