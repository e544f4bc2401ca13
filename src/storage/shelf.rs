//! [`Shelves`]: the values of each key, in order of their ids.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use slab::Slab;

use super::index::Index;
use super::quota::AccountNumber;
use crate::{InfoHash, Rng, Timestamp, Value, ValueId};

/// All stored values. Each lies in a slot of one array.
pub(super) struct Shelves {
    items: Slab<Item>,
    keys: Index<Shelf>,
    crowds: Slab<Crowd>,
    /// The values of all crowds.
    crowded: BTreeMap<(CrowdNumber, ValueId), Slot>,
}

/// The values of one key.
#[derive(Clone, Copy, PartialEq)]
enum Shelf {
    /// As nearly all keys have.
    One(Slot),
    /// So many that they are ordered.
    Many(CrowdNumber),
}

/// The values of a key that has several, or had.
struct Crowd {
    key: InfoHash,
    count: u32,
}

/// Stands for a key as long as it has a crowd.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct CrowdNumber(u32);

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
    /// Nothing is stored yet.
    pub(super) fn new(rng: &mut Rng) -> Self {
        Self {
            items: Slab::new(),
            keys: Index::new(rng),
            crowds: Slab::new(),
            crowded: BTreeMap::new(),
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

    /// How many values a key has.
    pub(super) fn count(&self, key: &InfoHash) -> usize {
        self.shelf(key).map_or(0, |shelf| self.len(shelf))
    }

    /// Whether a key has values.
    pub(super) fn contains(&self, key: &InfoHash) -> bool {
        self.shelf(key).is_some()
    }

    /// The keys that have values, in order.
    pub(super) fn keys(&self) -> Vec<InfoHash> {
        let mut keys: Vec<_> = self.keys.iter().map(|shelf| self.key(shelf)).collect();
        keys.sort_unstable();
        keys
    }

    /// How many values a key has, and where that of this id lies.
    pub(super) fn find(&self, key: &InfoHash, id: ValueId) -> (usize, Option<Slot>) {
        let Some(shelf) = self.shelf(key) else {
            return (0, None);
        };
        let slot = match shelf {
            Shelf::One(slot) => Some(slot).filter(|&slot| self.item(slot).value.id() == id),
            Shelf::Many(crowd) => self.crowded.get(&(crowd, id)).copied(),
        };
        (self.len(shelf), slot)
    }

    /// The values of a key whose ids lie in `ids`, in order.
    pub(super) fn items(
        &self,
        key: &InfoHash,
        ids: RangeInclusive<ValueId>,
    ) -> impl Iterator<Item = &Item> + use<'_> {
        let (one, many) = match self.shelf(key) {
            None => (None, None),
            Some(Shelf::One(slot)) => {
                let item = Some(self.item(slot)).filter(|item| ids.contains(&item.value.id()));
                (item, None)
            }
            Some(Shelf::Many(crowd)) => {
                let range = (crowd, *ids.start())..=(crowd, *ids.end());
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
        let shelf = self.shelf(&key);
        let slot = Slot(self.items.insert(item) as u32);
        match shelf {
            None => self.keys.insert(&key, Shelf::One(slot)),
            Some(Shelf::One(other)) => {
                let crowd = CrowdNumber(self.crowds.insert(Crowd { key, count: 2 }) as u32);
                let other_id = self.item(other).value.id();
                self.crowded
                    .extend([((crowd, other_id), other), ((crowd, id), slot)]);
                self.keys
                    .replace(&key, Shelf::One(other), Shelf::Many(crowd));
            }
            Some(Shelf::Many(crowd)) => {
                self.crowded.insert((crowd, id), slot);
                self.crowds[crowd.index()].count += 1;
            }
        }
        slot
    }

    /// Takes a value out of a slot in use.
    pub(super) fn remove(&mut self, slot: Slot) -> Item {
        let shelf = self.shelf(&self.item(slot).key);
        let item = self.items.remove(slot.index());
        let left = match shelf {
            Some(Shelf::Many(crowd)) => self.leave(crowd, item.value.id()),
            Some(Shelf::One(_)) | None => 0,
        };
        if let Some(shelf) = shelf
            && left == 0
        {
            self.keys.remove(&item.key, shelf);
        }
        item
    }

    /// Takes a value out of a crowd; how many are left. The last one may stay where it is.
    fn leave(&mut self, number: CrowdNumber, id: ValueId) -> u32 {
        self.crowded.remove(&(number, id));
        let crowd = &mut self.crowds[number.index()];
        crowd.count -= 1;
        let left = crowd.count;
        if left == 0 {
            self.crowds.remove(number.index());
        }
        left
    }

    fn shelf(&self, key: &InfoHash) -> Option<Shelf> {
        self.keys.find(key, |shelf| self.key(shelf))
    }

    fn key(&self, shelf: Shelf) -> InfoHash {
        match shelf {
            Shelf::One(slot) => self.item(slot).key,
            Shelf::Many(crowd) => self.crowd(crowd).key,
        }
    }

    fn len(&self, shelf: Shelf) -> usize {
        match shelf {
            Shelf::One(_) => 1,
            Shelf::Many(crowd) => self.crowd(crowd).count as usize,
        }
    }

    fn crowd(&self, number: CrowdNumber) -> &Crowd {
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

impl CrowdNumber {
    fn index(self) -> usize {
        self.0 as usize
    }
}
