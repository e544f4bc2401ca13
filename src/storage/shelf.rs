//! [`Shelves`]: the values of each key, in order of their ids.

use std::collections::BTreeMap;
use std::iter;
use std::ops::RangeInclusive;

use slab::Slab;

use super::quota::AccountNumber;
use crate::{InfoHash, Timestamp, Value, ValueId};

/// All stored values. Each lies in a slot of one array; the order by key and id is an index into it.
#[derive(Default)]
pub(super) struct Shelves {
    items: Slab<Item>,
    slots: BTreeMap<(InfoHash, ValueId), Slot>,
    /// How many values a key has beyond its first; keys with one value are not listed.
    further: BTreeMap<InfoHash, usize>,
    key_count: usize,
}

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

impl Shelves {
    /// How many keys have values.
    pub(super) fn key_count(&self) -> usize {
        self.key_count
    }

    /// How many values there are.
    pub(super) fn value_count(&self) -> usize {
        self.items.len()
    }

    /// How many values a key has.
    pub(super) fn count(&self, key: &InfoHash) -> usize {
        match self.further.get(key) {
            Some(further) => 1 + further,
            None => usize::from(self.contains(key)),
        }
    }

    /// Whether a key has values.
    pub(super) fn contains(&self, key: &InfoHash) -> bool {
        self.next_key(*key) == Some(*key)
    }

    /// The keys that have values, from `first` on, in order.
    pub(super) fn keys_from(&self, first: InfoHash) -> impl Iterator<Item = InfoHash> {
        iter::successors(self.next_key(first), |&key| {
            let after = (key, *ALL_IDS.end());
            let ((next, _), _) = self
                .slots
                .range(after..)
                .find(|((next, _), _)| *next != key)?;
            Some(*next)
        })
    }

    /// Where a value lies.
    pub(super) fn find(&self, key: &InfoHash, id: ValueId) -> Option<Slot> {
        self.slots.get(&(*key, id)).copied()
    }

    /// The values of a key whose ids lie in `ids`, in order.
    pub(super) fn items(
        &self,
        key: &InfoHash,
        ids: RangeInclusive<ValueId>,
    ) -> impl Iterator<Item = &Item> + use<'_> {
        self.slots
            .range((*key, *ids.start())..=(*key, *ids.end()))
            .map(|(_, &slot)| self.item(slot))
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
        if self.contains(&key) {
            *self.further.entry(key).or_default() += 1;
        } else {
            self.key_count += 1;
        }
        let slot = Slot(self.items.insert(item) as u32);
        self.slots.insert((key, id), slot);
        slot
    }

    /// Takes a value out of a slot in use.
    pub(super) fn remove(&mut self, slot: Slot) -> Item {
        let item = self.items.remove(slot.index());
        self.slots.remove(&(item.key, item.value.id()));
        match self.further.get_mut(&item.key) {
            None => self.key_count -= 1,
            Some(1) => {
                self.further.remove(&item.key);
            }
            Some(further) => *further -= 1,
        }
        item
    }

    /// The first key with values that is not before `key`.
    fn next_key(&self, key: InfoHash) -> Option<InfoHash> {
        let from = (key, *ALL_IDS.start());
        let ((next, _), _) = self.slots.range(from..).next()?;
        Some(*next)
    }
}

/// Every id that a value can have.
pub(super) const ALL_IDS: RangeInclusive<ValueId> = ValueId(0)..=ValueId(u64::MAX);

impl Slot {
    fn index(self) -> usize {
        self.0 as usize
    }
}
