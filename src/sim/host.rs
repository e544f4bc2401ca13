//! [`Host`]: a place in the network, and the node that lives there for a while.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::ErrandId;
use super::hostile::{Mischief, Vice};
use crate::Identity;
use crate::node::{OpId, Timer};
use crate::secure::SecureDht;
use crate::{Config, Family, Timestamp};

/// Names a host of a simulation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct HostId(u32);

/// What a host is like.
#[derive(Clone, Debug)]
pub struct HostSpec {
    /// Which addresses it has.
    pub addressing: Addressing,
    /// It sits behind a router that lets in only answers.
    pub filtered: bool,
    /// The settings of its node.
    pub config: Config,
    /// Who signs and decrypts there, if anybody.
    pub identity: Option<Identity>,
    /// What is wrong with it; `None` for an honest one.
    pub vice: Option<Vice>,
}

/// The addresses of a host.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Addressing {
    /// IPv4 alone.
    #[default]
    V4,
    /// IPv6 alone.
    V6,
    /// Both.
    Dual,
}

/// A host of a simulation.
pub(super) struct Host {
    pub(super) spec: HostSpec,
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) tenant: Option<Tenant>,
    /// How many nodes have lived here.
    pub(super) tenancies: u32,
}

/// A node at work.
pub(super) struct Tenant {
    pub(super) dht: SecureDht,
    /// The zero of its clock.
    pub(super) born: Timestamp,
    /// Where its wake-up stands in the queue.
    pub(super) wake: Option<(Timestamp, u64)>,
    /// What it is for.
    pub(super) timer: Timer,
    /// What it does for the simulation.
    pub(super) errands: BTreeMap<OpId, ErrandId>,
    pub(super) mischief: Option<Mischief>,
    pub(super) restlessness: Restlessness,
}

/// How often a node woke up lately for nothing, unanswered requests not counted: each of those is waited for in turn.
#[derive(Default, Debug)]
pub(super) struct Restlessness {
    since: Timestamp,
    count: u32,
}

impl Default for HostSpec {
    /// Honest, open, IPv4, default settings.
    fn default() -> Self {
        Self {
            addressing: Addressing::default(),
            filtered: false,
            config: Config::default(),
            identity: None,
            vice: None,
        }
    }
}

impl HostSpec {
    /// Whether others look for values there.
    pub(super) fn serves(&self) -> bool {
        self.vice.is_none() && !self.filtered && !self.config.client
    }
}

impl HostId {
    pub(super) const fn new(number: u32) -> Self {
        Self(number)
    }

    pub(super) fn number(self) -> u64 {
        u64::from(self.0)
    }

    pub(super) fn index(self) -> usize {
        self.0 as usize
    }

    /// Each host has an IPv4 address and an IPv6 /64 of its own.
    fn address(self, family: Family) -> SocketAddr {
        let ip = match family {
            Family::V4 => IpAddr::V4(Ipv4Addr::from_bits((10 << 24) + 1 + self.0)),
            Family::V6 => IpAddr::V6(Ipv6Addr::from_bits(
                (0xfd << 120) + (u128::from(self.0) << 64) + 1,
            )),
        };
        SocketAddr::new(ip, 4222)
    }
}

impl Addressing {
    /// Whether it has an address of this family.
    pub fn has(self, family: Family) -> bool {
        match self {
            Self::V4 => family == Family::V4,
            Self::V6 => family == Family::V6,
            Self::Dual => true,
        }
    }
}

impl Host {
    pub(super) fn new(id: HostId, spec: HostSpec) -> Self {
        let families = Family::ALL.into_iter();
        let addresses = families
            .filter(|family| spec.addressing.has(*family))
            .map(|family| id.address(family))
            .collect();
        Self {
            spec,
            addresses,
            tenant: None,
            tenancies: 0,
        }
    }

    /// Its address in the family of `peer`.
    pub(super) fn address_towards(&self, peer: &SocketAddr) -> Option<SocketAddr> {
        self.addresses
            .iter()
            .copied()
            .find(|own| Family::of(own) == Family::of(peer))
    }

    /// Whether two hosts can be members of one DHT.
    pub(super) fn shares_network(&self, other: &Self) -> bool {
        self.spec.config.network == other.spec.config.network
            && Family::ALL
                .into_iter()
                .any(|family| self.spec.addressing.has(family) && other.spec.addressing.has(family))
    }
}

impl Tenant {
    /// What its clock shows.
    pub(super) fn clock(&self, now: Timestamp) -> Timestamp {
        Timestamp::ZERO + now.since(self.born)
    }

    /// When its clock will show `at`.
    pub(super) fn moment(&self, at: Timestamp) -> Timestamp {
        if at == Timestamp::MAX {
            return at;
        }
        self.born + at.since(Timestamp::ZERO)
    }
}

impl Restlessness {
    /// Wake-ups for nothing that a node may have in [`Restlessness::SPAN`].
    const LIMIT: u32 = 100;
    const SPAN: Duration = Duration::from_secs(10);

    /// Counts a wake-up for nothing; says whether there are too many.
    pub(super) fn is_too_much(&mut self, now: Timestamp) -> bool {
        if now.since(self.since) > Self::SPAN {
            *self = Self {
                since: now,
                count: 0,
            };
        }
        self.count += 1;
        self.count > Self::LIMIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::is_martian;

    #[test]
    fn hosts_have_addresses_of_their_own_that_are_no_martians() {
        let spec = HostSpec {
            addressing: Addressing::Dual,
            ..HostSpec::default()
        };
        let hosts = [1, 300, 70_000].map(|number| Host::new(HostId(number), spec.clone()));
        for host in &hosts {
            assert_eq!(host.addresses.len(), 2);
            assert!(!host.addresses.iter().any(is_martian));
            assert!(host.shares_network(&hosts[0]));
        }
        assert_ne!(hosts[0].addresses, hosts[1].addresses);
    }
}
