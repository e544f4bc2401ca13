//! What a simulation has its nodes do: each operation is an [`Errand`].

use bulla_identity::{Identity, LongKeyId};

use super::happening::Happening;
use super::publication::Publication;
use super::{Errand, ErrandError, ErrandId, HostId, Sim, Task, oracle};
use crate::node::{OpId, PutOptions};
use crate::secure::{Protection, PutError, SecureDht};
use crate::{Draft, InfoHash, Query, Timestamp, Value};

impl Sim {
    /// Starts a get.
    ///
    /// # Errors
    ///
    /// [`ErrandError`] if no node is there, or it refuses.
    pub fn get(
        &mut self,
        host: HostId,
        key: InfoHash,
        query: Query,
    ) -> Result<ErrandId, ErrandError> {
        self.begin(host, key, |dht, clock| {
            let op = dht.get(clock, key, query.clone())?;
            Ok((op, Task::Get(query)))
        })
    }

    /// Starts a query.
    ///
    /// # Errors
    ///
    /// As [`Sim::get`].
    pub fn query(
        &mut self,
        host: HostId,
        key: InfoHash,
        query: Query,
    ) -> Result<ErrandId, ErrandError> {
        self.begin(host, key, |dht, clock| {
            let op = dht.query(clock, key, query.clone())?;
            Ok((op, Task::Query(query)))
        })
    }

    /// Starts a listen.
    ///
    /// # Errors
    ///
    /// As [`Sim::get`].
    pub fn listen(
        &mut self,
        host: HostId,
        key: InfoHash,
        query: Query,
    ) -> Result<ErrandId, ErrandError> {
        self.begin(host, key, |dht, clock| {
            let op = dht.listen(clock, key, query.clone())?;
            Ok((op, Task::Listen(query)))
        })
    }

    /// Starts a put of a clear value. An id of 0 is replaced by a random one.
    ///
    /// # Errors
    ///
    /// As [`Sim::get`].
    pub fn put(
        &mut self,
        host: HostId,
        key: InfoHash,
        draft: &Draft,
        permanent: bool,
    ) -> Result<ErrandId, ErrandError> {
        self.publish(host, key, permanent, |dht, clock, options| {
            let (op, id) = dht.put(clock, key, draft.clone(), options)?;
            let publication = Publication::new(draft, id, Protection::Clear, None, permanent);
            Ok((op, publication))
        })
    }

    /// Starts a signed put. The host needs an identity.
    ///
    /// # Errors
    ///
    /// As [`Sim::get`].
    pub fn put_signed(
        &mut self,
        host: HostId,
        key: InfoHash,
        draft: &Draft,
        permanent: bool,
    ) -> Result<ErrandId, ErrandError> {
        self.publish(host, key, permanent, |dht, clock, options| {
            let (op, id) = dht.put_signed(clock, key, draft.clone(), options)?;
            let signer = dht.identity().map(Identity::long_id);
            let publication = Publication::new(draft, id, Protection::Signed, signer, permanent);
            Ok((op, publication))
        })
    }

    /// Starts an encrypted put. The host needs an identity. Its ciphertext differs from run to run.
    ///
    /// # Errors
    ///
    /// As [`Sim::get`].
    pub fn put_encrypted(
        &mut self,
        host: HostId,
        key: InfoHash,
        to: LongKeyId,
        draft: &Draft,
    ) -> Result<ErrandId, ErrandError> {
        self.publish(host, key, false, |dht, clock, options| {
            let (op, id) = dht.put_encrypted(clock, key, to, draft.clone(), options)?;
            let signer = dht.identity().map(Identity::long_id);
            let publication = Publication::new(draft, id, Protection::Encrypted, signer, false);
            Ok((op, publication))
        })
    }

    /// Starts a put of a value that nobody must take for genuine.
    ///
    /// # Errors
    ///
    /// As [`Sim::get`].
    pub fn put_forged(
        &mut self,
        host: HostId,
        key: InfoHash,
        value: Value,
    ) -> Result<ErrandId, ErrandError> {
        let task = Task::Put(Publication::of_value(&value));
        self.begin(host, key, |dht, clock| {
            let op = dht.put_value(clock, key, value, PutOptions::default())?;
            Ok((op, task))
        })
    }

    /// Ends an errand: nothing more comes for it. What a put has published stays where it is until it expires.
    pub fn cancel(&mut self, errand: ErrandId) {
        let host = self.errands[errand.0].host;
        self.forget(errand, SecureDht::cancel);
        self.oracle.on_stop(self.now, host, Some(errand));
    }

    /// As [`Sim::cancel`] for a put, and deletes the copy at its host.
    pub fn cancel_put(&mut self, put: ErrandId) {
        let Errand { host, key, .. } = self.errands[put.0];
        let Some(id) = self.errands[put.0].publication().map(|it| it.id) else {
            return;
        };
        self.forget(put, |dht, clock, _| {
            dht.cancel_put(clock, key, id);
        });
        self.oracle.on_stop(self.now, host, Some(put));
    }

    fn publish(
        &mut self,
        host: HostId,
        key: InfoHash,
        permanent: bool,
        start: impl FnOnce(
            &mut SecureDht,
            Timestamp,
            PutOptions,
        ) -> Result<(OpId, Publication), PutError>,
    ) -> Result<ErrandId, ErrandError> {
        let options = PutOptions {
            permanent,
            created: None,
        };
        self.begin(host, key, |dht, clock| {
            let (op, publication) = start(dht, clock, options)?;
            Ok((op, Task::Put(publication)))
        })
    }

    fn begin(
        &mut self,
        host: HostId,
        key: InfoHash,
        start: impl FnOnce(&mut SecureDht, Timestamp) -> Result<(OpId, Task), PutError>,
    ) -> Result<ErrandId, ErrandError> {
        let tenant = self.hosts[host.index()].tenant.as_mut();
        let tenant = tenant.ok_or(ErrandError::Away(host))?;
        let clock = tenant.clock(self.now);
        let (op, task) = start(&mut tenant.dht, clock)?;
        let id = ErrandId(self.errands.len());
        tenant.errands.insert(op, id);
        if let Some(limit) = oracle::patience_with(&task) {
            self.queue.push(self.now + limit, Happening::Deadline(id));
        }
        let mut errand = Errand::new(host, key, task, self.now);
        if let Task::Get(query) = &errand.task {
            errand.due = self.well_held(host, key, query);
        }
        if let Task::Put(publication) = &errand.task {
            let lifetime = self.lifetime_of(host, publication.value_type);
            let publication = publication.clone();
            self.oracle
                .on_put(self.now, id, &errand, &publication, lifetime);
        }
        self.errands.push(errand);
        self.with_dht(host, |_, _| ());
        Ok(id)
    }

    /// Has a node stop an errand.
    fn forget(&mut self, errand: ErrandId, stop: impl FnOnce(&mut SecureDht, Timestamp, OpId)) {
        let host = self.errands[errand.0].host;
        self.end(errand);
        let Some(tenant) = &mut self.hosts[host.index()].tenant else {
            return;
        };
        let op = tenant.errands.iter().find(|(_, its)| **its == errand);
        if let Some(op) = op.map(|(op, _)| *op) {
            tenant.errands.remove(&op);
            self.with_dht(host, |dht, clock| stop(dht, clock, op));
        }
    }
}
