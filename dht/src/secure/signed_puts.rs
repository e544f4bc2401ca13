//! Signed puts: probe for the newest edition, sign the next, put it (`docs/spec/secure.md#5.2`).
//!
//! ```text
//!   put_signed ─▶ Series ─▶ probe: get the value id ─▶ Job: sign with the next number ─▶ Node::put
//!                              │                             ▲                              │
//!                              └─ a new value needs none ────┴─ nor does the next in line ──┘
//! ```

use std::collections::{BTreeMap, VecDeque};

use bulla_identity::Identity;

use super::SecureDht;
use super::admission::Ticket;
use super::binding::bind;
use super::checked::Checked;
use super::error::PutError;
use super::job::Task;
use super::options::SignOptions;
use super::pending::{InternalOp, Preparation};
use crate::lookup::OpId;
use crate::node::{OpError, PutOptions};
use crate::value::{Condition, Draft, Query, Value, ValueAddress, ValueId};
use crate::{InfoHash, Timestamp};

/// Signed puts that are being prepared.
#[derive(Default, Debug)]
pub(super) struct SignedPuts(BTreeMap<ValueAddress, Series>);

/// The signed puts of one value, which get growing sequence numbers in the order they were asked for. The first is at
/// work, the others wait.
#[derive(Default, Debug)]
struct Series {
    puts: VecDeque<SignedPut>,
    /// Above the sequence number of every edition known to us; beyond 16 bits if there is no such number.
    next_seq: u32,
    /// The get that looks for earlier editions.
    probe: Option<OpId>,
}

/// A value to be signed and put.
#[derive(Debug)]
struct SignedPut {
    op: OpId,
    draft: Draft,
    options: PutOptions,
}

impl SecureDht {
    /// Signs a value and puts it. If it has an id, the nodes are asked first for what they hold of ours under it, so
    /// that the new edition replaces the old; without one it gets a random id.
    ///
    /// Ends with [`SecureEvent::PutDone`] or [`SecureEvent::PutFailed`]. Puts of one id under one key are done in the
    /// order of the calls.
    ///
    /// # Errors
    ///
    /// [`PutError::NoIdentity`], [`PutError::Sign`] if the identity is not one of RSA, [`PutError::ReservedUserType`], or
    /// [`PutError::Refused`] if the node would not take it.
    ///
    /// [`SecureEvent::PutDone`]: super::SecureEvent::PutDone
    /// [`SecureEvent::PutFailed`]: super::SecureEvent::PutFailed
    pub fn put_signed(
        &mut self,
        now: Timestamp,
        key: InfoHash,
        draft: impl Into<Draft>,
        options: impl Into<SignOptions>,
    ) -> Result<(OpId, ValueId), PutError> {
        let (draft, options) = (draft.into(), options.into());
        let id = self.choose_id(&draft);
        let address = ValueAddress { key, id };
        let draft = bind(draft, address, options.scope, self.node.calendar(now))?;
        let op = self.prepare_put(key, &draft)?;
        let options = options.put;
        let may_exist = draft.id == id;
        let series = self.signed_puts.0.entry(address).or_default();
        let is_first = series.puts.is_empty();
        series.puts.push_back(SignedPut { op, draft, options });
        self.preparing.insert(op, Preparation::Signed { address });
        if is_first && may_exist {
            self.probe(now, address).inspect_err(|_| {
                self.preparing.remove(&op);
                self.signed_puts.0.remove(&address);
            })?;
        } else if is_first {
            self.sign_next(address);
        }
        self.advance(now);
        Ok((op, id))
    }

    /// Looks for earlier editions.
    fn probe(&mut self, now: Timestamp, address: ValueAddress) -> Result<(), OpError> {
        let ValueAddress { key, id } = address;
        let query = Query {
            conditions: vec![Condition::Id(id)],
            ..Query::default()
        };
        let get = self.node.get(now, key, query)?;
        // Editions count wherever and until whenever they were meant: storing nodes compare numbers alone.
        self.checks.open(get, None);
        self.internal_ops.insert(get, InternalOp::Probe { address });
        self.signed_puts.0.entry(address).or_default().probe = Some(get);
        Ok(())
    }

    /// Whether a value found by a probe claims to be an edition of ours. Only such are worth a verification.
    pub(super) fn is_own_edition(&self, value: &Value) -> bool {
        is_owned_by(self.identity.as_ref(), value)
    }

    /// A probe found editions of ours.
    pub(super) fn on_probed(&mut self, address: ValueAddress, editions: &[Checked]) {
        if let Some(series) = self.signed_puts.0.get_mut(&address) {
            for edition in editions {
                series.follow(edition.seq());
            }
        }
    }

    /// A probe is over, whether anyone answered or not.
    pub(super) fn on_probe_done(&mut self, address: ValueAddress) {
        if let Some(series) = self.signed_puts.0.get_mut(&address) {
            series.probe = None;
            self.sign_next(address);
        }
    }

    /// Has the first put of a series signed.
    fn sign_next(&mut self, address: ValueAddress) {
        let ValueAddress { key, id } = address;
        let (Some(identity), Some(series)) =
            (self.identity.as_ref(), self.signed_puts.0.get_mut(&address))
        else {
            return;
        };
        let announced = self.node.announced(key, id);
        if let Some(edition) = announced.filter(|value| is_owned_by(Some(identity), value)) {
            series.follow(edition.seq());
        }
        let Ok(seq) = u16::try_from(series.next_seq) else {
            return self.fail_series(address);
        };
        if let Some(put) = series.puts.front() {
            let sign = Task::Sign {
                op: put.op,
                key: identity.key().clone(),
                draft: put.draft.clone(),
                id,
                seq,
            };
            self.start(Ticket::Step, sign);
        }
    }

    /// There is no number left for a series.
    fn fail_series(&mut self, address: ValueAddress) {
        let series = self.signed_puts.0.remove(&address).unwrap_or_default();
        for put in series.puts {
            self.preparing.remove(&put.op);
            self.fail(put.op, PutError::NoSequence);
        }
    }

    /// The first put of a series has been signed, or could not be.
    pub(super) fn on_signed(
        &mut self,
        now: Timestamp,
        address: ValueAddress,
        op: OpId,
        value: Result<Value, PutError>,
    ) {
        let Some(series) = self.signed_puts.0.get_mut(&address) else {
            return;
        };
        let options = series
            .puts
            .front()
            .map(|put| put.options)
            .unwrap_or_default();
        if let Ok(value) = &value {
            series.follow(value.seq());
        }
        self.announce(now, op, address.key, value, options);
        self.drop_signed_put(address, op);
    }

    /// The application does not want this put any more.
    pub(super) fn cancel_signed_put(&mut self, now: Timestamp, address: ValueAddress, op: OpId) {
        let probe = self
            .signed_puts
            .0
            .get(&address)
            .and_then(|series| series.probe);
        self.drop_signed_put(address, op);
        if let Some(probe) = probe
            && !self.signed_puts.0.contains_key(&address)
        {
            self.internal_ops.remove(&probe);
            self.checks.close(probe);
            self.node.cancel(now, probe);
        }
    }

    /// Takes a put out of its series; if it was the first, the next goes on.
    fn drop_signed_put(&mut self, address: ValueAddress, op: OpId) {
        let Some(series) = self.signed_puts.0.get_mut(&address) else {
            return;
        };
        let was_first = series.puts.front().is_some_and(|put| put.op == op);
        series.puts.retain(|put| put.op != op);
        if series.puts.is_empty() {
            self.signed_puts.0.remove(&address);
        } else if was_first && series.probe.is_none() {
            self.sign_next(address);
        }
    }
}

impl Series {
    /// The next number must be above this one.
    fn follow(&mut self, seq: u16) {
        self.next_seq = self.next_seq.max(u32::from(seq) + 1);
    }
}

fn is_owned_by(identity: Option<&Identity>, value: &Value) -> bool {
    value
        .signed()
        .zip(identity)
        .is_some_and(|(signed, identity)| signed.owner == identity.public_key().to_der())
}
