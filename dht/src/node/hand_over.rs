//! [`HandOver`]: what is stored here is copied to the nodes that are to have it
//! (`docs/DESIGN.md`, "What becomes of a value when nodes come and go?").
//!
//! Three things find what to copy, each by looking at a few values at a time:
//!
//! - *newcomers*: values whose key a node is near that has just shown up, or started anew; by the
//!   two holders nearest to the key;
//! - *republishing*: values that live for long and were not refreshed for a while; by the two nodes
//!   nearest to the key;
//! - *leaving*: all values.
//!
//! The other node is asked first what it holds, which also brings a write token, and is sent the
//! value only if it lacks it. The value goes out as it came, with the time of its creation, so it
//! lives no longer for that.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bulla_kad::{Budget, LruMap};
use bytes::Bytes;

use super::config::{Config, HandOverConfig};
use super::lookups::NodeView;
use super::replies::{held_row, usable_token};
use super::{Node, RequestPurpose, Timer};
use crate::lookup::Creation;
use crate::storage::Entry;
use crate::value::{Condition, Field, Policy, Query, Row, Value, ValueId, ValueType};
use crate::wire::{GetRequest, PutRequest, Reply, Request, Values};
use crate::{Contact, Family, InfoHash, Source, Timestamp};

const SECOND: Duration = Duration::from_secs(1);
/// Newcomers remembered at a time.
const MAX_NEWCOMERS: usize = 256;
/// How long a newcomer settles, and others come, before it is given anything.
const SETTLING: Duration = Duration::from_secs(2);
/// How long a newcomer counts as one: it may not have yet what other nodes are to give it.
const NEW_FOR: Duration = Duration::from_secs(120);
/// Values offered to one newcomer.
const MAX_PER_NEWCOMER: usize = 1_024;
/// Newcomers of one source at once; one more each [`REFILL`].
const NEWCOMERS_PER_SOURCE: u32 = 64;
const REFILL: Duration = SECOND;
/// Sources remembered.
const MAX_SOURCES: usize = 4_096;
/// Of the holders of a value, so many of the nearest hand it over, in case one is gone.
const HOLDERS: usize = 2;
/// What lives no longer than this is not handed over.
const LEAST_LIFE: Duration = Duration::from_secs(10);
/// Copies that wait to be made, above which no more are looked for.
const MAX_QUEUED: usize = 1_024;
/// Places in the store looked at in a row, and the pause after them.
const SWEPT_AT_ONCE: usize = 1_024;
/// How often a node that leaves looks before a pause.
const SWEEPS_LEAVING: usize = 8;
const SWEEP_PAUSE: Duration = Duration::from_millis(100);
/// Requests in flight, and the same for a node that leaves.
const MAX_IN_FLIGHT: usize = 8;
const MAX_IN_FLIGHT_LEAVING: usize = 64;
/// The part of the background rate that may go into copies.
const SHARE: u32 = 4;
/// Bytes that cost as much as a request.
const BYTES_PER_REQUEST: usize = 1_024;
/// The burst after a pause, as time at the rate.
const BURST: Duration = Duration::from_millis(250);

/// What is to be copied, and to which nodes.
#[derive(Debug)]
pub(super) struct HandOver {
    config: HandOverConfig,
    /// Nodes that showed up lately.
    newcomers: BTreeMap<(Family, InfoHash), Newcomer>,
    /// How many newcomers each source may still bring.
    sources: LruMap<Source, Budget>,
    /// The place in the store to look at next for newcomers.
    cursor: usize,
    /// The place to look at next for what is to be republished; `None` between the rounds.
    republished: Option<usize>,
    /// When the next round of that begins.
    next_round: Timestamp,
    leave: Option<Leave>,
    /// Copies to make next.
    queue: VecDeque<Transfer>,
    in_flight: usize,
    /// What the requests are paid from, and the price of one.
    budget: Budget,
    price: Duration,
}

/// A node that showed up lately.
#[derive(Clone, Copy, Debug)]
struct Newcomer {
    contact: Contact,
    since: Timestamp,
    /// Places in the store still to be looked at for it.
    unswept: usize,
    /// Values that it may still be offered.
    allowance: usize,
}

/// How far a node that leaves has come.
#[derive(Clone, Copy, Debug)]
struct Leave {
    deadline: Timestamp,
    /// What is offered to the nodes of this rank by distance. The farthest come first: they lack
    /// most.
    rank: usize,
    /// The place in the store to look at next.
    cursor: usize,
    is_swept: bool,
}

/// A value to be copied to a node.
#[derive(Clone, Debug)]
pub(super) struct Transfer {
    pub(super) to: Contact,
    key: InfoHash,
    id: ValueId,
    /// The write token, once the node has said that it lacks the value.
    token: Option<Bytes>,
}

impl HandOver {
    pub(super) fn new(config: &Config) -> Self {
        let rate = (config.operations.background_rate_per_sec / SHARE).max(1);
        let is_off = config.client;
        Self {
            config: HandOverConfig {
                to_newcomers: config.hand_over.to_newcomers && !is_off,
                republish_after: config.hand_over.republish_after.filter(|_| !is_off),
                on_leave: config.hand_over.on_leave && !is_off,
            },
            newcomers: BTreeMap::new(),
            sources: LruMap::new(MAX_SOURCES),
            cursor: 0,
            republished: None,
            next_round: Timestamp::ZERO + config.hand_over.republish_after.unwrap_or_default(),
            leave: None,
            queue: VecDeque::new(),
            in_flight: 0,
            budget: Budget::empty(BURST),
            price: SECOND / rate,
        }
    }

    /// Reports whether a newcomer at an address may cost anything: its source has not brought many
    /// others lately.
    pub(super) fn admits(&mut self, now: Timestamp, addr: SocketAddr) -> bool {
        let source = Source::of(addr.ip());
        let full = Budget::full(REFILL * NEWCOMERS_PER_SOURCE);
        let mut budget = self.sources.get(&source).copied().unwrap_or(full);
        let is_admitted = budget.saved(now) >= REFILL;
        if is_admitted {
            budget.spend(now, REFILL);
        }
        self.sources.insert(source, budget);
        is_admitted
    }

    /// Reports whether a contact counts as a newcomer.
    fn is_new(&self, contact: &Contact) -> bool {
        self.newcomers.contains_key(&(contact.family(), contact.id))
    }

    /// Remembers a newcomer that is to be offered what lies in so many places.
    fn add(&mut self, now: Timestamp, contact: Contact, places: usize) {
        let newcomer = Newcomer {
            contact,
            since: now,
            unswept: places,
            allowance: MAX_PER_NEWCOMER,
        };
        self.newcomers
            .insert((contact.family(), contact.id), newcomer);
    }

    /// Returns the newcomers of a family that are being looked for something to offer.
    fn swept_for(&self, now: Timestamp, family: Family) -> Vec<Contact> {
        let pending = self.newcomers.values().filter(|it| {
            it.unswept > 0
                && it.allowance > 0
                && it.since + SETTLING <= now
                && it.contact.family() == family
        });
        pending.map(|it| it.contact).collect()
    }

    /// Returns when the next newcomer has settled that is to be offered something.
    fn next_sweep(&self) -> Option<Timestamp> {
        let pending = self.newcomers.values().filter(|it| it.unswept > 0);
        pending.map(|it| it.since + SETTLING).min()
    }

    /// Ends the copying to a contact.
    fn drop_contact(&mut self, contact: &Contact) {
        self.queue.retain(|transfer| transfer.to != *contact);
        if let Some(newcomer) = (self.newcomers).get_mut(&(contact.family(), contact.id)) {
            newcomer.unswept = 0;
        }
    }

    /// Reports whether another request may be sent.
    fn may_send(&self, now: Timestamp) -> bool {
        match self.leave {
            Some(_) => self.in_flight < MAX_IN_FLIGHT_LEAVING,
            None => self.in_flight < MAX_IN_FLIGHT && self.budget.paid_at() <= now,
        }
    }

    /// Reports whether nothing is left to be done before leaving.
    fn has_left(&self, now: Timestamp) -> bool {
        let Some(leave) = self.leave else {
            return false;
        };
        now >= leave.deadline || (leave.is_swept && self.queue.is_empty() && self.in_flight == 0)
    }
}

impl Node {
    /// Begins to hand over what is stored here to the nodes nearest to its keys that lack it, as
    /// this node is about to end. It goes on working meanwhile. [`Node::has_left`] tells when that
    /// is done, at `deadline` at the latest.
    pub fn leave(&mut self, now: Timestamp, deadline: Timestamp) {
        let now = self.advance(now);
        let is_wanted = self.hand_over.config.on_leave && self.connectivity.is_connected();
        self.hand_over.queue.clear();
        self.hand_over.leave = Some(Leave {
            deadline,
            rank: self.config.routing.bucket_size,
            cursor: usize::MAX,
            is_swept: !is_wanted,
        });
        self.run_hand_over(now);
    }

    /// Reports whether what [`Node::leave`] began is done.
    pub fn has_left(&self) -> bool {
        self.hand_over.has_left(self.now)
    }

    /// Takes in a contact that has just been validated.
    pub(super) fn on_newcomer(&mut self, now: Timestamp, contact: Contact) {
        if self.hand_over.admits(now, contact.addr) {
            self.offer_to_lookups(now, contact);
            self.offer_stored(now, contact);
        }
    }

    /// Takes in that a validated contact looks for its own id, as nodes do that have started: it
    /// may have lost what it held.
    pub(super) fn on_started(&mut self, now: Timestamp, contact: Contact) {
        let is_known = self.hand_over.is_new(&contact);
        if !is_known && self.hand_over.admits(now, contact.addr) {
            self.offer_stored(now, contact);
        }
    }

    /// Reports whether a contact may be among the nearest to the key of something stored here, so
    /// that it is worth a ping.
    pub(super) fn may_be_given(&self, contact: &Contact) -> bool {
        self.hand_over.config.to_newcomers
            && self.server.storage.sizes().values > 0
            && self.is_near(contact.family(), &contact.id, &self.contacts.own())
    }

    /// Has a contact offered what is stored here and near it.
    fn offer_stored(&mut self, now: Timestamp, contact: Contact) {
        let places = self.server.storage.places();
        if !self.hand_over.config.to_newcomers || places == 0 || self.hand_over.leave.is_some() {
            return;
        }
        (self.hand_over.newcomers).retain(|_, it| now < it.since + NEW_FOR);
        if self.hand_over.newcomers.len() < MAX_NEWCOMERS || self.hand_over.is_new(&contact) {
            self.hand_over.add(now, contact, places);
            self.outbox
                .timers
                .schedule_by(Timer::HandOver, now + SETTLING);
        }
    }

    /// Sends what may be sent now, looks for more, and sets the timer.
    pub(super) fn run_hand_over(&mut self, now: Timestamp) {
        self.send_transfers(now);
        let mut is_sweeping = false;
        if self.hand_over.leave.is_some() {
            for _ in 0..SWEEPS_LEAVING {
                is_sweeping = self.hand_over.queue.len() < MAX_QUEUED && self.sweep_to_leave(now);
                self.send_transfers(now);
                if !is_sweeping {
                    break;
                }
            }
        } else if self.hand_over.queue.len() < MAX_QUEUED {
            is_sweeping = self.sweep_for_newcomers(now) | self.sweep_to_republish(now);
            self.send_transfers(now);
        }
        self.schedule_hand_over(now, is_sweeping);
    }

    /// Handles the reply to a request of a transfer.
    pub(super) fn on_transfer_reply(
        &mut self,
        now: Timestamp,
        from: Contact,
        transfer: Transfer,
        reply: &Reply<'_>,
        values: &[Value],
    ) {
        self.hand_over.in_flight -= 1;
        if from.id != transfer.to.id {
            self.contacts.on_failure(&transfer.to);
            self.hand_over.drop_contact(&transfer.to);
        } else if transfer.token.is_none()
            && let Some(token) = reply.token.as_deref().and_then(usable_token)
        {
            let rows = (reply.rows.as_ref()).map_or_else(Vec::new, |rows| rows.iter().collect());
            let held = held_row(transfer.id, values, rows);
            let ours = self.server.find(&transfer.key, transfer.id);
            if ours.is_some_and(|ours| is_lacking(ours, held.as_ref())) {
                let token = Some(token);
                let transfer = Transfer { token, ..transfer };
                self.hand_over.queue.push_front(transfer);
            }
        }
        self.run_hand_over(now);
    }

    /// Handles that a transfer was refused, or its request not answered.
    pub(super) fn on_transfer_failed(&mut self, now: Timestamp, transfer: &Transfer) {
        self.hand_over.in_flight -= 1;
        self.hand_over.drop_contact(&transfer.to);
        self.run_hand_over(now);
    }

    fn send_transfers(&mut self, now: Timestamp) {
        while self.hand_over.may_send(now)
            && self.outbox.rpc.has_room()
            && let Some(transfer) = self.hand_over.queue.pop_front()
        {
            let is_late = self.outbox.rpc.peers().is_unresponsive(&transfer.to.addr);
            if self.hand_over.leave.is_none() || !is_late {
                self.send_transfer(now, transfer);
            }
        }
    }

    fn send_transfer(&mut self, now: Timestamp, transfer: Transfer) {
        let Transfer { to, key, id, .. } = transfer;
        let Some(entry) = self.server.storage.entry(&key, id) else {
            return;
        };
        let (mut units, value) = (1, entry.value.clone());
        let request = match &transfer.token {
            None => Request::Get(GetRequest {
                key,
                query: Query {
                    select: [Field::Id, Field::Owner, Field::Seq].into(),
                    conditions: vec![Condition::Id(id)],
                },
                want: None,
                page: None,
            }),
            Some(token) => {
                units += value.packed().len() / BYTES_PER_REQUEST;
                let created = Creation::Given(self.origin.to_unix(entry.created));
                let is_permanent = entry.expires == Timestamp::MAX;
                let created = (!is_permanent).then(|| created.to_send(now, self.origin));
                Request::Put(PutRequest {
                    key,
                    values: Values::new(std::slice::from_ref(&value)),
                    created: created.flatten(),
                    token: token.to_vec().into(),
                })
            }
        };
        let purpose = RequestPurpose::HandOver(transfer);
        if self.outbox.request(now, to.addr, request, purpose) {
            self.hand_over.in_flight += 1;
            let price = self.hand_over.price * units as u32;
            self.hand_over.budget.spend(now, price);
            let node = NodeView::new(&self.contacts, &self.connectivity, &self.subscriptions);
            self.lookups.count_background_request(now, node);
        }
    }

    /// Looks at a few more values for newcomers. Reports whether there are more.
    fn sweep_for_newcomers(&mut self, now: Timestamp) -> bool {
        let pending = Family::ALL.map(|family| self.hand_over.swept_for(now, family));
        if pending.iter().all(Vec::is_empty) {
            return false;
        }
        let places = self.server.storage.places();
        let swept = SWEPT_AT_ONCE.min(places);
        let mut found = Vec::new();
        for _ in 0..swept {
            let place = self.hand_over.cursor % places;
            self.hand_over.cursor = place + 1;
            if let Some(entry) = self.to_hand_over(now, place, LEAST_LIFE)
                && entry.expires < Timestamp::MAX
            {
                for (family, pending) in Family::ALL.into_iter().zip(&pending) {
                    self.find_new_holders(now, family, pending, &entry, &mut found);
                }
            }
        }
        for transfer in found {
            let which = (transfer.to.family(), transfer.to.id);
            if let Some(newcomer) = self.hand_over.newcomers.get_mut(&which)
                && newcomer.allowance > 0
            {
                newcomer.allowance -= 1;
                self.hand_over.queue.push_back(transfer);
            }
        }
        let swept_for = pending.iter().flatten();
        for contact in swept_for {
            let which = (contact.family(), contact.id);
            if let Some(newcomer) = self.hand_over.newcomers.get_mut(&which) {
                newcomer.unswept = newcomer.unswept.saturating_sub(swept.max(1));
            }
        }
        self.hand_over.next_sweep().is_some_and(|at| at <= now)
    }

    /// Finds the newcomers that are to hold a value, unless other holders are nearer to its key.
    fn find_new_holders(
        &self,
        now: Timestamp,
        family: Family,
        pending: &[Contact],
        entry: &Entry<'_>,
        found: &mut Vec<Transfer>,
    ) {
        let key = entry.key;
        if !(pending.iter()).any(|contact| self.is_near(family, &contact.id, &key)) {
            return;
        }
        let count = self.config.routing.bucket_size;
        let mut nearest = self.contacts.table(family).closest(&key, count, now);
        let ours = self.contacts.own().distance(&key);
        let holders = nearest.iter().filter(|it| !self.hand_over.is_new(it));
        if holders.filter(|it| it.id.distance(&key) < ours).count() >= HOLDERS {
            return;
        }
        let newcomers = self.hand_over.newcomers.values().map(|it| it.contact);
        nearest.extend(newcomers.filter(|it| it.family() == family));
        nearest.sort_unstable_by_key(|it| it.id.distance(&key));
        nearest.dedup_by_key(|it| it.id);
        nearest.truncate(count);
        let new = nearest.into_iter().filter(|it| pending.contains(it));
        found.extend(new.map(|to| transfer(to, entry)));
    }

    /// Looks at a few more values for those to be republished, if a round is due. Reports whether
    /// there are more.
    fn sweep_to_republish(&mut self, now: Timestamp) -> bool {
        let Some(after) = self.hand_over.config.republish_after else {
            return false;
        };
        let places = self.server.storage.places();
        if self.hand_over.republished.is_none() && now >= self.hand_over.next_round {
            // Nodes that started together drift apart.
            let pause = self.outbox.rng.between(after * 7 / 8, after);
            self.hand_over.next_round = now + pause;
            self.hand_over.republished = Some(0);
        }
        let Some(begin) = self.hand_over.republished else {
            return false;
        };
        let end = places.min(begin + SWEPT_AT_ONCE);
        let count = self.config.routing.bucket_size;
        let mut found = Vec::new();
        for place in begin..end {
            let Some(entry) = self.to_hand_over(now, place, after) else {
                continue;
            };
            if entry.expires == Timestamp::MAX || entry.created + after > now {
                continue;
            }
            let ours = self.contacts.own().distance(&entry.key);
            for family in Family::ALL {
                let nearest = self.contacts.table(family).closest(&entry.key, count, now);
                let nearer = nearest
                    .iter()
                    .filter(|it| it.id.distance(&entry.key) < ours);
                if nearer.count() < HOLDERS {
                    found.extend(nearest.into_iter().map(|to| transfer(to, &entry)));
                }
            }
        }
        self.hand_over.queue.extend(found);
        self.hand_over.republished = (end < places).then_some(end);
        end < places
    }

    /// Looks at a few more values if this node leaves. Reports whether there are more.
    fn sweep_to_leave(&mut self, now: Timestamp) -> bool {
        let Some(mut leave) = self.hand_over.leave.filter(|it| !it.is_swept) else {
            return false;
        };
        let places = self.server.storage.places();
        if leave.cursor >= places {
            leave.cursor = 0;
            leave.is_swept = leave.rank == 0 || now >= leave.deadline;
            leave.rank = leave.rank.saturating_sub(1);
        }
        let count = self.config.routing.bucket_size;
        let end = places.min(leave.cursor + SWEPT_AT_ONCE);
        let mut found = Vec::new();
        for place in leave.cursor..end {
            if leave.is_swept {
                break;
            }
            let Some(entry) = self.to_hand_over(now, place, LEAST_LIFE) else {
                continue;
            };
            for family in Family::ALL {
                let nearest = self.contacts.table(family).closest(&entry.key, count, now);
                let to = nearest.get(leave.rank);
                let to = to.filter(|it| !self.outbox.rpc.peers().is_unresponsive(&it.addr));
                found.extend(to.map(|to| transfer(*to, &entry)));
            }
        }
        self.hand_over.queue.extend(found);
        leave.cursor = end;
        self.hand_over.leave = Some(leave);
        !leave.is_swept
    }

    /// Returns what is stored at a place, if it is to be handed over and lives for more than
    /// `least`.
    fn to_hand_over(&self, now: Timestamp, place: usize, least: Duration) -> Option<Entry<'_>> {
        let entry = self.server.storage.at(place)?;
        let value_type = entry.value.value_type();
        // The address in a service announcement would become this node's.
        let is_bound_to_sender = value_type == ValueType::SERVICE
            && self.config.value_types.rules(value_type).policy == Policy::Service;
        (entry.expires > now + least && !is_bound_to_sender).then_some(entry)
    }

    /// Reports whether a node may be among the nearest to a key that others near this node hold.
    fn is_near(&self, family: Family, node: &InfoHash, key: &InfoHash) -> bool {
        let depth = self.contacts.table(family).depth();
        node.common_prefix(key) >= depth.saturating_sub(super::lookups::NEIGHBOURHOOD_BITS)
    }

    /// Sets the timer for what is to be done next; replies bring the rest.
    fn schedule_hand_over(&mut self, now: Timestamp, is_sweeping: bool) {
        let hand_over = &self.hand_over;
        let soon = now + SWEEP_PAUSE;
        let sweep = is_sweeping.then_some(soon);
        let (waits, may_send) = (!hand_over.queue.is_empty(), hand_over.in_flight == 0);
        let next = if let Some(leave) = hand_over.leave {
            let deadline = (now < leave.deadline).then_some(leave.deadline);
            let send = (waits && may_send).then_some(soon);
            sweep.into_iter().chain(deadline).chain(send).min()
        } else {
            let newcomers = hand_over.next_sweep().filter(|_| !waits);
            let newcomers = newcomers.map(|at| at.max(soon));
            let may_send = hand_over.in_flight < MAX_IN_FLIGHT;
            let send = (waits && may_send).then(|| hand_over.budget.paid_at().max(soon));
            let is_on = hand_over.config.republish_after.is_some();
            let round = is_on.then(|| hand_over.next_round.max(soon));
            let first = sweep.into_iter().chain(newcomers);
            first.chain(send).chain(round).min()
        };
        match next {
            Some(at) => self.outbox.timers.set(Timer::HandOver, at),
            None => self.outbox.timers.stop(Timer::HandOver),
        }
    }
}

/// Returns the copying of a value to a node.
fn transfer(to: Contact, entry: &Entry<'_>) -> Transfer {
    Transfer {
        to,
        key: entry.key,
        id: entry.value.id(),
        token: None,
    }
}

/// Reports whether a node that holds `held` under the id of a value lacks it: it has none, or an
/// older edition of the same owner.
fn is_lacking(value: &Value, held: Option<&Row>) -> bool {
    let fields = [Field::Owner, Field::Seq].into();
    let ours = Row::of(value, &fields);
    held.is_none_or(|held| {
        value.signed().is_some() && held.owner == ours.owner && held.seq < ours.seq
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Draft;
    use crate::wire;

    #[test]
    fn many_newcomers_of_one_source_cost_little_and_hold_up_no_other() {
        let mut hand_over = HandOver::new(&Config::default());
        let mut now = Timestamp::ZERO + SECOND * 1_000;
        let mut admitted = |now, host, ports: std::ops::Range<u16>| {
            let addr = |port| SocketAddr::from(([192, 0, 2, host], port));
            ports
                .filter(|port| hand_over.admits(now, addr(*port)))
                .count()
        };
        assert_eq!(admitted(now, 1, 0..1_000), NEWCOMERS_PER_SOURCE as usize);
        assert_eq!(admitted(now, 2, 0..3), 3);
        now = now + REFILL * 2;
        assert_eq!(admitted(now, 1, 0..1_000), 2);
    }

    #[test]
    fn a_value_is_lacking_where_there_is_none_or_an_older_edition_of_its_owner() {
        let unsigned = wire::pack(&Draft::from("text"), ValueId(1));
        let row = Row {
            seq: Some(0),
            owner: Some(InfoHash::ZERO),
            ..Row::default()
        };
        assert!(is_lacking(&unsigned, None));
        assert!(!is_lacking(&unsigned, Some(&row)));
        let signed = crate::value::sample::sample(1)
            .signed(b"owner", 3, b"signature")
            .build();
        let Some(held) = signed.signed() else {
            panic!("it is signed");
        };
        let fields = [Field::Owner, Field::Seq].into();
        let same = Row::of(&signed, &fields);
        assert!(!is_lacking(&signed, Some(&same)));
        let other = Row {
            owner: Some(InfoHash::of(b"another owner")),
            ..same.clone()
        };
        assert!(!is_lacking(&signed, Some(&other)));
        let older = Row {
            seq: held.seq.checked_sub(1),
            ..same
        };
        assert!(is_lacking(&signed, Some(&older)));
    }
}
