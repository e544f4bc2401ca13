//! [`Node`]: a plain DHT node; the only place where its parts meet.
//!
//! A node does no I/O. What happens is told to it (`handle_*`, and the operations); what is to be
//! done is taken from [`Core::poll_output`] until it yields [`Output::Wake`], always the last:
//! nothing more until that moment. Outputs are queued, so any order of calls is legal and nothing
//! is lost. The same seed and the same inputs give the same outputs, byte for byte. A `now` in the
//! past counts as the latest one seen.
//!
//! Values that come out are as other nodes sent them. A value that must be proved before it is
//! stored is parked and comes out as a [`Check`]; the driver, or the secure layer above, answers
//! with [`Node::handle_verdict`].
//!
//! ```text
//!             operations   subscriptions       what the application asked for
//!                      \   /
//!   connectivity ── lookups                    which nodes are asked for it, and when
//!              \      /
//!              contacts        server          the known nodes; what is stored for others
//!                      \     /
//!                      outbox                  datagrams, events, timers
//! ```
//!
//! Each part owns its state and is told what happened. It puts what is to be sent into the
//! outbox, or returns it; what another part has to do it returns, and the node hands it on.

mod address_votes;
mod answers;
mod background;
mod bootstrap;
mod config;
mod connectivity;
mod contacts;
mod core;
mod datagrams;
mod drive;
mod export;
mod failure_probe;
mod gets;
mod hand_over;
mod joining;
mod listing;
mod lookups;
mod maintenance;
mod notices;
mod notify;
mod operations;
mod outbox;
mod output;
mod pages;
mod pending_puts;
mod presence;
mod puts;
mod queue;
mod readings;
mod replies;
mod requests;
mod server;
mod stats;
mod store_requests;
mod subscriptions;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod timers;

use std::fmt;
use std::net::SocketAddr;

pub use self::core::{Core, Output};
pub use crate::lookup::{
    CandidateSnapshot, CandidateState, Ended, GetReport, LookupId, LookupSnapshot, OpId, PutReport,
};
pub use crate::routing::{Counts, Listed, Standing};
pub use crate::rpc::{Traffic, Transmit};
pub use crate::storage::Sizes;
pub use crate::value::policy::Proof;
pub use config::{Config, ConfigError, ConnectivityConfig, HandOverConfig, OperationConfig};
pub use listing::{StoredKey, StoredValue};
pub use operations::OpError;
pub use output::{Check, CheckId, Event, Status};
pub use puts::PutOptions;
pub use stats::{FamilyStats, Stats};
pub use timers::Timer;

use crate::routing::Confidence;
use crate::value::Value;
use crate::wire::{Message, Payload, Request};
use crate::{Contact, Family, InfoHash, Origin, Seed, Timestamp, UnixTime, canonical};
use address_votes::AddressVotes;
use connectivity::Connectivity;
use contacts::Contacts;
use hand_over::HandOver;
use lookups::Lookups;
use operations::Operations;
use outbox::{Outbox, RequestPurpose};
use readings::Readings;
use server::Server;
use subscriptions::Subscriptions;

/// A DHT node without a socket, a clock or a thread.
///
/// ```
/// use bulla_dht::node::{Core, Node, Output};
/// use bulla_dht::{Config, Origin, Seed, Timestamp};
///
/// let now = Timestamp::ZERO;
/// let mut node = Node::new(Config::default(), Seed::from_number(1), Origin::default())?;
/// node.bootstrap(now, &["192.0.2.1:4222".parse()?]);
///
/// let Output::Transmit(ping) = node.poll_output() else { panic!("it pings") };
/// assert_eq!(ping.to, "192.0.2.1:4222".parse()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Node {
    /// The settings.
    config: Config,
    /// Maps monotonic to wall-clock time.
    origin: Origin,
    /// The latest moment that was handed in.
    now: Timestamp,
    /// What goes out: requests and replies, events, timers.
    outbox: Outbox,
    /// The nodes that this one knows.
    contacts: Contacts,
    /// How well it is connected, and what is done about that.
    connectivity: Connectivity,
    /// What it stores, and the listeners to that.
    server: Server,
    /// What of that is copied to other nodes.
    hand_over: HandOver,
    /// What it asks other nodes.
    lookups: Lookups,
    /// What the application has asked for.
    operations: Operations,
    /// What the application's listens have reported, and where they listen.
    subscriptions: Subscriptions,
    /// Gets and queries of crowded keys.
    readings: Readings,
    /// The addresses that others see it at.
    votes: AddressVotes,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({})", self.id())
    }
}

impl Core for Node {
    type Event = Event;
    type Job = Box<Check>;

    fn handle_datagram(&mut self, now: Timestamp, from: SocketAddr, datagram: &[u8]) {
        let now = self.advance(now);
        self.receive(now, canonical(from), datagram);
        self.drive_queued(now);
    }

    fn handle_unreachable(&mut self, now: Timestamp, to: SocketAddr) {
        let now = self.advance(now);
        self.on_unreachable(now, canonical(to));
        self.handle_timeout(now);
    }

    fn handle_timeout(&mut self, now: Timestamp) {
        let now = self.advance(now);
        while let Some(no_reply) = self.outbox.rpc.poll_no_reply(now) {
            self.on_no_reply(now, no_reply);
        }
        while let Some(timer) = self.outbox.timers.take_due(now) {
            self.on_timer(now, timer);
        }
        self.drive_queued(now);
    }

    fn poll_output(&mut self) -> Output<Event, Box<Check>> {
        if let Some(transmit) = self.outbox.poll_transmit() {
            return Output::Transmit(transmit);
        }
        if let Some(check) = self.server.poll_check() {
            return Output::Job(check);
        }
        if let Some(event) = self.outbox.poll_event() {
            return Output::Event(event);
        }
        let (at, timer) = self.outbox.wake();
        Output::Wake(at, timer)
    }
}

impl Node {
    /// Returns a node that knows no other.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is out of its range.
    pub fn new(config: Config, seed: Seed, origin: Origin) -> Result<Self, ConfigError> {
        config.validate()?;
        let now = Timestamp::ZERO;
        let mut public = seed.public();
        let id = config.id.unwrap_or_else(|| public.hash());
        let mut node = Self {
            origin,
            now,
            outbox: Outbox::new(id, &config, public),
            contacts: Contacts::new(id, &config.routing, config.lookup.width),
            connectivity: Connectivity::new(now, &config.connectivity),
            server: Server::new(now, id, origin, &config, &seed),
            hand_over: HandOver::new(&config),
            lookups: Lookups::new(&config, origin),
            operations: Operations::new(config.operations.max, config.operations.max_found),
            subscriptions: Subscriptions::new(
                id,
                config.listen.clone(),
                config.value_types.clone(),
            ),
            readings: Readings::default(),
            votes: AddressVotes::default(),
            config,
        };
        node.start_maintenance();
        Ok(node)
    }

    /// Handles the outcome of a check. An unknown or repeated id is ignored.
    pub fn handle_verdict(&mut self, now: Timestamp, check: CheckId, holds: bool) {
        let now = self.advance(now);
        let (subscriptions, outbox) = (&mut self.subscriptions, &mut self.outbox);
        (self.server).on_verdict(now, check, holds, subscriptions, outbox);
    }

    /// Abandons a check: its value is forgotten and its sender not answered, so that it may try
    /// again.
    pub fn drop_check(&mut self, check: CheckId) {
        self.server.drop_check(check);
    }

    /// Handles the outcome of a check. An unknown or repeated id is ignored.
    /// connected.
    pub fn bootstrap(&mut self, now: Timestamp, addresses: &[SocketAddr]) {
        let now = self.advance(now);
        let addresses: Vec<_> = addresses.iter().copied().map(canonical).collect();
        let timers = &mut self.outbox.timers;
        (self.connectivity).add_addresses(now, &addresses, &self.contacts, timers);
        self.act_on_connectivity(now);
    }

    /// Adds contacts of a snapshot. A few are pinged at once, the others a few in each second.
    pub fn insert_contacts(&mut self, now: Timestamp, contacts: &[Contact]) {
        self.restore_contacts(now, contacts, now);
    }

    /// Adds contacts as [`Node::insert_contacts`] does, but pings none before `verify_at`.
    pub(crate) fn restore_contacts(
        &mut self,
        now: Timestamp,
        contacts: &[Contact],
        verify_at: Timestamp,
    ) {
        let now = self.advance(now);
        self.take_contacts(now, contacts, verify_at);
    }

    /// Handles a change of the network: contacts must answer anew, and the bootstrap starts
    /// over if none is left.
    pub fn connectivity_changed(&mut self, now: Timestamp) {
        let now = self.advance(now);
        self.on_network_changed(now);
    }

    /// Takes in what the calendar shows now: the system's was set, or this clock and the calendar
    /// have not passed at the same pace.
    pub fn set_calendar(&mut self, now: Timestamp, origin: Origin) {
        self.advance(now);
        self.origin = origin;
        self.server.set_calendar(origin);
        self.lookups.set_calendar(origin);
    }

    /// Returns the node's id.
    pub fn id(&self) -> InfoHash {
        self.contacts.own()
    }

    /// Returns how well a family is connected.
    pub fn status(&self, family: Family) -> Status {
        self.connectivity.status(family)
    }

    /// Returns the settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Returns the wall-clock time at a moment.
    pub fn calendar(&self, at: Timestamp) -> UnixTime {
        self.origin.to_unix(at)
    }

    /// Handles a message that has come in this datagram, with all its values.
    fn on_message(
        &mut self,
        now: Timestamp,
        from: SocketAddr,
        message: Message<'_>,
        values: Vec<Value>,
        datagram: &[u8],
    ) {
        let Message {
            tid,
            client,
            payload,
            ..
        } = message;
        match payload {
            Payload::Request { sender, request } => {
                let contact = Contact::new(sender, from);
                if !client {
                    self.on_contact(now, contact, Confidence::Sent);
                    if matches!(&request, Request::Find(find) if find.target == sender)
                        && self.outbox.rpc.peers().is_validated(now, &from)
                    {
                        self.on_started(now, contact);
                    }
                }
                self.on_request(now, contact, tid, request, values, datagram);
            }
            Payload::Reply { sender, reply } => {
                let is_newcomer = !self.outbox.rpc.peers().is_validated(now, &from);
                if let Some(purpose) = self.outbox.rpc.close(now, from, tid) {
                    let contact = Contact::new(sender, from);
                    if !client {
                        self.on_contact(now, contact, Confidence::Replied);
                        if is_newcomer {
                            self.on_newcomer(now, contact);
                        }
                    }
                    self.on_reply(now, contact, purpose, reply, values);
                }
                self.take_up_deferred(now, from);
            }
            Payload::Error { code, .. } => {
                if let Some(purpose) = self.outbox.rpc.close(now, from, tid) {
                    self.on_error(now, from, purpose, code);
                }
                self.take_up_deferred(now, from);
            }
            Payload::Notice { .. } | Payload::Parts(_) => {}
        }
    }

    /// Handles a timer that has gone off.
    fn on_timer(&mut self, now: Timestamp, timer: Timer) {
        let (subscriptions, outbox) = (&mut self.subscriptions, &mut self.outbox);
        match timer {
            Timer::Lookup(id) => self.resume_unless_idle(now, id),
            Timer::Background => self.run_background(now),
            Timer::Storage => self.server.expire_values(now, subscriptions, outbox),
            Timer::Listeners => self.server.expire_listeners(now, outbox),
            Timer::ListenedValues => {
                outbox.report(subscriptions.expire(now));
                outbox.set_if_any(Timer::ListenedValues, subscriptions.next_expiry());
            }
            Timer::PendingPuts => self.server.expire_puts(now, outbox),
            Timer::Tokens => self.server.rotate_tokens(now, outbox),
            Timer::Bootstrap => self.ping_bootstrap(now),
            Timer::Confirm(family) => self.confirm(now, family),
            Timer::Purge(family) => self.purge(now, family),
            Timer::VerifyRestored(family) => self.verify_more(now, family),
            Timer::RepeatSelfLookup(family) => self.repeat_self_lookup(now, family),
            Timer::RefreshFarBuckets(family) => self.refresh_far_buckets(now, family),
            Timer::HandOver => self.run_hand_over(now),
            Timer::ConnectDeadline => self.stop_waiting(now),
            Timer::Requests | Timer::Never => {}
        }
    }

    /// Returns the latest of `now` and the moments before: time never runs backwards.
    fn advance(&mut self, now: Timestamp) -> Timestamp {
        self.now = self.now.max(now);
        self.now
    }
}
