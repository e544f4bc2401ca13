//! [`Searches`]: certificates being looked for, at hand and in the DHT (`docs/spec/secure.md#5.5`).
//!
//! ```text
//!   join ─▶ running? ─ no ─▶ gets under all DHT keys of the name ─▶ open
//!   on_candidates ─▶ read one ··▶ on_read ─▶ it fits ───────────────────▶ finish
//!                       ▲                 └▶ it does not ─▶ one is left?
//!                       └───────────────────────── yes ────┘ └─ no, gets are over ─▶ finish
//! ```
//!
//! Searches for one name are joined. What is found is read one value after the other, in the order
//! of arrival, so the first fitting certificate wins however long each reading takes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bulla_identity::Certificate;

use super::action::SecureAction;
use super::admission::Ticket;
use super::error::SecurePutError;
use super::event::SecureEvent;
use super::job::Task;
use super::key_cache::{KeyCache, KeyName};
use crate::InfoHash;
use crate::lookup::OpId;
use crate::value::{Condition, Query, Value, ValueType};

/// Searches by what is looked for, and what has been found.
pub(super) struct Searches {
    /// What is at hand.
    keys: KeyCache,
    /// Those that have not ended.
    running: BTreeMap<KeyName, Search>,
    /// How many values each looks at.
    max_candidates: usize,
}

/// One search. It ends with the first fitting certificate, or when its gets are over and all
/// candidates read.
#[derive(Default, Debug)]
struct Search {
    /// Operations of the application that wait for the certificate, and what each wants of it; at
    /// least one.
    askers: BTreeMap<OpId, Wanted>,
    /// Gets that still run.
    gets: BTreeSet<OpId>,
    /// Values that have not been read, the oldest first.
    candidates: VecDeque<Value>,
    /// Values that came, read or not.
    seen: usize,
    /// A value is being read.
    is_reading: bool,
}

/// What an operation wants of a search.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wanted {
    /// The certificate.
    Certificate,
    /// The public key.
    PublicKey,
    /// The key of a recipient, for an encrypted put.
    Recipient,
}

impl Searches {
    /// Looks at up to `max_candidates` values for each search.
    pub(super) fn new(keys: KeyCache, max_candidates: usize) -> Self {
        Self {
            keys,
            running: BTreeMap::new(),
            max_candidates,
        }
    }

    /// Returns what is at hand.
    pub(super) fn keys(&mut self) -> &mut KeyCache {
        &mut self.keys
    }

    /// Lets `op` wait for a certificate that is looked for already; otherwise returns the DHT keys
    /// to look under, for `open`.
    pub(super) fn join(
        &mut self,
        name: KeyName,
        op: OpId,
        wanted: Wanted,
    ) -> Option<Vec<InfoHash>> {
        if let Some(search) = self.running.get_mut(&name) {
            search.askers.insert(op, wanted);
            return None;
        }
        Some(self.keys.dht_keys(name))
    }

    /// Begins a search for `op`, which these gets are to feed.
    pub(super) fn open(&mut self, name: KeyName, op: OpId, wanted: Wanted, gets: BTreeSet<OpId>) {
        let search = Search {
            askers: [(op, wanted)].into(),
            gets,
            ..Search::default()
        };
        self.running.insert(name, search);
    }

    /// Takes values that were found in search of `name`.
    pub(super) fn on_candidates(&mut self, name: KeyName, values: Vec<Value>) -> Vec<SecureAction> {
        if let Some(search) = self.running.get_mut(&name) {
            let values = values.into_iter().take(self.max_candidates - search.seen);
            search.seen += values.len();
            search.candidates.extend(values);
        }
        self.next(name)
    }

    /// Notes that a get in search of `name` is over.
    pub(super) fn on_get_done(&mut self, name: KeyName, get: OpId) -> Vec<SecureAction> {
        if let Some(search) = self.running.get_mut(&name) {
            search.gets.remove(&get);
        }
        self.next(name)
    }

    /// Takes what was read in a candidate.
    pub(super) fn on_read(
        &mut self,
        name: KeyName,
        certificate: Option<Certificate>,
    ) -> Vec<SecureAction> {
        if let Some(certificate) = certificate {
            self.keys.remember(&certificate);
            return self.finish(name, Some(&certificate));
        }
        if let Some(search) = self.running.get_mut(&name) {
            search.is_reading = false;
        }
        self.next(name)
    }

    /// Lets `op` wait no longer; the search ends unless another operation waits.
    pub(super) fn leave(&mut self, name: KeyName, op: OpId) -> Vec<SecureAction> {
        if let Some(search) = self.running.get_mut(&name) {
            search.askers.remove(&op);
            if search.askers.is_empty() {
                return self.finish(name, None);
            }
        }
        Vec::new()
    }

    /// Has the next candidate read, unless one is being read; if there is none and none can come,
    /// the search ends.
    fn next(&mut self, name: KeyName) -> Vec<SecureAction> {
        let Some(search) = self.running.get_mut(&name) else {
            return Vec::new();
        };
        if search.is_reading {
            return Vec::new();
        }
        match search.candidates.pop_front() {
            Some(value) => {
                search.is_reading = true;
                let task = Task::ReadCertificate { name, value };
                vec![SecureAction::Start(Ticket::Step, task)]
            }
            None if search.gets.is_empty() => self.finish(name, None),
            None => Vec::new(),
        }
    }

    /// Ends a search, and tells all that wait what was found.
    fn finish(&mut self, name: KeyName, found: Option<&Certificate>) -> Vec<SecureAction> {
        let Search { gets, askers, .. } = self.running.remove(&name).unwrap_or_default();
        let tell = |(op, wanted)| match wanted {
            Wanted::Certificate => {
                let certificate = found.cloned();
                SecureAction::Tell(op, SecureEvent::Certificate { op, certificate })
            }
            Wanted::PublicKey => {
                let key = found.and_then(Certificate::public_key).cloned();
                SecureAction::Tell(op, SecureEvent::PublicKey { op, key })
            }
            Wanted::Recipient => {
                let key = match found.map(Certificate::public_key) {
                    Some(Some(key)) => Ok(key.clone()),
                    Some(None) => Err(SecurePutError::NotRsa),
                    None => Err(SecurePutError::NoCertificate),
                };
                SecureAction::Found(op, key)
            }
        };
        let gets = gets.into_iter().map(SecureAction::EndGet);
        gets.chain(askers.into_iter().map(tell)).collect()
    }
}

/// Asks for certificates.
pub(super) fn query() -> Query {
    Query {
        conditions: vec![Condition::ValueType(ValueType::CERTIFICATE)],
        ..Query::default()
    }
}

#[cfg(test)]
mod tests {
    use bulla_identity::PublicKey;

    use super::super::testing::{alice, bob, certificate_value, signed};
    use super::*;

    const ASKER: OpId = OpId(1);
    const OTHER: OpId = OpId(2);
    const THIRD: OpId = OpId(3);
    const GET: OpId = OpId(11);

    /// What was done.
    #[derive(PartialEq, Eq, Debug)]
    enum SearchStep {
        Read,
        EndGet(OpId),
        Tell(SecureEvent),
        Found(OpId, Result<PublicKey, SecurePutError>),
    }

    fn name() -> KeyName {
        alice().long_id().into()
    }

    fn certificate() -> Certificate {
        alice().certificate().clone()
    }

    fn key() -> PublicKey {
        alice().public_key().clone()
    }

    /// A search of `ASKER` that `GET` feeds and that looks at two values at most.
    fn searches() -> Searches {
        let mut searches = Searches::new(KeyCache::new(None, 4), 2);
        let keys = searches.join(name(), ASKER, Wanted::Certificate);
        assert_eq!(keys, Some(vec![name().dht_key()]));
        searches.open(name(), ASKER, Wanted::Certificate, [GET].into());
        searches
    }

    fn candidates(count: usize) -> Vec<Value> {
        vec![certificate_value(&bob()); count]
    }

    fn steps(actions: Vec<SecureAction>) -> Vec<SearchStep> {
        let step = |action| match action {
            SecureAction::Start(Ticket::Step, Task::ReadCertificate { name: its, value }) => {
                assert_eq!((its, value), (name(), certificate_value(&bob())));
                SearchStep::Read
            }
            SecureAction::EndGet(op) => SearchStep::EndGet(op),
            SecureAction::Tell(_, event) => SearchStep::Tell(event),
            SecureAction::Found(op, key) => SearchStep::Found(op, key),
            _ => panic!("another action"),
        };
        actions.into_iter().map(step).collect()
    }

    /// What `ASKER` is told.
    fn told(certificate: Option<Certificate>) -> SearchStep {
        let op = ASKER;
        SearchStep::Tell(SecureEvent::Certificate { op, certificate })
    }

    #[test]
    fn candidates_are_read_one_after_the_other_and_no_more_than_allowed() {
        let mut searches = searches();
        assert_eq!(
            steps(searches.on_candidates(name(), candidates(1))),
            [SearchStep::Read]
        );
        assert_eq!(steps(searches.on_candidates(name(), candidates(2))), []);
        assert_eq!(steps(searches.on_get_done(name(), GET)), []);
        assert_eq!(steps(searches.on_read(name(), None)), [SearchStep::Read]);
        assert_eq!(steps(searches.on_read(name(), None)), [told(None)]);
    }

    #[test]
    fn a_search_goes_on_while_a_get_runs() {
        let mut searches = searches();
        assert_eq!(
            steps(searches.on_candidates(name(), candidates(1))),
            [SearchStep::Read]
        );
        assert_eq!(steps(searches.on_read(name(), None)), []);
        assert_eq!(steps(searches.on_get_done(name(), GET)), [told(None)]);
    }

    #[test]
    fn the_first_fitting_certificate_ends_a_search_and_is_remembered() {
        let mut searches = searches();
        let _ = searches.on_candidates(name(), candidates(2));
        let actions = steps(searches.on_read(name(), Some(certificate())));
        assert_eq!(
            actions,
            [SearchStep::EndGet(GET), told(Some(certificate()))]
        );
        assert_eq!(searches.keys().certificate(name()), Some(certificate()));
        assert_eq!(steps(searches.on_candidates(name(), candidates(1))), []);
        assert_eq!(steps(searches.on_get_done(name(), GET)), []);
    }

    #[test]
    fn a_certificate_read_too_late_is_remembered_all_the_same() {
        let mut searches = searches();
        let _ = searches.on_candidates(name(), candidates(1));
        assert_eq!(
            steps(searches.leave(name(), ASKER)),
            [SearchStep::EndGet(GET)]
        );
        assert_eq!(steps(searches.on_read(name(), Some(certificate()))), []);
        assert_eq!(searches.keys().certificate(name()), Some(certificate()));
    }

    #[test]
    fn searches_for_one_name_are_joined_and_each_is_told_what_it_wants() {
        for found in [true, false] {
            let mut searches = searches();
            assert_eq!(searches.join(name(), OTHER, Wanted::PublicKey), None);
            assert_eq!(searches.join(name(), THIRD, Wanted::Recipient), None);
            assert_eq!(steps(searches.leave(name(), ASKER)), []);
            let _ = searches.on_candidates(name(), candidates(1));
            let _ = searches.on_get_done(name(), GET);
            let actions = searches.on_read(name(), found.then(certificate));
            let event = SecureEvent::PublicKey {
                op: OTHER,
                key: found.then(key),
            };
            let third = if found {
                Ok(key())
            } else {
                Err(SecurePutError::NoCertificate)
            };
            assert_eq!(
                steps(actions),
                [SearchStep::Tell(event), SearchStep::Found(THIRD, third)]
            );
        }
    }

    #[test]
    fn searches_for_other_names_are_not_joined() {
        let mut searches = searches();
        let other = bob().long_id().into();
        assert!(searches.join(other, OTHER, Wanted::PublicKey).is_some());
        assert_eq!(steps(searches.leave(other, OTHER)), []);
    }

    #[test]
    fn a_known_key_is_looked_for_under_both_of_its_names() {
        let mut searches = Searches::new(KeyCache::new(None, 4), 2);
        searches.keys().remember_key(&key());
        let short = KeyName::from(alice().id());
        let both = vec![name().dht_key(), short.dht_key()];
        let keys = searches.join(name(), ASKER, Wanted::Certificate);
        assert_eq!(keys, Some(both));
    }

    #[test]
    fn certificates_alone_are_asked_for() {
        assert!(query().matches(&certificate_value(&alice())));
        let other = signed(&alice(), 1, 0, "no certificate");
        assert!(!query().matches(&other));
    }
}
