//! [`ReadySet`]: all plans of one kind that a lookup has. A bounded number is under way; the others
//! wait for their turn, or rest until something is due. So each costs the same, however many there
//! are.

use std::collections::{BTreeMap, BTreeSet};

use crate::Schedule;
use crate::Timestamp;

/// Items under way at a time.
const MAX_UNDER_WAY: usize = 32;

/// Items by name, of which a bounded number is under way.
#[derive(Debug)]
pub struct ReadySet<K, P> {
    all: BTreeMap<K, P>,
    under_way: BTreeSet<K>,
    /// Of those under way, who may have something to do at once.
    ready: BTreeSet<K>,
    /// When the others may begin, or go on.
    others: Schedule<K>,
}

impl<K, P> Default for ReadySet<K, P> {
    fn default() -> Self {
        Self {
            all: BTreeMap::new(),
            under_way: BTreeSet::new(),
            ready: BTreeSet::new(),
            others: Schedule::default(),
        }
    }
}

impl<K: Copy + Ord, P> ReadySet<K, P> {
    /// Takes a plan in, in place of any other of its name, which it gives back. Those that came
    /// before begin before.
    pub fn insert(&mut self, now: Timestamp, name: K, plan: P) -> Option<P> {
        if self.under_way.contains(&name) {
            self.ready.insert(name);
        } else {
            self.others.schedule_by(name, now);
        }
        self.all.insert(name, plan)
    }

    /// Takes an item out.
    pub fn remove(&mut self, name: &K) -> Option<P> {
        self.under_way.remove(name);
        self.ready.remove(name);
        self.others.stop(*name);
        self.all.remove(name)
    }

    /// Returns an item.
    pub fn get(&self, name: &K) -> Option<&P> {
        self.all.get(name)
    }

    /// Returns an item, to be changed by what does not concern its readiness.
    pub fn get_mut(&mut self, name: &K) -> Option<&mut P> {
        self.all.get_mut(name)
    }

    /// Returns how many items there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Reports whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// All there are, in the order of their names.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut P> {
        self.all.values_mut()
    }

    /// Those under way, in the order of their names.
    pub fn under_way(&self) -> impl Iterator<Item = (&K, &P)> {
        let plan = |name| Some((name, self.all.get(name)?));
        self.under_way.iter().filter_map(plan)
    }

    /// As [`ReadySet::under_way`], to be changed.
    pub fn for_each_under_way(&mut self, mut change: impl FnMut(&K, &mut P)) {
        for name in &self.under_way {
            if let Some(plan) = self.all.get_mut(name) {
                change(name, plan);
            }
        }
    }

    /// Lets those begin whose turn it is.
    pub fn begin(&mut self, now: Timestamp) {
        while self.under_way.len() < MAX_UNDER_WAY
            && let Some(name) = self.others.take_due(now)
        {
            self.under_way.insert(name);
            self.ready.insert(name);
        }
    }

    /// A plan under way that may have something to do at once.
    pub fn next(&mut self, now: Timestamp) -> Option<(K, &mut P)> {
        self.begin(now);
        let name = *self.ready.first()?;
        Some((name, self.all.get_mut(&name)?))
    }

    /// A plan has nothing to do until something happens.
    pub fn mark_idle(&mut self, name: &K) {
        self.ready.remove(name);
    }

    /// A plan has nothing to do before `until`, unless something happens.
    pub fn sleep_until(&mut self, name: K, until: Timestamp) {
        self.under_way.remove(&name);
        self.ready.remove(&name);
        self.others.set(name, until);
    }

    /// A plan, to be changed by something that happened to it.
    pub fn mark_ready(&mut self, name: &K) -> Option<&mut P> {
        let plan = self.all.get_mut(name)?;
        if self.under_way.contains(name) {
            self.ready.insert(*name);
        } else {
            self.others.schedule_by(*name, Timestamp::ZERO);
        }
        Some(plan)
    }

    /// Something happened to all that are under way.
    pub fn mark_all_ready(&mut self) {
        self.ready.extend(&self.under_way);
    }

    /// Something happened to all that rest.
    pub fn wake_all(&mut self, now: Timestamp) {
        self.others.schedule_all_by(now);
    }

    /// When the next may begin or go on; those under way do so when something happens.
    pub fn next_at(&self) -> Timestamp {
        match self.others.next() {
            Some((at, _)) if self.under_way.len() < MAX_UNDER_WAY => at,
            _ => Timestamp::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    #[test]
    fn those_that_came_first_begin_first_a_bounded_number_at_a_time() {
        let mut plans = ReadySet::default();
        let count = MAX_UNDER_WAY + 2;
        for name in 0..count {
            plans.insert(at(0), count - name, name);
        }
        plans.begin(at(1));
        assert_eq!(plans.under_way().count(), MAX_UNDER_WAY);
        assert_eq!(
            plans.next_at(),
            Timestamp::MAX,
            "none begins before one ends"
        );
        plans.insert(at(1), 0, count);
        plans.remove(&1);
        plans.remove(&2);
        plans.begin(at(1));
        let under_way: Vec<_> = plans.under_way().map(|(name, _)| *name).collect();
        assert!(under_way.into_iter().eq(3..=count));
        assert_eq!(plans.len(), count - 1);
    }

    #[test]
    fn who_has_nothing_to_do_is_not_looked_at_before_something_happens() {
        let mut plans = ReadySet::default();
        for name in ['a', 'b'] {
            assert_eq!(plans.insert(at(0), name, ()), None);
        }
        let next = |plans: &mut ReadySet<char, ()>, now| plans.next(at(now)).map(|(name, ())| name);
        assert_eq!(next(&mut plans, 0), Some('a'));
        plans.mark_idle(&'a');
        assert_eq!(next(&mut plans, 0), Some('b'));
        plans.sleep_until('b', at(9));
        assert_eq!((next(&mut plans, 1), plans.next_at()), (None, at(9)));
        assert!(plans.mark_ready(&'a').is_some());
        assert_eq!(next(&mut plans, 1), Some('a'));
        plans.mark_idle(&'a');
        assert_eq!(next(&mut plans, 9), Some('b'), "its rest is over");
        plans.sleep_until('b', at(20));
        plans.mark_all_ready();
        assert_eq!(next(&mut plans, 10), Some('a'), "it is under way");
        plans.remove(&'a');
        assert_eq!(next(&mut plans, 10), None);
        plans.wake_all(at(10));
        assert_eq!(next(&mut plans, 10), Some('b'));
        plans.sleep_until('b', at(30));
        assert!(plans.mark_ready(&'b').is_some());
        assert_eq!(next(&mut plans, 11), Some('b'));
    }
}
