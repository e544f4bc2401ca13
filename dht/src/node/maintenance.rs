//! What a node does by itself: it confirms contacts, refreshes buckets, drops what has expired, starts over when cut off.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Event, Node, RequestPurpose, Status, Timer};
use crate::lookup::Lookup;
use crate::routing::Refresh;
use crate::wire::{Request, Want};
use crate::{Contact, Family, InfoHash, Timestamp, UnixTime, is_martian};

/// How many levels of the id space a newcomer gets to know at once.
const EXPLORED_DEPTH: usize = 4;
const SECOND: Duration = Duration::from_secs(1);
/// After the first good contact, how long it takes to get to know others if there are any.
const WARM_UP: Duration = Duration::from_secs(2);
/// After the first good contact, how long we look for others who are there at once, ever more seldom. Maintenance finds
/// who comes later.
const EXPLORE_WINDOW: Duration = Duration::from_secs(60);
/// The shortest pause before the first walk is repeated.
const RETRY_MIN: Duration = Duration::from_millis(10);
/// How long a newcomer does not look around yet; up to twice that.
const EXPLORE_DELAY: Duration = Duration::from_millis(50);
/// Contacts of a snapshot that are asked at once in each family, some of each bucket.
const VERIFIED_AT_ONCE: usize = 16;
/// Those asked in each round after that. Two thirds of a minute and a full table knows who is there; meanwhile a lookup
/// asks whom it needs.
const VERIFIED_PER_ROUND: usize = 4;

impl Node {
    pub(super) fn start_upkeep(&mut self) {
        let now = self.now;
        self.outbox
            .timers
            .set(Timer::Tokens, self.tokens.next_rotation());
        self.outbox
            .timers
            .set(Timer::ConnectDeadline, self.connect_deadline);
        for family in Family::ALL {
            self.outbox
                .set_between(now, Timer::Confirm(family), SECOND * 3, SECOND * 5);
            self.schedule_purge(now, family);
        }
    }

    pub(super) fn on_timer(&mut self, now: Timestamp, timer: Timer) {
        match timer {
            Timer::Lookup(key, family) => self.on_lookup_timer(now, key, family),
            Timer::Background => self.run_background(now),
            Timer::Storage => self.expire_storage(now),
            Timer::Listeners => {
                self.listeners.drop_expired(now);
                if let Some(at) = self.listeners.next_expiry() {
                    self.outbox.timers.set(Timer::Listeners, at);
                }
            }
            Timer::ListenedValues => {
                self.outbox.report(self.subscriptions.expire(now));
                if let Some(at) = self.subscriptions.next_expiry() {
                    self.outbox.timers.set(Timer::ListenedValues, at);
                }
            }
            Timer::PendingPuts => {
                self.pending_puts.expire(now);
                self.outbox
                    .timers
                    .set(Timer::PendingPuts, self.pending_puts.next_deadline());
            }
            Timer::Tokens => {
                self.tokens.rotate(now, &mut self.private);
                self.outbox
                    .timers
                    .set(Timer::Tokens, self.tokens.next_rotation());
            }
            Timer::Bootstrap => self.run_bootstrap(now),
            Timer::Confirm(family) => self.confirm(now, family),
            Timer::Purge(family) => {
                for candidate in self.table(family).purge() {
                    self.outbox.ping(now, candidate);
                }
                self.update_status(now, family);
                self.schedule_purge(now, family);
            }
            Timer::VerifyRestored(family) => self.call(now, family, VERIFIED_PER_ROUND),
            Timer::RepeatSelfLookup(family) => {
                if self.knows_few(now, family) {
                    self.walk(now, self.id, family);
                }
            }
            Timer::RefreshSiblings(family) => self.look_around(now, family),
            Timer::ConnectDeadline => self.drive_all(now),
            Timer::Requests | Timer::Never => {}
        }
    }

    /// A contact answered.
    pub(super) fn on_good_contact(&mut self, now: Timestamp, contact: Contact) {
        self.set_status(now, contact.family(), Status::Connected);
    }

    /// A family is connected, and all that waited for this goes on.
    fn on_connected(&mut self, now: Timestamp, family: Family) {
        self.warm_at = now + WARM_UP;
        // Who has a table from before knows the way, and goes home when he knows who else is left.
        if self.unverified[family] == 0 {
            self.explore(now, family);
        }
        for key in self.lookups.keys(family) {
            self.open_lookup(now, key, family);
            self.drive(now, key, family);
        }
    }

    /// Walks to the own neighbours, and looks around a little later: who comes at the same moment goes home first.
    fn explore(&mut self, now: Timestamp, family: Family) {
        self.walk(now, self.id, family);
        self.outbox.set_between(
            now,
            Timer::RefreshSiblings(family),
            EXPLORE_DELAY,
            EXPLORE_DELAY * 2,
        );
    }

    /// Walks into the half of the id space that is not ours, the quarter that is not ours of the half that is, and so on.
    ///
    /// Differs: the reference walks home only, and leaves the rest to the refresh of empty buckets. But who has got to
    /// know only one side by then has nobody to ask about the other: lookups end among the nearest nodes of the wrong
    /// side. The first contact is likely to know more.
    fn look_around(&mut self, now: Timestamp, family: Family) {
        let own = self.id;
        for depth in 0..EXPLORED_DEPTH {
            let shared = (0..depth).fold(self.outbox.rng.hash(), |id, bit| {
                id.with_bit(bit, own.bit(bit))
            });
            let target = shared.with_bit(depth, !own.bit(depth));
            if !self.table(family).is_known(&target, now) {
                self.walk(now, target, family);
            }
        }
    }

    /// The walk to the own neighbours is over. As long as few have answered, it is repeated: of a network that begins all
    /// at once nobody knows much yet who is asked early, or answers too late for the walk.
    pub(super) fn on_explored(&mut self, now: Timestamp, family: Family) {
        let connected = now.since(self.warm_at - WARM_UP);
        if connected < EXPLORE_WINDOW && self.knows_few(now, family) {
            let pause = connected.max(RETRY_MIN);
            self.outbox
                .set_between(now, Timer::RepeatSelfLookup(family), pause, pause * 2);
        }
    }

    /// Whether a family is connected, yet not by a bucketful of good contacts.
    fn knows_few(&self, now: Timestamp, family: Family) -> bool {
        self.status(family) == Status::Connected
            && self.tables[family].counts(now).good < self.config.routing.bucket_size
    }

    /// Works out how well a family is connected.
    pub(super) fn update_status(&mut self, now: Timestamp, family: Family) {
        let counts = self.tables[family].counts(now);
        let status = if counts.good > 0 {
            Status::Connected
        } else if counts.dubious > 0 || (self.bootstrap.has(family) && now < self.connect_deadline)
        {
            Status::Connecting
        } else {
            Status::Disconnected
        };
        self.set_status(now, family, status);
    }

    /// Starts the rounds of bootstrap pings anew, unless the node is connected.
    pub(super) fn restart_bootstrap(&mut self, now: Timestamp) {
        if self.bootstrap.is_empty() || self.is_connected() {
            return;
        }
        self.connect_deadline = now + self.config.connectivity.connect_timeout;
        self.outbox
            .timers
            .set(Timer::ConnectDeadline, self.connect_deadline);
        self.bootstrap.restart();
        self.run_bootstrap(now);
    }

    pub(super) fn on_connectivity_changed(&mut self, now: Timestamp) {
        self.votes.clear();
        for family in Family::ALL {
            self.table(family).reset();
            self.update_status(now, family);
            self.hasten_confirmation(now, family);
        }
        self.restart_bootstrap(now);
    }

    /// Takes contacts in, whom to ask from `call` on whether they are still there.
    pub(super) fn import_contacts(
        &mut self,
        now: Timestamp,
        contacts: &[Contact],
        call: Timestamp,
    ) {
        self.connect_deadline = now + self.config.connectivity.connect_timeout;
        self.outbox
            .timers
            .set(Timer::ConnectDeadline, self.connect_deadline);
        for contact in contacts {
            if !is_martian(&contact.addr) {
                let family = contact.family();
                let is_new = self.table(family).restore(*contact, now);
                self.unverified[family] += usize::from(is_new);
            }
        }
        for family in Family::ALL {
            if call > now {
                self.outbox.timers.set(Timer::VerifyRestored(family), call);
            } else {
                self.call(now, family, VERIFIED_AT_ONCE);
            }
            self.update_status(now, family);
        }
    }

    /// Asks `count` contacts of a snapshot whether they are still there, and others a little later.
    fn call(&mut self, now: Timestamp, family: Family, count: usize) {
        let unverified = self.unverified[family];
        let asked = self
            .table(family)
            .ask_unverified(count.min(unverified), now);
        for contact in &asked {
            self.outbox.ping(now, *contact);
        }
        let left = if asked.is_empty() {
            0
        } else {
            unverified - asked.len()
        };
        self.unverified[family] = left;
        if left > 0 {
            self.outbox
                .set_between(now, Timer::VerifyRestored(family), SECOND, SECOND * 2);
        } else if unverified > 0 && self.status(family) == Status::Connected {
            self.explore(now, family);
        }
    }

    /// Runs maintenance within a second.
    pub(super) fn hasten_confirmation(&mut self, now: Timestamp, family: Family) {
        self.outbox
            .timers
            .schedule_by(Timer::Confirm(family), now + SECOND);
    }

    pub(super) fn schedule_expiry(&mut self) {
        match self.storage.next_expiry() {
            Some(at) => self.outbox.timers.set(Timer::Storage, at),
            None => self.outbox.timers.stop(Timer::Storage),
        }
    }

    /// The monotonic moment of an expiry, `None` if it has passed.
    pub(super) fn moment_of(&self, now: Timestamp, expiry: UnixTime) -> Option<Timestamp> {
        let today = self.origin.to_unix(now).as_micros();
        let left = expiry
            .as_micros()
            .checked_sub(today)
            .filter(|left| *left > 0)?;
        Some(now + Duration::from_micros(left))
    }

    fn set_status(&mut self, now: Timestamp, family: Family, status: Status) {
        let before = std::mem::replace(&mut self.status[family], status);
        if before == status {
            return;
        }
        self.outbox
            .report([Event::StatusChanged { family, status }]);
        if status == Status::Connected {
            self.on_connected(now, family);
        } else if before == Status::Connected {
            self.restart_bootstrap(now);
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.status
            .iter()
            .any(|status| *status == Status::Connected)
    }

    pub(super) fn ping_bootstrap(&mut self, now: Timestamp, addresses: &[SocketAddr]) {
        for address in addresses {
            let purpose = RequestPurpose::Bootstrap;
            self.outbox.request(now, *address, Request::Ping, purpose);
        }
    }

    fn run_bootstrap(&mut self, now: Timestamp) {
        if self.is_connected() {
            return;
        }
        let (addresses, next) = self.bootstrap.round(now);
        self.ping_bootstrap(now, &addresses);
        self.outbox.timers.set(Timer::Bootstrap, next);
        for family in Family::ALL {
            self.update_status(now, family);
        }
    }

    /// Maintenance of a table (`docs/spec/node.md#3.1`).
    fn confirm(&mut self, now: Timestamp, family: Family) {
        let mut asked = false;
        while let Some(refresh) = self.tables[family].next_refresh(now, &mut self.outbox.rng) {
            asked = true;
            self.refresh_bucket(now, family, refresh);
        }
        self.update_status(now, family);
        let next = if asked {
            self.outbox.rng.between(SECOND * 5, SECOND * 25)
        } else {
            self.outbox.rng.between(SECOND * 60, SECOND * 180)
        };
        self.outbox.timers.set(Timer::Confirm(family), now + next);
    }

    fn refresh_bucket(&mut self, now: Timestamp, family: Family, refresh: Refresh) {
        let other = match family {
            Family::V4 => Family::V6,
            Family::V6 => Family::V4,
        };
        let dual = self.status(other) != Status::Disconnected;
        let sparse = self.tables[other].is_sparse(&refresh.target);
        let want_both = dual && (sparse || self.outbox.rng.one_in(38));
        let request = Request::Find {
            target: refresh.target,
            want: want_both.then_some(Want { v4: true, v6: true }),
        };
        let purpose = RequestPurpose::Probe(refresh.via);
        self.outbox.request(now, refresh.via.addr, request, purpose);
    }

    fn on_lookup_timer(&mut self, now: Timestamp, key: InfoHash, family: Family) {
        let idle = self.lookups.get(key, family).is_none_or(Lookup::is_idle);
        if idle {
            self.lookups.forget_idle((key, family));
        } else {
            self.open_lookup(now, key, family);
            self.drive(now, key, family);
        }
    }

    fn expire_storage(&mut self, now: Timestamp) {
        for (key, id) in self.storage.expire(now) {
            self.notify_removed(now, key, id);
        }
        self.schedule_expiry();
    }

    fn schedule_purge(&mut self, now: Timestamp, family: Family) {
        self.outbox
            .set_between(now, Timer::Purge(family), SECOND * 120, SECOND * 360);
    }

    fn drive_all(&mut self, now: Timestamp) {
        for family in Family::ALL {
            self.update_status(now, family);
            for key in self.lookups.keys(family) {
                self.refill(now, key, family);
                self.drive(now, key, family);
            }
        }
    }
}
