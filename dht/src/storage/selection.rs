//! [`Selection`]: the values of a key that an answer has room for, if not all.

use std::collections::BTreeSet;

use super::crowd::Crowd;
use super::ids::{AccountNumber, ValueIndex};
use super::quota::Class;
use super::{Storage, wanted_ids};
use crate::{InfoHash, Query, Value, ValueId};

/// Values in a row that there is no room for, after which no more are tried.
const MAX_MISSES: usize = 16;

/// Which values an answer is about, and how much room it has.
pub(crate) struct Wanted<'q, C> {
    pub(crate) query: &'q Query,
    /// What a value counts for.
    pub(crate) cost: C,
    /// What all values may count for.
    pub(crate) room: usize,
    /// What those chosen may count for if all count for more.
    pub(crate) cut: usize,
    /// The id from which on they are chosen.
    pub(crate) start: ValueId,
}

/// Some of the values of a key.
#[derive(Default)]
pub(crate) struct Selection<'a> {
    pub(crate) values: Vec<&'a Value>,
    /// How many there are in all, at least.
    pub(crate) total: usize,
    /// How many were looked at.
    pub(crate) walked: usize,
}

/// The values of one source under a key, in the order in which they are chosen.
struct Share {
    /// Its accounts that are left, the last to be chosen first.
    accounts: Vec<AccountNumber>,
    /// The id that was chosen last.
    after: Option<ValueId>,
    /// Whether the values from the lowest id on are being chosen.
    is_second_part: bool,
}

impl Storage {
    /// Returns the values under `key` that are wanted: all in order of their ids if there is room
    /// for them. Otherwise sources take turns with a value each, signed ones first, as long as
    /// there is room in the cut; one value in any case.
    pub(crate) fn select<'a, C: Fn(&Value) -> usize>(
        &'a self,
        key: &InfoHash,
        wanted: &Wanted<'_, C>,
    ) -> Selection<'a> {
        let mut selection = Selection::default();
        let mut needed = 0_usize;
        for stored in self.values.of_key(key, wanted_ids(wanted.query)) {
            selection.walked += 1;
            if wanted.query.matches(&stored.value) {
                needed = needed.saturating_add((wanted.cost)(&stored.value));
                selection.values.push(&stored.value);
            }
            if needed > wanted.room {
                break;
            }
        }
        selection.total = selection.values.len();
        if needed <= wanted.room {
            return selection;
        }
        if wanted.query.conditions.is_empty() {
            selection.total = self.values.count(key);
        }
        selection.values.clear();
        match self.crowds.get(key) {
            Some(crowd) => self.take_turns(crowd, wanted, &mut selection),
            None => self.take_turns(&self.make_crowd(key), wanted, &mut selection),
        }
        selection.total = selection.total.max(selection.values.len() + 1);
        selection
    }

    /// Reports whether the values under `key` that meet the conditions of `query` are many, or take
    /// more than so many bytes. Looks at a few of them only.
    pub(crate) fn is_more_than(
        &self,
        key: &InfoHash,
        query: &Query,
        count: usize,
        bytes: usize,
        len: impl Fn(&Value) -> usize,
    ) -> bool {
        let mut stored = self.values.of_key(key, wanted_ids(query));
        let few = stored.by_ref().take(count);
        let wanted = few.filter(|stored| query.matches(&stored.value));
        let total: usize = wanted.map(|stored| len(&stored.value)).sum();
        total > bytes || stored.next().is_some()
    }

    fn take_turns<'a, C: Fn(&Value) -> usize>(
        &'a self,
        crowd: &Crowd,
        wanted: &Wanted<'_, C>,
        selection: &mut Selection<'a>,
    ) {
        let (mut left, mut misses) = (wanted.cut, 0);
        let mut choose = |share: &mut Share| {
            let value = loop {
                let Some(index) = share.next(crowd, wanted.start) else {
                    return false;
                };
                selection.walked += 1;
                let value = &self.values.get(index).value;
                if wanted.query.matches(value) {
                    break value;
                }
            };
            let bytes = (wanted.cost)(value);
            let fits = misses < MAX_MISSES && (bytes <= left || selection.values.is_empty());
            if fits {
                left = left.saturating_sub(bytes);
                misses = 0;
                selection.values.push(value);
            } else {
                misses += 1;
            }
            fits
        };
        let (mut shares, mut seen, mut is_full) = (Vec::new(), BTreeSet::new(), false);
        // Another one at each node, as is the first id.
        let first = self.quota.account_near(wanted.start);
        for account in crowd.accounts_from(first) {
            if is_full {
                break;
            }
            let source = self.quota.source(account);
            if seen.insert(source) {
                let mut share = Share::new(self.accounts_under(crowd, account), wanted.start);
                if choose(&mut share) {
                    shares.push(share);
                } else {
                    is_full = seen.len() > shares.len() + MAX_MISSES;
                }
            }
        }
        while !shares.is_empty() {
            shares.retain_mut(&mut choose);
        }
    }

    /// Returns the accounts that a source has under a key, of which it has this one; the first to
    /// be chosen last.
    fn accounts_under(&self, crowd: &Crowd, account: AccountNumber) -> Vec<AccountNumber> {
        let Some(source) = self.quota.source(account) else {
            return vec![account];
        };
        let key = crowd.next(account, None);
        let key = key.map_or(self.own, |(_, index)| self.values.get(index).key);
        let classes = Class::all_of(&self.own, &key).into_iter().rev();
        classes
            .filter_map(|class| self.quota.account(source, class))
            .collect()
    }
}

impl Share {
    fn new(accounts: Vec<AccountNumber>, start: ValueId) -> Self {
        Self {
            accounts,
            after: before(start),
            is_second_part: false,
        }
    }

    /// Chooses the next value: by id from `start` on, then from the lowest.
    fn next(&mut self, crowd: &Crowd, start: ValueId) -> Option<ValueIndex> {
        loop {
            let account = *self.accounts.last()?;
            if let Some((id, index)) = crowd.next(account, self.after)
                && (id < start || !self.is_second_part)
            {
                self.after = Some(id);
                return Some(index);
            }
            if self.is_second_part {
                self.accounts.pop();
                self.after = before(start);
            } else {
                self.after = None;
            }
            self.is_second_part = !self.is_second_part;
        }
    }
}

/// Returns the id before another, if there is one.
fn before(id: ValueId) -> Option<ValueId> {
    id.0.checked_sub(1).map(ValueId)
}
