//! The raw socket address of an operating system, as values and saved states hold it
//! (`docs/spec/secure.md#6.4`).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// Writes a `sockaddr` as little-endian Linux does: 16 bytes for IPv4, 28 for IPv6.
pub(crate) fn to_raw(addr: &SocketAddr) -> Vec<u8> {
    let port = addr.port().to_be_bytes();
    match addr {
        SocketAddr::V4(addr) => [&[2, 0], &port[..], &addr.ip().octets(), &[0; 8]].concat(),
        SocketAddr::V6(addr) => [
            &[10, 0],
            &port[..],
            &addr.flowinfo().to_be_bytes(),
            &addr.ip().octets(),
            &addr.scope_id().to_le_bytes(),
        ]
        .concat(),
    }
}

/// Reads a `sockaddr`. Its length decides the family, whose number differs between operating
/// systems.
pub(crate) fn from_raw(bytes: &[u8]) -> Option<SocketAddr> {
    let (_family, rest) = bytes.split_first_chunk::<2>()?;
    let (port, rest) = rest.split_first_chunk()?;
    let port = u16::from_be_bytes(*port);
    match bytes.len() {
        16 => {
            let ip = Ipv4Addr::from(*rest.first_chunk::<4>()?);
            Some(SocketAddr::new(ip.into(), port))
        }
        28 => {
            let (flow, rest) = rest.split_first_chunk()?;
            let (ip, rest) = rest.split_first_chunk::<16>()?;
            let scope = u32::from_le_bytes(*rest.first_chunk()?);
            let flow = u32::from_be_bytes(*flow);
            Some(SocketAddrV6::new(Ipv6Addr::from(*ip), port, flow, scope).into())
        }
        _ => None,
    }
}
