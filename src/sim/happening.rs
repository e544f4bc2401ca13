//! [`Happening`]: what can happen in a simulated world, and how the world lets it.

use bytes::Bytes;

use super::host::{Host, Restlessness, Tenant};
use super::hostile::{Forged, Mischief};
use super::publication::Publication;
use super::{Ending, ErrandId, HostId, Sim, Task};
use crate::node::{Node, Timer, Transmit};
use crate::secure::{Done, Job, SecureConfig, SecureDht, SecureEvent, SecureOutput};
use crate::{InfoHash, Kind, Origin, Query, Timestamp};

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Something that happens at a moment.
#[derive(Debug)]
pub(super) enum Happening {
    /// A datagram reaches its host.
    Arrival {
        host: HostId,
        from: SocketAddr,
        bytes: Bytes,
    },
    /// A node's timer goes off.
    Wake(HostId),
    /// A job of the node of this tenancy is done.
    Done {
        host: HostId,
        tenancy: u32,
        done: Done,
    },
    /// A hostile node does something of its own accord, that of this tenancy.
    Mischief { host: HostId, tenancy: u32 },
    /// A node comes.
    Join(HostId),
    /// A node goes without a word.
    Leave(HostId),
    /// An errand ought to be over.
    Deadline(ErrandId),
}

impl Sim {
    pub(super) fn schedule(&mut self, at: Timestamp, happening: Happening) -> (Timestamp, u64) {
        self.last += 1;
        let place = (at, self.last);
        self.queue.insert(place, happening);
        place
    }

    pub(super) fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Arrival { host, from, bytes } => self.arrive(host, from, &bytes),
            Happening::Wake(host) => self.wake(host),
            Happening::Done {
                host,
                tenancy,
                done,
            } if self.hosts[host.index()].tenancies == tenancy => {
                self.with_dht(host, |dht, clock| dht.handle_done(clock, done));
            }
            Happening::Mischief { host, tenancy }
                if self.hosts[host.index()].tenancies == tenancy =>
            {
                self.make_mischief(host);
            }
            Happening::Done { .. } | Happening::Mischief { .. } => {}
            Happening::Join(host) => self.move_in(host),
            Happening::Leave(host) => self.move_out(host),
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
        let seed = self.rng.seed();
        let entry_points = self.entry_points(id);
        let now = self.now;
        let host = &mut self.hosts[id.index()];
        if host.tenant.is_some() {
            return;
        }
        let origin = Origin::new(super::EPOCH + now.since(Timestamp::ZERO));
        let node = match Node::new(host.spec.config.clone(), seed.clone(), origin) {
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
            self.schedule(now, Happening::Mischief { host: id, tenancy });
        }
        self.hosts[id.index()].tenant = Some(Tenant {
            dht,
            born: now,
            wake: None,
            timer: Timer::Never,
            errands: BTreeMap::new(),
            mischief,
            restlessness: Restlessness::default(),
        });
        self.with_dht(id, |dht, clock| dht.bootstrap(clock, &entry_points));
        self.schedule_turn(id);
    }

    /// The node at a host is no more.
    pub(super) fn move_out(&mut self, id: HostId) {
        let Some(tenant) = self.hosts[id.index()].tenant.take() else {
            return;
        };
        if let Some(planned) = tenant.wake {
            self.queue.remove(&planned);
        }
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
        if current.peek().is_none() || !query.conditions.is_empty() {
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

    /// How long a value of this kind lives at a host.
    pub(super) fn lifetime_of(&self, host: HostId, kind: Kind) -> Duration {
        self.hosts[host.index()]
            .spec
            .config
            .kinds
            .rules(kind)
            .lifetime
    }

    /// The first hosts there are, as addresses.
    fn entry_points(&self, newcomer: HostId) -> Vec<SocketAddr> {
        let there = self
            .hosts
            .iter()
            .filter(|host| host.tenant.is_some() && host.spec.serves());
        let known = there.filter(|host| host.shares_network(&self.hosts[newcomer.index()]));
        known
            .take(super::ENTRY_POINTS)
            .flat_map(|host| host.addresses.clone())
            .collect()
    }

    fn schedule_turn(&mut self, host: HostId) {
        let present = self.hosts[host.index()].tenant.is_some();
        let Some(churn) = self.churn.filter(|churn| host.index() >= churn.anchors) else {
            return;
        };
        let (low, high) = if present {
            churn.session
        } else {
            churn.absence
        };
        let at = self.now + self.rng.between(low, high);
        let turn = if present {
            Happening::Leave(host)
        } else {
            Happening::Join(host)
        };
        self.schedule(at, turn);
    }

    fn arrive(&mut self, id: HostId, from: SocketAddr, bytes: &Bytes) {
        let host = &mut self.hosts[id.index()];
        if host.spec.filtered && !self.network.lets_in(self.now, id, from) {
            return;
        }
        let mischief = host.tenant.as_mut().and_then(|it| it.mischief.as_mut());
        if let Some(mischief) = mischief {
            mischief.hear(from, bytes);
        }
        self.with_dht(id, |dht, clock| dht.handle_datagram(clock, from, bytes));
    }

    fn wake(&mut self, host: HostId) {
        let now = self.now;
        let Some(tenant) = &mut self.hosts[host.index()].tenant else {
            return;
        };
        tenant.wake = None;
        let timer = tenant.timer;
        let clock = tenant.clock(now);
        tenant.dht.handle_timeout(clock);
        let did_something = self.drain(host) || timer == Timer::Requests;
        let Host { tenant, spec, .. } = &mut self.hosts[host.index()];
        let (Some(tenant), None) = (tenant, spec.vice) else {
            return;
        };
        if !did_something && tenant.restlessness.is_too_much(now) {
            tenant.restlessness = Restlessness::default();
            let what = format!("wakes again and again for nothing: {timer:?}");
            self.oracle.accuse(now, host, what);
        }
        if tenant.wake.is_some_and(|(at, _)| at <= now) {
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
        if tenant.wake.is_some_and(|(planned, _)| planned == at) {
            return;
        }
        if let Some(planned) = tenant.wake.take() {
            self.queue.remove(&planned);
        }
        self.trace.wake(self.now, host, at);
        if at == Timestamp::MAX {
            return;
        }
        let planned = self.schedule(at, Happening::Wake(host));
        if let Some(tenant) = &mut self.hosts[host.index()].tenant {
            tenant.wake = Some(planned);
        }
    }

    fn send(&mut self, id: HostId, transmit: Transmit) {
        self.trace.transmit(self.now, id, &transmit);
        let host = &mut self.hosts[id.index()];
        let Some(from) = host.address_towards(&transmit.to) else {
            return;
        };
        let mischief = host.tenant.as_mut().and_then(|it| it.mischief.as_mut());
        let transmits = match mischief {
            Some(mischief) => mischief.twist(transmit),
            None => vec![transmit],
        };
        for transmit in transmits {
            self.carry(id, from, transmit);
        }
    }

    fn carry(&mut self, host: HostId, from: SocketAddr, transmit: Transmit) {
        if self.hosts[host.index()].spec.filtered {
            self.network.open_mapping(self.now, host, transmit.to);
        }
        let Some(&to) = self.residents.get(&transmit.to) else {
            let stray = self.strays.entry(transmit.to).or_default();
            stray.add(transmit.bytes.len());
            return;
        };
        for at in self.network.carry(self.now, host, to) {
            let arrival = Happening::Arrival {
                host: to,
                from,
                bytes: transmit.bytes.clone(),
            };
            self.schedule(at, arrival);
        }
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

    fn work(&mut self, host: HostId, job: Job) {
        let done = Happening::Done {
            host,
            tenancy: self.hosts[host.index()].tenancies,
            done: job.run(),
        };
        self.schedule(self.now + self.job_time, done);
    }

    fn make_mischief(&mut self, id: HostId) {
        let addresses: Vec<SocketAddr> = self.residents.keys().copied().collect();
        let host = &mut self.hosts[id.index()];
        let tenancy = host.tenancies;
        let own = host.addresses.first().copied();
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
        self.schedule(next, Happening::Mischief { host: id, tenancy });
    }
}
