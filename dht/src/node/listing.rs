//! What a node has at a moment, for people to look at: stored values, contacts, lookups.

use std::net::IpAddr;
use std::time::Duration;

use super::{Listed, LookupId, LookupSnapshot, Node};
use crate::storage;
use crate::value::Value;
use crate::{Family, InfoHash, Timestamp};

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
    /// The source that its quota is of, of an IPv6 address the upper half alone; `None` for a value
    /// of this node.
    pub source: Option<IpAddr>,
}

impl Node {
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
