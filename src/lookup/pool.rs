//! [`Pool`]: one lookup for each key and family, shared by all operations on that key.

use std::collections::{BTreeMap, VecDeque};

use super::Lookup;
use crate::{Family, InfoHash};

/// Finished lookups remembered, so that the next operation on their key starts near it; about 2 kB each.
const MAX_IDLE: usize = 256;

/// Running lookups, and a few that finished lately.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    lookups: BTreeMap<(InfoHash, Family), Lookup>,
    idle: VecDeque<(InfoHash, Family)>,
}

impl Pool {
    pub(crate) fn get_mut(&mut self, key: InfoHash, family: Family) -> Option<&mut Lookup> {
        self.lookups.get_mut(&(key, family))
    }

    pub(crate) fn get(&self, key: InfoHash, family: Family) -> Option<&Lookup> {
        self.lookups.get(&(key, family))
    }

    pub(crate) fn insert(&mut self, key: InfoHash, family: Family, lookup: Lookup) {
        self.lookups.insert((key, family), lookup);
    }

    /// Notes that a lookup has become idle; gives one that is to be forgotten for it.
    pub(crate) fn retire(&mut self, key: InfoHash, family: Family) -> Option<(InfoHash, Family)> {
        if self.idle.contains(&(key, family)) {
            return None;
        }
        self.idle.push_back((key, family));
        if self.idle.len() <= MAX_IDLE {
            return None;
        }
        let oldest = self.idle.pop_front()?;
        self.forget_idle(oldest).then_some(oldest)
    }

    /// Forgets a lookup unless an operation has taken it up again.
    pub(crate) fn forget_idle(&mut self, which: (InfoHash, Family)) -> bool {
        self.idle.retain(|idle| *idle != which);
        let idle = self.lookups.get(&which).is_some_and(Lookup::is_idle);
        if idle {
            self.lookups.remove(&which);
        }
        idle
    }

    /// The lookups of a family.
    pub(crate) fn keys(&self, family: Family) -> Vec<InfoHash> {
        let of_family = |(key, its)| (its == family).then_some(key);
        self.lookups.keys().copied().filter_map(of_family).collect()
    }

    /// All lookups with their key and family.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&(InfoHash, Family), &Lookup)> {
        self.lookups.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.lookups.len()
    }
}
