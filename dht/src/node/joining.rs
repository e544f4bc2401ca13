//! How a node joins the network: bootstrap pings, contacts of a snapshot, the first lookups.

use std::net::SocketAddr;
use std::time::Duration;

use super::connectivity::{Connectivity, ConnectivityAction, EXPLORED_DEPTH, target_beyond};
use super::{Event, Node, RequestPurpose, Status, Timer};
use crate::wire::Request;
use crate::{Contact, Family, Timestamp};

const SECOND: Duration = Duration::from_secs(1);
/// Contacts of a snapshot that are asked at once in each family, some of each bucket.
const VERIFIED_AT_ONCE: usize = 16;
/// Contacts of each family that are asked in a round while the node is cut off.
const EXPIRED_PER_ROUND: usize = 16;
/// Those asked in each round after that. After two thirds of a minute a full table knows which of
/// its contacts are there; meanwhile a lookup asks those that it needs.
const VERIFIED_PER_ROUND: usize = 4;

impl Node {
    /// Works out how well a family is connected.
    pub(super) fn update_status(&mut self, now: Timestamp, family: Family) {
        let timers = &mut self.outbox.timers;
        (self.connectivity).update(now, family, &self.contacts, timers);
        self.act_on_connectivity(now);
    }

    /// Pings the bootstrap addresses once more, unless the node is connected.
    pub(super) fn ping_bootstrap(&mut self, now: Timestamp) {
        let timers = &mut self.outbox.timers;
        (self.connectivity).ping_addresses(now, &self.contacts, timers);
        self.act_on_connectivity(now);
    }

    /// Carries out the actions of [`Connectivity`].
    pub(super) fn act_on_connectivity(&mut self, now: Timestamp) {
        while let Some(action) = self.connectivity.poll() {
            match action {
                ConnectivityAction::Ping(addr) => {
                    let purpose = RequestPurpose::Bootstrap;
                    self.outbox.request(now, addr, Request::Ping, purpose);
                }
                ConnectivityAction::PingExpired(family) => {
                    for contact in self.contacts.ask_expired(now, family, EXPIRED_PER_ROUND) {
                        self.outbox.ping(now, contact);
                    }
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

    /// Resumes all that waited for a family to be connected.
    fn on_connected(&mut self, now: Timestamp, family: Family) {
        let deadline = self.connectivity.connect_deadline();
        if deadline > now {
            self.outbox.timers.set(Timer::ConnectDeadline, deadline);
        }
        // A node with contacts of a snapshot looks up its own id when it knows which of them are
        // left.
        if self.contacts.unverified(family) == 0 {
            self.explore(now, family);
        }
        for id in self.lookups.of_family(family) {
            self.resume(now, id);
        }
    }

    /// Looks up the own id, and fills the far buckets a little later.
    fn explore(&mut self, now: Timestamp, family: Family) {
        self.start_node_lookup(now, self.contacts.own(), family);
        let at = Connectivity::refresh_far_buckets_at(now, &mut self.outbox.rng);
        self.outbox.timers.set(Timer::RefreshFarBuckets(family), at);
    }

    /// Looks up an id in each of the far buckets in which few contacts are known.
    pub(super) fn refresh_far_buckets(&mut self, now: Timestamp, family: Family) {
        for depth in 0..EXPLORED_DEPTH {
            let target = target_beyond(self.contacts.own(), depth, &mut self.outbox.rng);
            if !self.contacts.table(family).is_known(&target, now) {
                self.start_node_lookup(now, target, family);
            }
        }
    }

    /// Lets what is asked of an address fail: the system cannot send there.
    pub(super) fn on_unreachable(&mut self, now: Timestamp, to: SocketAddr) {
        self.outbox.rpc.on_unreachable(now, to);
        let timers = &mut self.outbox.timers;
        (self.connectivity).on_unreachable(now, to, &self.contacts, timers);
        self.act_on_connectivity(now);
    }

    /// Requires all contacts to answer again, and restarts the bootstrap if none is left.
    pub(super) fn on_network_changed(&mut self, now: Timestamp) {
        self.votes.clear();
        self.outbox.rpc.peers_mut().unblock_all();
        for family in Family::ALL {
            self.contacts.reset(family);
            self.update_status(now, family);
            self.confirm_soon(now, family);
        }
        let timers = &mut self.outbox.timers;
        self.connectivity.restart(now, &self.contacts, timers);
        self.act_on_connectivity(now);
    }

    /// Adds contacts, and asks them from `verify_at` on whether they are still there.
    pub(super) fn take_contacts(
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
                self.verify(now, family, VERIFIED_AT_ONCE);
            }
            self.update_status(now, family);
        }
    }

    /// Asks a few more contacts of a snapshot whether they are still there.
    pub(super) fn verify_more(&mut self, now: Timestamp, family: Family) {
        self.verify(now, family, VERIFIED_PER_ROUND);
    }

    /// Repeats the lookup of the own id, if few contacts are known.
    pub(super) fn repeat_self_lookup(&mut self, now: Timestamp, family: Family) {
        if self.connectivity.knows_few(now, family, &self.contacts) {
            self.start_node_lookup(now, self.contacts.own(), family);
        }
    }

    /// Asks `count` contacts of a snapshot whether they are still there, and others a little later.
    fn verify(&mut self, now: Timestamp, family: Family, count: usize) {
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
}
