//! [`Contacts`]: the nodes that this one knows, a routing table of them in each family.

use std::net::SocketAddr;

use bulla_kad::lookup::{Density, SizeEstimate};

use super::LookupId;
use super::failure_probe::{FailureProbe, TimeOut};
use crate::routing::{Confidence, Counts, Refresh, SeenUpdate, Table};
use crate::wire::Want;
use crate::{ByFamily, Contact, Family, InfoHash, Rng, RoutingConfig, Timestamp, is_martian};

/// The tables, and which of their contacts are asked whether they are still there. Nothing is sent
/// here: the contacts to ask are returned.
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
    /// How densely nodes lie, by what lookups find.
    densities: ByFamily<Density>,
    /// The key of the last lookup that counted there: one that is looked up again and again must
    /// not stand for all.
    last_keys: ByFamily<Option<InfoHash>>,
    /// Lookups that ended among nodes which lie too close to the key.
    dense_lookups: ByFamily<u64>,
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
            densities: ByFamily::default(),
            last_keys: ByFamily::default(),
            dense_lookups: ByFamily::default(),
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
    pub(super) fn has_bucketful(&self, now: Timestamp, family: Family) -> bool {
        self.counts(now, family).good >= self.bucket_size
    }

    /// Returns the good contacts of both families, those near the own id first.
    pub(super) fn good(&self, now: Timestamp) -> Vec<Contact> {
        self.tables
            .iter()
            .flat_map(|table| table.contacts(now))
            .collect()
    }

    /// Returns the contacts for the reply to an asker of a family: those near `target` of each
    /// family that it wants, of its own if it does not say.
    pub(super) fn for_reply(
        &self,
        now: Timestamp,
        asker: Family,
        target: InfoHash,
        want: Option<Want>,
    ) -> [Vec<Contact>; 2] {
        Family::ALL.map(|family| {
            if want.map_or(family == asker, |Want(wanted)| wanted[family]) {
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

    /// Takes in that a datagram came from a contact, or that a reply named it.
    pub(super) fn on_seen(
        &mut self,
        now: Timestamp,
        contact: Contact,
        confidence: Confidence,
    ) -> SeenUpdate {
        self.tables[contact.family()].on_seen(contact, confidence, now)
    }

    /// Takes in that a lookup has ended where it should, and its `count`th nearest node.
    pub(super) fn on_found(&mut self, id: LookupId, count: usize, farthest: &Contact) {
        let LookupId { key, family } = id;
        let farthest = farthest.id.distance(&key);
        if self.last_keys[family].replace(key) == Some(key) {
            return;
        }
        let density = &mut self.densities[family];
        self.dense_lookups[family] += u64::from(density.is_too_dense(count, &farthest));
        density.on_found(count, &farthest);
    }

    /// Returns how many nodes a family has, by what lookups found.
    pub(super) fn size_estimate(&self, family: Family) -> Option<SizeEstimate> {
        self.densities[family].estimate()
    }

    /// Returns how many lookups of different keys ended among nodes that lie too close to them.
    pub(super) fn dense_lookups(&self, family: Family) -> u64 {
        self.dense_lookups[family]
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

    /// Returns up to `count` contacts that did not answer before, to ask once more.
    pub(super) fn ask_expired(
        &mut self,
        now: Timestamp,
        family: Family,
        count: usize,
    ) -> Vec<Contact> {
        self.tables[family].ask_expired(count, now)
    }

    /// Takes in that a contact let a request time out. Returns the others to ask, as they may be
    /// gone too: of those that `may_be_there`, that are not asked yet.
    pub(super) fn on_timeout(
        &mut self,
        now: Timestamp,
        contact: &Contact,
        time_out: TimeOut,
        may_be_there: impl Fn(&SocketAddr) -> bool,
    ) -> Vec<Contact> {
        let table = &mut self.tables[contact.family()];
        table.on_timeout(contact);
        (self.failure_probe).on_timeout(now, table, time_out, may_be_there)
    }

    /// Takes in that a contact did not answer what it was asked at `asked_at`. Reports whether that
    /// counts against it: it may have answered something else since.
    pub(super) fn on_no_reply(&mut self, contact: &Contact, asked_at: Timestamp) -> bool {
        self.tables[contact.family()].on_no_reply(contact, asked_at)
    }

    /// Fails a contact that is not there, or of no use.
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
        let want = wants_both.then_some(Want::BOTH);
        Some((refresh, want))
    }

    /// Drops dead contacts, and returns those to ask that may take their places.
    pub(super) fn purge(&mut self, family: Family) -> Vec<Contact> {
        self.tables[family].purge()
    }

    /// Requires all contacts of a family to answer again, as the network has changed.
    pub(super) fn reset(&mut self, family: Family) {
        self.tables[family].reset();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Seed;

    const SECOND: Duration = Duration::from_secs(1);
    const NOW: Timestamp = Timestamp::from_micros(3_600_000_000);
    const OWN: InfoHash = InfoHash::new([0x55; InfoHash::LEN]);
    const V4: Family = Family::V4;

    #[test]
    fn an_asker_is_named_contacts_of_its_own_family_or_of_those_it_wants() {
        let mut contacts = known(&[v4(1), v6(2)]);
        let named = |asker, want| contacts.for_reply(NOW, asker, OWN, want);
        assert_eq!(named(V4, None), [vec![v4(1)], vec![]]);
        assert_eq!(named(Family::V6, None), [vec![], vec![v6(2)]]);
        let both = Some(Want::BOTH);
        assert_eq!(named(V4, both), [vec![v4(1)], vec![v6(2)]]);
        assert_eq!(contacts.good(NOW), [v4(1), v6(2)]);
        contacts.reset(V4);
        assert_eq!(contacts.good(NOW), [v6(2)]);
        assert_eq!(contacts.counts(NOW, V4).good, 0);
    }

    #[test]
    fn a_bucketful_of_contacts_is_many() {
        let all: Vec<_> = (1..=8).map(v4).collect();
        assert!(!known(&all[1..]).has_bucketful(NOW, V4));
        let contacts = known(&all);
        assert!(contacts.has_bucketful(NOW, V4) && !contacts.has_bucketful(NOW, Family::V6));
    }

    #[test]
    fn a_key_is_far_if_a_bucketful_of_contacts_are_nearer() {
        let key = InfoHash::new([0xaa; InfoHash::LEN]);
        let near = |last: u16| {
            let bits = (157..160).zip([4, 2, 1]);
            let id = bits.fold(key, |id, (bit, mask)| id.with_bit(bit, last & mask != 0));
            Contact::new(id, addr(last + 1))
        };
        let all: Vec<_> = (0..8).map(near).collect();
        assert!(known(&all).is_far_from(NOW, V4, &key));
        assert!(!known(&all[1..]).is_far_from(NOW, V4, &key));
        assert!(!known(&all).is_far_from(NOW, V4, &OWN));
        assert!(!known(&all).is_far_from(NOW, Family::V6, &key));
    }

    #[test]
    fn contacts_of_a_snapshot_are_verified_once_but_for_impossible_ones() {
        let mut contacts = known(&[]);
        let martian = Contact::new(InfoHash::of(b"martian"), ([0, 0, 0, 1], 1).into());
        let saved = [v4(1), v4(2), v4(2), martian, v4(3), v6(1)];
        contacts.restore(NOW, &saved);
        assert_eq!(
            (contacts.unverified(V4), contacts.unverified(Family::V6)),
            (3, 1)
        );
        let mut asked = contacts.verify(NOW, V4, 2);
        assert_eq!((asked.len(), contacts.unverified(V4)), (2, 1));
        asked.extend(contacts.verify(NOW, V4, 2));
        assert_eq!(contacts.unverified(V4), 0);
        asked.sort_by_key(|contact| contact.addr.port());
        assert_eq!(asked, [v4(1), v4(2), v4(3)]);
        assert_eq!(contacts.verify(NOW, V4, 2), []);
    }

    #[test]
    fn verification_is_over_when_the_others_have_been_asked_already() {
        let mut contacts = known(&[]);
        contacts.restore(NOW, &[v4(1), v4(2)]);
        let _ = contacts.on_seen(NOW, v4(1), Confidence::Replied);
        contacts.on_failure(&v4(1));
        let asked: Vec<_> = (0..3).flat_map(|_| contacts.verify(NOW, V4, 1)).collect();
        assert!(asked.contains(&v4(2)));
        assert_eq!(contacts.unverified(V4), 0);
    }

    #[test]
    fn a_contact_that_fails_is_good_no_more() {
        let mut contacts = known(&[v4(1), v4(2)]);
        assert!(
            !contacts.on_no_reply(&v4(1), NOW - SECOND),
            "it has answered since"
        );
        assert!(contacts.on_no_reply(&v4(1), NOW + SECOND));
        assert_eq!(contacts.good(NOW), [v4(2)]);
        contacts.on_failure(&v4(2));
        assert_eq!(contacts.good(NOW), []);
    }

    #[test]
    fn both_families_are_wanted_where_little_is_known_of_the_other_if_it_is_used() {
        let wanted = |contacts: &mut Contacts, uses_other| {
            let mut rng = Seed::from_number(1).public();
            let later = NOW + Duration::from_secs(3_000);
            let (refresh, want) = contacts.next_refresh(later, V4, &mut rng, uses_other)?;
            assert_eq!(refresh.via.family(), V4);
            Some(want.is_some())
        };
        let few = || known(&[v4(1), v6(1)]);
        assert_eq!(wanted(&mut few(), true), Some(true));
        assert_eq!(wanted(&mut few(), false), Some(false));
        let mut all: Vec<_> = (1..=8).map(v6).collect();
        all.push(v4(1));
        assert_eq!(wanted(&mut known(&all), true), Some(false));
        assert_eq!(wanted(&mut known(&[]), true), None);
    }

    #[test]
    fn others_are_asked_when_a_contact_falls_silent_but_not_those_that_are_silent_too() {
        let mut contacts = known(&[v4(1), v4(2), v4(3)]);
        let _ = contacts.on_seen(NOW + SECOND * 9, v4(4), Confidence::Replied);
        let later = NOW + SECOND * 10;
        let mut asked = |count| {
            let may_be_there = |addr: &SocketAddr| addr.port() != 3;
            let time_out = TimeOut {
                count,
                timeout: SECOND,
            };
            contacts.on_timeout(later, &v4(1), time_out, may_be_there)
        };
        assert_eq!(asked(1), []);
        let mut others = asked(2);
        others.sort_by_key(|contact| contact.addr.port());
        assert_eq!(others, [v4(1), v4(2)]);
        assert_eq!(asked(2), [], "they are asked already");
    }

    fn known(all: &[Contact]) -> Contacts {
        let mut contacts = Contacts::new(OWN, &RoutingConfig::default(), 14);
        assert_eq!(contacts.own(), OWN);
        for contact in all {
            let _ = contacts.on_seen(NOW, *contact, Confidence::Replied);
        }
        contacts
    }

    fn v4(port: u16) -> Contact {
        Contact::new(InfoHash::of(&port.to_be_bytes()), addr(port))
    }

    fn v6(port: u16) -> Contact {
        Contact::new(
            InfoHash::of(&port.to_be_bytes()),
            ([1, port, 1, 1, 1, 1, 1, 1], port).into(),
        )
    }

    fn addr(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }
}
