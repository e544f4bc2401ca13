//! [`Searches`]: certificates being looked for, at hand and in the DHT (`docs/spec/secure.md#5.5`).
//!
//! ```text
//!   join ─▶ running? ─ no ─▶ gets under all DHT keys of the name ─▶ open
//!   on_candidates ─▶ Read one ··▶ on_read ─▶ it fits ─────────────────────▶ Finish
//!                        ▲                └▶ it does not ─▶ the next one,
//!                        └────────────────────────────────── or, once all gets are over, Finish
//! ```
//!
//! Searches for one name are joined. What is found is read one value after the other, in the order
//! of arrival, so the first fitting certificate wins however long each reading takes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bulla_identity::Certificate;

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
    /// Operations of the application that wait for the certificate; at least one.
    askers: BTreeSet<OpId>,
    /// Gets that still run.
    gets: BTreeSet<OpId>,
    /// Values that have not been read, the oldest first.
    candidates: VecDeque<Value>,
    /// Values that came, read or not.
    seen: usize,
    /// A value is being read.
    is_reading: bool,
}

/// What is to be done for a search.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum SearchAction {
    /// Have this value read, and tell `on_read`.
    Read(KeyName, Value),
    /// It is over: cancel its gets, and tell those that wait what was found.
    Finish {
        gets: BTreeSet<OpId>,
        askers: BTreeSet<OpId>,
        found: Option<Certificate>,
    },
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
    pub(super) fn join(&mut self, name: KeyName, op: OpId) -> Option<Vec<InfoHash>> {
        if let Some(search) = self.running.get_mut(&name) {
            search.askers.insert(op);
            return None;
        }
        Some(self.keys.dht_keys(name))
    }

    /// Begins a search for `op`, which these gets are to feed.
    pub(super) fn open(&mut self, name: KeyName, op: OpId, gets: BTreeSet<OpId>) {
        let search = Search {
            askers: [op].into(),
            gets,
            ..Search::default()
        };
        self.running.insert(name, search);
    }

    /// Takes values that were found in search of `name`.
    pub(super) fn on_candidates(
        &mut self,
        name: KeyName,
        values: Vec<Value>,
    ) -> Option<SearchAction> {
        let search = self.running.get_mut(&name)?;
        let room = self.max_candidates - search.seen;
        let values = values.into_iter().take(room);
        search.seen += values.len();
        search.candidates.extend(values);
        self.next(name)
    }

    /// Notes that a get in search of `name` is over.
    pub(super) fn on_get_done(&mut self, name: KeyName, get: OpId) -> Option<SearchAction> {
        self.running.get_mut(&name)?.gets.remove(&get);
        self.next(name)
    }

    /// Takes what was read in a candidate.
    pub(super) fn on_read(
        &mut self,
        name: KeyName,
        certificate: Option<Certificate>,
    ) -> Option<SearchAction> {
        if let Some(certificate) = certificate {
            self.keys.remember(&certificate);
            return self.finish(name, Some(certificate));
        }
        self.running.get_mut(&name)?.is_reading = false;
        self.next(name)
    }

    /// Lets `op` wait no longer; the search ends unless another operation waits.
    pub(super) fn leave(&mut self, name: KeyName, op: OpId) -> Option<SearchAction> {
        let search = self.running.get_mut(&name)?;
        search.askers.remove(&op);
        if search.askers.is_empty() {
            return self.finish(name, None);
        }
        None
    }

    fn next(&mut self, name: KeyName) -> Option<SearchAction> {
        let search = self.running.get_mut(&name)?;
        if search.is_reading {
            return None;
        }
        match search.candidates.pop_front() {
            Some(value) => {
                search.is_reading = true;
                Some(SearchAction::Read(name, value))
            }
            None if search.gets.is_empty() => self.finish(name, None),
            None => None,
        }
    }

    fn finish(&mut self, name: KeyName, found: Option<Certificate>) -> Option<SearchAction> {
        let Search { gets, askers, .. } = self.running.remove(&name)?;
        Some(SearchAction::Finish {
            gets,
            askers,
            found,
        })
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
    use super::super::testing::{alice, bob, certificate_value};
    use super::*;

    const ASKER: OpId = OpId(1);
    const OTHER: OpId = OpId(2);
    const GET: OpId = OpId(11);

    fn name() -> KeyName {
        alice().long_id().into()
    }

    fn certificate() -> Option<Certificate> {
        Some(alice().certificate().clone())
    }

    /// A search of `ASKER` that `GET` feeds and that looks at two values at most.
    fn searches() -> Searches {
        let mut searches = Searches::new(KeyCache::new(None, 4), 2);
        let keys = searches.join(name(), ASKER);
        assert_eq!(keys, Some(vec![name().dht_key()]));
        searches.open(name(), ASKER, [GET].into());
        searches
    }

    fn candidates(count: usize) -> Vec<Value> {
        vec![certificate_value(&bob()); count]
    }

    fn read() -> Option<SearchAction> {
        Some(SearchAction::Read(name(), certificate_value(&bob())))
    }

    fn finish<const N: usize, const M: usize>(
        gets: [OpId; N],
        askers: [OpId; M],
        found: Option<Certificate>,
    ) -> Option<SearchAction> {
        let (gets, askers) = (gets.into(), askers.into());
        Some(SearchAction::Finish {
            gets,
            askers,
            found,
        })
    }

    #[test]
    fn candidates_are_read_one_after_the_other_and_no_more_than_allowed() {
        let mut searches = searches();
        assert_eq!(searches.on_candidates(name(), candidates(1)), read());
        assert_eq!(searches.on_candidates(name(), candidates(2)), None);
        assert_eq!(searches.on_get_done(name(), GET), None);
        assert_eq!(searches.on_read(name(), None), read());
        let nothing = finish([], [ASKER], None);
        assert_eq!(searches.on_read(name(), None), nothing);
    }

    #[test]
    fn a_search_goes_on_while_a_get_runs() {
        let mut searches = searches();
        assert_eq!(searches.on_candidates(name(), candidates(1)), read());
        assert_eq!(searches.on_read(name(), None), None);
        let nothing = finish([], [ASKER], None);
        assert_eq!(searches.on_get_done(name(), GET), nothing);
    }

    #[test]
    fn the_first_fitting_certificate_ends_a_search_and_is_remembered() {
        let mut searches = searches();
        searches.on_candidates(name(), candidates(2));
        let found = finish([GET], [ASKER], certificate());
        assert_eq!(searches.on_read(name(), certificate()), found);
        assert_eq!(searches.keys().certificate(name()), certificate());
        assert_eq!(searches.on_candidates(name(), candidates(1)), None);
        assert_eq!(searches.on_get_done(name(), GET), None);
    }

    #[test]
    fn a_certificate_read_too_late_is_remembered_all_the_same() {
        let mut searches = searches();
        searches.on_candidates(name(), candidates(1));
        assert_eq!(searches.leave(name(), ASKER), finish([GET], [], None));
        assert_eq!(searches.on_read(name(), certificate()), None);
        assert_eq!(searches.keys().certificate(name()), certificate());
    }

    #[test]
    fn searches_for_one_name_are_joined() {
        let mut searches = searches();
        assert_eq!(searches.join(name(), OTHER), None);
        let other_name = bob().long_id().into();
        assert!(searches.join(other_name, OTHER).is_some());
        assert_eq!(searches.leave(name(), ASKER), None);
        let nothing = finish([], [OTHER], None);
        assert_eq!(searches.on_get_done(name(), GET), nothing);
    }

    #[test]
    fn a_known_key_is_looked_for_under_both_of_its_names() {
        let mut searches = Searches::new(KeyCache::new(None, 4), 2);
        searches.keys().remember_key(alice().public_key());
        let short = KeyName::from(alice().id());
        let both = vec![name().dht_key(), short.dht_key()];
        assert_eq!(searches.join(name(), ASKER), Some(both));
    }

    #[test]
    fn certificates_alone_are_asked_for() {
        assert!(query().matches(&certificate_value(&alice())));
        let other = super::super::testing::signed(&alice(), 1, 0, "no certificate");
        assert!(!query().matches(&other));
    }
}
