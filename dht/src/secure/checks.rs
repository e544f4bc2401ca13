//! [`Checks`]: values on their way to a verdict and back: those found for the application, and
//! those that other nodes want stored.
//!
//! ```text
//!  found ──▶ inspect ─▶ verdict known? ─ no ─▶ admission ─▶ Start ··▶ on_verdict ─▶ Deliver
//!  stored ─▶ its place ─▶ verdict known? ─ no ─▶ admission ─▶ Start ··▶ on_verdict ─▶ Answer
//! ```
//!
//! - Whatever waits for a verdict waits for the same job as all else with that digest, unless the
//!   application would wait behind jobs of other nodes.
//! - What cannot be admitted is dropped: a value that was found is counted, a node that wants a
//!   value stored is not answered and asks again.

use bulla_identity::{Identity, PublicKey, SharedEnvelope};

use super::admission::{Admission, Lane, Ticket};
use super::binding::Claim;
use super::checked::Checked;
use super::delivery::{Change, Delivered, Delivery, Filter, Position, Slot};
use super::job::Task;
use super::options::SecureConfig;
use super::verdicts::{Digest, Verdict, Verdicts};
use crate::UnixTime;
use crate::lookup::{GetReport, OpId};
use crate::node::{Check, CheckId};
use crate::value::policy::Proof;
use crate::value::{Content, Value, ValueAddress};

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
    /// Values of other nodes that were not checked because too many were, since the start.
    unchecked: u64,
}

/// What is to be done for a check.
pub(super) enum CheckAction {
    /// Have this job done.
    Start(Ticket, Task),
    /// Tell the node whether what it asked about holds.
    Answer(CheckId, bool),
    /// Tell the node that it will not learn whether this holds.
    Forget(CheckId),
    /// Hand this out to the operation.
    Deliver(OpId, Delivered),
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
            unchecked: 0,
        }
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
        change: Change,
        values: Vec<Value>,
        us: Option<&Identity>,
        today: UnixTime,
    ) -> Vec<CheckAction> {
        let mut actions = Vec::new();
        if let Some(mut position) = self.delivery.next_position(op) {
            let mut slots = Vec::with_capacity(values.len());
            for value in values {
                slots.push(self.check_value(position, value, us, &mut actions));
                position = position.next();
            }
            self.delivery.append(op, change, slots);
            self.deliver(op, today, &mut actions);
        }
        actions
    }

    /// Notes that no more values come for a get.
    pub(super) fn on_end(
        &mut self,
        op: OpId,
        report: GetReport,
        today: UnixTime,
    ) -> Vec<CheckAction> {
        let mut actions = Vec::new();
        if self.delivery.end(op, report) {
            self.deliver(op, today, &mut actions);
        } else {
            // A query; there is nothing to check in its rows.
            let dropped = 0;
            actions.push(CheckAction::Deliver(
                op,
                Delivered::Done { report, dropped },
            ));
        }
        actions
    }

    /// Finds out whether what another node wants stored may be stored.
    pub(super) fn on_check(&mut self, check: Check) -> Option<CheckAction> {
        let address = ValueAddress {
            key: check.key,
            id: check.value.id(),
        };
        match (check.proof, check.value.signed()) {
            (Proof::Signature, None) => Some(CheckAction::Answer(check.id, false)),
            // Differs: others store a signed value wherever it is put.
            (Proof::Signature, Some(_)) if Claim::of(&check.value).is_elsewhere(address) => {
                Some(CheckAction::Answer(check.id, false))
            }
            (Proof::Signature, Some(signed)) => {
                let digest = Digest::of_signed(&signed);
                self.check_signature(check, digest)
            }
            (Proof::Certificate | Proof::SameCertificateKey, _) => {
                Some(match self.admission.admit_check(check.source) {
                    Some(ticket) => CheckAction::Start(ticket, Task::Prove(check)),
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
        today: UnixTime,
    ) -> Vec<CheckAction> {
        let mut actions = Vec::new();
        for waiter in self.verdicts.settle(digest, verdict) {
            match waiter {
                Waiter::Found(position) => {
                    self.delivery.settle(position, verdict);
                    self.deliver(position.op, today, &mut actions);
                }
                Waiter::Stored(check) => {
                    actions.push(CheckAction::Answer(check, verdict.is_signed()));
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
        actions: &mut Vec<CheckAction>,
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

    fn check_signature(&mut self, check: Check, digest: Digest) -> Option<CheckAction> {
        if let Some(verdict) = self.verdicts.known(&digest) {
            return Some(CheckAction::Answer(check.id, verdict.is_signed()));
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
    ) -> CheckAction {
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
        CheckAction::Start(ticket, task)
    }

    fn forget(&mut self, check: CheckId) -> CheckAction {
        self.unchecked += 1;
        CheckAction::Forget(check)
    }

    /// Hands out what is ready of an operation.
    fn deliver(&mut self, op: OpId, today: UnixTime, actions: &mut Vec<CheckAction>) {
        while let Some(delivered) = self.delivery.poll(op, today) {
            actions.push(CheckAction::Deliver(op, delivered));
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
mod tests {
    use super::super::testing::{alice, bob, certificate_value, encrypted, signed};
    use super::*;
    use crate::value::{Draft, ValueId};
    use crate::{InfoHash, wire};

    const OP: OpId = OpId(1);
    const TODAY: UnixTime = UnixTime::from_secs(0);

    fn checks(config: &SecureConfig) -> Checks {
        let mut checks = Checks::new(config);
        checks.open(OP, None);
        checks
    }

    fn clear(text: &str) -> Value {
        wire::pack(&Draft::from(text), ValueId(1))
    }

    fn asked(number: u64, value: &Value) -> Check {
        Check {
            id: CheckId(number),
            source: ([192, 0, 2, 1], 1).into(),
            key: InfoHash::from_key("door"),
            value: value.clone(),
            replaces: None,
            proof: Proof::Signature,
        }
    }

    fn digest(value: &Value) -> Digest {
        match value.content() {
            Content::Signed(signed) => Digest::of_signed(&signed),
            Content::Clear(_) | Content::Encrypted(_) => Digest::of_encrypted(value),
        }
    }

    fn by_alice() -> Verdict {
        Verdict::Signed(alice().public_key().clone())
    }

    /// What was done, in short.
    fn names(actions: impl IntoIterator<Item = CheckAction>) -> Vec<String> {
        actions
            .into_iter()
            .map(|action| match action {
                CheckAction::Start(ticket, task) => {
                    let task = match task {
                        Task::Verify { signer: None, .. } => "verify",
                        Task::Verify { .. } => "verify by a known key",
                        Task::Decrypt { .. } => "decrypt",
                        Task::Prove(_) => "prove",
                        Task::Sign { .. } | Task::Encrypt { .. } | Task::ReadCertificate { .. } => {
                            "another task"
                        }
                    };
                    format!("{task}, {:?}", ticket.lane())
                }
                CheckAction::Answer(check, holds) => format!("answer {}: {holds}", check.0),
                CheckAction::Forget(check) => format!("forget {}", check.0),
                CheckAction::Deliver(_, Delivered::Values(change, values)) => {
                    format!("{change:?} {}", values.len())
                }
                CheckAction::Deliver(_, Delivered::Done { dropped, .. }) => {
                    format!("done, {dropped} dropped")
                }
            })
            .collect()
    }

    fn find<const N: usize>(checks: &mut Checks, values: [&Value; N]) -> Vec<String> {
        let values = values.map(Clone::clone).into();
        names(checks.on_values(OP, Change::Found, values, Some(&bob()), TODAY))
    }

    fn end(checks: &mut Checks) -> Vec<String> {
        names(checks.on_end(OP, GetReport::default(), TODAY))
    }

    #[test]
    fn only_what_claims_nothing_passes_without_a_check() {
        assert!(matches!(
            inspect(&clear("hello"), None),
            Inspection::Pass(_)
        ));
        let signed = signed(&alice(), 1, 0, "hello");
        assert_eq!(inspect(&signed, None), Inspection::Judge(digest(&signed)));
        let encrypted = encrypted(&alice(), &bob(), 1, "hello");
        let judged = Inspection::Judge(digest(&encrypted));
        assert_eq!(inspect(&encrypted, Some(&bob())), judged);
        assert_eq!(inspect(&encrypted, None), Inspection::Refuse);
    }

    #[test]
    fn a_ciphertext_that_is_too_short_to_be_signed_is_refused() {
        let encrypted = |size| wire::pack_encrypted(&Draft::default(), ValueId(1), &vec![0; size]);
        // Of 2048 bits, a nonce and a tag.
        let least = 256 + 12 + 16;
        assert_eq!(inspect(&encrypted(least), Some(&bob())), Inspection::Refuse);
        assert!(matches!(
            inspect(&encrypted(least + 1), Some(&bob())),
            Inspection::Judge(_)
        ));
    }

    #[test]
    fn what_needs_no_verdict_is_delivered_at_once() {
        let mut checks = checks(&SecureConfig::default());
        let (value, forged) = (clear("hello"), signed(&alice(), 2, 0, "hello"));
        assert_eq!(find(&mut checks, [&value]), ["Found 1"]);
        checks.on_verdict(digest(&forged), &Verdict::Refused, TODAY);
        assert!(find(&mut checks, [&forged]).is_empty());
        assert_eq!(end(&mut checks), ["done, 1 dropped"]);
        assert_eq!(checks.dropped(), 1);
    }

    #[test]
    fn values_that_expired_are_checked_as_those_found() {
        let mut checks = checks(&SecureConfig::default());
        let actions = checks.on_values(OP, Change::Expired, vec![clear("hello")], None, TODAY);
        assert_eq!(names(actions), ["Expired 1"]);
    }

    #[test]
    fn a_value_found_twice_is_verified_once_and_delivered_in_order() {
        let mut checks = checks(&SecureConfig::default());
        let value = signed(&alice(), 1, 0, "hello");
        let between = clear("between");
        assert_eq!(
            find(&mut checks, [&value, &between, &value]),
            ["verify, Local"]
        );
        assert!(find(&mut checks, [&value]).is_empty());
        assert!(end(&mut checks).is_empty());
        let actions = checks.on_verdict(digest(&value), &by_alice(), TODAY);
        assert_eq!(names(actions), ["Found 3", "Found 1", "done, 0 dropped"]);
        checks.open(OP, None);
        assert_eq!(find(&mut checks, [&value]), ["Found 1"]);
    }

    #[test]
    fn a_value_for_us_is_decrypted() {
        let mut checks = checks(&SecureConfig::default());
        let value = encrypted(&alice(), &bob(), 1, "hello");
        assert_eq!(find(&mut checks, [&value]), ["decrypt, Local"]);
    }

    #[test]
    fn a_value_that_will_not_be_handed_out_is_not_verified() {
        let mut checks = Checks::new(&SecureConfig::default());
        let options = super::super::GetOptions {
            bound_only: true,
            ..Default::default()
        };
        let (_, filter) = Filter::new(
            InfoHash::from_key("door"),
            options,
            std::time::Duration::ZERO,
        );
        checks.open(OP, Some(filter));
        let unbound = signed(&alice(), 1, 0, "hello");
        assert!(find(&mut checks, [&unbound]).is_empty());
        assert_eq!(end(&mut checks), ["done, 1 dropped"]);
    }

    #[test]
    fn values_of_an_operation_that_is_closed_are_not_checked() {
        let mut checks = checks(&SecureConfig::default());
        let value = signed(&alice(), 1, 0, "hello");
        assert_eq!(find(&mut checks, [&value]), ["verify, Local"]);
        checks.close(OP);
        assert!(names(checks.on_verdict(digest(&value), &by_alice(), TODAY)).is_empty());
        assert!(find(&mut checks, [&clear("hello")]).is_empty());
    }

    #[test]
    fn the_end_of_a_query_passes() {
        let mut checks = Checks::new(&SecureConfig::default());
        assert_eq!(end(&mut checks), ["done, 0 dropped"]);
    }

    #[test]
    fn what_exceeds_the_bytes_that_may_wait_is_dropped_until_a_job_is_done() {
        let one = signed(&alice(), 1, 0, "one");
        let other = signed(&alice(), 1, 1, "two");
        let mut checks = checks(&SecureConfig {
            max_waiting_bytes: one.packed().len() + 600,
            ..SecureConfig::default()
        });
        let actions = checks.on_values(OP, Change::Found, vec![one], None, TODAY);
        let Some(CheckAction::Start(ticket, _)) = actions.into_iter().next() else {
            panic!("no job");
        };
        assert!(checks.waiting_bytes() > 0);
        assert!(find(&mut checks, [&other]).is_empty());
        checks.release(ticket);
        assert_eq!(checks.waiting_bytes(), 0);
        assert_eq!(find(&mut checks, [&other]), ["verify, Local"]);
    }

    #[test]
    fn a_stored_value_is_answered_by_its_verdict() {
        let mut checks = Checks::new(&SecureConfig::default());
        let value = signed(&alice(), 1, 0, "hello");
        assert_eq!(names(checks.on_check(asked(1, &value))), ["verify, Remote"]);
        assert_eq!(checks.remote_checks(), 1);
        assert!(names(checks.on_check(asked(2, &value))).is_empty());
        let actions = checks.on_verdict(digest(&value), &by_alice(), TODAY);
        assert_eq!(names(actions), ["answer 1: true", "answer 2: true"]);
        assert_eq!(names(checks.on_check(asked(3, &value))), ["answer 3: true"]);
        let other = signed(&alice(), 1, 1, "more");
        assert_eq!(
            names(checks.on_check(asked(4, &other))),
            ["verify by a known key, Remote"]
        );
        let actions = checks.on_verdict(digest(&other), &Verdict::Refused, TODAY);
        assert_eq!(names(actions), ["answer 4: false"]);
    }

    #[test]
    fn what_is_not_signed_or_bound_elsewhere_is_refused_at_once() {
        let mut checks = Checks::new(&SecureConfig::default());
        let unsigned = checks.on_check(asked(1, &clear("hello")));
        assert_eq!(names(unsigned), ["answer 1: false"]);
        let value = |user_type: &str| {
            let draft = Draft::from("open").user_type(user_type);
            let body = wire::pack_body(&draft, alice().public_key().to_der(), 0, None);
            wire::pack_signed(&draft, ValueId(1), &body, b"signature").unwrap()
        };
        let suffix = |key: &str| {
            let binding = super::super::Binding {
                key: InfoHash::from_key(key),
                id: ValueId(1),
                expires: None,
            };
            binding.suffix()
        };
        let elsewhere = checks.on_check(asked(2, &value(&suffix("window"))));
        assert_eq!(names(elsewhere), ["answer 2: false"]);
        let here = checks.on_check(asked(3, &value(&suffix("door"))));
        assert_eq!(names(here), ["verify, Remote"]);
    }

    #[test]
    fn a_check_beyond_the_bound_is_forgotten_and_counted() {
        let mut checks = Checks::new(&SecureConfig {
            max_remote_checks: 1,
            ..SecureConfig::default()
        });
        let certificate = |number| Check {
            proof: Proof::Certificate,
            ..asked(number, &certificate_value(&alice()))
        };
        let Some(CheckAction::Start(ticket, Task::Prove(_))) = checks.on_check(certificate(1))
        else {
            panic!("no job");
        };
        assert_eq!(names(checks.on_check(certificate(2))), ["forget 2"]);
        let value = signed(&alice(), 1, 0, "hello");
        assert_eq!(names(checks.on_check(asked(3, &value))), ["forget 3"]);
        assert_eq!(checks.unchecked(), 2);
        checks.release(ticket);
        assert_eq!(names(checks.on_check(certificate(4))), ["prove, Remote"]);
    }

    #[test]
    fn the_application_does_not_wait_behind_a_remote_job_but_others_wait_for_its_own() {
        let mut checks = checks(&SecureConfig::default());
        let value = signed(&alice(), 1, 0, "hello");
        assert_eq!(names(checks.on_check(asked(1, &value))), ["verify, Remote"]);
        assert_eq!(find(&mut checks, [&value]), ["verify, Local"]);
        assert!(names(checks.on_check(asked(2, &value))).is_empty());
        let actions = checks.on_verdict(digest(&value), &by_alice(), TODAY);
        assert_eq!(
            names(actions),
            ["answer 1: true", "Found 1", "answer 2: true"]
        );
    }
}
