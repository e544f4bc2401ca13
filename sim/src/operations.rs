//! What a simulation has its nodes do: each operation is an [`Operation`].

use bulla_identity::{Identity, LongKeyId};

use super::event::Event;
use super::expected_value::ExpectedValue;
use super::{HostId, Operation, OperationError, OperationId, Request, Sim, oracle};
use bulla_dht::node::{OpId, PutOptions};
use bulla_dht::secure::{Protection, PutError, SecureDht};
use bulla_dht::{Draft, InfoHash, Query, Timestamp, Value};

impl Sim {
    /// Starts a get.
    ///
    /// # Errors
    ///
    /// [`OperationError`] if no node is there, or it refuses.
    pub fn get(
        &mut self,
        host: HostId,
        key: InfoHash,
        query: Query,
    ) -> Result<OperationId, OperationError> {
        self.begin(host, key, |dht, clock| {
            let op = dht.get(clock, key, query.clone())?;
            Ok((op, Request::Get(query)))
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
    ) -> Result<OperationId, OperationError> {
        self.begin(host, key, |dht, clock| {
            let op = dht.query(clock, key, query.clone())?;
            Ok((op, Request::Query(query)))
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
    ) -> Result<OperationId, OperationError> {
        self.begin(host, key, |dht, clock| {
            let op = dht.listen(clock, key, query.clone())?;
            Ok((op, Request::Listen(query)))
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
    ) -> Result<OperationId, OperationError> {
        self.publish(host, key, permanent, |dht, clock, options| {
            let (op, id) = dht.put(clock, key, draft.clone(), options)?;
            let expected_value = ExpectedValue::new(draft, id, Protection::Clear, None, permanent);
            Ok((op, expected_value))
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
    ) -> Result<OperationId, OperationError> {
        self.publish(host, key, permanent, |dht, clock, options| {
            let (op, id) = dht.put_signed(clock, key, draft.clone(), options)?;
            let signer = dht.identity().map(Identity::long_id);
            let expected_value =
                ExpectedValue::new(draft, id, Protection::Signed, signer, permanent);
            Ok((op, expected_value))
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
    ) -> Result<OperationId, OperationError> {
        self.publish(host, key, false, |dht, clock, options| {
            let (op, id) = dht.put_encrypted(clock, key, to, draft.clone(), options)?;
            let signer = dht.identity().map(Identity::long_id);
            let expected_value =
                ExpectedValue::new(draft, id, Protection::Encrypted, signer, false);
            Ok((op, expected_value))
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
    ) -> Result<OperationId, OperationError> {
        let request = Request::Put(ExpectedValue::of_value(&value));
        self.begin(host, key, |dht, clock| {
            let op = dht.put_value(clock, key, value, PutOptions::default())?;
            Ok((op, request))
        })
    }

    /// Ends an operation: nothing more comes for it. What a put has published stays where it is until it expires.
    pub fn cancel(&mut self, operation: OperationId) {
        let host = self.operations[operation.0].host;
        self.forget(operation, SecureDht::cancel);
        self.oracle.on_stop(self.now, host, Some(operation));
    }

    /// As [`Sim::cancel`] for a put, and deletes the copy at its host.
    pub fn cancel_put(&mut self, put: OperationId) {
        let Operation { host, key, .. } = self.operations[put.0];
        let Some(id) = self.operations[put.0].expected_value().map(|it| it.id) else {
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
        ) -> Result<(OpId, ExpectedValue), PutError>,
    ) -> Result<OperationId, OperationError> {
        let options = PutOptions {
            permanent,
            created: None,
        };
        self.begin(host, key, |dht, clock| {
            let (op, expected_value) = start(dht, clock, options)?;
            Ok((op, Request::Put(expected_value)))
        })
    }

    fn begin(
        &mut self,
        host: HostId,
        key: InfoHash,
        start: impl FnOnce(&mut SecureDht, Timestamp) -> Result<(OpId, Request), PutError>,
    ) -> Result<OperationId, OperationError> {
        let instance = self.hosts[host.index()].instance.as_mut();
        let instance = instance.ok_or(OperationError::Away(host))?;
        let clock = instance.clock(self.now);
        let (op, request) = start(&mut instance.dht, clock)?;
        let id = OperationId(self.operations.len());
        instance.operations.insert(op, id);
        if let Some(limit) = oracle::time_limit(&request) {
            self.queue.push(self.now + limit, Event::Deadline(id));
        }
        let mut operation = Operation::new(host, key, request, self.now);
        if let Request::Get(query) = &operation.request {
            operation.expected = self.well_held(host, key, query);
        }
        if let Request::Put(expected_value) = &operation.request {
            let lifetime = self.lifetime_of(host, expected_value.value_type);
            let expected_value = expected_value.clone();
            self.oracle
                .on_put(self.now, id, &operation, &expected_value, lifetime);
        }
        self.operations.push(operation);
        self.with_dht(host, |_, _| ());
        Ok(id)
    }

    /// Has a node stop an operation.
    fn forget(
        &mut self,
        operation: OperationId,
        stop: impl FnOnce(&mut SecureDht, Timestamp, OpId),
    ) {
        let host = self.operations[operation.0].host;
        self.end(operation);
        let Some(instance) = &mut self.hosts[host.index()].instance else {
            return;
        };
        let op = instance
            .operations
            .iter()
            .find(|(_, its)| **its == operation);
        if let Some(op) = op.map(|(op, _)| *op) {
            instance.operations.remove(&op);
            self.with_dht(host, |dht, clock| stop(dht, clock, op));
        }
    }
}
