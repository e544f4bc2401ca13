//! [`SignedPuts`]: signed puts that are being prepared (`docs/spec/secure.md#5.2`).
//!
//! ```text
//!   begin ─▶ series ─▶ probe: get the value id ─▶ Sign with the next number ─▶ Announce
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

use super::error::PutError;
use crate::InfoHash;
use crate::lookup::OpId;
use crate::node::PutOptions;
use crate::value::{Condition, Draft, Query, Value, ValueAddress, ValueId};

/// Signed puts that are being prepared, by the value that they are to make.
#[derive(Default, Debug)]
pub(super) struct SignedPuts(BTreeMap<ValueAddress, Series>);

/// The signed puts of one value. The first is at work, the others wait.
#[derive(Default, Debug)]
struct Series {
    /// The puts, in the order they were asked for; at least one.
    puts: VecDeque<SignedPut>,
    /// Above the sequence number of every edition known to us; beyond 16 bits if there is no such
    /// number.
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

/// What is to be done for a signed put.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum SignAction {
    /// Have this signed, and tell `on_signed`.
    Sign {
        op: OpId,
        draft: Draft,
        id: ValueId,
        seq: u16,
    },
    /// Put this value; then ask for the `next`.
    Announce {
        op: OpId,
        key: InfoHash,
        value: Value,
        options: PutOptions,
    },
    /// Tell the application that these came to nothing.
    Fail { ops: Vec<OpId>, error: PutError },
    /// Cancel this probe: what it finds is not wanted any more.
    EndProbe(OpId),
}

impl SignedPuts {
    /// Returns what to look for before the next put of this value, if anything: it may exist, and no
    /// other put of it is being prepared.
    pub(super) fn probe(&self, address: ValueAddress, may_exist: bool) -> Option<Query> {
        (may_exist && !self.0.contains_key(&address)).then(|| Query {
            conditions: vec![Condition::Id(address.id)],
            ..Query::default()
        })
    }

    /// Takes a put, with the get that looks for earlier editions if there is to be one. `announced`
    /// is the number of the edition that the node announces, if any; so it is below.
    pub(super) fn begin(
        &mut self,
        address: ValueAddress,
        put: SignedPut,
        probe: Option<OpId>,
        announced: Option<u16>,
    ) -> Option<SignAction> {
        let series = self.0.entry(address).or_default();
        series.puts.push_back(put);
        if series.puts.len() > 1 {
            return None;
        }
        series.stage = probe.map_or(Stage::Ready, Stage::Probing);
        self.next(address, announced)
    }

    /// Notes that a probe found an edition of ours.
    pub(super) fn on_edition(&mut self, address: ValueAddress, seq: u16) {
        if let Some(series) = self.0.get_mut(&address) {
            series.follow(seq);
        }
    }

    /// Goes on after a probe, whatever it has found.
    pub(super) fn on_probe_done(
        &mut self,
        address: ValueAddress,
        announced: Option<u16>,
    ) -> Option<SignAction> {
        self.0.get_mut(&address)?.stage = Stage::Ready;
        self.next(address, announced)
    }

    /// Takes the signed value of the first put of a series, or the reason why there is none.
    pub(super) fn on_signed(
        &mut self,
        address: ValueAddress,
        op: OpId,
        value: Result<Value, PutError>,
    ) -> Option<SignAction> {
        let series = self.0.get_mut(&address)?;
        if series.stage != Stage::Signing || series.puts.front()?.op != op {
            return None;
        }
        series.stage = Stage::Ready;
        let SignedPut { options, .. } = series.puts.pop_front()?;
        if let Ok(value) = &value {
            series.follow(value.seq());
        }
        if series.puts.is_empty() {
            self.0.remove(&address);
        }
        Some(match value {
            Ok(value) => SignAction::Announce {
                op,
                key: address.key,
                value,
                options,
            },
            Err(error) => SignAction::Fail {
                ops: vec![op],
                error,
            },
        })
    }

    /// Has the first put of a series signed, if it is ready.
    pub(super) fn next(
        &mut self,
        address: ValueAddress,
        announced: Option<u16>,
    ) -> Option<SignAction> {
        let series = self.0.get_mut(&address)?;
        if series.stage != Stage::Ready {
            return None;
        }
        if let Some(seq) = announced {
            series.follow(seq);
        }
        let Ok(seq) = u16::try_from(series.next_seq) else {
            let series = self.0.remove(&address)?;
            return Some(SignAction::Fail {
                ops: series.puts.iter().map(|put| put.op).collect(),
                error: PutError::NoSequence,
            });
        };
        series.stage = Stage::Signing;
        let put = series.puts.front_mut()?;
        Some(SignAction::Sign {
            op: put.op,
            draft: mem::take(&mut put.draft),
            id: address.id,
            seq,
        })
    }

    /// Takes a put out of its series. If it was at work, the next goes on; if it was the last, its
    /// probe ends.
    pub(super) fn cancel(
        &mut self,
        address: ValueAddress,
        op: OpId,
        announced: Option<u16>,
    ) -> Option<SignAction> {
        let series = self.0.get_mut(&address)?;
        let was_first = series.puts.front()?.op == op;
        series.puts.retain(|put| put.op != op);
        let stage = series.stage;
        if series.puts.is_empty() {
            self.0.remove(&address);
        }
        match stage {
            Stage::Probing(probe) if !self.0.contains_key(&address) => {
                Some(SignAction::EndProbe(probe))
            }
            Stage::Signing if was_first => {
                self.0.get_mut(&address)?.stage = Stage::Ready;
                self.next(address, announced)
            }
            Stage::Probing(_) | Stage::Ready | Stage::Signing => None,
        }
    }
}

impl Series {
    /// Sees to it that the next number is above this one.
    fn follow(&mut self, seq: u16) {
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
    use crate::wire;

    const PROBE: OpId = OpId(100);

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

    fn sign(op: u64, seq: u16) -> SignAction {
        SignAction::Sign {
            op: OpId(op),
            draft: Draft::from(format!("text {op}")),
            id: ValueId(7),
            seq,
        }
    }

    fn announce(op: u64, seq: u16) -> SignAction {
        SignAction::Announce {
            op: OpId(op),
            key: diary().key,
            value: edition(seq),
            options: PutOptions::default(),
        }
    }

    fn fail<const N: usize>(ops: [u64; N], error: PutError) -> SignAction {
        let ops = ops.map(OpId).into();
        SignAction::Fail { ops, error }
    }

    /// A value with this number; nothing here looks at its signature.
    fn edition(seq: u16) -> Value {
        let body = wire::pack_body(&Draft::from("x"), b"owner", seq, None);
        wire::pack_signed(&Draft::from("x"), ValueId(7), &body, b"signature").unwrap()
    }

    #[test]
    fn a_new_value_is_signed_without_a_probe_and_announced_with_its_options() {
        let mut puts = SignedPuts::default();
        assert_eq!(puts.probe(diary(), false), None);
        let options = PutOptions {
            permanent: true,
            ..PutOptions::default()
        };
        let permanent = SignedPut { options, ..put(1) };
        assert_eq!(puts.begin(diary(), permanent, None, None), Some(sign(1, 0)));
        let announce = SignAction::Announce {
            op: OpId(1),
            key: diary().key,
            value: edition(0),
            options,
        };
        let action = puts.on_signed(diary(), OpId(1), Ok(edition(0)));
        assert_eq!(action, Some(announce));
        assert_eq!(puts.next(diary(), None), None);
        assert!(puts.0.is_empty());
    }

    #[test]
    fn a_value_that_may_exist_gets_a_number_above_all_editions_that_the_probe_finds() {
        let mut puts = SignedPuts::default();
        let query = puts.probe(diary(), true).unwrap();
        assert_eq!(query.conditions, [Condition::Id(ValueId(7))]);
        assert_eq!(puts.begin(diary(), put(1), Some(PROBE), None), None);
        for seq in [3, 5, 4] {
            puts.on_edition(diary(), seq);
        }
        assert_eq!(puts.on_probe_done(diary(), None), Some(sign(1, 6)));
    }

    #[test]
    fn a_probe_that_finds_nothing_is_followed_by_the_first_number() {
        let mut puts = SignedPuts::default();
        puts.begin(diary(), put(1), Some(PROBE), None);
        assert_eq!(puts.on_probe_done(diary(), None), Some(sign(1, 0)));
    }

    #[test]
    fn the_edition_that_is_announced_counts() {
        let mut puts = SignedPuts::default();
        puts.begin(diary(), put(1), Some(PROBE), Some(1));
        puts.on_edition(diary(), 2);
        assert_eq!(puts.on_probe_done(diary(), Some(7)), Some(sign(1, 8)));
    }

    #[test]
    fn puts_of_one_value_are_signed_one_after_the_other_with_growing_numbers() {
        let mut puts = SignedPuts::default();
        puts.begin(diary(), put(1), Some(PROBE), None);
        assert_eq!(puts.probe(diary(), true), None);
        assert_eq!(puts.begin(diary(), put(2), None, None), None);
        assert_eq!(puts.on_probe_done(diary(), None), Some(sign(1, 0)));
        assert_eq!(puts.begin(diary(), put(3), None, None), None);
        for seq in 0..3u16 {
            let op = u64::from(seq) + 1;
            let action = puts.on_signed(diary(), OpId(op), Ok(edition(seq)));
            assert_eq!(action, Some(announce(op, seq)));
            let next = (seq < 2).then(|| sign(op + 1, seq + 1));
            assert_eq!(puts.next(diary(), Some(seq)), next);
        }
    }

    #[test]
    fn a_put_that_is_being_signed_is_not_signed_again() {
        let mut puts = SignedPuts::default();
        assert_eq!(puts.begin(diary(), put(1), None, None), Some(sign(1, 0)));
        assert_eq!(puts.next(diary(), None), None);
        assert_eq!(puts.on_signed(diary(), OpId(2), Ok(edition(0))), None);
        let action = puts.on_signed(diary(), OpId(1), Ok(edition(0)));
        assert_eq!(action, Some(announce(1, 0)));
    }

    #[test]
    fn puts_of_other_values_do_not_wait() {
        let mut puts = SignedPuts::default();
        puts.begin(diary(), put(1), Some(PROBE), None);
        let other = ValueAddress {
            key: InfoHash::from_key("letters"),
            ..diary()
        };
        assert!(puts.probe(other, true).is_some());
        assert_eq!(puts.begin(other, put(2), None, None), Some(sign(2, 0)));
    }

    #[test]
    fn after_the_last_number_all_puts_of_the_value_fail() {
        let mut puts = SignedPuts::default();
        puts.begin(diary(), put(1), Some(PROBE), None);
        puts.begin(diary(), put(2), None, None);
        puts.begin(diary(), put(3), None, None);
        puts.on_edition(diary(), u16::MAX - 1);
        assert_eq!(puts.on_probe_done(diary(), None), Some(sign(1, u16::MAX)));
        let action = puts.on_signed(diary(), OpId(1), Ok(edition(u16::MAX)));
        assert_eq!(action, Some(announce(1, u16::MAX)));
        let failed = Some(fail([2, 3], PutError::NoSequence));
        assert_eq!(puts.next(diary(), None), failed);
        assert!(puts.0.is_empty());
    }

    #[test]
    fn a_put_that_cannot_be_signed_fails_and_the_next_gets_its_number() {
        let mut puts = SignedPuts::default();
        puts.begin(diary(), put(1), None, Some(4));
        puts.begin(diary(), put(2), None, None);
        let error = PutError::TooLarge(1);
        let action = puts.on_signed(diary(), OpId(1), Err(error));
        assert_eq!(action, Some(fail([1], error)));
        assert_eq!(puts.next(diary(), None), Some(sign(2, 5)));
    }

    #[test]
    fn a_cancelled_put_takes_its_probe_along() {
        let mut puts = SignedPuts::default();
        puts.begin(diary(), put(1), Some(PROBE), None);
        let action = puts.cancel(diary(), OpId(1), None);
        assert_eq!(action, Some(SignAction::EndProbe(PROBE)));
        puts.on_edition(diary(), 3);
        assert_eq!(puts.on_probe_done(diary(), None), None);
        assert!(puts.0.is_empty());
    }

    #[test]
    fn a_probe_goes_on_for_the_puts_that_are_left() {
        let mut puts = SignedPuts::default();
        puts.begin(diary(), put(1), Some(PROBE), None);
        puts.begin(diary(), put(2), None, None);
        assert_eq!(puts.cancel(diary(), OpId(1), None), None);
        assert_eq!(puts.on_probe_done(diary(), None), Some(sign(2, 0)));
    }

    #[test]
    fn a_put_cancelled_while_it_is_signed_makes_way_for_the_next() {
        let mut puts = SignedPuts::default();
        puts.begin(diary(), put(1), None, None);
        puts.begin(diary(), put(2), None, None);
        puts.begin(diary(), put(3), None, None);
        assert_eq!(puts.cancel(diary(), OpId(2), None), None);
        assert_eq!(puts.cancel(diary(), OpId(1), Some(0)), Some(sign(3, 1)));
        // The signature comes too late.
        let late = puts.on_signed(diary(), OpId(1), Ok(edition(0)));
        assert_eq!(late, None);
        assert_eq!(puts.cancel(diary(), OpId(3), None), None);
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
