//! Signed puts: probe for the newest edition, sign the next, put it (`docs/spec/secure.md#5.2`).
//!
//! ```text
//!   put_signed ─▶ Series ─▶ probe: get the value id ─▶ Job: sign with the next number ─▶ Node::put
//!                              │                             ▲                              │
//!                              └─ a new value needs none ────┴─ nor does the next in line ──┘
//! ```

use std::collections::{BTreeMap, VecDeque};

use bulla_identity::Identity;

use super::admission::Ticket;
use super::binding::Scope;
use super::checked::Checked;
use super::job::Task;
use super::{Home, InternalOp, Preparation, PutError, SecureDht};
use crate::lookup::OpId;
use crate::node::{OpError, PutOptions};
use crate::value::{Condition, Draft, Query, Value, ValueId};
use crate::{InfoHash, Timestamp};

/// How a value is signed and put.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SignOptions {
    /// What the node is told.
    pub put: PutOptions,
    /// For which place it is signed.
    pub scope: Scope,
}

/// Signed puts that are being prepared.
#[derive(Default, Debug)]
pub(super) struct SignedPuts(BTreeMap<Home, Series>);

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

impl From<PutOptions> for SignOptions {
    fn from(put: PutOptions) -> Self {
        Self {
            put,
            scope: Scope::Anywhere,
        }
    }
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
        let home = (key, id);
        let draft = self.bind(now, home, draft, options.scope)?;
        let op = self.prepare_put(key, &draft)?;
        let options = options.put;
        let may_exist = draft.id == id;
        let series = self.signed_puts.0.entry(home).or_default();
        let is_first = series.puts.is_empty();
        series.puts.push_back(SignedPut { op, draft, options });
        self.preparing.insert(op, Preparation::Signed { home });
        if is_first && may_exist {
            self.probe(now, home).inspect_err(|_| {
                self.preparing.remove(&op);
                self.signed_puts.0.remove(&home);
            })?;
        } else if is_first {
            self.sign_next(home);
        }
        self.advance(now);
        Ok((op, id))
    }

    /// Looks for earlier editions.
    fn probe(&mut self, now: Timestamp, home: Home) -> Result<(), OpError> {
        let (key, id) = home;
        let query = Query {
            conditions: vec![Condition::Id(id)],
            ..Query::default()
        };
        let get = self.node.get(now, key, query)?;
        // Editions count wherever and until whenever they were meant: storing nodes compare numbers alone.
        self.delivery.open(get, None);
        self.internal_ops.insert(get, InternalOp::Probe { home });
        self.signed_puts.0.entry(home).or_default().probe = Some(get);
        Ok(())
    }

    /// Whether a value found by a probe claims to be an edition of ours. Only such are worth a verification.
    pub(super) fn is_own_edition(&self, value: &Value) -> bool {
        is_owned_by(self.identity.as_ref(), value)
    }

    /// A probe found editions of ours.
    pub(super) fn on_probed(&mut self, home: Home, editions: &[Checked]) {
        if let Some(series) = self.signed_puts.0.get_mut(&home) {
            for edition in editions {
                series.follow(edition.seq());
            }
        }
    }

    /// A probe is over, whether anyone answered or not.
    pub(super) fn on_probe_done(&mut self, home: Home) {
        if let Some(series) = self.signed_puts.0.get_mut(&home) {
            series.probe = None;
            self.sign_next(home);
        }
    }

    /// Has the first put of a series signed.
    fn sign_next(&mut self, home: Home) {
        let (key, id) = home;
        let (Some(identity), Some(series)) =
            (self.identity.as_ref(), self.signed_puts.0.get_mut(&home))
        else {
            return;
        };
        let announced = self.node.announced(key, id);
        if let Some(edition) = announced.filter(|value| is_owned_by(Some(identity), value)) {
            series.follow(edition.seq());
        }
        let Ok(seq) = u16::try_from(series.next_seq) else {
            return self.fail_series(home);
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
    fn fail_series(&mut self, home: Home) {
        let series = self.signed_puts.0.remove(&home).unwrap_or_default();
        for put in series.puts {
            self.preparing.remove(&put.op);
            self.fail(put.op, PutError::NoSequence);
        }
    }

    /// The first put of a series has been signed, or could not be.
    pub(super) fn on_signed(
        &mut self,
        now: Timestamp,
        home: Home,
        op: OpId,
        value: Result<Value, PutError>,
    ) {
        let Some(series) = self.signed_puts.0.get_mut(&home) else {
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
        self.announce(now, op, home.0, value, options);
        self.drop_signed_put(home, op);
    }

    /// The application does not want this put any more.
    pub(super) fn cancel_signed_put(&mut self, now: Timestamp, home: Home, op: OpId) {
        let probe = self
            .signed_puts
            .0
            .get(&home)
            .and_then(|series| series.probe);
        self.drop_signed_put(home, op);
        if let Some(probe) = probe
            && !self.signed_puts.0.contains_key(&home)
        {
            self.internal_ops.remove(&probe);
            self.delivery.close(probe);
            self.node.cancel(now, probe);
        }
    }

    /// Takes a put out of its series; if it was the first, the next goes on.
    fn drop_signed_put(&mut self, home: Home, op: OpId) {
        let Some(series) = self.signed_puts.0.get_mut(&home) else {
            return;
        };
        let was_first = series.puts.front().is_some_and(|put| put.op == op);
        series.puts.retain(|put| put.op != op);
        if series.puts.is_empty() {
            self.signed_puts.0.remove(&home);
        } else if was_first && series.probe.is_none() {
            self.sign_next(home);
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
