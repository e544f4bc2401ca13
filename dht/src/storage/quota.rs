//! [`Quota`]: how many bytes each source uses, what expires next, and which value must give way.

use std::collections::{BTreeMap, BTreeSet};

use bulla_kad::Shares;
use slab::Slab;

use super::StorageConfig;
use super::ids::{AccountNumber, ValueIndex};
use crate::{InfoHash, Source, Timestamp, Value, ValueId};

/// The accounts that stored values are charged to: those of each source, and one for this node
/// itself, which has no limit. A source has an account for each [`Class`] of values.
///
/// Invariants: the account of a source exists as long as it holds a value (no value takes 0 bytes);
/// the own account always exists, and has no share.
pub(super) struct Quota {
    limit: usize,
    limit_per_source: usize,
    accounts: Slab<Account>,
    by_source: BTreeMap<(Source, Class), AccountNumber>,
    /// Every value, by account and expiry.
    values: BTreeSet<(AccountNumber, Timestamp, ValueIndex)>,
    /// The bytes of each source.
    shares: Shares,
    /// Accounts by the earliest expiry among their values, unless that is never.
    by_expiry: BTreeSet<(Timestamp, AccountNumber)>,
    others_bytes: usize,
}

/// What matters of a value when its source has to make room. The first class gives way first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Class(u8);

struct Account {
    /// `None` for this node itself.
    owner: Option<(Source, Class)>,
    bytes: usize,
    /// The earliest expiry among its values; [`Timestamp::MAX`] without any.
    earliest: Timestamp,
}

impl Quota {
    pub(super) fn new(config: &StorageConfig) -> Self {
        let own = Account {
            owner: None,
            bytes: 0,
            earliest: Timestamp::MAX,
        };
        Self {
            limit: config.limit_bytes,
            limit_per_source: config.limit_per_source_bytes,
            accounts: Slab::from_iter([(AccountNumber::OWN.index(), own)]),
            by_source: BTreeMap::new(),
            values: BTreeSet::new(),
            shares: Shares::default(),
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
        let owner = self.accounts[number.index()].owner;
        owner.map(|(source, _)| source)
    }

    /// Returns the account that is named by an id, or one that is not in use.
    pub(super) fn account_near(&self, id: ValueId) -> AccountNumber {
        let count = self.accounts.capacity().max(1) as u64;
        AccountNumber::new((id.0 % count) as usize)
    }

    /// Returns the account of a source for values of a class.
    pub(super) fn account(&self, source: Source, class: Class) -> Option<AccountNumber> {
        self.by_source.get(&(source, class)).copied()
    }

    /// Returns the account of a source (`None`: this node itself), for a value to be charged to.
    pub(super) fn open(&mut self, owner: Option<(Source, Class)>) -> AccountNumber {
        let Some(owner) = owner else {
            return AccountNumber::OWN;
        };
        *self.by_source.entry(owner).or_insert_with(|| {
            let account = Account {
                owner: Some(owner),
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
        if expires < self.accounts[number.index()].earliest {
            self.set_earliest(number, expires);
        }
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
            && let Some(owner) = account.owner
        {
            self.accounts.remove(number.index());
            self.by_source.remove(&owner);
        }
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
    /// room that would use most bytes once the new value is stored, in the network that would. Of
    /// its values, one of the first class goes, with the earliest expiry.
    pub(super) fn victim(&self, source: Source, bytes: usize) -> Option<ValueIndex> {
        let would_use = bytes + self.shares.of(source);
        if would_use > self.limit_per_source {
            self.first_of(source)
        } else if self.others_bytes + bytes > self.limit {
            self.first_of_heaviest(source, bytes)
        } else {
            None
        }
    }

    /// Returns the value that goes first of the source that would use most bytes with so many more
    /// for `source`.
    pub(super) fn first_of_heaviest(&self, source: Source, bytes: usize) -> Option<ValueIndex> {
        let heaviest = self.shares.heaviest_with(source, bytes);
        let first = self.first_of(heaviest);
        first.or_else(|| self.first_of(self.shares.heaviest()?))
    }

    /// Returns the value of a source that goes first.
    fn first_of(&self, source: Source) -> Option<ValueIndex> {
        let accounts = self.by_source.range((source, Class::MIN)..);
        let (_, number) = accounts.take(1).find(|((of, _), _)| *of == source)?;
        self.first(*number).map(|(_, index)| index)
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
        let Some((source, _)) = account.owner else {
            return;
        };
        let after = account.bytes;
        self.others_bytes = self.others_bytes - before + after;
        if after > before {
            self.shares.add(source, after - before);
        } else {
            self.shares.remove(source, before - after);
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

impl Class {
    const MIN: Self = Self(0);
    /// Values that live on because another source than their own wants it.
    pub(super) const KEPT: Self = Self(0);
    /// Shared bits from which on all keys count as near.
    const NEAREST: usize = 31;

    /// Returns the class of a value under a key at a node: unsigned ones and far keys go first.
    pub(super) fn of(own: &InfoHash, key: &InfoHash, value: &Value) -> Self {
        let near = own.common_prefix(key).min(Self::NEAREST) as u8;
        Self::with(value.signed().is_some(), near)
    }

    /// Returns the classes of all values under a key at a node, the last to go first.
    pub(super) fn all_of(own: &InfoHash, key: &InfoHash) -> [Self; 3] {
        let near = own.common_prefix(key).min(Self::NEAREST) as u8;
        [Self::with(true, near), Self::with(false, near), Self::KEPT]
    }

    fn with(is_signed: bool, near: u8) -> Self {
        Self(1 + near + if is_signed { 64 } else { 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASS: Class = Class(7);

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
            let number = quota.open(Some((source(host), CLASS)));
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
    fn of_a_source_the_first_class_gives_way() {
        let mut quota = quota(100, 100, &[(1, 40, 1), (1, 40, 2)]);
        let number = quota.open(Some((source(1), Class(6))));
        quota.charge(number, 10, at(9), ValueIndex::new(2));
        assert_eq!(quota.victim(source(1), 11), Some(ValueIndex::new(2)));
        let (own, far) = (InfoHash::new([0; 20]), InfoHash::new([0xff; 20]));
        let value = crate::value::sample::sample(1);
        let unsigned = value.clone().build();
        let signed = value.signed(b"owner", 1, b"signature").build();
        let classes = [
            Class::KEPT,
            Class::of(&own, &far, &unsigned),
            Class::of(&own, &own, &unsigned),
            Class::of(&own, &far, &signed),
            Class::of(&own, &own, &signed),
        ];
        assert!(classes.is_sorted_by(|a, b| a < b), "{classes:?}");
        assert_eq!(
            Class::all_of(&own, &far),
            [classes[3], classes[1], classes[0]]
        );
    }

    #[test]
    fn a_network_that_has_most_gives_way() {
        let mut quota = quota(100, 100, &[(9, 40, 1)]);
        for (number, subnet) in (1..).zip(0..=5) {
            let ip = [0x2001, 0xdb8, 0, subnet, 0, 0, 0, 0];
            let account = quota.open(Some((Source::of(ip.into()), CLASS)));
            quota.charge(account, 10, at(number), ValueIndex::new(number as usize));
        }
        let victim = quota.victim(source(1), 10);
        assert!(victim.is_some_and(|index| index.index() > 0), "{victim:?}");
    }

    #[test]
    fn a_closed_account_leaves_nothing_behind() {
        let mut quota = quota(100, 100, &[(1, 40, 1), (1, 50, 2)]);
        let number = quota.open(Some((source(1), CLASS)));
        assert_eq!(quota.next_expiry(), Some(at(1)));
        quota.release(number, 40, at(1), ValueIndex::new(0));
        assert_eq!(quota.next_expiry(), Some(at(2)));
        quota.release(number, 50, at(2), ValueIndex::new(1));
        assert_eq!((quota.next_expiry(), quota.others_bytes()), (None, 0));
        assert!(quota.by_source.is_empty() && quota.shares.is_empty());
        assert_eq!(quota.accounts.len(), 1, "the own account stays");
    }
}
