//! Certificates published and found over loopback.

use super::program::{Running, command, finish, node};
use super::workshop::Workshop;

/// Makes a root, and a certificate of that for alice; returns alice's long id and short id.
fn root_and_alice() -> (Workshop, String, String) {
    let shop = Workshop::new();
    shop.bulla("cert ca Root --bits 2048 --out root.pem")
        .assert_done();
    shop.bulla("cert request --name alice --new-key alice.pem --bits 2048 --out alice.csr")
        .assert_done();
    let alice = shop.object("cert sign alice.csr --ca root.pem --out alice.crt");
    let id = |name: &str| alice[name].as_str().unwrap().to_owned();
    (shop, id("long_id"), id("id"))
}

#[test]
fn what_is_published_is_found_by_both_ids() {
    let (shop, long_id, short_id) = root_and_alice();
    let (_node, peer) = node(&[]);
    shop.bulla(&format!("cert find {long_id} -b {peer}"))
        .assert_refused(1, "no certificate of");

    let published = shop.bulla(&format!(
        "cert publish --identity alice --once -b {peer} --json"
    ));
    let places = published.assert_done().objects();
    assert_eq!(places.len(), 2);
    for (place, id) in places.iter().zip([&long_id, &short_id]) {
        assert_eq!(
            (&place["name"], &place["acknowledged"]),
            (&id.as_str().into(), &1.into())
        );
    }
    for id in [&long_id, &short_id] {
        let found = shop.object(&format!("cert find {id} -b {peer}"));
        assert_eq!(
            (&found["name"], &found["long_id"]),
            (&"alice".into(), &long_id.as_str().into())
        );
        assert!(found["trusted"].is_null());
    }
    let find = format!("cert find {long_id} --trusted-by root.pem -b {peer}");
    let found = shop.bulla(&format!("{find} --out found.crt"));
    assert!(
        found.assert_done().stdout.contains("\ntrusted\n"),
        "{found:?}"
    );
    assert_eq!(shop.read("found.crt"), shop.read("alice.crt"));

    shop.bulla("cert ca Other --bits 2048 --out other.pem")
        .assert_done();
    let find = format!("cert find {long_id} --trusted-by other.pem --out x -b {peer} --json");
    let refused = shop.bulla(&find);
    assert_eq!(
        (refused.code, refused.stderr.as_str()),
        (1, ""),
        "{refused:?}"
    );
    assert_eq!(refused.object()["refusal"], "unknown-issuer");
    assert!(!shop.path("x").exists());
    shop.object("cert revoke alice.crt --ca root.pem --crl root.crl");
    let find = format!("cert find {long_id} --trusted-by root.pem --crl root.crl -b {peer} --json");
    let refused = shop.bulla(&find);
    assert_eq!(
        (refused.code, &refused.object()["refusal"]),
        (1, &"revoked".into())
    );
}

#[test]
fn a_trusted_certificate_is_found_among_others_of_the_same_key() {
    let (shop, long_id, _) = root_and_alice();
    let (_node, peer) = node(&[]);
    // Alice's key, by an unknown authority: whoever has the request can make it.
    shop.bulla("cert ca Mallory --bits 2048 --out mallory.pem")
        .assert_done();
    shop.bulla("cert sign alice.csr --ca mallory.pem --out forged.crt")
        .assert_done();
    let published = shop.bulla(&format!(
        "cert publish --identity forged.crt --once -b {peer}"
    ));
    published.assert_done();
    let key = bulla::InfoHash::of(
        long_id
            .parse::<bulla::identity::LongKeyId>()
            .unwrap()
            .as_bytes(),
    );
    // Values under other ids are not replaced by those under the usual one.
    let alice = shop.path("alice.crt");
    let alice = alice.to_str().unwrap();
    shop.bulla(&format!(
        "put {key} --file {alice} --type 8 --id 7 -b {peer}"
    ))
    .assert_done();
    let found = shop.object(&format!(
        "cert find {long_id} --trusted-by root.pem -b {peer}"
    ));
    assert_eq!(
        (&found["issuer"], &found["trusted"]),
        (&"Root".into(), &true.into())
    );
}

#[cfg(unix)]
#[test]
fn publication_lasts_until_it_is_interrupted() {
    let (shop, long_id, _) = root_and_alice();
    let (_node, peer) = node(&[]);
    let alice = shop.path("alice.crt");
    let alice = alice.to_str().unwrap();
    let mut publisher = Running::start(["cert", "publish", "--identity", alice, "-b", &peer]);
    for _ in 0..2 {
        assert_eq!(publisher.object()["acknowledged"], 1);
    }
    assert_eq!(
        shop.object(&format!("cert find {long_id} -b {peer}"))["name"],
        "alice"
    );
    let interrupt = std::process::Command::new("kill")
        .args(["-INT", &publisher.id()])
        .status();
    assert!(interrupt.unwrap().success());
    let run = publisher.finish();
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
}

#[test]
fn a_nodes_own_certificate_is_found_without_publishing_it_again() {
    let (shop, long_id, short_id) = root_and_alice();
    let (_node, peer) = node(&[]);
    let alice = shop.path("alice");
    let alice = alice.to_str().unwrap();
    let (_alices, _) = node(&["--identity", alice, "--bootstrap", &peer]);
    // It is announced when the node has reached the network: the listener says when.
    let mut announced = Running::start(["listen", &short_id, "-b", &peer]);
    assert_eq!(announced.object()["type"], 8);
    let found = shop.object(&format!(
        "cert find {short_id} --trusted-by root.pem -b {peer}"
    ));
    assert_eq!(
        (&found["long_id"], &found["trusted"]),
        (&long_id.as_str().into(), &true.into())
    );
}

#[test]
fn identities_and_contacts_go_by_their_names() {
    let shop = Workshop::new();
    let (_node, peer) = node(&[]);
    shop.bulla("identity new root --bits 2048").assert_done();
    shop.bulla("cert request --name alice --new-key alice.pem --bits 2048 --out alice.csr")
        .assert_done();
    let alice = shop.object("cert sign alice.csr --ca root --out alice.crt");
    let long_id = alice["long_id"].as_str().unwrap();
    shop.bulla("cert verify alice.crt --ca root").assert_done();
    shop.bulla("identity import al alice.pem").assert_done();
    shop.bulla(&format!("contact add friend {long_id}"))
        .assert_done();
    shop.bulla(&format!("cert publish --identity al --once -b {peer}"))
        .assert_done();
    let found = shop.object(&format!("cert find friend --trusted-by root -b {peer}"));
    assert_eq!(
        (&found["name"], &found["trusted"]),
        (&"alice".into(), &true.into())
    );
    // Without a name the certificate of the default identity is published.
    let published = shop.bulla(&format!("cert publish --once -b {peer} --json"));
    let root = shop.object("identity show root");
    assert_eq!(
        published.assert_done().objects()[0]["name"],
        root["long_id"]
    );
    shop.object("cert revoke al --ca root --crl root.crl");
    let verdict = shop.bulla("cert verify al --ca root --crl root.crl");
    assert_eq!(verdict.code, 1, "{verdict:?}");
}

#[test]
fn what_is_missing_is_said() {
    let (shop, long_id, _) = root_and_alice();
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let peer = silent.local_addr().unwrap().to_string();
    shop.bulla("cert publish --once -b 127.0.0.1:9")
        .assert_refused(2, "no default identity");
    shop.bulla("cert publish --identity none -b 127.0.0.1:9")
        .assert_refused(2, "none");
    shop.bulla(&format!("cert find {long_id}"))
        .assert_refused(2, "--bootstrap");
    shop.bulla(&format!("cert find {long_id} --timeout 0.3 -b {peer}"))
        .assert_refused(2, &peer);
    shop.bulla("cert find alice").assert_refused(2, "64");
    shop.bulla(&format!("cert find {long_id} --crl x"))
        .assert_refused(2, "--trusted-by");
    let child = command(["cert", "find", &long_id, "--trusted-by", "/nowhere"]).spawn();
    finish(child.unwrap()).assert_refused(2, "/nowhere");
}
