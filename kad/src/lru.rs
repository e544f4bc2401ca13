//! [`LruMap`]: a bounded map that forgets what has not been used for longest.

use std::collections::BTreeMap;

/// At most so many entries. Each operation costs the logarithm of their number.
#[derive(Debug)]
pub struct LruMap<K, V> {
    /// Each value with its last use.
    entries: BTreeMap<K, (V, u64)>,
    /// The keys by their last use, the oldest first.
    order: BTreeMap<u64, K>,
    uses: u64,
    limit: usize,
}

impl<K: Ord + Copy, V> LruMap<K, V> {
    /// Makes an empty map of at most `limit` entries.
    pub fn new(limit: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            order: BTreeMap::new(),
            uses: 0,
            limit,
        }
    }

    /// Returns the value of `key`, which thereby counts as used.
    pub fn get(&mut self, key: &K) -> Option<&V> {
        let (value, last_use) = self.entries.get_mut(key)?;
        self.uses += 1;
        self.order.remove(last_use);
        self.order.insert(self.uses, *key);
        *last_use = self.uses;
        Some(value)
    }

    /// Keeps `value` in place of any other of `key`.
    pub fn insert(&mut self, key: K, value: V) {
        self.uses += 1;
        self.order.insert(self.uses, key);
        if let Some((_, replaced)) = self.entries.insert(key, (value, self.uses)) {
            self.order.remove(&replaced);
        }
        if self.entries.len() > self.limit
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.entries.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_unused_for_longest_is_forgotten() {
        let mut map = LruMap::new(2);
        map.insert('a', 1);
        map.insert('b', 2);
        assert_eq!(map.get(&'a'), Some(&1));
        map.insert('c', 3);
        assert_eq!(map.get(&'b'), None);
        assert_eq!(map.get(&'a'), Some(&1));
        assert_eq!(map.get(&'c'), Some(&3));
        assert_eq!((map.entries.len(), map.order.len()), (2, 2));
    }

    #[test]
    fn an_entry_is_replaced_without_another_being_forgotten() {
        let mut map = LruMap::new(2);
        map.insert('a', 1);
        map.insert('b', 2);
        map.insert('a', 3);
        assert_eq!(map.get(&'a'), Some(&3));
        assert_eq!(map.get(&'b'), Some(&2));
        assert_eq!((map.entries.len(), map.order.len()), (2, 2));
    }
}
