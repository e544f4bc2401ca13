//! [`Quota`]: how many bytes each source uses, what expires next, and which value must give way.

use std::collections::{BTreeMap, BTreeSet};

use slab::Slab;

use super::StorageConfig;
use super::ids::{AccountNumber, ValueIndex};
use crate::{Source, Timestamp};

/// The accounts that stored values are charged to: one for each source, and one for this node
/// itself, which has no limit.
///
/// Invariants: the account of a source exists as long as it holds a value (no value takes 0 bytes),
/// and is in the ranking by bytes; the own account always exists and is never in the ranking.
pub(super) struct Quota {
    limit: usize,
    limit_per_source: usize,
    accounts: Slab<Account>,
    by_source: BTreeMap<Source, AccountNumber>,
    /// Every value, by account and expiry.
    values: BTreeSet<(AccountNumber, Timestamp, ValueIndex)>,
    /// Accounts of others by the bytes they use.
    by_bytes: BTreeSet<(usize, AccountNumber)>,
    /// Accounts by the earliest expiry among their values, unless that is never.
    by_expiry: BTreeSet<(Timestamp, AccountNumber)>,
    others_bytes: usize,
}

struct Account {
    /// `None` for this node itself.
    source: Option<Source>,
    bytes: usize,
    /// The earliest expiry among its values; [`Timestamp::MAX`] without any.
    earliest: Timestamp,
}

impl Quota {
    pub(super) fn new(config: &StorageConfig) -> Self {
        let own = Account {
            source: None,
            bytes: 0,
            earliest: Timestamp::MAX,
        };
        Self {
            limit: config.limit_bytes,
            limit_per_source: config.limit_per_source_bytes,
            accounts: Slab::from_iter([(AccountNumber::OWN.index(), own)]),
            by_source: BTreeMap::new(),
            values: BTreeSet::new(),
            by_bytes: BTreeSet::new(),
            by_expiry: BTreeSet::new(),
            others_bytes: 0,
        }
    }

    /// Returns the bytes of this node's own values.
    pub(super) fn own_bytes(&self) -> usize {
        self.accounts[AccountNumber::OWN.index()].bytes
    }

    /// Returns the bytes of the values of others.
    pub(super) fn others_bytes(&self) -> usize {
        self.others_bytes
    }

    /// Reports whether a value of others of so many bytes can ever be stored.
    pub(super) fn allows(&self, bytes: usize) -> bool {
        bytes <= self.limit.min(self.limit_per_source)
    }

    /// Returns the source that an account is for; `None` for this node's own.
    pub(super) fn source(&self, number: AccountNumber) -> Option<Source> {
        self.accounts[number.index()].source
    }

    /// Returns the account of a source (`None`: this node itself), for a value to be charged to.
    pub(super) fn open(&mut self, source: Option<Source>) -> AccountNumber {
        let Some(source) = source else {
            return AccountNumber::OWN;
        };
        *self.by_source.entry(source).or_insert_with(|| {
            let account = Account {
                source: Some(source),
                bytes: 0,
                earliest: Timestamp::MAX,
            };
            AccountNumber::new(self.accounts.insert(account))
        })
    }

    /// Charges a value to an account.
    pub(super) fn charge(
        &mut self,
        number: AccountNumber,
        bytes: usize,
        expires: Timestamp,
        index: ValueIndex,
    ) {
        self.values.insert((number, expires, index));
        self.count(number, |used| used + bytes);
        let earliest = self.accounts[number.index()].earliest.min(expires);
        self.set_earliest(number, earliest);
    }

    /// Removes a value from its account, and closes the account after its last.
    pub(super) fn release(
        &mut self,
        number: AccountNumber,
        bytes: usize,
        expires: Timestamp,
        index: ValueIndex,
    ) {
        self.values.remove(&(number, expires, index));
        self.count(number, |used| used - bytes);
        self.find_earliest(number, expires);
        let account = &self.accounts[number.index()];
        if account.bytes == 0
            && let Some(source) = account.source
        {
            self.accounts.remove(number.index());
            self.by_source.remove(&source);
        }
    }

    /// Moves the expiry of a value.
    pub(super) fn postpone(
        &mut self,
        number: AccountNumber,
        from: Timestamp,
        to: Timestamp,
        index: ValueIndex,
    ) {
        self.values.remove(&(number, from, index));
        self.values.insert((number, to, index));
        self.find_earliest(number, from);
    }

    /// Returns when the next value expires; `None` if none ever does.
    pub(super) fn next_expiry(&self) -> Option<Timestamp> {
        self.by_expiry.first().map(|&(expires, _)| expires)
    }

    /// Returns a value that has expired.
    pub(super) fn due(&self, now: Timestamp) -> Option<ValueIndex> {
        self.next_expiry().filter(|&expires| expires <= now)?;
        let &(_, number) = self.by_expiry.first()?;
        self.first(number).map(|(_, index)| index)
    }

    /// Returns the value that must go before `source` may store so many bytes more; `None` if there
    /// is room.
    ///
    /// Above its own limit a source makes room itself. Above the limit of all, the source makes
    /// room that would use most bytes once the new value is stored. Of its values, the one with the
    /// earliest expiry goes.
    pub(super) fn victim(&self, source: Source, bytes: usize) -> Option<ValueIndex> {
        let payer = self.by_source.get(&source).copied();
        let would_use = bytes + payer.map_or(0, |number| self.accounts[number.index()].bytes);
        let loser = if would_use > self.limit_per_source {
            payer
        } else if self.others_bytes + bytes > self.limit {
            let heaviest = self.by_bytes.last();
            heaviest
                .filter(|&&(most, _)| most > would_use)
                .map(|&(_, number)| number)
                .or(payer)
                .or(heaviest.map(|&(_, number)| number))
        } else {
            None
        };
        loser
            .and_then(|number| self.first(number))
            .map(|(_, index)| index)
    }

    /// Returns the value of an account that expires first.
    fn first(&self, number: AccountNumber) -> Option<(Timestamp, ValueIndex)> {
        let from = (number, Timestamp::ZERO, ValueIndex::MIN);
        let to = (number, Timestamp::MAX, ValueIndex::MAX);
        let &(_, expires, index) = self.values.range(from..=to).next()?;
        Some((expires, index))
    }

    /// Changes the bytes that an account uses.
    fn count(&mut self, number: AccountNumber, change: impl FnOnce(usize) -> usize) {
        let account = &mut self.accounts[number.index()];
        let before = account.bytes;
        account.bytes = change(before);
        if account.source.is_none() {
            return;
        }
        self.others_bytes = self.others_bytes - before + account.bytes;
        self.by_bytes.remove(&(before, number));
        if account.bytes > 0 {
            self.by_bytes.insert((account.bytes, number));
        }
    }

    /// Finds the earliest expiry anew after the value that expired at `gone` has left.
    fn find_earliest(&mut self, number: AccountNumber, gone: Timestamp) {
        if gone == self.accounts[number.index()].earliest {
            let first = self.first(number);
            self.set_earliest(number, first.map_or(Timestamp::MAX, |(expires, _)| expires));
        }
    }

    fn set_earliest(&mut self, number: AccountNumber, earliest: Timestamp) {
        let before = std::mem::replace(&mut self.accounts[number.index()].earliest, earliest);
        if before != earliest {
            self.by_expiry.remove(&(before, number));
            if earliest < Timestamp::MAX {
                self.by_expiry.insert((earliest, number));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(host: u8) -> Source {
        Source::of([192, 0, 2, host].into())
    }

    fn at(micros: u64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    /// Makes quotas with one value for each of (host, bytes, expiry), at indices 0 and up.
    fn quota(limit: usize, limit_per_source: usize, values: &[(u8, usize, u64)]) -> Quota {
        let mut quota = Quota::new(&StorageConfig {
            limit_bytes: limit,
            limit_per_source_bytes: limit_per_source,
            ..StorageConfig::default()
        });
        for (index, &(host, bytes, expires)) in values.iter().enumerate() {
            let number = quota.open(Some(source(host)));
            quota.charge(number, bytes, at(expires), ValueIndex::new(index));
        }
        quota
    }

    #[test]
    fn the_source_that_uses_most_gives_way_with_its_earliest_expiry() {
        let quota = quota(100, 100, &[(1, 40, 1), (2, 30, 9), (2, 30, 8)]);
        assert_eq!(quota.victim(source(3), 10), Some(ValueIndex::new(2)));
        assert_eq!(quota.victim(source(1), 10), Some(ValueIndex::new(2)));
        // Once the new value is stored, the first would use most.
        assert_eq!(quota.victim(source(1), 20), Some(ValueIndex::new(0)));
    }

    #[test]
    fn a_source_above_its_own_limit_makes_room_itself() {
        let quota = quota(1_000, 60, &[(1, 40, 1), (2, 20, 9), (2, 20, 8)]);
        assert_eq!(quota.victim(source(2), 20), None);
        assert_eq!(quota.victim(source(2), 21), Some(ValueIndex::new(2)));
    }

    #[test]
    fn a_closed_account_leaves_nothing_behind() {
        let mut quota = quota(100, 100, &[(1, 40, 1), (1, 50, 2)]);
        let number = quota.open(Some(source(1)));
        quota.postpone(number, at(1), at(3), ValueIndex::new(0));
        assert_eq!(quota.next_expiry(), Some(at(2)));
        quota.release(number, 50, at(2), ValueIndex::new(1));
        assert_eq!(quota.next_expiry(), Some(at(3)));
        quota.release(number, 40, at(3), ValueIndex::new(0));
        assert_eq!((quota.next_expiry(), quota.others_bytes()), (None, 0));
        assert!(quota.by_source.is_empty() && quota.by_bytes.is_empty());
        assert_eq!(quota.accounts.len(), 1, "the own account stays");
    }
}
