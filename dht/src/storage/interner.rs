//! [`Interner`]: short numbers for the keys listened on and the addresses that listen, so that no
//! index repeats them.

use std::hash::Hash;

use slab::Slab;

use super::index::Index;
use crate::Rng;

/// The items in use, each with a number and a count of its uses.
pub(super) struct Interner<T> {
    by_item: Index<Number>,
    used: Slab<Used<T>>,
}

/// Stands for an item as long as it is in use.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Number(u32);

struct Used<T> {
    item: T,
    uses: u32,
}

impl<T: Hash + Eq + Copy> Interner<T> {
    /// Makes an interner without items; `rng` keeps secret which of them collide.
    pub(super) fn new(rng: &mut Rng) -> Self {
        Self {
            by_item: Index::new(rng),
            used: Slab::new(),
        }
    }

    /// Returns the number of an item in use.
    pub(super) fn find(&self, item: &T) -> Option<Number> {
        self.by_item.find(item, |number| self.item(number))
    }

    /// Returns the item that a number in use stands for.
    pub(super) fn item(&self, number: Number) -> T {
        self.used[number.index()].item
    }

    /// Returns how many uses an item has.
    pub(super) fn uses(&self, number: Number) -> usize {
        self.used[number.index()].uses as usize
    }

    /// Counts one more use of an item.
    pub(super) fn acquire(&mut self, item: T) -> Number {
        let number = self.find(&item).unwrap_or_else(|| {
            let number = Number(self.used.insert(Used { item, uses: 0 }) as u32);
            self.by_item.insert(&item, number);
            number
        });
        self.used[number.index()].uses += 1;
        number
    }

    /// Counts one use less. After the last, the number stands for nothing.
    pub(super) fn release(&mut self, number: Number) {
        let used = &mut self.used[number.index()];
        used.uses -= 1;
        if used.uses == 0 {
            let Used { item, .. } = self.used.remove(number.index());
            self.by_item.remove(&item, number);
        }
    }
}

impl Number {
    pub(super) const MIN: Self = Self(0);
    pub(super) const MAX: Self = Self(u32::MAX);

    fn index(self) -> usize {
        self.0 as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seed;

    #[test]
    fn an_item_keeps_its_number_until_its_last_use_ends() {
        let mut interner = Interner::new(&mut Seed::from_number(1).hashing());
        let number = interner.acquire('a');
        assert_eq!(interner.acquire('a'), number);
        assert_ne!(interner.acquire('b'), number);
        assert_eq!((interner.item(number), interner.uses(number)), ('a', 2));

        interner.release(number);
        assert_eq!(interner.find(&'a'), Some(number));
        interner.release(number);
        assert_eq!(interner.find(&'a'), None);
    }
}
