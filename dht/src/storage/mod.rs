//! [`Storage`]: the values a node keeps, its own and those of others; [`Listeners`]: the remote
//! nodes that are notified of them.
//!
//! The rules of `docs/spec/node.md#5`, as data structures: what is kept, for how long, and what
//! gives way when it becomes too much. Whether a value may be kept at all (token, distance, policy,
//! signature) is decided before it comes here, and telling the listeners is left to the node.
//! Nothing is sent from here.
//!
//! - Values of others never use more than [`StorageConfig::limit_bytes`], nor those of one
//!   [`Source`] more than [`StorageConfig::limit_per_source_bytes`]. Own values count for neither
//!   and are never evicted.
//! - Bytes are bytes of memory: the packed value and [`Storage::OVERHEAD_BYTES`].
//! - Where there is no room, the source that has most makes room, in the network that has most: of
//!   the store, of a key, or of its own limit. Of its values those go first that another source has
//!   refreshed, then unsigned ones, then those whose keys are far from this node.
//! - Every operation on a value takes logarithmic time, however many lie under its key.

mod config;
mod crowd;
mod entry;
mod ids;
mod index;
mod interner;
mod listeners;
#[cfg(test)]
mod model;
mod quota;
mod selection;
#[cfg(test)]
mod tests;
mod value_store;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use thiserror::Error;

use crate::{Condition, InfoHash, Query, Rng, Source, Timestamp, Value, ValueId};
pub use config::{ListenConfig, StorageConfig};
use crowd::Crowd;
pub(crate) use entry::Entry;
pub use entry::Sizes;
use ids::ValueIndex;
pub(crate) use listeners::{Listener, Listeners, Subscribed};
use quota::{Class, Quota};
pub(crate) use selection::Wanted;
use value_store::{ALL_IDS, StoredItem, ValueStore};

/// The stored values of a node.
pub struct Storage {
    /// The id of this node.
    own: InfoHash,
    values: ValueStore,
    quota: Quota,
    /// Of the keys that have many values.
    crowds: BTreeMap<InfoHash, Crowd>,
    max_keys: usize,
    max_values_per_key: usize,
}

/// A value to be stored. It has passed every check.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The value.
    pub value: Value,
    /// What it is charged to; `None` for a value of this node, which has no limit.
    pub source: Option<Source>,
    /// When it was created.
    pub created: Timestamp,
    /// When it expires; [`Timestamp::MAX`] for never.
    pub expires: Timestamp,
}

/// What storing a value did.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use]
pub struct Stored {
    /// What became of the value.
    pub change: StoreOutcome,
    /// The values that were removed to make room.
    pub evicted: Vec<(InfoHash, ValueId)>,
}

/// What became of a value that was stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreOutcome {
    /// There was none of its id.
    New,
    /// It took the place of another one.
    Edited,
    /// The same was there and lives longer.
    Refreshed,
}

/// Why a value was not stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Refusal {
    /// Its lifetime is over.
    #[error("the value has expired")]
    Expired,
    /// Its key holds [`StorageConfig::max_values_per_key`] values of this node.
    #[error("too many values under this key")]
    KeyFull,
    /// [`StorageConfig::max_keys`] keys hold values.
    #[error("too many keys")]
    TooManyKeys,
    /// It is larger than all the room that its source may have.
    #[error("the value is larger than the storage limit")]
    TooLarge,
}

/// Why a value was not refreshed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub(crate) enum RefreshError {
    /// Nothing is stored under the key.
    #[error("nothing is stored under this key")]
    UnknownKey,
    /// The key has values, but none of this id.
    #[error("no value of this id is stored under this key")]
    UnknownValue,
}

impl Storage {
    /// What a stored value costs beside its packed bytes, in bytes: its parsed fields and its
    /// places in the indices, as measured.
    ///
    /// Differs: OpenDHT counts neither this nor the owner's key, so its limit says little of the
    /// memory in use.
    pub(crate) const OVERHEAD_BYTES: usize = 220;

    /// How many values one call of [`Storage::expire`] removes at most.
    pub(crate) const EXPIRE_BATCH: usize = 4_096;

    /// Makes an empty store of the node `own` with the limits of `config`; its hash table's key
    /// comes from `rng`.
    pub fn new(config: &StorageConfig, own: InfoHash, rng: &mut Rng) -> Self {
        Self {
            own,
            values: ValueStore::new(rng),
            quota: Quota::new(config),
            crowds: BTreeMap::new(),
            max_keys: config.max_keys,
            max_values_per_key: config.max_values_per_key,
        }
    }

    /// Keeps a value under `key`.
    ///
    /// A value of the same id gives way. If it holds the same, it stays, lives as long as the
    /// longer-lived of both, and is charged to the same source as before, or to this node if either
    /// was its own. Kept at the wish of another source, it is the first to go of those of its own.
    ///
    /// # Errors
    ///
    /// [`Refusal`], with nothing changed.
    pub fn store(
        &mut self,
        now: Timestamp,
        key: &InfoHash,
        mut incoming: Incoming,
    ) -> Result<Stored, Refusal> {
        if incoming.expires <= now {
            return Err(Refusal::Expired);
        }
        let (count, held) = self.values.find(key, incoming.value.id());
        self.check_limits(key, &incoming, count, held)?;
        let mut is_kept = false;
        let change = match held.map(|index| self.take(index)) {
            None => StoreOutcome::New,
            Some((old, source)) if old.value.same_content(&incoming.value) => {
                is_kept = incoming.source != source;
                incoming = Incoming {
                    value: old.value,
                    source: incoming.source.and(source),
                    created: old.created.max(incoming.created),
                    expires: old.expires.max(incoming.expires),
                };
                StoreOutcome::Refreshed
            }
            Some(_) => StoreOutcome::Edited,
        };
        let is_new = change == StoreOutcome::New;
        let evicted = self.make_room(now, key, &incoming, is_new);
        self.put(*key, incoming, is_kept);
        Ok(Stored { change, evicted })
    }

    /// Lets a value live until `expires`, or as long as it does already (`docs/spec/node.md#5.2`).
    /// If that is at the wish of another source, it is the first to go of those of its own.
    ///
    /// # Errors
    ///
    /// [`RefreshError::UnknownKey`], which the wire answers with error 404, and
    /// [`RefreshError::UnknownValue`], which it answers with success.
    pub(crate) fn refresh(
        &mut self,
        now: Timestamp,
        key: &InfoHash,
        id: ValueId,
        expires: Timestamp,
        by: Source,
    ) -> Result<(), RefreshError> {
        if !self.values.contains(key) {
            return Err(RefreshError::UnknownKey);
        }
        let (_, index) = self.values.find(key, id);
        let index = index.ok_or(RefreshError::UnknownValue)?;
        let (stored, source) = self.take(index);
        let refreshed = Incoming {
            value: stored.value,
            source,
            created: stored.created.max(now),
            expires: stored.expires.max(expires),
        };
        self.put(*key, refreshed, source != Some(by));
        Ok(())
    }

    /// Returns the value of this id under `key`.
    pub fn find(&self, key: &InfoHash, id: ValueId) -> Option<&Value> {
        let (_, index) = self.values.find(key, id);
        index.map(|index| &self.values.get(index).value)
    }

    /// Returns the values under `key` that meet the conditions of `query`, in order of their ids.
    pub fn get<'a>(
        &'a self,
        key: &InfoHash,
        query: &'a Query,
    ) -> impl Iterator<Item = &'a Value> + use<'a> {
        let ids = wanted_ids(query);
        let values = self.values.of_key(key, ids).map(|stored| &stored.value);
        values.filter(|value| query.matches(value))
    }

    /// Returns the values under `key` from an id on, in order of their ids.
    pub(crate) fn values_from(
        &self,
        key: &InfoHash,
        from: ValueId,
    ) -> impl Iterator<Item = &Value> + use<'_> {
        let ids = from..=*ALL_IDS.end();
        self.values.of_key(key, ids).map(|stored| &stored.value)
    }

    /// Returns how many values there are under `key`.
    pub(crate) fn count(&self, key: &InfoHash) -> usize {
        self.values.count(key)
    }

    /// Removes a value of this node's own, and reports whether there was one.
    pub fn remove_own(&mut self, key: &InfoHash, id: ValueId) -> bool {
        let (_, held) = self.values.find(key, id);
        let own = held.filter(|&index| self.source(index).is_none());
        own.map(|index| self.take(index)).is_some()
    }

    /// Removes values that have expired, at most [`Storage::EXPIRE_BATCH`] of them; returns what
    /// was removed.
    ///
    /// If more have, [`Storage::next_expiry`] is not after `now`.
    pub fn expire(&mut self, now: Timestamp) -> Vec<(InfoHash, ValueId)> {
        let mut expired = Vec::new();
        while expired.len() < Self::EXPIRE_BATCH
            && let Some(index) = self.quota.due(now)
        {
            expired.push(self.discard(index));
        }
        expired
    }

    /// Returns when [`Storage::expire`] has something to do next; `None` if never.
    pub(crate) fn next_expiry(&self) -> Option<Timestamp> {
        self.quota.next_expiry()
    }

    /// Returns the keys that have values, in order.
    pub(crate) fn keys(&self) -> Vec<InfoHash> {
        self.values.keys()
    }

    /// Returns the values under `key`, in order of their ids.
    pub(crate) fn entries(&self, key: &InfoHash) -> impl Iterator<Item = Entry<'_>> + use<'_> {
        let key = *key;
        let stored = self.values.of_key(&key, ALL_IDS);
        stored.map(|stored| self.entry_of(stored))
    }

    /// Returns the value of this id under `key`, with what a snapshot needs to know of it.
    pub(crate) fn entry(&self, key: &InfoHash, id: ValueId) -> Option<Entry<'_>> {
        let (_, index) = self.values.find(key, id);
        index.map(|index| self.entry_of(self.values.get(index)))
    }

    /// Returns how many places there are that values lie at; some may be empty.
    pub(crate) fn places(&self) -> usize {
        self.values.places()
    }

    /// Returns the value at a place.
    pub(crate) fn at(&self, place: usize) -> Option<Entry<'_>> {
        self.values.at(place).map(|stored| self.entry_of(stored))
    }

    fn entry_of<'a>(&'a self, stored: &'a StoredItem) -> Entry<'a> {
        Entry {
            key: stored.key,
            value: &stored.value,
            created: stored.created,
            expires: stored.expires,
            source: self.quota.source(stored.account).map(IpAddr::from),
        }
    }

    /// Returns all values, in order of keys and ids.
    pub(crate) fn export(&self) -> impl Iterator<Item = Entry<'_>> {
        self.keys().into_iter().flat_map(|key| self.entries(&key))
    }

    /// Returns how much is stored.
    pub(crate) fn sizes(&self) -> Sizes {
        Sizes {
            keys: self.values.key_count(),
            values: self.values.value_count(),
            own_bytes: self.quota.own_bytes(),
            others_bytes: self.quota.others_bytes(),
        }
    }

    /// Reports why there can be no room for a value, whatever gives way.
    fn check_limits(
        &self,
        key: &InfoHash,
        incoming: &Incoming,
        count: usize,
        held: Option<ValueIndex>,
    ) -> Result<(), Refusal> {
        let Some(source) = incoming.source else {
            return Ok(());
        };
        if !self.quota.allows(footprint(&incoming.value)) {
            return Err(Refusal::TooLarge);
        }
        let is_full = held.is_none() && count >= self.max_values_per_key;
        if is_full && self.first_of_key(key, source).is_none() {
            return Err(Refusal::KeyFull);
        }
        if count == 0 && self.values.key_count() >= self.max_keys {
            let victim = self.quota.first_of_heaviest(source, 0);
            let victim = victim.map(|index| self.values.get(index).key);
            // One that has other values makes no room for a key.
            if victim.is_none_or(|victim| self.values.count(&victim) > 1) {
                return Err(Refusal::TooManyKeys);
            }
        }
        Ok(())
    }

    /// Removes what must go before a value may be put: first what has expired, then what goes first
    /// of the sources that have most.
    fn make_room(
        &mut self,
        now: Timestamp,
        key: &InfoHash,
        incoming: &Incoming,
        is_new: bool,
    ) -> Vec<(InfoHash, ValueId)> {
        let mut evicted = Vec::new();
        let Some(source) = incoming.source else {
            return evicted;
        };
        let bytes = footprint(&incoming.value);
        while let Some(victim) = self.quota.victim(source, bytes) {
            let index = self.quota.due(now).unwrap_or(victim);
            evicted.push(self.discard(index));
        }
        let count = self.values.count(key);
        if is_new
            && count >= self.max_values_per_key
            && let Some(victim) = self.first_of_key(key, source)
        {
            evicted.push(self.discard(victim));
        }
        if count == 0
            && self.values.key_count() >= self.max_keys
            && let Some(victim) = self.quota.first_of_heaviest(source, 0)
        {
            evicted.push(self.discard(victim));
        }
        evicted
    }

    /// Returns the value that goes first under a key before `source` may store another one there.
    fn first_of_key(&self, key: &InfoHash, source: Source) -> Option<ValueIndex> {
        let made;
        let crowd = if let Some(crowd) = self.crowds.get(key) {
            crowd
        } else {
            made = self.make_crowd(key);
            &made
        };
        let heaviest = crowd.heaviest_with(source);
        let classes = Class::all_of(&self.own, key).into_iter().rev();
        let mut accounts = classes.filter_map(|class| self.quota.account(heaviest, class));
        let (_, index) = accounts.find_map(|account| crowd.next(account, None))?;
        Some(index)
    }

    fn make_crowd(&self, key: &InfoHash) -> Crowd {
        let mut crowd = Crowd::default();
        for index in self.values.indices(key, ALL_IDS) {
            let stored = self.values.get(index);
            let source = self.quota.source(stored.account);
            crowd.add(stored.account, source, stored.value.id(), index);
        }
        crowd
    }

    fn put(&mut self, key: InfoHash, incoming: Incoming, is_kept: bool) {
        let Incoming {
            value,
            source,
            created,
            expires,
        } = incoming;
        let bytes = footprint(&value);
        let class = if is_kept {
            Class::KEPT
        } else {
            Class::of(&self.own, &key, &value)
        };
        let account = self.quota.open(source.map(|source| (source, class)));
        let id = value.id();
        let index = self.values.insert(StoredItem {
            key,
            value,
            created,
            expires,
            account,
        });
        self.quota.charge(account, bytes, expires, index);
        if let Some(crowd) = self.crowds.get_mut(&key) {
            crowd.add(account, source, id, index);
        } else if self.values.count(&key) >= Crowd::MIN {
            self.crowds.insert(key, self.make_crowd(&key));
        }
    }

    /// Removes a value; returns it and the source it was charged to.
    fn take(&mut self, index: ValueIndex) -> (StoredItem, Option<Source>) {
        let source = self.source(index);
        let stored = self.values.remove(index);
        let bytes = footprint(&stored.value);
        self.quota
            .release(stored.account, bytes, stored.expires, index);
        if let Some(crowd) = self.crowds.get_mut(&stored.key) {
            crowd.remove(stored.account, source, stored.value.id(), index);
            if self.values.count(&stored.key) < Crowd::MIN / 2 {
                self.crowds.remove(&stored.key);
            }
        }
        (stored, source)
    }

    fn discard(&mut self, index: ValueIndex) -> (InfoHash, ValueId) {
        let (stored, _) = self.take(index);
        (stored.key, stored.value.id())
    }

    fn source(&self, index: ValueIndex) -> Option<Source> {
        self.quota.source(self.values.get(index).account)
    }
}

/// Returns the range of the ids that a query can be about; all of them is the rule.
fn wanted_ids(query: &Query) -> RangeInclusive<ValueId> {
    let mut ids = query.conditions.iter().filter_map(|it| match it {
        Condition::Id(id) => Some(*id..=*id),
        Condition::ValueType(_) | Condition::Owner(_) | Condition::UserType(_) => None,
    });
    ids.next().unwrap_or(ALL_IDS)
}

/// Returns the memory that a stored value takes, in bytes.
fn footprint(value: &Value) -> usize {
    value.packed().len() + Storage::OVERHEAD_BYTES
}
