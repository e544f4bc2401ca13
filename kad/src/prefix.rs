//! [`Prefix`]: addresses that are likely to belong to one party; [`Scope`]: from where an address
//! can be reached.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A block of addresses that share their first bits, and so are likely to belong to one party.
///
/// IPv4-mapped IPv6 counts as IPv4.
///
/// ```
/// use bulla_kad::Prefix;
///
/// let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|ip| ip.parse().unwrap());
/// assert_ne!(Prefix::address(one), Prefix::address(other));
/// assert_eq!(Prefix::network(one), Prefix::network(other));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Prefix {
    first: IpAddr,
    bits: u8,
}

/// From where an address can be reached, the nearest first.
///
/// A node of one scope can tell others of its own scope and of wider ones: what it says of a
/// nearer one is about hosts that it does not see.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Scope {
    /// From the same host: 127.0.0.0/8, `::1`.
    Loopback,
    /// From the same link: 169.254.0.0/16, `fe80::/10`.
    LinkLocal,
    /// From the same site: RFC 1918, and `fc00::/7`.
    Private,
    /// From customers of the same provider, which share its public addresses: 100.64.0.0/10.
    Shared,
    /// From everywhere.
    Public,
}

impl Prefix {
    /// Returns what a host has: one IPv4 address, or an IPv6 /64.
    pub fn address(ip: IpAddr) -> Self {
        Self::of(ip, 32, 64)
    }

    /// Returns what a subscriber may have: an IPv4 /24, or an IPv6 /56.
    pub fn network(ip: IpAddr) -> Self {
        Self::of(ip, 24, 56)
    }

    /// Returns what an organization may have: an IPv4 /24, or an IPv6 /48.
    pub fn site(ip: IpAddr) -> Self {
        Self::of(ip, 24, 48)
    }

    /// Returns the lowest address of the block.
    pub fn first(self) -> IpAddr {
        self.first
    }

    /// Reports whether an address belongs to the block.
    pub fn contains(self, ip: IpAddr) -> bool {
        ip.to_canonical().is_ipv4() == self.first.is_ipv4()
            && Self::of(ip, self.bits, self.bits) == self
    }

    fn of(ip: IpAddr, v4_bits: u8, v6_bits: u8) -> Self {
        let (first, bits) = match ip.to_canonical() {
            IpAddr::V4(ip) => {
                let kept = ip.to_bits() & !(u32::MAX.checked_shr(v4_bits.into()).unwrap_or(0));
                (Ipv4Addr::from_bits(kept).into(), v4_bits)
            }
            IpAddr::V6(ip) => {
                let kept = ip.to_bits() & !(u128::MAX.checked_shr(v6_bits.into()).unwrap_or(0));
                (Ipv6Addr::from_bits(kept).into(), v6_bits)
            }
        };
        Self { first, bits }
    }
}

impl Scope {
    /// Returns the scope of an address.
    pub fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            ip if ip.is_loopback() => Self::Loopback,
            IpAddr::V4(ip) if ip.is_link_local() => Self::LinkLocal,
            IpAddr::V4(ip) if ip.is_private() => Self::Private,
            IpAddr::V4(ip) if ip.octets()[0] == 100 && ip.octets()[1] >> 6 == 1 => Self::Shared,
            IpAddr::V6(ip) if ip.is_unicast_link_local() => Self::LinkLocal,
            IpAddr::V6(ip) if ip.is_unique_local() => Self::Private,
            IpAddr::V4(_) | IpAddr::V6(_) => Self::Public,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_named_by_its_lowest_address() {
        let first = |block: fn(IpAddr) -> Prefix, ip: &str| {
            let block = block(ip.parse().unwrap());
            (block.first().to_string(), block.bits)
        };
        for (block, v4, v6) in [
            (
                Prefix::address as fn(IpAddr) -> Prefix,
                ("192.0.2.129", 32),
                ("2001:db8:1234:5678::", 64),
            ),
            (
                Prefix::network,
                ("192.0.2.0", 24),
                ("2001:db8:1234:5600::", 56),
            ),
            (Prefix::site, ("192.0.2.0", 24), ("2001:db8:1234::", 48)),
        ] {
            let owned = |(first, bits): (&str, u8)| (first.to_owned(), bits);
            assert_eq!(first(block, "192.0.2.129"), owned(v4));
            assert_eq!(first(block, "::ffff:192.0.2.129"), owned(v4));
            assert_eq!(first(block, "2001:db8:1234:5678:9abc::1"), owned(v6));
            for ip in ["192.0.2.129", "2001:db8:1234:5678:9abc::1"] {
                let ip = ip.parse().unwrap();
                assert!(block(ip).contains(ip));
                for other in ["192.0.3.129", "2001:db8:1235:5678:9abc::1", "::"] {
                    assert!(!block(ip).contains(other.parse().unwrap()));
                }
            }
        }
    }

    #[test]
    fn each_address_has_a_scope() {
        for (scope, addresses) in [
            (
                Scope::Loopback,
                ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"],
            ),
            (
                Scope::LinkLocal,
                ["169.254.0.1", "169.254.255.255", "fe80::1", "febf::1"],
            ),
            (
                Scope::Private,
                ["10.0.0.1", "172.31.0.1", "192.168.0.1", "fd00::1"],
            ),
            (
                Scope::Shared,
                [
                    "100.64.0.0",
                    "100.100.0.1",
                    "100.127.255.255",
                    "::ffff:100.64.0.1",
                ],
            ),
            (
                Scope::Public,
                ["100.63.0.1", "100.128.0.1", "172.32.0.1", "2001:db8::1"],
            ),
        ] {
            for address in addresses {
                assert_eq!(Scope::of(address.parse().unwrap()), scope, "{address}");
            }
        }
    }
}
