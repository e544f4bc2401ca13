//! Chance as an argument: one [`Seed`] gives independent streams of ChaCha12.
//!
//! The *public* stream makes what others may see (ids, transactions, jitter); the *private* one
//! makes secrets; a third one makes the keys of hash tables. Knowing all of one tells nothing of
//! the others. The same seed gives the same numbers on every machine.

use std::fmt;
use std::time::Duration;

use rand_chacha::ChaCha12Rng;
use rand_core::{Rng as _, SeedableRng};
use zeroize::Zeroize;

use crate::Id;

/// 32 bytes from which all chance of one node grows: from the system's entropy in production, fixed
/// in tests.
#[derive(Clone)]
pub struct Seed([u8; 32]);

/// A stream of random numbers.
pub struct Rng(ChaCha12Rng);

impl Seed {
    /// Wraps 32 bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Makes a seed of a number, for tests and simulations.
    pub fn from_number(number: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        Self(bytes)
    }

    /// Returns the stream for what others may see.
    pub fn public(&self) -> Rng {
        self.stream(0)
    }

    /// Returns the stream for secrets.
    pub fn private(&self) -> Rng {
        self.stream(1)
    }

    /// Returns the stream for the keys of hash tables, of which others may see how long a lookup
    /// takes.
    pub fn hashing(&self) -> Rng {
        self.stream(2)
    }

    fn stream(&self, number: u64) -> Rng {
        let mut chacha = ChaCha12Rng::from_seed(self.0);
        chacha.set_stream(number);
        Rng(chacha)
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

impl Rng {
    /// Draws any 64-bit number.
    pub fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Draws a number below `bound`; 0 if `bound` is 0. The bias is below 2⁻³² for bounds below
    /// 2³².
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.number()) * u128::from(bound)) >> 64) as u64
    }

    /// Draws `true` once in `n` times, on average.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// Draws a span from `low` up to `high`.
    pub fn between(&mut self, low: Duration, high: Duration) -> Duration {
        let width = u64::try_from(high.saturating_sub(low).as_micros()).unwrap_or(u64::MAX);
        low + Duration::from_micros(self.below(width.saturating_add(1)))
    }

    /// Fills `bytes` at random.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// Draws any id, as random as a hash.
    pub fn hash<const N: usize>(&mut self) -> Id<N> {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        Id::new(bytes)
    }

    /// Draws a fresh seed, for a part that wants streams of its own.
    pub fn seed(&mut self) -> Seed {
        let mut bytes = [0; 32];
        self.fill(&mut bytes);
        Seed(bytes)
    }
}

impl fmt::Debug for Rng {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rng(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_gives_the_same_numbers_and_streams_differ() {
        let seed = Seed::from_number(7);
        assert_eq!(seed.public().number(), seed.public().number());
        assert_ne!(seed.public().number(), seed.private().number());
        assert_ne!(seed.private().number(), seed.hashing().number());
    }

    #[test]
    fn numbers_stay_below_their_bound_and_spans_within_theirs() {
        let mut rng = Seed::from_number(1).public();
        for _ in 0..1_000 {
            assert!(rng.below(3) < 3);
            let span = rng.between(Duration::from_secs(2), Duration::from_secs(6));
            assert!((Duration::from_secs(2)..=Duration::from_secs(6)).contains(&span));
        }
        assert_eq!(rng.below(0), 0);
    }

    #[test]
    fn seeds_print_nothing_secret() {
        assert_eq!(format!("{:?}", Seed::from_number(42)), "Seed(..)");
    }
}
