//! [`Stats`]: what a node counts.

use super::{Node, Status};
use crate::routing::Counts;
use crate::rpc::Traffic;
use crate::storage::Sizes;
use crate::{ByFamily, Family, Timestamp};

/// A node's figures at a moment.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Stats {
    /// What is counted for each family.
    pub families: ByFamily<FamilyStats>,
    /// What is stored.
    pub storage: Sizes,
    /// Remote listeners.
    pub listeners: usize,
    /// Those that gave way to others so far, or were not told something.
    pub dropped_listeners: u64,
    /// Lookups, running or remembered.
    pub lookups: usize,
    /// Those of them that wait for their turn.
    pub waiting_lookups: usize,
    /// Permanent puts, counted in each family, whose copies at other nodes may have run out, as
    /// they still wait to be announced again.
    pub overdue_announcements: usize,
    /// Operations of the application.
    pub operations: usize,
    /// Requests waiting for a reply.
    pub pending_requests: usize,
    /// Values of others that were refused.
    pub refused_puts: u64,
    /// Datagrams.
    pub traffic: Traffic,
}

/// A family's figures.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct FamilyStats {
    /// How well it is connected.
    pub status: Status,
    /// The contacts of its table.
    pub contacts: Counts,
    /// How many times a contact was refused, as its address or network had its share of the table.
    pub crowded_out: u64,
    /// The depth of its table, in bits.
    pub table_depth: usize,
    /// An estimate of how many nodes the network has, by how densely those lie that lookups found;
    /// before any has found enough, by those in the table.
    pub network_size_estimate: u64,
    /// The standard error of that, in percent of it, if it is by lookups.
    pub network_size_error_percent: Option<u32>,
    /// Lookups that ended among nodes so close to the key that it happens to fewer than one in a
    /// hundred keys by chance. Many mean that someone surrounds keys that are looked up here.
    pub dense_lookups: u64,
}

impl Node {
    /// Returns the figures of this moment. Costs time in proportion to the tables' size.
    pub fn stats(&self, now: Timestamp) -> Stats {
        Stats {
            families: ByFamily::from_fn(|family| self.family_stats(now, family)),
            storage: self.server.storage.sizes(),
            listeners: self.server.listeners.len(),
            dropped_listeners: self.server.listeners.displaced(),
            lookups: self.lookups.len(),
            waiting_lookups: self.lookups.waiting(),
            overdue_announcements: self.lookups.count_overdue(now),
            operations: self.operations.len(),
            pending_requests: self.outbox.rpc.pending_count(),
            refused_puts: self.server.refused_puts,
            traffic: self.outbox.rpc.traffic(),
        }
    }

    fn family_stats(&self, now: Timestamp, family: Family) -> FamilyStats {
        let table = self.contacts.table(family);
        let estimate = self.contacts.size_estimate(family);
        FamilyStats {
            status: self.status(family),
            contacts: table.counts(now),
            crowded_out: table.crowded_out(),
            table_depth: table.depth(),
            network_size_estimate: estimate.map_or_else(|| table.size_estimate(now), |it| it.nodes),
            network_size_error_percent: estimate.map(|it| it.error_percent),
            dense_lookups: self.contacts.dense_lookups(family),
        }
    }
}
