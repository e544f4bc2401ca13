//! Values on their way to a verdict and back: those found for the application, and those that strangers want stored.

use super::admission::{Lane, Ticket};
use super::binding::Claim;
use super::inspect::{Change, Delivered, Inspection, Position, Slot, inspect};
use super::job::Task;
use super::verdicts::{Digest, Verdict, Waiter};
use super::{InternalOp, SecureDht, SecureEvent};
use crate::Timestamp;
use crate::lookup::{GetReport, OpId};
use crate::node::Check;
use crate::value::policy::Proof;
use crate::value::{Content, Value};

impl SecureDht {
    /// Puts values of a get or listen through the checks.
    pub(super) fn check_values(
        &mut self,
        now: Timestamp,
        op: OpId,
        news: Change,
        values: Vec<Value>,
    ) {
        let Some(mut place) = self.delivery.next_place(op) else {
            return;
        };
        let mut slots = Vec::with_capacity(values.len());
        for value in values {
            slots.push(self.check_value(place, value));
            place = place.next();
        }
        self.delivery.append(op, news, slots);
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

    fn check_value(&mut self, place: Position, value: Value) -> Slot {
        // What would not be handed out is not worth a verification.
        if self.delivery.refuse(place.op, &value) {
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
            .wait(digest, Lane::Local, Waiter::Position(place));
        Slot::Waiting(value)
    }

    /// Finds out whether what a stranger wants stored may be stored. If there is too much of that, the stranger is not
    /// answered, and will ask again.
    pub(super) fn on_check(&mut self, now: Timestamp, check: Check) {
        match (check.proof, check.value.signed()) {
            (Proof::Signature, None) => self.node.handle_verdict(now, check.id, false),
            // Differs: others store a signed value wherever it is put.
            (Proof::Signature, Some(_))
                if Claim::of(&check.value).is_elsewhere((check.key, check.value.id())) =>
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
            Verdict::Opened(_, sender, _) => self.key_cache.remember_key(sender),
            Verdict::Signed(signer) if self.config.remember_signers => {
                self.key_cache.remember_key(signer);
            }
            Verdict::Signed(_) | Verdict::Refused => {}
        }
        for waiter in self.verdicts.settle(digest, verdict) {
            match waiter {
                Waiter::Position(place) => {
                    self.delivery.settle(place, verdict);
                    self.deliver(now, place.op);
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
                (Some(&InternalOp::Probe { home }), Delivered::Values(_, editions)) => {
                    self.on_probed(home, &editions);
                }
                (Some(&InternalOp::Probe { home }), Delivered::Done { .. }) => {
                    self.internal_ops.remove(&op);
                    self.on_probe_done(home);
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
