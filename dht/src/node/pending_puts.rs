//! [`PendingPuts`]: values of peers that wait for the verdict on what they claim.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::{Check, CheckId};
use crate::rpc::ReplyTo;
use crate::value::policy::Proof;
use crate::value::{Value, ValueId};
use crate::{InfoHash, Timestamp, UnixTime};

/// How long a value waits; its sender has given up by then.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Values being checked, a bounded number of them. A put that is repeated meanwhile is not checked
/// twice.
#[derive(Debug)]
pub(super) struct PendingPuts {
    /// By the check that each waits for, with the moment at which it began to wait.
    waiting: BTreeMap<CheckId, (Timestamp, PendingPut)>,
    /// The values being checked, by their requests.
    under_way: BTreeSet<(ReplyTo, ValueId)>,
    /// Checks that have not been taken yet.
    checks: VecDeque<Box<Check>>,
    /// The number of the last check.
    last: u64,
    /// Puts that wait at a time.
    max: usize,
}

/// A put of another node.
#[derive(Clone, Debug)]
pub(super) struct RemotePut {
    pub(super) reply_to: ReplyTo,
    pub(super) key: InfoHash,
    pub(super) value: Value,
    /// When the value was made, as its sender says.
    pub(super) created: Option<UnixTime>,
}

/// A put that waits for a verdict.
#[derive(Debug)]
pub(super) struct PendingPut {
    pub(super) put: RemotePut,
    /// The value that it would replace.
    pub(super) replaces: Option<Value>,
}

impl PendingPuts {
    pub(super) fn new(max: usize) -> Self {
        Self {
            waiting: BTreeMap::new(),
            under_way: BTreeSet::new(),
            checks: VecDeque::new(),
            last: 0,
            max,
        }
    }

    /// Lets a put wait until it is known whether `proof` holds. Returns `false` if it waits
    /// already, or there is no room.
    pub(super) fn park(&mut self, now: Timestamp, pending: PendingPut, proof: Proof) -> bool {
        let PendingPut { put, replaces } = &pending;
        let request = (put.reply_to, put.value.id());
        if self.waiting.len() >= self.max || !self.under_way.insert(request) {
            return false;
        }
        self.last += 1;
        let id = CheckId(self.last);
        self.checks.push_back(Box::new(Check {
            id,
            source: put.reply_to.addr,
            key: put.key,
            value: put.value.clone(),
            replaces: replaces.clone(),
            proof,
        }));
        self.waiting.insert(id, (now, pending));
        true
    }

    /// Takes the next check to make.
    pub(super) fn poll_check(&mut self) -> Option<Box<Check>> {
        self.checks.pop_front()
    }

    /// Takes a put out.
    pub(super) fn take(&mut self, id: CheckId) -> Option<PendingPut> {
        let (_, pending) = self.waiting.remove(&id)?;
        let request = (pending.put.reply_to, pending.put.value.id());
        self.under_way.remove(&request);
        Some(pending)
    }

    /// Forgets puts that have waited too long.
    pub(super) fn expire(&mut self, now: Timestamp) {
        while let Some((&id, (since, _))) = self.waiting.first_key_value()
            && *since + TIMEOUT <= now
        {
            self.take(id);
        }
    }

    /// Returns when a put will have waited too long.
    pub(super) fn next_deadline(&self) -> Timestamp {
        self.waiting
            .first_key_value()
            .map_or(Timestamp::MAX, |(_, (since, _))| *since + TIMEOUT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Draft;
    use crate::wire::{self, Tid};

    const NOW: Timestamp = Timestamp::from_micros(5);

    #[test]
    fn a_put_that_is_repeated_is_checked_once() {
        let mut puts = PendingPuts::new(9);
        let all = [put(1, 1), put(1, 1), put(1, 2), put(2, 1)];
        let parked = all.map(|put| puts.park(NOW, put, Proof::Signature));
        assert_eq!(parked, [true, false, true, true]);
        let checks: Vec<_> = std::iter::from_fn(|| puts.poll_check()).collect();
        let ids = checks.iter().map(|check| (check.id.0, check.value.id().0));
        assert!(ids.eq([(1, 1), (2, 2), (3, 1)]));
        let taken = puts.take(checks[0].id).unwrap();
        assert_eq!(taken.put.value, checks[0].value);
        assert!(puts.take(checks[0].id).is_none());
        assert!(puts.park(NOW, put(1, 1), Proof::Signature));
    }

    #[test]
    fn no_more_wait_than_there_is_room_for() {
        let mut puts = PendingPuts::new(2);
        let parked = [1, 2, 3].map(|tid| puts.park(NOW, put(tid, 1), Proof::Signature));
        assert_eq!(parked, [true, true, false]);
    }

    #[test]
    fn a_put_waits_until_its_sender_has_given_up() {
        let mut puts = PendingPuts::new(9);
        assert_eq!(puts.next_deadline(), Timestamp::MAX);
        assert!(puts.park(NOW, put(1, 1), Proof::Signature));
        assert!(puts.park(NOW + TIMEOUT, put(2, 1), Proof::Signature));
        assert_eq!(puts.next_deadline(), NOW + TIMEOUT);
        puts.expire(NOW + TIMEOUT - Duration::from_micros(1));
        assert_eq!(puts.next_deadline(), NOW + TIMEOUT);
        puts.expire(NOW + TIMEOUT);
        assert_eq!(puts.next_deadline(), NOW + TIMEOUT * 2);
        assert!(puts.take(CheckId(1)).is_none() && puts.take(CheckId(2)).is_some());
    }

    fn put(tid: u32, id: u64) -> PendingPut {
        let reply_to = ReplyTo {
            addr: ([127, 0, 0, 1], 1).into(),
            tid: Tid(tid),
        };
        PendingPut {
            put: RemotePut {
                reply_to,
                key: InfoHash::of(b"key"),
                value: wire::pack(&Draft::from("text"), ValueId(id)),
                created: None,
            },
            replaces: None,
        }
    }
}
