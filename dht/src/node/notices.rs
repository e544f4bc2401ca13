//! [`Notices`]: what remote listeners are being told, and what waits for that.
//!
//! A listener has a few notices under way at a time. What happens meanwhile waits, as the ids of
//! the values concerned, and goes out in few messages when one is confirmed: a listener costs no
//! more than it keeps up with. All notices have a bound in bytes. Where that is reached, the source
//! that has most loses a listener, in the network that has most; if it is that of the notice, the
//! notice waits.
//!
//! A listener that cannot be told something is forgotten: it hears nothing, so it will listen anew,
//! and is told all.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use bulla_kad::Shares;

use super::notify::ValueUpdate;
use crate::storage::Listener;
use crate::value::ValueId;
use crate::wire::Tid;
use crate::{InfoHash, Source};

/// Notices under way to one listener.
const WINDOW: usize = 16;
/// Values that wait to be told to one listener.
const MAX_WAITING: usize = 1_024;
/// What waits to be told has one in so many of the bytes that may be under way, besides those.
const WAITING_SHARE: usize = 4;
/// What a value counts for that waits to be told.
const WAITING_BYTES: usize = 48;
/// What a notice counts for besides its values.
pub(super) const NOTICE_BYTES: usize = 1_024;

/// Names a listener, those of one source and address next to each other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct ListenerId {
    source: Source,
    pub(super) addr: SocketAddr,
    pub(super) key: InfoHash,
    /// Its number.
    pub(super) socket: u32,
}

/// A notice under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NoticeStep {
    pub(super) key: InfoHash,
    /// The listener's number.
    pub(super) socket: u32,
    /// Names the notice.
    pub(super) number: u64,
}

/// What is under way to listeners.
#[derive(Debug)]
pub(super) struct Notices {
    /// Of listeners that have something under way or waiting.
    queues: BTreeMap<ListenerId, Queue>,
    /// Those that wait until there is room, by their turn.
    stalled: BTreeSet<(u64, ListenerId)>,
    /// The bytes of each source.
    shares: Shares,
    /// The bytes under way, and of what waits for that.
    bytes: usize,
    waiting: usize,
    /// Notices under way.
    count: usize,
    max_bytes: usize,
    /// The number of the last notice or turn.
    last: u64,
}

/// What a listener is told next, and what it is being told.
#[derive(Default, Debug)]
pub(super) struct Queue {
    /// Transaction and bytes of each notice, by its number.
    under_way: BTreeMap<u64, (Tid, usize)>,
    /// What has happened meanwhile.
    pub(super) waiting: BTreeMap<ValueId, ValueUpdate>,
    /// The first stored value that a new listener has not been told of.
    pub(super) from: Option<ValueId>,
    turn: Option<u64>,
}

impl ListenerId {
    pub(super) fn of(key: InfoHash, listener: &Listener) -> Self {
        Self::new(key, listener.addr, listener.socket)
    }

    pub(super) fn new(key: InfoHash, addr: SocketAddr, socket: u32) -> Self {
        Self {
            source: Source::of(addr.ip()),
            addr,
            key,
            socket,
        }
    }
}

impl Notices {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            queues: BTreeMap::new(),
            stalled: BTreeSet::new(),
            shares: Shares::default(),
            bytes: 0,
            waiting: 0,
            count: 0,
            max_bytes,
            last: 0,
        }
    }

    /// Has a new listener told of all stored values.
    pub(super) fn begin(&mut self, id: ListenerId) {
        self.queues.entry(id).or_default().from = Some(ValueId(0));
    }

    /// Adds what a listener is to be told of a value. What is told last of a value counts; but one
    /// that it has not been told of is not merely refreshed. Reports whether there is room.
    pub(super) fn push(&mut self, id: ListenerId, value: ValueId, update: ValueUpdate) -> bool {
        let queue = self.queues.entry(id).or_default();
        let known = queue.waiting.get(&value);
        if known.is_none() {
            if queue.waiting.len() >= MAX_WAITING {
                return false;
            }
            self.waiting += WAITING_BYTES;
            self.shares.add(id.source, WAITING_BYTES);
        }
        if known != Some(&ValueUpdate::Stored) || update != ValueUpdate::Refreshed {
            queue.waiting.insert(value, update);
        }
        true
    }

    /// Returns what a listener is to be told next, unless enough is under way.
    pub(super) fn next(&self, id: &ListenerId) -> Option<&Queue> {
        let queue = self.queues.get(id)?;
        let is_next = if queue.waiting.is_empty() {
            queue.from.is_some() && queue.under_way.is_empty()
        } else {
            queue.under_way.len() < WINDOW
        };
        is_next.then_some(queue)
    }

    /// Returns the listener that has to go as too much waits; `None` if that is not so.
    pub(super) fn excess(&self, id: &ListenerId) -> Option<ListenerId> {
        let is_excess = self.waiting > self.max_bytes / WAITING_SHARE;
        is_excess.then(|| self.heaviest(id, 0))
    }

    /// Returns the listener that has to go before there is room for so many bytes to this one: the
    /// same if it has to wait. `None` if there is room.
    pub(super) fn loser(&self, id: &ListenerId, bytes: usize, is_full: bool) -> Option<ListenerId> {
        let has_room = !is_full && self.bytes + bytes <= self.max_bytes;
        (!has_room).then(|| self.heaviest(id, bytes))
    }

    /// Reports whether a notice is under way, so that there will be room for another.
    pub(super) fn is_any_under_way(&self) -> bool {
        self.count > 0
    }

    /// Returns a listener of the source that has most, with so many bytes more for this one.
    fn heaviest(&self, id: &ListenerId, bytes: usize) -> ListenerId {
        let source = self.shares.heaviest_with(id.source, bytes);
        if source == id.source {
            return *id;
        }
        let from = ListenerId::new(InfoHash::ZERO, SocketAddr::new(source.into(), 0), 0);
        let of_source = self.queues.range(from..).map(|(id, _)| *id);
        let first = of_source.take(1).find(|id| id.source == source);
        first.unwrap_or(*id)
    }

    /// Notes that these values no longer wait, as a notice tells of them.
    pub(super) fn take(&mut self, id: &ListenerId, values: &[ValueId]) {
        if let Some(queue) = self.queues.get_mut(id) {
            let taken = values
                .iter()
                .filter(|it| queue.waiting.remove(it).is_some());
            let bytes = taken.count() * WAITING_BYTES;
            self.waiting -= bytes;
            self.shares.remove(id.source, bytes);
        }
    }

    /// Notes from where on stored values are still to be told.
    pub(super) fn go_on_from(&mut self, id: &ListenerId, from: Option<ValueId>) {
        if let Some(queue) = self.queues.get_mut(id) {
            queue.from = from;
        }
    }

    /// Returns the number of the next notice.
    pub(super) fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Notes that a notice of so many bytes was sent.
    pub(super) fn on_sent(&mut self, id: ListenerId, number: u64, tid: Tid, bytes: usize) {
        let queue = self.queues.entry(id).or_default();
        queue.under_way.insert(number, (tid, bytes));
        self.bytes += bytes;
        self.count += 1;
        self.shares.add(id.source, bytes);
        self.restart(&id);
    }

    /// Notes that a listener waits until there is room.
    pub(super) fn stall(&mut self, id: ListenerId) {
        let turn = self.last + 1;
        if let Some(queue) = self.queues.get_mut(&id)
            && queue.turn.is_none()
        {
            self.last = turn;
            queue.turn = Some(turn);
            self.stalled.insert((turn, id));
        }
    }

    /// Returns the listener that has waited for longest until there is room.
    pub(super) fn first_stalled(&self) -> Option<ListenerId> {
        self.stalled.first().map(|(_, id)| *id)
    }

    /// Notes that a notice was confirmed. Reports whether it was under way.
    pub(super) fn on_confirmed(&mut self, id: &ListenerId, number: u64) -> bool {
        let queue = self.queues.get_mut(id);
        let Some((_, bytes)) = queue.and_then(|queue| queue.under_way.remove(&number)) else {
            return false;
        };
        self.bytes -= bytes;
        self.count -= 1;
        self.shares.remove(id.source, bytes);
        true
    }

    /// Forgets a listener that has nothing under way or waiting.
    pub(super) fn tidy(&mut self, id: &ListenerId) {
        let is_idle = |queue: &Queue| {
            queue.under_way.is_empty() && queue.waiting.is_empty() && queue.from.is_none()
        };
        if self.queues.get(id).is_some_and(is_idle) {
            self.restart(id);
            self.queues.remove(id);
        }
    }

    /// Forgets all about a listener; returns the transactions under way.
    pub(super) fn remove(&mut self, id: &ListenerId) -> Vec<Tid> {
        self.restart(id);
        let Some(queue) = self.queues.remove(id) else {
            return Vec::new();
        };
        let sent: usize = queue.under_way.values().map(|(_, bytes)| bytes).sum();
        let waiting = queue.waiting.len() * WAITING_BYTES;
        self.bytes -= sent;
        self.waiting -= waiting;
        self.count -= queue.under_way.len();
        self.shares.remove(id.source, sent + waiting);
        queue.under_way.values().map(|(tid, _)| *tid).collect()
    }

    /// Returns the listeners at an address that have something under way or waiting.
    pub(super) fn at(&self, addr: SocketAddr) -> Vec<ListenerId> {
        let from = ListenerId::new(InfoHash::ZERO, addr, 0);
        let ids = self.queues.range(from..).map(|(id, _)| *id);
        ids.take_while(|id| id.addr == addr).collect()
    }

    fn restart(&mut self, id: &ListenerId) {
        if let Some(queue) = self.queues.get_mut(id)
            && let Some(turn) = queue.turn.take()
        {
            self.stalled.remove(&(turn, *id));
        }
    }
}
