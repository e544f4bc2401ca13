//! [`PendingPuts`]: strangers' values waiting for the verdict on what they claim.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::CheckId;
use super::ReplyTo;
use crate::value::{Value, ValueId};
use crate::{InfoHash, Timestamp, UnixTime};

/// How long a value waits; its sender has given up by then.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Values under examination, a bounded number of them. A put that is repeated meanwhile is not examined twice.
#[derive(Debug)]
pub(super) struct PendingPuts {
    cases: BTreeMap<CheckId, (Timestamp, PendingPut)>,
    under_way: BTreeSet<(ReplyTo, ValueId)>,
    last: u64,
    limit: usize,
}

/// A put that waits for a verdict.
#[derive(Debug)]
pub(super) struct PendingPut {
    pub(super) reply_to: ReplyTo,
    pub(super) key: InfoHash,
    pub(super) value: Value,
    pub(super) replaces: Option<Value>,
    pub(super) created: Option<UnixTime>,
}

impl PendingPuts {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            cases: BTreeMap::new(),
            under_way: BTreeSet::new(),
            last: 0,
            limit,
        }
    }

    /// Takes a case in; `None` if it is there already or there is no room.
    pub(super) fn park(&mut self, now: Timestamp, case: PendingPut) -> Option<CheckId> {
        if self.cases.len() >= self.limit
            || !self.under_way.insert((case.reply_to, case.value.id()))
        {
            return None;
        }
        self.last += 1;
        let id = CheckId(self.last);
        self.cases.insert(id, (now, case));
        Some(id)
    }

    /// Takes a case out.
    pub(super) fn take(&mut self, id: CheckId) -> Option<PendingPut> {
        let (_, case) = self.cases.remove(&id)?;
        self.under_way.remove(&(case.reply_to, case.value.id()));
        Some(case)
    }

    /// Forgets cases that have waited too long.
    pub(super) fn expire(&mut self, now: Timestamp) {
        while let Some((&id, (since, _))) = self.cases.first_key_value()
            && *since + TIMEOUT <= now
        {
            self.take(id);
        }
    }

    /// When a case will have waited too long.
    pub(super) fn next_deadline(&self) -> Timestamp {
        self.cases
            .first_key_value()
            .map_or(Timestamp::MAX, |(_, (since, _))| *since + TIMEOUT)
    }
}
