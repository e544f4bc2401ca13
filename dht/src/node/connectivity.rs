//! [`Connectivity`]: how well each family is connected, and what is done to get and stay so
//! (`docs/spec/node.md#3.2`).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use super::bootstrap::Bootstrap;
use super::contacts::Contacts;
use super::timers::Timers;
use super::{Status, Timer};
use crate::{ByFamily, ConnectivityConfig, Family, InfoHash, Rng, Timestamp};

/// How many of the farthest buckets are filled on joining.
pub(super) const EXPLORED_DEPTH: usize = 4;
/// How long after the first good contact others are found, if there are any.
const WARM_UP: Duration = Duration::from_secs(2);
/// How long after the first good contact the lookup of the own id is repeated, at growing
/// intervals, to find nodes that join at the same time. Maintenance finds those that join later.
const EXPLORE_WINDOW: Duration = Duration::from_secs(60);
/// Once one family is connected, how long operations wait for the other.
const OTHER_FAMILY_WAIT: Duration = Duration::from_millis(750);
/// The shortest pause before the lookup of the own id is repeated.
const RETRY_MIN: Duration = Duration::from_millis(10);
/// How long after the start of the lookup of the own id the far buckets are filled; up to twice
/// that.
const EXPLORE_DELAY: Duration = Duration::from_millis(50);

/// The status of each family, and how to improve it. It sends nothing: what it wants done is
/// taken with [`Connectivity::poll`] after each call.
#[derive(Debug)]
pub(super) struct Connectivity {
    /// How long operations wait for a connection.
    connect_timeout: Duration,
    status: ByFamily<Status>,
    /// The addresses to start from.
    bootstrap: Bootstrap,
    /// Until then operations wait for a first good contact.
    connect_deadline: Timestamp,
    /// From then on enough contacts are known to spread many requests over.
    warm_at: Timestamp,
    /// What has not been done yet.
    actions: VecDeque<ConnectivityAction>,
}

/// Something to do about the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ConnectivityAction {
    /// Ping a bootstrap address.
    Ping(SocketAddr),
    /// Ping contacts of a family that did not answer before: it may be this node that was cut off.
    PingExpired(Family),
    /// Tell the application. If the family is connected now, what has waited for this goes on.
    ChangeStatus(Family, Status),
}

impl Connectivity {
    pub(super) fn new(now: Timestamp, config: &ConnectivityConfig) -> Self {
        let deadline = now + config.connect_timeout;
        Self {
            connect_timeout: config.connect_timeout,
            status: ByFamily::default(),
            bootstrap: Bootstrap::new(config.bootstrap_period),
            connect_deadline: deadline,
            warm_at: deadline,
            actions: VecDeque::new(),
        }
    }

    /// Returns how well a family is connected.
    pub(super) fn status(&self, family: Family) -> Status {
        self.status[family]
    }

    /// Reports whether any family is connected.
    pub(super) fn is_connected(&self) -> bool {
        self.status.iter().any(|it| *it == Status::Connected)
    }

    /// Reports whether the other family is in use.
    pub(super) fn uses_other(&self, family: Family) -> bool {
        let is_used = |it: &Family| self.status[*it] != Status::Disconnected;
        Family::ALL.iter().any(|it| *it != family && is_used(it))
    }

    /// Reports whether an operation that knows no node should wait for one.
    pub(super) fn may_wait(&self, now: Timestamp, family: Family) -> bool {
        self.status[family] == Status::Connecting && now < self.connect_deadline
    }

    /// Returns the moment at which operations that wait for a connection start without one.
    pub(super) fn connect_deadline(&self) -> Timestamp {
        self.connect_deadline
    }

    /// Reports whether enough contacts are known to spread many requests over, or all that will be.
    pub(super) fn is_warm(&self, now: Timestamp, contacts: &Contacts) -> bool {
        now >= self.warm_at
            || Family::ALL
                .iter()
                .any(|it| contacts.has_bucketful(now, *it))
    }

    /// Reports whether a family is connected, yet not by a bucketful of good contacts.
    pub(super) fn knows_few(&self, now: Timestamp, family: Family, contacts: &Contacts) -> bool {
        self.status[family] == Status::Connected && !contacts.has_bucketful(now, family)
    }

    /// Takes what to do next.
    pub(super) fn poll(&mut self) -> Option<ConnectivityAction> {
        self.actions.pop_front()
    }

    /// Notes that a contact of a family answered.
    pub(super) fn on_reply(&mut self, now: Timestamp, family: Family) {
        self.set(now, family, Status::Connected);
    }

    /// Works out how well a family is connected.
    pub(super) fn update(
        &mut self,
        now: Timestamp,
        family: Family,
        contacts: &Contacts,
        timers: &mut Timers,
    ) {
        let counts = contacts.counts(now, family);
        let is_bootstrapping = self.bootstrap.has(family) && now < self.connect_deadline;
        let status = if counts.good > 0 {
            Status::Connected
        } else if counts.dubious > 0 || is_bootstrapping {
            Status::Connecting
        } else {
            Status::Disconnected
        };
        let before = self.set(now, family, status);
        if before == Status::Connected && status != before {
            self.restart(now, contacts, timers);
        } else if status == Status::Disconnected && status != before {
            // There is no round to come yet if the contacts of a snapshot were all there was.
            self.keep_trying(now, timers);
        }
    }

    /// The system cannot send to this address.
    pub(super) fn on_unreachable(
        &mut self,
        now: Timestamp,
        address: SocketAddr,
        contacts: &Contacts,
        timers: &mut Timers,
    ) {
        self.bootstrap.on_unreachable(address);
        self.update(now, Family::of(&address), contacts, timers);
    }

    /// Adds bootstrap addresses, and pings them.
    pub(super) fn add_addresses(
        &mut self,
        now: Timestamp,
        addresses: &[SocketAddr],
        contacts: &Contacts,
        timers: &mut Timers,
    ) {
        self.bootstrap.add(addresses);
        if self.is_connected() {
            let pings = addresses.iter().copied().map(ConnectivityAction::Ping);
            self.actions.extend(pings);
        } else {
            self.restart(now, contacts, timers);
        }
    }

    /// Starts the rounds of pings anew, unless the node is connected.
    pub(super) fn restart(&mut self, now: Timestamp, contacts: &Contacts, timers: &mut Timers) {
        if self.is_connected() {
            return;
        }
        self.await_connection(now, timers);
        self.bootstrap.restart();
        self.ping_addresses(now, contacts, timers);
    }

    /// Pings the bootstrap addresses and contacts of old, unless the node is connected, and plans
    /// the next round.
    pub(super) fn ping_addresses(
        &mut self,
        now: Timestamp,
        contacts: &Contacts,
        timers: &mut Timers,
    ) {
        if self.is_connected() {
            return;
        }
        let (addresses, next) = self.bootstrap.next_round(now);
        let pings = addresses.into_iter().map(ConnectivityAction::Ping);
        self.actions.extend(pings);
        let expired = Family::ALL.map(ConnectivityAction::PingExpired);
        self.actions.extend(expired);
        timers.set(Timer::Bootstrap, next);
        for family in Family::ALL {
            self.update(now, family, contacts, timers);
        }
    }

    /// Makes sure that a round of pings is to come, as the node is not connected.
    fn keep_trying(&mut self, now: Timestamp, timers: &mut Timers) {
        if !self.is_connected() && !timers.has(Timer::Bootstrap) {
            self.bootstrap.restart();
            timers.set(Timer::Bootstrap, now);
        }
    }

    /// Lets operations wait for a connection again, for some time.
    pub(super) fn await_connection(&mut self, now: Timestamp, timers: &mut Timers) {
        self.connect_deadline = now + self.connect_timeout;
        timers.set(Timer::ConnectDeadline, self.connect_deadline);
    }

    /// Returns when to fill the far buckets after the lookup of the own id has begun: a little
    /// later, as nodes that join at the same moment look up their own ids first.
    pub(super) fn refresh_far_buckets_at(now: Timestamp, rng: &mut Rng) -> Timestamp {
        now + rng.between(EXPLORE_DELAY, EXPLORE_DELAY * 2)
    }

    /// Returns when to repeat the lookup of the own id, which is over, as long as few nodes have
    /// answered: in a network that starts all at once, nodes that are asked early know few others,
    /// or answer too late for the lookup.
    pub(super) fn on_self_lookup_done(
        &self,
        now: Timestamp,
        family: Family,
        contacts: &Contacts,
        rng: &mut Rng,
    ) -> Option<Timestamp> {
        let connected = now.since(self.warm_at - WARM_UP);
        if connected >= EXPLORE_WINDOW || !self.knows_few(now, family, contacts) {
            return None;
        }
        let pause = connected.max(RETRY_MIN);
        Some(now + rng.between(pause, pause * 2))
    }

    /// Sets the status of a family, and returns what it was before.
    fn set(&mut self, now: Timestamp, family: Family, status: Status) -> Status {
        let before = std::mem::replace(&mut self.status[family], status);
        if before != status {
            if status == Status::Connected {
                self.warm_at = now + WARM_UP;
                let deadline = now + OTHER_FAMILY_WAIT;
                self.connect_deadline = self.connect_deadline.min(deadline);
            }
            let action = ConnectivityAction::ChangeStatus(family, status);
            self.actions.push_back(action);
        }
        before
    }
}

/// Returns an id in the half of the id space that is not ours if `depth` is 0; if 1, in the quarter
/// that is not ours of the half that is, and so on.
///
/// Differs: OpenDHT looks up its own id only, and leaves the rest to the refresh of empty buckets.
/// But a node that knows contacts in only one half by then has none to ask about the other: lookups
/// end among the nearest nodes of the wrong half. The first contact is likely to know more.
pub(super) fn target_beyond(own: InfoHash, depth: usize, rng: &mut Rng) -> InfoHash {
    let random = rng.hash();
    let shared = (0..depth).fold(random, |id, bit| id.with_bit(bit, own.bit(bit)));
    shared.with_bit(depth, !own.bit(depth))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::Confidence;
    use crate::{Contact, RoutingConfig, Seed};

    const SECOND: Duration = Duration::from_secs(1);
    const NOW: Timestamp = Timestamp::from_micros(3_600_000_000);
    const V4: Family = Family::V4;
    const OWN: InfoHash = InfoHash::new([0x55; InfoHash::LEN]);

    #[test]
    fn a_family_is_connecting_while_its_bootstrap_addresses_may_answer() {
        let mut parts = ConnectivityParts::new();
        assert_eq!(parts.it.status(V4), Status::Disconnected);
        parts.add_addresses(&[addr(1), addr(2)]);
        let ping = |port| ConnectivityAction::Ping(addr(port));
        let connecting = ConnectivityAction::ChangeStatus(V4, Status::Connecting);
        let old = Family::ALL.map(ConnectivityAction::PingExpired);
        let expected = [ping(1), ping(2), old[0], old[1], connecting];
        assert_eq!(parts.actions(), expected);
        assert!(parts.it.may_wait(NOW, V4) && !parts.it.may_wait(NOW, Family::V6));
        let deadline = parts.it.connect_deadline();
        assert_eq!(
            deadline,
            NOW + ConnectivityConfig::default().connect_timeout
        );
        assert!(!parts.it.may_wait(deadline, V4));
        parts.now = deadline;
        parts.update();
        let disconnected = ConnectivityAction::ChangeStatus(V4, Status::Disconnected);
        assert_eq!(parts.actions(), [disconnected]);
        assert!(!parts.it.may_wait(NOW, V4));
    }

    #[test]
    fn bootstrap_addresses_are_pinged_in_rounds_until_one_answers() {
        let mut parts = ConnectivityParts::new();
        parts.add_addresses(&[addr(1)]);
        let first = ConnectivityConfig::default().bootstrap_period;
        assert_eq!(parts.timer(Timer::Bootstrap), Some(NOW + first));
        let deadline = Some(parts.it.connect_deadline());
        assert_eq!(parts.timer(Timer::ConnectDeadline), deadline);
        parts.actions();

        parts.now = NOW + first;
        parts.ping_addresses();
        let ping = ConnectivityAction::Ping(addr(1));
        assert_eq!(parts.actions()[0], ping);
        assert_eq!(parts.timer(Timer::Bootstrap), Some(NOW + first * 3));
        parts.on_reply(1);
        parts.actions();
        parts.ping_addresses();
        assert_eq!(parts.actions(), []);
        assert_eq!(parts.timer(Timer::Bootstrap), None);
        parts.add_addresses(&[addr(9)]);
        assert_eq!(parts.actions(), [ConnectivityAction::Ping(addr(9))]);
    }

    #[test]
    fn the_bootstrap_starts_over_when_the_last_family_is_cut_off() {
        let mut parts = ConnectivityParts::new();
        parts.add_addresses(&[addr(1)]);
        parts.on_reply(1);
        assert!(parts.it.is_connected());
        parts.actions();
        parts.now = NOW + SECOND * 86_400;
        parts.contacts.reset(V4);
        parts.update();
        let connecting = ConnectivityAction::ChangeStatus(V4, Status::Connecting);
        let old = Family::ALL.map(ConnectivityAction::PingExpired);
        let ping = ConnectivityAction::Ping(addr(1));
        assert_eq!(parts.actions(), [connecting, ping, old[0], old[1]]);
        assert!(!parts.it.is_connected());
        let next = parts.now + ConnectivityConfig::default().bootstrap_period;
        assert_eq!(parts.timer(Timer::Bootstrap), Some(next));
    }

    #[test]
    fn nothing_is_pinged_while_the_other_family_is_connected() {
        let mut parts = ConnectivityParts::new();
        parts.add_addresses(&[addr(1)]);
        parts.on_reply(1);
        parts.it.on_reply(NOW, Family::V6);
        parts.actions();
        parts.contacts.reset(V4);
        parts.update();
        let connecting = ConnectivityAction::ChangeStatus(V4, Status::Connecting);
        assert_eq!(parts.actions(), [connecting]);
        assert!(parts.it.uses_other(V4) && parts.it.uses_other(Family::V6));
        assert!(!ConnectivityParts::new().it.uses_other(V4));
    }

    #[test]
    fn without_addresses_contacts_of_old_are_asked_until_one_answers() {
        let mut parts = ConnectivityParts::new();
        (parts.it).restart(NOW, &parts.contacts, &mut parts.timers);
        let old = Family::ALL.map(ConnectivityAction::PingExpired);
        assert_eq!(parts.actions(), old);
        let next = NOW + ConnectivityConfig::default().bootstrap_period;
        assert_eq!(parts.timer(Timer::Bootstrap), Some(next));
    }

    #[test]
    fn once_one_family_is_connected_the_other_is_waited_for_less_than_a_second() {
        let mut parts = ConnectivityParts::new();
        parts.add_addresses(&[addr(1), "[2001:db8::1]:1".parse().unwrap()]);
        let late = NOW + SECOND * 2;
        assert!(parts.it.may_wait(late, Family::V6));
        parts.on_reply(1);
        assert!(parts.it.may_wait(NOW + SECOND / 2, Family::V6));
        assert!(!parts.it.may_wait(NOW + OTHER_FAMILY_WAIT, Family::V6));
        assert_eq!(parts.it.connect_deadline(), NOW + OTHER_FAMILY_WAIT);
    }

    #[test]
    fn a_family_whose_addresses_cannot_be_reached_is_not_waited_for() {
        let mut parts = ConnectivityParts::new();
        let v6 = "[2001:db8::1]:1".parse().unwrap();
        parts.add_addresses(&[addr(1), v6]);
        assert!(parts.it.may_wait(NOW, Family::V6));
        let timers = &mut parts.timers;
        (parts.it).on_unreachable(NOW, v6, &parts.contacts, timers);
        assert!(!parts.it.may_wait(NOW, Family::V6) && parts.it.may_wait(NOW, V4));
    }

    #[test]
    fn the_application_is_told_of_a_status_once() {
        let mut parts = ConnectivityParts::new();
        let connected = ConnectivityAction::ChangeStatus(V4, Status::Connected);
        for actions in [&[connected][..], &[]] {
            parts.on_reply(1);
            parts.update();
            assert_eq!(parts.actions(), actions);
        }
    }

    #[test]
    fn a_network_is_known_well_enough_after_some_time_or_with_a_bucketful_of_contacts() {
        let mut parts = ConnectivityParts::new();
        assert!(!parts.is_warm(NOW));
        assert!(parts.is_warm(NOW + ConnectivityConfig::default().connect_timeout));
        parts.on_reply(1);
        assert!(!parts.is_warm(NOW + WARM_UP - SECOND / 10));
        assert!(parts.is_warm(NOW + WARM_UP));
        assert!(parts.it.knows_few(NOW, V4, &parts.contacts));
        for port in 2..=8 {
            parts.on_reply(port);
        }
        assert!(parts.is_warm(NOW));
        assert!(!parts.it.knows_few(NOW, V4, &parts.contacts));
        assert!(
            !parts.it.knows_few(NOW, Family::V6, &parts.contacts),
            "not connected"
        );
    }

    #[test]
    fn the_lookup_of_the_own_id_is_repeated_ever_more_seldom_while_few_have_answered() {
        let mut parts = ConnectivityParts::new();
        parts.on_reply(1);
        let pauses = [0, 10, 59].map(|seconds| {
            let now = NOW + SECOND * seconds;
            let next = parts.on_self_lookup_done(now);
            next.map(|at| at.since(now))
        });
        let within = |pause: Option<Duration>, least: Duration| {
            pause.is_some_and(|pause| (least..=least * 2).contains(&pause))
        };
        assert!(within(pauses[0], RETRY_MIN));
        assert!(within(pauses[1], SECOND * 10));
        assert!(within(pauses[2], SECOND * 59));
        assert_eq!(parts.on_self_lookup_done(NOW + EXPLORE_WINDOW), None);
        for port in 2..=8 {
            parts.on_reply(port);
        }
        assert_eq!(parts.on_self_lookup_done(NOW), None);
    }

    #[test]
    fn far_buckets_are_filled_shortly_after_joining() {
        let mut rng = Seed::from_number(1).public();
        let pause = Connectivity::refresh_far_buckets_at(NOW, &mut rng).since(NOW);
        assert!((EXPLORE_DELAY..=EXPLORE_DELAY * 2).contains(&pause));
    }

    #[test]
    fn the_targets_beyond_lie_on_the_other_side_at_each_depth() {
        let mut rng = Seed::from_number(1).public();
        for depth in 0..EXPLORED_DEPTH {
            let target = target_beyond(OWN, depth, &mut rng);
            let shared = (0..InfoHash::BITS).take_while(|bit| target.bit(*bit) == OWN.bit(*bit));
            assert_eq!(shared.count(), depth);
        }
    }

    /// A connectivity and what it works with.
    struct ConnectivityParts {
        it: Connectivity,
        contacts: Contacts,
        timers: Timers,
        now: Timestamp,
    }

    impl ConnectivityParts {
        fn new() -> Self {
            Self {
                it: Connectivity::new(NOW, &ConnectivityConfig::default()),
                contacts: Contacts::new(OWN, &RoutingConfig::default(), 14),
                timers: Timers::default(),
                now: NOW,
            }
        }

        fn add_addresses(&mut self, addresses: &[SocketAddr]) {
            let timers = &mut self.timers;
            (self.it).add_addresses(self.now, addresses, &self.contacts, timers);
        }

        fn ping_addresses(&mut self) {
            (self.it).ping_addresses(self.now, &self.contacts, &mut self.timers);
        }

        fn update(&mut self) {
            (self.it).update(self.now, V4, &self.contacts, &mut self.timers);
        }

        fn on_reply(&mut self, port: u16) {
            let contact = Contact::new(InfoHash::of(&port.to_be_bytes()), addr(port));
            let _ = (self.contacts).on_seen(self.now, contact, Confidence::Replied);
            self.it.on_reply(self.now, V4);
        }

        fn on_self_lookup_done(&mut self, now: Timestamp) -> Option<Timestamp> {
            let mut rng = Seed::from_number(1).public();
            self.it
                .on_self_lookup_done(now, V4, &self.contacts, &mut rng)
        }

        fn is_warm(&self, now: Timestamp) -> bool {
            self.it.is_warm(now, &self.contacts)
        }

        fn actions(&mut self) -> Vec<ConnectivityAction> {
            std::iter::from_fn(|| self.it.poll()).collect()
        }

        /// Returns when a timer goes off, and stops it and those before.
        fn timer(&mut self, timer: Timer) -> Option<Timestamp> {
            while let Some((at, next)) = self.timers.next() {
                if next == timer {
                    self.timers.stop(next);
                    return Some(at);
                }
                self.timers.stop(next);
            }
            None
        }
    }

    fn addr(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }
}
