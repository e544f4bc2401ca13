//! [`Contact`]: who can be reached where, in which [`Family`], from which [`Source`], and which addresses are no addresses.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

use crate::InfoHash;

/// A node as others name it: id and UDP address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Contact {
    /// The node's id within its address family.
    pub id: InfoHash,
    /// Where its datagrams come from and go to.
    pub addr: SocketAddr,
}

/// An address family. Tables and lookups exist once for each.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// What is held responsible for what an address sends: one IPv4 address, or one IPv6 /64, which is
/// the least that a subscriber is given.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Source(IpAddr);

/// An address in 24 bytes, for what is kept of many: a [`SocketAddr`] takes 32. IPv4 stands there as IPv6 maps it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Endpoint {
    ip: [u8; 16],
    port: u16,
    /// Tells links of one host apart.
    scope: u32,
}

impl From<SocketAddr> for Endpoint {
    fn from(addr: SocketAddr) -> Self {
        let (ip, scope) = match addr {
            SocketAddr::V4(addr) => (addr.ip().to_ipv6_mapped(), 0),
            SocketAddr::V6(addr) => (*addr.ip(), addr.scope_id()),
        };
        let (ip, port) = (ip.octets(), addr.port());
        Self { ip, port, scope }
    }
}

impl Hash for Endpoint {
    /// All of it at once, which takes half the time.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut bytes = [0; 22];
        let (ip, rest) = bytes.split_at_mut(16);
        let (port, scope) = rest.split_at_mut(2);
        ip.copy_from_slice(&self.ip);
        port.copy_from_slice(&self.port.to_be_bytes());
        scope.copy_from_slice(&self.scope.to_be_bytes());
        state.write(&bytes);
    }
}

impl From<Endpoint> for SocketAddr {
    fn from(Endpoint { ip, port, scope }: Endpoint) -> Self {
        let ip = Ipv6Addr::from(ip);
        match ip.to_ipv4_mapped() {
            Some(ip) => (ip, port).into(),
            None => SocketAddrV6::new(ip, port, 0, scope).into(),
        }
    }
}

impl Contact {
    /// A contact of this id and address.
    pub const fn new(id: InfoHash, addr: SocketAddr) -> Self {
        Self { id, addr }
    }

    /// The family of its address.
    pub fn family(&self) -> Family {
        Family::of(&self.addr)
    }
}

impl fmt::Display for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.addr)
    }
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Family {
    /// Both families, IPv4 first.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// The family of an address.
    pub fn of(addr: &SocketAddr) -> Self {
        if addr.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

impl Source {
    /// Returns the source that an address belongs to; IPv4-mapped IPv6 counts as IPv4.
    pub fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            ip @ IpAddr::V4(_) => Self(ip),
            IpAddr::V6(ip) => Self(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into()),
        }
    }
}

impl From<Source> for IpAddr {
    /// Returns the lowest address of the source.
    fn from(source: Source) -> Self {
        source.0
    }
}

/// An address with IPv4-mapped IPv6 turned into plain IPv4 (`docs/spec/wire.md#1`).
pub fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, addr.port()),
        IpAddr::V6(_) => addr,
    }
}

/// Whether no honest node can have this address (`docs/spec/wire.md#1.1`).
///
/// Loopback, private and link-local addresses are not martian.
pub fn is_martian(addr: &SocketAddr) -> bool {
    addr.port() == 0
        || match addr.ip() {
            IpAddr::V4(ip) => ip.octets()[0] == 0 || ip.octets()[0] >= 224,
            IpAddr::V6(ip) => {
                ip.is_multicast() || ip.is_unspecified() || ip.to_ipv4_mapped().is_some()
            }
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_small_and_keep_the_address() {
        assert!(size_of::<Endpoint>() <= 24);
        for addr in ["192.0.2.1:4222", "[2001:db8::1]:80", "[fe80::1%3]:80"] {
            let addr: SocketAddr = addr.parse().unwrap();
            assert_eq!(SocketAddr::from(Endpoint::from(addr)), addr);
        }
    }

    #[test]
    fn martians_are_told_from_addresses() {
        for addr in [
            "1.2.3.4:0",
            "0.1.2.3:80",
            "224.0.0.1:80",
            "255.255.255.255:80",
            "[::]:80",
            "[ff02::1]:80",
            "[::ffff:1.2.3.4]:80",
        ] {
            assert!(is_martian(&addr.parse().unwrap()), "{addr}");
        }
        for addr in [
            "127.0.0.1:1",
            "10.0.0.1:1",
            "100.64.0.1:1",
            "223.255.255.255:1",
            "[::1]:1",
            "[fe80::1]:1",
        ] {
            assert!(!is_martian(&addr.parse().unwrap()), "{addr}");
        }
    }

    #[test]
    fn a_source_is_an_ipv4_address_or_half_an_ipv6_address() {
        let source = |ip: &str| Source::of(ip.parse().unwrap());
        assert_eq!(source("2001:db8::1"), source("2001:db8::ffff:0:0:2"));
        assert_ne!(source("2001:db8::1"), source("2001:db8:0:1::1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
        assert_eq!(source("192.0.2.1"), source("::ffff:192.0.2.1"));
        let lowest = |ip: &str| IpAddr::from(source(ip)).to_string();
        assert_eq!(lowest("2001:db8::1"), "2001:db8::");
        assert_eq!(lowest("192.0.2.1"), "192.0.2.1");
    }

    #[test]
    fn mapped_addresses_become_plain() {
        let mapped: SocketAddr = "[::ffff:1.2.3.4]:5".parse().unwrap();
        assert_eq!(canonical(mapped), "1.2.3.4:5".parse().unwrap());
    }
}
