//! [`Keys`]: short numbers for the keys listened on, so that no index repeats their 20 bytes.

use std::collections::BTreeMap;

use slab::Slab;

use crate::InfoHash;

/// The keys in use, each with a number and a count of its uses.
#[derive(Default)]
pub(super) struct Keys {
    numbers: BTreeMap<InfoHash, KeyNumber>,
    used: Slab<UsedKey>,
}

/// Stands for a key as long as it is in use.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct KeyNumber(u32);

struct UsedKey {
    key: InfoHash,
    uses: u32,
}

impl Keys {
    /// The number of a key in use.
    pub(super) fn number(&self, key: &InfoHash) -> Option<KeyNumber> {
        self.numbers.get(key).copied()
    }

    /// How often a key is in use.
    pub(super) fn uses(&self, key: &InfoHash) -> usize {
        self.number(key)
            .map_or(0, |number| self.used[number.index()].uses as usize)
    }

    /// Counts one more use of a key.
    pub(super) fn acquire(&mut self, key: &InfoHash) -> KeyNumber {
        let number = *self.numbers.entry(*key).or_insert_with(|| {
            let used = UsedKey { key: *key, uses: 0 };
            KeyNumber(self.used.insert(used) as u32)
        });
        self.used[number.index()].uses += 1;
        number
    }

    /// Counts one use less. The number is void after the last.
    pub(super) fn release(&mut self, number: KeyNumber) -> InfoHash {
        let used = &mut self.used[number.index()];
        used.uses -= 1;
        let UsedKey { key, uses } = *used;
        if uses == 0 {
            self.used.remove(number.index());
            self.numbers.remove(&key);
        }
        key
    }
}

impl KeyNumber {
    pub(super) const MIN: Self = Self(0);
    pub(super) const MAX: Self = Self(u32::MAX);

    fn index(self) -> usize {
        self.0 as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_keeps_its_number_until_its_last_use_ends() {
        let mut keys = Keys::default();
        let (a, b) = (InfoHash::of(b"a"), InfoHash::of(b"b"));
        let number = keys.acquire(&a);
        assert_eq!(keys.acquire(&a), number);
        assert_ne!(keys.acquire(&b), number);
        assert_eq!((keys.uses(&a), keys.uses(&b)), (2, 1));

        assert_eq!(keys.release(number), a);
        assert_eq!(keys.number(&a), Some(number));
        assert_eq!(keys.release(number), a);
        assert_eq!((keys.number(&a), keys.uses(&a)), (None, 0));
    }
}
