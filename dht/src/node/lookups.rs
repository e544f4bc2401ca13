//! [`Lookups`]: the lookups of a node, which of them may go on, and what they ask.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::slice;
use std::time::Duration;

use super::background::BackgroundLimiter;
use super::config::Config;
use super::connectivity::Connectivity;
use super::contacts::Contacts;
use super::outbox::{LookupStep, Outbox, RequestPurpose};
use super::queue::Queue;
use super::readings::Readings;
use super::subscriptions::{ListenSocket, Subscriptions};
use super::{Status, Timer};
use crate::lookup::{
    Announcement, Latency, Limits, Lookup, LookupAction, LookupId, LookupRequest, LookupState,
    OpId, Pool,
};
use crate::value::{Condition, Field, Query, Value, ValueId};
use crate::wire::{
    FindRequest, GetRequest, ListenRequest, Page, PutRequest, RefreshRequest, Request, SocketId,
    Values,
};
use crate::{ByFamily, Contact, Family, InfoHash, LookupConfig, Origin, Timestamp, ValueTypes};

/// The nodes nearest to any key hardly ever share fewer bits with it than the depth of our table,
/// the bits that our own neighbours share with us, less this many.
pub(super) const NEIGHBOURHOOD_BITS: usize = 3;
/// Good contacts of a table from which on it tells how many nodes there are: a node that has just
/// been started knows few of those near itself.
const MIN_CONTACTS: usize = 24;

/// All lookups, running or remembered. They ask while the congestion window has room, and those
/// that an application waits for before the others; those of permanent puts and listens take turns
/// besides.
#[derive(Debug)]
pub(super) struct Lookups {
    /// How many may run, how long one is remembered.
    config: LookupConfig,
    /// The settings of each lookup.
    limits: Limits,
    /// Maps to wall-clock time, for the age of what is put.
    origin: Origin,
    pool: Pool,
    /// Which of the permanent puts and listens may go on.
    background: BackgroundLimiter,
    /// How long values live.
    value_types: ValueTypes,
    /// How long before its copies run out a permanent put is announced again.
    announce_margin: Duration,
    /// What the permanent puts of each family take to be renewed, in millionths of a request a
    /// second.
    put_cost: ByFamily<u64>,
    /// The bound of that in both families, in requests a second.
    max_put_rate: u32,
    /// Those that wait until fewer requests are in flight.
    queues: RoomQueues,
    /// Gets and queries of keys known to be crowded.
    crowded: BTreeSet<OpId>,
}

/// Lookups that wait for room in the congestion window, the most urgent first.
#[derive(Debug, Default)]
struct RoomQueues {
    /// Gets and puts that have begun.
    begun: Queue<LookupId>,
    /// Gets and puts that have not.
    new: Queue<LookupId>,
    /// Permanent puts and listens.
    lasting: Queue<LookupId>,
    /// Those that would next ask nodes which are asked too much already.
    held: Queue<LookupId>,
}

/// What lookups go by in the rest of the node.
#[derive(Clone, Copy)]
pub(super) struct NodeView<'a> {
    contacts: &'a Contacts,
    connectivity: &'a Connectivity,
    subscriptions: &'a Subscriptions,
}

impl<'a> NodeView<'a> {
    pub(super) fn new(
        contacts: &'a Contacts,
        connectivity: &'a Connectivity,
        subscriptions: &'a Subscriptions,
    ) -> Self {
        Self {
            contacts,
            connectivity,
            subscriptions,
        }
    }

    fn is_warm(self, now: Timestamp) -> bool {
        self.connectivity.is_warm(now, self.contacts)
    }
}

impl Lookups {
    pub(super) fn new(config: &Config, origin: Origin) -> Self {
        Self {
            config: config.lookup.clone(),
            limits: Limits::new(
                &config.lookup,
                &config.routing,
                config.transport.response_time,
                config.listen.nodes,
            ),
            origin,
            pool: Pool::default(),
            background: BackgroundLimiter::new(config),
            queues: RoomQueues::default(),
            crowded: BTreeSet::new(),
            value_types: config.value_types.clone(),
            announce_margin: config.operations.announce_margin,
            put_cost: ByFamily::default(),
            max_put_rate: config.operations.max_put_rate_per_sec,
        }
    }

    /// Returns how many there are.
    pub(super) fn len(&self) -> usize {
        self.pool.len()
    }

    /// Reports whether no further may be opened.
    pub(super) fn is_full(&self) -> bool {
        self.pool.len() >= self.config.max_lookups
    }

    /// Returns how many announcements of permanent puts are overdue: their copies may have run out.
    pub(super) fn count_overdue(&self, now: Timestamp) -> usize {
        let since = now - self.announce_margin;
        (self.background.overdue(now))
            .filter_map(|id| Some(self.get(id)?.count_overdue(since)))
            .sum()
    }

    /// Announces a value in a lookup that is there; returns the operation whose announcement this
    /// ends.
    pub(super) fn announce(
        &mut self,
        now: Timestamp,
        id: LookupId,
        announcement: Announcement,
    ) -> Option<OpId> {
        let lookup = self.pool.get_mut(id.key, id.family)?;
        let cost = &mut self.put_cost[id.family];
        *cost += self.limits.renewal_cost(announcement.renewal);
        *cost -= announced_cost(lookup, announcement.value.id(), &self.limits);
        lookup.announce(now, announcement)
    }

    /// Ends the announcement of a value.
    pub(super) fn withdraw(&mut self, id: LookupId, value: ValueId) {
        if let Some(lookup) = self.pool.get_mut(id.key, id.family) {
            self.put_cost[id.family] -= announced_cost(lookup, value, &self.limits);
            lookup.withdraw(value);
        }
    }

    /// Reports whether a permanent put can be renewed in time, each `renewal`, beside the others.
    pub(super) fn may_renew(&self, key: InfoHash, value: ValueId, renewal: Duration) -> bool {
        let of_one = self.limits.renewal_cost(Some(renewal));
        let added = LookupId::of(key).into_iter().map(|id| {
            let held = self.get(id);
            let held = held.map_or(0, |lookup| announced_cost(lookup, value, &self.limits));
            of_one.saturating_sub(held)
        });
        let all = self.put_cost.iter().sum::<u64>() + added.sum::<u64>();
        all <= u64::from(self.max_put_rate) * 1_000_000
    }

    /// Returns how many wait for their turn.
    pub(super) fn waiting(&self) -> usize {
        self.background.waiting() + self.queues.len()
    }

    /// Returns the lookups of a family, by key.
    pub(super) fn of_family(&self, family: Family) -> impl Iterator<Item = LookupId> + use<> {
        let keys = self.pool.keys(family).into_iter();
        keys.map(move |key| LookupId { key, family })
    }

    pub(super) fn get(&self, id: LookupId) -> Option<&Lookup> {
        self.pool.get(id.key, id.family)
    }

    pub(super) fn get_mut(&mut self, id: LookupId) -> Option<&mut Lookup> {
        self.pool.get_mut(id.key, id.family)
    }

    /// Opens a lookup unless it exists, and offers it the nearest contacts.
    pub(super) fn open(&mut self, now: Timestamp, id: LookupId, contacts: &Contacts) {
        if self.get(id).is_none() {
            let lookup = Lookup::new(id.key, self.limits);
            self.pool.insert(id.key, id.family, lookup);
        }
        let table = contacts.table(id.family);
        let is_known = table.counts(now).good >= MIN_CONTACTS;
        if let Some(lookup) = self.get_mut(id).filter(|_| is_known) {
            lookup.set_network_size(table.size_estimate(now));
        }
        self.refill(now, id, contacts);
    }

    /// Offers a lookup farther contacts in place of those that do not answer.
    pub(super) fn refill(&mut self, now: Timestamp, id: LookupId, contacts: &Contacts) {
        let table = contacts.table(id.family);
        if let Some(lookup) = self.get_mut(id)
            && let Some(count) = lookup.reach_wanted()
        {
            if let Some(fresh) = table.fresh(&id.key, count, now) {
                lookup.offer(&fresh, true);
                return;
            }
            lookup.offer(&table.closest(&id.key, count, now), true);
            lookup.offer(&table.candidates(&id.key, count), false);
        }
    }

    /// Notes that a permanent put or a listen has begun in a lookup that is there.
    pub(super) fn set_lasting(&mut self, id: LookupId) {
        self.pool.set_lasting(id.key, id.family);
    }

    /// Returns the lookups for permanent puts and listens to offer a contact which has just
    /// answered, in a table of this depth: if they are too many, those with keys that share more
    /// bits with it.
    pub(super) fn interested(&self, contact: &Contact, depth: usize) -> Vec<LookupId> {
        let max = self.config.max_introductions;
        let near = |bits| self.near(contact, depth, bits).take(max + 1).collect();
        let few = (0..=InfoHash::BITS)
            .map(near)
            .find(|ids: &Vec<_>| ids.len() <= max);
        few.unwrap_or_default()
    }

    /// Reports whether a contact may be among the nearest to the key of a permanent put or a
    /// listen.
    pub(super) fn is_near_any(&self, contact: &Contact, depth: usize) -> bool {
        self.near(contact, depth, 0).next().is_some()
    }

    /// Returns the lookups for permanent puts and listens that a contact may be among the nearest
    /// to, in a table of this depth; only those that share at least `bits` more with it.
    fn near(
        &self,
        contact: &Contact,
        depth: usize,
        bits: usize,
    ) -> impl Iterator<Item = LookupId> + use<'_> {
        let family = contact.family();
        let shared = depth.saturating_sub(NEIGHBOURHOOD_BITS) + bits;
        let lasting = self.pool.lasting(contact.id.block(shared), family);
        lasting.map(move |key| LookupId { key, family })
    }

    /// Returns what a lookup wants done now, unless it has to wait for its turn.
    pub(super) fn poll(
        &mut self,
        now: Timestamp,
        id: LookupId,
        node: NodeView<'_>,
        outbox: &mut Outbox,
    ) -> Option<LookupAction> {
        let lookup = self.get(id)?;
        let state = lookup.state();
        match state {
            LookupState::Lasting => {
                if !self.may_go_on(now, id, node, outbox) {
                    return None;
                }
            }
            LookupState::New => {
                if !outbox.rpc.has_room() {
                    self.queues.new.push(id);
                    return None;
                }
            }
            LookupState::Running => {}
        }
        let is_lasting = state == LookupState::Lasting;
        let is_open = outbox.rpc.has_room() && !(is_lasting && self.queues.is_any_urgent());
        let is_blocked = Cell::new(false);
        let has_room = |addr: &SocketAddr| {
            let has_room = is_open && outbox.rpc.has_room_at(now, addr);
            is_blocked.set(is_blocked.get() || !has_room);
            has_room
        };
        let may_wait = node.connectivity.may_wait(now, id.family);
        let peers = outbox.rpc.peers();
        let uplink_delay = outbox.rpc.uplink_delay(now);
        let latency = Latency {
            typical: peers.typical_round_trip(),
            of: &|addr| peers.round_trip(addr),
            slow_after: &|addr| peers.slow_after(addr) + uplink_delay,
            has_room: &has_room,
        };
        let lookup = self.pool.get_mut(id.key, id.family)?;
        let action = lookup.poll(now, may_wait, &latency, &mut outbox.rng);
        if is_lasting && matches!(action, LookupAction::Request(..)) {
            self.count_background_request(now, node);
        }
        if is_blocked.get() && matches!(action, LookupAction::Wait(_)) {
            let queues = &mut self.queues;
            let queue = if is_open {
                &mut queues.held
            } else if is_lasting {
                &mut queues.lasting
            } else {
                &mut queues.begun
            };
            queue.push(id);
        }
        Some(action)
    }

    /// Notes that the key of a get or query is crowded: nodes that it asks from now on are asked
    /// which values they have first.
    pub(super) fn set_crowded(&mut self, op: OpId) {
        self.crowded.insert(op);
    }

    /// Forgets that of an operation which is over.
    pub(super) fn forget_crowded(&mut self, op: OpId) {
        self.crowded.remove(&op);
    }

    /// Notes what the calendar shows.
    pub(super) fn set_calendar(&mut self, origin: Origin) {
        self.origin = origin;
    }

    /// Sends what a lookup wants asked. Reports whether it wants another contact in place of the
    /// one asked, which is not expected to answer.
    pub(super) fn send(
        &mut self,
        now: Timestamp,
        step: LookupStep,
        subscriptions: &mut Subscriptions,
        outbox: &mut Outbox,
    ) -> bool {
        let LookupStep { id, node, ask } = step;
        let key = id.key;
        let lookup = self.get(id);
        let request = match &ask {
            LookupRequest::Find => Request::Find(FindRequest {
                target: key,
                want: None,
            }),
            LookupRequest::Get(find) => {
                let query = lookup.and_then(|it| it.query(*find));
                let query = query.cloned().unwrap_or_default();
                let is_crowded = self.crowded.contains(find);
                Request::Get(GetRequest {
                    key,
                    query: if is_crowded {
                        Readings::listing(&query)
                    } else {
                        query
                    },
                    want: None,
                    page: is_crowded.then_some(Page::From(ValueId(0))),
                })
            }
            LookupRequest::Probe(id) | LookupRequest::Check(id) => Request::Get(GetRequest {
                key,
                query: Query {
                    select: [Field::Id, Field::Owner, Field::Seq].into(),
                    conditions: vec![Condition::Id(*id)],
                },
                want: None,
                page: None,
            }),
            LookupRequest::Put(id, token) => {
                let Some(announcement) = lookup.and_then(|it| it.announced(*id)) else {
                    return false;
                };
                let created = announcement.created;
                Request::Put(PutRequest {
                    key,
                    values: Values::new(slice::from_ref(&announcement.value)),
                    created: created.and_then(|created| created.to_send(now, self.origin)),
                    token: token.to_vec().into(),
                })
            }
            LookupRequest::Refresh(id, token) => Request::Refresh(RefreshRequest {
                key,
                id: *id,
                token: token.to_vec().into(),
            }),
            LookupRequest::Listen { op, socket, token } => Request::Listen(ListenRequest {
                key,
                version: 1,
                socket: SocketId(*socket),
                query: subscriptions.open(*socket, ListenSocket { op: *op, key, node }),
                token: token.to_vec().into(),
            }),
        };
        let is_of_iteration = ask.is_of_iteration();
        let purpose = RequestPurpose::Lookup(LookupStep { id, node, ask });
        let is_sent = outbox.request(now, node.addr, request, purpose);
        let is_unresponsive = is_of_iteration && outbox.rpc.peers().is_unresponsive(&node.addr);
        if is_sent && !is_unresponsive {
            return false;
        }
        let Some(lookup) = self.get_mut(id) else {
            return false;
        };
        if is_sent {
            lookup.on_known_unresponsive(&node);
        } else {
            lookup.on_failed(now, &node);
        }
        is_sent
    }

    /// Pauses a lookup until `at`, or retires it if it has nothing left to do.
    pub(super) fn rest(
        &mut self,
        now: Timestamp,
        id: LookupId,
        at: Timestamp,
        outbox: &mut Outbox,
    ) {
        let Some(lookup) = self.pool.get_mut(id.key, id.family) else {
            return;
        };
        let is_idle = lookup.is_idle();
        let is_remembered = is_idle && lookup.retire();
        if self.background.has_begun(id) && (is_idle || !lookup.awaits_reply()) {
            self.background.rest(id);
        }
        let timer = Timer::Lookup(id);
        if !is_idle {
            outbox.timers.set(timer, at);
            return;
        }
        if !is_remembered {
            outbox.timers.stop(timer);
            self.pool.forget_idle((id.key, id.family));
            return;
        }
        outbox.timers.set(timer, now + self.config.memory);
        if let Some((key, family)) = self.pool.retire(id.key, id.family) {
            outbox.timers.stop(Timer::Lookup(LookupId { key, family }));
        }
    }

    /// Forgets a lookup that has nothing left to do. Reports whether it is gone.
    pub(super) fn forget_if_idle(&mut self, id: LookupId) -> bool {
        let is_idle = self.get(id).is_none_or(Lookup::is_idle);
        if is_idle {
            self.pool.forget_idle((id.key, id.family));
        }
        is_idle
    }

    /// Takes the next lookup that has waited for room in the congestion window, if there is any.
    pub(super) fn next_queued(&mut self, outbox: &Outbox) -> Option<LookupId> {
        if outbox.rpc.has_room() {
            self.queues.pop()
        } else {
            None
        }
    }

    /// Takes the next lookup whose nodes were asked too much; a caller should not try many at a
    /// time.
    pub(super) fn next_held(&mut self, outbox: &Outbox) -> Option<LookupId> {
        if outbox.rpc.has_room() {
            self.queues.held.pop()
        } else {
            None
        }
    }

    /// Takes the next permanent put or listen that may begin.
    pub(super) fn next_background(
        &mut self,
        now: Timestamp,
        node: NodeView<'_>,
    ) -> Option<LookupId> {
        self.background.next(now, node.is_warm(now))
    }

    /// Sets the timer for the next permanent put or listen.
    pub(super) fn schedule_background(
        &self,
        now: Timestamp,
        node: NodeView<'_>,
        outbox: &mut Outbox,
    ) {
        let is_warm = self.background.waiting() == 0 || node.is_warm(now);
        match self.background.next_at(is_warm) {
            Some(at) => outbox.timers.set(Timer::Background, at.max(now)),
            None => outbox.timers.stop(Timer::Background),
        }
    }

    /// Returns how long after a reply a listen on `key` is to be renewed, with so many sockets.
    pub(super) fn renewal(&self, key: InfoHash, socket_count: usize) -> Duration {
        // Listens that began together drift apart.
        let share = 1_024 - u32::from(key.as_bytes()[19]);
        self.background.renewal(socket_count) * share / 1_024
    }

    /// Returns how many requests permanent puts take in a second, in the families in use.
    fn put_rate(&self, connectivity: &Connectivity) -> u32 {
        let used = |it: &Family| connectivity.status(*it) != Status::Disconnected;
        let used = Family::ALL.into_iter().filter(used);
        let cost: u64 = used.map(|family| self.put_cost[family]).sum();
        u32::try_from(cost.div_ceil(1_000_000)).unwrap_or(u32::MAX)
    }

    /// Counts a request that was sent for other work in the background.
    pub(super) fn count_background_request(&mut self, now: Timestamp, node: NodeView<'_>) {
        let puts = self.put_rate(node.connectivity);
        let socket_count = node.subscriptions.socket_count();
        self.background.on_request(now, socket_count, puts);
    }

    /// Reports whether a lookup for permanent puts and listens may go on now. While the family is
    /// disconnected it has no node to ask, and need not wait.
    fn may_go_on(
        &mut self,
        now: Timestamp,
        id: LookupId,
        node: NodeView<'_>,
        outbox: &mut Outbox,
    ) -> bool {
        if node.connectivity.status(id.family) == Status::Disconnected
            || self.background.has_begun(id)
        {
            return true;
        }
        let lifetime = |value: &Value| self.value_types.lifetime(value);
        let runs_out = self.get(id).and_then(|lookup| lookup.runs_out(lifetime));
        let is_warm = node.is_warm(now);
        let may_go_on = self.background.admits(now, is_warm, id, runs_out);
        if !may_go_on {
            self.schedule_background(now, node, outbox);
        }
        may_go_on
    }
}

impl RoomQueues {
    fn len(&self) -> usize {
        self.begun.len() + self.new.len() + self.lasting.len() + self.held.len()
    }

    /// Whether a lookup waits that an application waits for.
    fn is_any_urgent(&self) -> bool {
        self.begun.len() + self.new.len() > 0
    }

    fn pop(&mut self) -> Option<LookupId> {
        let urgent = self.begun.pop().or_else(|| self.new.pop());
        urgent.or_else(|| self.lasting.pop())
    }
}

/// Returns what it takes to renew what a lookup announces under an id.
fn announced_cost(lookup: &Lookup, value: ValueId, limits: &Limits) -> u64 {
    let announced = lookup.announced(value);
    announced.map_or(0, |it| limits.renewal_cost(it.renewal))
}

#[cfg(test)]
mod tests;
