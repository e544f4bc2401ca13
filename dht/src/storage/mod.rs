//! [`Storage`]: the values a node keeps, its own and those of others; [`Listeners`]: who wants to hear of them.
//!
//! The rules of `docs/spec/node.md#5`, as data structures: what is kept, for how long, and what
//! gives way when it becomes too much. Whether a value deserves to be kept at all (token, distance,
//! policy, signature) is decided before it comes here, and telling the listeners is left to the
//! node. Nothing is sent from here.
//!
//! - Values of others never use more than [`StorageConfig::limit_bytes`], nor those of one source (an IPv4 address or
//!   an IPv6 /64) more than [`StorageConfig::limit_per_source_bytes`]. Own values count for neither and are never
//!   evicted.
//! - Bytes are bytes of memory: the packed value and [`Storage::OVERHEAD_BYTES`].
//! - Every operation on a value takes logarithmic time, however many lie under its key.

mod config;
mod entry;
mod index;
mod interner;
mod listener;
mod listeners;
#[cfg(test)]
mod model;
mod quota;
mod source;
#[cfg(test)]
mod tests;
mod value_store;

use std::net::IpAddr;

use thiserror::Error;

use crate::{Condition, InfoHash, Query, Rng, Timestamp, Value, ValueId};
pub use config::{ListenConfig, StorageConfig};
pub use entry::{Entry, Sizes};
pub use listener::Listener;
pub use listeners::{Listeners, SubscribeError, Subscribed};
use quota::Quota;
use source::Source;
use value_store::{ALL_IDS, Item, Slot, ValueStore};

/// The stored values of a node.
pub struct Storage {
    values: ValueStore,
    quota: Quota,
    max_keys: usize,
    max_values_per_key: usize,
}

/// What storing a value did.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use]
pub struct Stored {
    /// What became of the value.
    pub change: Change,
    /// The values that were removed to make room.
    pub evicted: Vec<(InfoHash, ValueId)>,
}

/// What became of a value that was stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// There was none of its id.
    New,
    /// It took the place of another one.
    Edited,
    /// The same was there and lives longer.
    Refreshed,
}

/// Why a value was not stored. Nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Refusal {
    /// Its lifetime is over.
    #[error("the value has expired")]
    Expired,
    /// Its key holds [`StorageConfig::max_values_per_key`] values.
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
pub enum RefreshError {
    /// Nothing is stored under the key.
    #[error("nothing is stored under this key")]
    UnknownKey,
    /// The key has values, but none of this id.
    #[error("no value of this id is stored under this key")]
    UnknownValue,
}

impl Storage {
    /// What a stored value costs beside its packed bytes, in bytes: its parsed head and its places in the indices,
    /// as measured.
    ///
    /// Differs: OpenDHT counts neither this nor the owner's key, so its limit says little of the memory in use.
    pub const OVERHEAD_BYTES: usize = 220;

    /// How many values one call of [`Storage::expire`] removes at most.
    pub const EXPIRE_BATCH: usize = 4_096;

    /// An empty store with the limits of `config`; its hash table's key comes from `rng`.
    pub fn new(config: &StorageConfig, rng: &mut Rng) -> Self {
        Self {
            values: ValueStore::new(rng),
            quota: Quota::new(config),
            max_keys: config.max_keys,
            max_values_per_key: config.max_values_per_key,
        }
    }

    /// Keeps a value, which has passed every check, under `key` until `expires`.
    ///
    /// `source` is who sent it, or `None` if this node did; own values know no limit. A value of the same id gives
    /// way. If it holds the same, it stays, lives as long as the longer-lived of both, and is charged to the one who
    /// brought it, or to this node if either was its own.
    ///
    /// # Errors
    ///
    /// [`Refusal`], with nothing changed.
    pub fn store(
        &mut self,
        now: Timestamp,
        key: &InfoHash,
        value: Value,
        source: Option<IpAddr>,
        created: Timestamp,
        expires: Timestamp,
    ) -> Result<Stored, Refusal> {
        if expires <= now {
            return Err(Refusal::Expired);
        }
        let (count, held) = self.values.find(key, value.id());
        if source.is_some() {
            self.check_limits(&value, count, held)?;
        }
        let mut lot = Incoming {
            key: *key,
            value,
            created,
            expires,
            source: source.map(Source::from),
        };
        let change = match held.map(|slot| self.take(slot)) {
            None => Change::New,
            Some(old) if old.value.same_content(&lot.value) => {
                lot = Incoming {
                    key: *key,
                    value: old.value,
                    created: old.created.max(created),
                    expires: old.expires.max(expires),
                    source: lot.source.and(old.source),
                };
                Change::Refreshed
            }
            Some(_) => Change::Edited,
        };
        let evicted = self.make_room(now, &lot);
        self.put(lot);
        Ok(Stored { change, evicted })
    }

    /// Lets a value live until `expires`, or as long as it does already (`docs/spec/node.md#5.2`).
    ///
    /// # Errors
    ///
    /// [`RefreshError::UnknownKey`], which the wire answers with error 404, and [`RefreshError::UnknownValue`], which
    /// it answers with success.
    pub fn refresh(
        &mut self,
        now: Timestamp,
        key: &InfoHash,
        id: ValueId,
        expires: Timestamp,
    ) -> Result<(), RefreshError> {
        if !self.values.contains(key) {
            return Err(RefreshError::UnknownKey);
        }
        let (_, slot) = self.values.find(key, id);
        let slot = slot.ok_or(RefreshError::UnknownValue)?;
        let item = self.values.item_mut(slot);
        let before = item.expires;
        item.created = item.created.max(now);
        item.expires = before.max(expires);
        self.quota
            .postpone(item.account, before, item.expires, slot);
        Ok(())
    }

    /// The value of this id under `key`.
    pub fn find(&self, key: &InfoHash, id: ValueId) -> Option<&Value> {
        let (_, slot) = self.values.find(key, id);
        slot.map(|slot| &self.values.item(slot).value)
    }

    /// The values under `key` that meet the conditions of `query`, in order of their ids.
    pub fn get<'a>(
        &'a self,
        key: &InfoHash,
        query: &'a Query,
    ) -> impl Iterator<Item = &'a Value> + use<'a> {
        let wanted = query
            .conditions
            .iter()
            .find_map(|condition| match condition {
                Condition::Id(id) => Some(*id..=*id),
                Condition::ValueType(_) | Condition::Owner(_) | Condition::UserType(_) => None,
            });
        self.values
            .items(key, wanted.unwrap_or(ALL_IDS))
            .map(|item| &item.value)
            .filter(|value| query.matches(value))
    }

    /// Whether `key` has values.
    pub fn contains_key(&self, key: &InfoHash) -> bool {
        self.values.contains(key)
    }

    /// Removes a value of this node's own; whether there was one.
    pub fn remove_own(&mut self, key: &InfoHash, id: ValueId) -> bool {
        let (_, held) = self.values.find(key, id);
        let own = held.filter(|&slot| self.source(slot).is_none());
        own.map(|slot| self.take(slot)).is_some()
    }

    /// Removes all values of others under `key`, which other nodes hold instead; returns their ids.
    pub fn remove_others(&mut self, key: &InfoHash) -> Vec<ValueId> {
        let ids: Vec<_> = self
            .entries(key)
            .filter(|entry| entry.source.is_some())
            .map(|entry| entry.value.id())
            .collect();
        for id in &ids {
            if let (_, Some(slot)) = self.values.find(key, *id) {
                self.take(slot);
            }
        }
        ids
    }

    /// Removes values that have expired, at most [`Storage::EXPIRE_BATCH`] of them; returns what was removed.
    ///
    /// If more have, [`Storage::next_expiry`] is not after `now`.
    pub fn expire(&mut self, now: Timestamp) -> Vec<(InfoHash, ValueId)> {
        let mut expired = Vec::new();
        while expired.len() < Self::EXPIRE_BATCH
            && let Some(slot) = self.quota.due(now)
        {
            expired.push(self.discard(slot));
        }
        expired
    }

    /// When [`Storage::expire`] has something to do next; `None` if never.
    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.quota.next_expiry()
    }

    /// The keys that have values, in order.
    pub fn keys(&self) -> Vec<InfoHash> {
        self.values.keys()
    }

    /// The values under `key`, in order of their ids.
    pub fn entries(&self, key: &InfoHash) -> impl Iterator<Item = Entry<'_>> + use<'_> {
        let key = *key;
        self.values.items(&key, ALL_IDS).map(move |item| Entry {
            key,
            value: &item.value,
            created: item.created,
            expires: item.expires,
            source: self.quota.source(item.account).map(IpAddr::from),
        })
    }

    /// All values, in order of keys and ids.
    pub fn export(&self) -> impl Iterator<Item = Entry<'_>> {
        self.keys().into_iter().flat_map(|key| self.entries(&key))
    }

    /// How much is stored.
    pub fn sizes(&self) -> Sizes {
        Sizes {
            keys: self.values.key_count(),
            values: self.values.value_count(),
            own_bytes: self.quota.own_bytes(),
            others_bytes: self.quota.others_bytes(),
        }
    }

    fn check_limits(&self, value: &Value, count: usize, held: Option<Slot>) -> Result<(), Refusal> {
        if !self.quota.allows(footprint(value)) {
            Err(Refusal::TooLarge)
        } else if held.is_none() && count >= self.max_values_per_key {
            Err(Refusal::KeyFull)
        } else if count == 0 && self.values.key_count() >= self.max_keys {
            Err(Refusal::TooManyKeys)
        } else {
            Ok(())
        }
    }

    /// Removes what must go before a lot may be put: expired values first, then as the quota says.
    fn make_room(&mut self, now: Timestamp, lot: &Incoming) -> Vec<(InfoHash, ValueId)> {
        let mut evicted = Vec::new();
        if let Some(source) = lot.source {
            let bytes = footprint(&lot.value);
            while let Some(victim) = self.quota.victim(source, bytes) {
                let slot = self.quota.due(now).unwrap_or(victim);
                evicted.push(self.discard(slot));
            }
        }
        evicted
    }

    fn put(&mut self, lot: Incoming) {
        let bytes = footprint(&lot.value);
        let account = self.quota.open(lot.source);
        let slot = self.values.insert(Item {
            key: lot.key,
            value: lot.value,
            created: lot.created,
            expires: lot.expires,
            account,
        });
        self.quota.charge(account, bytes, lot.expires, slot);
    }

    fn take(&mut self, slot: Slot) -> Incoming {
        let source = self.source(slot);
        let item = self.values.remove(slot);
        let bytes = footprint(&item.value);
        self.quota.release(item.account, bytes, item.expires, slot);
        Incoming {
            key: item.key,
            value: item.value,
            created: item.created,
            expires: item.expires,
            source,
        }
    }

    fn discard(&mut self, slot: Slot) -> (InfoHash, ValueId) {
        let lot = self.take(slot);
        (lot.key, lot.value.id())
    }

    fn source(&self, slot: Slot) -> Option<Source> {
        self.quota.source(self.values.item(slot).account)
    }
}

/// A value outside the store's indices.
struct Incoming {
    key: InfoHash,
    value: Value,
    created: Timestamp,
    expires: Timestamp,
    source: Option<Source>,
}

/// The memory that a stored value takes, in bytes.
fn footprint(value: &Value) -> usize {
    value.packed().len() + Storage::OVERHEAD_BYTES
}
