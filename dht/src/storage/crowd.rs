//! [`Crowd`]: which sources the values of a crowded key are of.

use std::collections::BTreeSet;
use std::ops::Bound;

use bulla_kad::Shares;

use super::ids::{AccountNumber, ValueIndex};
use crate::{Source, ValueId};

/// The values of a key by their accounts. Only a key with [`Crowd::MIN`] values has one: to look
/// at fewer costs little.
#[derive(Default)]
pub(super) struct Crowd {
    /// Every value.
    values: BTreeSet<(AccountNumber, ValueId, ValueIndex)>,
    /// How many there are of each source; this node's own do not count.
    shares: Shares,
}

impl Crowd {
    /// A key with so many values is crowded.
    pub(super) const MIN: usize = 64;

    /// Adds a value.
    pub(super) fn add(
        &mut self,
        account: AccountNumber,
        source: Option<Source>,
        id: ValueId,
        index: ValueIndex,
    ) {
        self.values.insert((account, id, index));
        if let Some(source) = source {
            self.shares.add(source, 1);
        }
    }

    /// Removes a value.
    pub(super) fn remove(
        &mut self,
        account: AccountNumber,
        source: Option<Source>,
        id: ValueId,
        index: ValueIndex,
    ) {
        self.values.remove(&(account, id, index));
        if let Some(source) = source {
            self.shares.remove(source, 1);
        }
    }

    /// Returns the source that would have most with one more value of `comer`.
    pub(super) fn heaviest_with(&self, comer: Source) -> Source {
        self.shares.heaviest_with(comer, 1)
    }

    /// Returns the accounts that have values here: from one on, then those before it.
    pub(super) fn accounts_from(
        &self,
        first: AccountNumber,
    ) -> impl Iterator<Item = AccountNumber> + use<'_> {
        let after = move |account: AccountNumber| {
            let from = (account, ValueId(u64::MAX), ValueIndex::MAX);
            let range = (Bound::Excluded(from), Bound::Unbounded);
            self.values.range(range).next().map(|(it, ..)| *it)
        };
        let from = (first, ValueId(0), ValueIndex::MIN);
        let first_from = self.values.range(from..).next().map(|(it, ..)| *it);
        let lowest = self.values.first().map(|(it, ..)| *it);
        let before = std::iter::successors(lowest, move |account| after(*account));
        std::iter::successors(first_from, move |account| after(*account))
            .chain(before.take_while(move |account| *account < first))
    }

    /// Returns the value of an account with the first id after another, or from 0 on.
    pub(super) fn next(
        &self,
        account: AccountNumber,
        after: Option<ValueId>,
    ) -> Option<(ValueId, ValueIndex)> {
        let from = match after {
            None => Bound::Included((account, ValueId(0), ValueIndex::MIN)),
            Some(id) => Bound::Excluded((account, id, ValueIndex::MAX)),
        };
        let to = Bound::Included((account, ValueId(u64::MAX), ValueIndex::MAX));
        let (_, id, index) = self.values.range((from, to)).next()?;
        Some((*id, *index))
    }
}
