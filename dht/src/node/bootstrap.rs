//! [`Bootstrap`]: the addresses a node starts from, and when they are pinged
//! (`docs/spec/node.md#3.3`).

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use crate::{Family, Timestamp};

/// The longest wait between two rounds: they are a few datagrams, and whoever has no network for a
/// day wants to be back soon after it is.
const MAX_PERIOD: Duration = Duration::from_secs(100);
/// Addresses kept.
const MAX_ADDRESSES: usize = 1_024;

/// Bootstrap addresses: pinged in rounds, each wait twice as long, until a node answers; again when
/// all contacts are lost.
#[derive(Debug)]
pub(super) struct Bootstrap {
    addresses: BTreeSet<SocketAddr>,
    /// Those that the system could not send to in this round.
    unreachable: BTreeSet<SocketAddr>,
    /// The wait after the first round.
    first_period: Duration,
    /// The wait after the next round.
    period: Duration,
}

impl Bootstrap {
    pub(super) fn new(first_period: Duration) -> Self {
        Self {
            addresses: BTreeSet::new(),
            unreachable: BTreeSet::new(),
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

    /// Notes that the system cannot send to an address.
    pub(super) fn on_unreachable(&mut self, address: SocketAddr) {
        if self.addresses.contains(&address) {
            self.unreachable.insert(address);
        }
    }

    /// Begins a round: returns the addresses to ping, and when the next round is.
    pub(super) fn next_round(&mut self, now: Timestamp) -> (Vec<SocketAddr>, Timestamp) {
        self.unreachable.clear();
        let next = now + self.period;
        self.period = (self.period * 2).min(MAX_PERIOD);
        (self.addresses.iter().copied().collect(), next)
    }

    /// Reports whether there are addresses of this family that may answer.
    pub(super) fn has(&self, family: Family) -> bool {
        let mut reachable = self.addresses.difference(&self.unreachable);
        reachable.any(|address| Family::of(address) == family)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_come_after_10_30_and_70_seconds_then_every_100_until_restarted() {
        let mut bootstrap = Bootstrap::new(Duration::from_secs(10));
        let mut now = Timestamp::ZERO;
        let mut times = Vec::new();
        for _ in 0..6 {
            now = bootstrap.next_round(now).1;
            times.push(now.as_micros() / 1_000_000);
        }
        assert_eq!(times, [10, 30, 70, 150, 250, 350]);
        bootstrap.restart();
        assert_eq!(bootstrap.next_round(now).1, now + Duration::from_secs(10));
    }

    #[test]
    fn addresses_that_cannot_be_sent_to_do_not_count_until_the_next_round() {
        let mut bootstrap = Bootstrap::new(Duration::from_secs(10));
        let (v4, v6) = (
            "192.0.2.1:1".parse().unwrap(),
            "[2001:db8::1]:1".parse().unwrap(),
        );
        bootstrap.add(&[v4, v6]);
        bootstrap.on_unreachable(v6);
        assert!(bootstrap.has(Family::V4) && !bootstrap.has(Family::V6));
        bootstrap.on_unreachable("192.0.2.9:1".parse().unwrap());
        assert_eq!(bootstrap.next_round(Timestamp::ZERO).0, [v4, v6]);
        assert!(bootstrap.has(Family::V6));
    }
}
