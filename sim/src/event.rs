//! [`Event`]: what can happen in a simulated world, and what follows from it.

use bytes::Bytes;

use super::adversary::{Adversary, Forged};
use super::expected_value::ExpectedValue;
use super::host::{Host, Instance, SpinDetector};
use super::{HostId, OperationId, Outcome, Request, Sim};
use bulla_dht::node::{Node, Status, Timer, Transmit};
use bulla_dht::secure::{Done, Job, SecureConfig, SecureDht, SecureEvent, SecureOutput};
use bulla_dht::{Config, Family, InfoHash, Origin, Query, Timestamp, ValueType};

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Something that happens at a moment.
#[derive(Debug)]
pub(super) enum Event {
    /// A datagram reaches its host, at one of its ports.
    Arrival {
        host: HostId,
        port: u16,
        from: SocketAddr,
        bytes: Bytes,
    },
    /// A node's timer goes off.
    Wake(HostId),
    /// A job of the node of this generation is done.
    Done {
        host: HostId,
        generation: u32,
        done: Box<Done>,
    },
    /// A hostile node does something of its own accord, that of this generation.
    Attack { host: HostId, generation: u32 },
    /// A node comes.
    Join(HostId),
    /// The first node at a host learns what is in its table; from `call` on it asks who of them is still there.
    RestoreContacts { host: HostId, call: Timestamp },
    /// The node of this generation goes without a word.
    Leave { host: HostId, generation: u32 },
    /// An operation ought to be over.
    Deadline(OperationId),
}

impl Sim {
    pub(super) fn handle(&mut self, event: Event) {
        match event {
            Event::Arrival {
                host,
                port,
                from,
                bytes,
            } => self.arrive((host, port), from, &bytes),
            Event::Wake(host) => self.wake_if_due(host),
            Event::Done {
                host,
                generation,
                done,
            } if self.hosts[host.index()].generation == generation => {
                self.with_dht(host, |dht, clock| dht.handle_done(clock, *done));
            }
            Event::Attack { host, generation }
                if self.hosts[host.index()].generation == generation =>
            {
                self.attack_from(host);
            }
            Event::Leave { host, generation }
                if self.hosts[host.index()].generation == generation =>
            {
                self.stop_node(host);
            }
            Event::Done { .. } | Event::Attack { .. } | Event::Leave { .. } => {}
            Event::Join(host) => self.start_node(host),
            Event::RestoreContacts { host, call } => self.restore_contacts(host, call),
            Event::Deadline(operation) => {
                let operation = &self.operations[operation.0];
                self.oracle.on_deadline(self.now, operation);
            }
        }
    }

    /// Lets the node of a host do something, and takes what comes of it; nothing happens while the host is away.
    pub(super) fn with_dht<T>(
        &mut self,
        host: HostId,
        act: impl FnOnce(&mut SecureDht, Timestamp) -> T,
    ) -> Option<T> {
        let instance = self.hosts[host.index()].instance.as_mut()?;
        let clock = instance.clock(self.now);
        let result = act(&mut instance.dht, clock);
        self.drain(host);
        Some(result)
    }

    /// A new node starts at a host.
    pub(super) fn start_node(&mut self, id: HostId) {
        if self.hosts[id.index()].instance.is_some() {
            return;
        }
        let seed = self.rng.seed();
        let own = self.warm_id(id);
        let entry_points = self.entry_points(id);
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
        let adversary = host
            .spec
            .behaviour
            .map(|behaviour| Adversary::new(behaviour, seed.private(), network));
        if adversary.is_some() {
            self.queue.push(
                now,
                Event::Attack {
                    host: id,
                    generation,
                },
            );
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

    /// The node at a host is no more.
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

    /// Notes that an operation ends before its time.
    pub(super) fn end(&mut self, operation: OperationId) {
        let operation = &mut self.operations[operation.0];
        if operation.ended.is_none() {
            operation.ended = Some((self.now, Outcome::Cancelled));
        }
    }

    /// The values that so many of the nodes nearest to a key hold that a get must find them.
    pub(super) fn well_held(
        &self,
        asker: HostId,
        key: InfoHash,
        query: &Query,
    ) -> Vec<ExpectedValue> {
        let mut current = self.oracle.current(self.now, &key).peekable();
        let is_judged = !self.oracle.excuses_misses && query.conditions.is_empty();
        if current.peek().is_none() || !is_judged {
            return Vec::new();
        }
        let nearest = self.nearest(asker, key, super::NEAREST);
        let is_well_held = |expected_value: &&ExpectedValue| {
            let holding = |host: &&HostId| self.holds(**host, key, expected_value);
            nearest.iter().filter(holding).count() >= super::WELL_HELD
        };
        current.filter(is_well_held).cloned().collect()
    }

    pub(super) fn holds(
        &self,
        host: HostId,
        key: InfoHash,
        expected_value: &ExpectedValue,
    ) -> bool {
        self.node(host)
            .and_then(|node| node.stored(key, expected_value.id))
            .is_some_and(|stored| expected_value.matches_stored(stored))
    }

    /// How long a value of this kind lives at a host.
    pub(super) fn lifetime_of(&self, host: HostId, value_type: ValueType) -> Duration {
        self.hosts[host.index()]
            .spec
            .config
            .value_types
            .rules(value_type)
            .lifetime
    }

    /// The id of a node that starts with a table, the first at its host.
    fn warm_id(&self, host: HostId) -> Option<InfoHash> {
        let is_first = self.hosts[host.index()].generation == 0;
        self.warm_start.id(host).filter(|_| is_first)
    }

    /// Tells a node that starts with a table of those who are in it.
    fn restore_contacts(&mut self, id: HostId, call: Timestamp) {
        let host = &self.hosts[id.index()];
        let size = host.spec.config.routing.bucket_size;
        let (Some(own), Some(instance)) = (self.warm_start.id(id), &host.instance) else {
            return;
        };
        let call = instance.clock(call);
        let known = self.warm_start.of(own, size, &mut self.rng);
        self.with_dht(id, |dht, clock| dht.restore_contacts(clock, &known, call));
    }

    /// The first hosts there are, as addresses.
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

    /// Draws how long a host stays there, or away.
    pub(super) fn schedule_turn(&mut self, host: HostId) {
        let Host {
            instance,
            generation,
            ..
        } = &self.hosts[host.index()];
        let (present, generation) = (instance.is_some(), *generation);
        let Some(churn) = self.churn.filter(|churn| host.index() >= churn.anchors) else {
            return;
        };
        let (span, turn) = if present {
            (churn.session, Event::Leave { host, generation })
        } else {
            (churn.absence, Event::Join(host))
        };
        let at = self.now + span.draw(&mut self.rng);
        self.queue.push(at, turn);
    }

    fn arrive(&mut self, to: (HostId, u16), from: SocketAddr, bytes: &Bytes) {
        let id = to.0;
        let host = &mut self.hosts[id.index()];
        if let Some(nat) = host.spec.nat
            && !self.routers.lets_in(self.now, nat, to, from)
        {
            return;
        }
        if host.instance.is_some() {
            host.load.receive(bytes.len());
        }
        let adversary = host.instance.as_mut().and_then(|it| it.adversary.as_mut());
        if let Some(adversary) = adversary {
            adversary.record(from, bytes);
        }
        self.with_dht(id, |dht, clock| dht.handle_datagram(clock, from, bytes));
    }

    /// Wakes a node, if it is time for that. Its plans may have changed since this was scheduled.
    fn wake_if_due(&mut self, host: HostId) {
        let now = self.now;
        let Some(instance) = &mut self.hosts[host.index()].instance else {
            return;
        };
        if instance.planned != Some(now) {
            return;
        }
        instance.planned = None;
        if instance.due > now {
            return self.plan(host);
        }
        self.wake(host);
    }

    fn wake(&mut self, host: HostId) {
        let now = self.now;
        let Some(instance) = &mut self.hosts[host.index()].instance else {
            return;
        };
        instance.due = Timestamp::MAX;
        let timer = instance.timer;
        let clock = instance.clock(now);
        instance.dht.handle_timeout(clock);
        let did_something = self.drain(host) || timer == Timer::Requests;
        let Host { instance, spec, .. } = &mut self.hosts[host.index()];
        let (Some(instance), None) = (instance, spec.behaviour) else {
            return;
        };
        // What is due may have to wait for its turn.
        let waits = matches!(timer, Timer::Lookup(..))
            && instance.dht.node().stats(clock).waiting_lookups > 0;
        if !did_something && !waits && instance.spin_detector.is_spinning(now) {
            instance.spin_detector = SpinDetector::default();
            let what = format!("wakes again and again for nothing: {timer:?}");
            self.oracle.report_violation(now, host, what);
        }
        if instance.due <= now {
            let what = format!("wants to be woken in the past, twice: {timer:?}");
            self.oracle.report_violation(now, host, what);
        }
        let operations = instance.operations.len();
        self.oracle
            .check_bounds(now, host, &instance.dht, clock, operations);
    }

    /// Takes all that a node puts out; says whether there was anything beside the next wake-up.
    fn drain(&mut self, host: HostId) -> bool {
        let mut did_something = false;
        while let Some(instance) = &mut self.hosts[host.index()].instance {
            match instance.dht.poll_output() {
                SecureOutput::Transmit(transmit) => self.send(host, transmit),
                SecureOutput::Event(event) => self.on_secure_event(host, event),
                SecureOutput::Job(job) => self.work(host, job),
                SecureOutput::Wake(at, timer) => {
                    instance.timer = timer;
                    self.set_wake(host, at);
                    return did_something;
                }
            }
            did_something = true;
        }
        did_something
    }

    fn set_wake(&mut self, host: HostId, at: Timestamp) {
        let Some(instance) = &mut self.hosts[host.index()].instance else {
            return;
        };
        let at = instance.moment(at);
        if instance.due != at {
            instance.due = at;
            self.trace.wake(self.now, host, at);
            self.plan(host);
        }
    }

    /// Sees to it that something in the queue looks after a node when it wants to be woken, or before.
    fn plan(&mut self, host: HostId) {
        let Some(instance) = &mut self.hosts[host.index()].instance else {
            return;
        };
        let due = instance.due;
        if due < Timestamp::MAX && instance.planned.is_none_or(|planned| planned > due) {
            instance.planned = Some(due);
            self.queue.push(due, Event::Wake(host));
        }
    }

    fn send(&mut self, id: HostId, transmit: Transmit) {
        self.trace.transmit(self.now, id, &transmit);
        let host = &mut self.hosts[id.index()];
        let family = Family::of(&transmit.to);
        if !host.spec.addressing.has(family) {
            return;
        }
        host.load.send(transmit.bytes.len());
        let from = id.address(family);
        match host.instance.as_mut().and_then(|it| it.adversary.as_mut()) {
            None => self.carry(id, from, transmit),
            Some(adversary) => {
                for transmit in adversary.tamper(transmit) {
                    self.carry(id, from, transmit);
                }
            }
        }
    }

    fn carry(&mut self, host: HostId, from: SocketAddr, transmit: Transmit) {
        let Transmit { to, bytes } = transmit;
        let from = match self.hosts[host.index()].spec.nat {
            Some(nat) => {
                let inside = (host, from.port());
                let port = self.routers.let_out(self.now, nat, inside, to);
                SocketAddr::new(from.ip(), port)
            }
            None => from,
        };
        let Some(receiver) = self.host_at(to) else {
            return self.undelivered.entry(to).or_default().add(bytes.len());
        };
        for at in self.network.carry(self.now, host, receiver) {
            let arrival = Event::Arrival {
                host: receiver,
                port: to.port(),
                from,
                bytes: bytes.clone(),
            };
            self.queue.push(at, arrival);
        }
    }

    /// The host that an address belongs to.
    fn host_at(&self, address: SocketAddr) -> Option<HostId> {
        let id = HostId::at(address.ip())?;
        let host = self.hosts.get(id.index())?;
        let is_open = host.spec.nat.is_none();
        let is_its_own = if is_open {
            host.addresses(id).any(|own| own == address)
        } else {
            host.addresses(id).any(|own| own.ip() == address.ip())
        };
        is_its_own.then_some(id)
    }

    fn on_secure_event(&mut self, host: HostId, event: SecureEvent) {
        let now = self.now;
        self.trace.event(now, host, &event);
        let (op, over) = match &event {
            SecureEvent::Values { op, .. }
            | SecureEvent::Expired { op, .. }
            | SecureEvent::Rows { op, .. } => (*op, false),
            SecureEvent::GetDone { op, .. }
            | SecureEvent::PutDone { op, .. }
            | SecureEvent::PutFailed { op, .. } => (*op, true),
            SecureEvent::StatusChanged {
                status: Status::Connected,
                ..
            } => return self.on_connected(host),
            // All others are about no operation of the simulation.
            _ => return,
        };
        let Host { instance, spec, .. } = &mut self.hosts[host.index()];
        let Some(instance) = instance else {
            return;
        };
        let Some(&id) = instance.operations.get(&op) else {
            let what = format!("told of an operation that is over: {event:?}");
            return self.oracle.report_violation(now, host, what);
        };
        let honest = spec.behaviour.is_none();
        let operation = &mut self.operations[id.0];
        if over && !operation.request.is_ongoing() {
            instance.operations.remove(&op);
        }
        if let (SecureEvent::Values { values, .. }, true) = (&event, honest) {
            self.oracle.check_values(now, operation, values);
        }
        if let Err(what) = operation.on_event(now, event) {
            self.oracle.report_violation(now, host, what);
        }
        let operation = &self.operations[id.0];
        if let (Request::Get(query), true, true) = (&operation.request, over, honest) {
            let well_held = self.well_held(host, operation.key, query);
            self.oracle.check_end(now, operation, &well_held);
        }
    }

    /// Notes how long a node took to find its network, unless it knew that before.
    fn on_connected(&mut self, host: HostId) {
        let now = self.now;
        if let Some(instance) = &mut self.hosts[host.index()].instance
            && !instance.is_connected
        {
            instance.is_connected = true;
            self.connecting.push(now.since(instance.born));
        }
    }

    fn work(&mut self, host: HostId, job: Job) {
        let done = Event::Done {
            host,
            generation: self.hosts[host.index()].generation,
            done: Box::new(job.run()),
        };
        self.queue.push(self.now + self.job_time, done);
    }

    fn attack_from(&mut self, id: HostId) {
        let all = self.ids();
        let addresses: Vec<SocketAddr> = all
            .flat_map(|id| self.hosts[id.index()].addresses(id))
            .collect();
        let host = &mut self.hosts[id.index()];
        let generation = host.generation;
        let own = host.addresses(id).next();
        let adversary = host.instance.as_mut().and_then(|it| it.adversary.as_mut());
        let (Some(adversary), Some(own)) = (adversary, own) else {
            return;
        };
        for Forged { from, transmit } in adversary.attack(own, &addresses) {
            if from == super::Behaviour::VICTIM {
                self.spoofed.add(transmit.bytes.len());
            }
            self.carry(id, from, transmit);
        }
        let next = self.now + Adversary::PERIOD;
        self.queue.push(
            next,
            Event::Attack {
                host: id,
                generation,
            },
        );
    }
}
