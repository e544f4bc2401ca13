//! [`Checks`]: values on their way to a verdict and back: those found for the application, and
//! those that other nodes want stored.
//!
//! ```text
//!   on_values ─▶ inspect ───▶ verdict known? ─ no ─▶ admission ─▶ job ··▶ on_verdict ─▶ deliver
//!   on_check ──▶ its place ─▶ verdict known? ─ no ─▶ admission ─▶ job ··▶ on_verdict ─▶ answer
//! ```
//!
//! - Whatever waits for a verdict waits for the same job as all else with that digest, unless the
//!   application would wait behind jobs of other nodes.
//! - What cannot be admitted is dropped: a value that was found is counted, a node that wants a
//!   value stored is not answered and asks again.

use std::time::Duration;

use bulla_identity::{Identity, PublicKey, SharedEnvelope};

use super::action::SecureAction;
use super::admission::{Admission, Lane, Ticket};
use super::binding::Claim;
use super::checked::Checked;
use super::delivery::{BatchChange, Delivered, Delivery, Filter, Position, Slot};
use super::job::Task;
use super::options::{GetOptions, SecureConfig};
use super::verdicts::{Digest, Verdict, Verdicts};
use crate::lookup::{GetReport, OpId};
use crate::node::{Check, CheckId};
use crate::value::policy::Proof;
use crate::value::{Content, Query, Value, ValueAddress};
use crate::{InfoHash, UnixTime};

/// What a hybrid ciphertext has besides its RSA block and the encrypted bytes
/// (`docs/spec/secure.md#4.1`).
const NONCE_AND_TAG: usize = 28;

/// The values that are being checked.
#[derive(Debug)]
pub(super) struct Checks {
    /// How much may wait at a time.
    admission: Admission,
    /// What has been judged, and what waits for which verdict.
    verdicts: Verdicts<Waiter>,
    /// The values found by each operation, in order.
    delivery: Delivery,
    /// How long after its time a bound value is still delivered.
    clock_tolerance: Duration,
    /// Remember the keys of all signers of values.
    remember_signers: bool,
    /// Values of other nodes that were not checked because too many were, since the start.
    unchecked: u64,
}

/// What waits for a verdict.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Waiter {
    /// A value found for the application.
    Found(Position),
    /// A value that another node wants stored.
    Stored(CheckId),
}

/// What is to be done with a value that was found.
#[derive(PartialEq, Eq, Debug)]
enum Inspection {
    /// It claims nothing, and passes.
    Pass(Checked),
    /// The verdict of this digest decides.
    Judge(Digest),
    /// It cannot be good, or cannot be for us.
    Refuse,
}

impl Checks {
    pub(super) fn new(config: &SecureConfig) -> Self {
        Self {
            admission: Admission::new(config),
            verdicts: Verdicts::new(config.max_verdicts, config.max_keys),
            delivery: Delivery::new(config.max_editions),
            clock_tolerance: config.clock_tolerance,
            remember_signers: config.remember_signers,
            unchecked: 0,
        }
    }

    /// Splits what a get or listen is for into what the nodes are asked and what is left to be
    /// checked here.
    pub(super) fn filter(&self, key: InfoHash, options: GetOptions) -> (Query, Filter) {
        Filter::new(key, options, self.clock_tolerance)
    }

    /// Begins to take values for `op`; without a filter, all that is genuine is delivered.
    pub(super) fn open(&mut self, op: OpId, filter: Option<Filter>) {
        self.delivery.open(op, filter);
    }

    /// Forgets an operation and what waits for it.
    pub(super) fn close(&mut self, op: OpId) {
        self.delivery.close(op);
    }

    /// Takes values of a get or listen. `us` is the identity that could decrypt them.
    pub(super) fn on_values(
        &mut self,
        op: OpId,
        change: BatchChange,
        values: Vec<Value>,
        us: Option<&Identity>,
        unix_now: UnixTime,
    ) -> Vec<SecureAction> {
        let mut actions = Vec::new();
        if let Some(mut position) = self.delivery.next_position(op) {
            let mut slots = Vec::with_capacity(values.len());
            for value in values {
                slots.push(self.check_value(position, value, us, &mut actions));
                position = position.next();
            }
            self.delivery.append(op, change, slots);
            self.deliver(op, unix_now, &mut actions);
        }
        actions
    }

    /// Notes that no more values come for a get.
    pub(super) fn on_end(
        &mut self,
        op: OpId,
        report: GetReport,
        unix_now: UnixTime,
    ) -> Vec<SecureAction> {
        let mut actions = Vec::new();
        if self.delivery.end(op, report) {
            self.deliver(op, unix_now, &mut actions);
        } else {
            // A query; there is nothing to check in its rows.
            let dropped = 0;
            actions.push(SecureAction::Deliver(
                op,
                Delivered::Done { report, dropped },
            ));
        }
        actions
    }

    /// Finds out whether what another node wants stored may be stored.
    pub(super) fn on_check(&mut self, check: Check) -> Option<SecureAction> {
        let address = ValueAddress {
            key: check.key,
            id: check.value.id(),
        };
        match (check.proof, check.value.signed()) {
            (Proof::Signature, None) => Some(SecureAction::Answer(check.id, false)),
            // Differs: others store a signed value wherever it is put.
            (Proof::Signature, Some(_)) if Claim::of(&check.value).is_elsewhere(address) => {
                Some(SecureAction::Answer(check.id, false))
            }
            (Proof::Signature, Some(signed)) => {
                let digest = Digest::of_signed(&signed);
                self.check_signature(check, digest)
            }
            (Proof::Certificate | Proof::CertificateRenewal, _) => {
                Some(match self.admission.admit_check(check.source) {
                    Some(ticket) => SecureAction::Start(ticket, Task::Prove(check)),
                    None => self.forget(check.id),
                })
            }
        }
    }

    /// Takes a verdict, and settles all that waited for it.
    pub(super) fn on_verdict(
        &mut self,
        digest: Digest,
        verdict: &Verdict,
        unix_now: UnixTime,
    ) -> Vec<SecureAction> {
        let mut actions = Vec::new();
        match verdict {
            Verdict::Opened(opened) => actions.push(SecureAction::Remember(opened.sender.clone())),
            Verdict::Signed(signer) if self.remember_signers => {
                actions.push(SecureAction::Remember(signer.clone()));
            }
            Verdict::Signed(_) | Verdict::Refused => {}
        }
        for waiter in self.verdicts.settle(digest, verdict) {
            match waiter {
                Waiter::Found(position) => {
                    self.delivery.settle(position, verdict);
                    self.deliver(position.op, unix_now, &mut actions);
                }
                Waiter::Stored(check) => {
                    actions.push(SecureAction::Answer(check, verdict.is_signed()));
                }
            }
        }
        actions
    }

    /// Takes back the ticket of a job that was done.
    pub(super) fn release(&mut self, ticket: Ticket) {
        self.admission.release(ticket);
    }

    /// Counts the bytes of the application's values that wait.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.admission.waiting_bytes()
    }

    /// Counts the values of other nodes that are being checked.
    pub(super) fn remote_checks(&self) -> usize {
        self.admission.checks()
    }

    /// Counts the values found that did not pass the checks, since the start.
    pub(super) fn dropped(&self) -> u64 {
        self.delivery.dropped()
    }

    /// Counts the values of other nodes that were not checked because too many were.
    pub(super) fn unchecked(&self) -> u64 {
        self.unchecked
    }

    /// Forgets what has been judged.
    #[cfg(test)]
    pub(super) fn forget_verdicts(&mut self) {
        let config = SecureConfig::default();
        self.verdicts = Verdicts::new(config.max_verdicts, config.max_keys);
    }

    fn check_value(
        &mut self,
        position: Position,
        value: Value,
        us: Option<&Identity>,
        actions: &mut Vec<SecureAction>,
    ) -> Slot {
        // What would not be handed out is not worth a verification.
        if self.delivery.refuses(position.op, &value) {
            return Slot::Refused;
        }
        let digest = match inspect(&value, us) {
            Inspection::Pass(checked) => return Slot::Passed(checked),
            Inspection::Refuse => return Slot::Refused,
            Inspection::Judge(digest) => digest,
        };
        if let Some(verdict) = self.verdicts.known(&digest) {
            return Slot::judged(value, &verdict);
        }
        if !self.verdicts.is_awaited(&digest, Lane::Local) {
            let Some(ticket) = self.admission.admit_value(&value) else {
                return Slot::Refused;
            };
            actions.push(self.judge(ticket, digest, value.clone(), us));
        }
        let waiter = Waiter::Found(position);
        self.verdicts.wait(digest, Lane::Local, waiter);
        Slot::Waiting(value)
    }

    fn check_signature(&mut self, check: Check, digest: Digest) -> Option<SecureAction> {
        if let Some(verdict) = self.verdicts.known(&digest) {
            return Some(SecureAction::Answer(check.id, verdict.is_signed()));
        }
        let mut action = None;
        if !self.verdicts.is_awaited(&digest, Lane::Remote) {
            let Some(ticket) = self.admission.admit_check(check.source) else {
                return Some(self.forget(check.id));
            };
            action = Some(self.judge(ticket, digest, check.value, None));
        }
        let waiter = Waiter::Stored(check.id);
        self.verdicts.wait(digest, Lane::Remote, waiter);
        action
    }

    /// Has the verdict on a value found, by its signature or by what is inside.
    fn judge(
        &mut self,
        ticket: Ticket,
        digest: Digest,
        value: Value,
        us: Option<&Identity>,
    ) -> SecureAction {
        let task = match (value.content(), us) {
            (Content::Encrypted(_), Some(us)) => Task::Decrypt {
                digest,
                key: us.key().clone(),
                value,
            },
            _ => Task::Verify {
                digest,
                signer: (value.signed()).and_then(|signed| self.verdicts.signer(&signed)),
                value,
            },
        };
        SecureAction::Start(ticket, task)
    }

    fn forget(&mut self, check: CheckId) -> SecureAction {
        self.unchecked += 1;
        SecureAction::Forget(check)
    }

    /// Hands out what is ready of an operation.
    fn deliver(&mut self, op: OpId, unix_now: UnixTime, actions: &mut Vec<SecureAction>) {
        while let Some(delivered) = self.delivery.poll(op, unix_now) {
            actions.push(SecureAction::Deliver(op, delivered));
        }
    }
}

/// Looks at a value without cryptography.
fn inspect(value: &Value, us: Option<&Identity>) -> Inspection {
    match value.content() {
        Content::Clear(_) => Checked::clear(value).map_or(Inspection::Refuse, Inspection::Pass),
        Content::Signed(signed) => Inspection::Judge(Digest::of_signed(&signed)),
        Content::Encrypted(ciphertext) => match us {
            Some(us) if may_be_for(us.public_key(), ciphertext) => {
                Inspection::Judge(Digest::of_encrypted(value))
            }
            Some(_) | None => Inspection::Refuse,
        },
    }
}

/// Reports whether a ciphertext may be for this key, as far as can be seen without decrypting.
fn may_be_for(key: &PublicKey, ciphertext: &[u8]) -> bool {
    if SharedEnvelope::is_meant(ciphertext) {
        return SharedEnvelope::parse(ciphertext).is_some_and(|shared| shared.may_be_for(key));
    }
    // What was signed never fits in one RSA block.
    ciphertext.len() > key.bits().div_ceil(8) + NONCE_AND_TAG
}

#[cfg(test)]
mod tests;
