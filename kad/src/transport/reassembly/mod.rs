//! [`Reassembly`]: puts values together that come in parts, each in a datagram of its own after
//! (or, by accident, before) the message that announces them (`docs/spec/wire.md#9.2`).
//!
//! A session is one announcing message, known by its sender's address and transaction. It ends when
//! all values it announced are complete, or 3 seconds after the last part that was of use, or 10
//! seconds after its beginning.
//!
//! Invariants:
//! - all sessions together hold at most [`TransportConfig::max_part_bytes`] and are at most
//!   [`TransportConfig::max_part_sessions`]; no [`Source`] has more than a quarter of either.
//!   Replies to requests of our own have bounds of their own;
//! - memory grows with the bytes that arrived, never with the sizes that were promised;
//! - parts that came without an announcement give way to announced sessions, those of the same
//!   source too, so that forged or belated ones cannot shut us off. Then the source that has most
//!   gives way to others, in the network that has most, with the session of which least has come;
//! - parts of a message that is complete already open no session: a request that was sent twice is
//!   answered twice.

mod budget;
mod session;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use bytes::Bytes;

use super::TransportConfig;
use crate::lru::LruMap;
use crate::{Source, Timestamp};

use budget::{PartsBudget, Usage};
use session::{Announcement, Session};

/// Greatest size of a packed value that comes in parts: 64 KiB and 32 bytes
/// (`docs/spec/wire.md#9.2`).
pub const MAX_VALUE_BYTES: usize = 65_568;

/// Unfinished sessions, each with a context `T` that is handed back with its values. Transaction
/// ids are `I`.
///
/// ```
/// use bulla_kad::transport::reassembly::{Key, Part, Reassembly, Slot};
/// use bulla_kad::Timestamp;
/// use bulla_kad::transport::TransportConfig;
///
/// let mut reassembly = Reassembly::new(&TransportConfig::default());
/// let now = Timestamp::ZERO;
/// let key = Key::new("192.0.2.1:4222".parse()?, 7);
/// let part = |offset, data| Part { index: 1, offset, data };
///
/// assert!(reassembly.announce(now, key, [Slot::Embedded, Slot::Announced(6)], "a put").is_none());
/// assert!(reassembly.part(now, key, &part(3, b"bar")).is_none());
/// let put = reassembly.part(now, key, &part(0, b"foo")).ok_or("incomplete")?;
/// assert_eq!((put.context, put.values), ("a put", vec![(1, "foobar".into())]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Reassembly<I, T> {
    sessions: BTreeMap<Key<I>, Session<T>>,
    /// When each session ends.
    deadlines: BTreeSet<(Timestamp, Key<I>)>,
    budget: PartsBudget,
    /// Messages that were completed lately.
    completed: LruMap<Key<I>, ()>,
}

/// Messages remembered that were completed lately.
const MAX_COMPLETED: usize = 1_024;

/// Tells which announcing message parts belong to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Key<I> {
    /// The address that it and its parts come from.
    pub from: SocketAddr,
    /// The transaction id that it and its parts carry.
    pub transaction: I,
}

/// An element of an announcing message's list of values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Slot {
    /// A value that is in the message itself.
    Embedded,
    /// A value of this many bytes that comes in parts. Taken as absent if empty or above
    /// [`MAX_VALUE_BYTES`].
    Announced(usize),
}

/// A piece of a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part<'a> {
    /// Place of the value in the list of values.
    pub index: usize,
    /// Where in the value the piece begins, in bytes.
    pub offset: usize,
    /// The piece.
    pub data: &'a [u8],
}

/// All values of a message have arrived.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use]
pub struct Completed<T> {
    /// What was given with the announcement.
    pub context: T,
    /// The values that came in parts, each with its place in the list of values, in that order.
    pub values: Vec<(usize, Bytes)>,
}

impl<I: Copy + Ord, T> Reassembly<I, T> {
    /// Begins without sessions, within the bounds of `config`.
    pub fn new(config: &TransportConfig) -> Self {
        Self {
            sessions: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            budget: PartsBudget::new(config.max_part_sessions, config.max_part_bytes),
            completed: LruMap::new(MAX_COMPLETED),
        }
    }

    /// Begins without sessions, within the bounds of `config` for replies.
    pub fn for_replies(config: &TransportConfig) -> Self {
        Self {
            budget: PartsBudget::new(config.max_reply_sessions, config.max_reply_bytes),
            ..Self::new(config)
        }
    }

    /// Opens a session for a message with this list of values, or tells one that parts have opened
    /// what to expect. Returns the values at once if no part is missing.
    ///
    /// Ignored, with its context, if the session has been announced before or if there is no room.
    /// A session costs 4 bytes for each element of the list and what the context takes; the caller
    /// bounds both, and should announce only messages of validated senders.
    pub fn announce(
        &mut self,
        now: Timestamp,
        key: Key<I>,
        slots: impl IntoIterator<Item = Slot>,
        context: T,
    ) -> Option<Completed<T>> {
        self.expire(now);
        if self.is_announced(&key) {
            return None;
        }
        let mut session = self.remove(&key).unwrap_or_else(|| Session::new(now));
        session.announce(Announcement::new(slots, context), now);
        if session.is_complete() {
            self.completed.insert(key, ());
            return session.into_completed();
        }
        if self.make_room(&key, session.usage(), true) {
            self.insert(key, session);
        }
        None
    }

    /// Reports whether a message was announced under this key and its parts are awaited. Other
    /// parts are strays: they count as requests against the rate limits, and the caller decides
    /// whether to keep them at all.
    pub(crate) fn is_announced(&self, key: &Key<I>) -> bool {
        self.sessions.get(key).is_some_and(Session::is_announced)
    }

    /// Reports whether all values of the message under this key came lately: more parts of it are
    /// of no use.
    pub fn is_completed(&mut self, key: &Key<I>) -> bool {
        self.completed.get(key).is_some()
    }

    /// Reports whether a part brings something new to an announced message.
    pub(crate) fn is_progress(&self, key: &Key<I>, part: &Part<'_>) -> bool {
        self.sessions
            .get(key)
            .is_some_and(|session| session.is_announced() && session.lacks(part))
    }

    /// Takes a part. Returns the values if it was the last one missing.
    ///
    /// A stray opens a session or waits in one, up to 98 parts and 122,912 bytes. What overlaps
    /// another part, lies out of range or finds no room is dropped.
    pub fn part(&mut self, now: Timestamp, key: Key<I>, part: &Part<'_>) -> Option<Completed<T>> {
        self.expire(now);
        let mut session = self.remove(&key).unwrap_or_else(|| Session::new(now));
        let grown = session.usage_with(part);
        if session.lacks(part) && self.make_room(&key, grown, session.is_announced()) {
            session.insert(part, now);
        }
        if session.is_complete() {
            self.completed.insert(key, ());
            return session.into_completed();
        }
        if session.holds_anything() {
            self.insert(key, session);
        }
        None
    }

    /// Ends an announced session; returns the values that are whole by now.
    pub fn take_partial(&mut self, key: &Key<I>) -> Option<Completed<T>> {
        if !self.is_announced(key) {
            return None;
        }
        self.remove(key)?.into_completed()
    }

    /// Returns the bytes that a message announced under this key, 0 if there is none.
    pub fn announced_bytes(&self, key: &Key<I>) -> u64 {
        self.sessions.get(key).map_or(0, Session::announced_bytes)
    }

    /// Ends the next session that has timed out; returns the values that are whole, unless it was
    /// never announced.
    pub fn take_expired(&mut self, now: Timestamp) -> Option<(Key<I>, Option<Completed<T>>)> {
        let &(_, key) = self.deadlines.first().filter(|(at, _)| *at <= now)?;
        let session = self.remove(&key)?;
        Some((key, session.into_completed()))
    }

    /// Returns when [`Reassembly::expire`] has something to do, if nothing arrives until then.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Drops the sessions that have timed out.
    pub fn expire(&mut self, now: Timestamp) {
        while let Some(&(at, key)) = self.deadlines.first()
            && at <= now
        {
            self.remove(&key);
        }
    }

    /// Finds room for a session of this key; if it is announced, at the cost of others that are
    /// not, or of a source that has more.
    fn make_room(&mut self, key: &Key<I>, usage: Usage, announced: bool) -> bool {
        let source = key.source();
        while !self.budget.is_fair(source, usage) {
            let is_early = |key: &Key<I>| key.source() == source && !self.is_announced(key);
            let mut early = self.deadlines.iter().map(|(_, key)| *key);
            match early.find(is_early) {
                Some(early) if announced => drop(self.remove(&early)),
                Some(_) | None => return false,
            }
        }
        while !self.budget.has_room(usage) {
            let is_early = |(_, key): &&(Timestamp, Key<I>)| !self.is_announced(key);
            let early = self.deadlines.iter().find(is_early).map(|(_, key)| *key);
            match early.or_else(|| self.least_of_heaviest(source, usage)) {
                Some(loser) if announced => drop(self.remove(&loser)),
                Some(_) | None => return false,
            }
        }
        true
    }

    /// Returns the session of which least has come, of the source that would have most if this one
    /// had as much more; `None` if that is the same.
    fn least_of_heaviest(&self, source: Source, more: Usage) -> Option<Key<I>> {
        let heaviest = self.budget.heaviest_with(source, more);
        if heaviest == source {
            return None;
        }
        let of_heaviest = self
            .sessions
            .iter()
            .filter(|(key, _)| key.source() == heaviest);
        let least = of_heaviest.min_by_key(|(key, session)| (session.usage().bytes, **key));
        least.map(|(key, _)| *key)
    }

    fn insert(&mut self, key: Key<I>, session: Session<T>) {
        self.budget.take(key.source(), session.usage());
        self.deadlines.insert((session.deadline(), key));
        self.sessions.insert(key, session);
    }

    fn remove(&mut self, key: &Key<I>) -> Option<Session<T>> {
        let session = self.sessions.remove(key)?;
        self.deadlines.remove(&(session.deadline(), *key));
        self.budget.give_back(key.source(), session.usage());
        Some(session)
    }
}

impl<I> Key<I> {
    /// Makes the key of what comes from this address with this transaction id.
    pub fn new(from: SocketAddr, transaction: I) -> Self {
        Self { from, transaction }
    }

    fn source(&self) -> Source {
        Source::of(self.from.ip())
    }
}

#[cfg(test)]
mod tests;
