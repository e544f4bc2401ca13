//! [`Shelves`]: the values of each key, in order of their ids.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::RangeInclusive;

use slab::Slab;

use super::quota::AccountNumber;
use crate::{InfoHash, Timestamp, Value, ValueId};

/// All stored values. Each lies in a slot of one array; the order by key and id is an index into it.
#[derive(Default)]
pub(super) struct Shelves {
    items: Slab<Item>,
    keys: BTreeMap<InfoHash, Shelf>,
    /// The values of all keys that have several.
    crowded: BTreeMap<(InfoHash, ValueId), Slot>,
}

/// The values of one key.
enum Shelf {
    /// As nearly all keys have.
    One(Slot),
    /// So many, all in `crowded`.
    Many(u32),
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
        self.keys.len()
    }

    /// How many values there are.
    pub(super) fn value_count(&self) -> usize {
        self.items.len()
    }

    /// How many values a key has.
    pub(super) fn count(&self, key: &InfoHash) -> usize {
        self.keys.get(key).map_or(0, Shelf::len)
    }

    /// Whether a key has values.
    pub(super) fn contains(&self, key: &InfoHash) -> bool {
        self.keys.contains_key(key)
    }

    /// The keys that have values, from `first` on, in order.
    pub(super) fn keys_from(&self, first: InfoHash) -> impl Iterator<Item = InfoHash> {
        self.keys.range(first..).map(|(&key, _)| key)
    }

    /// How many values a key has, and where that of this id lies.
    pub(super) fn find(&self, key: &InfoHash, id: ValueId) -> (usize, Option<Slot>) {
        let Some(shelf) = self.keys.get(key) else {
            return (0, None);
        };
        let slot = match shelf {
            Shelf::One(slot) => Some(*slot).filter(|&slot| self.item(slot).value.id() == id),
            Shelf::Many(_) => self.crowded.get(&(*key, id)).copied(),
        };
        (shelf.len(), slot)
    }

    /// The values of a key whose ids lie in `ids`, in order.
    pub(super) fn items(
        &self,
        key: &InfoHash,
        ids: RangeInclusive<ValueId>,
    ) -> impl Iterator<Item = &Item> + use<'_> {
        let (one, many) = match self.keys.get(key) {
            None => (None, None),
            Some(Shelf::One(slot)) => {
                let item = Some(self.item(*slot)).filter(|item| ids.contains(&item.value.id()));
                (item, None)
            }
            Some(Shelf::Many(_)) => {
                let range = (*key, *ids.start())..=(*key, *ids.end());
                (None, Some(self.crowded.range(range)))
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
        let slot = Slot(self.items.insert(item) as u32);
        match self.keys.entry(key) {
            Entry::Vacant(place) => {
                place.insert(Shelf::One(slot));
            }
            Entry::Occupied(mut shelf) => {
                self.crowded.insert((key, id), slot);
                match shelf.get_mut() {
                    Shelf::Many(count) => *count += 1,
                    Shelf::One(other) => {
                        let other_id = self.items[other.index()].value.id();
                        self.crowded.insert((key, other_id), *other);
                        shelf.insert(Shelf::Many(2));
                    }
                }
            }
        }
        slot
    }

    /// Takes a value out of a slot in use.
    pub(super) fn remove(&mut self, slot: Slot) -> Item {
        let item = self.items.remove(slot.index());
        if let Entry::Occupied(mut shelf) = self.keys.entry(item.key) {
            match shelf.get_mut() {
                Shelf::One(_) => {
                    shelf.remove();
                }
                Shelf::Many(count) => {
                    *count -= 1;
                    self.crowded.remove(&(item.key, item.value.id()));
                    // The last one left may stay where it is.
                    if *count == 0 {
                        shelf.remove();
                    }
                }
            }
        }
        item
    }
}

impl Shelf {
    fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Many(count) => *count as usize,
        }
    }
}

/// Every id that a value can have.
pub(super) const ALL_IDS: RangeInclusive<ValueId> = ValueId(0)..=ValueId(u64::MAX);

impl Slot {
    fn index(self) -> usize {
        self.0 as usize
    }
}
