//! [`Shelves`]: the values of each key, in order of their ids.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use slab::Slab;

use super::keys::{KeyNumber, Keys};
use super::quota::AccountNumber;
use crate::{InfoHash, Timestamp, Value, ValueId};

/// All stored values. Each lies in a slot of one array; the order by key and id is an index into it.
#[derive(Default)]
pub(super) struct Shelves {
    keys: Keys,
    slots: BTreeMap<(KeyNumber, ValueId), Slot>,
    items: Slab<(KeyNumber, Item)>,
}

/// Where a stored value lies. Memory ends long before 32 bits do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Slot(pub(super) u32);

/// A stored value and what the store knows of it.
pub(super) struct Item {
    pub(super) value: Value,
    pub(super) created: Timestamp,
    pub(super) expires: Timestamp,
    pub(super) account: AccountNumber,
}

impl Shelves {
    /// How many keys have values.
    pub(super) fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// How many values there are.
    pub(super) fn value_count(&self) -> usize {
        self.items.len()
    }

    /// How many values a key has.
    pub(super) fn count(&self, key: &InfoHash) -> usize {
        self.keys.uses(key)
    }

    /// The keys that have values, from `first` on, in order.
    pub(super) fn keys_from(&self, first: InfoHash) -> impl Iterator<Item = InfoHash> {
        self.keys.from(first)
    }

    /// Where a value lies.
    pub(super) fn find(&self, key: &InfoHash, id: ValueId) -> Option<Slot> {
        let number = self.keys.number(key)?;
        self.slots.get(&(number, id)).copied()
    }

    /// The values of a key whose ids lie in `ids`, in order.
    pub(super) fn items(
        &self,
        key: &InfoHash,
        ids: RangeInclusive<ValueId>,
    ) -> impl Iterator<Item = &Item> + use<'_> {
        self.keys
            .number(key)
            .into_iter()
            .flat_map(move |number| {
                self.slots
                    .range((number, *ids.start())..=(number, *ids.end()))
            })
            .map(|(_, &slot)| self.item(slot))
    }

    /// What lies in a slot in use.
    pub(super) fn item(&self, slot: Slot) -> &Item {
        &self.items[slot.index()].1
    }

    /// What lies in a slot in use.
    pub(super) fn item_mut(&mut self, slot: Slot) -> &mut Item {
        &mut self.items[slot.index()].1
    }

    /// Puts a value where none of its id is.
    pub(super) fn insert(&mut self, key: &InfoHash, item: Item) -> Slot {
        let number = self.keys.acquire(key);
        let id = item.value.id();
        let slot = Slot(self.items.insert((number, item)) as u32);
        self.slots.insert((number, id), slot);
        slot
    }

    /// Takes a value out of a slot in use.
    pub(super) fn remove(&mut self, slot: Slot) -> (InfoHash, Item) {
        let (number, item) = self.items.remove(slot.index());
        self.slots.remove(&(number, item.value.id()));
        (self.keys.release(number), item)
    }
}

impl Slot {
    fn index(self) -> usize {
        self.0 as usize
    }
}
