//! [`Instance`]: a node at work, from its start at a host to its end there.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bulla_dht::node::{Node, OpId, Timer};
use bulla_dht::secure::{SecureConfig, SecureDht};
use bulla_dht::{Config, InfoHash, Origin, Timestamp};

use super::adversary::{Adversary, Behaviour};
use super::event::Event;
use super::spin_detector::SpinDetector;
use super::{HostId, OperationId, Sim};

/// A node at work.
pub(super) struct Instance {
    pub(super) dht: SecureDht,
    /// The zero of its clock.
    pub(super) born: Timestamp,
    /// Whether it has found its network.
    pub(super) is_connected: bool,
    /// When it is to be woken.
    pub(super) due: Timestamp,
    /// The time of the event that wakes it, or looks again when it is to be woken.
    pub(super) planned: Option<Timestamp>,
    /// What it is to be woken for.
    pub(super) timer: Timer,
    /// What it does for the simulation.
    pub(super) operations: BTreeMap<OpId, OperationId>,
    pub(super) adversary: Option<Adversary>,
    pub(super) spin_detector: SpinDetector,
}

impl Instance {
    /// What its clock shows.
    pub(super) fn clock(&self, now: Timestamp) -> Timestamp {
        Timestamp::ZERO + now.since(self.born)
    }

    /// When its clock will show `at`.
    pub(super) fn moment(&self, at: Timestamp) -> Timestamp {
        if at == Timestamp::MAX {
            return at;
        }
        self.born + at.since(Timestamp::ZERO)
    }
}

impl Sim {
    /// Starts a new node at a host, unless one is there.
    pub(super) fn start_node(&mut self, id: HostId) {
        if self.hosts[id.index()].instance.is_some() {
            return;
        }
        let seed = self.rng.seed();
        let own = self.warm_id(id);
        let entry_points = self.entry_points(id);
        let league = match self.hosts[id.index()].spec.behaviour {
            Some(Behaviour::League) => self.league(),
            Some(_) | None => Vec::new(),
        };
        let now = self.now;
        let host = &mut self.hosts[id.index()];
        let origin = Origin::new(super::EPOCH + now.since(Timestamp::ZERO));
        let config = Config {
            id: own.or(host.spec.config.id),
            ..host.spec.config.clone()
        };
        let node = match Node::new(config, seed.clone(), origin) {
            Ok(node) => node,
            Err(error) => return self.oracle.report_violation(now, id, error.to_string()),
        };
        let identity = host.spec.identity.clone();
        let config = SecureConfig::default();
        let dht = SecureDht::new(node, identity, seed.public().seed(), config);
        host.generation += 1;
        let generation = host.generation;
        let network = host.spec.config.network;
        let adversary = (host.spec.behaviour)
            .map(|behaviour| Adversary::new(behaviour, seed.private(), network, league));
        if adversary.is_some() {
            let attack = Event::Attack {
                host: id,
                generation,
            };
            self.queue.push(now, attack);
        }
        self.hosts[id.index()].instance = Some(Box::new(Instance {
            dht,
            born: now,
            is_connected: own.is_some(),
            due: Timestamp::MAX,
            planned: None,
            timer: Timer::Never,
            operations: BTreeMap::new(),
            adversary,
            spin_detector: SpinDetector::default(),
        }));
        self.routers.forget(id);
        if own.is_none() {
            self.with_dht(id, |dht, clock| dht.bootstrap(clock, &entry_points));
        }
        self.schedule_turn(id);
    }

    /// Stops the node at a host, if one is there.
    pub(super) fn stop_node(&mut self, id: HostId) {
        let Some(instance) = self.hosts[id.index()].instance.take() else {
            return;
        };
        for operation in instance.operations.into_values() {
            self.end(operation);
        }
        self.oracle.on_stop(self.now, id, None);
        self.schedule_turn(id);
    }

    /// Hands a node that starts with a table the contacts in it.
    pub(super) fn restore_contacts(&mut self, id: HostId, call: Timestamp) {
        let host = &self.hosts[id.index()];
        let size = host.spec.config.routing.bucket_size;
        let (Some(own), Some(instance)) = (self.warm_start.id(id), &host.instance) else {
            return;
        };
        let call = instance.clock(call);
        let known = self.warm_start.of(own, size, &mut self.rng);
        self.with_dht(id, |dht, clock| dht.restore_contacts(clock, &known, call));
    }

    /// Draws how long a host stays present, or absent.
    pub(super) fn schedule_turn(&mut self, host: HostId) {
        let it = &self.hosts[host.index()];
        let (is_present, generation) = (it.instance.is_some(), it.generation);
        let Some(churn) = self.churn.filter(|churn| host.index() >= churn.anchors) else {
            return;
        };
        let (span, turn) = if is_present {
            (churn.session, Event::Leave { host, generation })
        } else {
            (churn.absence, Event::Join(host))
        };
        let at = self.now + span.draw(&mut self.rng);
        self.queue.push(at, turn);
    }

    /// The id of a node that starts with a table, the first at its host.
    fn warm_id(&self, host: HostId) -> Option<InfoHash> {
        let is_first = self.hosts[host.index()].generation == 0;
        self.warm_start.id(host).filter(|_| is_first)
    }

    /// The addresses of the first hosts that are present and that a new one can reach.
    fn entry_points(&self, newcomer: HostId) -> Vec<SocketAddr> {
        let newcomer = &self.hosts[newcomer.index()];
        let known = self.ids().filter(|id| {
            let host = &self.hosts[id.index()];
            host.instance.is_some() && host.spec.serves() && host.shares_network(newcomer)
        });
        known
            .take(super::ENTRY_POINTS)
            .flat_map(|id| self.hosts[id.index()].addresses(id))
            .collect()
    }
}
