//! What a node does by itself: it confirms contacts, refreshes buckets, drops what has expired,
//! starts over when cut off.

use std::time::Duration;

use super::connectivity::{ConnectivityAction, EXPLORED_DEPTH, target_beyond};
use super::{Connectivity, Event, Node, RequestPurpose, Status, Timer};
use crate::wire::{FindRequest, Request};
use crate::{Contact, Family, Timestamp};

const SECOND: Duration = Duration::from_secs(1);
/// Contacts of a snapshot that are asked at once in each family, some of each bucket.
const VERIFIED_AT_ONCE: usize = 16;
/// Those asked in each round after that. Two thirds of a minute and a full table knows who is
/// there; meanwhile a lookup asks whom it needs.
const VERIFIED_PER_ROUND: usize = 4;

impl Node {
    pub(super) fn start_upkeep(&mut self) {
        let now = self.now;
        self.server.schedule_rotation(&mut self.outbox);
        let timers = &mut self.outbox.timers;
        timers.set(Timer::ConnectDeadline, self.connectivity.connect_deadline());
        for family in Family::ALL {
            self.outbox
                .set_between(now, Timer::Confirm(family), SECOND * 3, SECOND * 5);
            self.schedule_purge(now, family);
        }
    }

    pub(super) fn on_timer(&mut self, now: Timestamp, timer: Timer) {
        match timer {
            Timer::Lookup(id) => {
                if !self.lookups.forget_if_idle(id) {
                    self.resume(now, id);
                }
            }
            Timer::Background => self.run_background(now),
            Timer::Storage => {
                let (subscriptions, outbox) = (&mut self.subscriptions, &mut self.outbox);
                self.server.expire_values(now, subscriptions, outbox);
            }
            Timer::Listeners => self.server.expire_listeners(now, &mut self.outbox),
            Timer::ListenedValues => {
                self.outbox.report(self.subscriptions.expire(now));
                if let Some(at) = self.subscriptions.next_expiry() {
                    self.outbox.timers.set(Timer::ListenedValues, at);
                }
            }
            Timer::PendingPuts => self.server.expire_puts(now, &mut self.outbox),
            Timer::Tokens => self.server.rotate_tokens(now, &mut self.outbox),
            Timer::Bootstrap => {
                let timers = &mut self.outbox.timers;
                self.connectivity
                    .ping_addresses(now, &self.contacts, timers);
                self.act_on_connectivity(now);
            }
            Timer::Confirm(family) => self.confirm(now, family),
            Timer::Purge(family) => {
                for candidate in self.contacts.purge(family) {
                    self.outbox.ping(now, candidate);
                }
                self.update_status(now, family);
                self.schedule_purge(now, family);
            }
            Timer::VerifyRestored(family) => {
                self.verify_contacts(now, family, VERIFIED_PER_ROUND);
            }
            Timer::RepeatSelfLookup(family) => {
                if self.connectivity.knows_few(now, family, &self.contacts) {
                    self.walk(now, self.contacts.own(), family);
                }
            }
            Timer::RefreshSiblings(family) => self.look_around(now, family),
            Timer::ConnectDeadline => self.drive_all(now),
            Timer::Requests | Timer::Never => {}
        }
    }

    /// Works out how well a family is connected.
    pub(super) fn update_status(&mut self, now: Timestamp, family: Family) {
        let timers = &mut self.outbox.timers;
        self.connectivity
            .update(now, family, &self.contacts, timers);
        self.act_on_connectivity(now);
    }

    /// Does what the connection wants done.
    pub(super) fn act_on_connectivity(&mut self, now: Timestamp) {
        while let Some(action) = self.connectivity.poll() {
            match action {
                ConnectivityAction::Ping(addr) => {
                    let purpose = RequestPurpose::Bootstrap;
                    self.outbox.request(now, addr, Request::Ping, purpose);
                }
                ConnectivityAction::ChangeStatus(family, status) => {
                    self.outbox
                        .report([Event::StatusChanged { family, status }]);
                    if status == Status::Connected {
                        self.on_connected(now, family);
                    }
                }
            }
        }
    }

    /// A family is connected, and all that waited for this goes on.
    fn on_connected(&mut self, now: Timestamp, family: Family) {
        // A node that has a table from before knows the way, and walks home when it knows which of
        // them are left.
        if self.contacts.unverified(family) == 0 {
            self.explore(now, family);
        }
        for id in self.lookups.of_family(family) {
            self.resume(now, id);
        }
    }

    /// Walks to the own neighbours, and looks around a little later.
    fn explore(&mut self, now: Timestamp, family: Family) {
        self.walk(now, self.contacts.own(), family);
        let at = Connectivity::look_around_at(now, &mut self.outbox.rng);
        self.outbox.timers.set(Timer::RefreshSiblings(family), at);
    }

    /// Walks into those of the farther parts of the id space where few contacts are known.
    fn look_around(&mut self, now: Timestamp, family: Family) {
        for depth in 0..EXPLORED_DEPTH {
            let target = target_beyond(self.contacts.own(), depth, &mut self.outbox.rng);
            if !self.contacts.table(family).is_known(&target, now) {
                self.walk(now, target, family);
            }
        }
    }

    pub(super) fn on_connectivity_changed(&mut self, now: Timestamp) {
        self.votes.clear();
        for family in Family::ALL {
            self.contacts.reset(family);
            self.update_status(now, family);
            self.hasten_confirmation(now, family);
        }
        let timers = &mut self.outbox.timers;
        self.connectivity.restart(now, &self.contacts, timers);
        self.act_on_connectivity(now);
    }

    /// Takes contacts in, and asks them from `verify_at` on whether they are still there.
    pub(super) fn import_contacts(
        &mut self,
        now: Timestamp,
        contacts: &[Contact],
        verify_at: Timestamp,
    ) {
        let timers = &mut self.outbox.timers;
        self.connectivity.await_connection(now, timers);
        self.contacts.restore(now, contacts);
        for family in Family::ALL {
            if verify_at > now {
                let timer = Timer::VerifyRestored(family);
                self.outbox.timers.set(timer, verify_at);
            } else {
                self.verify_contacts(now, family, VERIFIED_AT_ONCE);
            }
            self.update_status(now, family);
        }
    }

    /// Asks `count` contacts of a snapshot whether they are still there, and others a little later.
    fn verify_contacts(&mut self, now: Timestamp, family: Family, count: usize) {
        let is_over = self.contacts.unverified(family) == 0;
        for contact in self.contacts.verify(now, family, count) {
            self.outbox.ping(now, contact);
        }
        if self.contacts.unverified(family) > 0 {
            let timer = Timer::VerifyRestored(family);
            self.outbox.set_between(now, timer, SECOND, SECOND * 2);
        } else if !is_over && self.status(family) == Status::Connected {
            self.explore(now, family);
        }
    }

    /// Runs maintenance within a second.
    pub(super) fn hasten_confirmation(&mut self, now: Timestamp, family: Family) {
        let timer = Timer::Confirm(family);
        self.outbox.timers.schedule_by(timer, now + SECOND);
    }

    /// Maintenance of a table (`docs/spec/node.md#3.1`).
    fn confirm(&mut self, now: Timestamp, family: Family) {
        let uses_other = self.connectivity.uses_other(family);
        let mut asked = false;
        while let Some((refresh, want)) =
            (self.contacts).next_refresh(now, family, &mut self.outbox.rng, uses_other)
        {
            asked = true;
            let target = refresh.target;
            let purpose = RequestPurpose::Probe(refresh.via);
            let request = Request::Find(FindRequest { target, want });
            self.outbox.request(now, refresh.via.addr, request, purpose);
        }
        self.update_status(now, family);
        let (low, high) = if asked {
            (SECOND * 5, SECOND * 25)
        } else {
            (SECOND * 60, SECOND * 180)
        };
        let timer = Timer::Confirm(family);
        self.outbox.set_between(now, timer, low, high);
    }

    fn schedule_purge(&mut self, now: Timestamp, family: Family) {
        let timer = Timer::Purge(family);
        self.outbox
            .set_between(now, timer, SECOND * 120, SECOND * 360);
    }

    fn drive_all(&mut self, now: Timestamp) {
        for family in Family::ALL {
            self.update_status(now, family);
            for id in self.lookups.of_family(family) {
                self.lookups.refill(now, id, &self.contacts);
                self.drive(now, id);
            }
        }
    }
}
