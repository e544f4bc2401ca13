//! [`ReadySet`]: items of one kind, of which a bounded number is under way. The others wait for
//! their turn, or sleep until something is due. So each costs the same, however many there are.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Schedule, Timestamp};

/// Items under way at a time.
const MAX_UNDER_WAY: usize = 32;

/// Items `T` by name `K`. Each is under way, either *ready* or *idle* until something happens, or
/// it sleeps until its time has come and there is a place for it.
///
/// ```
/// use bulla_kad::{ReadySet, Timestamp};
///
/// let at = Timestamp::from_micros;
/// let mut set = ReadySet::default();
/// set.insert(at(0), 'a', "a task");
/// assert_eq!(set.next(at(0)), Some(('a', &mut "a task")));
/// set.sleep_until('a', at(5));
/// assert_eq!(set.next(at(4)), None);
/// assert_eq!(set.next_at(), at(5));
/// assert_eq!(set.next(at(5)), Some(('a', &mut "a task")));
/// ```
#[derive(Debug)]
pub struct ReadySet<K, T> {
    all: BTreeMap<K, T>,
    under_way: BTreeSet<K>,
    /// Those under way that may have something to do at once.
    ready: BTreeSet<K>,
    /// When the others may begin, or go on.
    others: Schedule<K>,
}

impl<K, T> Default for ReadySet<K, T> {
    fn default() -> Self {
        Self {
            all: BTreeMap::new(),
            under_way: BTreeSet::new(),
            ready: BTreeSet::new(),
            others: Schedule::default(),
        }
    }
}

impl<K: Copy + Ord, T> ReadySet<K, T> {
    /// Takes an item in, in place of any other of its name, which it returns. Those that came
    /// before begin before.
    pub fn insert(&mut self, now: Timestamp, name: K, item: T) -> Option<T> {
        if self.under_way.contains(&name) {
            self.ready.insert(name);
        } else {
            self.others.schedule_by(name, now);
        }
        self.all.insert(name, item)
    }

    /// Takes an item out.
    pub fn remove(&mut self, name: &K) -> Option<T> {
        self.under_way.remove(name);
        self.ready.remove(name);
        self.others.stop(*name);
        self.all.remove(name)
    }

    /// Returns an item.
    pub fn get(&self, name: &K) -> Option<&T> {
        self.all.get(name)
    }

    /// Returns an item, to be changed in what it has to do or not.
    pub fn get_mut(&mut self, name: &K) -> Option<&mut T> {
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

    /// Iterates over all items, in the order of their names.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.all.values_mut()
    }

    /// Iterates over those under way, in the order of their names.
    pub fn under_way(&self) -> impl Iterator<Item = (&K, &T)> {
        let item = |name| Some((name, self.all.get(name)?));
        self.under_way.iter().filter_map(item)
    }

    /// Changes those under way, in the order of their names.
    pub(crate) fn for_each_under_way(&mut self, mut change: impl FnMut(&K, &mut T)) {
        for name in &self.under_way {
            if let Some(item) = self.all.get_mut(name) {
                change(name, item);
            }
        }
    }

    /// Begins items that are due, as many as there are places for.
    pub fn begin(&mut self, now: Timestamp) {
        while self.under_way.len() < MAX_UNDER_WAY
            && let Some(name) = self.others.take_due(now)
        {
            self.under_way.insert(name);
            self.ready.insert(name);
        }
    }

    /// Returns an item under way that may have something to do at once. It is returned again unless
    /// it is told to be idle or to sleep.
    pub fn next(&mut self, now: Timestamp) -> Option<(K, &mut T)> {
        self.begin(now);
        let name = *self.ready.first()?;
        Some((name, self.all.get_mut(&name)?))
    }

    /// Notes that an item has nothing to do until something happens.
    pub fn mark_idle(&mut self, name: &K) {
        self.ready.remove(name);
    }

    /// Notes that an item has nothing to do before `until`, unless something happens. It is no
    /// longer under way.
    pub fn sleep_until(&mut self, name: K, until: Timestamp) {
        self.under_way.remove(&name);
        self.ready.remove(&name);
        self.others.set(name, until);
    }

    /// Returns an item, to be changed by something that happened to it.
    pub fn mark_ready(&mut self, name: &K) -> Option<&mut T> {
        let item = self.all.get_mut(name)?;
        if self.under_way.contains(name) {
            self.ready.insert(*name);
        } else {
            self.others.schedule_by(*name, Timestamp::ZERO);
        }
        Some(item)
    }

    /// Notes that something happened to all that are under way.
    pub fn mark_all_ready(&mut self) {
        self.ready.extend(&self.under_way);
    }

    /// Notes that something happened to all that sleep.
    pub fn wake_all(&mut self, now: Timestamp) {
        self.others.schedule_all_by(now);
    }

    /// Returns the first of those that are not under way, and when it may begin or go on.
    pub fn first_waiting(&self) -> Option<(Timestamp, &T)> {
        let (at, name) = self.others.next()?;
        Some((at, self.all.get(&name)?))
    }

    /// Returns how many of those that are not under way might have begun or gone on at `at`,
    /// without those to which something happened. Takes time in proportion to their number.
    pub fn count_waiting(&self, at: Timestamp) -> usize {
        self.others.count_due(at) - self.others.count_due(Timestamp::ZERO)
    }

    /// Returns when the next may begin or go on; those under way do so when something happens.
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

    #[test]
    fn those_that_came_first_begin_first_a_bounded_number_at_a_time() {
        let mut set = ReadySet::default();
        let count = MAX_UNDER_WAY + 2;
        for name in 0..count {
            set.insert(at(0), count - name, name);
        }
        set.begin(at(1));
        assert_eq!(set.under_way().count(), MAX_UNDER_WAY);
        assert_eq!(set.next_at(), Timestamp::MAX, "none begins before one ends");
        set.insert(at(1), 0, count);
        set.remove(&1);
        set.remove(&2);
        set.begin(at(1));
        let under_way: Vec<_> = set.under_way().map(|(name, _)| *name).collect();
        assert!(under_way.into_iter().eq(3..=count));
        assert_eq!(set.len(), count - 1);
    }

    #[test]
    fn an_idle_item_is_not_looked_at_before_something_happens() {
        let mut set = both();
        assert_eq!(next(&mut set, 0), Some('a'));
        assert_eq!(next(&mut set, 0), Some('a'), "until it is idle");
        set.mark_idle(&'a');
        assert_eq!(next(&mut set, 0), Some('b'));
        set.mark_idle(&'b');
        assert_eq!((next(&mut set, 9), set.next_at()), (None, Timestamp::MAX));
        assert_eq!(set.mark_ready(&'b'), Some(&mut 0));
        assert_eq!(next(&mut set, 9), Some('b'));
        set.mark_all_ready();
        assert_eq!(next(&mut set, 9), Some('a'));
        assert_eq!(set.mark_ready(&'c'), None);
    }

    #[test]
    fn a_sleeping_item_goes_on_when_its_time_has_come_or_something_happens() {
        let mut set = both();
        set.begin(at(0));
        for name in ['a', 'b'] {
            set.sleep_until(name, at(9));
        }
        assert_eq!(set.under_way().count(), 0);
        set.mark_all_ready();
        assert_eq!((next(&mut set, 8), set.next_at()), (None, at(9)));
        assert_eq!(set.first_waiting(), Some((at(9), &0)));
        assert_eq!((set.count_waiting(at(8)), set.count_waiting(at(9))), (0, 2));
        assert!(set.mark_ready(&'b').is_some());
        assert_eq!(set.next_at(), Timestamp::ZERO);
        assert_eq!(next(&mut set, 8), Some('b'));
        assert_eq!(next(&mut set, 9), Some('a'), "its time has come");
    }

    #[test]
    fn all_that_sleep_are_woken_together() {
        let mut set = both();
        set.begin(at(0));
        set.sleep_until('a', at(5));
        set.sleep_until('b', at(20));
        set.wake_all(at(10));
        assert_eq!(set.next_at(), at(5), "none sleeps longer for that");
        set.begin(at(10));
        assert_eq!(set.under_way().count(), 2);
    }

    #[test]
    fn an_item_is_replaced_in_its_place() {
        let mut set = both();
        set.begin(at(0));
        set.mark_idle(&'a');
        set.sleep_until('b', at(9));
        assert_eq!(set.insert(at(3), 'a', 1), Some(0));
        assert_eq!(set.insert(at(3), 'b', 2), Some(0));
        assert_eq!(set.next(at(3)), Some(('a', &mut 1)), "it is under way");
        set.mark_idle(&'a');
        assert_eq!(set.next(at(3)), Some(('b', &mut 2)), "it need not sleep");
        assert_eq!(
            (set.remove(&'b'), set.get(&'b'), set.len()),
            (Some(2), None, 1)
        );
        assert_eq!(next(&mut set, 9), None);
    }

    #[test]
    fn an_item_that_is_taken_out_is_due_no_more() {
        let mut set = both();
        assert_eq!(set.remove(&'a'), Some(0));
        set.begin(at(0));
        set.sleep_until('b', at(9));
        assert_eq!(set.remove(&'b'), Some(0));
        assert_eq!((set.is_empty(), set.next_at()), (true, Timestamp::MAX));
        assert_eq!(next(&mut set, 9), None);
    }

    #[test]
    fn changes_reach_those_under_way_or_all() {
        let mut set = both();
        set.begin(at(0));
        set.sleep_until('b', at(9));
        set.for_each_under_way(|name, item| *item += u32::from(*name == 'a'));
        set.values_mut().for_each(|item| *item += 10);
        assert_eq!((set.get(&'a'), set.get(&'b')), (Some(&11), Some(&10)));
        *set.get_mut(&'b').unwrap() = 7;
        assert_eq!(set.get(&'b'), Some(&7));
        assert!(!set.is_empty());
    }

    fn both() -> ReadySet<char, u32> {
        let mut set = ReadySet::default();
        for name in ['a', 'b'] {
            assert_eq!(set.insert(at(0), name, 0), None);
        }
        set
    }

    fn next(set: &mut ReadySet<char, u32>, now: u64) -> Option<char> {
        set.next(at(now)).map(|(name, _)| name)
    }

    fn at(micros: u64) -> Timestamp {
        Timestamp::from_micros(micros)
    }
}
