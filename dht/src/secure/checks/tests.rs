use super::*;
use crate::secure::testing::{alice, bob, certificate_value, encrypted, signed};
use crate::value::{Draft, ValueId};
use crate::wire;

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
fn names(actions: impl IntoIterator<Item = SecureAction>) -> Vec<String> {
    actions
        .into_iter()
        .map(|action| match action {
            SecureAction::Start(ticket, task) => {
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
            SecureAction::Answer(check, holds) => format!("answer {}: {holds}", check.0),
            SecureAction::Forget(check) => format!("forget {}", check.0),
            SecureAction::Deliver(_, Delivered::Values(change, values)) => {
                format!("{change:?} {}", values.len())
            }
            SecureAction::Deliver(_, Delivered::Done { dropped, .. }) => {
                format!("done, {dropped} dropped")
            }
            SecureAction::Remember(key) => {
                assert_eq!(&key, alice().public_key());
                "remember Alice".to_owned()
            }
            _ => panic!("another action"),
        })
        .collect()
}

fn find<const N: usize>(checks: &mut Checks, values: [&Value; N]) -> Vec<String> {
    let values = values.map(Clone::clone).into();
    names(checks.on_values(OP, BatchChange::Found, values, Some(&bob()), TODAY))
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
    let actions = checks.on_values(OP, BatchChange::Expired, vec![clear("hello")], None, TODAY);
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
    let options = GetOptions {
        bound_only: true,
        ..GetOptions::default()
    };
    let (_, filter) = checks.filter(InfoHash::from_key("door"), options);
    checks.open(OP, Some(filter));
    let unbound = signed(&alice(), 1, 0, "hello");
    assert!(find(&mut checks, [&unbound]).is_empty());
    assert_eq!(end(&mut checks), ["done, 1 dropped"]);
}

#[test]
fn the_sender_of_an_encrypted_value_is_remembered_and_a_signer_if_so_configured() {
    let (letter, note) = (
        encrypted(&alice(), &bob(), 1, "hello"),
        signed(&alice(), 1, 0, "hello"),
    );
    let opened = crate::secure::signing::decrypt(bob().key(), &letter).unwrap();
    for remember_signers in [false, true] {
        let mut checks = checks(&SecureConfig {
            remember_signers,
            ..SecureConfig::default()
        });
        let verdict = Verdict::Opened(opened.clone());
        let actions = checks.on_verdict(digest(&letter), &verdict, TODAY);
        assert_eq!(names(actions), ["remember Alice"]);
        let actions = names(checks.on_verdict(digest(&note), &by_alice(), TODAY));
        assert_eq!(actions.len(), usize::from(remember_signers));
    }
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
    let actions = checks.on_values(OP, BatchChange::Found, vec![one], None, TODAY);
    let Some(SecureAction::Start(ticket, _)) = actions.into_iter().next() else {
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
        let binding = crate::secure::Binding {
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
    let Some(SecureAction::Start(ticket, Task::Prove(_))) = checks.on_check(certificate(1)) else {
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
