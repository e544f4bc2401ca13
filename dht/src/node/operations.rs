//! The operations of the application: get, query, listen and put, and their end.

use std::collections::BTreeSet;

use thiserror::Error;

use super::ops::OpKind;
use super::{GetReport, Node, OpId, PutReport};
use crate::lookup::{Announcement, FindKind, ListenView};
use crate::value::{Field, Query, Value, ValueId};
use crate::{Family, InfoHash, Timestamp, UnixTime};

/// How a put is announced.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PutOptions {
    /// Announcement the value again before it expires, for as long as the node runs.
    pub permanent: bool,
    /// When the value was made; `None` is now. A value lives for its kind's lifetime from then. Of no effect on
    /// permanent puts.
    pub created: Option<UnixTime>,
}

/// An operation could not be started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum OpError {
    /// The key is all zeros, which stands for "no key".
    #[error("the key must not be all zeros")]
    ZeroKey,
    /// The value id is 0, which stands for "no id".
    #[error("the value id must not be 0")]
    ZeroId,
    /// The content exceeds [`Value::MAX_CONTENT`].
    #[error("the value holds {0} bytes; at most {max} can be stored", max = Value::MAX_CONTENT)]
    TooLarge(usize),
    /// [`OperationConfig::max`](crate::OperationConfig::max) run already.
    #[error("too many operations at a time")]
    TooManyOperations,
}

impl Node {
    /// Finds the values under `key` that meet the conditions of `query`, whole.
    ///
    /// [`Event::Values`](super::Event::Values) as they come, [`Event::GetDone`](super::Event::GetDone) at the end.
    ///
    /// # Errors
    ///
    /// [`OpError`] if the key is zero or too much is under way.
    pub fn get(&mut self, now: Timestamp, key: InfoHash, query: Query) -> Result<OpId, OpError> {
        let query = Query {
            select: BTreeSet::new(),
            ..query
        };
        let task = OpKind::Get {
            seen: BTreeSet::new(),
            report: GetReport::default(),
        };
        self.find(now, key, query, task)
    }

    /// Finds the selected fields of the values under `key` that meet the conditions of `query`.
    ///
    /// [`Event::Rows`](super::Event::Rows) as they come, [`Event::GetDone`](super::Event::GetDone) at the end. A query that selects nothing selects the id.
    ///
    /// # Errors
    ///
    /// As [`Node::get`].
    pub fn query(&mut self, now: Timestamp, key: InfoHash, query: Query) -> Result<OpId, OpError> {
        let mut query = query;
        if query.select.is_empty() {
            query.select.insert(Field::Id);
        }
        let task = OpKind::Query {
            seen: BTreeSet::new(),
            report: GetReport::default(),
        };
        self.find(now, key, query, task)
    }

    /// Hears of the values under `key` that meet the conditions of `query`: those there are, new and edited ones
    /// ([`Event::Values`](super::Event::Values)), and those that are gone ([`Event::Expired`](super::Event::Expired)), until cancelled.
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
        let config = &self.config.listen;
        let view = ListenView::new(config.max_values, config.max_holders);
        let op = self.start(now, key, query, OpKind::Listen(view))?;
        self.answer_locally(op);
        for family in Family::ALL {
            if let Some(lookup) = self.lookup(key, family) {
                lookup.subscribe(now, op);
                self.lookups.set_lasting(key, family);
            }
            self.drive(now, key, family);
        }
        Ok(op)
    }

    /// Stores `value` here and at the nodes nearest to `key`. [`Event::PutDone`](super::Event::PutDone) tells who acknowledged it.
    ///
    /// # Errors
    ///
    /// [`OpError`] if the key or the value's id is zero, the value too large, or too much is under way.
    pub fn put(
        &mut self,
        now: Timestamp,
        key: InfoHash,
        value: Value,
        options: PutOptions,
    ) -> Result<OpId, OpError> {
        let op = self.reserve_op();
        self.put_as(now, op, key, value, options)?;
        Ok(op)
    }

    /// Sets an id aside for a put that has to be prepared first, so that it has one name from its beginning.
    pub(crate) fn reserve_op(&mut self) -> OpId {
        self.ops.reserve()
    }

    /// As [`Node::put`], under an id set aside.
    pub(crate) fn put_as(
        &mut self,
        now: Timestamp,
        op: OpId,
        key: InfoHash,
        value: Value,
        options: PutOptions,
    ) -> Result<(), OpError> {
        let now = self.advance(now);
        let id = value.id();
        if id.0 == 0 {
            return Err(OpError::ZeroId);
        }
        if value.content_size() > Value::MAX_CONTENT || value.packed().len() > Value::MAX_PACKED {
            return Err(OpError::TooLarge(value.content_size()));
        }
        let task = OpKind::Put {
            id,
            permanent: options.permanent,
            report: PutReport::default(),
        };
        self.start_as(now, op, key, Query::default(), task)?;
        let created = options.created.unwrap_or_else(|| self.origin.to_unix(now));
        self.store_own(now, key, &value, created, options.permanent);
        let lifetime = self.config.value_types.rules(value.value_type()).lifetime;
        let renewal = options.permanent.then(|| {
            let longest = lifetime.saturating_sub(self.config.operations.announce_margin);
            // What was put together is not announced together for ever.
            self.outbox.rng.between(longest * 7 / 8, longest)
        });
        for family in Family::ALL {
            let created = (!options.permanent).then_some(created);
            let announce = Announcement::new(op, value.clone(), created, renewal);
            let replaced = self
                .lookup(key, family)
                .and_then(|lookup| lookup.announce(now, announce));
            if let Some(replaced) = replaced {
                self.end_put(replaced);
            }
            if options.permanent {
                self.lookups.set_lasting(key, family);
            }
            self.drive(now, key, family);
        }
        Ok(())
    }

    /// Ends an operation; nothing more comes for it. A put is not announced any more, its copies stay until they
    /// expire.
    pub fn cancel(&mut self, now: Timestamp, op: OpId) {
        let now = self.advance(now);
        let Some(ended) = self.ops.remove(op) else {
            return;
        };
        for family in Family::ALL {
            if let Some(lookup) = self.lookups.get_mut(ended.key, family) {
                match ended.task {
                    OpKind::Put { id, .. } => lookup.withdraw(id),
                    OpKind::Get { .. } | OpKind::Query { .. } | OpKind::Listen(_) => {
                        lookup.cancel(op)
                    }
                }
            }
            self.drive(now, ended.key, family);
        }
    }

    /// Stops announcing a value and deletes the copy here; whether there was anything to stop. Copies elsewhere stay
    /// until they expire. A put that has not been reported yet is: [`Event::PutDone`](super::Event::PutDone).
    pub fn cancel_put(&mut self, now: Timestamp, key: InfoHash, id: ValueId) -> bool {
        let now = self.advance(now);
        let announced: Vec<_> = Family::ALL
            .into_iter()
            .filter_map(|family| Some(self.lookups.get(key, family)?.announced(id)?.op))
            .collect();
        for op in &announced {
            for family in Family::ALL {
                if let Some(lookup) = self.lookups.get_mut(key, family) {
                    lookup.withdraw(id);
                }
                self.drive(now, key, family);
            }
            self.end_put(*op);
        }
        let stored = self.storage.remove_own(&key, id);
        if stored {
            self.notify_removed(now, key, id);
        }
        stored || !announced.is_empty()
    }

    /// The value of this id that is being announced under `key`.
    pub fn announced(&self, key: InfoHash, id: ValueId) -> Option<&Value> {
        Family::ALL
            .into_iter()
            .find_map(|family| self.lookups.get(key, family)?.announced(id))
            .map(|announce| &announce.value)
    }

    /// The value of this id that is stored here under `key`, by whomever.
    pub fn stored(&self, key: InfoHash, id: ValueId) -> Option<&Value> {
        self.storage.find(&key, id)
    }

    fn start(
        &mut self,
        now: Timestamp,
        key: InfoHash,
        query: Query,
        task: OpKind,
    ) -> Result<OpId, OpError> {
        let op = self.reserve_op();
        self.start_as(now, op, key, query, task)?;
        Ok(op)
    }

    fn start_as(
        &mut self,
        now: Timestamp,
        op: OpId,
        key: InfoHash,
        query: Query,
        task: OpKind,
    ) -> Result<(), OpError> {
        if key.is_zero() {
            return Err(OpError::ZeroKey);
        }
        if self.ops.is_full() || self.lookups.len() >= self.config.lookup.max_lookups {
            return Err(OpError::TooManyOperations);
        }
        for family in Family::ALL {
            self.open_lookup(now, key, family);
        }
        self.ops.start(op, key, query, Family::ALL.len(), task);
        Ok(())
    }

    fn find(
        &mut self,
        now: Timestamp,
        key: InfoHash,
        query: Query,
        task: OpKind,
    ) -> Result<OpId, OpError> {
        let now = self.advance(now);
        let goal = FindKind::Value(query.clone());
        let op = self.start(now, key, query, task)?;
        self.answer_locally(op);
        for family in Family::ALL {
            if let Some(lookup) = self.lookup(key, family) {
                lookup.ask(now, op, goal.clone());
            }
        }
        for family in Family::ALL {
            self.drive(now, key, family);
        }
        Ok(op)
    }
}
