//! [`Sim`]: a network of hosts under virtual time, on one thread, checked by an oracle.
//!
//! A discrete-event simulation: all events stand in one queue, ordered by time and then by the
//! order in which they were scheduled. [`Sim::step`] takes the first and handles it; the clock
//! jumps there. The same scenario and seed give the same world, on any machine: compare
//! [`Trace::digest`]. After each step the [oracle](Sim::violations) has checked what came of it.
//!
//! Each node has a clock of its own that stood at zero when it was started.
//!
//! # What is simulated
//!
//! - *Paths* ([`Link`]): latency between random places or between ten regions of the world
//!   ([`REGIONS`]), jitter, loss, copies. Half a round trip each way; nothing queues, so no path is
//!   ever full.
//! - *Routers* ([`Nat`]): four kinds, which remember for two minutes where their host has sent to.
//! - *Churn* ([`Churn`]): sessions and absences drawn from a distribution with a given median.
//! - *Work of the processor*: a job (signing, verifying, decrypting) takes [`Scenario::job_time`];
//!   all else takes no time.
//! - *Adversaries* ([`Behaviour`]): hosts that lie, flood, forge or stay mute.
//!
//! # Starts
//!
//! Nodes [bootstrap](Start::Bootstrap) as real ones do, or [start warm](Start::Warm), as if a
//! network that was there before had been restarted: each with the contacts that it would have
//! saved. A network of a hundred thousand nodes that bootstraps through three of them within
//! seconds would show how these three bear it and nothing else.
//!
//! # Measuring
//!
//! An [`Experiment`] lets a world settle, watches it idle, puts and looks up values, removes nodes,
//! and returns [`Results`]. `bulla simulate` runs one, from a scenario file if wanted.
//!
//! # Size
//!
//! All runs on one thread. A datagram costs some 10 microseconds with all that the nodes make of
//! it, memory grows with the number of nodes: see `bulla simulate --nodes`.

mod adversary;
mod application;
mod churn;
mod driver;
mod event;
mod event_queue;
mod expected_value;
mod experiment;
mod host;
mod instance;
mod latency;
mod nat;
mod network;
mod operation;
mod oracle;
mod scenario;
mod spin_detector;
mod trace;
mod transport;
mod warm_start;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bulla_dht::node::Node;
use bulla_dht::secure::SecureDht;
use bulla_dht::{Contact, InfoHash, Origin, Rng, Seed, Timestamp, UnixTime};

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
pub use operation::{Observation, Operation, OperationError, OperationId, Outcome, Request};
pub use oracle::Violation;
pub use scenario::{Scenario, Start};
pub use trace::{Trace, TraceDigest};
pub use transport::UndeliveredTraffic;

use event::Event;
use event_queue::EventQueue;
use host::Host;
use nat::Routers;
use network::Network;
use oracle::Oracle;
use warm_start::WarmStart;

/// The Unix time at which each simulation begins.
const EPOCH: UnixTime = UnixTime::from_secs(1_700_000_000);
/// Hosts that a new node bootstraps from.
const ENTRY_POINTS: usize = 3;

/// A simulated world. Made by [`Scenario::start`].
pub struct Sim {
    /// What all chance grows from.
    seed: u64,
    now: Timestamp,
    /// Draws all chance but that of the network.
    rng: Rng,
    /// Loss, latency and splits of the paths between hosts.
    network: Network,
    /// The mappings of all routers.
    routers: Routers,
    /// All hosts ever added, by number, present or not.
    hosts: Vec<Host>,
    /// What is going to happen.
    queue: EventQueue,
    /// All operations ever begun, by number.
    operations: Vec<Operation>,
    /// What was published, and the rules broken so far.
    oracle: Oracle,
    /// The digest of what the nodes did.
    trace: Trace,
    /// Whether and how hosts come and go.
    churn: Option<Churn>,
    /// Ids and contacts of nodes that start with a table.
    warm_start: WarmStart,
    /// How long each node took to find its network.
    connecting: Vec<Duration>,
    /// How long a job takes.
    job_time: Duration,
    /// What was sent to addresses without a host.
    undelivered: BTreeMap<SocketAddr, UndeliveredTraffic>,
    /// What was sent in the name of [`Behaviour::VICTIM`].
    spoofed: UndeliveredTraffic,
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed, now, trace, ..
        } = self;
        write!(f, "Sim(seed {seed}, {now:?}, {trace:?})")
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

    /// Handles the next event; returns `false` if there is none.
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

    /// Runs for `span`.
    pub fn run_for(&mut self, span: Duration) {
        self.run_until(self.now + span);
    }

    /// Runs until these gets, queries and puts have ended, or a minute has passed.
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

    /// Returns the number that the whole world grew from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Returns the time of this world.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Returns the trace of what the nodes did so far.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Returns the rules broken so far.
    pub fn violations(&self) -> &[Violation] {
        &self.oracle.violations
    }

    /// Returns an operation.
    pub fn operation(&self, operation: OperationId) -> &Operation {
        &self.operations[operation.0]
    }

    /// Returns the node at a host; `None` while the host is absent.
    pub fn node(&self, host: HostId) -> Option<&Node> {
        self.dht(host).map(SecureDht::node)
    }

    /// Returns the same with its secure layer.
    pub fn dht(&self, host: HostId) -> Option<&SecureDht> {
        let instance = self.hosts[host.index()].instance.as_ref();
        instance.map(|instance| &instance.dht)
    }

    /// Returns what the clock of the node at a host shows.
    pub fn clock(&self, host: HostId) -> Timestamp {
        let instance = self.hosts[host.index()].instance.as_ref();
        instance.map_or(Timestamp::ZERO, |instance| instance.clock(self.now))
    }

    /// Returns the honest, open hosts that are present and are no clients.
    pub fn hosts(&self) -> Vec<HostId> {
        self.present(HostSpec::serves)
    }

    /// Returns the hosts that are present and take part as clients.
    pub fn clients(&self) -> Vec<HostId> {
        self.present(|spec| spec.config.client)
    }

    /// Returns the hosts that are present, behind routers.
    pub fn behind_nat(&self) -> Vec<HostId> {
        self.present(|spec| spec.nat.is_some())
    }

    /// Returns how long each node took so far to find its network, in the order in which they did.
    pub fn connecting(&self) -> &[Duration] {
        &self.connecting
    }

    /// Takes what each host has sent and received since the last call, whether it is present or
    /// not.
    pub fn take_loads(&mut self) -> Vec<Load> {
        self.hosts.iter_mut().map(|host| host.load.take()).collect()
    }

    /// Returns how many events are queued: datagrams on their way, wake-ups, comings and goings.
    pub fn pending(&self) -> usize {
        self.queue.len()
    }

    /// Draws one of [`Sim::hosts`].
    pub fn any_host(&mut self) -> Option<HostId> {
        let hosts = self.hosts();
        let which = self.rng.below(hosts.len() as u64) as usize;
        hosts.get(which).copied()
    }

    /// Returns the `count` of [`Sim::hosts`] nearest to `key` that `asker` could reach.
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

    /// Returns the hosts of the nodes that hold what a put published.
    pub fn holders(&self, put: OperationId) -> Vec<HostId> {
        let Operation { key, request, .. } = self.operation(put);
        let Request::Put(expected_value) = request else {
            return Vec::new();
        };
        self.ids()
            .filter(|host| self.holds(*host, *key, expected_value))
            .collect()
    }

    /// Returns what hostile hosts sent in the name of [`Behaviour::VICTIM`].
    pub fn spoofed(&self) -> UndeliveredTraffic {
        self.spoofed
    }

    /// Returns what was sent to an address without a host.
    pub fn undelivered_to(&self, to: SocketAddr) -> UndeliveredTraffic {
        self.undelivered.get(&to).copied().unwrap_or_default()
    }

    /// Adds a host and starts its node at once.
    pub fn join(&mut self, spec: HostSpec) -> HostId {
        let host = self.add(Arc::new(spec));
        self.start_node(host);
        host
    }

    /// Starts a new node at a host that is absent.
    pub fn rejoin(&mut self, host: HostId) {
        self.start_node(host);
    }

    /// Stops the node at a host without notice.
    pub fn leave(&mut self, host: HostId) {
        self.stop_node(host);
    }

    /// Splits the network: each host reaches only those of its own side. Hosts on no side reach
    /// all.
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

    /// Tells the node at a host that its network has changed.
    pub fn connectivity_changed(&mut self, host: HostId) {
        self.with_dht(host, SecureDht::connectivity_changed);
    }

    /// Lets a host sleep: nothing runs there, and what comes is lost. After that it notes, as the
    /// system's clocks tell, that it has slept.
    pub fn sleep(&mut self, host: HostId, span: Duration) {
        let end = self.now + span;
        self.hosts[host.index()].asleep_until = end;
        self.queue.push(end, Event::EndSleep(host));
    }

    /// Sets the calendar of a host.
    pub fn set_calendar(&mut self, host: HostId, to: UnixTime) {
        self.with_dht(host, |dht, clock| {
            let at_zero = to.as_micros().saturating_sub(clock.as_micros());
            dht.set_calendar(clock, Origin::new(UnixTime::from_micros(at_zero)));
        });
    }

    /// Has the oracle check all that is stored. Takes time in proportion to it.
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

    /// Draws the ids of the first nodes at the hosts so far, and collects those that a table can
    /// hold.
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
