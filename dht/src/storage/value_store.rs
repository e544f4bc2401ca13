//! [`ValueStore`]: the values of each key, in order of their ids.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use slab::Slab;

use super::index::Index;
use super::quota::AccountNumber;
use crate::{InfoHash, Rng, Timestamp, Value, ValueId};

/// All stored values. Each lies in a slot of one array.
pub(super) struct ValueStore {
    items: Slab<Item>,
    keys: Index<KeyEntry>,
    crowds: Slab<ValueSet>,
    /// The values of all crowds.
    by_id: BTreeMap<(ValueSetNumber, ValueId), Slot>,
}

/// The values of one key.
#[derive(Clone, Copy, PartialEq)]
enum KeyEntry {
    /// As nearly all keys have.
    One(Slot),
    /// So many that they are ordered.
    Many(ValueSetNumber),
}

/// The values of a key that has several, or had.
struct ValueSet {
    key: InfoHash,
    count: u32,
}

/// Stands for a key as long as it has a crowd.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct ValueSetNumber(u32);

/// Where a stored value lies. Memory ends long before 32 bits do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Slot(pub(super) u32);

/// A stored value and what the store knows of it.
pub(super) struct Item {
    pub(super) key: InfoHash,
    pub(super) value: Value,
    pub(super) created: Timestamp,
    pub(super) expires: Timestamp,
    pub(super) account: AccountNumber,
}

impl ValueStore {
    /// Nothing is stored yet.
    pub(super) fn new(rng: &mut Rng) -> Self {
        Self {
            items: Slab::new(),
            keys: Index::new(rng),
            crowds: Slab::new(),
            by_id: BTreeMap::new(),
        }
    }

    /// How many keys have values.
    pub(super) fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// How many values there are.
    pub(super) fn value_count(&self) -> usize {
        self.items.len()
    }

    /// Whether a key has values.
    pub(super) fn contains(&self, key: &InfoHash) -> bool {
        self.entry(key).is_some()
    }

    /// The keys that have values, in order.
    pub(super) fn keys(&self) -> Vec<InfoHash> {
        let mut keys: Vec<_> = self.keys.iter().map(|entry| self.key(entry)).collect();
        keys.sort_unstable();
        keys
    }

    /// How many values a key has, and where that of this id lies.
    pub(super) fn find(&self, key: &InfoHash, id: ValueId) -> (usize, Option<Slot>) {
        let Some(entry) = self.entry(key) else {
            return (0, None);
        };
        let slot = match entry {
            KeyEntry::One(slot) => Some(slot).filter(|&slot| self.item(slot).value.id() == id),
            KeyEntry::Many(set) => self.by_id.get(&(set, id)).copied(),
        };
        (self.len(entry), slot)
    }

    /// The values of a key whose ids lie in `ids`, in order.
    pub(super) fn items(
        &self,
        key: &InfoHash,
        ids: RangeInclusive<ValueId>,
    ) -> impl Iterator<Item = &Item> + use<'_> {
        let (one, many) = match self.entry(key) {
            None => (None, None),
            Some(KeyEntry::One(slot)) => {
                let item = Some(self.item(slot)).filter(|item| ids.contains(&item.value.id()));
                (item, None)
            }
            Some(KeyEntry::Many(set)) => {
                let range = (set, *ids.start())..=(set, *ids.end());
                (None, Some(self.by_id.range(range)))
            }
        };
        let many = many.into_iter().flatten();
        one.into_iter()
            .chain(many.map(|(_, &slot)| self.item(slot)))
    }

    /// What lies in a slot in use.
    pub(super) fn item(&self, slot: Slot) -> &Item {
        &self.items[slot.index()]
    }

    /// What lies in a slot in use.
    pub(super) fn item_mut(&mut self, slot: Slot) -> &mut Item {
        &mut self.items[slot.index()]
    }

    /// Puts a value where none of its key and id is.
    pub(super) fn insert(&mut self, item: Item) -> Slot {
        let (key, id) = (item.key, item.value.id());
        let entry = self.entry(&key);
        let slot = Slot(self.items.insert(item) as u32);
        match entry {
            None => self.keys.insert(&key, KeyEntry::One(slot)),
            Some(KeyEntry::One(other)) => {
                let set = ValueSetNumber(self.crowds.insert(ValueSet { key, count: 2 }) as u32);
                let other_id = self.item(other).value.id();
                self.by_id
                    .extend([((set, other_id), other), ((set, id), slot)]);
                self.keys
                    .replace(&key, KeyEntry::One(other), KeyEntry::Many(set));
            }
            Some(KeyEntry::Many(set)) => {
                self.by_id.insert((set, id), slot);
                self.crowds[set.index()].count += 1;
            }
        }
        slot
    }

    /// Takes a value out of a slot in use.
    pub(super) fn remove(&mut self, slot: Slot) -> Item {
        let entry = self.entry(&self.item(slot).key);
        let item = self.items.remove(slot.index());
        let left = match entry {
            Some(KeyEntry::Many(set)) => self.leave(set, item.value.id()),
            Some(KeyEntry::One(_)) | None => 0,
        };
        if let Some(entry) = entry
            && left == 0
        {
            self.keys.remove(&item.key, entry);
        }
        item
    }

    /// Takes a value out of a crowd; how many are left. The last one may stay where it is.
    fn leave(&mut self, number: ValueSetNumber, id: ValueId) -> u32 {
        self.by_id.remove(&(number, id));
        let set = &mut self.crowds[number.index()];
        set.count -= 1;
        let left = set.count;
        if left == 0 {
            self.crowds.remove(number.index());
        }
        left
    }

    fn entry(&self, key: &InfoHash) -> Option<KeyEntry> {
        self.keys.find(key, |entry| self.key(entry))
    }

    fn key(&self, entry: KeyEntry) -> InfoHash {
        match entry {
            KeyEntry::One(slot) => self.item(slot).key,
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
        &self.crowds[number.index()]
    }
}

/// Every id that a value can have.
pub(super) const ALL_IDS: RangeInclusive<ValueId> = ValueId(0)..=ValueId(u64::MAX);

impl Slot {
    fn index(self) -> usize {
        self.0 as usize
    }
}

impl ValueSetNumber {
    fn index(self) -> usize {
        self.0 as usize
    }
}
