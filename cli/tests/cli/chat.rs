//! Messages in a room.

use bulla::{ImMessage, Typed};
use tempfile::tempdir;

use super::identity::make;
use super::program::{Running, bulla, bulla_with_input, node};

#[test]
fn people_in_a_room_read_each_other_and_whispers_are_read_by_one() {
    let dir = tempdir().unwrap();
    let (_node, peer) = node(&[]);
    let person = |name: &str| {
        let made = make(&dir, &format!("{name}.pem"), &["--json"]);
        let id = made.assert_done().object()["long_id"]
            .as_str()
            .unwrap()
            .to_owned();
        (
            dir.path()
                .join(format!("{name}.pem"))
                .to_str()
                .unwrap()
                .to_owned(),
            id,
        )
    };
    let (alice, alice_id) = person("alice");
    let (bob, bob_id) = person("bob");

    let mut alices = Running::start(["chat", "lobby", "--identity", &alice, "-b", &peer]);
    alices.type_line("hello, anyone?");
    let sent = alices.object();
    assert_eq!(
        (&sent["event"], &sent["acknowledged"]),
        (&"sent".into(), &1.into())
    );

    // Bob gets what was said before, and not what he wrote himself.
    let mut bobs = Running::start(["chat", "lobby", "--identity", &bob, "-b", &peer]);
    let heard = bobs.object();
    assert_eq!(heard["event"], "message");
    assert_eq!(heard["text"], "hello, anyone?");
    assert_eq!(heard["from"], alice_id.as_str());
    assert_eq!(heard["id"], sent["id"]);
    assert_eq!(heard["encrypted"], false);

    // Bob's node runs, so his certificate can be found.
    let whisper = [
        "chat",
        "lobby",
        "--identity",
        &alice,
        "--to",
        &bob_id,
        "-b",
        &peer,
        "--json",
    ];
    let run = bulla_with_input(whisper, "for bob alone\n");
    assert_eq!(run.assert_done().objects().last().unwrap()["event"], "sent");
    let heard = bobs.object();
    assert_eq!(
        (&heard["text"], &heard["encrypted"]),
        (&"for bob alone".into(), &true.into())
    );

    bobs.type_line("bye");
    assert_eq!(bobs.object()["event"], "sent");
    assert_eq!(alices.object()["text"], "bye");
    for mut chat in [alices, bobs] {
        chat.end_input();
        assert_eq!(chat.finish().code, 0);
    }
}

#[test]
fn a_message_is_an_im_message_signed_under_the_name_of_the_room() {
    let dir = tempdir().unwrap();
    let (_node, peer) = node(&[]);
    make(&dir, "alice.pem", &[]).assert_done();
    let alice = dir.path().join("alice.pem");
    let args = [
        "chat",
        "lobby",
        "--identity",
        alice.to_str().unwrap(),
        "-b",
        &peer,
    ];
    bulla_with_input(args, "hello\n").assert_done();

    let value = bulla(["get", "lobby", "-b", &peer, "--json"])
        .assert_done()
        .object();
    assert_eq!(
        (&value["type"], &value["status"]),
        (&3.into(), &"signed".into())
    );
    let data = base64(value["data"].as_str().unwrap());
    let message = ImMessage::from_data(&data).unwrap();
    assert_eq!(message.text, "hello");
    assert!(message.date > 1_700_000_000, "{message:?}");
}

/// Decodes base64, independently of the program.
fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let sextets = text
        .bytes()
        .filter_map(|c| DIGITS.iter().position(|digit| *digit == c));
    let bits: Vec<bool> = sextets
        .flat_map(|sextet| (0..6).rev().map(move |bit| sextet >> bit & 1 == 1))
        .collect();
    let byte = |bits: &[bool]| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
    bits.chunks_exact(8).map(byte).collect()
}
