//! [`Outbox`]: the outgoing datagrams and events of a node, its requests and timers.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use super::config::Config;
use super::hand_over::Transfer;
use super::notices::NoticeStep;
use super::timers::Timers;
use super::{Event, Timer, Transmit};
use crate::lookup::{LookupId, LookupRequest, OpId};
use crate::rpc::{Purpose, ReplyTo, Rpc};
use crate::wire::{ErrorCode, Reply, Request, Tid};
use crate::{Contact, InfoHash, Rng, Timestamp};

/// Datagrams, events and the next wake-up. Every part of the node puts its own in; they come out in
/// the order in which they were put in, datagrams before events.
#[derive(Debug)]
pub(super) struct Outbox {
    /// Requests and the replies to them; the gate for datagrams; what is known of addresses.
    pub(super) rpc: Rpc<RequestPurpose>,
    /// The random stream for what other nodes may see: transaction ids, targets, pauses.
    pub(super) rng: Rng,
    /// What is due when.
    pub(super) timers: Timers,
    /// What the application is to be told.
    events: VecDeque<Event>,
}

/// What a request of the node is for.
#[derive(Clone, Debug)]
pub(super) enum RequestPurpose {
    /// To learn which node is at a bootstrap address.
    Bootstrap,
    /// To learn whether a contact is alive, or which nodes are near an id.
    Probe(Probe),
    /// To serve a lookup.
    Lookup(LookupStep),
    /// To copy what is stored here to another node.
    HandOver(Transfer),
    /// To read the values of a crowded key in pages.
    Page(PageStep),
    /// To tell a remote listener something.
    Notify(NoticeStep),
}

/// A request to a contact for the sake of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    pub(super) contact: Contact,
    /// Another address under its id, to ping if the contact is silent.
    pub(super) successor: Option<SocketAddr>,
}

/// A request for a page of a crowded key.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageStep {
    /// The get or query.
    pub(super) op: OpId,
    /// Names the request.
    pub(super) number: u64,
    /// The node asked.
    pub(super) node: Contact,
}

/// A request of a lookup.
#[derive(Clone, Debug)]
pub(super) struct LookupStep {
    pub(super) id: LookupId,
    /// The node asked.
    pub(super) node: Contact,
    pub(super) ask: LookupRequest,
}

impl From<Contact> for Probe {
    fn from(contact: Contact) -> Self {
        Self {
            contact,
            successor: None,
        }
    }
}

impl Purpose for RequestPurpose {
    fn is_for_lookup(&self) -> bool {
        matches!(self, Self::Lookup(_) | Self::Page(_))
    }
}

impl Outbox {
    pub(super) fn new(id: InfoHash, config: &Config, rng: Rng) -> Self {
        Self {
            rpc: Rpc::new(id, config.network, config.client, &config.transport),
            rng,
            timers: Timers::default(),
            events: VecDeque::new(),
        }
    }

    /// Sends a request; returns `false` if too many are under way.
    pub(super) fn request(
        &mut self,
        now: Timestamp,
        to: SocketAddr,
        request: Request<'_>,
        purpose: RequestPurpose,
    ) -> bool {
        self.send_request(now, to, request, purpose).is_some()
    }

    /// Sends a request; returns its transaction, `None` if too many are under way.
    pub(super) fn send_request(
        &mut self,
        now: Timestamp,
        to: SocketAddr,
        request: Request<'_>,
        purpose: RequestPurpose,
    ) -> Option<Tid> {
        self.rpc.request(now, &mut self.rng, to, request, purpose)
    }

    /// Asks a contact whether it is there.
    pub(super) fn ping(&mut self, now: Timestamp, contact: Contact) {
        self.send_probe(now, contact.into());
    }

    /// Pings a contact because of a datagram that may be forged; not too often.
    pub(super) fn probe(&mut self, now: Timestamp, probe: impl Into<Probe>) {
        let probe = probe.into();
        if self.rpc.has_room_for_others() && self.rpc.may_probe(now, probe.contact.addr) {
            self.send_probe(now, probe);
        }
    }

    fn send_probe(&mut self, now: Timestamp, probe: Probe) {
        let purpose = RequestPurpose::Probe(probe);
        self.request(now, probe.contact.addr, Request::Ping, purpose);
    }

    /// Answers a request with little.
    pub(super) fn reply(&mut self, now: Timestamp, to: ReplyTo, reply: Reply<'_>) {
        self.rpc.reply(now, to, reply);
    }

    /// Answers a request; a large answer waits until its address is validated, and is then made
    /// anew from the datagram of the request.
    pub(super) fn reply_or_defer(
        &mut self,
        now: Timestamp,
        to: ReplyTo,
        reply: Reply<'_>,
        request: &[u8],
    ) {
        if !self.rpc.reply(now, to, reply) {
            self.defer(now, to.addr, request);
        }
    }

    /// Keeps a request that has a large answer until its address is validated.
    pub(super) fn defer(&mut self, now: Timestamp, to: SocketAddr, request: &[u8]) {
        self.rpc.defer(now, &mut self.rng, to, request);
    }

    /// Counts a request as so many more, as it took as much.
    pub(super) fn charge(&mut self, now: Timestamp, from: SocketAddr, count: usize) {
        self.rpc.charge(now, from, count);
    }

    /// Answers a request with an error.
    pub(super) fn error(&mut self, to: ReplyTo, code: ErrorCode, text: &'static str) {
        self.rpc.error(to, code, text);
    }

    /// Queues events for the application.
    pub(super) fn report(&mut self, event: impl IntoIterator<Item = Event>) {
        self.events.extend(event);
    }

    /// Sets a timer to go off after a random time from `low` to `high`.
    pub(super) fn set_between(
        &mut self,
        now: Timestamp,
        timer: Timer,
        low: Duration,
        high: Duration,
    ) {
        let pause = self.rng.between(low, high);
        self.timers.set(timer, now + pause);
    }

    /// Sets a timer, if there is a moment to set it to.
    pub(super) fn set_if_any(&mut self, timer: Timer, at: Option<Timestamp>) {
        if let Some(at) = at {
            self.timers.set(timer, at);
        }
    }

    /// Takes the next datagram.
    pub(super) fn poll_transmit(&mut self) -> Option<Transmit> {
        self.rpc.poll_transmit()
    }

    /// Takes the next event.
    pub(super) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Returns when something is due next, and what.
    pub(super) fn wake(&self) -> (Timestamp, Timer) {
        let (at, timer) = (self.timers.next()).unwrap_or((Timestamp::MAX, Timer::Never));
        match self.rpc.next_deadline() {
            Some(deadline) if deadline < at => (deadline, Timer::Requests),
            _ => (at, timer),
        }
    }
}
