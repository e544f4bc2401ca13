//! [`Index`]: finds by a key what knows the key itself, so that no key is kept twice.

use std::hash::{Hash, Hasher};

use hashbrown::HashTable;
use hashbrown::hash_table::OccupiedEntry;
use siphasher::sip::SipHasher13;

use crate::Rng;

/// Small things, each under a key that only the caller knows to read off it. Takes 13 bytes and the spare room of a hash
/// table for a thing of 8 bytes; who chooses the keys cannot make them meet.
pub(super) struct Index<T> {
    entries: HashTable<Entry<T>>,
    hasher: SipHasher13,
}

struct Entry<T> {
    /// Of the key, so that a growing table has to read none.
    hash: u32,
    thing: T,
}

impl<T: Copy> Index<T> {
    /// Nothing yet; `rng` keeps secret which keys meet.
    pub(super) fn new(rng: &mut Rng) -> Self {
        let mut key = [0; 16];
        rng.fill(&mut key);
        Self {
            entries: HashTable::new(),
            hasher: SipHasher13::new_with_key(&key),
        }
    }

    /// How many things there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// All things, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = T> {
        self.entries.iter().map(|entry| entry.thing)
    }

    /// What is under a key.
    pub(super) fn find<K: Hash + Eq>(&self, key: &K, key_of: impl Fn(T) -> K) -> Option<T> {
        let hash = self.hash(key);
        let is_it = |entry: &Entry<T>| entry.hash == hash && key_of(entry.thing) == *key;
        let entry = self.entries.find(spread(hash), is_it)?;
        Some(entry.thing)
    }

    /// Puts a thing under a key that has none.
    pub(super) fn insert<K: Hash>(&mut self, key: &K, thing: T) {
        let hash = self.hash(key);
        let entry = Entry { hash, thing };
        self.entries
            .insert_unique(spread(hash), entry, |entry| spread(entry.hash));
    }
}

impl<T: Copy + PartialEq> Index<T> {
    /// Puts a thing in the place of the one that is under a key.
    pub(super) fn replace<K: Hash>(&mut self, key: &K, old: T, new: T) {
        if let Some(mut entry) = self.entry(key, old) {
            entry.get_mut().thing = new;
        }
    }

    /// Removes the thing that is under a key.
    pub(super) fn remove<K: Hash>(&mut self, key: &K, thing: T) {
        if let Some(entry) = self.entry(key, thing) {
            entry.remove();
        }
    }

    fn entry<K: Hash>(&mut self, key: &K, thing: T) -> Option<OccupiedEntry<'_, Entry<T>>> {
        let hash = self.hash(key);
        self.entries
            .find_entry(spread(hash), |entry| entry.thing == thing)
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

/// The table looks at both ends of a hash.
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
    fn a_thing_is_found_by_its_key_until_it_is_removed() {
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
    fn a_thing_takes_the_place_of_another() {
        let mut index = index();
        index.insert(&'a', 1);
        index.replace(&'a', 1, 2);
        index.replace(&'a', 1, 3);
        assert_eq!(index.find(&'a', |_| 'a'), Some(2));
    }
}
