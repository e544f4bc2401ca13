//! [`LruMap`]: a bounded map that forgets what has not been used for longest.

use std::collections::BTreeMap;

/// At most `limit` entries. Each operation costs the logarithm of their number.
#[derive(Debug)]
pub(super) struct LruMap<K, V> {
    entries: BTreeMap<K, Entry<V>>,
    /// The keys by their last use, the oldest first.
    order: BTreeMap<u64, K>,
    uses: u64,
    limit: usize,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    last_use: u64,
}

impl<K: Ord + Copy, V> LruMap<K, V> {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            order: BTreeMap::new(),
            uses: 0,
            limit,
        }
    }

    /// The value of `key`, which thereby counts as used.
    pub(super) fn get(&mut self, key: &K) -> Option<&V> {
        let entry = self.entries.get_mut(key)?;
        self.uses += 1;
        self.order.remove(&entry.last_use);
        self.order.insert(self.uses, *key);
        entry.last_use = self.uses;
        Some(&entry.value)
    }

    /// Keeps `value` in place of any other of `key`.
    pub(super) fn insert(&mut self, key: K, value: V) {
        self.uses += 1;
        let last_use = self.uses;
        self.order.insert(last_use, key);
        if let Some(replaced) = self.entries.insert(key, Entry { value, last_use }) {
            self.order.remove(&replaced.last_use);
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
        let mut recent = LruMap::new(2);
        recent.insert('a', 1);
        recent.insert('b', 2);
        assert_eq!(recent.get(&'a'), Some(&1));
        recent.insert('c', 3);
        assert_eq!(recent.get(&'b'), None);
        assert_eq!(recent.get(&'a'), Some(&1));
        assert_eq!(recent.get(&'c'), Some(&3));
        assert_eq!((recent.entries.len(), recent.order.len()), (2, 2));
    }

    #[test]
    fn an_entry_is_replaced_without_another_being_forgotten() {
        let mut recent = LruMap::new(2);
        recent.insert('a', 1);
        recent.insert('b', 2);
        recent.insert('a', 3);
        assert_eq!(recent.get(&'a'), Some(&3));
        assert_eq!(recent.get(&'b'), Some(&2));
        assert_eq!((recent.entries.len(), recent.order.len()), (2, 2));
    }
}
