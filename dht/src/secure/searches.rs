//! [`Searches`]: certificates being looked for in the DHT (`docs/spec/secure.md#5.5`).
//!
//! Searches for one name are joined. What is found is read one value after the other, in the order of arrival, so the
//! first fitting certificate wins however long each reading takes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bulla_identity::Certificate;

use super::SecureDht;
use super::admission::Ticket;
use super::error::PutError;
use super::event::SecureEvent;
use super::job::Task;
use super::key_cache::KeyName;
use super::pending::{InternalOp, Preparation};
use crate::Timestamp;
use crate::lookup::OpId;
use crate::node::OpError;
use crate::value::{Condition, Query, Value, ValueType};

/// Searches by what is looked for.
#[derive(Debug)]
pub(super) struct Searches {
    running: BTreeMap<KeyName, Search>,
    max_candidates: usize,
}

/// One search. It ends with the first fitting certificate, or when its gets are over and all candidates read.
#[derive(Default, Debug)]
struct Search {
    /// Operations of the application that wait for the certificate.
    askers: BTreeSet<OpId>,
    /// Gets that still run.
    gets: BTreeSet<OpId>,
    candidates: VecDeque<Value>,
    /// Candidates that came, read or not.
    seen: usize,
    reading: bool,
}

/// What a search needs next.
#[derive(PartialEq, Eq, Debug)]
enum Next {
    Read(Value),
    Wait,
    GiveUp,
}

impl SecureDht {
    /// Finds a certificate: the own one, one at hand, in the application's store, or in the DHT.
    /// [`SecureEvent::Certificate`] tells the result.
    ///
    /// That its key has this name is certain; its signature and dates are not looked at.
    ///
    /// # Errors
    ///
    /// [`OpError::TooManyOperations`] if too much is under way, [`OpError::ZeroKey`] for an id of zeros.
    pub fn find_certificate(
        &mut self,
        now: Timestamp,
        name: impl Into<KeyName>,
    ) -> Result<OpId, OpError> {
        let name = name.into();
        let op = self.reserve()?;
        if let Some(certificate) = self.key_cache.certificate(name) {
            self.tell(SecureEvent::Certificate {
                op,
                certificate: Some(certificate),
            });
        } else {
            self.search(now, name, op)?;
            self.preparing.insert(op, Preparation::Certificate { name });
        }
        self.advance(now);
        Ok(op)
    }

    /// Finds a public key, as [`SecureDht::find_certificate`] does a certificate. Keys of those who wrote to us are at
    /// hand without one. [`SecureEvent::PublicKey`] tells the result.
    ///
    /// # Errors
    ///
    /// As [`SecureDht::find_certificate`].
    pub fn find_public_key(
        &mut self,
        now: Timestamp,
        name: impl Into<KeyName>,
    ) -> Result<OpId, OpError> {
        let name = name.into();
        let op = self.reserve()?;
        if let Some(key) = self.key_cache.public_key(name) {
            self.tell(SecureEvent::PublicKey { op, key: Some(key) });
        } else {
            self.search(now, name, op)?;
            self.preparing.insert(op, Preparation::PublicKey { name });
        }
        self.advance(now);
        Ok(op)
    }

    /// Lets `op` wait for a certificate.
    pub(super) fn search(
        &mut self,
        now: Timestamp,
        name: KeyName,
        op: OpId,
    ) -> Result<(), OpError> {
        if !self.searches.join(name, op) {
            self.open_search(now, name, op)?;
        }
        Ok(())
    }

    fn open_search(&mut self, now: Timestamp, name: KeyName, op: OpId) -> Result<(), OpError> {
        let mut search = Search::default();
        let mut failed = None;
        for key in self.key_cache.dht_keys(name) {
            let query = Query {
                conditions: vec![Condition::ValueType(ValueType::CERTIFICATE)],
                ..Query::default()
            };
            match self.node.get(now, key, query) {
                Ok(get) => {
                    search.gets.insert(get);
                    self.internal_ops.insert(get, InternalOp::Search { name });
                }
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) if search.gets.is_empty() => Err(error),
            _ => {
                search.askers.insert(op);
                self.searches.running.insert(name, search);
                Ok(())
            }
        }
    }

    /// Values were found in search of `name`.
    pub(super) fn on_candidates(&mut self, now: Timestamp, name: KeyName, values: Vec<Value>) {
        self.searches.offer(name, values);
        self.go_on_searching(now, name);
    }

    /// A get in search of `name` is over.
    pub(super) fn on_search_get_done(&mut self, now: Timestamp, name: KeyName, get: OpId) {
        self.internal_ops.remove(&get);
        if let Some(search) = self.searches.running.get_mut(&name) {
            search.gets.remove(&get);
        }
        self.go_on_searching(now, name);
    }

    /// A candidate was read.
    pub(super) fn on_read(
        &mut self,
        now: Timestamp,
        name: KeyName,
        certificate: Option<Certificate>,
    ) {
        if let Some(certificate) = certificate {
            self.key_cache.remember(&certificate);
            self.finish_search(now, name, Some(&certificate));
        } else {
            if let Some(search) = self.searches.running.get_mut(&name) {
                search.reading = false;
            }
            self.go_on_searching(now, name);
        }
    }

    /// `op` does not want the certificate any more; without any other asker the search ends.
    pub(super) fn leave_search(&mut self, now: Timestamp, name: KeyName, op: OpId) {
        if let Some(search) = self.searches.running.get_mut(&name) {
            search.askers.remove(&op);
            if search.askers.is_empty() {
                self.finish_search(now, name, None);
            }
        }
    }

    fn go_on_searching(&mut self, now: Timestamp, name: KeyName) {
        match self.searches.next(name) {
            Next::Read(value) => self.start(Ticket::Step, Task::ReadCertificate { name, value }),
            Next::GiveUp => self.finish_search(now, name, None),
            Next::Wait => {}
        }
    }

    fn finish_search(&mut self, now: Timestamp, name: KeyName, found: Option<&Certificate>) {
        let Some(search) = self.searches.running.remove(&name) else {
            return;
        };
        for get in search.gets {
            self.internal_ops.remove(&get);
            self.node.cancel(now, get);
        }
        for op in search.askers {
            self.answer(now, op, found);
        }
    }

    /// Tells an operation what its search found.
    fn answer(&mut self, now: Timestamp, op: OpId, found: Option<&Certificate>) {
        match self.preparing.remove(&op) {
            Some(Preparation::Certificate { .. }) => self.tell(SecureEvent::Certificate {
                op,
                certificate: found.cloned(),
            }),
            Some(Preparation::PublicKey { .. }) => self.tell(SecureEvent::PublicKey {
                op,
                key: found.and_then(Certificate::public_key).cloned(),
            }),
            Some(preparation @ Preparation::Encrypted { .. }) => {
                self.preparing.insert(op, preparation);
                let key = match found.map(Certificate::public_key) {
                    Some(Some(key)) => Ok(key.clone()),
                    Some(None) => Err(PutError::NotRsa),
                    None => Err(PutError::NoCertificate),
                };
                let action = self.encrypted_puts.on_key(op, key, &mut self.key_cache);
                if let Err(error) = self.encrypt(now, op, action) {
                    self.fail(op, error.into());
                }
            }
            Some(Preparation::Signed { .. }) | None => {}
        }
    }
}

impl Searches {
    pub(super) fn new(max_candidates: usize) -> Self {
        Self {
            running: BTreeMap::new(),
            max_candidates,
        }
    }

    /// Adds an asker to a search that runs already; `false` if none does.
    fn join(&mut self, name: KeyName, op: OpId) -> bool {
        match self.running.get_mut(&name) {
            Some(search) => search.askers.insert(op),
            None => false,
        }
    }

    fn offer(&mut self, name: KeyName, values: Vec<Value>) {
        if let Some(search) = self.running.get_mut(&name) {
            for value in values {
                if search.seen < self.max_candidates {
                    search.seen += 1;
                    search.candidates.push_back(value);
                }
            }
        }
    }

    fn next(&mut self, name: KeyName) -> Next {
        match self.running.get_mut(&name) {
            Some(search) if !search.reading => match search.candidates.pop_front() {
                Some(value) => {
                    search.reading = true;
                    Next::Read(value)
                }
                None if search.gets.is_empty() => Next::GiveUp,
                None => Next::Wait,
            },
            Some(_) | None => Next::Wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{alice, certificate_value};
    use super::*;

    fn searches(gets: &[u64]) -> (Searches, KeyName) {
        let name = KeyName::from(alice().long_id());
        let mut searches = Searches::new(2);
        let search = Search {
            gets: gets.iter().copied().map(OpId).collect(),
            ..Search::default()
        };
        searches.running.insert(name, search);
        (searches, name)
    }

    #[test]
    fn candidates_are_read_one_after_the_other_and_no_more_than_allowed() {
        let (mut searches, name) = searches(&[]);
        searches.offer(name, vec![certificate_value(&alice()); 3]);
        for _ in 0..2 {
            assert!(matches!(searches.next(name), Next::Read(_)));
            assert_eq!(searches.next(name), Next::Wait);
            searches.running.get_mut(&name).unwrap().reading = false;
        }
        assert_eq!(searches.next(name), Next::GiveUp);
    }

    #[test]
    fn a_search_goes_on_while_a_get_runs() {
        let (mut searches, name) = searches(&[1]);
        assert_eq!(searches.next(name), Next::Wait);
        searches.running.get_mut(&name).unwrap().gets.clear();
        assert_eq!(searches.next(name), Next::GiveUp);
    }
}
