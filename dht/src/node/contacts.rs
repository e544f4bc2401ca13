//! [`Contacts`]: the nodes that this one knows, a routing table of them in each family.

use std::net::SocketAddr;
use std::time::Duration;

use super::failure_probe::FailureProbe;
use crate::routing::{Confidence, Counts, Refresh, SeenUpdate, Table};
use crate::wire::Want;
use crate::{ByFamily, Contact, Family, InfoHash, Rng, RoutingConfig, Timestamp, is_martian};

/// The tables, and who of them is asked whether it is still there. It sends nothing: it returns
/// the contacts to ask.
#[derive(Debug)]
pub(super) struct Contacts {
    /// The id of this node.
    own: InfoHash,
    /// How many contacts a bucket holds, and a reply names.
    bucket_size: usize,
    /// How many good nodes a lookup looks for.
    width: usize,
    tables: ByFamily<Table>,
    /// Contacts of a snapshot that have not been asked yet.
    unverified: ByFamily<usize>,
    /// Which contacts are asked when one has fallen silent.
    failure_probe: FailureProbe,
}

impl Contacts {
    pub(super) fn new(own: InfoHash, config: &RoutingConfig, width: usize) -> Self {
        Self {
            own,
            bucket_size: config.bucket_size,
            width,
            tables: ByFamily::from_fn(|_| Table::new(own, config)),
            unverified: ByFamily::default(),
            failure_probe: FailureProbe::default(),
        }
    }

    /// Returns the id of this node.
    pub(super) fn own(&self) -> InfoHash {
        self.own
    }

    /// Returns the table of a family.
    pub(super) fn table(&self, family: Family) -> &Table {
        &self.tables[family]
    }

    /// Returns how many contacts of a family there are, by how well they are known.
    pub(super) fn counts(&self, now: Timestamp, family: Family) -> Counts {
        self.tables[family].counts(now)
    }

    /// Reports whether a bucketful of good contacts is known.
    pub(super) fn are_many(&self, now: Timestamp, family: Family) -> bool {
        self.counts(now, family).good >= self.bucket_size
    }

    /// Returns the good contacts of both families, those near the own id first.
    pub(super) fn good(&self, now: Timestamp) -> Vec<Contact> {
        self.tables
            .iter()
            .flat_map(|table| table.contacts(now))
            .collect()
    }

    /// Returns the contacts to name to an asker of a family: those near `target` of each family
    /// that it wants, of its own if it does not say.
    pub(super) fn to_name(
        &self,
        now: Timestamp,
        asker: Family,
        target: InfoHash,
        want: Option<Want>,
    ) -> [Vec<Contact>; 2] {
        let want = want.unwrap_or(Want {
            v4: asker == Family::V4,
            v6: asker == Family::V6,
        });
        [(want.v4, Family::V4), (want.v6, Family::V6)].map(|(is_wanted, family)| {
            if is_wanted {
                self.tables[family].to_share(&target, self.bucket_size, now)
            } else {
                Vec::new()
            }
        })
    }

    /// Reports whether a bucketful of good contacts among those that a lookup for a key would find
    /// are nearer to it than this node (`docs/spec/node.md#5.1`).
    pub(super) fn is_far_from(&self, now: Timestamp, family: Family, key: &InfoHash) -> bool {
        self.tables[family].is_surrounded(key, self.bucket_size, self.width, now)
    }

    /// A datagram came from a contact, or a reply named it.
    pub(super) fn on_seen(
        &mut self,
        now: Timestamp,
        contact: Contact,
        confidence: Confidence,
    ) -> SeenUpdate {
        self.tables[contact.family()].on_seen(contact, confidence, now)
    }

    /// Takes in contacts of a snapshot, which are to be verified.
    pub(super) fn restore(&mut self, now: Timestamp, contacts: &[Contact]) {
        for contact in contacts.iter().filter(|it| !is_martian(&it.addr)) {
            let family = contact.family();
            let is_new = self.tables[family].restore(*contact, now);
            self.unverified[family] += usize::from(is_new);
        }
    }

    /// Returns how many contacts of a snapshot have not been asked yet.
    pub(super) fn unverified(&self, family: Family) -> usize {
        self.unverified[family]
    }

    /// Returns up to `count` contacts of a snapshot to ask whether they are still there.
    pub(super) fn verify(&mut self, now: Timestamp, family: Family, count: usize) -> Vec<Contact> {
        let left = &mut self.unverified[family];
        let asked = self.tables[family].ask_unverified(count.min(*left), now);
        *left = if asked.is_empty() {
            0
        } else {
            *left - asked.len()
        };
        asked
    }

    /// A contact let a request time out for the `count`th time. Returns the others to ask, as they
    /// may be gone too: of those that `may_be_there`, that are not asked yet.
    pub(super) fn on_timeout(
        &mut self,
        now: Timestamp,
        contact: &Contact,
        count: u32,
        timeout: Duration,
        may_be_there: impl Fn(&SocketAddr) -> bool,
    ) -> Vec<Contact> {
        let table = &mut self.tables[contact.family()];
        table.on_timeout(contact);
        (self.failure_probe).on_timeout(now, table, count, timeout, may_be_there)
    }

    /// A contact did not answer what it was asked at `asked_at`. Reports whether that tells
    /// against it: it may have answered something else since.
    pub(super) fn on_no_reply(&mut self, contact: &Contact, asked_at: Timestamp) -> bool {
        self.tables[contact.family()].on_no_reply(contact, asked_at)
    }

    /// A contact is not there, or of no use.
    pub(super) fn on_failure(&mut self, contact: &Contact) {
        self.tables[contact.family()].on_failure(contact);
    }

    /// Returns the next bucket to refresh, if one is due, and whether nodes of both families are
    /// wanted: while the other family is in use and knows little there, else now and then.
    pub(super) fn next_refresh(
        &mut self,
        now: Timestamp,
        family: Family,
        rng: &mut Rng,
        uses_other: bool,
    ) -> Option<(Refresh, Option<Want>)> {
        let refresh = self.tables[family].next_refresh(now, rng)?;
        let other = match family {
            Family::V4 => Family::V6,
            Family::V6 => Family::V4,
        };
        let is_sparse = self.tables[other].is_sparse(&refresh.target);
        let wants_both = uses_other && (is_sparse || rng.one_in(38));
        let want = wants_both.then_some(Want { v4: true, v6: true });
        Some((refresh, want))
    }

    /// Drops dead contacts, and returns those to ask that may take their places.
    pub(super) fn purge(&mut self, family: Family) -> Vec<Contact> {
        self.tables[family].purge()
    }

    /// The network has changed: all contacts of a family have to answer anew.
    pub(super) fn reset(&mut self, family: Family) {
        self.tables[family].reset();
    }
}
