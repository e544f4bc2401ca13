//! [`Index`]: finds by a key what knows the key itself, so that no key is kept twice.

use std::hash::{Hash, Hasher};

use hashbrown::HashTable;
use hashbrown::hash_table::OccupiedEntry;
use siphasher::sip::SipHasher13;

use crate::Rng;

/// Small items, each under a key that the caller can read off it.
///
/// An item of 8 bytes takes 13 bytes and the spare room of a hash table. The hash has a secret key,
/// so that peers cannot choose keys that collide.
pub(super) struct Index<T> {
    entries: HashTable<Indexed<T>>,
    hasher: SipHasher13,
}

struct Indexed<T> {
    /// The hash of the key, so that a growing table has to read no keys.
    hash: u32,
    item: T,
}

impl<T: Copy> Index<T> {
    /// Makes an empty index; `rng` keeps secret which keys collide.
    pub(super) fn new(rng: &mut Rng) -> Self {
        let mut key = [0; 16];
        rng.fill(&mut key);
        Self {
            entries: HashTable::new(),
            hasher: SipHasher13::new_with_key(&key),
        }
    }

    /// Returns how many items there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns all items, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = T> {
        self.entries.iter().map(|entry| entry.item)
    }

    /// Returns the item under a key.
    pub(super) fn find<K: Hash + Eq>(&self, key: &K, key_of: impl Fn(T) -> K) -> Option<T> {
        let hash = self.hash(key);
        let is_it = |entry: &Indexed<T>| entry.hash == hash && key_of(entry.item) == *key;
        let entry = self.entries.find(spread(hash), is_it)?;
        Some(entry.item)
    }

    /// Adds an item under a key that has none.
    pub(super) fn insert<K: Hash>(&mut self, key: &K, item: T) {
        let hash = self.hash(key);
        let entry = Indexed { hash, item };
        self.entries
            .insert_unique(spread(hash), entry, |entry| spread(entry.hash));
    }
}

impl<T: Copy + PartialEq> Index<T> {
    /// Replaces the item that is under a key.
    pub(super) fn replace<K: Hash>(&mut self, key: &K, old: T, new: T) {
        if let Some(mut entry) = self.entry(key, old) {
            entry.get_mut().item = new;
        }
    }

    /// Removes the item that is under a key.
    pub(super) fn remove<K: Hash>(&mut self, key: &K, item: T) {
        if let Some(entry) = self.entry(key, item) {
            entry.remove();
        }
    }

    fn entry<K: Hash>(&mut self, key: &K, item: T) -> Option<OccupiedEntry<'_, Indexed<T>>> {
        let hash = self.hash(key);
        self.entries
            .find_entry(spread(hash), |entry| entry.item == item)
            .ok()
    }
}

impl<T> Index<T> {
    fn hash<K: Hash>(&self, key: &K) -> u32 {
        let mut hasher = self.hasher;
        key.hash(&mut hasher);
        hasher.finish() as u32
    }
}

/// Fills both ends of a hash, as the table looks at both.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seed;

    fn index<T: Copy>() -> Index<T> {
        Index::new(&mut Seed::from_number(1).hashing())
    }

    #[test]
    fn an_item_is_found_by_its_key_until_it_is_removed() {
        let mut names = Vec::new();
        let mut index = index();
        for number in 0..1_000usize {
            let name = format!("name {number}");
            index.insert(&name, number);
            names.push(name);
        }
        let find = |index: &Index<usize>, name: &str| {
            index.find(&name.to_owned(), |number| names[number].clone())
        };
        assert_eq!(find(&index, "name 7"), Some(7));
        assert_eq!(find(&index, "name 1000"), None);

        index.remove(&"name 7", 7);
        index.remove(&"name 8", 9);
        assert_eq!(find(&index, "name 7"), None);
        assert_eq!(find(&index, "name 8"), Some(8));
        assert_eq!((index.len(), index.iter().count()), (999, 999));
    }

    #[test]
    fn an_item_takes_the_place_of_another() {
        let mut index = index();
        index.insert(&'a', 1);
        index.replace(&'a', 1, 2);
        index.replace(&'a', 1, 3);
        assert_eq!(index.find(&'a', |_| 'a'), Some(2));
    }
}
