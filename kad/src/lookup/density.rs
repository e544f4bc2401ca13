//! [`Density`]: how densely nodes lie in the id space, judged by what lookups find; from it, how
//! many there are, and whether those nearest to a key lie too close to it to be there by chance.

use std::collections::VecDeque;

use crate::Distance;

/// The lookups that count: the last so many.
const MEMORY: usize = 31;
/// The 0.5 % quantile of the standard normal distribution. An alarm is false half as often as
/// promised, as the estimate that it is held against has an error too.
const RARE: f64 = 2.576;
/// The standard error of the median of one lookup for one node, in hundredths of a percent.
const ERROR_OF_MEDIAN: u32 = 12_533;

/// How far lookups had to go for the same number of nodes.
///
/// Ids of honest nodes are random. So of n nodes the k-th nearest to a key lies on average at k/n
/// of the whole space, with a standard deviation of √k/n. The median of many lookups is taken:
/// those of a node that knew few others then, and keys that someone surrounds, have no weight in it
/// as long as they are fewer than half.
///
/// ```
/// use bulla_kad::lookup::Density;
/// use bulla_kad::{Id, Seed};
///
/// let mut rng = Seed::from_number(1).public();
/// let mut density = Density::default();
/// for _ in 0..31 {
///     let target: Id<20> = rng.hash();
///     let mut distances: Vec<_> = (0..1_000).map(|_| rng.hash().distance(&target)).collect();
///     distances.sort();
///     density.on_found(8, &distances[7]);
/// }
/// let estimate = density.estimate().unwrap();
/// assert!((700..1_400).contains(&estimate.nodes));
/// ```
#[derive(Clone, Default, Debug)]
pub struct Density {
    /// In units of 2⁻⁶⁴ of the whole space, the latest last.
    distances: VecDeque<u64>,
    /// The k of these lookups.
    count: u32,
}

/// How many nodes there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SizeEstimate {
    /// The estimate.
    pub nodes: u64,
    /// Its standard error, in percent of it.
    pub error_percent: u32,
}

impl Density {
    /// Takes in a lookup that has ended where it should: the distance of the `count`th nearest node
    /// that replied.
    pub fn on_found<const N: usize>(&mut self, count: usize, farthest: &Distance<N>) {
        self.count = u32::try_from(count.clamp(1, 256)).unwrap_or(1);
        if self.distances.len() == MEMORY {
            self.distances.pop_front();
        }
        self.distances.push_back(farthest.leading_bits());
    }

    /// Returns how many nodes there are. `None` before the first lookup.
    pub fn estimate(&self) -> Option<SizeEstimate> {
        let median = u128::from(self.median()?);
        // The median of a gamma distribution is k - 1/3.
        let nodes = (u128::from(3 * self.count - 1) << 64) / (3 * median);
        let lookups = self.distances.len() as u32;
        let hundred_roots = (10_000 * self.count * lookups).isqrt();
        Some(SizeEstimate {
            nodes: u64::try_from(nodes).unwrap_or(u64::MAX),
            error_percent: ERROR_OF_MEDIAN.div_ceil(hundred_roots.max(1)),
        })
    }

    /// Reports whether `count` nodes lie so close to a key, the farthest at this distance, that it
    /// happens to fewer than one in a hundred keys by chance. Never before enough lookups ended.
    pub fn is_too_dense<const N: usize>(&self, count: usize, farthest: &Distance<N>) -> bool {
        if self.distances.len() < MEMORY {
            return false;
        }
        let count = count.max(1) as f64;
        // The distance follows a gamma distribution; its quantile after Wilson and Hilferty.
        let root = 1.0 - 1.0 / (9.0 * count) - RARE / (3.0 * count.sqrt());
        let least = count * root.max(0.0).powi(3) / (f64::from(self.count) - 1.0 / 3.0);
        let distance = farthest.leading_bits() as f64;
        (self.median()).is_some_and(|median| distance < least * median as f64)
    }

    /// Returns the median distance, never zero.
    fn median(&self) -> Option<u64> {
        let mut sorted: Vec<_> = self.distances.iter().copied().collect();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).map(|median| *median.max(&1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Id, Rng, Seed};

    /// The distance of the `count`th nearest of random ids to a random key.
    fn farthest(ids: &[Id<20>], count: usize, rng: &mut Rng) -> Distance<20> {
        let key = rng.hash();
        let mut distances: Vec<_> = ids.iter().map(|id| id.distance(&key)).collect();
        *distances.select_nth_unstable(count - 1).1
    }

    fn network(nodes: usize, seed: u64) -> (Vec<Id<20>>, Rng) {
        let mut rng = Seed::from_number(seed).public();
        ((0..nodes).map(|_| rng.hash()).collect(), rng)
    }

    #[test]
    fn the_estimate_is_as_good_as_it_says() {
        for (nodes, count) in [(50, 8), (500, 8), (500, 20)] {
            let mut beyond = [0; 2];
            for seed in 0..20 {
                let (ids, mut rng) = network(nodes, seed);
                let mut density = Density::default();
                assert_eq!(density.estimate(), None);
                for _ in 0..40 {
                    density.on_found(count, &farthest(&ids, count, &mut rng));
                }
                let estimate = density.estimate().unwrap();
                let off = estimate.nodes.abs_diff(nodes as u64) * 100 / nodes as u64;
                for (sigmas, beyond) in (2..).zip(&mut beyond) {
                    *beyond += usize::from(off > sigmas * u64::from(estimate.error_percent));
                }
            }
            // One in twenty is off by more than two standard errors, one in 370 by more than three.
            assert!(beyond[0] <= 4 && beyond[1] <= 1, "{nodes}: {beyond:?}");
        }
    }

    #[test]
    fn few_keys_seem_too_dense_by_chance() {
        for (nodes, count) in [(100, 8), (500, 8), (500, 20), (500, 1)] {
            let (mut alarms, mut all) = (0, 0);
            for seed in 0..10 {
                let (ids, mut rng) = network(nodes, seed);
                let mut density = Density::default();
                for number in 0..300 {
                    let found = farthest(&ids, count, &mut rng);
                    let is_alarm = density.is_too_dense(count, &found);
                    assert!(!is_alarm || number >= MEMORY as u32);
                    alarms += usize::from(is_alarm);
                    all += 1;
                    density.on_found(count, &found);
                }
            }
            assert!(alarms * 100 <= all, "{nodes}: {alarms} of {all}");
        }
    }

    #[test]
    fn nodes_that_surround_a_key_are_told_and_change_the_estimate_little() {
        let (ids, mut rng) = network(1_000, 7);
        let mut density = Density::default();
        for _ in 0..100 {
            density.on_found(8, &farthest(&ids, 8, &mut rng));
        }
        let before = density.estimate().unwrap().nodes;
        // Eight of them, each nearer than the nearest honest node of most keys.
        let key: Id<20> = rng.hash();
        let near = (0..14).fold(rng.hash(), |id: Id<20>, bit| id.with_bit(bit, key.bit(bit)));
        let near = near.distance(&key);
        assert!(density.is_too_dense(8, &near));
        density.on_found(8, &near);
        let after = density.estimate().unwrap().nodes;
        assert!(after <= before * 11 / 10, "{before} {after}");
    }
}
