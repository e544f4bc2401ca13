//! [`Peers`]: what is remembered of each address: its speed, whether it is validated, its faults.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use super::TransportConfig;
use crate::{Endpoint, Source, Timestamp};

/// What share of the first guess at a round trip a network's first reply may be off by: the nearest
/// nodes reply first.
const FIRST_DOUBT: u32 = 8;

/// A reply is slow after this share of the shortest time-out at the earliest: one in so many.
const SLOW_SHARE: u32 = 5;

/// The least time between two pings that datagrams from an address bring about, as long as it
/// answers none.
const PROBE_INTERVAL: Duration = Duration::from_secs(30);

/// One in so many addresses remembered may not have been validated.
const STRANGERS_SHARE: usize = 4;

/// One source has at most one in so many of the validated addresses that are remembered.
const SOURCE_SHARE: usize = 4;

/// A bounded memory of addresses. Those that were validated once have room of their own, which
/// forged ones cannot take.
#[derive(Debug)]
pub struct Peers {
    known: Generations,
    /// Never validated, or of a source that has enough of those that were.
    strangers: Generations,
    /// As a rule none is blocked, and then no address has to be looked up. In whole seconds.
    any_blocked_until: u32,
    /// The round trips of all addresses.
    network: RoundTrip,
    response_time: Duration,
    response_time_min: Duration,
    validation_time: Duration,
    block_time: Duration,
}

/// When the young generation is full it becomes the old one, and the old one is forgotten.
#[derive(Debug)]
struct Generations {
    young: HashMap<Endpoint, PeerState>,
    old: HashMap<Endpoint, PeerState>,
    /// How many of the young are of each source; not kept while they are so few that no source can
    /// have too many, which is always but in a flood.
    by_source: HashMap<Source, usize>,
    /// How many addresses a generation has.
    size: usize,
}

#[derive(Clone, Copy, Default, Debug)]
struct PeerState {
    round_trip: RoundTrip,
    /// In whole seconds.
    validated_until: u32,
    /// No ping before that without a reply to the last, in whole seconds.
    silent_until: u32,
    /// Tokens refused in a row.
    auth_errors: u16,
    /// In whole seconds.
    blocked_until: u32,
    unresponsive: bool,
}

/// A smoothed round trip and its deviation in microseconds, as in RFC 6298; small, for there is one
/// for each address.
#[derive(Clone, Copy, Default, Debug)]
struct RoundTrip(Option<(NonZeroU32, u32)>);

impl Peers {
    /// Remembers no address yet.
    pub(super) fn new(config: &TransportConfig) -> Self {
        Self {
            known: Generations::new(config.max_peers - config.max_peers / STRANGERS_SHARE),
            strangers: Generations::new(config.max_peers / STRANGERS_SHARE),
            any_blocked_until: 0,
            network: RoundTrip::default(),
            response_time: config.response_time,
            response_time_min: config.response_time_min,
            validation_time: config.validation_time,
            block_time: config.block_time,
        }
    }

    /// Returns how long to wait for a reply before the request times out.
    pub fn timeout(&self, addr: &SocketAddr) -> Duration {
        self.wait(addr)
            .clamp(self.response_time_min, self.response_time)
    }

    /// Returns how long it takes until most replies have come: a lookup that can ask other nodes
    /// need not stand idle any longer. Where round trips are short, that is long before a time-out.
    pub fn slow_after(&self, addr: &SocketAddr) -> Duration {
        self.wait(addr)
            .clamp(self.response_time_min / SLOW_SHARE, self.response_time)
    }

    /// A wait that few replies exceed: by the peer's own round trips, else by the network's, else
    /// by the configured first guess.
    fn wait(&self, addr: &SocketAddr) -> Duration {
        let own = self.state(addr).and_then(|state| state.round_trip.bound());
        own.or_else(|| self.network.bound())
            .unwrap_or(self.response_time)
    }

    /// Returns the round trip of `addr`, if one was measured lately.
    pub fn round_trip(&self, addr: &SocketAddr) -> Option<Duration> {
        self.state(addr)?.round_trip.mean()
    }

    /// Returns the round trip of any address; zero as long as none is known.
    pub fn typical_round_trip(&self) -> Duration {
        self.network.mean().unwrap_or_default()
    }

    /// Notes that `addr` replied to a request of ours, after `round_trip` at most if that is known.
    ///
    /// Late replies count too: a node that learnt only from those that come in time would take all
    /// far nodes for dead as long as it has met near ones alone.
    pub(super) fn on_reply(
        &mut self,
        now: Timestamp,
        addr: SocketAddr,
        round_trip: impl Into<Option<Duration>>,
    ) {
        let validated_until = seconds(now + self.validation_time);
        let response_time = self.response_time;
        let state = self.known_mut(addr);
        state.validated_until = validated_until;
        state.silent_until = 0;
        state.unresponsive = false;
        let Some(round_trip) = round_trip.into() else {
            return;
        };
        let sample = round_trip.min(response_time);
        state.round_trip.add(sample, sample / 2);
        let doubt = (self.response_time / FIRST_DOUBT).max(sample / 2);
        self.network.add(sample, doubt);
    }

    /// Notes that a request to `addr` timed out.
    pub(super) fn on_timeout(&mut self, addr: SocketAddr) {
        self.state_mut(addr).unresponsive = true;
    }

    /// Reports whether a request to `addr` timed out, and it has replied to none since.
    pub fn is_unresponsive(&self, addr: &SocketAddr) -> bool {
        self.state(addr).is_some_and(|state| state.unresponsive)
    }

    /// Notes that `addr` returned a token of ours: it receives what is sent to it.
    pub fn on_token(&mut self, now: Timestamp, addr: SocketAddr) {
        let validated_until = seconds(now + self.validation_time);
        self.known_mut(addr).validated_until = validated_until;
    }

    /// Reports whether `addr` has shown lately that it receives what is sent to it.
    pub fn is_validated(&self, now: Timestamp, addr: &SocketAddr) -> bool {
        self.state(addr)
            .is_some_and(|state| state.validated_until > seconds(now))
    }

    /// Decides whether `addr` may be pinged because of what came from there; if so, not again for a
    /// while unless it replies. So a node that forges source addresses makes us send hardly more to
    /// them than it sends to us.
    pub(super) fn may_probe(&mut self, now: Timestamp, addr: SocketAddr) -> bool {
        if self
            .state(&addr)
            .is_some_and(|state| seconds(now) < state.silent_until)
        {
            return false;
        }
        self.state_mut(addr).silent_until = seconds(now + PROBE_INTERVAL);
        true
    }

    /// Notes that `addr` refused a token that it gave us; returns how often in a row it did.
    pub fn on_auth_error(&mut self, addr: SocketAddr) -> u32 {
        let state = self.state_mut(addr);
        state.auth_errors = state.auth_errors.saturating_add(1);
        state.auth_errors.into()
    }

    /// Notes that `addr` accepted a token.
    pub fn on_auth(&mut self, addr: SocketAddr) {
        if self.state(&addr).is_some_and(|state| state.auth_errors > 0) {
            self.state_mut(addr).auth_errors = 0;
        }
    }

    /// Notes that `addr` broke the protocol: its datagrams are dropped for a time.
    pub fn block(&mut self, now: Timestamp, addr: SocketAddr) {
        let until = seconds(now + self.block_time);
        self.state_mut(addr).blocked_until = until;
        self.any_blocked_until = until;
    }

    /// Reports whether datagrams of `addr` are dropped.
    pub fn is_blocked(&self, now: Timestamp, addr: &SocketAddr) -> bool {
        let now = seconds(now);
        let is_blocked = |state: &PeerState| now < state.blocked_until;
        now < self.any_blocked_until && self.state(addr).is_some_and(is_blocked)
    }

    /// Lets the datagrams of all addresses in again: on another network, other nodes may have them.
    pub fn unblock_all(&mut self) {
        self.any_blocked_until = 0;
        for state in self.known.all_mut().chain(self.strangers.all_mut()) {
            state.blocked_until = 0;
        }
    }

    fn state(&self, addr: &SocketAddr) -> Option<&PeerState> {
        let endpoint = Endpoint::from(*addr);
        let known = self.known.get(&endpoint);
        known.or_else(|| self.strangers.get(&endpoint))
    }

    fn state_mut(&mut self, addr: SocketAddr) -> &mut PeerState {
        let endpoint = Endpoint::from(addr);
        if self.known.get(&endpoint).is_some() {
            self.known.get_or_insert(endpoint, PeerState::default())
        } else {
            self.strangers.get_or_insert(endpoint, PeerState::default())
        }
    }

    /// Returns the state of an address that is being validated.
    fn known_mut(&mut self, addr: SocketAddr) -> &mut PeerState {
        let endpoint = Endpoint::from(addr);
        if self.known.get(&endpoint).is_none() && !self.known.has_room_for(&endpoint) {
            return self.state_mut(addr);
        }
        let state = self.strangers.remove(&endpoint).unwrap_or_default();
        self.known.get_or_insert(endpoint, state)
    }
}

impl Generations {
    fn new(max: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            by_source: HashMap::new(),
            size: (max / 2).max(1),
        }
    }

    fn get(&self, endpoint: &Endpoint) -> Option<&PeerState> {
        let young = self.young.get(endpoint);
        young.or_else(|| self.old.get(endpoint))
    }

    /// Reports whether the source of an endpoint has fewer of the young than it may have.
    fn has_room_for(&self, endpoint: &Endpoint) -> bool {
        let count = self.by_source.get(&source_of(endpoint));
        self.young.len() < self.share() || count.copied().unwrap_or_default() < self.share()
    }

    fn share(&self) -> usize {
        self.size.div_ceil(SOURCE_SHARE)
    }

    /// Returns the state of an endpoint, which is this one if there is none. It is young then.
    fn get_or_insert(&mut self, endpoint: Endpoint, state: PeerState) -> &mut PeerState {
        let is_young = self.young.contains_key(&endpoint);
        if self.young.len() >= self.size && !is_young {
            self.old = std::mem::take(&mut self.young);
            self.by_source = HashMap::new();
        }
        if !is_young {
            self.count(endpoint);
        }
        let remember = || self.old.remove(&endpoint).unwrap_or(state);
        self.young.entry(endpoint).or_insert_with(remember)
    }

    /// Counts an endpoint that is about to become young.
    fn count(&mut self, endpoint: Endpoint) {
        let len = self.young.len() + 1;
        if len == self.share() {
            let sources = self.young.keys().map(source_of);
            self.by_source = sources.fold(HashMap::new(), |mut counts, source| {
                *counts.entry(source).or_default() += 1;
                counts
            });
        }
        if len >= self.share() {
            *self.by_source.entry(source_of(&endpoint)).or_default() += 1;
        }
    }

    fn remove(&mut self, endpoint: &Endpoint) -> Option<PeerState> {
        let young = self.young.remove(endpoint);
        if young.is_some()
            && let Some(count) = self.by_source.get_mut(&source_of(endpoint))
        {
            *count -= 1;
        }
        young.or_else(|| self.old.remove(endpoint))
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut PeerState> {
        self.young.values_mut().chain(self.old.values_mut())
    }
}

fn source_of(endpoint: &Endpoint) -> Source {
    Source::of(SocketAddr::from(*endpoint).ip())
}

impl RoundTrip {
    /// Takes in a round trip; the first may be off by `doubt`.
    fn add(&mut self, sample: Duration, doubt: Duration) {
        // A minute is longer than any reply is waited for, and leaves room to reckon with.
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

    /// A wait that few replies exceed.
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
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const START: Timestamp = Timestamp::ZERO;

    #[test]
    fn the_timeout_follows_the_peer_then_the_network_within_its_bounds() {
        let mut peers = peers();
        assert_eq!(peers.timeout(&peer(1)), 1_000 * MS);
        for _ in 0..50 {
            peers.on_reply(START, peer(1), MS);
        }
        assert_eq!(peers.timeout(&peer(1)), 50 * MS);
        assert_eq!(peers.slow_after(&peer(1)), 10 * MS);
        assert_eq!(peers.timeout(&peer(2)), 50 * MS);
        for _ in 0..50 {
            peers.on_reply(START, peer(3), 5_000 * MS);
        }
        assert_eq!(peers.timeout(&peer(3)), 1_000 * MS);
        assert_eq!(peers.slow_after(&peer(3)), 1_000 * MS);
        assert_eq!(peers.timeout(&peer(1)), 50 * MS);
    }

    #[test]
    fn a_wait_is_the_smoothed_round_trip_and_four_deviations() {
        let mut peers = peers();
        peers.on_reply(START, peer(1), 80 * MS);
        assert_eq!(peers.round_trip(&peer(1)), Some(80 * MS));
        assert_eq!(peers.timeout(&peer(1)), (80 + 4 * 40) * MS);
        peers.on_reply(START, peer(1), 160 * MS);
        assert_eq!(peers.round_trip(&peer(1)), Some(90 * MS));
        assert_eq!(peers.timeout(&peer(1)), (90 + 4 * 50) * MS);
        peers.on_reply(START, peer(1), 10 * MS);
        assert_eq!(peers.round_trip(&peer(1)), Some(80 * MS));
        assert_eq!(peers.timeout(&peer(1)), 80 * MS + 4 * (57 * MS + MS / 2));
    }

    #[test]
    fn the_network_has_the_round_trip_of_all_and_a_first_one_in_doubt() {
        let mut peers = peers();
        assert_eq!(peers.typical_round_trip(), Duration::ZERO);
        peers.on_reply(START, peer(1), 80 * MS);
        assert_eq!(peers.typical_round_trip(), 80 * MS);
        assert_eq!(peers.timeout(&peer(2)), (80 + 4 * 125) * MS);
        peers.on_reply(START, peer(2), 160 * MS);
        assert_eq!(peers.typical_round_trip(), 90 * MS);
        assert_eq!(peers.round_trip(&peer(3)), None);
    }

    #[test]
    fn a_first_reply_that_is_slow_is_in_more_doubt() {
        let mut peers = peers();
        peers.on_reply(START, peer(1), 200 * MS);
        // Half of it is less than an eighth of a second.
        assert_eq!(peers.timeout(&peer(2)), (200 + 4 * 125) * MS);
        let mut peers = self::peers();
        peers.on_reply(START, peer(1), 300 * MS);
        assert_eq!(peers.timeout(&peer(2)), (300 + 4 * 150) * MS);
    }

    #[test]
    fn a_node_that_has_met_near_nodes_alone_waits_long_for_far_ones() {
        let mut peers = peers();
        peers.on_reply(START, peer(1), 10 * MS);
        assert!(peers.timeout(&peer(2)) >= 500 * MS);
        assert_eq!(peers.timeout(&peer(1)), 50 * MS);
        for _ in 0..50 {
            peers.on_reply(START, peer(1), 10 * MS);
        }
        assert_eq!(peers.timeout(&peer(2)), 50 * MS);
        peers.on_reply(START, peer(3), 200 * MS);
        assert!(peers.timeout(&peer(2)) > 200 * MS);
    }

    #[test]
    fn an_address_is_unresponsive_from_a_timeout_to_its_next_reply() {
        let mut peers = peers();
        assert!(!peers.is_unresponsive(&peer(1)));
        peers.on_timeout(peer(1));
        assert!(peers.is_unresponsive(&peer(1)));
        assert!(!peers.is_unresponsive(&peer(2)));
        peers.on_reply(START, peer(1), MS);
        assert!(!peers.is_unresponsive(&peer(1)));
    }

    #[test]
    fn a_token_or_a_reply_validates_an_address_for_a_time() {
        let mut peers = peers();
        peers.on_token(START, peer(1));
        peers.on_reply(START, peer(2), MS);
        let end = START + TransportConfig::default().validation_time;
        for validated in [peer(1), peer(2)] {
            assert!(peers.is_validated(end - MS, &validated));
            assert!(!peers.is_validated(end, &validated));
        }
        assert!(!peers.is_validated(START, &peer(3)));
    }

    #[test]
    fn an_address_is_not_probed_again_until_it_replies_or_time_has_passed() {
        let mut peers = peers();
        assert!(peers.may_probe(START, peer(1)));
        assert!(!peers.may_probe(START + PROBE_INTERVAL - MS, peer(1)));
        assert!(peers.may_probe(START + PROBE_INTERVAL, peer(1)));
        assert!(peers.may_probe(START + MS, peer(2)));
        assert!(!peers.may_probe(START + MS, peer(2)));
        peers.on_reply(START + MS, peer(2), MS);
        assert!(peers.may_probe(START + MS * 2, peer(2)));
    }

    #[test]
    fn memory_is_bounded_and_keeps_the_young() {
        let mut peers = peers();
        let addr = |number: u32| SocketAddr::from((number.to_be_bytes(), 1));
        for number in 0..100_000 {
            peers.on_timeout(addr(number));
            peers.on_token(START, addr(number + (1 << 24)));
        }
        let count = |it: &Generations| it.young.len() + it.old.len();
        let max = TransportConfig::default().max_peers;
        assert!(count(&peers.known) + count(&peers.strangers) <= max);
        assert!(peers.is_unresponsive(&addr(99_999)) && !peers.is_unresponsive(&addr(1)));
        assert!(peers.is_validated(START, &addr(99_999 + (1 << 24))));
    }

    #[test]
    fn forged_addresses_and_many_of_one_source_do_not_push_out_those_that_are_validated() {
        let mut peers = peers();
        peers.on_reply(START, peer(1), 80 * MS);
        for number in 0..100_000_u32 {
            let forged = SocketAddr::from((number.to_be_bytes(), 9));
            assert!(peers.may_probe(START, forged));
        }
        for port in 0..=u16::MAX {
            peers.on_reply(START, SocketAddr::from(([192, 0, 2, 1], port)), MS);
        }
        assert!(peers.is_validated(START, &peer(1)));
        assert_eq!(peers.round_trip(&peer(1)), Some(80 * MS));
        let last = SocketAddr::from(([192, 0, 2, 1], u16::MAX));
        assert!(peers.is_validated(START, &last), "among the strangers");
    }

    #[test]
    fn an_address_is_blocked_for_a_time_or_until_the_network_changes() {
        let mut peers = peers();
        assert!(!peers.is_blocked(START, &peer(1)));
        peers.on_reply(START, peer(1), MS);
        peers.block(START, peer(1));
        peers.block(START + MS, peer(2));
        let end = START + TransportConfig::default().block_time;
        assert!(peers.is_blocked(end - MS, &peer(1)) && !peers.is_blocked(START, &peer(3)));
        assert!(!peers.is_blocked(end, &peer(1)));
        peers.unblock_all();
        peers.block(START, peer(3));
        assert!(!peers.is_blocked(START, &peer(1)) && peers.is_blocked(START, &peer(3)));
    }

    #[test]
    fn an_address_of_the_old_generation_is_remembered_in_the_young() {
        let mut peers = peers();
        let size = peers.strangers.size as u32;
        peers.on_timeout(peer(1));
        for number in 0..size {
            peers.on_timeout(SocketAddr::from((number.to_be_bytes(), 9)));
        }
        assert!(peers.strangers.old.contains_key(&peer(1).into()));
        let _ = peers.on_auth_error(peer(1));
        assert!(peers.is_unresponsive(&peer(1)));
        assert!(
            !peers.strangers.old.contains_key(&peer(1).into()),
            "it moved"
        );
        for number in 0..2 * size {
            peers.on_timeout(SocketAddr::from((number.to_be_bytes(), 10)));
        }
        assert!(!peers.is_unresponsive(&peer(1)), "it is forgotten");
    }

    #[test]
    fn an_accepted_token_ends_a_row_of_refused_ones() {
        let mut peers = peers();
        assert_eq!(peers.on_auth_error(peer(1)), 1);
        assert_eq!(peers.on_auth_error(peer(1)), 2);
        peers.on_auth(peer(1));
        assert_eq!(peers.on_auth_error(peer(1)), 1);
        peers.on_auth(peer(2));
        assert_eq!(peers.strangers.young.len(), 1, "nothing to remember of it");
    }

    fn peers() -> Peers {
        Peers::new(&TransportConfig::default())
    }

    fn peer(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }
}
