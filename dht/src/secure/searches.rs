//! [`Searches`]: certificates being looked for, at hand and in the DHT (`docs/spec/secure.md#5.5`).
//!
//! ```text
//!   join ─▶ running? ─ no ─▶ gets under all DHT keys of the name ─▶ open
//!   on_candidates ─▶ read one ··▶ on_read ─▶ it fits ───────────────────▶ finish
//!                       ▲                 └▶ it does not ─▶ one is left?
//!                       └───────────────────────── yes ────┘ └─ no, gets are over ─▶ finish
//! ```
//!
//! Searches for one name are joined. What is found is read one value after the other, signed ones
//! first. A key is known by its id, so the first certificate of that name is good enough for those
//! that want the key. Any authority can issue a certificate for it, though: those that want the
//! certificate get the one in a value that is signed by the key itself, or the first that was found
//! if none is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem;

use bulla_identity::Certificate;

use super::action::SecureAction;
use super::admission::Ticket;
use super::error::SecurePutError;
use super::event::SecureEvent;
use super::job::{FoundCertificate, Task};
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

/// One search. It ends when all that wait have been told, or when its gets are over and all
/// candidates read.
#[derive(Default, Debug)]
struct Search {
    /// Operations of the application that wait for the certificate, and what each wants of it; at
    /// least one.
    askers: BTreeMap<OpId, Wanted>,
    /// Gets that still run.
    gets: BTreeSet<OpId>,
    /// Values that have not been read: those that claim to be signed first, then the oldest first.
    candidates: VecDeque<Value>,
    /// Values that may still be taken.
    room: usize,
    /// The first certificate of the name.
    found: Option<Certificate>,
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
            room: self.max_candidates,
            ..Search::default()
        };
        self.running.insert(name, search);
    }

    /// Takes values that were found in search of `name`.
    pub(super) fn on_candidates(&mut self, name: KeyName, values: Vec<Value>) -> Vec<SecureAction> {
        if let Some(search) = self.running.get_mut(&name) {
            for value in values {
                search.take(value);
            }
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
        found: Option<FoundCertificate>,
    ) -> Vec<SecureAction> {
        if let Some(key) = found.as_ref().and_then(|it| it.certificate.public_key()) {
            self.keys.remember_key(key);
        }
        if let Some(found) = found.as_ref().filter(|it| it.is_holders) {
            self.keys.remember(&found.certificate);
        }
        let Some(search) = self.running.get_mut(&name) else {
            return Vec::new();
        };
        search.is_reading = false;
        let mut actions = Vec::new();
        if let Some(FoundCertificate {
            certificate,
            is_holders,
        }) = found
        {
            if is_holders || search.is_for_key() {
                return self.finish(name, Some(certificate));
            }
            actions = search.tell_key(&certificate);
            search.found.get_or_insert(certificate);
        }
        actions.extend(self.next(name));
        actions
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
            None if search.gets.is_empty() => {
                let found = search.found.take();
                if let Some(certificate) = &found {
                    self.keys.remember(certificate);
                }
                self.finish(name, found)
            }
            None => Vec::new(),
        }
    }

    /// Ends a search, and tells all that wait what was found.
    fn finish(&mut self, name: KeyName, found: Option<Certificate>) -> Vec<SecureAction> {
        let Search { gets, askers, .. } = self.running.remove(&name).unwrap_or_default();
        let told = askers.into_iter();
        let told = told.map(|(op, wanted)| wanted.tell(op, found.as_ref()));
        let gets = gets.into_iter().map(SecureAction::EndGet);
        gets.chain(told).collect()
    }
}

impl Search {
    /// Takes a value to be read. Those that claim no signature give way to those that do.
    fn take(&mut self, value: Value) {
        let is_signed = |value: &Value| value.signed().is_some();
        let unsigned = self.candidates.iter().position(|it| !is_signed(it));
        if self.room > 0 {
            self.room -= 1;
        } else if unsigned.is_some() && is_signed(&value) {
            self.candidates.pop_back();
        } else {
            return;
        }
        match unsigned {
            Some(place) if is_signed(&value) => self.candidates.insert(place, value),
            _ => self.candidates.push_back(value),
        }
    }

    /// Reports whether all that wait want the key alone.
    fn is_for_key(&self) -> bool {
        self.askers.values().all(|wanted| wanted.is_key())
    }

    /// Tells those that want the key alone.
    fn tell_key(&mut self, found: &Certificate) -> Vec<SecureAction> {
        let askers = mem::take(&mut self.askers).into_iter();
        let (told, others): (Vec<_>, Vec<_>) = askers.partition(|(_, wanted)| wanted.is_key());
        self.askers = others.into_iter().collect();
        let told = told.into_iter();
        told.map(|(op, wanted)| wanted.tell(op, Some(found)))
            .collect()
    }
}

impl Wanted {
    /// Reports whether it is the key alone.
    fn is_key(self) -> bool {
        match self {
            Self::Certificate => false,
            Self::PublicKey | Self::Recipient => true,
        }
    }

    /// Tells an operation what was found.
    fn tell(self, op: OpId, found: Option<&Certificate>) -> SecureAction {
        match self {
            Self::Certificate => {
                let certificate = found.cloned();
                SecureAction::Tell(op, SecureEvent::Certificate { op, certificate })
            }
            Self::PublicKey => {
                let key = found.and_then(Certificate::public_key).cloned();
                SecureAction::Tell(op, SecureEvent::PublicKey { op, key })
            }
            Self::Recipient => {
                let key = match found.map(Certificate::public_key) {
                    Some(Some(key)) => Ok(key.clone()),
                    Some(None) => Err(SecurePutError::NotRsa),
                    None => Err(SecurePutError::NoCertificate),
                };
                SecureAction::Found(op, key)
            }
        }
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

    fn found(is_holders: bool) -> FoundCertificate {
        let certificate = certificate();
        FoundCertificate {
            certificate,
            is_holders,
        }
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
    fn the_certificate_that_its_holder_signed_ends_a_search_and_is_remembered() {
        let mut searches = searches();
        let _ = searches.on_candidates(name(), candidates(2));
        let actions = steps(searches.on_read(name(), Some(found(true))));
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
        assert_eq!(steps(searches.on_read(name(), Some(found(true)))), []);
        assert_eq!(searches.keys().certificate(name()), Some(certificate()));
    }

    #[test]
    fn any_other_certificate_is_told_when_all_has_been_read_but_its_key_at_once() {
        let mut searches = searches();
        let _ = searches.join(name(), OTHER, Wanted::PublicKey);
        let _ = searches.on_candidates(name(), candidates(2));
        let event = SecureEvent::PublicKey {
            op: OTHER,
            key: Some(key()),
        };
        assert_eq!(
            steps(searches.on_read(name(), Some(found(false)))),
            [SearchStep::Tell(event), SearchStep::Read]
        );
        assert_eq!(searches.keys().certificate(name()), None);
        assert_eq!(steps(searches.on_read(name(), None)), []);
        let actions = steps(searches.on_get_done(name(), GET));
        assert_eq!(actions, [told(Some(certificate()))]);
        assert_eq!(searches.keys().certificate(name()), Some(certificate()));
    }

    #[test]
    fn values_that_claim_to_be_signed_are_read_first_and_crowded_out_by_nothing() {
        let mut search = Search {
            room: 3,
            ..Search::default()
        };
        for _ in 0..4 {
            search.take(certificate_value(&bob()));
        }
        let ours = |number| signed(&alice(), number, 0, "certificate");
        for number in 1..=4 {
            search.take(ours(number));
        }
        assert_eq!(search.candidates, [ours(1), ours(2), ours(3)]);
    }

    #[test]
    fn searches_for_one_name_are_joined_and_each_is_told_what_it_wants() {
        for is_found in [true, false] {
            let mut searches = searches();
            assert_eq!(searches.join(name(), OTHER, Wanted::PublicKey), None);
            assert_eq!(searches.join(name(), THIRD, Wanted::Recipient), None);
            assert_eq!(steps(searches.leave(name(), ASKER)), []);
            let _ = searches.on_candidates(name(), candidates(1));
            let _ = searches.on_get_done(name(), GET);
            let actions = searches.on_read(name(), is_found.then(|| found(true)));
            let event = SecureEvent::PublicKey {
                op: OTHER,
                key: is_found.then(key),
            };
            let third = if is_found {
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
