//! [`Transport`]: requests out, replies matched to them, other nodes' datagrams let in or not.
//!
//! A request is bytes, a transaction id and an address. What the bytes say is known to a
//! [`Dialect`], and what a request is for to the caller, which notes it on each.
//!
//! ```text
//!   datagram ─▶ address ─▶ decode ─▶ rate, or a request in flight ─▶ the caller
//!   request ─▶ in flight ──reply──▶ validates the address, and goes to the caller
//!                  │ time-out                └─▶ takes up the requests deferred for it
//!                  └─▶ sent again, a few times; then failed
//! ```

mod config;
mod congestion;
mod datagrams;
mod deferred;
mod dialect;
mod in_flight;
mod limiter;
mod peers;
pub mod reassembly;
#[cfg(test)]
mod tests;
mod traffic;
mod uplink;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::{Rng, Source, Timestamp, is_martian};
use deferred::DeferredRequests;
use in_flight::{Answered, Due, InFlight};
use limiter::Limiter;
use reassembly::{Completed, Key, Part, Reassembly, Slot};

pub use config::TransportConfig;
pub use datagrams::{Datagrams, Transmit};
pub use dialect::{Dialect, MessageKind, Rejected, TransactionId};
pub use in_flight::Purpose;
pub use peers::Peers;
pub use traffic::Traffic;

/// How long to wait for the next part of a reply before the request is sent again.
const PARTS_TIMEOUT: Duration = Duration::from_secs(1);
/// The most bytes of values in a reply whose request is sent again when parts are missing.
const MAX_REPEATED: u64 = 128 << 10;
/// Datagrams that the outbox keeps memory for when it is empty.
const KEPT_PLACES: usize = 16;

/// The requests of one node in flight, and its gate for datagrams. `P` is what a request is for.
#[derive(Debug)]
pub struct Transport<D: Dialect, P> {
    dialect: D,
    unvalidated_reply_bytes: usize,
    in_flight: InFlight<D::TransactionId, Reason<P>>,
    peers: Peers,
    limiter: Limiter,
    /// Messages with values that come in parts, each with its first datagram.
    parts: Reassembly<D::TransactionId, Bytes>,
    /// Those of them that are replies, which have room of their own.
    replies: Reassembly<D::TransactionId, Bytes>,
    deferred: DeferredRequests,
    outbox: VecDeque<Transmit>,
    /// Bytes of the datagrams in it.
    queued_bytes: usize,
    traffic: Traffic,
}

/// What a request is for.
#[derive(Clone, Debug)]
enum Reason<P> {
    /// To validate its address.
    Validation,
    /// What the caller noted.
    Caller(P),
}

/// A request of the caller got no reply.
#[derive(Debug)]
pub enum NoReply<P> {
    /// In time.
    TimedOut {
        /// What the request is for.
        purpose: P,
        /// How many time-outs there were by now.
        count: u32,
        /// Whether it was sent for the last time before: there is hardly any hope.
        is_last: bool,
    },
    /// Yet: a request of several datagrams may still stand in the queue of a slow uplink. A small
    /// request sent now shows when that has been worked off: the answer to it tells that the large
    /// one is lost in part, and not late.
    Held {
        /// What the request is for.
        purpose: P,
    },
    /// At all, and it is no longer in flight.
    Failed {
        /// Where the request went.
        to: SocketAddr,
        /// When it was first sent.
        asked_at: Timestamp,
        /// What it was for.
        purpose: P,
    },
    /// In whole: a reply was announced, and not all parts of its values have come. The request is
    /// still in flight, to be closed as by a reply.
    Incomplete {
        /// Where the reply came from.
        from: SocketAddr,
        /// The message, and the values that are whole.
        partial: Completed<Bytes>,
    },
}

impl<P: Purpose> Purpose for Reason<P> {
    fn is_for_lookup(&self) -> bool {
        match self {
            Self::Validation => false,
            Self::Caller(purpose) => purpose.is_for_lookup(),
        }
    }
}

impl<D: Dialect, P: Purpose> Transport<D, P> {
    /// Begins without any request.
    pub fn new(dialect: D, config: &TransportConfig) -> Self {
        Self {
            dialect,
            unvalidated_reply_bytes: config.unvalidated_reply_bytes,
            in_flight: InFlight::new(config),
            peers: Peers::new(config),
            limiter: Limiter::new(config),
            parts: Reassembly::new(config),
            replies: Reassembly::for_replies(config),
            deferred: DeferredRequests::new(config),
            outbox: VecDeque::new(),
            queued_bytes: 0,
            traffic: Traffic::default(),
        }
    }

    /// Returns the dialect.
    pub fn dialect(&self) -> &D {
        &self.dialect
    }

    /// Returns the dialect, to write messages.
    pub fn dialect_mut(&mut self) -> &mut D {
        &mut self.dialect
    }

    /// Draws the transaction id of a new request; `None` if too many are in flight.
    pub fn fresh_id(&self, rng: &mut Rng) -> Option<D::TransactionId> {
        self.in_flight.fresh_id(rng)
    }

    /// Sends a request under an id from [`Transport::fresh_id`], and again if no reply comes.
    pub fn request(
        &mut self,
        now: Timestamp,
        id: D::TransactionId,
        to: SocketAddr,
        datagrams: Datagrams,
        purpose: P,
    ) {
        self.send_request(now, id, to, datagrams, Reason::Caller(purpose));
    }

    /// Sends a reply, and reports whether it does: one of more than a small datagram is sent to
    /// validated addresses only.
    pub fn reply(&mut self, now: Timestamp, to: SocketAddr, datagrams: Datagrams) -> bool {
        let is_small =
            datagrams.parts.is_empty() && datagrams.head.len() <= self.unvalidated_reply_bytes;
        let is_sent = is_small || self.peers.is_validated(now, &to);
        if is_sent {
            self.send(to, datagrams);
        }
        is_sent
    }

    /// Keeps a request whose reply was not sent, and validates its address with a ping.
    pub fn defer(&mut self, now: Timestamp, rng: &mut Rng, to: SocketAddr, request: &[u8]) {
        if self.deferred.defer(now, to, request)
            && self.in_flight.has_room_for_others()
            && self.peers.may_probe(now, to)
            && let Some(id) = self.in_flight.fresh_id(rng)
        {
            let ping = self.dialect.ping(id);
            self.send_request(now, id, to, ping, Reason::Validation);
        }
    }

    /// Takes the requests that were deferred for an address which has just been validated.
    #[must_use]
    pub fn take_deferred(&mut self, from: &SocketAddr) -> Vec<Bytes> {
        self.deferred.release(from)
    }

    /// Sends a message that is neither answered nor repeated.
    pub fn send(&mut self, to: SocketAddr, datagrams: Datagrams) {
        for bytes in datagrams {
            self.transmit(to, bytes);
        }
    }

    /// Reports whether `to` may be pinged because of something that came from there, or seemed to.
    /// Notes that it will be.
    pub fn may_probe(&mut self, now: Timestamp, to: SocketAddr) -> bool {
        self.peers.may_probe(now, to)
    }

    /// Reads a datagram and lets it in, unless its source, its network or its sender's rate speaks
    /// against it.
    pub fn admit<'a>(
        &mut self,
        now: Timestamp,
        from: SocketAddr,
        datagram: &'a [u8],
    ) -> Option<D::Message<'a>> {
        self.traffic.received += 1;
        if is_martian(&from) || self.peers.is_blocked(now, &from) {
            self.traffic.dropped_source += 1;
            return None;
        }
        let message = match self.dialect.decode(datagram) {
            Ok(message) => message,
            Err(Rejected::Malformed) => {
                self.traffic.dropped_malformed += 1;
                return None;
            }
            Err(Rejected::OtherNetwork) => {
                self.traffic.dropped_network += 1;
                return None;
            }
        };
        let id = D::transaction(&message);
        match D::kind(&message) {
            MessageKind::Request => {
                if !self.has_other_sender(&message) || !self.is_within_rate(now, from) {
                    return None;
                }
            }
            MessageKind::Reply => {
                if !self.has_other_sender(&message) || !self.is_expected(from, id) {
                    return None;
                }
            }
            MessageKind::Error => {
                if !self.is_expected(from, id) {
                    return None;
                }
            }
            MessageKind::Part => {
                if !self.may_keep_part(now, from, id) {
                    return None;
                }
            }
            // Nothing that we send asks for one.
            MessageKind::Notice => {
                self.traffic.dropped_unexpected += 1;
                return None;
            }
        }
        Some(message)
    }

    /// Closes the request that a reply belongs to. `None` if there is no such request, or it was
    /// only to validate the address.
    pub fn close(&mut self, now: Timestamp, from: SocketAddr, id: D::TransactionId) -> Option<P> {
        let typical = self.peers.round_trip(&from);
        let typical = typical.unwrap_or_else(|| self.peers.typical_round_trip());
        let Answered {
            purpose,
            round_trip,
        } = self.in_flight.close(now, from, id, typical)?;
        self.peers.on_reply(now, from, round_trip);
        match purpose {
            Reason::Validation => None,
            Reason::Caller(purpose) => Some(purpose),
        }
    }

    /// Forgets a request: no reply to it is awaited.
    pub fn cancel(&mut self, to: SocketAddr, id: D::TransactionId) {
        self.in_flight.cancel(to, id);
    }

    /// Reports whether there is room for requests that other nodes give rise to. Some is left to
    /// those that this node makes of its own accord.
    pub fn has_room_for_others(&self) -> bool {
        self.in_flight.has_room_for_others()
    }

    /// Waits for the announced values of a message, whose bytes are kept in `head`.
    pub fn assemble(
        &mut self,
        now: Timestamp,
        from: SocketAddr,
        id: D::TransactionId,
        slots: impl IntoIterator<Item = Slot>,
        head: Bytes,
    ) -> Option<Completed<Bytes>> {
        let key = Key::new(from, id);
        let parts = self.sessions(&key);
        let is_new = !parts.is_announced(&key);
        let completed = parts.announce(now, key, slots, head);
        if is_new {
            self.in_flight.extend(from, id, now + PARTS_TIMEOUT);
        }
        completed
    }

    /// Takes a part; returns the message that it completes.
    pub fn part(
        &mut self,
        now: Timestamp,
        from: SocketAddr,
        id: D::TransactionId,
        part: &Part<'_>,
    ) -> Option<Completed<Bytes>> {
        let key = Key::new(from, id);
        let parts = self.sessions(&key);
        let is_progress = parts.is_progress(&key, part);
        let completed = parts.part(now, key, part);
        if is_progress {
            self.in_flight.extend(from, id, now + PARTS_TIMEOUT);
        }
        completed
    }

    /// Returns the sessions that a message belongs to.
    fn sessions(
        &mut self,
        key: &Key<D::TransactionId>,
    ) -> &mut Reassembly<D::TransactionId, Bytes> {
        let is_reply = self.in_flight.pending(key.from, key.transaction).is_some();
        if is_reply || self.replies.is_announced(key) {
            &mut self.replies
        } else {
            &mut self.parts
        }
    }

    /// Lets in one more of what a request brings, such as a value; it counts as a request does.
    pub fn admit_another(&mut self, now: Timestamp, from: SocketAddr) -> bool {
        self.is_within_rate(now, from)
    }

    /// Counts a request that was let in for so many more, as it took as much.
    pub fn charge(&mut self, now: Timestamp, from: SocketAddr, count: usize) {
        self.limiter.charge(now, from.ip(), count);
    }

    /// Lets the requests to an address fail: the system cannot send there.
    pub fn on_unreachable(&mut self, now: Timestamp, to: SocketAddr) {
        self.in_flight.fail(now, to);
    }

    /// Takes what has become due; to be called until it returns `None`.
    pub fn poll_no_reply(&mut self, now: Timestamp) -> Option<NoReply<P>> {
        if let Some(incomplete) = self.take_incomplete(now) {
            return Some(incomplete);
        }
        self.deferred.expire(now);
        loop {
            if let Some(incomplete) = self.take_incomplete_due(now) {
                return Some(incomplete);
            }
            match self.in_flight.due(now)? {
                Due::TimedOut {
                    to,
                    datagrams,
                    count,
                    is_last,
                    purpose,
                } => {
                    self.peers.on_timeout(to);
                    for bytes in datagrams {
                        self.transmit(to, bytes);
                    }
                    if let Reason::Caller(purpose) = purpose {
                        return Some(NoReply::TimedOut {
                            purpose,
                            count,
                            is_last,
                        });
                    }
                }
                Due::Held {
                    purpose: Reason::Caller(purpose),
                } => return Some(NoReply::Held { purpose }),
                Due::Failed {
                    to,
                    asked_at,
                    purpose: Reason::Caller(purpose),
                } => {
                    return Some(NoReply::Failed {
                        to,
                        asked_at,
                        purpose,
                    });
                }
                Due::Held {
                    purpose: Reason::Validation,
                }
                | Due::Failed {
                    purpose: Reason::Validation,
                    ..
                } => {}
            }
        }
    }

    /// Takes a reply whose parts have been waited for in vain.
    fn take_incomplete(&mut self, now: Timestamp) -> Option<NoReply<P>> {
        self.parts.expire(now);
        while let Some((key, partial)) = self.replies.take_expired(now) {
            let is_reply = self.in_flight.pending(key.from, key.transaction).is_some();
            if let Some(partial) = partial.filter(|_| is_reply) {
                let from = key.from;
                return Some(NoReply::Incomplete { from, partial });
            }
        }
        None
    }

    /// Takes the reply to a request that is due, as far as it has come: if the request has failed,
    /// or if so much was announced that the same would be lost again.
    fn take_incomplete_due(&mut self, now: Timestamp) -> Option<NoReply<P>> {
        let (from, id, has_failed) = self.in_flight.next_due(now)?;
        let key = Key::new(from, id);
        if !has_failed && self.replies.announced_bytes(&key) <= MAX_REPEATED {
            return None;
        }
        let partial = self.replies.take_partial(&key)?;
        Some(NoReply::Incomplete { from, partial })
    }

    /// Returns when [`Transport::poll_no_reply`] has something to do.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        [
            self.in_flight.next_deadline(),
            self.parts.next_deadline(),
            self.replies.next_deadline(),
            self.deferred.next_deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Takes the next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        let transmit = self.outbox.pop_front();
        let taken = transmit.as_ref().map_or(0, |it| it.bytes.len());
        self.queued_bytes -= taken;
        if transmit.is_none() && self.outbox.capacity() > KEPT_PLACES {
            self.outbox = VecDeque::new();
        }
        transmit
    }

    /// Returns the bytes of the datagrams that are to be sent.
    pub fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Returns what is remembered of other addresses.
    pub fn peers(&self) -> &Peers {
        &self.peers
    }

    /// Returns what is remembered of other addresses, to note what they did.
    pub fn peers_mut(&mut self) -> &mut Peers {
        &mut self.peers
    }

    /// Returns how many datagrams came and went.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Returns how many requests are in flight.
    pub fn pending_count(&self) -> usize {
        self.in_flight.len()
    }

    /// Returns how many of them are of lookups and may still be on their way.
    pub fn lookup_count(&self) -> usize {
        self.in_flight.congestion().in_flight()
    }

    /// Returns how much longer it takes until all that was sent has left this host.
    pub fn uplink_delay(&self, now: Timestamp) -> Duration {
        self.in_flight.uplink_delay(now)
    }

    /// Reports whether the congestion window has room for another request of a lookup.
    pub fn has_room(&self) -> bool {
        self.in_flight.congestion().has_room()
    }

    /// Reports whether an address is not asked too much already, as far as it has shown.
    pub fn has_room_at(&self, now: Timestamp, addr: &SocketAddr) -> bool {
        let source = Source::of(addr.ip());
        self.in_flight.congestion().has_room_at(now, source)
    }

    fn has_other_sender(&mut self, message: &D::Message<'_>) -> bool {
        let own = self.dialect.node_id();
        let is_other = D::sender(message).is_none_or(|id| id != own && id != D::NodeId::default());
        self.traffic.dropped_malformed += u64::from(!is_other);
        is_other
    }

    fn is_within_rate(&mut self, now: Timestamp, from: SocketAddr) -> bool {
        let is_validated = self.limiter.is_limited() && self.peers.is_validated(now, &from);
        let is_within = self.limiter.allow(now, from.ip(), is_validated);
        self.traffic.dropped_rate += u64::from(!is_within);
        is_within
    }

    fn is_expected(&mut self, from: SocketAddr, id: D::TransactionId) -> bool {
        let is_expected = self.in_flight.pending(from, id).is_some();
        self.traffic.dropped_unexpected += u64::from(!is_expected);
        is_expected
    }

    /// Reports whether a part is expected: it was announced, or belongs to a request in flight.
    /// Those that may have overtaken a request to us are kept for validated addresses.
    fn may_keep_part(&mut self, now: Timestamp, from: SocketAddr, id: D::TransactionId) -> bool {
        let key = Key::new(from, id);
        if self.parts.is_announced(&key)
            || self.replies.is_announced(&key)
            || self.in_flight.pending(from, id).is_some()
        {
            return true;
        }
        if self.parts.is_completed(&key) || self.replies.is_completed(&key) {
            self.traffic.dropped_unexpected += 1;
            return false;
        }
        if !self.peers.is_validated(now, &from) {
            self.traffic.dropped_unexpected += 1;
            return false;
        }
        self.is_within_rate(now, from)
    }

    fn send_request(
        &mut self,
        now: Timestamp,
        id: D::TransactionId,
        to: SocketAddr,
        datagrams: Datagrams,
        purpose: Reason<P>,
    ) {
        self.send(to, datagrams.clone());
        let wait = self.peers.timeout(&to);
        let typical = self.peers.typical_round_trip();
        self.in_flight.set_typical_round_trip(typical);
        self.in_flight.open(now, id, to, datagrams, wait, purpose);
        if self.peers.is_unresponsive(&to) {
            self.in_flight.suspect(now, id);
        }
    }

    fn transmit(&mut self, to: SocketAddr, bytes: Bytes) {
        self.traffic.sent += 1;
        self.queued_bytes += bytes.len();
        self.outbox.push_back(Transmit { to, bytes });
    }
}
