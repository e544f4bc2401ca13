//! What a node knows, to be kept elsewhere: contacts, values, and its own address as others see it.

use std::net::IpAddr;
use std::time::Duration;

use super::{Listed, LookupId, LookupSnapshot, Node};
use crate::storage;
use crate::value::Value;
use crate::wire::snapshot::Record;
use crate::{Contact, Family, InfoHash, Timestamp};

/// Addresses remembered in each family.
const MAX_ADDRESSES: usize = 32;

/// Which addresses others have seen this node at, by how many answers said so.
#[derive(Default, Debug)]
pub(super) struct AddressVotes(Vec<(IpAddr, u32)>);

/// The values stored under a key at a moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredKey {
    /// The key.
    pub key: InfoHash,
    /// The values, in the order of their ids.
    pub values: Vec<StoredValue>,
}

/// A stored value at a moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredValue {
    /// The value.
    pub value: Value,
    /// How long it will be kept; `None` for a permanent value of this node.
    pub expires_in: Option<Duration>,
    /// Whose quota it counts against, of an IPv6 address the upper half alone; `None` for a value
    /// of this node.
    pub source: Option<IpAddr>,
}

impl AddressVotes {
    pub(super) fn add(&mut self, ip: IpAddr) {
        let ip = ip.to_canonical();
        if let Some((_, votes)) = self.0.iter_mut().find(|(known, _)| *known == ip) {
            *votes = votes.saturating_add(1);
            return;
        }
        let family = |known: &IpAddr| known.is_ipv4() == ip.is_ipv4();
        if self.0.iter().filter(|(known, _)| family(known)).count() < MAX_ADDRESSES {
            self.0.push((ip, 1));
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    fn by_votes(&self) -> Vec<IpAddr> {
        let mut votes = self.0.clone();
        votes.sort_by_key(|(_, votes)| std::cmp::Reverse(*votes));
        votes.into_iter().map(|(ip, _)| ip).collect()
    }
}

impl Node {
    /// The addresses that others see this node at, the most often seen first; at most 32 of each
    /// family.
    pub fn public_addresses(&self) -> Vec<IpAddr> {
        self.votes.by_votes()
    }

    /// The good contacts, those near the own id first (`docs/spec/node.md#8`).
    pub fn export_contacts(&self, now: Timestamp) -> Vec<Contact> {
        self.contacts.good(now)
    }

    /// All stored values (`docs/spec/node.md#9`).
    pub fn export_values(&self) -> Vec<Record> {
        self.server.export()
    }

    /// Stores values of a snapshot, for what is left of their life; returns how many were stored.
    /// Nothing becomes permanent, and signatures are not checked: import what an own node exported.
    pub fn import_values(&mut self, now: Timestamp, records: &[Record]) -> usize {
        let now = self.advance(now);
        let mut stored = 0;
        for record in records {
            if self.server.import(now, record) {
                stored += 1;
                let id = record.value.id();
                let (subscriptions, outbox) = (&mut self.subscriptions, &mut self.outbox);
                (self.server).tell_stored(now, record.key, id, subscriptions, outbox);
            }
        }
        self.server.schedule_expiry(&mut self.outbox);
        stored
    }

    /// Returns what is stored, in the order of keys and ids.
    pub fn list_stored(&self, now: Timestamp) -> Vec<StoredKey> {
        let value = |entry: storage::Entry<'_>| StoredValue {
            value: entry.value.clone(),
            expires_in: (entry.expires != Timestamp::MAX).then(|| entry.expires.since(now)),
            source: entry.source,
        };
        let keys = self.server.storage.keys().into_iter();
        keys.map(|key| StoredKey {
            key,
            values: self.server.storage.entries(&key).map(value).collect(),
        })
        .collect()
    }

    /// Returns the contacts in the routing tables, in the order of the buckets' ranges, IPv4 first.
    pub fn list_contacts(&self, now: Timestamp) -> Vec<Listed> {
        let tables = Family::ALL.map(|family| self.contacts.table(family));
        let entries = tables.iter().flat_map(|table| table.entries(now));
        entries.collect()
    }

    /// Returns the lookups, IPv4 first; only those of `key` if one is given.
    pub fn list_lookups(&self, key: Option<InfoHash>) -> Vec<LookupSnapshot> {
        let ids: Vec<_> = match key {
            Some(key) => LookupId::of(key).into(),
            None => (Family::ALL.into_iter())
                .flat_map(|family| self.lookups.of_family(family))
                .collect(),
        };
        let snapshot = |id: LookupId| Some(self.lookups.get(id)?.snapshot(id.key, id.family));
        ids.into_iter().filter_map(snapshot).collect()
    }
}
