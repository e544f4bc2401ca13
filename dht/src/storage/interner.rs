//! [`Interner`]: short numbers for the keys listened on and the addresses that listen, so that no index repeats them.

use std::hash::Hash;

use slab::Slab;

use super::index::Index;
use crate::Rng;

/// The things in use, each with a number and a count of its uses.
pub(super) struct Interner<T> {
    interner: Index<Number>,
    used: Slab<Used<T>>,
}

/// Stands for a thing as long as it is in use.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Number(u32);

struct Used<T> {
    thing: T,
    uses: u32,
}

impl<T: Hash + Eq + Copy> Interner<T> {
    /// Nothing is in use yet.
    pub(super) fn new(rng: &mut Rng) -> Self {
        Self {
            interner: Index::new(rng),
            used: Slab::new(),
        }
    }

    /// The number of a thing in use.
    pub(super) fn find(&self, thing: &T) -> Option<Number> {
        self.interner.find(thing, |number| self.thing(number))
    }

    /// What a number in use stands for.
    pub(super) fn thing(&self, number: Number) -> T {
        self.used[number.index()].thing
    }

    /// How often a thing is in use.
    pub(super) fn uses(&self, number: Number) -> usize {
        self.used[number.index()].uses as usize
    }

    /// Counts one more use of a thing.
    pub(super) fn acquire(&mut self, thing: T) -> Number {
        let number = self.find(&thing).unwrap_or_else(|| {
            let number = Number(self.used.insert(Used { thing, uses: 0 }) as u32);
            self.interner.insert(&thing, number);
            number
        });
        self.used[number.index()].uses += 1;
        number
    }

    /// Counts one use less. The number is void after the last.
    pub(super) fn release(&mut self, number: Number) {
        let used = &mut self.used[number.index()];
        used.uses -= 1;
        if used.uses == 0 {
            let Used { thing, .. } = self.used.remove(number.index());
            self.interner.remove(&thing, number);
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
    fn a_thing_keeps_its_number_until_its_last_use_ends() {
        let mut interner = Interner::new(&mut Seed::from_number(1).hashing());
        let number = interner.acquire('a');
        assert_eq!(interner.acquire('a'), number);
        assert_ne!(interner.acquire('b'), number);
        assert_eq!((interner.thing(number), interner.uses(number)), ('a', 2));

        interner.release(number);
        assert_eq!(interner.find(&'a'), Some(number));
        interner.release(number);
        assert_eq!(interner.find(&'a'), None);
    }
}
