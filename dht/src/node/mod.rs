//! [`Node`]: the plain Kademlia store, and the only place where its parts meet.
//!
//! A node does no I/O. What happens is told to it (`handle_*`, and the operations); what is to be
//! done is taken from [`Node::poll_output`] until it yields [`Output::Wake`], always the last:
//! nothing more until that moment. Outputs are queued, so any order of calls is legal and nothing
//! is lost. The same seed and the same inputs give the same outputs, byte for byte. A `now` in the
//! past counts as the latest one seen.
//!
//! Values that come out are as strangers sent them. A value that must be proved before it is stored
//! is parked and comes out as an [`Output::Check`]; the driver, or the secure layer above, answers
//! with [`Node::handle_verdict`].

mod background;
mod bootstrap;
mod config;
mod connectivity;
mod contacts;
mod datagrams;
mod drive;
mod failure_probe;
mod gets;
mod lookups;
mod maintenance;
mod notify;
mod operations;
mod outbox;
mod output;
mod pending_puts;
mod presence;
mod puts;
mod queue;
mod replies;
mod requests;
mod server;
mod snapshot;
mod stats;
mod store_requests;
mod subscriptions;
#[cfg(test)]
mod tests;
mod timers;

use std::fmt;
use std::net::SocketAddr;

pub use crate::lookup::{
    CandidateSnapshot, CandidateState, GetReport, LookupSnapshot, OpId, PutReport,
};
pub use crate::routing::{Counts, Listed, Standing};
pub use crate::rpc::{Traffic, Transmit};
pub use crate::storage::Sizes;
pub use crate::value::policy::Proof;
pub use config::{ConnectivityConfig, OperationConfig};
pub use lookups::LookupId;
pub use operations::OpError;
pub use output::{Check, CheckId, Event, Output, Status};
pub use puts::PutOptions;
pub use snapshot::{StoredKey, StoredValue};
pub use stats::{FamilyStats, Stats};
pub use timers::Timer;

use crate::config::{Config, ConfigError};
use crate::{Contact, Family, InfoHash, Origin, Seed, Timestamp, UnixTime, canonical};
use connectivity::Connectivity;
use contacts::Contacts;
use lookups::Lookups;
use operations::Operations;
use outbox::{Outbox, ReplyTo, RequestPurpose};
use server::Server;
use snapshot::AddressVotes;
use subscriptions::Subscriptions;

/// A DHT node without a socket, a clock or a thread.
///
/// ```
/// use bulla_dht::node::{Node, Output};
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
    config: Config,
    origin: Origin,
    now: Timestamp,
    outbox: Outbox,
    contacts: Contacts,
    connectivity: Connectivity,
    server: Server,
    lookups: Lookups,
    operations: Operations,
    subscriptions: Subscriptions,
    votes: AddressVotes,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({})", self.id())
    }
}

/// The operation of all walks that get to know who lives somewhere.
const WALK: OpId = OpId(0);

impl Node {
    /// A node that knows nobody.
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
            lookups: Lookups::new(&config, origin),
            operations: Operations::new(config.operations.max, config.operations.max_found),
            subscriptions: Subscriptions::new(
                id,
                config.listen.clone(),
                config.value_types.clone(),
            ),
            votes: AddressVotes::default(),
            config,
        };
        node.start_upkeep();
        Ok(node)
    }

    /// A datagram came.
    pub fn handle_datagram(&mut self, now: Timestamp, from: SocketAddr, datagram: &[u8]) {
        let now = self.advance(now);
        self.receive(now, canonical(from), datagram);
        self.catch_up(now);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        let now = self.advance(now);
        while let Some(overdue) = self.outbox.rpc.poll_no_reply(now) {
            self.on_no_reply(now, overdue);
        }
        while let Some(timer) = self.outbox.timers.take_due(now) {
            self.on_timer(now, timer);
        }
        self.catch_up(now);
    }

    /// A check has been made. An unknown or repeated id is ignored.
    pub fn handle_verdict(&mut self, now: Timestamp, check: CheckId, holds: bool) {
        let now = self.advance(now);
        let (subscriptions, outbox) = (&mut self.subscriptions, &mut self.outbox);
        (self.server).on_verdict(now, check, holds, subscriptions, outbox);
    }

    /// A check will not be made; its value is forgotten and its sender not answered, so that it may
    /// try again.
    pub fn drop_check(&mut self, check: CheckId) {
        self.server.drop_check(check);
    }

    /// What is to be done next; [`Output::Wake`] is the last.
    pub fn poll_output(&mut self) -> Output {
        if let Some(transmit) = self.outbox.poll_transmit() {
            return Output::Transmit(transmit);
        }
        if let Some(check) = self.server.poll_check() {
            return Output::Check(check);
        }
        match self.outbox.poll_event() {
            Some(event) => Output::Event(event),
            None => self.outbox.wake(),
        }
    }

    /// Pings these addresses, and again in rounds of growing distance whenever the node is not
    /// connected.
    pub fn bootstrap(&mut self, now: Timestamp, addresses: &[SocketAddr]) {
        let now = self.advance(now);
        let addresses: Vec<_> = addresses.iter().copied().map(canonical).collect();
        let timers = &mut self.outbox.timers;
        (self.connectivity).add_addresses(now, &addresses, &self.contacts, timers);
        self.act_on_connectivity(now);
    }

    /// Takes contacts in from a snapshot. A few are pinged at once, the others a few in each
    /// second.
    pub fn insert_contacts(&mut self, now: Timestamp, contacts: &[Contact]) {
        self.restore_contacts(now, contacts, now);
    }

    /// As [`Node::insert_contacts`], but nobody is pinged before `call`.
    pub(crate) fn restore_contacts(
        &mut self,
        now: Timestamp,
        contacts: &[Contact],
        call: Timestamp,
    ) {
        let now = self.advance(now);
        self.import_contacts(now, contacts, call);
    }

    /// The network has changed: contacts must prove themselves anew, and the bootstrap starts over
    /// if none is left.
    pub fn connectivity_changed(&mut self, now: Timestamp) {
        let now = self.advance(now);
        self.on_connectivity_changed(now);
    }

    /// The node's id.
    pub fn id(&self) -> InfoHash {
        self.contacts.own()
    }

    /// How well a family is connected.
    pub fn status(&self, family: Family) -> Status {
        self.connectivity.status(family)
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The calendar's reading at a moment.
    pub fn calendar(&self, at: Timestamp) -> UnixTime {
        self.origin.to_unix(at)
    }

    /// Time never runs backwards.
    fn advance(&mut self, now: Timestamp) -> Timestamp {
        self.now = self.now.max(now);
        self.now
    }
}
