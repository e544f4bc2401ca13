//! A node, from its first line to its end.

use std::net::UdpSocket;

use tempfile::tempdir;

use super::identity::make;
use super::program::{bulla, bulla_with_input, node};

#[test]
fn it_says_first_its_id_and_addresses() {
    let dir = tempdir().unwrap();
    let alice = make(&dir, "alice.pem", &["--json"]).object();
    let path = dir.path().join("alice.pem");
    let args = [
        "node",
        "--port",
        "0",
        "--bind",
        "127.0.0.1",
        "--json",
        "--interactive",
    ];
    let run = bulla(
        args.iter()
            .copied()
            .chain(["--identity", path.to_str().unwrap()]),
    );
    let ready = run.assert_done().object();
    assert_eq!(ready["event"], "ready");
    assert_eq!(ready["node_id"].as_str().unwrap().len(), 40);
    assert_eq!(ready["identity"], alice["long_id"]);
    let addresses = ready["addresses"].as_array().unwrap();
    assert!(
        addresses[0].as_str().unwrap().starts_with("127.0.0.1:"),
        "{ready}"
    );

    let text = bulla([
        "node",
        "--port",
        "0",
        "--bind",
        "127.0.0.1",
        "--interactive",
    ]);
    assert!(text.assert_done().stdout.starts_with("node "), "{text:?}");
}

#[test]
fn what_cannot_be_started_is_explained() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let at = ["node", "--bind", "127.0.0.1", "--port"];
    bulla(at.iter().chain(&[port.as_str()])).assert_refused(2, &port);
    bulla([
        "node",
        "--bind",
        "127.0.0.1",
        "--bind",
        "127.0.0.2",
        "--port",
        "0",
    ])
    .assert_refused(2, "127.0.0.2");
    bulla(["node", "--bind", "192.0.2.1", "--port", "0"]).assert_refused(2, "192.0.2.1");
    bulla(["node", "--port", "0", "-b", "no-such-host.invalid"])
        .assert_refused(2, "no-such-host.invalid");
    bulla(["node", "--port", "0", "--identity", "/nowhere"]).assert_refused(2, "/nowhere");
}

#[test]
fn a_protected_identity_needs_its_password() {
    let dir = tempdir().unwrap();
    let path = |file: &str| dir.path().join(file).to_str().unwrap().to_owned();
    std::fs::write(path("right"), "correct horse").unwrap();
    std::fs::write(path("wrong"), "battery staple").unwrap();
    make(&dir, "alice.pem", &["--password-file", &path("right")]).assert_done();
    let start = |more: &[&str]| {
        let args = [
            "node",
            "--port",
            "0",
            "--bind",
            "127.0.0.1",
            "--interactive",
            "--identity",
        ];
        let file = path("alice.pem");
        bulla(
            args.iter()
                .copied()
                .chain([file.as_str()])
                .chain(more.iter().copied()),
        )
    };
    start(&[]).assert_refused(2, "--password-file");
    start(&["--password-file", &path("wrong")]).assert_refused(2, "wrong password");
    start(&["--password-file", &path("right")]).assert_done();
}

#[test]
fn lines_are_obeyed_one_after_the_other() {
    let (_peer, peer) = node(&[]);
    let dir = tempdir().unwrap();
    let alice = make(&dir, "alice.pem", &["--json"]).object();
    let alice_id = alice["long_id"].as_str().unwrap();
    let path = dir.path().join("alice.pem");
    let input = format!(
        "h\nb {peer}\np foo two words\ng foo\ns bar mine\ng bar\ne box {alice_id} for me\ng box\n\
         pp keep this\ncl foo 1\ncpp keep 5\nbogus\nll\nlr\nld foo\nls\nla\ncc\nx\np never this\n"
    );
    let args = [
        "node",
        "--port",
        "0",
        "--bind",
        "127.0.0.1",
        "--json",
        "--identity",
        path.to_str().unwrap(),
    ];
    let run = bulla_with_input(args, &input);
    assert_eq!(run.code, 0, "{run:?}");
    let events: Vec<String> = run
        .objects()
        .iter()
        .map(|object| object["event"].as_str().expect("an event").to_owned())
        .collect();
    let expected = [
        "ready",
        "help",
        "bootstrap",
        "put",
        "value",
        "get",
        "put",
        "value",
        "get",
        "put",
        "value",
        "get",
        "put",
        "info",
        "routing",
        "storage",
        "searches",
        "public_addresses",
        "connectivity_changed",
    ];
    assert_eq!(events, expected, "{run:?}");
    let values: Vec<_> = run
        .objects()
        .into_iter()
        .filter(|object| object["event"] == "value")
        .collect();
    assert_eq!(values[0]["utype"], "text/plain");
    let statuses: Vec<_> = values
        .iter()
        .map(|value| value["status"].as_str().unwrap())
        .collect();
    assert_eq!(statuses, ["clear", "signed", "encrypted"]);
    let refusals: Vec<_> = run.stderr.lines().collect();
    assert_eq!(refusals.len(), 3, "{run:?}");
    assert!(refusals[0].contains("no listen 1"), "{run:?}");
    assert!(refusals[1].contains("not being announced"), "{run:?}");
    assert!(refusals[2].contains("expected one of"), "{run:?}");
}

#[test]
fn a_listen_is_heard_until_it_is_cancelled() {
    let (_peer, peer) = node(&[]);
    let (mut node, _) = node(&["--bootstrap", &peer]);
    node.type_line("l foo");
    let listen = node.object();
    assert_eq!(
        (&listen["event"], &listen["token"]),
        (&"listen".into(), &1.into())
    );
    bulla(["put", "foo", "hello", "-b", &peer]).assert_done();
    let value = node.object();
    assert_eq!(
        (&value["data"], &value["token"]),
        (&"aGVsbG8=".into(), &1.into())
    );
    node.type_line("cl foo 1");
    assert_eq!(node.object()["event"], "listen_cancelled");
    node.type_line("x");
    assert_eq!(node.finish().code, 0);
}

#[test]
fn it_keeps_its_identity_and_its_values_in_its_state() {
    let dir = tempdir().unwrap();
    let state = dir.path().join("state");
    let args = ["--state", state.to_str().unwrap()];
    let (mut first, peer) = node(&args);
    bulla(["put", "foo", "hello", "-b", &peer]).assert_done();
    first.type_line("x");
    assert_eq!(first.finish().code, 0);

    let (_second, again) = node(&args);
    let found = bulla(["get", "foo", "-b", &again, "--json"]);
    assert_eq!(found.assert_done().object()["data"], "aGVsbG8=");
}

#[cfg(unix)]
#[test]
fn it_runs_on_after_its_input_and_ends_on_a_signal() {
    let (mut node, peer) = node(&[]);
    node.end_input();
    bulla(["put", "foo", "hello", "-b", &peer]).assert_done();
    let killed = std::process::Command::new("kill")
        .args(["-TERM", &node.id()])
        .status();
    assert!(killed.unwrap().success());
    let run = node.finish();
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
}
