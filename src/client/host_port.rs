//! [`HostPort`]: a peer as people name it.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use thiserror::Error;

/// The port of a peer that is named without one (OpenDHT's default).
pub const DEFAULT_PORT: u16 = 4222;

/// The longest host name that DNS knows, in bytes.
const MAX_HOST: usize = 253;
/// The longest zone, which is the name or number of a network interface, in bytes.
const MAX_ZONE: usize = 64;

/// A host and a UDP port: `host`, `host:port`, `192.0.2.1:4222`, `[2001:db8::1]:4222`,
/// `2001:db8::1`; a link-local address with its zone, `[fe80::1%eth0]:4222`.
///
/// A port that is missing or 0 is [`DEFAULT_PORT`].
///
/// ```
/// use bulla::HostPort;
///
/// let peer: HostPort = "dht.example.org".parse()?;
/// assert_eq!(peer.to_string(), "dht.example.org:4222");
/// assert_eq!("::1".parse::<HostPort>()?.to_string(), "[::1]:4222");
/// # Ok::<(), bulla::ParseHostPortError>(())
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
        let host = match addr {
            SocketAddr::V6(v6) if v6.scope_id() != 0 => format!("{}%{}", v6.ip(), v6.scope_id()),
            _ => addr.ip().to_string(),
        };
        Self::new(host, addr.port())
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
    /// Returns the name or address of the host, an IPv6 address without brackets.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port, never 0.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    fn new(host: String, port: u16) -> Self {
        let port = if port == 0 { DEFAULT_PORT } else { port };
        Self { host, port }
    }
}

fn parse(text: &str) -> Option<HostPort> {
    let text = text.trim();
    if let Ok(ip) = text.parse::<Ipv4Addr>() {
        return Some(HostPort::new(ip.to_string(), 0));
    }
    if let Some(ip) = parse_ipv6(text) {
        return Some(HostPort::new(ip, 0));
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (ip, rest) = rest.split_once(']')?;
        let ip = parse_ipv6(ip)?;
        let port = match rest {
            "" => 0,
            _ => rest.strip_prefix(':')?.parse().ok()?,
        };
        return Some(HostPort::new(ip, port));
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

/// Reads an IPv6 address, which may have a zone.
fn parse_ipv6(text: &str) -> Option<String> {
    let Some((ip, zone)) = text.split_once('%') else {
        return Some(text.parse::<Ipv6Addr>().ok()?.to_string());
    };
    let ip: Ipv6Addr = ip.parse().ok()?;
    let is_zone = (1..=MAX_ZONE).contains(&zone.len())
        && zone
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    is_zone.then(|| format!("{ip}%{zone}"))
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
            ("fe80::1%eth0", "[fe80::1%eth0]:4222"),
            ("[fe80::1%2]:9", "[fe80::1%2]:9"),
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
}
