//! [`Operations`]: the operations of the application, and what is left of them to do.

use std::collections::{BTreeMap, BTreeSet};

use crate::InfoHash;
use crate::lookup::{GetReport, ListenView, OpId, PutReport};
use crate::value::{Query, Row, ValueId};

/// Running operations by id, and which keys are listened to.
#[derive(Debug)]
pub(super) struct Operations {
    running: BTreeMap<OpId, Op>,
    listens: BTreeMap<InfoHash, BTreeSet<OpId>>,
    last: u64,
    limit: usize,
}

/// An operation of the application on a key.
#[derive(Debug)]
pub(super) struct Op {
    pub(super) key: InfoHash,
    /// Which values, and which fields of them.
    pub(super) query: Query,
    /// Families whose lookup has not come to an end.
    pub(super) open_families: usize,
    pub(super) task: OpKind,
}

/// What an operation does, and what it has seen.
#[derive(Debug)]
pub(super) enum OpKind {
    /// Finds values; each content is reported once.
    Get {
        seen: BTreeSet<InfoHash>,
        report: GetReport,
    },
    /// Finds field rows; each is reported once.
    Query {
        seen: BTreeSet<Row>,
        report: GetReport,
    },
    /// Hears of values.
    Listen(ListenView),
    /// Announces a value.
    Put {
        id: ValueId,
        permanent: bool,
        report: PutReport,
    },
}

impl Operations {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            running: BTreeMap::new(),
            listens: BTreeMap::new(),
            last: 0,
            limit,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.running.len() >= self.limit
    }

    /// An id that no other operation has.
    pub(super) fn reserve(&mut self) -> OpId {
        self.last += 1;
        OpId(self.last)
    }

    /// Starts an operation over `families` lookups.
    pub(super) fn start(
        &mut self,
        id: OpId,
        key: InfoHash,
        query: Query,
        families: usize,
        task: OpKind,
    ) {
        if let OpKind::Listen(_) = task {
            self.listens.entry(key).or_default().insert(id);
        }
        let op = Op {
            key,
            query,
            open_families: families,
            task,
        };
        self.running.insert(id, op);
    }

    pub(super) fn get_mut(&mut self, id: OpId) -> Option<&mut Op> {
        self.running.get_mut(&id)
    }

    pub(super) fn remove(&mut self, id: OpId) -> Option<Op> {
        let op = self.running.remove(&id)?;
        if let Some(listens) = self.listens.get_mut(&op.key) {
            listens.remove(&id);
            if listens.is_empty() {
                self.listens.remove(&op.key);
            }
        }
        Some(op)
    }

    /// The listens on `key`.
    pub(super) fn listens(&self, key: &InfoHash) -> Vec<OpId> {
        self.listens
            .get(key)
            .into_iter()
            .flatten()
            .copied()
            .collect()
    }

    pub(super) fn get(&self, id: OpId) -> Option<&Op> {
        self.running.get(&id)
    }

    /// What a listen wants to hear of, and what it has reported.
    pub(super) fn listen_mut(&mut self, id: OpId) -> Option<(&Query, &mut ListenView)> {
        match self.running.get_mut(&id) {
            Some(Op {
                query,
                task: OpKind::Listen(view),
                ..
            }) => Some((query, view)),
            _ => None,
        }
    }

    /// All listens.
    pub(super) fn all_listens(&self) -> Vec<OpId> {
        self.listens.values().flatten().copied().collect()
    }

    /// How many operations run.
    pub(super) fn len(&self) -> usize {
        self.running.len()
    }
}
