//! [`HostPort`]: names of bootstrap peers, and the addresses they stand for.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::str::FromStr;

use thiserror::Error;
use tokio::net::lookup_host;

/// The port of a peer whose name tells none (OpenDHT's default).
pub const DEFAULT_PORT: u16 = 4222;

/// The longest host name that DNS knows, in bytes.
const MAX_HOST: usize = 253;

/// A host and a UDP port: `host`, `host:port`, `192.0.2.1:4222`, `[2001:db8::1]:4222`, `2001:db8::1`.
///
/// A port that is missing or 0 is [`DEFAULT_PORT`].
///
/// ```
/// use bulla::runner::HostPort;
///
/// let peer: HostPort = "dht.example.org".parse()?;
/// assert_eq!(peer.to_string(), "dht.example.org:4222");
/// assert_eq!("::1".parse::<HostPort>()?.to_string(), "[::1]:4222");
/// # Ok::<(), bulla::runner::ParseHostPortError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct HostPort {
    host: String,
    port: u16,
}

/// The text is no host with or without a port.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("\"{text}\" is no peer: expected host, host:port, or an IPv6 address in brackets")]
pub struct ParseHostPortError {
    text: String,
}

/// A name that stands for no address.
#[derive(Debug, Error)]
#[error("cannot find the address of {name}")]
pub struct ResolveError {
    /// The name.
    pub name: HostPort,
    /// What the system says.
    pub source: io::Error,
}

impl HostPort {
    /// Asks the system for the addresses of the host: at least one. Those that it knows no way to are left out, unless
    /// that is true of all: the network may come later.
    pub(crate) async fn resolve(&self) -> Result<Vec<SocketAddr>, ResolveError> {
        let failed = |source| ResolveError {
            name: self.clone(),
            source,
        };
        let found = lookup_host((self.host.as_str(), self.port)).await;
        let addresses: Vec<_> = found.map_err(failed)?.collect();
        if addresses.is_empty() {
            return Err(failed(io::ErrorKind::NotFound.into()));
        }
        let routed = addresses.iter().filter(|addr| has_route(addr));
        let routed: Vec<_> = routed.copied().collect();
        Ok(if routed.is_empty() { addresses } else { routed })
    }
}

impl FromStr for HostPort {
    type Err = ParseHostPortError;

    fn from_str(text: &str) -> Result<Self, ParseHostPortError> {
        parse(text).ok_or_else(|| ParseHostPortError {
            text: text.chars().take(MAX_HOST).collect(),
        })
    }
}

impl From<SocketAddr> for HostPort {
    fn from(addr: SocketAddr) -> Self {
        Self::new(addr.ip().to_string(), addr.port())
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl HostPort {
    fn new(host: String, port: u16) -> Self {
        let port = if port == 0 { DEFAULT_PORT } else { port };
        Self { host, port }
    }
}

fn parse(text: &str) -> Option<HostPort> {
    let text = text.trim();
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(HostPort::new(ip.to_string(), 0));
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (ip, rest) = rest.split_once(']')?;
        let ip: Ipv6Addr = ip.parse().ok()?;
        let port = match rest {
            "" => 0,
            _ => rest.strip_prefix(':')?.parse().ok()?,
        };
        return Some(HostPort::new(ip.to_string(), port));
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (text, 0),
    };
    let is_name = !host.is_empty()
        && host.len() <= MAX_HOST
        && host.bytes().all(|byte| byte.is_ascii_graphic())
        && !host.contains(['/', '[', ']', '@', '?', '#']);
    is_name.then(|| HostPort::new(host.to_owned(), port))
}

/// Whether the system knows a way there. Nothing is sent.
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

    #[test]
    fn hosts_come_with_and_without_ports() {
        for (text, expected) in [
            ("dht.example.org", "dht.example.org:4222"),
            ("dht.example.org:5000", "dht.example.org:5000"),
            ("dht.example.org:0", "dht.example.org:4222"),
            (" 192.0.2.1 ", "192.0.2.1:4222"),
            ("192.0.2.1:9", "192.0.2.1:9"),
            ("2001:db8::1", "[2001:db8::1]:4222"),
            ("[2001:db8::1]", "[2001:db8::1]:4222"),
            ("[2001:db8::1]:9", "[2001:db8::1]:9"),
        ] {
            assert_eq!(text.parse::<HostPort>().unwrap().to_string(), expected);
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        let long = "a".repeat(MAX_HOST + 1);
        for text in [
            "",
            ":4222",
            "host:",
            "host:port",
            "host:65536",
            "a b",
            "[::1",
            "[::1]4222",
            "[host]:1",
            "a:b:1",
            "http://host",
            &long,
        ] {
            assert!(text.parse::<HostPort>().is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn addresses_need_no_name_server() {
        let peer: HostPort = "[::1]:9".parse().unwrap();
        assert_eq!(peer.resolve().await.unwrap(), ["[::1]:9".parse().unwrap()]);
    }

    #[tokio::test]
    async fn an_unknown_host_is_named_in_the_error() {
        let peer: HostPort = "no-such-host.invalid".parse().unwrap();
        let error = peer.resolve().await.unwrap_err();
        assert!(error.to_string().contains("no-such-host.invalid:4222"));
    }
}
