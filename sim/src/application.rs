//! The application above each node: begins [`Operation`]s, and takes in what the node tells of
//! them.

use bulla_dht::node::{OpError, OpId, PutOptions, Status};
use bulla_dht::secure::{Protection, SecureDht, SecureEvent, SecurePutError};
use bulla_dht::{Draft, InfoHash, Query, Timestamp, Value, ValueId};
use bulla_identity::{Identity, LongKeyId};

use super::event::Event;
use super::expected_value::ExpectedValue;
use super::host::Host;
use super::{HostId, Operation, OperationError, OperationId, Outcome, Request, Sim, oracle};

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
        self.begin_read(host, key, query, SecureDht::get, Request::Get)
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
        self.begin_read(host, key, query, SecureDht::query, Request::Query)
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
        self.begin_read(host, key, query, SecureDht::listen, Request::Listen)
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
        let put = |dht: &mut SecureDht, clock, options| dht.put(clock, key, draft.clone(), options);
        self.begin_put(host, key, draft, (Protection::Clear, permanent), put)
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
        let put = |dht: &mut SecureDht, clock, options: PutOptions| {
            dht.put_signed(clock, key, draft.clone(), options)
        };
        self.begin_put(host, key, draft, (Protection::Signed, permanent), put)
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
        let put = |dht: &mut SecureDht, clock, options: PutOptions| {
            dht.put_encrypted(clock, key, to, draft.clone(), options)
        };
        self.begin_put(host, key, draft, (Protection::Encrypted, false), put)
    }

    /// Starts a put of a value that must not be taken for genuine.
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

    /// Ends an operation: nothing more comes for it. What a put has published stays where it is
    /// until it expires.
    pub fn cancel(&mut self, operation: OperationId) {
        let host = self.operations[operation.0].host;
        self.stop(operation, SecureDht::cancel);
        self.oracle.on_stop(self.now, host, Some(operation));
    }

    /// As [`Sim::cancel`] for a put, and deletes the copy at its host.
    pub fn cancel_put(&mut self, put: OperationId) {
        let Operation { host, key, .. } = self.operations[put.0];
        let Some(id) = self.operations[put.0].expected_value().map(|it| it.id) else {
            return;
        };
        self.stop(put, |dht, clock, _| {
            dht.cancel_put(clock, key, id);
        });
        self.oracle.on_stop(self.now, host, Some(put));
    }

    fn begin_read(
        &mut self,
        host: HostId,
        key: InfoHash,
        query: Query,
        read: impl FnOnce(&mut SecureDht, Timestamp, InfoHash, Query) -> Result<OpId, OpError>,
        request: impl FnOnce(Query) -> Request,
    ) -> Result<OperationId, OperationError> {
        self.begin(host, key, |dht, clock| {
            let op = read(dht, clock, key, query.clone())?;
            Ok((op, request(query)))
        })
    }

    fn begin_put(
        &mut self,
        host: HostId,
        key: InfoHash,
        draft: &Draft,
        (trust, permanent): (Protection, bool),
        put: impl FnOnce(
            &mut SecureDht,
            Timestamp,
            PutOptions,
        ) -> Result<(OpId, ValueId), SecurePutError>,
    ) -> Result<OperationId, OperationError> {
        let options = PutOptions {
            permanent,
            created: None,
        };
        self.begin(host, key, |dht, clock| {
            let (op, id) = put(dht, clock, options)?;
            let identity = dht.identity().filter(|_| trust != Protection::Clear);
            let signer = identity.map(Identity::long_id);
            let value = ExpectedValue::new(draft, id, trust, signer, permanent);
            Ok((op, Request::Put(value)))
        })
    }

    fn begin(
        &mut self,
        host: HostId,
        key: InfoHash,
        start: impl FnOnce(&mut SecureDht, Timestamp) -> Result<(OpId, Request), SecurePutError>,
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
        if let Request::Put(value) = &operation.request {
            let kinds = &self.hosts[host.index()].spec.config.value_types;
            let lifetime = kinds.rules(value.value_type).lifetime;
            self.oracle
                .on_put(self.now, id, &operation, value, lifetime);
        }
        self.operations.push(operation);
        self.with_dht(host, |_, _| ());
        Ok(id)
    }

    /// Has a node stop an operation.
    fn stop(&mut self, operation: OperationId, stop: impl FnOnce(&mut SecureDht, Timestamp, OpId)) {
        let host = self.operations[operation.0].host;
        self.end(operation);
        let Some(instance) = &mut self.hosts[host.index()].instance else {
            return;
        };
        let mut operations = instance.operations.iter();
        let op = operations.find(|(_, its)| **its == operation);
        if let Some(op) = op.map(|(op, _)| *op) {
            instance.operations.remove(&op);
            self.with_dht(host, |dht, clock| stop(dht, clock, op));
        }
    }

    /// Marks an operation as cancelled, unless it has ended.
    pub(super) fn end(&mut self, operation: OperationId) {
        let operation = &mut self.operations[operation.0];
        if operation.ended.is_none() {
            operation.ended = Some((self.now, Outcome::Cancelled));
        }
    }

    /// Hands what a node told its application to the operation that it is about.
    pub(super) fn on_secure_event(&mut self, host: HostId, event: SecureEvent) {
        let now = self.now;
        self.trace.event(now, host, &event);
        let (op, over) = match &event {
            SecureEvent::Values { op, .. }
            | SecureEvent::Expired { op, .. }
            | SecureEvent::Rows { op, .. } => (*op, false),
            SecureEvent::GetDone { op, .. }
            | SecureEvent::PutDone { op, .. }
            | SecureEvent::PutFailed { op, .. } => (*op, true),
            SecureEvent::StatusChanged {
                status: Status::Connected,
                ..
            } => return self.on_connected(host),
            // All others are about the node.
            _ => return,
        };
        let Host { instance, spec, .. } = &mut self.hosts[host.index()];
        let Some(instance) = instance else {
            return;
        };
        let Some(&id) = instance.operations.get(&op) else {
            let what = format!("told of an operation that is over: {event:?}");
            return self.oracle.report_violation(now, host, what);
        };
        let honest = spec.behaviour.is_none();
        let operation = &mut self.operations[id.0];
        if over && !operation.request.is_ongoing() {
            instance.operations.remove(&op);
        }
        if let (SecureEvent::Values { values, .. }, true) = (&event, honest) {
            self.oracle.check_values(now, operation, values);
        }
        if let Err(what) = operation.on_event(now, event) {
            self.oracle.report_violation(now, host, what);
        }
        let operation = &self.operations[id.0];
        if let (Request::Get(query), true, true) = (&operation.request, over, honest) {
            let well_held = self.well_held(host, operation.key, query);
            self.oracle.check_end(now, operation, &well_held);
        }
    }

    /// Records how long a node took to find its network, unless it knew that from its start.
    fn on_connected(&mut self, host: HostId) {
        let now = self.now;
        if let Some(instance) = &mut self.hosts[host.index()].instance
            && !instance.is_connected
        {
            instance.is_connected = true;
            self.connecting.push(now.since(instance.born));
        }
    }
}
