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

/// How many levels of the id space a newcomer gets to know at once.
pub(super) const EXPLORED_DEPTH: usize = 4;
/// After the first good contact, how long it takes to get to know others if there are any.
const WARM_UP: Duration = Duration::from_secs(2);
/// After the first good contact, how long the node looks for others that come at the same time,
/// ever more seldom. Maintenance finds those that come later.
const EXPLORE_WINDOW: Duration = Duration::from_secs(60);
/// The shortest pause before the first walk is repeated.
const RETRY_MIN: Duration = Duration::from_millis(10);
/// How long a newcomer does not look around yet; up to twice that.
const EXPLORE_DELAY: Duration = Duration::from_millis(50);

/// The status of each family, and the way to a better one. It sends nothing: what it wants done is
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
    /// From then on enough is known of the network to ask much of it.
    warm_at: Timestamp,
    /// What has not been done yet.
    actions: VecDeque<ConnectivityAction>,
}

/// Something to do about the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ConnectivityAction {
    /// Ping a bootstrap address.
    Ping(SocketAddr),
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

    /// Reports whether the family beside this one is in use.
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

    /// Reports whether enough is known of the network to ask much of it, or as much as will be.
    pub(super) fn is_warm(&self, now: Timestamp, contacts: &Contacts) -> bool {
        now >= self.warm_at || Family::ALL.iter().any(|it| contacts.are_many(now, *it))
    }

    /// Reports whether a family is connected, yet not by a bucketful of good contacts.
    pub(super) fn knows_few(&self, now: Timestamp, family: Family, contacts: &Contacts) -> bool {
        self.status[family] == Status::Connected && !contacts.are_many(now, family)
    }

    /// Takes what to do next.
    pub(super) fn poll(&mut self) -> Option<ConnectivityAction> {
        self.actions.pop_front()
    }

    /// A contact of a family answered.
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
        }
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

    /// Starts the rounds of bootstrap pings anew, unless the node is connected.
    pub(super) fn restart(&mut self, now: Timestamp, contacts: &Contacts, timers: &mut Timers) {
        if self.bootstrap.is_empty() || self.is_connected() {
            return;
        }
        self.await_connection(now, timers);
        self.bootstrap.restart();
        self.ping_addresses(now, contacts, timers);
    }

    /// Pings the bootstrap addresses, unless the node is connected, and plans the next round.
    pub(super) fn ping_addresses(
        &mut self,
        now: Timestamp,
        contacts: &Contacts,
        timers: &mut Timers,
    ) {
        if self.is_connected() {
            return;
        }
        let (addresses, next) = self.bootstrap.round(now);
        let pings = addresses.into_iter().map(ConnectivityAction::Ping);
        self.actions.extend(pings);
        timers.set(Timer::Bootstrap, next);
        for family in Family::ALL {
            self.update(now, family, contacts, timers);
        }
    }

    /// Lets operations wait for a connection again, for some time.
    pub(super) fn await_connection(&mut self, now: Timestamp, timers: &mut Timers) {
        self.connect_deadline = now + self.connect_timeout;
        timers.set(Timer::ConnectDeadline, self.connect_deadline);
    }

    /// Returns when to look around after a walk to the own neighbours has begun: a little later, as
    /// those that come at the same moment walk to theirs first.
    pub(super) fn look_around_at(now: Timestamp, rng: &mut Rng) -> Timestamp {
        now + rng.between(EXPLORE_DELAY, EXPLORE_DELAY * 2)
    }

    /// The walk to the own neighbours is over. Returns when to repeat it as long as few have
    /// answered: of a network that begins all at once, nodes that are asked early know few others,
    /// or answer too late for the walk.
    pub(super) fn on_explored(
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
/// Differs: the reference walks home only, and leaves the rest to the refresh of empty buckets. But
/// a node that has got to know only one side by then has none to ask about the other: lookups end
/// among the nearest nodes of the wrong side. The first contact is likely to know more.
pub(super) fn target_beyond(own: InfoHash, depth: usize, rng: &mut Rng) -> InfoHash {
    let random = rng.hash();
    let shared = (0..depth).fold(random, |id, bit| id.with_bit(bit, own.bit(bit)));
    shared.with_bit(depth, !own.bit(depth))
}
