//! [`Pool`]: one lookup for each key and family, shared by all operations on that key.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::ops::RangeInclusive;

use super::Lookup;
use crate::{ByFamily, Family, InfoHash};

/// Finished lookups remembered, so that the next operation on their key starts near it; about 4 kB
/// each.
const MAX_IDLE: usize = 256;

/// Running lookups, and a few that finished lately.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    /// Of each family, by key.
    lookups: ByFamily<HashMap<InfoHash, Box<Lookup>>>,
    idle: VecDeque<(InfoHash, Family)>,
    /// Lookups of permanent puts and of listens, which go on until they are told to end.
    lasting: BTreeSet<(Family, InfoHash)>,
}

impl Pool {
    pub(crate) fn get_mut(&mut self, key: InfoHash, family: Family) -> Option<&mut Lookup> {
        self.lookups[family].get_mut(&key).map(Box::as_mut)
    }

    pub(crate) fn get(&self, key: InfoHash, family: Family) -> Option<&Lookup> {
        self.lookups[family].get(&key).map(Box::as_ref)
    }

    pub(crate) fn insert(&mut self, key: InfoHash, family: Family, lookup: Lookup) {
        self.lookups[family].insert(key, Box::new(lookup));
    }

    /// Notes that a permanent put or a listen has begun in a lookup that is there.
    pub(crate) fn set_lasting(&mut self, key: InfoHash, family: Family) {
        if self.get(key, family).is_some() {
            self.lasting.insert((family, key));
        }
    }

    /// Returns the keys in a range that have lookups of permanent puts and listens.
    pub(crate) fn lasting(
        &self,
        keys: RangeInclusive<InfoHash>,
        family: Family,
    ) -> impl Iterator<Item = InfoHash> {
        let range = (family, *keys.start())..=(family, *keys.end());
        self.lasting.range(range).map(|(_, key)| *key)
    }

    /// Notes that a lookup has become idle; returns one that was forgotten for it.
    pub(crate) fn retire(&mut self, key: InfoHash, family: Family) -> Option<(InfoHash, Family)> {
        self.lasting.remove(&(family, key));
        if self.idle.contains(&(key, family)) {
            return None;
        }
        self.idle.push_back((key, family));
        if self.idle.len() <= MAX_IDLE {
            return None;
        }
        let oldest = self.idle.pop_front()?;
        self.forget(oldest).then_some(oldest)
    }

    /// Forgets a lookup unless an operation has taken it up again.
    pub(crate) fn forget_idle(&mut self, which: (InfoHash, Family)) -> bool {
        self.idle.retain(|idle| *idle != which);
        self.forget(which)
    }

    fn forget(&mut self, which: (InfoHash, Family)) -> bool {
        let (key, family) = which;
        let idle = self.get(key, family).is_some_and(Lookup::is_idle);
        if idle {
            let lookups = &mut self.lookups[family];
            lookups.remove(&key);
            let few = lookups.len().max(MAX_IDLE);
            if lookups.capacity() > 8 * few {
                // What a burst of operations took is given back.
                lookups.shrink_to(few);
            }
            self.lasting.remove(&(family, key));
        }
        idle
    }

    /// Returns the keys of a family's lookups, in order.
    pub(crate) fn keys(&self, family: Family) -> Vec<InfoHash> {
        let mut keys: Vec<_> = self.lookups[family].keys().copied().collect();
        keys.sort_unstable();
        keys
    }

    pub(crate) fn len(&self) -> usize {
        self.lookups.iter().map(HashMap::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;
    use crate::lookup::{Limits, OpId};

    #[test]
    fn lasting_lookups_are_found_by_the_prefix_of_their_key_until_they_are_idle() {
        let mut pool = Pool::default();
        let key = |first| InfoHash::new([first; InfoHash::LEN]);
        for first in [0x10, 0x1f, 0x20] {
            let mut lookup = Lookup::new(key(first), Limits::default());
            lookup.subscribe(Timestamp::ZERO, OpId(first.into()));
            pool.insert(key(first), Family::V4, lookup);
            pool.set_lasting(key(first), Family::V4);
        }
        let near = |pool: &Pool, bits| -> Vec<_> {
            pool.lasting(key(0x13).block(bits), Family::V4).collect()
        };
        assert_eq!(near(&pool, 4), [key(0x10), key(0x1f)]);
        assert_eq!(near(&pool, 2).len(), 3);
        pool.set_lasting(key(0x10), Family::V6);
        assert_eq!(pool.lasting(key(0).block(0), Family::V6).count(), 0);
        let ended = pool.get_mut(key(0x10), Family::V4).unwrap();
        ended.cancel(OpId(0x10));
        pool.forget_idle((key(0x10), Family::V4));
        assert_eq!(near(&pool, 4), [key(0x1f)]);
    }

    #[test]
    fn what_many_lookups_took_is_given_back() {
        let mut pool = Pool::default();
        let key = |number: usize| InfoHash::of(&number.to_be_bytes());
        let limits = Limits::default();
        for number in 0..10_000 {
            pool.insert(key(number), Family::V4, Lookup::new(key(number), limits));
        }
        for number in 0..10_000 {
            assert!(pool.forget_idle((key(number), Family::V4)));
        }
        assert_eq!(pool.len(), 0);
        assert!(pool.lookups.v4.capacity() <= 8 * MAX_IDLE);
    }
}
