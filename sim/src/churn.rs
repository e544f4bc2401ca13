//! [`Churn`]: how hosts come and go, and [`Distribution`]: for how long.

use std::time::Duration;

use bulla_dht::Rng;

/// How hosts come and go. A host that returns does so as another node at the same address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Churn {
    /// How long hosts stay.
    pub session: Distribution,
    /// How long they are absent.
    pub absence: Distribution,
    /// Hosts that never leave, the first ones: others bootstrap from them.
    pub anchors: usize,
}

/// The distribution of a span of time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Distribution {
    /// Any time from the first to the second, all equally likely.
    Between(Duration, Duration),
    /// Exponential with this median, without memory: the time passed says nothing about the time
    /// left. What DHTs are usually tested with.
    Exponential(Duration),
    /// Weibull of shape ½ with this median, near to what measurements of file sharing networks
    /// found: many short ones, and a few very long.
    HeavyTailed(Duration),
}

/// Bits after the point.
const POINT: u32 = 16;
/// No span is longer than this many medians.
const LONGEST: u64 = 1_000;

impl Distribution {
    /// Draws a span. It computes with integers only, so that it is the same on every machine.
    pub(super) fn draw(self, rng: &mut Rng) -> Duration {
        let halvings = |rng: &mut Rng| halvings(rng.number());
        match self {
            Self::Between(least, greatest) => rng.between(least, greatest),
            Self::Exponential(median) => times(median, halvings(rng)),
            Self::HeavyTailed(median) => {
                let halvings = halvings(rng);
                times(median, (halvings * halvings) >> POINT)
            }
        }
    }
}

/// Returns how often a whole must be halved to become the share that `number` is of all numbers:
/// −log₂, of mean 1 / ln 2 and median 1, as a fixed-point number. Each further bit comes from
/// squaring.
fn halvings(number: u64) -> u64 {
    let number = number.max(1);
    let whole = u64::from(number.leading_zeros());
    // From 1 up to 2, with 63 bits after the point.
    let mut rest = number << whole;
    let mut log = 0;
    for _ in 0..POINT {
        let square = (u128::from(rest) * u128::from(rest)) >> 63;
        let carry = u64::from(square >> 64 != 0);
        log = (log << 1) | carry;
        rest = (square >> carry) as u64;
    }
    ((whole + 1) << POINT) - log
}

fn times(median: Duration, factor: u64) -> Duration {
    let factor = factor.min(LONGEST << POINT);
    let micros = (median.as_micros() * u128::from(factor)) >> POINT;
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bulla_dht::Seed;

    #[test]
    #[allow(clippy::cast_precision_loss, reason = "less is exact enough")]
    fn halvings_are_logarithms() {
        for (number, expected) in [
            (u64::MAX, 0.0),
            (1 << 63, 1.0),
            (1 << 60, 4.0),
            (3 << 61, 3.0 - 3f64.log2()),
            (1, 64.0),
            (0, 64.0),
        ] {
            let found = halvings(number) as f64 / f64::from(1 << POINT);
            let exact = -(number.max(1) as f64 / 2f64.powi(64)).log2();
            assert!((found - exact).abs() < 1e-3, "{number}: {found}, {exact}");
            assert!((expected - exact).abs() < 1e-3, "{number}: {expected}");
        }
    }

    #[test]
    fn half_of_all_spans_are_shorter_than_the_median() {
        let median = Duration::from_secs(84);
        let mut rng = Seed::from_number(1).public();
        for (span, mean) in [
            (Distribution::Exponential(median), 121.0),
            // Γ(3) / (ln 2)², the mean of a Weibull of shape ½ and median 1.
            (Distribution::HeavyTailed(median), 84.0 * 2.0 / 0.480_453),
        ] {
            let drawn: Vec<_> = (0..40_000).map(|_| span.draw(&mut rng)).collect();
            let shorter = drawn.iter().filter(|span| **span < median).count();
            assert!((19_600..20_400).contains(&shorter), "{span:?}: {shorter}");
            let sum: f64 = drawn.iter().map(Duration::as_secs_f64).sum();
            let found = sum / 40_000.0;
            assert!((found / mean - 1.0).abs() < 0.05, "{span:?}: {found}");
        }
    }
}
