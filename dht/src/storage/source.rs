//! [`Source`]: to whom a value or a listener is charged.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One network that has room of its own: an IPv4 address or an IPv6 /64, which a single host commands whole.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Source {
    V4(u32),
    /// The upper half of the address.
    V6(u64),
}

impl From<IpAddr> for Source {
    fn from(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::V4(ip.to_bits()),
            IpAddr::V6(ip) => Self::V6((ip.to_bits() >> 64) as u64),
        }
    }
}

impl From<Source> for IpAddr {
    /// The lowest address of the network.
    fn from(source: Source) -> Self {
        match source {
            Source::V4(bits) => Ipv4Addr::from_bits(bits).into(),
            Source::V6(bits) => Ipv6Addr::from_bits(u128::from(bits) << 64).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(ip: &str) -> Source {
        ip.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn hosts_of_one_ipv6_network_are_one_source() {
        assert_eq!(source("2001:db8::1"), source("2001:db8::ffff:1"));
        assert_ne!(source("2001:db8::1"), source("2001:db8:0:1::1"));
        assert_eq!(
            IpAddr::from(source("2001:db8::1")),
            "2001:db8::".parse::<IpAddr>().unwrap()
        );
    }

    #[test]
    fn each_ipv4_address_is_a_source_also_when_mapped() {
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
        assert_eq!(source("192.0.2.1"), source("::ffff:192.0.2.1"));
        assert_eq!(
            IpAddr::from(source("192.0.2.1")),
            "192.0.2.1".parse::<IpAddr>().unwrap()
        );
    }
}
