//! [`Network`]: when a datagram arrives, and whether. All its chance grows from a seed.

use std::collections::BTreeMap;
use std::time::Duration;

use super::HostId;
use super::latency::Latency;
use bulla_dht::{Rng, Seed, Timestamp};

/// The quality of the paths between hosts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link {
    /// Time one way.
    pub latency: Latency,
    /// Added at random to each datagram; what exceeds the time between two datagrams reorders them.
    pub jitter: Duration,
    /// Datagrams lost, of a thousand.
    pub loss_per_mille: u64,
    /// Datagrams that arrive twice, of a thousand.
    pub duplication_per_mille: u64,
}

/// All paths between hosts.
#[derive(Debug)]
pub(super) struct Network {
    link: Link,
    rng: Rng,
    pairs: u64,
    /// The side of each host while the network is split.
    sides: BTreeMap<HostId, usize>,
}

impl Link {
    /// 1 ms each way, nothing lost, nothing reordered.
    pub const PERFECT: Self = Self {
        latency: Latency::Between(Duration::from_millis(1), Duration::from_millis(1)),
        jitter: Duration::ZERO,
        loss_per_mille: 0,
        duplication_per_mille: 0,
    };

    /// The public Internet on a bad day: 20 to 200 ms each way, jitter of 20 ms, 5 % lost, 1 %
    /// twice.
    pub const INTERNET: Self = Self {
        latency: Latency::Between(Duration::from_millis(20), Duration::from_millis(200)),
        jitter: Duration::from_millis(20),
        loss_per_mille: 50,
        duplication_per_mille: 10,
    };

    /// The world on an ordinary day: the latency of regions, jitter of 5 ms, 1 % lost, 0.1 % twice.
    pub const WORLD: Self = Self {
        latency: Latency::World,
        jitter: Duration::from_millis(5),
        loss_per_mille: 10,
        duplication_per_mille: 1,
    };
}

impl Network {
    pub(super) fn new(link: Link, seed: &Seed) -> Self {
        let mut rng = seed.public();
        Self {
            link,
            pairs: rng.number(),
            rng,
            sides: BTreeMap::new(),
        }
    }

    pub(super) fn set_link(&mut self, link: Link) {
        self.link = link;
    }

    /// Cuts the paths between hosts of different sides; those without a side reach all.
    pub(super) fn split(&mut self, sides: BTreeMap<HostId, usize>) {
        self.sides = sides;
    }

    /// Whether datagrams can pass between two hosts.
    pub(super) fn connects(&self, from: HostId, to: HostId) -> bool {
        match (self.sides.get(&from), self.sides.get(&to)) {
            (Some(from), Some(to)) => from == to,
            _ => true,
        }
    }

    /// Returns when a datagram arrives that is sent now: never, once or twice.
    pub(super) fn carry(
        &mut self,
        now: Timestamp,
        from: HostId,
        to: HostId,
    ) -> impl Iterator<Item = Timestamp> + use<> {
        let mut arrivals = [None; 2];
        if self.connects(from, to) && self.rng.below(1_000) >= self.link.loss_per_mille {
            let is_doubled = self.rng.below(1_000) < self.link.duplication_per_mille;
            let latency = self.link.latency.one_way(self.pairs, from, to);
            let mut arrival = || now + latency + self.rng.between(Duration::ZERO, self.link.jitter);
            arrivals = [Some(arrival()), is_doubled.then(&mut arrival)];
        }
        arrivals.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_and_copies_come_as_often_as_asked() {
        let mut network = network(Link {
            loss_per_mille: 100,
            duplication_per_mille: 50,
            ..Link::PERFECT
        });
        let mut arrivals = [0; 3];
        for _ in 0..10_000 {
            let carried = network.carry(Timestamp::ZERO, HostId::new(0), HostId::new(1));
            arrivals[carried.count()] += 1;
        }
        assert!((900..1_100).contains(&arrivals[0]), "{arrivals:?}");
        assert!((380..520).contains(&arrivals[2]), "{arrivals:?}");
    }

    #[test]
    fn a_split_network_connects_only_hosts_of_one_side() {
        let mut network = network(Link::PERFECT);
        let hosts = [0, 1, 2].map(HostId::new);
        network.split([(hosts[0], 0), (hosts[1], 1)].into());
        assert!(!network.connects(hosts[0], hosts[1]));
        assert!(network.connects(hosts[0], hosts[2]));
        network.split(BTreeMap::new());
        assert!(network.connects(hosts[0], hosts[1]));
    }

    fn network(link: Link) -> Network {
        Network::new(link, &Seed::from_number(1))
    }
}
