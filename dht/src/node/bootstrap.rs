//! [`Bootstrap`]: the addresses a node starts from, and when they are pinged
//! (`docs/spec/node.md#3.3`).

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use crate::{Family, Timestamp};

/// The longest wait between two rounds.
const MAX_PERIOD: Duration = Duration::from_secs(24 * 60 * 60);
/// Addresses kept.
const MAX_ADDRESSES: usize = 1_024;

/// Bootstrap addresses: pinged in rounds, each wait twice as long, until a node answers; again when
/// all contacts are lost.
#[derive(Debug)]
pub(super) struct Bootstrap {
    addresses: BTreeSet<SocketAddr>,
    /// The wait after the first round.
    first_period: Duration,
    /// The wait after the next round.
    period: Duration,
}

impl Bootstrap {
    pub(super) fn new(first_period: Duration) -> Self {
        Self {
            addresses: BTreeSet::new(),
            first_period,
            period: first_period,
        }
    }

    /// Adds addresses.
    pub(super) fn add(&mut self, addresses: &[SocketAddr]) {
        for address in addresses {
            if self.addresses.len() < MAX_ADDRESSES {
                self.addresses.insert(*address);
            }
        }
    }

    /// Goes back to the first wait.
    pub(super) fn restart(&mut self) {
        self.period = self.first_period;
    }

    /// Begins a round: returns the addresses to ping, and when the next round is.
    pub(super) fn next_round(&mut self, now: Timestamp) -> (Vec<SocketAddr>, Timestamp) {
        let next = now + self.period;
        self.period = (self.period * 2).min(MAX_PERIOD);
        (self.addresses.iter().copied().collect(), next)
    }

    /// Reports whether there are addresses of this family.
    pub(super) fn has(&self, family: Family) -> bool {
        self.addresses
            .iter()
            .any(|address| Family::of(address) == family)
    }

    /// Reports whether there are none at all.
    pub(super) fn is_empty(&self) -> bool {
        self.addresses.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_come_after_10_30_and_70_seconds_until_restarted() {
        let mut bootstrap = Bootstrap::new(Duration::from_secs(10));
        let mut now = Timestamp::ZERO;
        let mut times = Vec::new();
        for _ in 0..3 {
            now = bootstrap.next_round(now).1;
            times.push(now.as_micros() / 1_000_000);
        }
        assert_eq!(times, [10, 30, 70]);
        bootstrap.restart();
        assert_eq!(bootstrap.next_round(now).1, now + Duration::from_secs(10));
    }
}
