//! [`Latency`]: how soon replies may be expected, and where there is room for a request.

use std::net::SocketAddr;
use std::time::Duration;

use super::Candidate;

/// Bits of the key that one hop usually resolves: a reply has the nearest contacts of a bucket.
const BITS_PER_HOP: u32 = 4;

/// How soon replies may be expected, and where there is room for a request.
pub struct Latency<'a> {
    /// The round trip of a node that nothing is known of.
    pub typical: Duration,
    /// The round trip of the node at an address, if it was measured.
    pub of: &'a dyn Fn(&SocketAddr) -> Option<Duration>,
    /// After how long most replies of the node at an address have come.
    pub slow_after: &'a dyn Fn(&SocketAddr) -> Duration,
    /// Whether a request may be sent to an address now.
    pub has_room: &'a dyn Fn(&SocketAddr) -> bool,
}

impl Latency<'static> {
    /// Nothing is known of any node, and none is ever slow.
    pub const UNKNOWN: Self = Self {
        typical: Duration::ZERO,
        of: &|_| None,
        slow_after: &|_| Duration::MAX,
        has_room: &|_| true,
    };
}

impl Latency<'_> {
    /// Returns how long the node at an address is likely to take to reply.
    pub(super) fn round_trip(&self, addr: &SocketAddr) -> Duration {
        (self.of)(addr).unwrap_or(self.typical)
    }

    /// Estimates the time to the key's neighbourhood through a candidate: its round trip, and the
    /// hops for the bits that it shares less with the key than the `nearest` candidate.
    pub(super) fn time_through<const N: usize>(
        &self,
        candidate: &Candidate<N>,
        nearest: u32,
    ) -> Duration {
        let behind = nearest.saturating_sub(candidate.shared_bits());
        candidate.round_trip() + self.typical * behind / BITS_PER_HOP
    }
}
