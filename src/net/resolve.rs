//! [`resolve`]: the addresses that a host's name stands for.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use tokio::net::lookup_host;

use crate::client::{HostPort, ResolveError};

/// Asks the system for the addresses of a host: at least one. Those that it knows no route to are
/// left out, unless that is true of all: the network may come later.
///
/// # Errors
///
/// [`ResolveError`] if the host has no address.
pub(crate) async fn resolve(peer: &HostPort) -> Result<Vec<SocketAddr>, ResolveError> {
    let failed = |source| ResolveError {
        name: peer.clone(),
        source,
    };
    let found = lookup_host((peer.host(), peer.port())).await;
    let addresses: Vec<_> = found.map_err(failed)?.collect();
    if addresses.is_empty() {
        return Err(failed(io::ErrorKind::NotFound.into()));
    }
    let routed = addresses.iter().filter(|addr| has_route(addr));
    let routed: Vec<_> = routed.copied().collect();
    Ok(if routed.is_empty() { addresses } else { routed })
}

/// Reports whether the system knows a route there. Nothing is sent.
fn has_route(addr: &SocketAddr) -> bool {
    let any: IpAddr = match addr {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    UdpSocket::bind((any, 0)).is_ok_and(|socket| socket.connect(addr).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_need_no_name_server() {
        let peer: HostPort = "[::1]:9".parse().unwrap();
        assert_eq!(resolve(&peer).await.unwrap(), ["[::1]:9".parse().unwrap()]);
    }

    #[tokio::test]
    async fn an_unknown_host_is_named_in_the_error() {
        let peer: HostPort = "no-such-host.invalid".parse().unwrap();
        let error = resolve(&peer).await.unwrap_err();
        assert!(error.to_string().contains("no-such-host.invalid:4222"));
    }
}
