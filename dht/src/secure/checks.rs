//! Values on their way to a verdict and back: those found for the application, and those that other
//! nodes want stored.

use bulla_identity::{Identity, PublicKey, SharedEnvelope};

use super::SecureDht;
use super::admission::{Lane, Ticket};
use super::binding::Claim;
use super::checked::Checked;
use super::delivery::{Change, Delivered, Position, Slot};
use super::event::SecureEvent;
use super::job::Task;
use super::pending::InternalOp;
use super::verdicts::{Digest, Verdict};
use crate::Timestamp;
use crate::lookup::{GetReport, OpId};
use crate::node::{Check, CheckId};
use crate::value::policy::Proof;
use crate::value::{Content, Value, ValueAddress};

/// What a hybrid ciphertext has besides its RSA block and the encrypted bytes
/// (`docs/spec/secure.md#4.1`).
const NONCE_AND_TAG: usize = 28;

/// What waits for a verdict.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Waiter {
    /// A value found for the application.
    Found(Position),
    /// A value that another node wants stored.
    Check(CheckId),
}

/// What is to be done with a value.
enum Inspection {
    /// It claims nothing, and passes.
    Pass(Checked),
    /// The verdict of this digest decides.
    Judge(Digest),
    /// It cannot be good, or cannot be for us.
    Refuse,
}

/// Looks at a value without cryptography. `us` is the identity that could decrypt it.
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

impl SecureDht {
    /// Puts values of a get or listen through the checks.
    pub(super) fn check_values(
        &mut self,
        now: Timestamp,
        op: OpId,
        change: Change,
        values: Vec<Value>,
    ) {
        let Some(mut position) = self.delivery.next_position(op) else {
            return;
        };
        let mut slots = Vec::with_capacity(values.len());
        for value in values {
            slots.push(self.check_value(position, value));
            position = position.next();
        }
        self.delivery.append(op, change, slots);
        self.deliver(now, op);
    }

    /// No more values come for a get.
    pub(super) fn end_values(&mut self, now: Timestamp, op: OpId, report: GetReport) {
        if self.delivery.end(op, report) {
            self.deliver(now, op);
        } else {
            // A query; there is nothing to check in its rows.
            let dropped = 0;
            self.tell(SecureEvent::GetDone {
                op,
                report,
                dropped,
            });
        }
    }

    fn check_value(&mut self, position: Position, value: Value) -> Slot {
        // What would not be handed out is not worth a verification.
        if self.delivery.refuses(position.op, &value) {
            return Slot::Refused;
        }
        let digest = match inspect(&value, self.identity.as_ref()) {
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
            self.judge(ticket, digest, value.clone());
        }
        self.verdicts
            .wait(digest, Lane::Local, Waiter::Found(position));
        Slot::Waiting(value)
    }

    /// Finds out whether what a stranger wants stored may be stored. If there is too much of that, the stranger is not
    /// answered, and will ask again.
    pub(super) fn on_check(&mut self, now: Timestamp, check: Check) {
        match (check.proof, check.value.signed()) {
            (Proof::Signature, None) => self.node.handle_verdict(now, check.id, false),
            // Differs: others store a signed value wherever it is put.
            (Proof::Signature, Some(_))
                if Claim::of(&check.value).is_elsewhere(ValueAddress {
                    key: check.key,
                    id: check.value.id(),
                }) =>
            {
                self.node.handle_verdict(now, check.id, false);
            }
            (Proof::Signature, Some(signed)) => {
                let digest = Digest::of_signed(&signed);
                self.check_signature(now, check, digest);
            }
            (Proof::Certificate | Proof::SameCertificateKey, _) => self.check_certificate(check),
        }
    }

    fn check_signature(&mut self, now: Timestamp, check: Check, digest: Digest) {
        if let Some(verdict) = self.verdicts.known(&digest) {
            let holds = verdict.is_signed();
            return self.node.handle_verdict(now, check.id, holds);
        }
        if !self.verdicts.is_awaited(&digest, Lane::Remote) {
            let Some(ticket) = self.admission.admit_check(check.source) else {
                return self.drop_check(&check);
            };
            self.judge(ticket, digest, check.value);
        }
        self.verdicts
            .wait(digest, Lane::Remote, Waiter::Check(check.id));
    }

    /// Has the verdict on a value found, by its signature or by what is inside.
    fn judge(&mut self, ticket: Ticket, digest: Digest, value: Value) {
        let task = match (value.content(), &self.identity) {
            (Content::Encrypted(_), Some(reader)) => Task::Decrypt {
                digest,
                key: reader.key().clone(),
                value,
            },
            _ => Task::Verify {
                digest,
                signer: (value.signed()).and_then(|signed| self.verdicts.signer(&signed)),
                value,
            },
        };
        self.start(ticket, task);
    }

    fn check_certificate(&mut self, check: Check) {
        match self.admission.admit_check(check.source) {
            Some(ticket) => self.start(ticket, Task::Prove(check)),
            None => self.drop_check(&check),
        }
    }

    fn drop_check(&mut self, check: &Check) {
        self.dropped_checks += 1;
        self.node.drop_check(check.id);
    }

    /// A value has been judged.
    pub(super) fn on_verdict(&mut self, now: Timestamp, digest: Digest, verdict: &Verdict) {
        match verdict {
            Verdict::Opened(opened) => self.key_cache.remember_key(&opened.sender),
            Verdict::Signed(signer) if self.config.remember_signers => {
                self.key_cache.remember_key(signer);
            }
            Verdict::Signed(_) | Verdict::Refused => {}
        }
        for waiter in self.verdicts.settle(digest, verdict) {
            match waiter {
                Waiter::Found(position) => {
                    self.delivery.settle(position, verdict);
                    self.deliver(now, position.op);
                }
                Waiter::Check(check) => self.node.handle_verdict(now, check, verdict.is_signed()),
            }
        }
    }

    /// Hands out what is ready of an operation, to the application or to the signed put that probes.
    fn deliver(&mut self, now: Timestamp, op: OpId) {
        let today = self.node.calendar(now);
        while let Some(delivery) = self.delivery.poll(op, today) {
            match (self.internal_ops.get(&op), delivery) {
                (Some(&InternalOp::Probe { address }), Delivered::Values(_, editions)) => {
                    self.on_probed(address, &editions);
                }
                (Some(&InternalOp::Probe { address }), Delivered::Done { .. }) => {
                    self.internal_ops.remove(&op);
                    self.on_probe_done(address);
                }
                (_, Delivered::Values(Change::Found, values)) => {
                    self.tell(SecureEvent::Values { op, values });
                }
                (_, Delivered::Values(Change::Expired, values)) => {
                    self.tell(SecureEvent::Expired { op, values });
                }
                (_, Delivered::Done { report, dropped }) => {
                    self.tell(SecureEvent::GetDone {
                        op,
                        report,
                        dropped,
                    });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{alice, bob, encrypted, signed};
    use super::*;
    use crate::value::{Draft, ValueId};
    use crate::wire;

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
}
