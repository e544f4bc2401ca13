//! [`SignedPuts`]: signed puts that are being prepared (`docs/spec/secure.md#5.2`).
//!
//! ```text
//!   begin ─▶ series ─▶ probe: get the value id ─▶ sign with the next number ─▶ announce
//!              │                                      ▲                           │
//!              └─ a new value needs no probe ─────────┴── nor does the next put ──┘
//! ```
//!
//! - The puts of one value are done in the order they were asked for, one at a time.
//! - Each gets a sequence number above that of every edition known: those that the probe found,
//!   that the node announces, and that were signed before it. 65,535 is the last number.
//! - A probe that finds nothing is no reason to fail.

use std::collections::{BTreeMap, VecDeque};
use std::mem;

use bulla_identity::Identity;

use super::action::SecureAction;
use super::admission::Ticket;
use super::error::SecurePutError;
use super::job::Task;
use crate::lookup::OpId;
use crate::node::PutOptions;
use crate::value::{Condition, Draft, Query, Value, ValueAddress};

/// Signed puts that are being prepared, by the value that they are to make.
#[derive(Default, Debug)]
pub(super) struct SignedPuts(BTreeMap<ValueAddress, Series>);

/// The signed puts of one value. The first is at work, the others wait.
#[derive(Default, Debug)]
struct Series {
    /// The puts, in the order they were asked for; at least one.
    puts: VecDeque<SignedPut>,
    /// One above the highest sequence number known; beyond 16 bits if there is no such number.
    next_seq: u32,
    /// What the first put waits for.
    stage: Stage,
}

/// What the first put of a series waits for.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Stage {
    /// The get that looks for earlier editions.
    Probing(OpId),
    /// Nothing: it can be signed.
    #[default]
    Ready,
    /// Its signature.
    Signing,
}

/// A value to be signed and put.
#[derive(Debug)]
pub(super) struct SignedPut {
    /// The operation.
    pub(super) op: OpId,
    /// The value; empty once it is being signed.
    pub(super) draft: Draft,
    /// What the node is told with it.
    pub(super) options: PutOptions,
}

impl SignedPuts {
    /// Returns what to look for before the next put of this value, if anything: it may exist, and
    /// no other put of it is being prepared.
    pub(super) fn probe(&self, address: ValueAddress, may_exist: bool) -> Option<Query> {
        (may_exist && !self.0.contains_key(&address)).then(|| Query {
            conditions: vec![Condition::Id(address.id)],
            ..Query::default()
        })
    }

    /// Takes a put, with the get that looks for earlier editions if there is to be one.
    pub(super) fn begin(&mut self, address: ValueAddress, put: SignedPut, probe: Option<OpId>) {
        let series = self.0.entry(address).or_default();
        if series.puts.is_empty() {
            series.stage = probe.map_or(Stage::Ready, Stage::Probing);
        }
        series.puts.push_back(put);
    }

    /// Notes that a probe found an edition of ours.
    pub(super) fn on_edition(&mut self, address: ValueAddress, seq: u16) {
        if let Some(series) = self.0.get_mut(&address) {
            series.raise_above(seq);
        }
    }

    /// Notes that a probe is over, whatever it has found.
    pub(super) fn on_probe_done(&mut self, address: ValueAddress) {
        if let Some(series) = self.0.get_mut(&address) {
            series.stage = Stage::Ready;
        }
    }

    /// Takes the signed value of the first put of a series, or the reason why there is none.
    pub(super) fn on_signed(
        &mut self,
        address: ValueAddress,
        op: OpId,
        value: Result<Value, SecurePutError>,
    ) -> Option<SecureAction> {
        let series = self.0.get_mut(&address)?;
        if series.stage != Stage::Signing || series.puts.front()?.op != op {
            return None;
        }
        series.stage = Stage::Ready;
        let SignedPut { options, .. } = series.puts.pop_front()?;
        if let Ok(value) = &value {
            series.raise_above(value.seq());
        }
        if series.puts.is_empty() {
            self.0.remove(&address);
        }
        Some(match value {
            Ok(value) => SecureAction::Announce {
                op,
                key: address.key,
                value,
                options,
            },
            Err(error) => SecureAction::Fail(op, error),
        })
    }

    /// Takes a put out of its series. If it was the last, its probe ends.
    pub(super) fn cancel(&mut self, address: ValueAddress, op: OpId) -> Option<SecureAction> {
        let series = self.0.get_mut(&address)?;
        let was_first = series.puts.front()?.op == op;
        series.puts.retain(|put| put.op != op);
        if series.puts.is_empty() {
            return match self.0.remove(&address)?.stage {
                Stage::Probing(probe) => Some(SecureAction::EndGet(probe)),
                Stage::Ready | Stage::Signing => None,
            };
        }
        if was_first && series.stage == Stage::Signing {
            series.stage = Stage::Ready;
        }
        None
    }

    /// Has the first put of a series signed by `us`, if it is ready. `announced` is the value that
    /// the node announces in its place, if any. Without a number left, all puts of the series fail.
    pub(super) fn next(
        &mut self,
        address: ValueAddress,
        us: &Identity,
        announced: Option<&Value>,
    ) -> Vec<SecureAction> {
        let Some(series) = self.0.get_mut(&address) else {
            return Vec::new();
        };
        if series.stage != Stage::Ready {
            return Vec::new();
        }
        if let Some(edition) = announced.filter(|value| is_owned_by(us, value)) {
            series.raise_above(edition.seq());
        }
        let Ok(seq) = u16::try_from(series.next_seq) else {
            let series = self.0.remove(&address).unwrap_or_default();
            let fail = |put: SignedPut| SecureAction::Fail(put.op, SecurePutError::NoSequence);
            return series.puts.into_iter().map(fail).collect();
        };
        series.stage = Stage::Signing;
        let sign = |put: &mut SignedPut| {
            let task = Task::Sign {
                op: put.op,
                key: us.key().clone(),
                draft: mem::take(&mut put.draft),
                id: address.id,
                seq,
            };
            SecureAction::Start(Ticket::Step, task)
        };
        series.puts.front_mut().map(sign).into_iter().collect()
    }
}

impl Series {
    /// Raises the next sequence number above this one.
    fn raise_above(&mut self, seq: u16) {
        self.next_seq = self.next_seq.max(u32::from(seq) + 1);
    }
}

/// Reports whether a value claims to be signed by this identity.
pub(super) fn is_owned_by(identity: &Identity, value: &Value) -> bool {
    value
        .signed()
        .is_some_and(|signed| signed.owner == identity.public_key().to_der())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{alice, bob, signed};
    use super::*;
    use crate::value::ValueId;
    use crate::{InfoHash, wire};

    const PROBE: OpId = OpId(100);

    /// What was done.
    #[derive(PartialEq, Eq, Debug)]
    enum SigningStep {
        Sign(u64, u16),
        Announce(u64, u16),
        Fail(u64, SecurePutError),
        EndGet(OpId),
    }

    fn diary() -> ValueAddress {
        ValueAddress {
            key: InfoHash::from_key("diary"),
            id: ValueId(7),
        }
    }

    fn put(op: u64) -> SignedPut {
        SignedPut {
            op: OpId(op),
            draft: Draft::from(format!("text {op}")),
            options: PutOptions::default(),
        }
    }

    /// A series of these puts, the first of which probes.
    fn probing<const N: usize>(ops: [u64; N]) -> SignedPuts {
        let mut puts = SignedPuts::default();
        for op in ops {
            puts.begin(diary(), put(op), Some(PROBE));
        }
        puts
    }

    /// A series of these puts, the first of which is being signed.
    fn signing<const N: usize>(ops: [u64; N]) -> SignedPuts {
        let mut puts = SignedPuts::default();
        for op in ops {
            puts.begin(diary(), put(op), None);
        }
        assert_eq!(next(&mut puts), [SigningStep::Sign(ops[0], 0)]);
        puts
    }

    /// An edition of Alice's; nothing here looks at its signature.
    fn edition(seq: u16) -> Value {
        let owner = alice().public_key().to_der().to_owned();
        let body = wire::pack_body(&Draft::from("x"), &owner, seq, None);
        wire::pack_signed(&Draft::from("x"), ValueId(7), &body, b"signature").unwrap()
    }

    fn steps(actions: impl IntoIterator<Item = SecureAction>) -> Vec<SigningStep> {
        let step = |action| match action {
            SecureAction::Start(
                Ticket::Step,
                Task::Sign {
                    op, draft, id, seq, ..
                },
            ) => {
                assert_eq!((draft, id), (put(op.0).draft, ValueId(7)));
                SigningStep::Sign(op.0, seq)
            }
            SecureAction::Announce { op, key, value, .. } => {
                assert_eq!(key, diary().key);
                SigningStep::Announce(op.0, value.seq())
            }
            SecureAction::Fail(op, error) => SigningStep::Fail(op.0, error),
            SecureAction::EndGet(op) => SigningStep::EndGet(op),
            _ => panic!("another action"),
        };
        actions.into_iter().map(step).collect()
    }

    fn next(puts: &mut SignedPuts) -> Vec<SigningStep> {
        steps(puts.next(diary(), &alice(), None))
    }

    fn finish(puts: &mut SignedPuts, op: u64, seq: u16) -> Vec<SigningStep> {
        steps(puts.on_signed(diary(), OpId(op), Ok(edition(seq))))
    }

    #[test]
    fn a_new_value_is_signed_without_a_probe_and_announced_with_its_options() {
        let mut puts = SignedPuts::default();
        assert_eq!(puts.probe(diary(), false), None);
        let options = PutOptions {
            permanent: true,
            ..PutOptions::default()
        };
        puts.begin(diary(), SignedPut { options, ..put(1) }, None);
        assert_eq!(next(&mut puts), [SigningStep::Sign(1, 0)]);
        let action = puts.on_signed(diary(), OpId(1), Ok(edition(0)));
        let Some(SecureAction::Announce { options: its, .. }) = action else {
            panic!("not announced");
        };
        assert_eq!(its, options);
        assert_eq!(next(&mut puts), []);
        assert!(puts.0.is_empty());
    }

    #[test]
    fn a_value_that_may_exist_gets_a_number_above_all_editions_that_the_probe_finds() {
        let query = SignedPuts::default().probe(diary(), true).unwrap();
        assert_eq!(query.conditions, [Condition::Id(ValueId(7))]);
        let mut puts = probing([1]);
        assert_eq!(next(&mut puts), []);
        for seq in [3, 5, 4] {
            puts.on_edition(diary(), seq);
        }
        puts.on_probe_done(diary());
        assert_eq!(next(&mut puts), [SigningStep::Sign(1, 6)]);
    }

    #[test]
    fn a_probe_that_finds_nothing_is_followed_by_the_first_number() {
        let mut puts = probing([1]);
        puts.on_probe_done(diary());
        assert_eq!(next(&mut puts), [SigningStep::Sign(1, 0)]);
    }

    #[test]
    fn the_edition_that_is_announced_counts_if_it_is_ours() {
        for (us, seq) in [(alice(), 8), (bob(), 3)] {
            let mut puts = probing([1]);
            puts.on_edition(diary(), 2);
            puts.on_probe_done(diary());
            let actions = puts.next(diary(), &us, Some(&edition(7)));
            assert_eq!(steps(actions), [SigningStep::Sign(1, seq)]);
        }
    }

    #[test]
    fn puts_of_one_value_are_signed_one_after_the_other_with_growing_numbers() {
        let mut puts = probing([1, 2]);
        assert_eq!(puts.probe(diary(), true), None);
        puts.on_probe_done(diary());
        assert_eq!(next(&mut puts), [SigningStep::Sign(1, 0)]);
        puts.begin(diary(), put(3), None);
        assert_eq!(next(&mut puts), []);
        assert_eq!(finish(&mut puts, 1, 0), [SigningStep::Announce(1, 0)]);
        assert_eq!(next(&mut puts), [SigningStep::Sign(2, 1)]);
        assert_eq!(finish(&mut puts, 2, 1), [SigningStep::Announce(2, 1)]);
        assert_eq!(next(&mut puts), [SigningStep::Sign(3, 2)]);
        assert_eq!(finish(&mut puts, 3, 2), [SigningStep::Announce(3, 2)]);
        assert!(puts.0.is_empty());
    }

    #[test]
    fn a_put_that_is_being_signed_is_not_signed_again() {
        let mut puts = signing([1]);
        assert_eq!(next(&mut puts), []);
        assert_eq!(finish(&mut puts, 2, 0), []);
        assert_eq!(finish(&mut puts, 1, 0), [SigningStep::Announce(1, 0)]);
    }

    #[test]
    fn a_value_that_was_not_to_be_signed_yet_is_not_announced() {
        assert_eq!(finish(&mut probing([1]), 1, 0), []);
    }

    #[test]
    fn puts_of_other_values_do_not_wait() {
        let mut puts = probing([1]);
        let other = ValueAddress {
            key: InfoHash::from_key("letters"),
            ..diary()
        };
        assert!(puts.probe(other, true).is_some());
        puts.begin(other, put(2), None);
        let actions = puts.next(other, &alice(), None);
        assert_eq!(steps(actions), [SigningStep::Sign(2, 0)]);
    }

    #[test]
    fn after_the_last_number_all_puts_of_the_value_fail() {
        let mut puts = probing([1, 2, 3]);
        puts.on_edition(diary(), u16::MAX - 1);
        puts.on_probe_done(diary());
        assert_eq!(next(&mut puts), [SigningStep::Sign(1, u16::MAX)]);
        finish(&mut puts, 1, u16::MAX);
        let error = SecurePutError::NoSequence;
        assert_eq!(
            next(&mut puts),
            [SigningStep::Fail(2, error), SigningStep::Fail(3, error)]
        );
        assert!(puts.0.is_empty());
    }

    #[test]
    fn a_put_that_cannot_be_signed_fails_and_the_next_gets_its_number() {
        let mut puts = signing([1, 2]);
        let error = SecurePutError::TooLarge(1);
        let action = puts.on_signed(diary(), OpId(1), Err(error));
        assert_eq!(steps(action), [SigningStep::Fail(1, error)]);
        assert_eq!(next(&mut puts), [SigningStep::Sign(2, 0)]);
    }

    #[test]
    fn a_cancelled_put_takes_its_probe_along() {
        let mut puts = probing([1]);
        let action = puts.cancel(diary(), OpId(1));
        assert_eq!(steps(action), [SigningStep::EndGet(PROBE)]);
        puts.on_edition(diary(), 3);
        puts.on_probe_done(diary());
        assert_eq!(next(&mut puts), []);
        assert!(puts.0.is_empty());
    }

    #[test]
    fn a_probe_goes_on_for_the_puts_that_are_left() {
        let mut puts = probing([1, 2]);
        assert_eq!(steps(puts.cancel(diary(), OpId(1))), []);
        assert_eq!(next(&mut puts), []);
        puts.on_probe_done(diary());
        assert_eq!(next(&mut puts), [SigningStep::Sign(2, 0)]);
    }

    #[test]
    fn a_put_cancelled_while_it_is_signed_makes_way_for_the_next() {
        let mut puts = signing([1, 2, 3]);
        assert_eq!(steps(puts.cancel(diary(), OpId(2))), []);
        assert_eq!(next(&mut puts), []);
        assert_eq!(steps(puts.cancel(diary(), OpId(1))), []);
        assert_eq!(next(&mut puts), [SigningStep::Sign(3, 0)]);
        // The other signature comes too late.
        assert_eq!(finish(&mut puts, 1, 0), []);
        assert_eq!(steps(puts.cancel(diary(), OpId(3))), []);
        assert!(puts.0.is_empty());
    }

    #[test]
    fn an_edition_of_ours_has_our_key_as_its_owner() {
        let value = signed(&alice(), 7, 0, "mine");
        assert!(is_owned_by(&alice(), &value));
        assert!(!is_owned_by(&bob(), &value));
        let clear = wire::pack(&Draft::from("mine"), ValueId(7));
        assert!(!is_owned_by(&alice(), &clear));
    }
}
