//! Which signers' values are shown, where values hold, and which keys can read them.

use std::fs;

use bulla::identity::{Identity, RevocationDraft, RevocationReason};
use serde_json::Value as Json;
use tempfile::tempdir;

use super::identity::make;
use super::network::{at, person};
use super::program::{Run, Running, bulla, node};

/// How often a command is run that needs what other nodes publish when they have joined.
const TRIES: usize = 50;

/// The texts of the values that were shown, in order of the alphabet.
fn texts(run: &Run) -> Vec<String> {
    let mut texts: Vec<_> = run.objects().iter().map(text).collect();
    texts.sort();
    texts
}

fn text(value: &Json) -> String {
    // Base64 of the words that these tests put.
    match value["data"].as_str() {
        Some("dHJ1ZQ==") => "true",
        Some("ZmFsc2U=") => "false",
        Some("bm9ib2R5J3M=") => "nobody's",
        other => panic!("{other:?}"),
    }
    .to_owned()
}

#[test]
fn only_values_of_those_asked_for_are_shown() {
    let dir = tempdir().unwrap();
    let (_node, peer) = node(&[]);
    let (alice, alice_id) = person(&dir, "alice");
    let (mallory, mallory_id) = person(&dir, "mallory");
    at(
        &peer,
        &["put", "news", "true", "--signed", "--identity", &alice],
    )
    .assert_done();
    at(
        &peer,
        &["put", "news", "false", "--signed", "--identity", &mallory],
    )
    .assert_done();
    at(&peer, &["put", "news", "nobody's"]).assert_done();

    let all = at(&peer, &["get", "news"]);
    assert_eq!(texts(&all), ["false", "nobody's", "true"]);
    let some = at(&peer, &["get", "news", "--from", &alice_id]);
    assert_eq!((some.code, texts(&some)), (0, vec!["true".to_owned()]));
    assert!(some.stderr.contains("2 values were not shown"), "{some:?}");
    let both = at(
        &peer,
        &["get", "news", "--from", &alice_id, "--from", &mallory_id],
    );
    assert_eq!(texts(&both), ["false", "true"]);
    let none = at(&peer, &["get", "news", "--from", &"ab".repeat(32)]);
    none.assert_refused(1, "3 values were not shown");
    at(&peer, &["get", "news", "--from", "someone"]).assert_refused(2, "someone");

    let args = ["listen", "news", "--from", &alice_id, "-b", &peer];
    let mut listen = Running::start(args);
    assert_eq!(text(&listen.object()), "true");
    at(
        &peer,
        &["put", "news", "false", "--signed", "--identity", &mallory],
    )
    .assert_done();
    at(
        &peer,
        &["put", "news", "true", "--signed", "--identity", &alice],
    )
    .assert_done();
    assert_eq!(text(&listen.object()), "true");
}

#[test]
fn only_values_of_those_certified_are_shown_until_they_are_revoked() {
    let dir = tempdir().unwrap();
    let (_node, peer) = node(&[]);
    let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    make(&dir, "ca.pem", &[]).assert_done();
    make(&dir, "phone.pem", &["--ca", &file("ca.pem")]).assert_done();
    let (other, _) = person(&dir, "stranger");

    // A node publishes the certificate of its identity.
    let running = |identity: &str| {
        let args = ["--identity", identity, "--bootstrap", &peer];
        node(&args).0
    };
    let _nodes = [running(&file("phone.pem")), running(&other)];
    at(
        &peer,
        &[
            "put",
            "news",
            "true",
            "--signed",
            "--identity",
            &file("phone.pem"),
        ],
    )
    .assert_done();
    at(
        &peer,
        &["put", "news", "false", "--signed", "--identity", &other],
    )
    .assert_done();

    let ca = file("ca.pem");
    let get = ["get", "news", "--trusted-by", &ca];
    let some = (0..TRIES)
        .map(|_| at(&peer, &get))
        .find(|run| run.code == 0);
    assert_eq!(texts(&some.expect("certificates are published")), ["true"]);

    let authority = Identity::load(&ca, None).unwrap();
    let phone = Identity::load(file("phone.pem"), None).unwrap();
    let revoked = RevocationDraft::new(authority.certificate().not_before())
        .revoke(phone.certificate(), RevocationReason::KeyCompromise)
        .sign(&authority)
        .unwrap();
    let crl = file("revoked.crl");
    fs::write(&crl, revoked.to_pem()).unwrap();
    let none = at(&peer, &[&get[..], &["--crl", &crl]].concat());
    none.assert_refused(1, "2 values were not shown");

    // A list of another authority revokes nothing, and is refused.
    let args = ["get", "news", "--trusted-by", &other, "--crl", &crl];
    at(&peer, &args).assert_refused(2, "cannot use");
    fs::write(&crl, "nonsense").unwrap();
    at(&peer, &[&get[..], &["--crl", &crl]].concat()).assert_refused(2, "cannot use");
}

#[test]
fn bound_values_say_so_and_can_be_asked_for_alone() {
    let dir = tempdir().unwrap();
    let (_node, peer) = node(&[]);
    let (alice, _) = person(&dir, "alice");
    let signed = ["--signed", "--identity", &alice];
    let put = |text: &str, more: &[&str]| {
        at(&peer, &[&["put", "door", text], &signed[..], more].concat())
    };
    put("false", &[]).assert_done();
    put(
        "true",
        &["--bound-until", "1h", "--user-type", "text/plain"],
    )
    .assert_done();

    let bound = at(&peer, &["get", "door", "--bound-only"]);
    assert_eq!(texts(&bound), ["true"]);
    let value = bound.object();
    assert_eq!(value["bound"], true);
    assert_eq!(value["utype"], "text/plain");
    assert!(
        value["bound_until"].as_u64() > Some(1_700_000_000),
        "{value}"
    );
    assert_eq!(texts(&at(&peer, &["get", "door"])), ["false", "true"]);
    let text = bulla(["get", "door", "--bound-only", "-b", &peer]);
    assert!(text.stdout.contains("bound until 20"), "{text:?}");

    at(&peer, &["put", "door", "x", "--bound"]).assert_refused(2, "signed");
}

#[test]
fn several_readers_share_a_value_or_get_one_each() {
    let dir = tempdir().unwrap();
    let (_node, peer) = node(&[]);
    let (alice, _) = person(&dir, "alice");
    let (bob, bob_id) = person(&dir, "bob");
    let (carol, carol_id) = person(&dir, "carol");
    let (other, _) = person(&dir, "stranger");
    let running = |identity: &str| node(&["--identity", identity, "--bootstrap", &peer]).0;
    let _nodes = [running(&bob), running(&carol)];
    let put = |key: &str, more: &[&str]| {
        let args = [
            "put",
            key,
            "true",
            "--identity",
            &alice,
            "--encrypt-for",
            &bob_id,
            "--encrypt-for",
            &carol_id,
        ];
        let all = [&args[..], more].concat();
        let done = (0..TRIES)
            .map(|_| at(&peer, &all))
            .find(|run| run.code == 0);
        done.expect("certificates are published")
    };
    let get = |key: &str, identity: &str| at(&peer, &["get", key, "--identity", identity]);

    assert_eq!(put("shared", &[]).objects().len(), 1);
    for reader in [&bob, &carol] {
        let value = get("shared", reader).object();
        assert_eq!(
            (text(&value).as_str(), &value["status"]),
            ("true", &"encrypted".into())
        );
        assert_eq!(value["readers"].as_array().map(Vec::len), Some(2));
    }
    get("shared", &other).assert_refused(1, "encrypted for others");

    let placed = put("each", &["--compatible"]).objects();
    let readers: Vec<_> = placed.iter().map(|placed| &placed["reader"]).collect();
    assert_eq!(readers, [bob_id.as_str(), carol_id.as_str()]);
    for reader in [&bob, &carol] {
        let run = get("each", reader);
        assert_eq!(texts(&run), ["true"]);
        assert!(run.object()["readers"].is_null(), "{run:?}");
    }
}
