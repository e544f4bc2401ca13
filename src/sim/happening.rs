//! [`Happening`]: what can happen in a simulated world, and how the world lets it.

use bytes::Bytes;

use super::host::{Host, Restlessness, Tenant};
use super::hostile::{Forged, Mischief};
use super::publication::Publication;
use super::{Ending, ErrandId, HostId, Sim, Task};
use crate::node::{Node, Status, Timer, Transmit};
use crate::secure::{Done, Job, SecureConfig, SecureDht, SecureEvent, SecureOutput};
use crate::{Config, Family, InfoHash, Origin, Query, Timestamp, ValueType};

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Something that happens at a moment.
#[derive(Debug)]
pub(super) enum Happening {
    /// A datagram reaches its host, at one of its ports.
    Arrival {
        host: HostId,
        port: u16,
        from: SocketAddr,
        bytes: Bytes,
    },
    /// A node's timer goes off.
    Wake(HostId),
    /// A job of the node of this tenancy is done.
    Done {
        host: HostId,
        tenancy: u32,
        done: Box<Done>,
    },
    /// A hostile node does something of its own accord, that of this tenancy.
    Mischief { host: HostId, tenancy: u32 },
    /// A node comes.
    Join(HostId),
    /// The first node at a host learns what is in its table; from `call` on it asks who of them is still there.
    Acquaint { host: HostId, call: Timestamp },
    /// The node of this tenancy goes without a word.
    Leave { host: HostId, tenancy: u32 },
    /// An errand ought to be over.
    Deadline(ErrandId),
}

impl Sim {
    pub(super) fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Arrival {
                host,
                port,
                from,
                bytes,
            } => self.arrive((host, port), from, &bytes),
            Happening::Wake(host) => self.look_after(host),
            Happening::Done {
                host,
                tenancy,
                done,
            } if self.hosts[host.index()].tenancies == tenancy => {
                self.with_dht(host, |dht, clock| dht.handle_done(clock, *done));
            }
            Happening::Mischief { host, tenancy }
                if self.hosts[host.index()].tenancies == tenancy =>
            {
                self.make_mischief(host);
            }
            Happening::Leave { host, tenancy } if self.hosts[host.index()].tenancies == tenancy => {
                self.move_out(host);
            }
            Happening::Done { .. } | Happening::Mischief { .. } | Happening::Leave { .. } => {}
            Happening::Join(host) => self.move_in(host),
            Happening::Acquaint { host, call } => self.acquaint(host, call),
            Happening::Deadline(errand) => {
                let errand = &self.errands[errand.0];
                self.oracle.judge_patience(self.now, errand);
            }
        }
    }

    /// Lets the node of a host do something, and takes what comes of it; nothing happens while the host is away.
    pub(super) fn with_dht<T>(
        &mut self,
        host: HostId,
        act: impl FnOnce(&mut SecureDht, Timestamp) -> T,
    ) -> Option<T> {
        let tenant = self.hosts[host.index()].tenant.as_mut()?;
        let clock = tenant.clock(self.now);
        let result = act(&mut tenant.dht, clock);
        self.drain(host);
        Some(result)
    }

    /// A new node starts at a host.
    pub(super) fn move_in(&mut self, id: HostId) {
        if self.hosts[id.index()].tenant.is_some() {
            return;
        }
        let seed = self.rng.seed();
        let own = self.warm_id(id);
        let entry_points = self.entry_points(id);
        let now = self.now;
        let host = &mut self.hosts[id.index()];
        let origin = Origin::new(super::EPOCH + now.since(Timestamp::ZERO));
        let config = Config {
            node_id: own.or(host.spec.config.node_id),
            ..host.spec.config.clone()
        };
        let node = match Node::new(config, seed.clone(), origin) {
            Ok(node) => node,
            Err(error) => return self.oracle.accuse(now, id, error.to_string()),
        };
        let identity = host.spec.identity.clone();
        let config = SecureConfig::default();
        let dht = SecureDht::new(node, identity, seed.public().seed(), config);
        host.tenancies += 1;
        let tenancy = host.tenancies;
        let network = host.spec.config.network;
        let mischief = host
            .spec
            .vice
            .map(|vice| Mischief::new(vice, seed.private(), network));
        if mischief.is_some() {
            self.queue
                .push(now, Happening::Mischief { host: id, tenancy });
        }
        self.hosts[id.index()].tenant = Some(Box::new(Tenant {
            dht,
            born: now,
            is_connected: own.is_some(),
            due: Timestamp::MAX,
            planned: None,
            timer: Timer::Never,
            errands: BTreeMap::new(),
            mischief,
            restlessness: Restlessness::default(),
        }));
        self.routers.forget(id);
        if own.is_none() {
            self.with_dht(id, |dht, clock| dht.bootstrap(clock, &entry_points));
        }
        self.schedule_turn(id);
    }

    /// The node at a host is no more.
    pub(super) fn move_out(&mut self, id: HostId) {
        let Some(tenant) = self.hosts[id.index()].tenant.take() else {
            return;
        };
        for errand in tenant.errands.into_values() {
            self.end(errand);
        }
        self.oracle.on_stop(self.now, id, None);
        self.schedule_turn(id);
    }

    /// Notes that an errand ends before its time.
    pub(super) fn end(&mut self, errand: ErrandId) {
        let errand = &mut self.errands[errand.0];
        if errand.ended.is_none() {
            errand.ended = Some((self.now, Ending::Cancelled));
        }
    }

    /// The values that so many of the nodes nearest to a key hold that a get must find them.
    pub(super) fn well_held(
        &self,
        asker: HostId,
        key: InfoHash,
        query: &Query,
    ) -> Vec<Publication> {
        let mut current = self.oracle.current(self.now, &key).peekable();
        let is_judged = !self.oracle.excuses_misses && query.conditions.is_empty();
        if current.peek().is_none() || !is_judged {
            return Vec::new();
        }
        let nearest = self.nearest(asker, key, super::NEAREST);
        let is_well_held = |publication: &&Publication| {
            let holding = |host: &&HostId| self.holds(**host, key, publication);
            nearest.iter().filter(holding).count() >= super::WELL_HELD
        };
        current.filter(is_well_held).cloned().collect()
    }

    pub(super) fn holds(&self, host: HostId, key: InfoHash, publication: &Publication) -> bool {
        self.node(host)
            .and_then(|node| node.stored(key, publication.id))
            .is_some_and(|stored| publication.is_copied_by(stored))
    }

    /// How long a value of this type lives at a host.
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
        let is_first = self.hosts[host.index()].tenancies == 0;
        self.warmth.id(host).filter(|_| is_first)
    }

    /// Tells a node that starts with a table of those who are in it.
    fn acquaint(&mut self, id: HostId, call: Timestamp) {
        let host = &self.hosts[id.index()];
        let size = host.spec.config.bucket_size;
        let (Some(own), Some(tenant)) = (self.warmth.id(id), &host.tenant) else {
            return;
        };
        let call = tenant.clock(call);
        let known = self.warmth.of(own, size, &mut self.rng);
        self.with_dht(id, |dht, clock| dht.restore_contacts(clock, &known, call));
    }

    /// The first hosts there are, as addresses.
    fn entry_points(&self, newcomer: HostId) -> Vec<SocketAddr> {
        let newcomer = &self.hosts[newcomer.index()];
        let known = self.ids().filter(|id| {
            let host = &self.hosts[id.index()];
            host.tenant.is_some() && host.spec.serves() && host.shares_network(newcomer)
        });
        known
            .take(super::ENTRY_POINTS)
            .flat_map(|id| self.hosts[id.index()].addresses(id))
            .collect()
    }

    /// Draws how long a host stays there, or away.
    pub(super) fn schedule_turn(&mut self, host: HostId) {
        let Host {
            tenant, tenancies, ..
        } = &self.hosts[host.index()];
        let (present, tenancy) = (tenant.is_some(), *tenancies);
        let Some(churn) = self.churn.filter(|churn| host.index() >= churn.anchors) else {
            return;
        };
        let (span, turn) = if present {
            (churn.session, Happening::Leave { host, tenancy })
        } else {
            (churn.absence, Happening::Join(host))
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
        if host.tenant.is_some() {
            host.load.receive(bytes.len());
        }
        let mischief = host.tenant.as_mut().and_then(|it| it.mischief.as_mut());
        if let Some(mischief) = mischief {
            mischief.hear(from, bytes);
        }
        self.with_dht(id, |dht, clock| dht.handle_datagram(clock, from, bytes));
    }

    /// Wakes a node, if it is time for that. Its plans may have changed since this was scheduled.
    fn look_after(&mut self, host: HostId) {
        let now = self.now;
        let Some(tenant) = &mut self.hosts[host.index()].tenant else {
            return;
        };
        if tenant.planned != Some(now) {
            return;
        }
        tenant.planned = None;
        if tenant.due > now {
            return self.plan(host);
        }
        self.wake(host);
    }

    fn wake(&mut self, host: HostId) {
        let now = self.now;
        let Some(tenant) = &mut self.hosts[host.index()].tenant else {
            return;
        };
        tenant.due = Timestamp::MAX;
        let timer = tenant.timer;
        let clock = tenant.clock(now);
        tenant.dht.handle_timeout(clock);
        let did_something = self.drain(host) || timer == Timer::Requests;
        let Host { tenant, spec, .. } = &mut self.hosts[host.index()];
        let (Some(tenant), None) = (tenant, spec.vice) else {
            return;
        };
        // What is due may have to wait for its turn.
        let waits = matches!(timer, Timer::Lookup(..))
            && tenant.dht.node().stats(clock).waiting_lookups > 0;
        if !did_something && !waits && tenant.restlessness.is_too_much(now) {
            tenant.restlessness = Restlessness::default();
            let what = format!("wakes again and again for nothing: {timer:?}");
            self.oracle.accuse(now, host, what);
        }
        if tenant.due <= now {
            let what = format!("wants to be woken in the past, twice: {timer:?}");
            self.oracle.accuse(now, host, what);
        }
        let errands = tenant.errands.len();
        self.oracle.inspect(now, host, &tenant.dht, clock, errands);
    }

    /// Takes all that a node puts out; says whether there was anything beside the next wake-up.
    fn drain(&mut self, host: HostId) -> bool {
        let mut did_something = false;
        while let Some(tenant) = &mut self.hosts[host.index()].tenant {
            match tenant.dht.poll_output() {
                SecureOutput::Transmit(transmit) => self.send(host, transmit),
                SecureOutput::Event(event) => self.tell(host, event),
                SecureOutput::Job(job) => self.work(host, job),
                SecureOutput::Wake(at, timer) => {
                    tenant.timer = timer;
                    self.set_wake(host, at);
                    return did_something;
                }
            }
            did_something = true;
        }
        did_something
    }

    fn set_wake(&mut self, host: HostId, at: Timestamp) {
        let Some(tenant) = &mut self.hosts[host.index()].tenant else {
            return;
        };
        let at = tenant.moment(at);
        if tenant.due != at {
            tenant.due = at;
            self.trace.wake(self.now, host, at);
            self.plan(host);
        }
    }

    /// Sees to it that something in the queue looks after a node when it wants to be woken, or before.
    fn plan(&mut self, host: HostId) {
        let Some(tenant) = &mut self.hosts[host.index()].tenant else {
            return;
        };
        let due = tenant.due;
        if due < Timestamp::MAX && tenant.planned.is_none_or(|planned| planned > due) {
            tenant.planned = Some(due);
            self.queue.push(due, Happening::Wake(host));
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
        match host.tenant.as_mut().and_then(|it| it.mischief.as_mut()) {
            None => self.carry(id, from, transmit),
            Some(mischief) => {
                for transmit in mischief.twist(transmit) {
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
        let Some(receiver) = self.resident(to) else {
            return self.strays.entry(to).or_default().add(bytes.len());
        };
        for at in self.network.carry(self.now, host, receiver) {
            let arrival = Happening::Arrival {
                host: receiver,
                port: to.port(),
                from,
                bytes: bytes.clone(),
            };
            self.queue.push(at, arrival);
        }
    }

    /// The host that an address belongs to.
    fn resident(&self, address: SocketAddr) -> Option<HostId> {
        let id = HostId::at(address.ip())?;
        let host = self.hosts.get(id.index())?;
        let is_open = host.spec.nat.is_none();
        let lives_there = if is_open {
            host.addresses(id).any(|own| own == address)
        } else {
            host.addresses(id).any(|own| own.ip() == address.ip())
        };
        lives_there.then_some(id)
    }

    fn tell(&mut self, host: HostId, event: SecureEvent) {
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
            SecureEvent::Certificate { .. }
            | SecureEvent::PublicKey { .. }
            | SecureEvent::StatusChanged { .. } => return,
        };
        let Host { tenant, spec, .. } = &mut self.hosts[host.index()];
        let Some(tenant) = tenant else {
            return;
        };
        let Some(&id) = tenant.errands.get(&op) else {
            let what = format!("told of an operation that is over: {event:?}");
            return self.oracle.accuse(now, host, what);
        };
        let honest = spec.vice.is_none();
        let errand = &mut self.errands[id.0];
        if over && !errand.task.goes_on() {
            tenant.errands.remove(&op);
        }
        if let (SecureEvent::Values { values, .. }, true) = (&event, honest) {
            self.oracle.judge_values(now, errand, values);
        }
        if let Err(what) = errand.hear(now, event) {
            self.oracle.accuse(now, host, what);
        }
        let errand = &self.errands[id.0];
        if let (Task::Get(query), true, true) = (&errand.task, over, honest) {
            let well_held = self.well_held(host, errand.key, query);
            self.oracle.judge_end(now, errand, &well_held);
        }
    }

    /// Notes how long a node took to find its network, unless it knew that before.
    fn on_connected(&mut self, host: HostId) {
        let now = self.now;
        if let Some(tenant) = &mut self.hosts[host.index()].tenant
            && !tenant.is_connected
        {
            tenant.is_connected = true;
            self.connecting.push(now.since(tenant.born));
        }
    }

    fn work(&mut self, host: HostId, job: Job) {
        let done = Happening::Done {
            host,
            tenancy: self.hosts[host.index()].tenancies,
            done: Box::new(job.run()),
        };
        self.queue.push(self.now + self.job_time, done);
    }

    fn make_mischief(&mut self, id: HostId) {
        let all = self.ids();
        let addresses: Vec<SocketAddr> = all
            .flat_map(|id| self.hosts[id.index()].addresses(id))
            .collect();
        let host = &mut self.hosts[id.index()];
        let tenancy = host.tenancies;
        let own = host.addresses(id).next();
        let mischief = host.tenant.as_mut().and_then(|it| it.mischief.as_mut());
        let (Some(mischief), Some(own)) = (mischief, own) else {
            return;
        };
        for Forged { from, transmit } in mischief.act(own, &addresses) {
            if from == super::Vice::VICTIM {
                self.spoofed.add(transmit.bytes.len());
            }
            self.carry(id, from, transmit);
        }
        let next = self.now + Mischief::PERIOD;
        self.queue
            .push(next, Happening::Mischief { host: id, tenancy });
    }
}
