//! [`Source`]: what limits count as one sender.

use std::net::IpAddr;

use crate::Prefix;

/// What is held responsible for the datagrams of an address: one IPv4 address, or one IPv6 /64, the
/// least that a subscriber is given.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Source(IpAddr);

impl Source {
    /// Returns the source that an address belongs to; IPv4-mapped IPv6 counts as IPv4.
    pub fn of(ip: IpAddr) -> Self {
        Self(Prefix::address(ip).first())
    }
}

impl From<Source> for IpAddr {
    /// Returns the lowest address of the source.
    fn from(source: Source) -> Self {
        source.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
