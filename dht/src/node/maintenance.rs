//! What a node does by itself for its tables: it confirms contacts, refreshes buckets, forgets
//! contacts that are gone.

use std::time::Duration;

use super::{Node, RequestPurpose, Timer};
use crate::wire::{FindRequest, Request};
use crate::{Family, Timestamp};

const SECOND: Duration = Duration::from_secs(1);

impl Node {
    /// Sets the recurring timers.
    pub(super) fn start_maintenance(&mut self) {
        let now = self.now;
        self.server.schedule_rotation(&mut self.outbox);
        let deadline = self.connectivity.connect_deadline();
        self.outbox.timers.set(Timer::ConnectDeadline, deadline);
        self.run_hand_over(now);
        for family in Family::ALL {
            let timer = Timer::Confirm(family);
            self.outbox.set_between(now, timer, SECOND * 3, SECOND * 5);
            self.schedule_purge(now, family);
        }
    }

    /// Forgets contacts that are gone, and asks those that may take their places.
    pub(super) fn purge(&mut self, now: Timestamp, family: Family) {
        for candidate in self.contacts.purge(family) {
            self.outbox.ping(now, candidate);
        }
        self.update_status(now, family);
        self.schedule_purge(now, family);
    }

    /// Lets operations that waited for a connection start without one.
    pub(super) fn stop_waiting(&mut self, now: Timestamp) {
        for family in Family::ALL {
            self.update_status(now, family);
            for id in self.lookups.of_family(family) {
                self.lookups.refill(now, id, &self.contacts);
                self.drive(now, id);
            }
        }
    }

    /// Schedules the next confirmation within a second.
    pub(super) fn confirm_soon(&mut self, now: Timestamp, family: Family) {
        let timer = Timer::Confirm(family);
        self.outbox.timers.schedule_by(timer, now + SECOND);
    }

    /// Asks contacts of a table whether they are there, and refreshes its buckets
    /// (`docs/spec/node.md#3.1`).
    pub(super) fn confirm(&mut self, now: Timestamp, family: Family) {
        let uses_other = self.connectivity.uses_other(family);
        let mut asked = false;
        while let Some((refresh, want)) =
            (self.contacts).next_refresh(now, family, &mut self.outbox.rng, uses_other)
        {
            asked = true;
            let target = refresh.target;
            let purpose = RequestPurpose::Probe(refresh.via.into());
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

    /// Sets the timer for the next purge.
    fn schedule_purge(&mut self, now: Timestamp, family: Family) {
        let timer = Timer::Purge(family);
        self.outbox
            .set_between(now, timer, SECOND * 120, SECOND * 360);
    }
}
