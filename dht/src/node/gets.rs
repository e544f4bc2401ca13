//! The application's gets, queries and listens, and the beginning and end of any operation.

use std::collections::BTreeSet;

use super::operations::{Cancelled, OpState};
use super::{LookupId, Node, OpError, OpId};
use crate::lookup::FindKind;
use crate::value::{Field, Query, ValueId};
use crate::{InfoHash, Timestamp};

impl Node {
    /// Finds the values under `key` that meet the conditions of `query`, whole.
    ///
    /// [`Event::Values`](super::Event::Values) as they come,
    /// [`Event::GetDone`](super::Event::GetDone) at the end.
    ///
    /// # Errors
    ///
    /// [`OpError`] if the key is zero or too much is under way.
    pub fn get(&mut self, now: Timestamp, key: InfoHash, query: Query) -> Result<OpId, OpError> {
        let query = Query {
            select: BTreeSet::new(),
            ..query
        };
        self.find(now, key, query.clone(), OpState::get(query))
    }

    /// Finds the selected fields of the values under `key` that meet the conditions of `query`.
    ///
    /// [`Event::Rows`](super::Event::Rows) as they come, [`Event::GetDone`](super::Event::GetDone)
    /// at the end. A query that selects nothing selects the id.
    ///
    /// # Errors
    ///
    /// As [`Node::get`].
    pub fn query(&mut self, now: Timestamp, key: InfoHash, query: Query) -> Result<OpId, OpError> {
        let mut query = query;
        if query.select.is_empty() {
            query.select.insert(Field::Id);
        }
        self.find(now, key, query.clone(), OpState::query(query))
    }

    /// Listens to the values under `key` that meet the conditions of `query`: those there are, new
    /// and edited ones ([`Event::Values`](super::Event::Values)), and those that are gone
    /// ([`Event::Expired`](super::Event::Expired)), until cancelled.
    ///
    /// # Errors
    ///
    /// As [`Node::get`].
    pub fn listen(&mut self, now: Timestamp, key: InfoHash, query: Query) -> Result<OpId, OpError> {
        let now = self.advance(now);
        let query = Query {
            select: BTreeSet::new(),
            ..query
        };
        let op = self.reserve_op();
        self.start(now, op, key, OpState::Listen)?;
        self.subscriptions.start(op, key, query.clone());
        let mut from = Some(ValueId(0));
        while let Some(id) = from {
            let (stored, next) = self.server.batch(&key, &query, id);
            let event = self.subscriptions.on_stored_before(op, &stored);
            self.outbox.report(event);
            from = next;
        }
        for id in LookupId::of(key) {
            if let Some(lookup) = self.lookups.get_mut(id) {
                lookup.subscribe(now, op);
                self.lookups.set_lasting(id);
            }
            self.drive(now, id);
        }
        Ok(op)
    }

    /// Ends an operation; nothing more comes for it. A put is not announced any more, its copies
    /// stay until they expire.
    pub fn cancel(&mut self, now: Timestamp, op: OpId) {
        let now = self.advance(now);
        let Some(Cancelled { key, announced }) = self.operations.cancel(op) else {
            return;
        };
        self.subscriptions.end(op);
        self.end_reading(op);
        for lookup_id in LookupId::of(key) {
            match (announced, self.lookups.get_mut(lookup_id)) {
                (Some(id), _) => self.lookups.withdraw(lookup_id, id),
                (None, Some(lookup)) => lookup.cancel(op),
                (None, None) => {}
            }
            self.drive(now, lookup_id);
        }
    }

    /// Starts an operation and sees to it that there are lookups to serve it.
    pub(super) fn start(
        &mut self,
        now: Timestamp,
        op: OpId,
        key: InfoHash,
        state: OpState,
    ) -> Result<(), OpError> {
        if key.is_zero() {
            return Err(OpError::ZeroKey);
        }
        if self.operations.is_full() || self.lookups.is_full() {
            return Err(OpError::TooManyOperations);
        }
        for id in LookupId::of(key) {
            self.lookups.open(now, id, &self.contacts);
        }
        self.operations.start(op, key, state);
        Ok(())
    }

    fn find(
        &mut self,
        now: Timestamp,
        key: InfoHash,
        query: Query,
        state: OpState,
    ) -> Result<OpId, OpError> {
        let now = self.advance(now);
        let op = self.reserve_op();
        self.start(now, op, key, state)?;
        let mut from = Some(ValueId(0));
        while let Some(id) = from {
            let (stored, next) = self.server.batch(&key, &query, id);
            let (_, event) = self.operations.on_found(op, &stored, &[]);
            self.outbox.report(event);
            from = next;
        }
        let goal = FindKind::Value(query);
        for id in LookupId::of(key) {
            if let Some(lookup) = self.lookups.get_mut(id) {
                lookup.ask(now, op, goal.clone());
            }
        }
        for id in LookupId::of(key) {
            self.drive(now, id);
        }
        Ok(op)
    }
}
