//! [`Schedule`]: what is due when, each thing once.

use std::collections::{BTreeMap, BTreeSet};

use crate::Timestamp;

/// Things by the time at which each is due. To set one anew moves it. Each operation costs the
/// logarithm of their number.
#[derive(Debug)]
pub struct Schedule<K> {
    order: BTreeSet<(Timestamp, K)>,
    due: BTreeMap<K, Timestamp>,
}

impl<K> Default for Schedule<K> {
    fn default() -> Self {
        Self {
            order: BTreeSet::new(),
            due: BTreeMap::new(),
        }
    }
}

impl<K: Copy + Ord> Schedule<K> {
    /// Lets something be due at `at` and at no other time.
    pub fn set(&mut self, what: K, at: Timestamp) {
        if self.due.get(&what) == Some(&at) {
            return;
        }
        self.stop(what);
        self.due.insert(what, at);
        self.order.insert((at, what));
    }

    /// Lets something be due at `at`, unless it is due earlier.
    pub fn schedule_by(&mut self, what: K, at: Timestamp) {
        if self.due.get(&what).is_none_or(|&due| at < due) {
            self.set(what, at);
        }
    }

    /// Lets all there is be due at `at` at the latest.
    pub(crate) fn schedule_all_by(&mut self, at: Timestamp) {
        while let Some(&(due, what)) = self.order.last()
            && due > at
        {
            self.set(what, at);
        }
    }

    /// Lets something be due no more.
    pub fn stop(&mut self, what: K) {
        if let Some(at) = self.due.remove(&what) {
            self.order.remove(&(at, what));
        }
    }

    /// Reports whether something is due at any time.
    pub fn has(&self, what: K) -> bool {
        self.due.contains_key(&what)
    }

    /// Takes something that is due at `now`, the earliest first.
    pub fn take_due(&mut self, now: Timestamp) -> Option<K> {
        let (at, what) = self.next()?;
        (at <= now).then(|| {
            self.stop(what);
            what
        })
    }

    /// Returns what is due next, and when.
    pub fn next(&self) -> Option<(Timestamp, K)> {
        self.order.first().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_anew_is_due_once() {
        let mut schedule = Schedule::default();
        schedule.set('a', at(5));
        schedule.set('a', at(9));
        assert_eq!(schedule.next(), Some((at(9), 'a')));
        schedule.set('a', at(9));
        schedule.schedule_by('a', at(7));
        schedule.schedule_by('a', at(8));
        assert_eq!(schedule.next(), Some((at(7), 'a')));
        assert_eq!(schedule.take_due(at(6)), None);
        assert_eq!(schedule.take_due(at(7)), Some('a'));
        assert_eq!(schedule.next(), None);
        schedule.schedule_by('a', at(8));
        assert_eq!(schedule.next(), Some((at(8), 'a')));
        schedule.stop('a');
        schedule.stop('b');
        assert_eq!(schedule.take_due(at(9)), None);
    }

    #[test]
    fn what_is_scheduled_together_keeps_no_later_time() {
        let mut schedule = Schedule::default();
        for (what, micros) in [('c', 1), ('a', 6), ('b', 5), ('d', 9)] {
            schedule.set(what, at(micros));
        }
        schedule.schedule_all_by(at(5));
        let all = std::iter::from_fn(|| schedule.take_due(at(5)));
        assert_eq!(all.collect::<String>(), "cabd");
    }

    fn at(micros: u64) -> Timestamp {
        Timestamp::from_micros(micros)
    }
}
