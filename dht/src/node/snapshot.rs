//! What a node knows, to be kept elsewhere: contacts, values, and its own address as others see it.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::{LookupId, Node};
use crate::wire::snapshot::Record;
use crate::{Contact, Family, InfoHash, Timestamp, UnixTime};

/// Addresses remembered in each family.
const MAX_ADDRESSES: usize = 32;

/// Which addresses others have seen this node at, by how many answers said so.
#[derive(Default, Debug)]
pub(super) struct AddressVotes(Vec<(IpAddr, u32)>);

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
    /// The addresses that others see this node at, the most often seen first; at most 32 of each family.
    pub fn public_addresses(&self) -> Vec<IpAddr> {
        self.votes.by_votes()
    }

    /// The good contacts, those near the own id first (`docs/spec/node.md#8`).
    pub fn export_contacts(&self, now: Timestamp) -> Vec<Contact> {
        self.contacts.good(now)
    }

    /// All stored values (`docs/spec/node.md#9`).
    pub fn export_values(&self) -> Vec<Record> {
        let record = |entry: crate::storage::Entry<'_>| Record {
            key: entry.key,
            value: entry.value.clone(),
            created: self.origin.to_unix(entry.created),
            expiry: (entry.expires != Timestamp::MAX).then(|| self.origin.to_unix(entry.expires)),
            source: entry.source.map(|ip| (ip, 0).into()),
        };
        self.storage.export().map(record).collect()
    }

    /// Stores values of a snapshot, for what is left of their life; returns how many were stored. Nothing becomes
    /// permanent, and signatures are not checked: import what an own node exported.
    pub fn import_values(&mut self, now: Timestamp, records: &[Record]) -> usize {
        let now = self.advance(now);
        let mut stored = 0;
        for record in records {
            let lifetime = self
                .config
                .value_types
                .rules(record.value.value_type())
                .lifetime;
            let created = record.created.min(self.origin.to_unix(now));
            let expiry = record
                .expiry
                .unwrap_or(UnixTime::MAX)
                .min(created + lifetime);
            let Some(expires) = self.moment_of(now, expiry) else {
                continue;
            };
            let source = record.source.map(|source| source.ip());
            let created = self.origin.to_timestamp(created);
            let (id, value) = (record.value.id(), record.value.clone());
            let outcome = self
                .storage
                .store(now, &record.key, value, source, created, expires);
            if outcome.is_ok() {
                stored += 1;
                self.notify_stored(now, record.key, id);
            }
        }
        self.schedule_expiry();
        stored
    }

    /// What is stored, as text for people.
    pub fn dump_storage(&self, now: Timestamp) -> String {
        self.storage.dump(now)
    }

    /// The routing tables, as text for people: a line for each contact.
    pub fn dump_routing(&self, now: Timestamp) -> String {
        let mut text = String::new();
        for family in Family::ALL {
            for listed in self.contacts.table(family).entries(now) {
                // Writing to a String cannot fail.
                let _ = writeln!(
                    text,
                    "{family:?} bucket {}/{} {} {:?}",
                    listed.bucket, listed.depth, listed.contact, listed.standing
                );
            }
        }
        text
    }

    /// The lookups, as text for people; only that of `key` if one is given.
    pub fn dump_lookups(&self, key: Option<InfoHash>) -> String {
        let mut text = String::new();
        for family in Family::ALL {
            let all = || self.lookups.of_family(family).collect();
            let wanted = key.map_or_else(all, |key| vec![LookupId { key, family }]);
            for id in wanted {
                if let Some(lookup) = self.lookups.get(id) {
                    let key = id.key;
                    let _ = write!(text, "{key} {family:?}\n{lookup}");
                }
            }
        }
        text
    }
}
