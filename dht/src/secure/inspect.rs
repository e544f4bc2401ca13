//! [`inspect`]: what is to be done with an incoming value; [`Delivery`]: the values of each get and listen on their
//! way through the checks, in order.
//!
//! Values come out in the order they came in, however long each check takes, so the result of an operation does not
//! depend on the order in which jobs are done. Its end is held back until its last verdict is in.

use std::collections::{BTreeMap, VecDeque};

use bulla_identity::{Identity, LongKeyId, PublicKey, SharedEnvelope};

use super::checked::Checked;
use super::lru::LruMap;
use super::verdicts::{Digest, Verdict};
use super::wanted::Terms;
use crate::UnixTime;
use crate::lookup::{GetReport, OpId};
use crate::value::{Content, Value, ValueId};

/// What a hybrid ciphertext has besides its RSA block and the encrypted bytes
/// (`docs/spec/secure.md#4.1`).
const NONCE_AND_TAG: usize = 28;

/// What is to be done with a value.
pub(super) enum Inspection {
    /// It claims nothing, and passes.
    Pass(Checked),
    /// The verdict of this digest decides.
    Judge(Digest),
    /// It cannot be good, or cannot be for us.
    Refuse,
}

/// Looks at a value, without cryptography. `reader` is who could decrypt it.
pub(super) fn inspect(value: &Value, reader: Option<&Identity>) -> Inspection {
    match value.content() {
        Content::Clear(_) => Checked::clear(value).map_or(Inspection::Refuse, Inspection::Pass),
        Content::Signed(signed) => Inspection::Judge(Digest::of_signed(&signed)),
        Content::Encrypted(ciphertext) => match reader {
            Some(reader) if may_be_for(reader.public_key(), ciphertext) => {
                Inspection::Judge(Digest::of_encrypted(value))
            }
            Some(_) | None => Inspection::Refuse,
        },
    }
}

/// Whether `reader` may be meant, as far as can be seen without decrypting.
fn may_be_for(reader: &PublicKey, ciphertext: &[u8]) -> bool {
    if SharedEnvelope::is_meant(ciphertext) {
        return SharedEnvelope::parse(ciphertext).is_some_and(|shared| shared.may_be_for(reader));
    }
    // What was signed never fits in one RSA block.
    ciphertext.len() > reader.bits().div_ceil(8) + NONCE_AND_TAG
}

/// The operations whose values go through the checks.
#[derive(Debug)]
pub(super) struct Delivery {
    by_op: BTreeMap<OpId, Stream>,
    dropped: u64,
    max_editions: usize,
}

/// The values of one operation.
#[derive(Debug)]
struct Stream {
    /// What is handed out; all that is genuine, if there are none.
    terms: Option<Terms>,
    batches: VecDeque<Batch>,
    /// The number of the first batch that is still here.
    first: u64,
    /// The newest edition that was handed out of each value.
    editions: LruMap<(ValueId, LongKeyId), u16>,
    dropped: usize,
    end: Option<GetReport>,
}

/// Values that came together and go out together.
#[derive(Debug)]
struct Batch {
    news: Change,
    slots: Vec<Slot>,
    /// How many slots wait.
    waiting: usize,
}

/// What came of values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Change {
    /// Found.
    Found,
    /// Gone.
    Expired,
}

/// Where a value of an operation stands while it waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Position {
    pub(super) op: OpId,
    batch: u64,
    slot: usize,
}

/// A value in a batch.
#[derive(Debug)]
pub(super) enum Slot {
    Waiting(Value),
    Passed(Checked),
    Refused,
}

/// How a genuine value suits an operation.
enum Fit {
    Good,
    /// It does not meet the conditions; or it is an older edition that some node still holds, or has lost at last.
    Unwanted,
    /// It is bound elsewhere, its time is over, or it is not bound as it should be.
    Refused,
}

/// What an operation can be told.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Delivered {
    Values(Change, Vec<Checked>),
    Done { report: GetReport, dropped: usize },
}

impl Slot {
    pub(super) fn judged(value: Value, verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Refused => Self::Refused,
            Verdict::Signed(signer) => Self::Passed(Checked::signed(value, signer.clone())),
            Verdict::Opened(inner, sender, readers) => Self::Passed(Checked::decrypted(
                inner.clone(),
                sender.clone(),
                readers.clone(),
            )),
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

    pub(super) fn open(&mut self, op: OpId, terms: Option<Terms>) {
        let stream = Stream {
            terms,
            batches: VecDeque::new(),
            first: 0,
            editions: LruMap::new(self.max_editions),
            dropped: 0,
            end: None,
        };
        self.by_op.insert(op, stream);
    }

    /// Forgets an operation and what waits for it.
    pub(super) fn close(&mut self, op: OpId) {
        self.by_op.remove(&op);
    }

    /// Whether a value is of no use to `op`, whatever its verdict.
    pub(super) fn refuse(&self, op: OpId, value: &Value) -> bool {
        let terms = self.by_op.get(&op).and_then(|stream| stream.terms.as_ref());
        terms.is_some_and(|terms| terms.refuse(value))
    }

    /// The place of the first value of the next batch of `op`, if values of it are wanted.
    pub(super) fn next_place(&self, op: OpId) -> Option<Position> {
        let stream = self.by_op.get(&op)?;
        Some(Position {
            op,
            batch: stream.first + stream.batches.len() as u64,
            slot: 0,
        })
    }

    /// Adds a batch.
    pub(super) fn append(&mut self, op: OpId, news: Change, slots: Vec<Slot>) {
        if let Some(stream) = self.by_op.get_mut(&op) {
            let waiting = |slot: &&Slot| matches!(slot, Slot::Waiting(_));
            let waiting = slots.iter().filter(waiting).count();
            stream.batches.push_back(Batch {
                news,
                slots,
                waiting,
            });
        }
    }

    /// A verdict on the value at `place`.
    pub(super) fn settle(&mut self, place: Position, verdict: &Verdict) {
        if let Some(batch) = self.batch(place)
            && let Some(slot) = batch.slots.get_mut(place.slot)
            && let Slot::Waiting(value) = slot
        {
            *slot = Slot::judged(value.clone(), verdict);
            batch.waiting -= 1;
        }
    }

    /// No more values come for `op`; whether it is one of ours.
    pub(super) fn end(&mut self, op: OpId, report: GetReport) -> bool {
        match self.by_op.get_mut(&op) {
            Some(stream) => {
                stream.end = Some(report);
                true
            }
            None => false,
        }
    }

    /// What `op` can be told next, on this day.
    pub(super) fn poll(&mut self, op: OpId, today: UnixTime) -> Option<Delivered> {
        let stream = self.by_op.get_mut(&op)?;
        while stream.batches.front().is_some_and(Batch::is_judged)
            && let Some(batch) = stream.batches.pop_front()
        {
            stream.first += 1;
            let (news, dropped) = (batch.news, stream.dropped);
            let values = stream.pass(batch, today);
            self.dropped += (stream.dropped - dropped) as u64;
            if !values.is_empty() {
                return Some(Delivered::Values(news, values));
            }
        }
        if !stream.batches.is_empty() {
            return None;
        }
        let (report, dropped) = (stream.end?, stream.dropped);
        self.by_op.remove(&op);
        Some(Delivered::Done { report, dropped })
    }

    /// Values dropped since the start.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    fn batch(&mut self, place: Position) -> Option<&mut Batch> {
        let stream = self.by_op.get_mut(&place.op)?;
        let index = place.batch.checked_sub(stream.first)?;
        stream.batches.get_mut(usize::try_from(index).ok()?)
    }
}

impl Position {
    /// The place of the value after this one in its batch.
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
    /// The values of a judged batch that are handed out.
    fn pass(&mut self, batch: Batch, today: UnixTime) -> Vec<Checked> {
        let mut passed = Vec::with_capacity(batch.slots.len());
        for slot in batch.slots {
            match slot {
                Slot::Passed(value) => match self.fit(batch.news, &value, today) {
                    Fit::Good => passed.push(value),
                    Fit::Unwanted => {}
                    Fit::Refused => self.dropped += 1,
                },
                Slot::Refused | Slot::Waiting(_) => self.dropped += 1,
            }
        }
        passed
    }

    /// Whether a genuine value is handed out.
    fn fit(&mut self, news: Change, value: &Checked, today: UnixTime) -> Fit {
        if let Some(terms) = &self.terms {
            if terms.refuse(value.value()) {
                return Fit::Refused;
            }
            if !terms.select(value) {
                return Fit::Unwanted;
            }
            if terms.is_over(value, today) {
                // Who was told of it is told of its end.
                return match news {
                    Change::Found => Fit::Refused,
                    Change::Expired if self.is_told(value) => Fit::Good,
                    Change::Expired => Fit::Unwanted,
                };
            }
        }
        if self.is_current(news, value) {
            Fit::Good
        } else {
            Fit::Unwanted
        }
    }

    /// Whether this edition was the last to be handed out.
    fn is_told(&mut self, value: &Checked) -> bool {
        value
            .signer()
            .and_then(|signer| self.editions.get(&(value.id(), signer)))
            .is_some_and(|newest| *newest == value.seq())
    }

    /// Whether no newer edition by the same signer has been handed out. Sequence numbers count only here, where
    /// signatures have been verified.
    fn is_current(&mut self, news: Change, value: &Checked) -> bool {
        let Some(signer) = value.signer() else {
            return true;
        };
        let newest = self.editions.get(&(value.id(), signer)).copied();
        if newest.is_some_and(|newest| newest > value.seq()) {
            return false;
        }
        if news == Change::Found {
            self.editions.insert((value.id(), signer), value.seq());
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{alice, bob, encrypted, signed};
    use super::*;
    use crate::{Draft, wire};

    const OP: OpId = OpId(1);

    fn delivery() -> Delivery {
        let mut delivery = Delivery::new(16);
        delivery.open(OP, None);
        delivery
    }

    fn passed(value: &Value) -> Slot {
        Slot::judged(
            value.clone(),
            &Verdict::Signed(alice().public_key().clone()),
        )
    }

    fn ids(delivery: Option<Delivered>) -> Vec<(u64, u16)> {
        match delivery {
            Some(Delivered::Values(_, values)) => values
                .iter()
                .map(|value| (value.id().0, value.seq()))
                .collect(),
            other => panic!("no values: {other:?}"),
        }
    }

    #[test]
    fn only_what_claims_nothing_passes_without_a_check() {
        let clear = wire::pack(&Draft::from("hello"), ValueId(1));
        assert!(matches!(inspect(&clear, None), Inspection::Pass(_)));
        let signed = signed(&alice(), 1, 0, "hello");
        assert!(matches!(inspect(&signed, None), Inspection::Judge(_)));
        let encrypted = encrypted(&alice(), &bob(), 1, "hello");
        assert!(matches!(
            inspect(&encrypted, Some(&bob())),
            Inspection::Judge(_)
        ));
        assert!(matches!(inspect(&encrypted, None), Inspection::Refuse));
        let short = wire::pack_encrypted(&Draft::default(), ValueId(1), &[0; 284]);
        assert!(matches!(inspect(&short, Some(&bob())), Inspection::Refuse));
    }

    #[test]
    fn values_come_out_in_order_and_the_end_after_the_last_verdict() {
        let mut delivery = delivery();
        let value = signed(&alice(), 1, 0, "slow");
        let place = delivery.next_place(OP).unwrap();
        delivery.append(OP, Change::Found, vec![Slot::Waiting(value.clone())]);
        delivery.append(
            OP,
            Change::Found,
            vec![passed(&signed(&alice(), 2, 0, "fast"))],
        );
        assert!(delivery.end(OP, GetReport::default()));
        assert_eq!(delivery.poll(OP, UnixTime::default()), None);

        delivery.settle(place, &Verdict::Signed(alice().public_key().clone()));
        assert_eq!(ids(delivery.poll(OP, UnixTime::default())), [(1, 0)]);
        assert_eq!(ids(delivery.poll(OP, UnixTime::default())), [(2, 0)]);
        let report = GetReport::default();
        let dropped = 0;
        assert_eq!(
            delivery.poll(OP, UnixTime::default()),
            Some(Delivered::Done { report, dropped })
        );
        assert_eq!(delivery.poll(OP, UnixTime::default()), None);
    }

    #[test]
    fn dropped_values_are_counted() {
        let mut delivery = delivery();
        let place = delivery.next_place(OP).unwrap();
        let value = signed(&alice(), 1, 0, "forged");
        delivery.append(OP, Change::Found, vec![Slot::Waiting(value), Slot::Refused]);
        delivery.settle(place, &Verdict::Refused);
        delivery.end(OP, GetReport::default());
        let report = GetReport::default();
        let dropped = 2;
        assert_eq!(
            delivery.poll(OP, UnixTime::default()),
            Some(Delivered::Done { report, dropped })
        );
    }

    #[test]
    fn no_edition_follows_a_newer_one_of_the_same_signer() {
        let mut delivery = delivery();
        let (old, new) = (signed(&alice(), 1, 3, "old"), signed(&alice(), 1, 4, "new"));
        let of_bob = signed(&bob(), 1, 0, "mine");
        for value in [&old, &new, &old] {
            delivery.append(OP, Change::Found, vec![passed(value)]);
        }
        let verdict = Verdict::Signed(bob().public_key().clone());
        delivery.append(OP, Change::Found, vec![Slot::judged(of_bob, &verdict)]);
        delivery.append(OP, Change::Expired, vec![passed(&old)]);
        delivery.append(OP, Change::Expired, vec![passed(&new)]);
        assert_eq!(ids(delivery.poll(OP, UnixTime::default())), [(1, 3)]);
        assert_eq!(ids(delivery.poll(OP, UnixTime::default())), [(1, 4)]);
        assert_eq!(ids(delivery.poll(OP, UnixTime::default())), [(1, 0)]);
        assert_eq!(ids(delivery.poll(OP, UnixTime::default())), [(1, 4)]);
        assert_eq!(delivery.poll(OP, UnixTime::default()), None);
    }

    #[test]
    fn a_closed_operation_is_told_nothing() {
        let mut delivery = delivery();
        let place = delivery.next_place(OP).unwrap();
        delivery.append(
            OP,
            Change::Found,
            vec![Slot::Waiting(signed(&alice(), 1, 0, "x"))],
        );
        delivery.close(OP);
        delivery.settle(place, &Verdict::Refused);
        assert!(!delivery.end(OP, GetReport::default()));
        assert_eq!(delivery.poll(OP, UnixTime::default()), None);
    }
}
