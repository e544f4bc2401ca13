//! [`Nat`]: routers that stand between a host and the network, and let in only what they expect.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::HostId;
use bulla_dht::Timestamp;

/// How long a router remembers that a datagram went out (RFC 4787, section 4.3, asks for 2 minutes
/// at least).
const MAPPING_LIFE: Duration = Duration::from_secs(120);
/// The first port that a symmetric router gives away.
const FIRST_PORT: u16 = 10_000;

/// What kind of router a host sits behind, by the names of RFC 3489, section 5. All remember for
/// two minutes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Nat {
    /// As long as the host sends to any address, every address reaches it.
    FullCone,
    /// Lets in what comes from the IP addresses that the host has sent to.
    Restricted,
    /// Lets in what comes from the addresses and ports that the host has sent to.
    PortRestricted,
    /// As [`Nat::PortRestricted`], and shows the host under another port to each address.
    Symmetric,
}

/// What all routers remember.
#[derive(Default, Debug)]
pub(super) struct Routers {
    mappings: BTreeMap<(HostId, SocketAddr), Mapping>,
}

/// An address that a host has sent to.
#[derive(Clone, Copy, Debug)]
struct Mapping {
    /// When it last did.
    at: Timestamp,
    /// The port under which that address sees the host.
    port: u16,
}

impl Nat {
    /// All kinds.
    pub const ALL: [Self; 4] = [
        Self::FullCone,
        Self::Restricted,
        Self::PortRestricted,
        Self::Symmetric,
    ];
}

impl Routers {
    /// Lets out a datagram of a host, and returns the port that it seems to come from.
    pub(super) fn let_out(
        &mut self,
        now: Timestamp,
        nat: Nat,
        (host, port): (HostId, u16),
        to: SocketAddr,
    ) -> u16 {
        let known = self.mappings.get(&(host, to));
        let port = match (nat, known) {
            (Nat::Symmetric, Some(known)) => known.port,
            (Nat::Symmetric, None) => self.next_port(host),
            (Nat::FullCone | Nat::Restricted | Nat::PortRestricted, _) => port,
        };
        self.mappings.insert((host, to), Mapping { at: now, port });
        port
    }

    /// Whether the router of a host lets in what comes from `from` to one of its ports.
    pub(super) fn lets_in(
        &self,
        now: Timestamp,
        nat: Nat,
        (host, port): (HostId, u16),
        from: SocketAddr,
    ) -> bool {
        let lives = |mapping: &Mapping| now.since(mapping.at) <= MAPPING_LIFE;
        match nat {
            Nat::FullCone => self.of(host).any(|(_, mapping)| lives(mapping)),
            Nat::Restricted => self
                .of(host)
                .any(|(to, mapping)| to.ip() == from.ip() && lives(mapping)),
            Nat::PortRestricted | Nat::Symmetric => self
                .mappings
                .get(&(host, from))
                .is_some_and(|mapping| lives(mapping) && mapping.port == port),
        }
    }

    /// Forgets what a host has sent: a new node starts there.
    pub(super) fn forget(&mut self, host: HostId) {
        let gone: Vec<_> = self.of(host).map(|(to, _)| *to).collect();
        for to in gone {
            self.mappings.remove(&(host, to));
        }
    }

    /// Returns a port that no address sees the host under.
    fn next_port(&self, host: HostId) -> u16 {
        let last = self.of(host).map(|(_, mapping)| mapping.port).max();
        last.map_or(FIRST_PORT, |last| last.wrapping_add(1).max(FIRST_PORT))
    }

    fn of(&self, host: HostId) -> impl Iterator<Item = (&SocketAddr, &Mapping)> {
        let first = SocketAddr::from(([0, 0, 0, 0], 0));
        let mappings = self.mappings.range((host, first)..);
        mappings
            .take_while(move |((its, _), _)| *its == host)
            .map(|((_, to), mapping)| (to, mapping))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: (HostId, u16) = (HostId::new(3), 4222);

    fn peer(last: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, last], port))
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn each_kind_lets_in_what_it_should() {
        let (asked, neighbour, stranger) = (peer(1, 1), peer(1, 2), peer(2, 1));
        for (nat, lets_in) in [
            (Nat::FullCone, [true, true, true]),
            (Nat::Restricted, [true, true, false]),
            (Nat::PortRestricted, [true, false, false]),
            (Nat::Symmetric, [true, false, false]),
        ] {
            let mut routers = Routers::default();
            assert!(!routers.lets_in(at(0), nat, HOST, asked), "{nat:?}");
            let seen = (HOST.0, routers.let_out(at(0), nat, HOST, asked));
            assert_eq!(seen == HOST, nat != Nat::Symmetric);
            for (from, expected) in [asked, neighbour, stranger].into_iter().zip(lets_in) {
                assert_eq!(routers.lets_in(at(120), nat, seen, from), expected);
                assert!(!routers.lets_in(at(121), nat, seen, from), "{nat:?}");
            }
        }
    }

    #[test]
    fn a_symmetric_router_shows_each_peer_another_port_and_the_same_one_again() {
        let mut routers = Routers::default();
        let mut seen = |to| routers.let_out(at(0), Nat::Symmetric, HOST, to);
        let (one, other) = (seen(peer(1, 1)), seen(peer(2, 1)));
        assert_ne!(one, other);
        assert_eq!(seen(peer(1, 1)), one);
        assert!(!routers.lets_in(at(1), Nat::Symmetric, (HOST.0, other), peer(1, 1)));
        routers.forget(HOST.0);
        assert!(!routers.lets_in(at(1), Nat::Symmetric, (HOST.0, one), peer(1, 1)));
    }
}
