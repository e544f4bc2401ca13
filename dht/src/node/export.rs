//! What a node knows, to be kept elsewhere: contacts, values, and its own address as others see it.

use std::net::IpAddr;

use super::Node;
use crate::value::ValueAddress;
use crate::wire::snapshot::Record;
use crate::{Contact, Timestamp};

impl Node {
    /// Returns the addresses that others see this node at, the most often seen first; at most 32 of
    /// each family.
    pub fn public_addresses(&self) -> Vec<IpAddr> {
        self.votes.by_votes()
    }

    /// Returns the good contacts, those near the own id first (`docs/spec/node.md#8`).
    pub fn export_contacts(&self, now: Timestamp) -> Vec<Contact> {
        self.contacts.good(now)
    }

    /// Returns all stored values (`docs/spec/node.md#9`).
    pub fn export_values(&self) -> Vec<Record> {
        self.server.export()
    }

    /// Stores values of a snapshot for what is left of their life, and returns how many were
    /// stored. Nothing becomes permanent, and signatures are not checked: import only what a node
    /// of yours exported.
    pub fn import_values(&mut self, now: Timestamp, records: &[Record]) -> usize {
        let now = self.advance(now);
        let mut stored = 0;
        for record in records {
            if self.server.import(now, record) {
                stored += 1;
                let address = ValueAddress {
                    key: record.key,
                    id: record.value.id(),
                };
                let (subscriptions, outbox) = (&mut self.subscriptions, &mut self.outbox);
                (self.server).tell_stored(now, address, subscriptions, outbox);
            }
        }
        self.server.schedule_expiry(&mut self.outbox);
        stored
    }
}
