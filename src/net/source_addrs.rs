//! [`SourceAddrs`]: from which of the host's addresses to send to a peer.
//!
//! A socket bound to all addresses sends from the one that the system prefers. A peer that asked
//! another one takes no reply from there, so that one is remembered, on hosts that have several.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bulla_kad::LruMap;
use tokio::time::Instant;

/// Peers whose way to us is remembered. About 150 bytes each.
const MAX_PEERS: usize = 4_096;
/// How long after its last datagram a peer is answered from where it came in: it may have come by a
/// network that the host has left since.
const LIFETIME: Duration = Duration::from_secs(600);
/// How long the list of the host's addresses is believed, if a datagram comes in by another.
const RECHECK: Duration = Duration::from_secs(1);

/// The addresses at which peers reach this host.
#[derive(Debug)]
pub(super) struct SourceAddrs {
    /// What lists the host's own addresses.
    list_own: fn() -> Vec<IpAddr>,
    own: Vec<IpAddr>,
    listed_at: Option<Instant>,
    by_peer: LruMap<SocketAddr, Source>,
}

/// Where a peer's last datagram came in.
#[derive(Clone, Copy, Debug)]
struct Source {
    addr: IpAddr,
    at: Instant,
}

impl SourceAddrs {
    /// Begins without any peer.
    pub(super) fn new(list_own: fn() -> Vec<IpAddr>) -> Self {
        Self {
            list_own,
            own: Vec::new(),
            listed_at: None,
            by_peer: LruMap::new(MAX_PEERS),
        }
    }

    /// Notes that a datagram of this peer came in by this address of the host.
    pub(super) fn on_received(&mut self, now: Instant, from: SocketAddr, to: IpAddr) {
        if self.is_only_choice(now, to) {
            return;
        }
        self.by_peer.insert(from, Source { addr: to, at: now });
    }

    /// Returns the address to send from; `None` leaves the choice to the system.
    pub(super) fn of(&mut self, now: Instant, to: &SocketAddr) -> Option<IpAddr> {
        let source = self.by_peer.get(to)?;
        (now.duration_since(source.at) < LIFETIME).then_some(source.addr)
    }

    /// Leaves all choices to the system again: the network is another.
    pub(super) fn clear(&mut self) {
        self.listed_at = None;
        self.by_peer = LruMap::new(MAX_PEERS);
    }

    /// Reports whether the system would send from this address anyway: the host has no other of its
    /// kind.
    fn is_only_choice(&mut self, now: Instant, addr: IpAddr) -> bool {
        let is_stale = |at: Instant| now.duration_since(at) >= RECHECK;
        if !self.own.contains(&addr) && self.listed_at.is_none_or(is_stale) {
            self.own = (self.list_own)();
            self.listed_at = Some(now);
        }
        if addr.is_loopback() {
            // The whole of 127.0.0.0/8 is this host's, and the first is the system's choice.
            return self.own.contains(&addr);
        }
        let is_alike = |own: &&IpAddr| own.is_ipv4() == addr.is_ipv4() && !own.is_loopback();
        self.own.contains(&addr) && self.own.iter().filter(is_alike).count() == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "203.0.113.1:4222";

    fn peer() -> SocketAddr {
        PEER.parse().unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn one() -> Vec<IpAddr> {
        vec![ip("127.0.0.1"), ip("192.0.2.1"), ip("2001:db8::1")]
    }

    fn two() -> Vec<IpAddr> {
        vec![ip("192.0.2.1"), ip("192.0.2.2")]
    }

    #[test]
    fn a_host_with_one_address_of_a_family_leaves_the_choice_to_the_system() {
        let now = Instant::now();
        let mut sources = SourceAddrs::new(one);
        for own in one() {
            sources.on_received(now, peer(), own);
            assert_eq!(sources.of(now, &peer()), None, "{own}");
        }
    }

    #[test]
    fn a_host_with_several_answers_from_the_address_asked_last() {
        let now = Instant::now();
        let mut sources = SourceAddrs::new(two);
        assert_eq!(sources.of(now, &peer()), None);
        for own in two() {
            sources.on_received(now, peer(), own);
            assert_eq!(sources.of(now, &peer()), Some(own));
        }
        assert_eq!(sources.of(now + LIFETIME, &peer()), None, "long ago");
        sources.clear();
        assert_eq!(sources.of(now, &peer()), None);
    }

    #[test]
    fn another_loopback_address_is_answered_from_itself() {
        let now = Instant::now();
        let mut sources = SourceAddrs::new(one);
        sources.on_received(now, peer(), ip("127.0.0.2"));
        assert_eq!(sources.of(now, &peer()), Some(ip("127.0.0.2")));
    }
}
