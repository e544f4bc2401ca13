//! What needs no keys: it is passed on to the node.

use std::net::SocketAddr;

use super::SecureDht;
use crate::node::Node;
use crate::wire::snapshot::Record;
use crate::{Contact, Origin, Timestamp};

impl SecureDht {
    /// As [`Node::bootstrap`].
    pub fn bootstrap(&mut self, now: Timestamp, addresses: &[SocketAddr]) {
        self.node.bootstrap(now, addresses);
        self.advance(now);
    }

    /// As [`Node::insert_contacts`].
    pub fn insert_contacts(&mut self, now: Timestamp, contacts: &[Contact]) {
        self.restore_contacts(now, contacts, now);
    }

    /// As [`insert_contacts`](Self::insert_contacts), but none is pinged before `verify_at`.
    #[doc(hidden)]
    pub fn restore_contacts(&mut self, now: Timestamp, contacts: &[Contact], verify_at: Timestamp) {
        self.node.restore_contacts(now, contacts, verify_at);
        self.advance(now);
    }

    /// As [`Node::import_values`].
    pub fn import_values(&mut self, now: Timestamp, records: &[Record]) -> usize {
        let imported = self.node.import_values(now, records);
        self.advance(now);
        imported
    }

    /// As [`Node::connectivity_changed`].
    pub fn connectivity_changed(&mut self, now: Timestamp) {
        self.node.connectivity_changed(now);
        self.advance(now);
    }

    /// As [`Node::set_calendar`].
    pub fn set_calendar(&mut self, now: Timestamp, origin: Origin) {
        self.node.set_calendar(now, origin);
        self.advance(now);
    }

    /// Returns the node, to look at.
    pub fn node(&self) -> &Node {
        &self.node
    }
}
