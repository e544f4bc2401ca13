//! [`Delivery`]: the values of each get and listen on their way through the checks, in order.
//!
//! Values come out in the order they came in, however long each check takes, so the result of an
//! operation does not depend on the order in which jobs are done. Its end is held back until its
//! last verdict is in.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use super::binding::Claim;
use super::checked::Checked;
use super::editions::Editions;
use super::options::GetOptions;
use super::verdicts::Verdict;
use crate::lookup::{GetReport, OpId};
use crate::value::{Condition, Content, Query, Value, ValueAddress};
use crate::{InfoHash, UnixTime};

/// The operations with values that go through the checks.
#[derive(Debug)]
pub(super) struct Delivery {
    /// The values of each operation that has not ended.
    by_op: BTreeMap<OpId, Stream>,
    /// Values dropped since the start, of all operations.
    dropped: u64,
    /// How many editions each operation remembers.
    max_editions: usize,
}

/// What an operation hands out of what it finds.
#[derive(Debug)]
pub(super) struct Filter {
    /// Where it looks.
    key: InfoHash,
    /// Values that are not bound to their place are dropped.
    bound_only: bool,
    /// Texts that the application's part of the user type must equal; none if storing nodes have
    /// compared them.
    user_types: Vec<Bytes>,
    /// How long a bound value is handed out after its time.
    clock_tolerance: Duration,
}

/// The values of one operation.
#[derive(Debug)]
struct Stream {
    /// What is handed out; without one, all that is genuine.
    filter: Option<Filter>,
    /// What came and has not been handed out, the oldest first.
    batches: VecDeque<Batch>,
    /// The number of the first batch that is still here.
    first: u64,
    /// The newest edition that was handed out of each value.
    editions: Editions,
    /// Values dropped so far.
    dropped: usize,
    /// The report of its end, once the node has told it.
    end: Option<GetReport>,
}

/// Values that came together and go out together.
#[derive(Debug)]
struct Batch {
    /// What happened to them.
    change: BatchChange,
    /// The values, in the order they came in.
    slots: Vec<Slot>,
    /// How many slots wait.
    waiting: usize,
}

/// What happened to values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BatchChange {
    /// They were found.
    Found,
    /// No storing node holds them any more.
    Expired,
}

/// Where a value of an operation stands while it waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Position {
    /// Its operation.
    pub(super) op: OpId,
    /// The number of its batch.
    batch: u64,
    /// Its place in the batch.
    slot: usize,
}

/// A value in a batch.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Slot {
    /// Its verdict is awaited.
    Waiting(Value),
    /// It has passed the checks.
    Passed(Checked),
    /// It has not.
    Refused,
}

/// What is done with a genuine value.
enum Disposition {
    /// It is handed out.
    Deliver,
    /// It is left out, uncounted: it does not meet the conditions; or it is an older edition that
    /// some node still holds, or has lost at last.
    Skip,
    /// It is dropped and counted: it is bound elsewhere, its time is over, or it is not bound as it
    /// should be.
    Drop,
}

/// What an operation can be told.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Delivered {
    /// These values were found, or expired.
    Values(BatchChange, Vec<Checked>),
    /// The operation is over.
    Done {
        /// How well it was answered.
        report: GetReport,
        /// How many of its values were dropped.
        dropped: usize,
    },
}

impl Filter {
    /// Splits what a get or listen is for into what the nodes are asked and what is left to be
    /// checked here.
    pub(super) fn new(
        key: InfoHash,
        options: GetOptions,
        clock_tolerance: Duration,
    ) -> (Query, Self) {
        let GetOptions {
            mut query,
            bound_only,
        } = options;
        let mut user_types = Vec::new();
        if bound_only {
            query.conditions.retain(|condition| match condition {
                Condition::UserType(text) => {
                    user_types.push(text.clone());
                    false
                }
                Condition::Id(_) | Condition::ValueType(_) | Condition::Owner(_) => true,
            });
        }
        let filter = Self {
            key,
            bound_only,
            user_types,
            clock_tolerance,
        };
        (query, filter)
    }

    /// Reports whether a value is not to be handed out even if its signature holds. What is in a
    /// ciphertext is to be asked when it is open.
    fn refuses(&self, value: &Value) -> bool {
        let address = ValueAddress {
            key: self.key,
            id: value.id(),
        };
        match (value.content(), Claim::of(value)) {
            (Content::Encrypted(_), _) => false,
            (_, Claim::Nothing) => self.bound_only,
            (_, Claim::Unreadable) => true,
            (_, Claim::Bound(binding)) => !binding.is_at(address),
        }
    }

    /// Reports whether the time of a value is over.
    fn is_over(&self, value: &Checked, unix_now: UnixTime) -> bool {
        value
            .binding()
            .is_some_and(|binding| binding.is_over(unix_now, self.clock_tolerance))
    }

    /// Reports whether a value meets the conditions that were left to be checked here.
    fn selects(&self, value: &Checked) -> bool {
        let own = value.own_user_type();
        self.user_types.iter().all(|text| text == own)
    }
}

impl Slot {
    /// Applies a verdict to a value.
    pub(super) fn judged(value: Value, verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Refused => Self::Refused,
            Verdict::Signed(signer) => Self::Passed(Checked::signed(value, signer.clone())),
            Verdict::Opened(opened) => Self::Passed(Checked::decrypted(opened.clone())),
        }
    }
}

impl Delivery {
    pub(super) fn new(max_editions: usize) -> Self {
        Self {
            by_op: BTreeMap::new(),
            dropped: 0,
            max_editions,
        }
    }

    /// Begins to take values for `op`; without a filter, all that is genuine is handed out.
    pub(super) fn open(&mut self, op: OpId, filter: Option<Filter>) {
        let stream = Stream {
            filter,
            batches: VecDeque::new(),
            first: 0,
            editions: Editions::new(self.max_editions),
            dropped: 0,
            end: None,
        };
        self.by_op.insert(op, stream);
    }

    /// Forgets an operation and what waits for it.
    pub(super) fn close(&mut self, op: OpId) {
        self.by_op.remove(&op);
    }

    /// Reports whether a value is of no use to `op`, whatever its verdict.
    pub(super) fn refuses(&self, op: OpId, value: &Value) -> bool {
        self.by_op
            .get(&op)
            .and_then(|stream| stream.filter.as_ref())
            .is_some_and(|filter| filter.refuses(value))
    }

    /// Returns the position of the first value of the next batch of `op`, if values of it are
    /// wanted.
    pub(super) fn next_position(&self, op: OpId) -> Option<Position> {
        let stream = self.by_op.get(&op)?;
        Some(Position {
            op,
            batch: stream.first + stream.batches.len() as u64,
            slot: 0,
        })
    }

    /// Adds a batch.
    pub(super) fn append(&mut self, op: OpId, change: BatchChange, slots: Vec<Slot>) {
        if let Some(stream) = self.by_op.get_mut(&op) {
            let waiting = |slot: &&Slot| matches!(slot, Slot::Waiting(_));
            let waiting = slots.iter().filter(waiting).count();
            stream.batches.push_back(Batch {
                change,
                slots,
                waiting,
            });
        }
    }

    /// Takes the verdict on the value at `position`.
    pub(super) fn settle(&mut self, position: Position, verdict: &Verdict) {
        if let Some(batch) = self.batch(position)
            && let Some(slot) = batch.slots.get_mut(position.slot)
            && let Slot::Waiting(value) = slot
        {
            *slot = Slot::judged(value.clone(), verdict);
            batch.waiting -= 1;
        }
    }

    /// Notes that no more values come for `op`; `false` if it is not known here.
    pub(super) fn end(&mut self, op: OpId, report: GetReport) -> bool {
        match self.by_op.get_mut(&op) {
            Some(stream) => {
                stream.end = Some(report);
                true
            }
            None => false,
        }
    }

    /// Returns what `op` can be told next.
    pub(super) fn poll(&mut self, op: OpId, unix_now: UnixTime) -> Option<Delivered> {
        let stream = self.by_op.get_mut(&op)?;
        while stream.batches.front().is_some_and(Batch::is_judged)
            && let Some(batch) = stream.batches.pop_front()
        {
            stream.first += 1;
            let (change, dropped) = (batch.change, stream.dropped);
            let values = stream.pass(batch, unix_now);
            self.dropped += (stream.dropped - dropped) as u64;
            if !values.is_empty() {
                return Some(Delivered::Values(change, values));
            }
        }
        if !stream.batches.is_empty() {
            return None;
        }
        let (report, dropped) = (stream.end?, stream.dropped);
        self.by_op.remove(&op);
        Some(Delivered::Done { report, dropped })
    }

    /// Counts the values dropped since the start.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    fn batch(&mut self, position: Position) -> Option<&mut Batch> {
        let stream = self.by_op.get_mut(&position.op)?;
        let index = position.batch.checked_sub(stream.first)?;
        stream.batches.get_mut(usize::try_from(index).ok()?)
    }
}

impl Position {
    /// Returns the position of the value after this one in its batch.
    pub(super) fn next(self) -> Self {
        Self {
            slot: self.slot + 1,
            ..self
        }
    }
}

impl Batch {
    fn is_judged(&self) -> bool {
        self.waiting == 0
    }
}

impl Stream {
    /// Selects the values of a judged batch that are handed out.
    fn pass(&mut self, batch: Batch, unix_now: UnixTime) -> Vec<Checked> {
        let mut passed = Vec::with_capacity(batch.slots.len());
        for slot in batch.slots {
            match slot {
                Slot::Passed(value) => match self.disposition(batch.change, &value, unix_now) {
                    Disposition::Deliver => passed.push(value),
                    Disposition::Skip => {}
                    Disposition::Drop => self.dropped += 1,
                },
                Slot::Refused | Slot::Waiting(_) => self.dropped += 1,
            }
        }
        passed
    }

    /// Returns what is done with a genuine value.
    fn disposition(
        &mut self,
        change: BatchChange,
        value: &Checked,
        unix_now: UnixTime,
    ) -> Disposition {
        if let Some(filter) = &self.filter {
            if filter.refuses(value.value()) {
                return Disposition::Drop;
            }
            if !filter.selects(value) {
                return Disposition::Skip;
            }
            if filter.is_over(value, unix_now) {
                // A listen that reported it reports its end too.
                return match change {
                    BatchChange::Found => Disposition::Drop,
                    BatchChange::Expired if self.is_reported(value) => Disposition::Deliver,
                    BatchChange::Expired => Disposition::Skip,
                };
            }
        }
        if self.is_current(change, value) {
            Disposition::Deliver
        } else {
            Disposition::Skip
        }
    }

    /// Reports whether this edition was the last to be handed out.
    fn is_reported(&mut self, value: &Checked) -> bool {
        value
            .signer()
            .and_then(|signer| self.editions.get(value.id(), signer))
            .is_some_and(|newest| newest == value.seq())
    }

    /// Reports whether no newer edition by the same signer has been handed out. Sequence numbers
    /// count only here, where signatures have been verified.
    fn is_current(&mut self, change: BatchChange, value: &Checked) -> bool {
        let Some(signer) = value.signer() else {
            return true;
        };
        let newest = self.editions.get(value.id(), signer);
        if newest.is_some_and(|newest| newest > value.seq()) {
            return false;
        }
        if change == BatchChange::Found {
            self.editions.insert(value.id(), signer, value.seq());
        }
        true
    }
}

#[cfg(test)]
mod tests;
