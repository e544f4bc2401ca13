//! Addresses: [`Endpoint`] keeps many of them in little memory, [`canonical`] gives each one form,
//! [`is_martian`] tells those that no node can have.

use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// An address in 24 bytes, where many are kept: a [`SocketAddr`] takes 32. IPv4 is kept as IPv6
/// maps it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Endpoint {
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

impl From<Endpoint> for SocketAddr {
    fn from(Endpoint { ip, port, scope }: Endpoint) -> Self {
        let ip = Ipv6Addr::from(ip);
        match ip.to_ipv4_mapped() {
            Some(ip) => (ip, port).into(),
            None => SocketAddrV6::new(ip, port, 0, scope).into(),
        }
    }
}

impl Hash for Endpoint {
    /// Hashes all of it at once, which takes half the time.
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

/// Returns an address with IPv4-mapped IPv6 turned into plain IPv4 (`docs/spec/wire.md#1`).
pub fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, addr.port()),
        IpAddr::V6(_) => addr,
    }
}

/// Reports whether no honest node can have this address (`docs/spec/wire.md#1.1`).
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
    fn mapped_addresses_become_plain() {
        let mapped: SocketAddr = "[::ffff:1.2.3.4]:5".parse().unwrap();
        assert_eq!(canonical(mapped), "1.2.3.4:5".parse().unwrap());
        let plain: SocketAddr = "[2001:db8::1]:5".parse().unwrap();
        assert_eq!(canonical(plain), plain);
    }
}
