//! Secure nodes among themselves, and forgers among them.

mod bound;
mod hostile;
mod operations;
mod recipients;

use bulla_identity::{Curve, EncryptError, IdentityParams, KeyKind};

use super::testing::{alice, bob, carol, certificate_value, encrypted, signed};
use super::*;
use crate::node::PutOptions;
use crate::node::testing::Net;
use crate::value::{Condition, Query, ValueType};
use crate::wire;

#[test]
fn a_signed_value_is_found_with_its_signer() {
    let mut net = Net::of([Some(alice()), None, None]);
    let put = net.put_signed(0, "greeting", draft("hello", 7));
    assert_eq!(put, Ok(2));
    let (values, dropped) = net.get(2, "greeting");
    assert_eq!(dropped, 0);
    let [value] = &values[..] else {
        panic!("{values:?}");
    };
    assert_eq!(
        (value.protection(), value.text()),
        (Protection::Signed, Ok("hello"))
    );
    assert_eq!(value.signer(), Some(alice().long_id()));
    assert_eq!((value.id(), value.seq()), (ValueId(7), 0));
}

#[test]
fn values_are_exported_and_imported() {
    let mut net = Net::of([Some(alice()), None, None]);
    net.put_signed(0, "greeting", draft("hello", 7)).unwrap();
    let records = net.nodes[1].node().export_values();
    let mut other = Net::of([None]);
    let imported = other.nodes[0].import_values(other.now, &records);
    assert!(imported > 0 && imported == records.len(), "{imported}");
    assert_eq!(other.texts(0, "greeting"), [("hello".to_owned(), 0)]);
}

#[test]
fn an_edit_gets_the_next_number_and_replaces_the_old_value() {
    let mut net = Net::of([Some(alice()), None, None]);
    for (text, seq) in [("one", 0), ("two", 1), ("three", 2)] {
        assert_eq!(net.put_signed(0, "diary", draft(text, 7)), Ok(2));
        assert_eq!(net.texts(1, "diary"), [(text.to_owned(), seq)]);
    }
}

#[test]
fn an_edit_made_elsewhere_is_followed() {
    // The same identity on two machines.
    let mut net = Net::of([Some(alice()), Some(alice()), None]);
    net.put_signed(0, "diary", draft("one", 7)).unwrap();
    net.put_signed(1, "diary", draft("two", 7)).unwrap();
    assert_eq!(net.texts(2, "diary"), [("two".to_owned(), 1)]);
}

#[test]
fn puts_of_one_id_at_a_time_are_done_in_order_with_growing_numbers() {
    let mut net = Net::of([Some(alice()), None, None]);
    net.put_signed(0, "diary", draft("zero", 7)).unwrap();
    let ops: Vec<_> = ["one", "two", "three"]
        .into_iter()
        .map(|text| net.start_put_signed(0, "diary", draft(text, 7)))
        .collect();
    net.run(20_000);
    let mut ended: Vec<_> = net.events(0).iter().filter_map(ended_put).collect();
    ended.sort();
    assert_eq!(ended, ops);
    assert_eq!(net.texts(1, "diary"), [("three".to_owned(), 3)]);
    assert_eq!(net.nodes[0].stats().preparations, 0);
}

#[test]
fn numbers_grow_without_a_network_too() {
    let mut net = Net::of([Some(alice())]);
    net.start_put_signed(0, "diary", draft("one", 7));
    net.start_put_signed(0, "diary", draft("two", 7));
    net.run(20_000);
    assert_eq!(net.texts(0, "diary"), [("two".to_owned(), 1)]);
}

#[test]
fn a_cancelled_put_lets_the_next_of_its_id_go_on() {
    let mut net = Net::of([Some(alice()), None, None]);
    net.put_signed(0, "diary", draft("zero", 7)).unwrap();
    let first = net.start_put_signed(0, "diary", draft("one", 7));
    let second = net.start_put_signed(0, "diary", draft("two", 7));
    net.nodes[0].cancel(net.now, first);
    net.run(20_000);
    let ended: Vec<_> = net.events(0).iter().filter_map(ended_put).collect();
    assert_eq!(ended, [second]);
    assert_eq!(net.texts(1, "diary"), [("two".to_owned(), 1)]);
}

#[test]
fn a_put_cancelled_by_its_id_fails() {
    let mut net = Net::of([Some(alice()), None, None]);
    let op = net.start_put_signed(0, "diary", draft("one", 7));
    let key = InfoHash::from_key("diary");
    assert!(net.nodes[0].cancel_put(net.now, key, ValueId(7)));
    net.run(20_000);
    let error = SecurePutError::Cancelled;
    assert_eq!(net.events(0), [SecureEvent::PutFailed { op, error }]);
    assert_eq!(net.texts(1, "diary"), []);
}

#[test]
fn the_last_number_is_not_followed_by_the_first() {
    let mut net = Net::of([Some(alice()), None, None]);
    net.put_value(1, "diary", signed(&alice(), 7, u16::MAX, "last"));
    let put = net.put_signed(0, "diary", draft("more", 7));
    assert_eq!(put, Err(SecurePutError::NoSequence));
}

#[test]
fn a_letter_is_read_by_its_recipient_alone() {
    let mut net = Net::of([Some(alice()), Some(bob()), Some(carol()), None]);
    // Bob's certificate is found by its long id.
    let put = net.put_encrypted(0, "inbox", bob().long_id(), draft("for your eyes", 7));
    assert_eq!(put, Ok(3));
    let (values, dropped) = net.get(1, "inbox");
    assert_eq!((values.len(), dropped), (1, 0));
    assert_eq!(values[0].protection(), Protection::Encrypted);
    assert_eq!(values[0].text(), Ok("for your eyes"));
    assert_eq!(values[0].id(), ValueId(7));
    assert_eq!(values[0].signer(), Some(alice().long_id()));
    assert_eq!(values[0].recipient(), Some(bob().id()));
    for i in [0, 2, 3] {
        let (values, dropped) = net.get(i, "inbox");
        assert_eq!((values.len(), dropped), (0, 1));
    }
}

#[test]
fn a_letter_finds_recipients_by_short_id_and_by_key() {
    let mut net = Net::of([Some(alice()), Some(bob()), None]);
    assert_eq!(
        net.put_encrypted(0, "inbox", bob().id(), draft("by id", 7)),
        Ok(2)
    );
    let key = bob().public_key().clone();
    assert_eq!(
        net.put_encrypted(0, "inbox", key, draft("by key", 8)),
        Ok(2)
    );
    assert_eq!(net.get(1, "inbox").0.len(), 2);
}

#[test]
fn a_letter_can_be_answered_without_a_certificate() {
    let mut net = Net::of([Some(alice()), None, None]);
    let letter = encrypted(&bob(), &alice(), 7, "from an unknown");
    net.put_value(1, "inbox", letter);
    assert_eq!(net.get(0, "inbox").0.len(), 1);
    let answer = net.put_encrypted(0, "outbox", bob().long_id(), draft("thanks", 8));
    assert_eq!(answer, Ok(2));
}

#[test]
fn an_encrypted_put_to_an_unknown_recipient_fails() {
    let mut net = Net::of([Some(alice()), None, None]);
    let put = net.put_encrypted(0, "inbox", bob().long_id(), draft("anyone?", 7));
    assert_eq!(put, Err(SecurePutError::NoCertificate));
}

#[test]
fn certificates_are_found_by_both_names_whoever_else_publishes_there() {
    let mut net = Net::of([Some(alice()), None, None, None]);
    let key = KeyName::from(alice().long_id()).dht_key();
    let rubbish = draft("rubbish", 3).value_type(ValueType::CERTIFICATE);
    // Storing nodes refuse it, but the publisher itself keeps it.
    let _ = net.nodes[1].put(net.now, key, rubbish, PutOptions::default());
    net.run(5_000);
    net.events(1);
    for (i, name) in [
        (1, KeyName::from(alice().long_id())),
        (2, alice().id().into()),
    ] {
        let op = net.nodes[i].find_certificate(net.now, name).unwrap();
        let joined = net.nodes[i].find_public_key(net.now, name).unwrap();
        net.run(10_000);
        let certificate = Some(alice().certificate().clone());
        let public_key = Some(alice().public_key().clone());
        assert_eq!(
            net.events(i),
            [
                SecureEvent::Certificate { op, certificate },
                SecureEvent::PublicKey {
                    op: joined,
                    key: public_key
                },
            ]
        );
    }
    let op = net.nodes[3].find_certificate(net.now, bob().id()).unwrap();
    net.run(10_000);
    let certificate = None;
    assert_eq!(
        net.events(3),
        [SecureEvent::Certificate { op, certificate }]
    );
}

#[test]
fn a_certificate_is_published_where_old_and_new_nodes_look_and_nowhere_else() {
    let mut net = Net::of([Some(alice()), None]);
    let held = |net: &Net<SecureDht>, node: usize| {
        let mut held = net.nodes[node].node().export_values();
        held.sort_by_key(|record| (record.value.signed().is_some(), record.key));
        held
    };
    let mut places = key_cache::dht_keys(alice().id(), alice().long_id());
    places.sort();
    let published = held(&net, 1);
    let keys: Vec<_> = published.iter().map(|record| record.key).collect();
    assert_eq!(keys, [places, places].concat(), "plain and signed");
    let owners = published
        .iter()
        .filter_map(|it| Some(it.value.signed()?.owner));
    assert!(owners.eq([alice().public_key().to_der(); 2]));
    net.put_value(1, "elsewhere", certificate_value(&alice()));
    assert_eq!(held(&net, 0).len(), 4);
}

#[test]
fn a_certificate_that_another_has_displaced_is_put_back_and_that_is_told() {
    let mut net = Net::of([Some(alice()), None, None]);
    let place = key_cache::dht_keys(alice().id(), alice().long_id())[0];
    let authority = IdentityParams::new("authority", 0).kind(KeyKind::Curve(Curve::Ed25519));
    let authority = Identity::generate(&authority.authority()).unwrap();
    let params = IdentityParams::new("alice", 0).issuer(&authority);
    let forged = Identity::issue(alice().key().clone(), &params).unwrap();
    let forged = certificate_value(&forged);
    let held = |net: &Net<SecureDht>| {
        let held = net.nodes[1].node().export_values();
        let held = held
            .into_iter()
            .find(|it| it.key == place && it.value.signed().is_none());
        held.map(|it| it.value)
    };
    let put_forged = |net: &mut Net<SecureDht>| {
        let options = PutOptions::default();
        let forged = forged.clone();
        net.nodes[2]
            .put_value(net.now, place, forged, options)
            .unwrap();
        net.run(5_000);
    };
    put_forged(&mut net);
    assert_eq!(
        held(&net),
        Some(certificate_value(&alice())),
        "that is no renewal"
    );

    // As nodes on OpenDHT take it.
    net.finish_jobs_with(|dht, now, job| {
        let mut done = job.run();
        if let Outcome::Proved { holds, .. } = &mut done.outcome {
            *holds = true;
        }
        dht.handle_done(now, done);
    });
    put_forged(&mut net);
    assert_eq!(held(&net), Some(forged));
    let _ = net.events(0);
    net.run(11 * 60_000);
    assert_eq!(held(&net), Some(certificate_value(&alice())));
    let told = SecureEvent::CertificateDisplaced { key: place };
    assert_eq!(net.events(0), [told]);
    assert_eq!(net.nodes[0].stats().displaced_certificates, 1);
}

#[test]
fn a_registered_certificate_need_not_be_searched_for() {
    let mut net = Net::of([None]);
    let dht = &mut net.nodes[0];
    dht.register_certificate(bob().certificate());
    let op = dht.find_public_key(net.now, bob().long_id()).unwrap();
    let key = Some(bob().public_key().clone());
    net.run(0);
    assert_eq!(net.events(0), [SecureEvent::PublicKey { op, key }]);
}

#[test]
fn a_search_given_up_by_all_ends() {
    let mut net = Net::of([None, None]);
    let dht = &mut net.nodes[0];
    let one = dht.find_certificate(net.now, bob().long_id()).unwrap();
    let two = dht.find_public_key(net.now, bob().long_id()).unwrap();
    dht.cancel(net.now, one);
    assert_eq!(dht.pending.internal_ops(), 1);
    dht.cancel(net.now, two);
    assert_eq!(
        (dht.pending.internal_ops(), dht.stats().preparations),
        (0, 0)
    );
    net.run(10_000);
    assert_eq!(net.events(0), []);
}

#[test]
fn a_listen_hears_of_new_editions_and_never_of_older_ones() {
    let mut net = Net::of([Some(alice()), None, None, None]);
    let key = InfoHash::from_key("diary");
    net.nodes[3].listen(net.now, key, Query::default()).unwrap();
    net.run(2_000);
    for text in ["one", "two"] {
        net.put_signed(0, "diary", draft(text, 7)).unwrap();
    }
    // A node that lags behind, and holds the first edition still.
    net.put_value(2, "diary", signed(&alice(), 7, 0, "one"));
    let heard: Vec<_> = net
        .events(3)
        .into_iter()
        .flat_map(|event| match event {
            SecureEvent::Values { values, .. } => texts(&values),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(heard, [("one".to_owned(), 0), ("two".to_owned(), 1)]);
}

#[test]
fn a_listen_hears_of_the_end_of_a_signed_value() {
    let mut net = Net::of([Some(alice()), None, None]);
    let key = InfoHash::from_key("candidates");
    let listener = &mut net.nodes[2];
    let op = listener.listen(net.now, key, Query::default()).unwrap();
    net.run(2_000);
    let short_lived = draft("here", 7).value_type(ValueType::ICE_CANDIDATES);
    net.put_signed(0, "candidates", short_lived).unwrap();
    net.run(120_000);
    let events = net.events(2);
    let [
        SecureEvent::Values { values, .. },
        SecureEvent::Expired {
            values: expired, ..
        },
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!(values, expired);
    assert_eq!(texts(expired), [("here".to_owned(), 0)]);
    net.nodes[2].cancel(net.now, op);
    net.put_signed(0, "candidates", draft("again", 8)).unwrap();
    assert_eq!(net.events(2), []);
}

#[test]
fn jobs_done_late_and_in_another_order_give_the_same_result() {
    let mut net = Net::of([None, None, None]);
    for id in 1..=5 {
        net.put_value(0, "news", signed_as(ValueType(4711), id));
    }
    let at_once = net.get(2, "news");
    assert_eq!(at_once.0.len(), 5);

    net.nodes[2].checks.forget_verdicts();
    net.hold_jobs(2);
    let key = InfoHash::from_key("news");
    let op = net.nodes[2].get(net.now, key, Query::default()).unwrap();
    net.run(10_000);
    assert_eq!(net.events(2), []);
    assert!(net.nodes[2].stats().waiting_bytes > 0);
    net.finish_jobs_backwards(2);
    assert_eq!(net.end_of_get(2, op), at_once);
    assert_eq!(net.nodes[2].stats().waiting_bytes, 0);
}

#[test]
fn operations_whose_jobs_panic_end() {
    let mut net = Net::of([Some(alice()), None, None]);
    net.put_value(1, "news", signed_as(ValueType(4711), 1));
    net.finish_jobs_with(|dht, now, job| dht.handle_done(now, job.failed()));
    let failed = Err(SecurePutError::JobFailed);
    assert_eq!(net.put_signed(0, "diary", draft("one", 7)), failed);
    let to = bob().public_key().clone();
    assert_eq!(net.put_encrypted(0, "inbox", to, draft("one", 7)), failed);
    assert_eq!(net.get(2, "news"), (vec![], 1));

    let name = alice().long_id();
    let op = net.nodes[2].find_certificate(net.now, name).unwrap();
    net.run(10_000);
    let certificate = None;
    assert_eq!(
        net.events(2),
        [SecureEvent::Certificate { op, certificate }]
    );

    let stored = net.nodes[2].node().export_values().len();
    net.put_value(1, "door", signed(&alice(), 8, 0, "open"));
    assert_eq!(net.nodes[2].node().export_values().len(), stored);
    for node in &net.nodes {
        let stats = node.stats();
        assert_eq!(
            (stats.preparations, stats.waiting_bytes, stats.checks),
            (0, 0, 0)
        );
    }
}

#[test]
fn a_value_returned_by_many_nodes_is_verified_once() {
    let mut net = Net::of([None, None, None, None, None, None]);
    let value = signed(&alice(), 7, 0, "hello");
    net.put_value(0, "greeting", value);
    let done = net.jobs_done(5);
    for _ in 0..3 {
        assert_eq!(net.get(5, "greeting").0.len(), 1);
    }
    // It was verified when it was stored here, if not now.
    assert!(net.jobs_done(5) <= done + 1);
}

#[test]
fn keys_of_signers_are_remembered_if_so_configured() {
    let config = SecureConfig {
        remember_signers: true,
        ..SecureConfig::default()
    };
    let mut net = Net::configured([None, Some(alice())], &config);
    net.put_value(0, "greeting", signed(&bob(), 7, 0, "hello"));
    assert_eq!(net.get(1, "greeting").0.len(), 1);
    let put = net.put_encrypted(1, "inbox", bob().long_id(), draft("hello", 7));
    assert_eq!(put, Ok(1));
}

#[test]
fn without_an_identity_nothing_is_signed() {
    let mut net = Net::of([None]);
    let key = InfoHash::from_key("x");
    let dht = &mut net.nodes[0];
    let options = PutOptions::default();
    let refusal = dht.put_signed(net.now, key, "x", options);
    assert_eq!(refusal, Err(SecurePutError::NoIdentity));
    let refusal = dht.put_encrypted(net.now, key, bob().long_id(), "x", options);
    assert_eq!(refusal, Err(SecurePutError::NoIdentity));
}

#[test]
fn keys_of_other_kinds_than_rsa_are_refused_at_once() {
    let kind = KeyKind::Curve(Curve::P384);
    let erin = Identity::generate(&IdentityParams::new("erin", 0).kind(kind)).unwrap();
    let mut net = Net::of([Some(erin.clone()), Some(alice())]);
    let (now, options) = (net.now, PutOptions::default());
    let key = InfoHash::from_key("x");
    let dht = &mut net.nodes[0];
    let cannot_sign = Err(SecurePutError::Sign(SignError::NotForValues(kind)));
    assert_eq!(dht.put_signed(now, key, "x", options), cannot_sign);
    let refusal = dht.put_encrypted(now, key, bob().long_id(), "x", options);
    assert_eq!(refusal, cannot_sign);
    let dht = &mut net.nodes[1];
    let refusal = dht.put_encrypted(now, key, erin.public_key().clone(), "x", options);
    let cannot_read = EncryptError::NotForEncryption(kind);
    assert_eq!(refusal, Err(SecurePutError::Encrypt(cannot_read)));
    assert_eq!(dht.stats().preparations, 0);
}

#[test]
fn what_is_wrong_locally_fails_at_once() {
    let mut net = Net::of([Some(alice())]);
    let (now, options) = (net.now, PutOptions::default());
    let dht = &mut net.nodes[0];
    let refusal = dht.put_signed(now, InfoHash::ZERO, "x", options);
    assert_eq!(refusal, Err(SecurePutError::Refused(OpError::ZeroKey)));
    let key = InfoHash::from_key("x");
    let size = Value::MAX_CONTENT + 1;
    let refusal = dht.put_signed(now, key, vec![0; size], options);
    assert_eq!(
        refusal,
        Err(SecurePutError::Refused(OpError::TooLarge(size)))
    );
    assert_eq!(dht.stats().preparations, 0);
}

#[test]
fn a_value_that_is_too_large_once_signed_fails() {
    let mut net = Net::of([Some(alice())]);
    let large = Draft::from(vec![0; Value::MAX_CONTENT - 100]);
    assert!(matches!(
        net.put_signed(0, "x", large),
        Err(SecurePutError::TooLarge(_))
    ));
}

#[test]
fn a_query_passes_and_its_rows_are_not_signed() {
    let mut net = Net::of([Some(alice()), None]);
    net.put_signed(0, "greeting", draft("hello", 7)).unwrap();
    let query = Query {
        select: [crate::Field::Seq].into(),
        conditions: vec![Condition::Id(ValueId(7))],
    };
    let key = InfoHash::from_key("greeting");
    let op = net.nodes[1].query(net.now, key, query).unwrap();
    net.run(5_000);
    let events = net.events(1);
    assert!(matches!(&events[0], SecureEvent::Rows { rows, .. } if rows[0].seq == Some(0)));
    assert!(matches!(events[1], SecureEvent::GetDone { op: its, .. } if its == op));
}

fn draft(text: &str, id: u64) -> Draft {
    Draft::from(text).id(ValueId(id))
}

/// A value with Alice's key as its owner, and a signature by another key.
fn forge(kind: ValueType, seq: u16) -> Value {
    let draft = draft("forged", 7).value_type(kind);
    let body = wire::pack_body(&draft, alice().public_key().to_der(), seq, None);
    wire::pack_signed(&draft, draft.id, &body, &[7; 256]).unwrap()
}

fn signed_as(kind: ValueType, id: u64) -> Value {
    let draft = draft(&format!("item {id}"), id).value_type(kind);
    let body = wire::pack_body(&draft, alice().public_key().to_der(), 0, None);
    let signature = alice().key().sign(&body).unwrap();
    wire::pack_signed(&draft, draft.id, &body, &signature).unwrap()
}

fn texts(values: &[Checked]) -> Vec<(String, u16)> {
    values
        .iter()
        .map(|value| (value.text().unwrap().to_owned(), value.seq()))
        .collect()
}

fn ended_put(event: &SecureEvent) -> Option<OpId> {
    match event {
        SecureEvent::PutDone { op, .. } => Some(*op),
        _ => None,
    }
}
