//! [`PartsBudget`]: what unfinished sessions hold in all, and of one source.

use std::collections::BTreeMap;
use std::ops::{Add, AddAssign, SubAssign};

use crate::{Shares, Source};

/// Sessions and the bytes in them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Usage {
    pub(super) sessions: usize,
    pub(super) bytes: usize,
}

/// Grants room up to a limit, and no more than a quarter of it to one source.
#[derive(Debug)]
pub(super) struct PartsBudget {
    limit: Usage,
    per_source: Usage,
    used: Usage,
    /// Only sources that use anything.
    by_source: BTreeMap<Source, Usage>,
}

impl PartsBudget {
    pub(super) fn new(sessions: usize, bytes: usize) -> Self {
        let limit = Usage { sessions, bytes };
        Self {
            limit,
            per_source: Usage {
                sessions: limit.sessions.div_ceil(4),
                bytes: limit.bytes.div_ceil(4),
            },
            used: Usage::default(),
            by_source: BTreeMap::new(),
        }
    }

    /// Whether there is room in all.
    pub(super) fn has_room(&self, more: Usage) -> bool {
        (self.used + more).is_within(self.limit)
    }

    /// Whether the source's share has room.
    pub(super) fn is_fair(&self, source: Source, more: Usage) -> bool {
        let used = self.by_source.get(&source).copied().unwrap_or_default();
        (used + more).is_within(self.per_source)
    }

    /// Returns the source that would have most of what there is no room for, if another had as much
    /// more. Costs as much as there are sources.
    pub(super) fn heaviest_with(&self, source: Source, more: Usage) -> Source {
        let is_short_of_bytes = self.used.bytes.saturating_add(more.bytes) > self.limit.bytes;
        let of = |usage: &Usage| {
            if is_short_of_bytes {
                usage.bytes
            } else {
                usage.sessions
            }
        };
        let mut shares = Shares::default();
        for (source, usage) in &self.by_source {
            shares.add(*source, of(usage));
        }
        shares.heaviest_with(source, of(&more))
    }

    pub(super) fn take(&mut self, source: Source, usage: Usage) {
        self.used += usage;
        *self.by_source.entry(source).or_default() += usage;
    }

    pub(super) fn give_back(&mut self, source: Source, usage: Usage) {
        self.used -= usage;
        if let Some(used) = self.by_source.get_mut(&source) {
            *used -= usage;
            if *used == Usage::default() {
                self.by_source.remove(&source);
            }
        }
    }
}

impl Usage {
    fn is_within(self, limit: Self) -> bool {
        self.sessions <= limit.sessions && self.bytes <= limit.bytes
    }
}

impl Add for Usage {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.sessions = self.sessions.saturating_add(other.sessions);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

impl SubAssign for Usage {
    fn sub_assign(&mut self, other: Self) {
        self.sessions = self.sessions.saturating_sub(other.sessions);
        self.bytes = self.bytes.saturating_sub(other.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_gets_a_quarter_and_all_get_the_limit() {
        let mut budget = PartsBudget::new(8, 1_000);
        let source = |number: u8| Source::of([192, 0, 2, number].into());
        let usage = |sessions, bytes| Usage { sessions, bytes };
        assert!(!budget.is_fair(source(0), usage(3, 0)));
        assert!(!budget.is_fair(source(0), usage(0, 251)));
        for number in 0..4 {
            assert!(budget.is_fair(source(number), usage(2, 250)));
            assert!(budget.has_room(usage(2, 250)));
            budget.take(source(number), usage(2, 250));
            assert!(!budget.is_fair(source(number), usage(0, 1)));
        }
        assert!(!budget.has_room(usage(0, 1)) && !budget.has_room(usage(1, 0)));
        for number in 0..4 {
            budget.give_back(source(number), usage(2, 250));
        }
        assert_eq!(budget.used, Usage::default());
        assert!(budget.by_source.is_empty());
    }
}
