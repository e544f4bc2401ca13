//! Contacts that turn out to be there, or not: what that means for tables and lookups.
//!
//! Listeners at their addresses are not concerned: a listener is gone when it does not confirm what
//! it is told. An address that answers under another id is there, and a probe that any datagram can
//! bring about must not end the listens of another.

use std::net::SocketAddr;

use super::failure_probe::TimeOut;
use super::outbox::{LookupStep, Probe};
use super::{Node, RequestPurpose};
use crate::routing::{Confidence, Growth};
use crate::rpc::NoReply;
use crate::{Contact, Family, InfoHash, Timestamp};

impl Node {
    /// Takes in that a datagram came from a contact, or that a reply named it. The table may want
    /// it pinged, or another contact in its bucket.
    pub(super) fn on_contact(&mut self, now: Timestamp, contact: Contact, confidence: Confidence) {
        let family = contact.family();
        let update = self.contacts.on_seen(now, contact, confidence);
        if let Some(contact) = update.ping {
            let successor = update.successor;
            self.outbox.probe(now, Probe { contact, successor });
        }
        let is_wanted = match update.growth {
            Growth::None => false,
            Growth::Refused => self.is_of_use(now, &contact),
            Growth::Added | Growth::AfterPause => true,
        };
        if is_wanted && confidence == Confidence::Sent {
            self.outbox.probe(now, contact);
        }
        if update.growth == Growth::AfterPause {
            self.confirm_soon(now, family);
        }
        if confidence == Confidence::Replied {
            self.connectivity.on_reply(now, family);
            self.act_on_connectivity(now);
        }
    }

    /// Tells permanent puts and listens of a contact that has just been validated, as it may be
    /// nearer to their keys than those they know (`docs/spec/node.md#4.1`).
    pub(super) fn offer_to_lookups(&mut self, now: Timestamp, contact: Contact) {
        let family = contact.family();
        let depth = self.contacts.table(family).depth();
        for id in self.lookups.interested(&contact, depth) {
            let lookup = self.lookups.get_mut(id);
            if lookup.is_some_and(|lookup| lookup.introduce(contact)) {
                self.drive(now, id);
            }
        }
    }

    /// Reports whether a contact that has not been validated may be among the nearest to the key of
    /// a permanent put or a listen, or of what is stored here.
    fn is_of_use(&self, now: Timestamp, contact: &Contact) -> bool {
        let depth = self.contacts.table(contact.family()).depth();
        !self.outbox.rpc.peers().is_validated(now, &contact.addr)
            && (self.lookups.is_near_any(contact, depth) || self.may_be_given(contact))
    }

    /// Handles a request that was not answered in time, or at all.
    pub(super) fn on_no_reply(&mut self, now: Timestamp, overdue: NoReply<RequestPurpose>) {
        match overdue {
            NoReply::TimedOut {
                purpose: RequestPurpose::Lookup(LookupStep { id, node, .. }),
                count,
                is_last,
            } => {
                if let Some(lookup) = self.lookups.get_mut(id) {
                    lookup.on_timeout(&node, count, is_last);
                }
                self.lookups.refill(now, id, &self.contacts);
                self.drive(now, id);
                self.on_timed_out(now, node, count);
            }
            NoReply::TimedOut {
                purpose: RequestPurpose::Probe(Probe { contact, .. }),
                count,
                is_last: _,
            } => self.on_timed_out(now, contact, count),
            NoReply::TimedOut {
                purpose: RequestPurpose::HandOver(transfer),
                count,
                ..
            } => self.on_timed_out(now, transfer.to, count),
            NoReply::TimedOut {
                purpose: RequestPurpose::Page(step),
                ..
            } => self.on_page_timeout(now, step),
            NoReply::TimedOut { .. } => {}
            NoReply::Held { purpose } => {
                if let RequestPurpose::Lookup(LookupStep { node, .. }) = purpose {
                    self.outbox.ping(now, node);
                }
            }
            NoReply::Incomplete { from, partial } => self.on_incomplete(now, from, &partial),
            NoReply::Failed {
                to,
                asked_at,
                purpose,
            } => match purpose {
                RequestPurpose::Lookup(LookupStep { id, node, .. }) => {
                    if let Some(lookup) = self.lookups.get_mut(id) {
                        lookup.on_failed(now, &node);
                    }
                    self.on_missed_reply(now, node, asked_at);
                    self.drive(now, id);
                }
                RequestPurpose::Probe(probe) => self.on_missed_probe(now, probe, asked_at),
                RequestPurpose::HandOver(transfer) => {
                    self.on_missed_reply(now, transfer.to, asked_at);
                    self.on_transfer_failed(now, &transfer);
                }
                RequestPurpose::Page(step) => {
                    self.on_missed_reply(now, step.node, asked_at);
                    self.on_page_failed(now, step);
                }
                RequestPurpose::Notify(_) => self.server.on_gone(now, to, &mut self.outbox),
                RequestPurpose::Bootstrap => self.update_status(now, Family::of(&to)),
            },
        }
    }

    /// Handles the `count`th time-out of a request to a contact; others may be gone with it.
    fn on_timed_out(&mut self, now: Timestamp, contact: Contact, count: u32) {
        let peers = self.outbox.rpc.peers();
        let time_out = TimeOut {
            count,
            timeout: peers.timeout(&contact.addr),
        };
        let may_be_there = |addr: &_| !peers.is_unresponsive(addr);
        let asked = (self.contacts).on_timeout(now, &contact, time_out, may_be_there);
        for contact in asked {
            self.outbox.ping(now, contact);
        }
    }

    /// Handles that a contact did not answer what it was asked at `asked_at`.
    fn on_missed_reply(&mut self, now: Timestamp, contact: Contact, asked_at: Timestamp) {
        if self.contacts.on_no_reply(&contact, asked_at) {
            self.update_status(now, contact.family());
        }
    }

    /// Handles that a contact did not answer what it was asked at `asked_at` for the sake of the
    /// table: another address under its id may have its place.
    fn on_missed_probe(&mut self, now: Timestamp, probe: Probe, asked_at: Timestamp) {
        let Probe { contact, successor } = probe;
        if self.contacts.on_no_reply(&contact, asked_at) {
            self.update_status(now, contact.family());
            self.probe_successor(now, contact.id, successor);
        }
    }

    /// Pings the address that may have the place of a contact that has failed.
    pub(super) fn probe_successor(
        &mut self,
        now: Timestamp,
        id: InfoHash,
        successor: Option<SocketAddr>,
    ) {
        if let Some(addr) = successor {
            self.outbox.probe(now, Contact::new(id, addr));
        }
    }

    /// Fails a contact that is not there, or of no use.
    pub(super) fn on_failed(&mut self, now: Timestamp, contact: Contact) {
        self.contacts.on_failure(&contact);
        self.update_status(now, contact.family());
    }
}
