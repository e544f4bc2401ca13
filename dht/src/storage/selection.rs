//! [`Selection`]: the values of a key that an answer has room for, if not all.

use std::collections::{BTreeMap, VecDeque};

use super::Storage;
use crate::{InfoHash, Query, Value, ValueId};

/// Some of the values of a key.
pub(crate) struct Selection<'a> {
    pub(crate) values: Vec<&'a Value>,
    /// How many there are in all.
    pub(crate) total: usize,
}

/// The values that one source put under a key, in the order in which they are chosen.
#[derive(Default)]
struct Share<'a> {
    signed: VecDeque<&'a Value>,
    unsigned: VecDeque<&'a Value>,
}

impl Storage {
    /// Returns the values under `key` that meet the conditions of `query`: all in order of their
    /// ids if they do not `cost` more than there is `room` for. Otherwise sources take turns with a
    /// value each, signed ones first, by id from `start` on, as long as they do not cost more than
    /// `cut`; one value in any case.
    pub(crate) fn select<'a>(
        &'a self,
        key: &InfoHash,
        query: &'a Query,
        room: usize,
        cut: usize,
        cost: impl Fn(&Value) -> usize,
        start: ValueId,
    ) -> Selection<'a> {
        let values: Vec<_> = self.get(key, query).collect();
        let total = values.len();
        let needed: usize = values.iter().map(|value| cost(value)).sum();
        if needed <= room {
            return Selection { values, total };
        }
        let mut shares = self.shares(key, &values, start);
        let (mut values, mut left) = (Vec::new(), cut);
        while !shares.is_empty() {
            shares.retain_mut(|share| {
                let Some(value) = share.next() else {
                    return false;
                };
                let bytes = cost(value);
                let fits = bytes <= left || values.is_empty();
                if fits {
                    left = left.saturating_sub(bytes);
                    values.push(value);
                }
                fits
            });
        }
        Selection { values, total }
    }

    /// Returns the values of each source, which are in order of their ids.
    fn shares<'a>(
        &'a self,
        key: &InfoHash,
        values: &[&'a Value],
        start: ValueId,
    ) -> Vec<Share<'a>> {
        let (before, after) = values.split_at(values.partition_point(|it| it.id() < start));
        let mut shares = BTreeMap::<_, Share<'a>>::new();
        for value in after.iter().chain(before) {
            let (_, index) = self.values.find(key, value.id());
            let source = index.and_then(|index| self.source(index));
            let share = shares.entry(source).or_default();
            let queue = if value.signed().is_some() {
                &mut share.signed
            } else {
                &mut share.unsigned
            };
            queue.push_back(value);
        }
        shares.into_values().collect()
    }
}

impl<'a> Share<'a> {
    fn next(&mut self) -> Option<&'a Value> {
        self.signed
            .pop_front()
            .or_else(|| self.unsigned.pop_front())
    }
}
