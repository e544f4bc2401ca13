//! [`ValueStore`]: the values of each key, in order of their ids.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use slab::Slab;

use super::ids::{AccountNumber, ValueIndex};
use super::index::Index;
use crate::{InfoHash, Rng, Timestamp, Value, ValueId};

/// All stored values, each at an index of one array.
pub(super) struct ValueStore {
    values: Slab<StoredItem>,
    keys: Index<KeyEntry>,
    sets: Slab<ValueSet>,
    /// The values of all sets.
    by_id: BTreeMap<(ValueSetNumber, ValueId), ValueIndex>,
}

/// The values of one key.
#[derive(Clone, Copy, PartialEq)]
enum KeyEntry {
    /// The only one, as nearly all keys have.
    One(ValueIndex),
    /// Several, which are ordered.
    Many(ValueSetNumber),
}

/// The values of a key that has several, or had.
struct ValueSet {
    key: InfoHash,
    count: u32,
}

/// Stands for a key as long as it has a [`ValueSet`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct ValueSetNumber(u32);

/// A stored value and what the store knows of it.
pub(super) struct StoredItem {
    pub(super) key: InfoHash,
    pub(super) value: Value,
    pub(super) created: Timestamp,
    pub(super) expires: Timestamp,
    pub(super) account: AccountNumber,
}

impl ValueStore {
    /// Makes an empty store; `rng` keeps secret which keys collide.
    pub(super) fn new(rng: &mut Rng) -> Self {
        Self {
            values: Slab::new(),
            keys: Index::new(rng),
            sets: Slab::new(),
            by_id: BTreeMap::new(),
        }
    }

    /// Returns how many keys have values.
    pub(super) fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// Returns how many values there are.
    pub(super) fn value_count(&self) -> usize {
        self.values.len()
    }

    /// Returns how many values a key has.
    pub(super) fn count(&self, key: &InfoHash) -> usize {
        self.entry(key).map_or(0, |entry| self.len(entry))
    }

    /// Reports whether a key has values.
    pub(super) fn contains(&self, key: &InfoHash) -> bool {
        self.entry(key).is_some()
    }

    /// Returns the keys that have values, in order.
    pub(super) fn keys(&self) -> Vec<InfoHash> {
        let mut keys: Vec<_> = self.keys.iter().map(|entry| self.key(entry)).collect();
        keys.sort_unstable();
        keys
    }

    /// Returns how many values a key has, and where that of this id lies.
    pub(super) fn find(&self, key: &InfoHash, id: ValueId) -> (usize, Option<ValueIndex>) {
        let Some(entry) = self.entry(key) else {
            return (0, None);
        };
        let index = match entry {
            KeyEntry::One(index) => Some(index).filter(|&index| self.get(index).value.id() == id),
            KeyEntry::Many(set) => self.by_id.get(&(set, id)).copied(),
        };
        (self.len(entry), index)
    }

    /// Returns the values of a key whose ids lie in `ids`, in order.
    pub(super) fn of_key(
        &self,
        key: &InfoHash,
        ids: RangeInclusive<ValueId>,
    ) -> impl Iterator<Item = &StoredItem> + use<'_> {
        self.indices(key, ids).map(|index| self.get(index))
    }

    /// Returns where those values lie.
    pub(super) fn indices(
        &self,
        key: &InfoHash,
        ids: RangeInclusive<ValueId>,
    ) -> impl Iterator<Item = ValueIndex> + use<'_> {
        let (one, many) = match self.entry(key) {
            None => (None, None),
            Some(KeyEntry::One(index)) => {
                let id = self.get(index).value.id();
                (ids.contains(&id).then_some(index), None)
            }
            Some(KeyEntry::Many(set)) => {
                let range = (set, *ids.start())..=(set, *ids.end());
                (None, Some(self.by_id.range(range)))
            }
        };
        let many = many.into_iter().flatten();
        one.into_iter().chain(many.map(|(_, &index)| index))
    }

    /// Returns how many places there are, in use or not.
    pub(super) fn places(&self) -> usize {
        if self.values.is_empty() {
            return 0;
        }
        self.values.capacity()
    }

    /// Returns what lies at a place, if anything.
    pub(super) fn at(&self, place: usize) -> Option<&StoredItem> {
        self.values.get(place)
    }

    /// Returns what lies at an index in use.
    pub(super) fn get(&self, index: ValueIndex) -> &StoredItem {
        &self.values[index.index()]
    }

    /// Adds a value of a key and id that no other has.
    pub(super) fn insert(&mut self, stored: StoredItem) -> ValueIndex {
        let (key, id) = (stored.key, stored.value.id());
        let entry = self.entry(&key);
        let index = ValueIndex::new(self.values.insert(stored));
        match entry {
            None => self.keys.insert(&key, KeyEntry::One(index)),
            Some(KeyEntry::One(other)) => {
                let set = ValueSetNumber(self.sets.insert(ValueSet { key, count: 2 }) as u32);
                let other_id = self.get(other).value.id();
                self.by_id
                    .extend([((set, other_id), other), ((set, id), index)]);
                self.keys
                    .replace(&key, KeyEntry::One(other), KeyEntry::Many(set));
            }
            Some(KeyEntry::Many(set)) => {
                self.by_id.insert((set, id), index);
                self.sets[set.index()].count += 1;
            }
        }
        index
    }

    /// Removes the value at an index in use.
    pub(super) fn remove(&mut self, index: ValueIndex) -> StoredItem {
        let entry = self.entry(&self.get(index).key);
        let stored = self.values.remove(index.index());
        let left = match entry {
            Some(KeyEntry::Many(set)) => self.leave(set, stored.value.id()),
            Some(KeyEntry::One(_)) | None => 0,
        };
        if let Some(entry) = entry
            && left == 0
        {
            self.keys.remove(&stored.key, entry);
        }
        stored
    }

    /// Removes a value from a set and returns how many are left. A set of one remains a set.
    fn leave(&mut self, number: ValueSetNumber, id: ValueId) -> u32 {
        self.by_id.remove(&(number, id));
        let set = &mut self.sets[number.index()];
        set.count -= 1;
        let left = set.count;
        if left == 0 {
            self.sets.remove(number.index());
        }
        left
    }

    fn entry(&self, key: &InfoHash) -> Option<KeyEntry> {
        self.keys.find(key, |entry| self.key(entry))
    }

    fn key(&self, entry: KeyEntry) -> InfoHash {
        match entry {
            KeyEntry::One(index) => self.get(index).key,
            KeyEntry::Many(set) => self.set(set).key,
        }
    }

    fn len(&self, entry: KeyEntry) -> usize {
        match entry {
            KeyEntry::One(_) => 1,
            KeyEntry::Many(set) => self.set(set).count as usize,
        }
    }

    fn set(&self, number: ValueSetNumber) -> &ValueSet {
        &self.sets[number.index()]
    }
}

/// Every id that a value can have.
pub(super) const ALL_IDS: RangeInclusive<ValueId> = ValueId(0)..=ValueId(u64::MAX);

impl ValueSetNumber {
    fn index(self) -> usize {
        self.0 as usize
    }
}
