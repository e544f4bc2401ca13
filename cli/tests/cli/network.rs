//! Values put, found, listened for and queried over loopback.

use std::fs;

use tempfile::{TempDir, tempdir};

use super::identity::make;
use super::program::{Run, Running, bulla, bulla_with_input, node};

/// Runs a command in the network of the node at `peer`.
pub(super) fn at(peer: &str, args: &[&str]) -> Run {
    bulla(args.iter().chain(&["--bootstrap", peer, "--json"]))
}

/// Makes an identity; its file and its long id.
pub(super) fn person(dir: &TempDir, name: &str) -> (String, String) {
    let file = format!("{name}.pem");
    let made = make(dir, &file, &["--json"]);
    let id = made.assert_done().object()["long_id"]
        .as_str()
        .unwrap()
        .to_owned();
    (dir.path().join(file).to_str().unwrap().to_owned(), id)
}

#[test]
fn what_is_put_is_found_with_all_its_fields() {
    let (_node, peer) = node(&[]);
    let put = at(
        &peer,
        &[
            "put",
            "greeting",
            "hello",
            "--id",
            "7",
            "--type",
            "9",
            "--user-type",
            "text/plain",
        ],
    );
    let placed = put.assert_done().object();
    assert_eq!(placed["id"], "7");
    assert_eq!(placed["acknowledged"], 1);

    let value = at(&peer, &["get", "greeting"]).assert_done().object();
    let expected = serde_json::json!({
        "id": "7", "type": 9, "data": "aGVsbG8=", "utype": "text/plain", "status": "clear", "signer": null,
        "bound": false,
    });
    assert_eq!(value, expected);

    // A key is what it hashes to as well.
    let key = placed["key"].as_str().unwrap();
    assert_eq!(at(&peer, &["get", key]).assert_done().object(), value);
    let text = bulla(["get", "greeting", "-b", &peer]);
    assert!(
        text.assert_done()
            .stdout
            .starts_with("hello\n  id 7, type 9, text/plain, clear\n"),
        "{text:?}"
    );
}

#[test]
fn a_value_comes_from_a_file_or_from_standard_input() {
    let (_node, peer) = node(&[]);
    let dir = tempdir().unwrap();
    let path = dir.path().join("value");
    fs::write(&path, [0, 159, 146, 150]).unwrap();
    at(&peer, &["put", "file", "--file", path.to_str().unwrap()]).assert_done();
    assert_eq!(at(&peer, &["get", "file"]).object()["data"], "AJ+Slg==");
    let shown = bulla(["get", "file", "-b", &peer]);
    assert!(
        shown
            .assert_done()
            .stdout
            .starts_with("(4 bytes) 009f9296\n"),
        "{shown:?}"
    );

    for args in [
        &["put", "pipe", "-", "-b", &peer][..],
        &["put", "pipe", "--file", "-", "-b", &peer],
    ] {
        bulla_with_input(args, "hello").assert_done();
    }
    assert_eq!(
        at(&peer, &["get", "pipe", "--first"]).object()["data"],
        "aGVsbG8="
    );

    fs::write(&path, vec![0; 65_537]).unwrap();
    at(&peer, &["put", "file", "--file", path.to_str().unwrap()]).assert_refused(2, "65536");
    at(&peer, &["put", "file", "--file", "/nowhere"]).assert_refused(2, "/nowhere");
}

#[test]
fn a_signed_value_is_verified_and_edited_by_its_owner_alone() {
    let (_node, peer) = node(&[]);
    let dir = tempdir().unwrap();
    let (alice, alice_id) = person(&dir, "alice");
    let (mallory, _) = person(&dir, "mallory");

    at(
        &peer,
        &[
            "put",
            "news",
            "one",
            "--id",
            "7",
            "--signed",
            "--identity",
            &alice,
        ],
    )
    .assert_done();
    at(
        &peer,
        &[
            "put",
            "news",
            "two",
            "--id",
            "7",
            "--signed",
            "--identity",
            &alice,
        ],
    )
    .assert_done();
    // Whatever mallory is told, alice's value stays.
    at(
        &peer,
        &[
            "put",
            "news",
            "three",
            "--id",
            "7",
            "--signed",
            "--identity",
            &mallory,
        ],
    );

    let value = at(&peer, &["get", "news"]).assert_done().object();
    assert_eq!(value["data"], "dHdv");
    assert_eq!(value["status"], "signed");
    assert_eq!(value["signer"], alice_id);
    assert_eq!(value["seq"], 1);
    assert!(
        value["owner"]
            .as_str()
            .unwrap()
            .starts_with("-----BEGIN PUBLIC KEY-----")
    );
    assert!(!value["sig"].as_str().unwrap().is_empty());
}

#[test]
fn an_encrypted_value_is_read_by_its_recipient_alone() {
    let dir = tempdir().unwrap();
    let (alice, alice_id) = person(&dir, "alice");
    let (bob, bob_id) = person(&dir, "bob");
    let shown = bulla(["identity", "show", &bob, "--json"]).object();
    let bob_short_id = shown["id"].as_str().unwrap().to_owned();
    let (_node, peer) = node(&[]);

    let put = [
        "put",
        "inbox",
        "for bob",
        "--encrypt-for",
        &bob_id,
        "--identity",
        &alice,
    ];
    at(&peer, &put).assert_refused(1, "certificate was not found");

    let (_bobs, _) = node(&["--identity", &bob, "--bootstrap", &peer]);
    // Bob's certificate is published under the short id too: once it is there it can be found.
    let mut published = Running::start(["listen", &bob_short_id, "--bootstrap", &peer]);
    assert_eq!(published.object()["type"], 8);
    at(&peer, &put).assert_done();

    let value = at(&peer, &["get", "inbox", "--identity", &bob])
        .assert_done()
        .object();
    assert_eq!(value["data"], "Zm9yIGJvYg==");
    assert_eq!(value["status"], "encrypted");
    assert_eq!(value["signer"], alice_id);
    at(&peer, &["get", "inbox", "--identity", &alice]).assert_refused(1, "encrypted for others");
    at(&peer, &["get", "inbox"]).assert_refused(1, "encrypted for others");
}

#[test]
fn values_are_selected_by_their_fields() {
    let (_node, peer) = node(&[]);
    for (id, text) in [("1", "one"), ("2", "two")] {
        at(
            &peer,
            &["put", "numbers", text, "--id", id, "--user-type", text],
        )
        .assert_done();
    }
    let found = at(&peer, &["get", "numbers", "--where", "user_type=two"]);
    assert_eq!(found.assert_done().object()["id"], "2");

    let rows = at(
        &peer,
        &[
            "query",
            "numbers",
            "--select",
            "id,user_type",
            "--where",
            "id=1",
        ],
    );
    assert_eq!(
        rows.assert_done().object(),
        serde_json::json!({ "id": "1", "utype": "one" })
    );
    assert_eq!(
        at(&peer, &["query", "numbers", "--select", "id"])
            .objects()
            .len(),
        2
    );
    at(
        &peer,
        &["query", "numbers", "--select", "id", "--where", "id=3"],
    )
    .assert_refused(1, "nothing found");
}

#[test]
fn json_may_stand_before_the_command() {
    let (_node, peer) = node(&[]);
    let run = bulla(["--json", "put", "k", "v", "-b", &peer]);
    assert_eq!(run.assert_done().object()["acknowledged"], 1);
}

#[test]
fn a_listener_hears_of_new_values() {
    let (_node, peer) = node(&[]);
    at(&peer, &["put", "radio", "first"]).assert_done();
    let mut listener = Running::start(["listen", "radio", "--bootstrap", &peer]);
    assert_eq!(listener.object()["data"], "Zmlyc3Q=");
    at(&peer, &["put", "radio", "second"]).assert_done();
    let second = listener.object();
    assert_eq!(
        (&second["data"], &second["expired"]),
        (&"c2Vjb25k".into(), &serde_json::Value::Null)
    );
}

#[cfg(unix)]
#[test]
fn a_permanent_put_stays_until_it_is_interrupted() {
    let (_node, peer) = node(&[]);
    let mut put = Running::start(["put", "lasting", "value", "--permanent", "-b", &peer]);
    assert_eq!(put.object()["acknowledged"], 1);
    let interrupted = std::process::Command::new("kill")
        .args(["-INT", &put.id()])
        .status();
    assert!(interrupted.unwrap().success());
    let run = put.finish();
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
}

#[test]
fn nothing_found_is_code_1() {
    let (_node, peer) = node(&[]);
    at(&peer, &["get", "nothing"]).assert_refused(1, "nothing found");
}

#[test]
fn a_network_that_cannot_be_joined_is_named() {
    bulla(["get", "k"]).assert_refused(2, "--bootstrap");
    bulla(["get", "k", "-b", "no-such-host.invalid"]).assert_refused(2, "no-such-host.invalid");
    bulla(["get", "k", "-b", "http://host"]).assert_refused(2, "http://host");
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let peer = silent.local_addr().unwrap().to_string();
    bulla(["get", "k", "-b", &peer, "--timeout", "0.3"]).assert_refused(2, &peer);

    let (_node, peer) = node(&["--network", "7"]);
    bulla(["get", "k", "-b", &peer, "--timeout", "0.3"]).assert_refused(2, "--network");
    bulla(["put", "k", "v", "-b", &peer, "--network", "7"]).assert_done();
}

#[test]
fn bootstrap_nodes_come_from_the_environment_too() {
    let (_node, peer) = node(&[]);
    let child = super::program::command(["put", "k", "v"])
        .env("BULLA_BOOTSTRAP", format!("{peer} {peer},{peer}"))
        .spawn()
        .unwrap();
    super::program::finish(child).assert_done();
}
