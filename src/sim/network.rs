//! [`Network`]: when a datagram arrives, and whether. Seeded, so each run of a seed meets the same weather.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::HostId;
use crate::{Rng, Seed, Timestamp};

/// How long a filtering router lets answers in after a datagram went out (RFC 4787 asks for 2 minutes at least).
const MAPPING_LIFE: Duration = Duration::from_secs(120);

/// The quality of the paths between hosts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link {
    /// Least and greatest time one way; each pair of hosts has its own, the same in both directions.
    pub latency: (Duration, Duration),
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
    /// Whom hosts behind a filtering router have written to, and when.
    mappings: BTreeMap<(HostId, SocketAddr), Timestamp>,
}

impl Link {
    /// 1 ms each way, nothing lost, nothing reordered.
    pub const PERFECT: Self = Self {
        latency: (Duration::from_millis(1), Duration::from_millis(1)),
        jitter: Duration::ZERO,
        loss_per_mille: 0,
        duplication_per_mille: 0,
    };

    /// The public Internet on an ordinary day: 20 to 200 ms each way, jitter of 20 ms, 5 % lost, 1 % twice.
    pub const INTERNET: Self = Self {
        latency: (Duration::from_millis(20), Duration::from_millis(200)),
        jitter: Duration::from_millis(20),
        loss_per_mille: 50,
        duplication_per_mille: 10,
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
            mappings: BTreeMap::new(),
        }
    }

    pub(super) fn set_link(&mut self, link: Link) {
        self.link = link;
    }

    /// Lets hosts of different sides lose sight of each other; those without a side see all.
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

    /// When a datagram arrives that is sent now: never, once or twice.
    pub(super) fn carry(&mut self, now: Timestamp, from: HostId, to: HostId) -> Vec<Timestamp> {
        if !self.connects(from, to) || self.rng.below(1_000) < self.link.loss_per_mille {
            return Vec::new();
        }
        let copies = 1 + usize::from(self.rng.below(1_000) < self.link.duplication_per_mille);
        let latency = self.latency(from, to);
        let mut arrival = || now + latency + self.rng.between(Duration::ZERO, self.link.jitter);
        (0..copies).map(|_| arrival()).collect()
    }

    /// A host behind a filtering router sends something.
    pub(super) fn open_mapping(&mut self, now: Timestamp, host: HostId, to: SocketAddr) {
        self.mappings.insert((host, to), now);
    }

    /// Whether the router of a host lets in what comes from an address (address- and port-dependent filtering,
    /// RFC 4787 section 5).
    pub(super) fn lets_in(&self, now: Timestamp, host: HostId, from: SocketAddr) -> bool {
        let sent = self.mappings.get(&(host, from));
        sent.is_some_and(|sent| now.since(*sent) <= MAPPING_LIFE)
    }

    fn latency(&self, one: HostId, other: HostId) -> Duration {
        let (low, high) = (one.min(other).number(), one.max(other).number());
        let (least, greatest) = self.link.latency;
        let micros = greatest.saturating_sub(least).as_micros();
        let share = u128::from(scatter(self.pairs ^ (low << 32) ^ high));
        least + Duration::from_micros(((share * micros) >> 64) as u64)
    }
}

/// A number that seems to have nothing to do with `number` (the finalizer of `SplitMix64`).
fn scatter(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pair_has_its_own_latency_the_same_both_ways() {
        let network = network(Link::INTERNET);
        let (a, b, c) = (HostId::new(0), HostId::new(1), HostId::new(2));
        assert_eq!(network.latency(a, b), network.latency(b, a));
        assert_ne!(network.latency(a, b), network.latency(a, c));
        let (low, high) = Link::INTERNET.latency;
        assert!((low..=high).contains(&network.latency(b, c)));
    }

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
            arrivals[carried.len()] += 1;
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

    #[test]
    fn a_router_lets_in_only_what_was_written_to_lately() {
        let mut network = network(Link::PERFECT);
        let (host, peer) = (HostId::new(0), SocketAddr::from(([10, 0, 0, 9], 4222)));
        assert!(!network.lets_in(Timestamp::ZERO, host, peer));
        network.open_mapping(Timestamp::ZERO, host, peer);
        assert!(network.lets_in(Timestamp::ZERO + MAPPING_LIFE, host, peer));
        assert!(!network.lets_in(Timestamp::ZERO + MAPPING_LIFE * 2, host, peer));
    }

    fn network(link: Link) -> Network {
        Network::new(link, &Seed::from_number(1))
    }
}
