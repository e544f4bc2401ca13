//! [`Peers`]: what is remembered of each address: its speed, its proof, its faults.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use super::TransportConfig;
use crate::Endpoint;
use crate::Timestamp;

/// What share of the first guess at a round trip a network's first answer may be off by: the nearest nodes answer first.
const FIRST_DOUBT: u32 = 8;

/// How many of the shortest pauses make up the shortest time-out.
const SLOW_SHARE: u32 = 5;

/// The least time between two pings that datagrams from an address bring about, as long as it answers none.
const PROBE_INTERVAL: Duration = Duration::from_secs(30);

/// Bounded memory of addresses. When the young generation is full it becomes the old one, and the old one is forgotten.
#[derive(Debug)]
pub struct Peers {
    young: HashMap<Endpoint, PeerState>,
    old: HashMap<Endpoint, PeerState>,
    /// None is blocked as a rule, and then nobody need be looked up.
    is_any_blocked: bool,
    /// Addresses in each of the two generations.
    generation: usize,
    network: RoundTrip,
    response_time: Duration,
    response_time_min: Duration,
    validation_time: Duration,
}

#[derive(Clone, Copy, Default, Debug)]
struct PeerState {
    round_trip: RoundTrip,
    /// In seconds, as the next.
    validated_until: u32,
    /// No ping before that without an answer to the last.
    silent_until: u32,
    auth_errors: u16,
    blocked: bool,
    unresponsive: bool,
}

/// Smoothed round trip and its deviation in microseconds, as RFC 6298 has them; small, for there is one for each address.
#[derive(Clone, Copy, Default, Debug)]
struct RoundTrip(Option<(NonZeroU32, u32)>);

impl Peers {
    /// Remembers no peer yet.
    pub fn new(config: &TransportConfig) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            is_any_blocked: false,
            generation: config.max_peers / 2,
            network: RoundTrip::default(),
            response_time: config.response_time,
            response_time_min: config.response_time_min,
            validation_time: config.validation_time,
        }
    }

    /// How long to wait for an answer before it counts as overdue.
    pub fn timeout(&self, addr: &SocketAddr) -> Duration {
        self.wait(addr)
            .clamp(self.response_time_min, self.response_time)
    }

    /// When most answers have come: whoever has others to ask need not stand idle any longer. In networks of short round
    /// trips that is long before an answer is overdue.
    pub fn slow_after(&self, addr: &SocketAddr) -> Duration {
        self.wait(addr)
            .clamp(self.response_time_min / SLOW_SHARE, self.response_time)
    }

    /// A wait that few answers exceed: by the peer's own round trips, else by the network's, else by the configured first
    /// guess.
    fn wait(&self, addr: &SocketAddr) -> Duration {
        let own = self.state(addr).and_then(|state| state.round_trip.bound());
        own.or_else(|| self.network.bound())
            .unwrap_or(self.response_time)
    }

    /// The round trip of `addr`, if it answered lately.
    pub fn round_trip(&self, addr: &SocketAddr) -> Option<Duration> {
        self.state(addr)?.round_trip.mean()
    }

    /// The round trip of any address; nothing at all as long as none is known.
    pub fn typical_round_trip(&self) -> Duration {
        self.network.mean().unwrap_or_default()
    }

    /// `addr` answered a request of ours, so much later at most. Late answers count too: whoever learnt from those alone
    /// that come in time would take all far nodes for dead as long as he has met near ones only.
    pub fn on_reply(&mut self, now: Timestamp, addr: SocketAddr, round_trip: Duration) {
        let validated_until = seconds(now + self.validation_time);
        let sample = round_trip.min(self.response_time);
        let state = self.state_mut(addr);
        state.validated_until = validated_until;
        state.silent_until = 0;
        state.unresponsive = false;
        state.round_trip.add(sample, sample / 2);
        let doubt = (self.response_time / FIRST_DOUBT).max(sample / 2);
        self.network.add(sample, doubt);
    }

    /// An answer of `addr` is overdue.
    pub fn on_timeout(&mut self, addr: SocketAddr) {
        self.state_mut(addr).unresponsive = true;
    }

    /// Whether `addr` has let a request of ours time out, and answered none since.
    pub fn is_unresponsive(&self, addr: &SocketAddr) -> bool {
        self.state(addr).is_some_and(|state| state.unresponsive)
    }

    /// `addr` returned a token of ours, so it receives what is sent to it.
    pub fn on_token(&mut self, now: Timestamp, addr: SocketAddr) {
        let validated_until = seconds(now + self.validation_time);
        self.state_mut(addr).validated_until = validated_until;
    }

    /// Whether `addr` has proved lately that it receives what is sent to it.
    pub fn is_validated(&self, now: Timestamp, addr: &SocketAddr) -> bool {
        self.state(addr)
            .is_some_and(|state| state.validated_until > seconds(now))
    }

    /// Whether `addr` may be pinged because of what came from there; if so, not again for a while unless it answers.
    /// Who forges source addresses so makes us send hardly more to them than he sends to us.
    pub fn may_probe(&mut self, now: Timestamp, addr: SocketAddr) -> bool {
        if self
            .state(&addr)
            .is_some_and(|state| seconds(now) < state.silent_until)
        {
            return false;
        }
        self.state_mut(addr).silent_until = seconds(now + PROBE_INTERVAL);
        true
    }

    /// `addr` refused a token that it gave us; says for the how manieth time in a row.
    pub fn on_auth_error(&mut self, addr: SocketAddr) -> u32 {
        let state = self.state_mut(addr);
        state.auth_errors = state.auth_errors.saturating_add(1);
        state.auth_errors.into()
    }

    /// `addr` accepted a token.
    pub fn on_auth(&mut self, addr: SocketAddr) {
        if self.state(&addr).is_some_and(|state| state.auth_errors > 0) {
            self.state_mut(addr).auth_errors = 0;
        }
    }

    /// `addr` broke the protocol; its datagrams are dropped from now on.
    pub fn block(&mut self, addr: SocketAddr) {
        self.state_mut(addr).blocked = true;
        self.is_any_blocked = true;
    }

    /// Whether datagrams of `addr` are dropped.
    pub fn is_blocked(&self, addr: &SocketAddr) -> bool {
        self.is_any_blocked && self.state(addr).is_some_and(|state| state.blocked)
    }

    fn state(&self, addr: &SocketAddr) -> Option<&PeerState> {
        let endpoint = Endpoint::from(*addr);
        let young = self.young.get(&endpoint);
        young.or_else(|| self.old.get(&endpoint))
    }

    fn state_mut(&mut self, addr: SocketAddr) -> &mut PeerState {
        let endpoint = Endpoint::from(addr);
        if self.young.len() >= self.generation && !self.young.contains_key(&endpoint) {
            self.old = std::mem::take(&mut self.young);
            self.is_any_blocked = self.old.values().any(|state| state.blocked);
        }
        let remember = || self.old.remove(&endpoint).unwrap_or_default();
        self.young.entry(endpoint).or_insert_with(remember)
    }
}

impl RoundTrip {
    /// Takes in a round trip; the first may be off by `doubt`.
    fn add(&mut self, sample: Duration, doubt: Duration) {
        // A minute is slower than anybody is waited for, and leaves room to reckon with.
        let [sample, doubt] =
            [sample, doubt].map(|span| span.min(Duration::from_secs(60)).as_micros() as u32);
        let (mean, deviation) = match self.0 {
            None => (sample, doubt),
            Some((mean, deviation)) => (
                (mean.get() * 7 + sample) / 8,
                (deviation * 3 + mean.get().abs_diff(sample)) / 4,
            ),
        };
        self.0 = NonZeroU32::new(mean.max(1)).map(|mean| (mean, deviation));
    }

    fn mean(self) -> Option<Duration> {
        let micros = |(mean, _): (NonZeroU32, u32)| Duration::from_micros(mean.get().into());
        self.0.map(micros)
    }

    /// A wait that few answers exceed.
    fn bound(self) -> Option<Duration> {
        let micros =
            |(mean, deviation): (NonZeroU32, u32)| u64::from(mean.get()) + 4 * u64::from(deviation);
        self.0.map(micros).map(Duration::from_micros)
    }
}

/// Whole seconds since the start of the node.
fn seconds(at: Timestamp) -> u32 {
    u32::try_from(at.as_micros() / 1_000_000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    const GENERATION: usize = 16_384;
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_timeout_follows_the_peer_then_the_network_within_its_bounds() {
        let mut peers = Peers::new(&TransportConfig::default());
        assert_eq!(peers.timeout(&peer(1)), 1_000 * MS);
        for _ in 0..50 {
            peers.on_reply(Timestamp::ZERO, peer(1), MS);
        }
        assert_eq!(peers.timeout(&peer(1)), 50 * MS);
        assert_eq!(peers.slow_after(&peer(1)), 10 * MS);
        assert_eq!(peers.timeout(&peer(2)), 50 * MS);
        for _ in 0..50 {
            peers.on_reply(Timestamp::ZERO, peer(3), 5_000 * MS);
        }
        assert_eq!(peers.timeout(&peer(3)), 1_000 * MS);
        assert_eq!(peers.slow_after(&peer(3)), 1_000 * MS);
        assert_eq!(peers.timeout(&peer(1)), 50 * MS);
    }

    #[test]
    fn a_node_that_has_met_near_nodes_alone_waits_long_for_far_ones() {
        let mut peers = Peers::new(&TransportConfig::default());
        peers.on_reply(Timestamp::ZERO, peer(1), 10 * MS);
        assert!(peers.timeout(&peer(2)) >= 500 * MS);
        assert_eq!(peers.timeout(&peer(1)), 50 * MS);
        for _ in 0..50 {
            peers.on_reply(Timestamp::ZERO, peer(1), 10 * MS);
        }
        assert_eq!(peers.timeout(&peer(2)), 50 * MS);
        peers.on_reply(Timestamp::ZERO, peer(3), 200 * MS);
        assert!(peers.timeout(&peer(2)) > 200 * MS);
    }

    #[test]
    fn an_address_owes_an_answer_until_it_gives_one() {
        let mut peers = Peers::new(&TransportConfig::default());
        assert!(!peers.is_unresponsive(&peer(1)));
        peers.on_timeout(peer(1));
        assert!(peers.is_unresponsive(&peer(1)));
        assert!(!peers.is_unresponsive(&peer(2)));
        peers.on_reply(Timestamp::ZERO, peer(1), MS);
        assert!(!peers.is_unresponsive(&peer(1)));
    }

    #[test]
    fn a_proof_runs_out() {
        let mut peers = Peers::new(&TransportConfig::default());
        peers.on_token(Timestamp::ZERO, peer(1));
        let end = Timestamp::ZERO + TransportConfig::default().validation_time;
        assert!(peers.is_validated(end - MS, &peer(1)));
        assert!(!peers.is_validated(end, &peer(1)));
        assert!(!peers.is_validated(Timestamp::ZERO, &peer(2)));
    }

    #[test]
    fn an_address_is_not_sounded_out_again_until_it_answers_or_time_has_passed() {
        let mut peers = Peers::new(&TransportConfig::default());
        let now = Timestamp::ZERO;
        assert!(peers.may_probe(now, peer(1)));
        assert!(!peers.may_probe(now + MS, peer(1)));
        assert!(peers.may_probe(now + MS, peer(2)));
        peers.on_reply(now + MS, peer(1), MS);
        assert!(peers.may_probe(now + MS * 2, peer(1)));
        assert!(peers.may_probe(now + PROBE_INTERVAL * 2, peer(1)));
    }

    #[test]
    fn memory_is_bounded_and_keeps_the_young() {
        let mut peers = Peers::new(&TransportConfig::default());
        for i in 0..100_000u32 {
            peers.block(SocketAddr::from((i.to_be_bytes(), 1)));
        }
        assert!(peers.young.len() + peers.old.len() <= 2 * GENERATION);
        assert!(peers.is_blocked(&SocketAddr::from((99_999u32.to_be_bytes(), 1))));
    }

    #[test]
    fn who_is_blocked_is_so_for_a_generation_at_least() {
        let mut peers = Peers::new(&TransportConfig::default());
        assert!(!peers.is_blocked(&peer(1)));
        peers.block(peer(1));
        let mut others = (0u32..).map(|i| SocketAddr::from((i.to_be_bytes(), 9)));
        let mut meet = |peers: &mut Peers| {
            for addr in others.by_ref().take(GENERATION) {
                peers.on_timeout(addr);
            }
        };
        meet(&mut peers);
        assert!(peers.is_blocked(&peer(1)) && !peers.is_blocked(&peer(2)));
        meet(&mut peers);
        assert!(!peers.is_blocked(&peer(1)) && !peers.is_any_blocked);
    }

    #[test]
    fn accepted_tokens_clear_the_record() {
        let mut peers = Peers::new(&TransportConfig::default());
        assert_eq!(peers.on_auth_error(peer(1)), 1);
        assert_eq!(peers.on_auth_error(peer(1)), 2);
        peers.on_auth(peer(1));
        assert_eq!(peers.on_auth_error(peer(1)), 1);
    }

    fn peer(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }
}
