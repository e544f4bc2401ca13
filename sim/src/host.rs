//! [`Host`]: a place in the network where a node runs for a while.

use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bulla_dht::{Config, Family, Timestamp};
use bulla_identity::Identity;

use super::adversary::Behaviour;
use super::instance::Instance;
use super::nat::Nat;

/// Names a host of a simulation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct HostId(u32);

/// What a host is like.
#[derive(Clone, Debug)]
pub struct HostSpec {
    /// Which addresses it has.
    pub addressing: Addressing,
    /// The router that it sits behind, if any.
    pub nat: Option<Nat>,
    /// Bits in a second that it can send, one datagram after the other; `None` for no limit. What
    /// it sends faster than that waits for its turn.
    pub uplink: Option<u64>,
    /// The settings of its node.
    pub config: Config,
    /// What signs and decrypts there, if anything does.
    pub identity: Option<Identity>,
    /// What is wrong with it; `None` for an honest one.
    pub behaviour: Option<Behaviour>,
}

/// The addresses of a host.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Addressing {
    /// IPv4 alone, all in one private network.
    #[default]
    V4,
    /// IPv4 alone, each in a public /24 of its own.
    PublicV4,
    /// IPv4 alone, at one address with all other hosts of this kind, each at a port of its own.
    SharedV4,
    /// IPv4 alone, as [`Addressing::SharedV4`], at the loopback address.
    LoopbackV4,
    /// IPv6 alone.
    V6,
    /// Both.
    Dual,
}

/// A host of a simulation.
pub(super) struct Host {
    pub(super) spec: Arc<HostSpec>,
    /// The node there, while the host is present.
    pub(super) instance: Option<Box<Instance>>,
    /// How many nodes have started here.
    pub(super) generation: u32,
    /// Until when the system sleeps: nothing runs there, and what comes is lost.
    pub(super) asleep_until: Timestamp,
    pub(super) load: Load,
    /// When its uplink has sent all that it was given.
    uplink_free_at: Timestamp,
}

/// Datagrams that a host sent and received, with the bytes of their headers.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Load {
    /// Datagrams sent.
    pub sent: u64,
    /// Bytes in them.
    pub sent_bytes: u64,
    /// Datagrams that reached the node.
    pub received: u64,
    /// Bytes in them.
    pub received_bytes: u64,
}

const FIRST_V4: u32 = (10 << 24) + 1;
/// The address of all hosts of [`Addressing::SharedV4`].
const SHARED_V4: Ipv4Addr = Ipv4Addr::new(11, 0, 0, 1);
/// The first address of [`Addressing::PublicV4`].
const FIRST_PUBLIC_V4: u32 = (20 << 24) + 1;
const FIRST_V6: u128 = (0xfd << 120) + 1;
const PORT: u16 = 4222;

impl Default for HostSpec {
    /// Honest, open, IPv4, default settings.
    fn default() -> Self {
        Self {
            addressing: Addressing::default(),
            nat: None,
            uplink: None,
            config: Config::default(),
            identity: None,
            behaviour: None,
        }
    }
}

impl HostSpec {
    /// Whether values can be looked for there.
    pub(super) fn serves(&self) -> bool {
        self.behaviour.is_none() && self.nat.is_none() && !self.config.client
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

    /// Returns the host that an address would belong to; the reverse of [`Addressing::address`].
    pub(super) fn at(address: SocketAddr) -> Option<Self> {
        let number = match address.ip() {
            IpAddr::V4(SHARED_V4 | Ipv4Addr::LOCALHOST) => {
                u32::from(address.port().checked_sub(PORT)?)
            }
            IpAddr::V4(ip) if ip.to_bits() >= FIRST_PUBLIC_V4 => {
                (ip.to_bits() - FIRST_PUBLIC_V4) >> 8
            }
            IpAddr::V4(ip) => ip.to_bits().checked_sub(FIRST_V4)?,
            IpAddr::V6(ip) => u32::try_from(ip.to_bits().checked_sub(FIRST_V6)? >> 64).ok()?,
        };
        Some(Self(number))
    }
}

impl Addressing {
    /// Whether it has an address of this family.
    pub fn has(self, family: Family) -> bool {
        match self {
            Self::V4 | Self::PublicV4 | Self::SharedV4 | Self::LoopbackV4 => family == Family::V4,
            Self::V6 => family == Family::V6,
            Self::Dual => true,
        }
    }

    /// Returns the address of a host: each has an IPv4 address and an IPv6 /64 of its own, unless
    /// it shares one.
    pub(super) fn address(self, host: HostId, family: Family) -> SocketAddr {
        let HostId(number) = host;
        let shared = |ip| SocketAddr::new(IpAddr::V4(ip), PORT.wrapping_add(number as u16));
        let ip = match (family, self) {
            (Family::V4, Self::SharedV4) => return shared(SHARED_V4),
            (Family::V4, Self::LoopbackV4) => return shared(Ipv4Addr::LOCALHOST),
            (Family::V4, Self::PublicV4) => {
                IpAddr::V4(Ipv4Addr::from_bits(FIRST_PUBLIC_V4 + (number << 8)))
            }
            (Family::V4, _) => IpAddr::V4(Ipv4Addr::from_bits(FIRST_V4 + number)),
            (Family::V6, _) => {
                IpAddr::V6(Ipv6Addr::from_bits(FIRST_V6 + (u128::from(number) << 64)))
            }
        };
        SocketAddr::new(ip, PORT)
    }
}

impl Host {
    pub(super) fn new(spec: Arc<HostSpec>) -> Self {
        Self {
            spec,
            instance: None,
            generation: 0,
            asleep_until: Timestamp::ZERO,
            load: Load::default(),
            uplink_free_at: Timestamp::ZERO,
        }
    }

    /// Puts a datagram of this payload on the uplink; returns when it has left.
    pub(super) fn upload(&mut self, now: Timestamp, payload: usize) -> Timestamp {
        let Some(bits_per_s) = self.spec.uplink else {
            return now;
        };
        let bits = (payload as u64 + Load::HEADERS) * 8;
        let takes = Duration::from_micros(bits * 1_000_000 / bits_per_s.max(1));
        self.uplink_free_at = self.uplink_free_at.max(now) + takes;
        self.uplink_free_at
    }

    /// Returns its addresses, if it is the host of this id.
    pub(super) fn addresses(&self, id: HostId) -> impl Iterator<Item = SocketAddr> + use<> {
        let addressing = self.spec.addressing;
        let families = Family::ALL.into_iter();
        let families = families.filter(move |family| addressing.has(*family));
        families.map(move |family| addressing.address(id, family))
    }

    /// Whether two hosts can be members of one DHT.
    pub(super) fn shares_network(&self, other: &Self) -> bool {
        self.spec.config.network == other.spec.config.network
            && Family::ALL
                .into_iter()
                .any(|family| self.spec.addressing.has(family) && other.spec.addressing.has(family))
    }
}

impl Load {
    /// Bytes of the headers of IPv4 and UDP.
    const HEADERS: u64 = 28;

    pub(super) fn send(&mut self, payload: usize) {
        self.sent += 1;
        self.sent_bytes += payload as u64 + Self::HEADERS;
    }

    pub(super) fn receive(&mut self, payload: usize) {
        self.received += 1;
        self.received_bytes += payload as u64 + Self::HEADERS;
    }

    /// Takes what has been counted since the last call.
    pub(super) fn take(&mut self) -> Self {
        mem::take(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bulla_dht::is_martian;

    #[test]
    fn hosts_have_addresses_of_their_own_that_are_no_martians() {
        let spec = HostSpec {
            addressing: Addressing::Dual,
            ..HostSpec::default()
        };
        let host = Host::new(spec.into());
        for id in [0, 1, 300, 70_000].map(HostId) {
            let addresses: Vec<_> = host.addresses(id).collect();
            assert_eq!(addresses.len(), 2);
            for address in addresses {
                assert!(!is_martian(&address));
                assert_eq!(HostId::at(address), Some(id));
            }
            if id.0 < 60_000 {
                let shared = Addressing::SharedV4.address(id, Family::V4);
                assert_eq!(HostId::at(shared), Some(id));
            }
        }
        assert_eq!(HostId::at(([10, 0, 0, 0], PORT).into()), None);
        assert_ne!(
            HostId::at(([198, 51, 100, 1], PORT).into()),
            Some(HostId(0))
        );
    }

    #[test]
    fn datagrams_leave_an_uplink_one_after_the_other() {
        let spec = HostSpec {
            uplink: Some(1_000_000),
            ..HostSpec::default()
        };
        let mut host = Host::new(spec.into());
        let start = Timestamp::ZERO;
        let at = |micros| start + Duration::from_micros(micros);
        assert_eq!(host.upload(start, 97), at(1_000));
        assert_eq!(host.upload(start, 97), at(2_000));
        assert_eq!(host.upload(at(5_000), 97), at(6_000));
    }
}
