//! [`Sim`]: a network of hosts under virtual time, on one thread, with an oracle looking on.
//!
//! All that happens stands in one queue, ordered by time and then by the order of its making. [`Sim::step`] takes the
//! first and lets it happen; the clock jumps there. The same scenario and seed give the same world, on any machine:
//! compare [`Trace::digest`]. After each step the [oracle](Sim::violations) has checked what came of it.
//!
//! Each node has a clock of its own that stood at zero when it was started.
//!
//! # What is simulated
//!
//! - *Paths* ([`Link`]): latency between random places or between ten regions of the world ([`REGIONS`]), jitter, loss,
//!   copies. Half a round trip each way; nothing queues, so no path is ever full.
//! - *Routers* ([`Nat`]): four kinds, which remember for two minutes whom their host has written to.
//! - *Comings and goings* ([`Churn`]): sessions and absences drawn from a distribution with a given median.
//! - *Work of the processor*: a job (signing, verifying, decrypting) takes [`Scenario::job_time`]; all else takes no time.
//! - *Behaviours* ([`Behaviour`]): hosts that lie, flood, forge or stay mute.
//!
//! # Beginnings
//!
//! Nodes [bootstrap](Start::Bootstrap) as real ones do, or [start warm](Start::Warm), as if a network that was there before
//! had been restarted: each with the contacts that it would have saved. A network of a hundred thousand that bootstraps
//! through three nodes within seconds would tell of these three and of nothing else.
//!
//! # Measuring
//!
//! A [`Experiment`] lets a world settle, watches it idle, has values put and looked up, lets nodes vanish, and gives
//! [`Results`]. `bulla simulate` runs one, from a scenario file if wanted.
//!
//! # Size
//!
//! All runs on one thread. A datagram costs some 10 microseconds with all that the nodes make of it, memory grows with the
//! number of nodes: see `bulla simulate --nodes`.

mod adversary;
mod churn;
mod event;
mod event_queue;
mod expected_value;
mod experiment;
mod host;
mod latency;
mod nat;
mod network;
mod operation;
mod operations;
mod oracle;
mod scenario;
mod trace;
mod warm_start;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use bulla_dht::node::Node;
use bulla_dht::secure::{PutError, SecureDht};
use bulla_dht::{Contact, InfoHash, Rng, Seed, Timestamp, UnixTime};

pub use adversary::Behaviour;
pub use churn::{Churn, Distribution};
pub use expected_value::ExpectedValue;
pub use experiment::{
    Experiment, MissReport, Phase, Progress, Restart, Restarted, Results, Traffic, Vanished,
};
pub use host::{Addressing, HostId, HostSpec, Load};
pub use latency::{Latency, REGIONS};
pub use nat::Nat;
pub use network::Link;
pub use operation::{Observation, Operation, OperationId, Outcome, Request};
pub use oracle::Violation;
pub use scenario::{Scenario, Start};
pub use trace::{Trace, TraceDigest};

use event_queue::EventQueue;
use host::Host;
use nat::Routers;
use network::Network;
use oracle::Oracle;
use warm_start::WarmStart;

/// What the calendar shows when a simulation begins.
const EPOCH: UnixTime = UnixTime::from_secs(1_700_000_000);
/// Addresses that a newcomer is told to start from.
const ENTRY_POINTS: usize = 3;
/// Of the nodes nearest to a key, so many must hold a value before a get must find it.
const WELL_HELD: usize = 4;
/// The nodes nearest to a key that ought to hold its values.
const NEAREST: usize = 8;

/// A simulated world. Made by [`Scenario::start`].
pub struct Sim {
    seed: u64,
    now: Timestamp,
    rng: Rng,
    network: Network,
    routers: Routers,
    hosts: Vec<Host>,
    queue: EventQueue,
    operations: Vec<Operation>,
    oracle: Oracle,
    trace: Trace,
    churn: Option<Churn>,
    warm_start: WarmStart,
    /// How long each node took to find its network.
    connecting: Vec<Duration>,
    job_time: Duration,
    undelivered: BTreeMap<SocketAddr, UndeliveredTraffic>,
    spoofed: UndeliveredTraffic,
}

/// Datagrams sent to an address, or in its name.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct UndeliveredTraffic {
    /// How many datagrams.
    pub datagrams: u64,
    /// Bytes in all of them.
    pub bytes: u64,
    /// Bytes in the largest.
    pub largest: usize,
}

/// An operation could not be begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum OperationError {
    /// No node is at the host.
    #[error("{0:?} is away")]
    Away(HostId),
    /// The node refused.
    #[error(transparent)]
    Refused(#[from] PutError),
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed, now, trace, ..
        } = self;
        write!(f, "Sim(seed {seed}, {now:?}, {trace:?})")
    }
}

impl UndeliveredTraffic {
    fn add(&mut self, bytes: usize) {
        self.datagrams += 1;
        self.bytes += bytes as u64;
        self.largest = self.largest.max(bytes);
    }
}

impl Sim {
    fn new(seed: u64, link: Link, job_time: Duration) -> Self {
        let mut rng = Seed::from_number(seed).public();
        Self {
            seed,
            now: Timestamp::ZERO,
            network: Network::new(link, &rng.seed()),
            rng,
            routers: Routers::default(),
            hosts: Vec::new(),
            queue: EventQueue::default(),
            operations: Vec::new(),
            oracle: Oracle::default(),
            trace: Trace::default(),
            churn: None,
            warm_start: WarmStart::default(),
            connecting: Vec::new(),
            job_time,
            undelivered: BTreeMap::new(),
            spoofed: UndeliveredTraffic::default(),
        }
    }

    /// Lets the next thing happen; `false` if nothing is left to handle.
    pub fn step(&mut self) -> bool {
        let Some((at, event)) = self.queue.pop() else {
            return false;
        };
        self.now = self.now.max(at);
        self.handle(event);
        true
    }

    /// Runs until `end`.
    pub fn run_until(&mut self, end: Timestamp) {
        while self.queue.next().is_some_and(|at| at <= end) {
            self.step();
        }
        self.now = self.now.max(end);
    }

    /// Runs for so long.
    pub fn run_for(&mut self, span: Duration) {
        self.run_until(self.now + span);
    }

    /// Runs until these gets, queries and puts are over, or a minute has passed.
    pub fn finish(&mut self, operations: &[OperationId]) {
        let end = self.now + Duration::from_secs(60);
        while self.now < end
            && operations
                .iter()
                .any(|operation| self.operation(*operation).ended.is_none())
        {
            if !self.step() {
                return;
            }
        }
    }

    /// The number that the whole world grew from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The time of this world.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// What the nodes did so far.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The rules broken so far.
    pub fn violations(&self) -> &[Violation] {
        &self.oracle.violations
    }

    /// An operation.
    pub fn operation(&self, operation: OperationId) -> &Operation {
        &self.operations[operation.0]
    }

    /// The node at a host; `None` while the host is away.
    pub fn node(&self, host: HostId) -> Option<&Node> {
        self.dht(host).map(SecureDht::node)
    }

    /// The same with its secure layer.
    pub fn dht(&self, host: HostId) -> Option<&SecureDht> {
        let instance = self.hosts[host.index()].instance.as_ref();
        instance.map(|instance| &instance.dht)
    }

    /// What the clock of the node at a host shows.
    pub fn clock(&self, host: HostId) -> Timestamp {
        let instance = self.hosts[host.index()].instance.as_ref();
        instance.map_or(Timestamp::ZERO, |instance| instance.clock(self.now))
    }

    /// The honest, open hosts that are there and are no clients.
    pub fn hosts(&self) -> Vec<HostId> {
        self.present(HostSpec::serves)
    }

    /// The hosts that are there and take part as clients.
    pub fn clients(&self) -> Vec<HostId> {
        self.present(|spec| spec.config.client)
    }

    /// The hosts that are there, behind routers.
    pub fn behind_nat(&self) -> Vec<HostId> {
        self.present(|spec| spec.nat.is_some())
    }

    /// How long each node took so far to find its network, in the order in which they did.
    pub fn connecting(&self) -> &[Duration] {
        &self.connecting
    }

    /// What each host has sent and received since the last call; those that are away come with the others.
    pub fn take_loads(&mut self) -> Vec<Load> {
        self.hosts.iter_mut().map(|host| host.load.take()).collect()
    }

    /// How many things are going to happen: datagrams on their way, wake-ups, comings and goings.
    pub fn pending(&self) -> usize {
        self.queue.len()
    }

    /// One of [`Sim::hosts`], at random.
    pub fn any_host(&mut self) -> Option<HostId> {
        let hosts = self.hosts();
        let which = self.rng.below(hosts.len() as u64) as usize;
        hosts.get(which).copied()
    }

    /// The `count` of [`Sim::hosts`] nearest to `key` that `asker` could reach.
    pub fn nearest(&self, asker: HostId, key: InfoHash, count: usize) -> Vec<HostId> {
        let asking = &self.hosts[asker.index()];
        let mut near: Vec<_> = self
            .hosts()
            .into_iter()
            .filter(|host| {
                let other = &self.hosts[host.index()];
                asking.shares_network(other) && self.network.connects(asker, *host)
            })
            .filter_map(|host| Some((self.node(host)?.id().distance(&key), host)))
            .collect();
        if near.len() > count {
            near.select_nth_unstable(count);
            near.truncate(count);
        }
        near.sort_unstable();
        near.into_iter().take(count).map(|(_, host)| host).collect()
    }

    /// The hosts whose node holds what a put published.
    pub fn holders(&self, put: OperationId) -> Vec<HostId> {
        let Operation { key, request, .. } = self.operation(put);
        let Request::Put(expected_value) = request else {
            return Vec::new();
        };
        self.ids()
            .filter(|host| self.holds(*host, *key, expected_value))
            .collect()
    }

    /// What hostile hosts sent in the name of [`Behaviour::VICTIM`].
    pub fn spoofed(&self) -> UndeliveredTraffic {
        self.spoofed
    }

    /// What was sent to an address where nobody lives.
    pub fn undelivered_to(&self, to: SocketAddr) -> UndeliveredTraffic {
        self.undelivered.get(&to).copied().unwrap_or_default()
    }

    /// Adds a host, which joins at once.
    pub fn join(&mut self, spec: HostSpec) -> HostId {
        let host = self.add(Arc::new(spec));
        self.start_node(host);
        host
    }

    /// Lets a host that is away come back, with a new node.
    pub fn rejoin(&mut self, host: HostId) {
        self.start_node(host);
    }

    /// Lets a host vanish without a word.
    pub fn leave(&mut self, host: HostId) {
        self.stop_node(host);
    }

    /// Splits the network: each host sees only those of its own side. Hosts that are on none see all.
    pub fn split(&mut self, sides: &[&[HostId]]) {
        let sides = sides.iter().enumerate();
        let sides = sides.flat_map(|(side, hosts)| hosts.iter().map(move |host| (*host, side)));
        self.network.split(sides.collect());
    }

    /// Joins a split network again.
    pub fn heal(&mut self) {
        self.network.split(BTreeMap::new());
    }

    /// Changes the quality of all paths.
    pub fn set_link(&mut self, link: Link) {
        self.network.set_link(link);
    }

    /// Tells the node of a host that its network has changed.
    pub fn connectivity_changed(&mut self, host: HostId) {
        self.with_dht(host, SecureDht::connectivity_changed);
    }

    /// Has the oracle look through all that is stored. Takes time in proportion to it.
    pub fn inspect_storage(&mut self) {
        for (id, host) in (0..).map(HostId::new).zip(&self.hosts) {
            if let Some(instance) = host
                .instance
                .as_ref()
                .filter(|_| host.spec.behaviour.is_none())
            {
                self.oracle.check_storage(self.now, id, &instance.dht);
            }
        }
    }

    /// Gives the hosts so far the ids of their first nodes, and tables to find each other with.
    fn prepare_warm_start(&mut self) {
        let ids: Vec<_> = self.hosts.iter().map(|_| self.rng.hash()).collect();
        let all = self.ids().zip(self.hosts.iter().zip(&ids));
        let nodes =
            all.filter(|(_, (host, _))| host.spec.nat.is_none() && !host.spec.config.client);
        let contacts = nodes.filter_map(|(host, (its, id))| {
            let address = its.addresses(host).next()?;
            Some(Contact::new(*id, address))
        });
        self.warm_start = WarmStart::new(ids.clone(), contacts.collect());
    }

    fn add(&mut self, spec: Arc<HostSpec>) -> HostId {
        let id = HostId::new(self.hosts.len() as u32);
        self.hosts.push(Host::new(spec));
        id
    }

    fn present(&self, which: impl Fn(&HostSpec) -> bool) -> Vec<HostId> {
        let there = |host: &Host| host.instance.is_some() && which(&host.spec);
        self.ids()
            .filter(|id| there(&self.hosts[id.index()]))
            .collect()
    }

    fn ids(&self) -> impl Iterator<Item = HostId> + use<> {
        (0..self.hosts.len() as u32).map(HostId::new)
    }
}
