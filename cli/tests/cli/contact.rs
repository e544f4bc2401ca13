//! Contacts named, verified and forgotten.

use super::program::Home;

const BOB: &str = "5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b";

#[test]
fn a_contact_is_added_by_id_or_certificate_under_one_name() {
    let home = Home::of("alice");
    let bobs = Home::of("Bob himself");
    let certificate = home.path("bob.crt");
    bobs.run(["identity", "export", "--out", &certificate])
        .assert_done();
    let shown = bobs.object(&["identity", "show"]);
    let id = shown["long_id"].as_str().unwrap();

    let added = home.object(&["contact", "add", "bob", &certificate]);
    assert_eq!(added["long_id"], id);
    assert_eq!(added["fingerprint"], shown["fingerprint"]);
    assert_eq!(
        (&added["verified"], &added["verified_at"]),
        (&false.into(), &().into())
    );
    assert_eq!(home.object(&["contact", "list"]), added);
    assert_eq!(
        home.object(&["identity", "show", &certificate])["contact"],
        "bob"
    );
    let table = home.run(["contact", "list"]);
    assert!(table.assert_done().stdout.contains(id), "{table:?}");

    home.run(["contact", "add", "bob", BOB])
        .assert_refused(2, "another bob");
    home.run(["contact", "add", "robert", id])
        .assert_refused(2, "this is bob");
    assert_eq!(home.object(&["contact", "remove", "bob"])["long_id"], id);
    home.run(["contact", "list"])
        .assert_refused(1, "contact add");
    home.run(["contact", "remove", "bob"])
        .assert_refused(2, "no contact bob");
    home.object(&["contact", "add", "robert", &id.to_uppercase()]);
}

#[test]
fn a_contact_is_verified_by_the_right_words_alone() {
    let home = Home::of("alice");
    let bob = home.object(&["contact", "add", "bob", BOB]);
    let words = bob["fingerprint"].as_str().unwrap();
    let ours = home.object(&["identity", "show"])["fingerprint"].clone();

    home.run(["contact", "verify", "bob"])
        .assert_refused(2, "--yes");
    let seen = home.object(&["contact", "verify", "bob", "--words", &words.to_uppercase()]);
    assert_eq!(seen["verified"], true);
    assert_eq!(seen["own_fingerprint"], ours);
    assert!(seen["verified_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(home.object(&["contact", "list"])["verified"], true);

    let wrong = home.run([
        "contact",
        "verify",
        "bob",
        "--words",
        ours.as_str().unwrap(),
    ]);
    assert_eq!(wrong.code, 1, "{wrong:?}");
    assert!(
        wrong.stdout.contains(words) && wrong.stdout.contains("do not match"),
        "{wrong:?}"
    );
    assert_eq!(home.object(&["contact", "list"])["verified"], false);

    assert_eq!(
        home.object(&["contact", "verify", "bob", "--yes"])["verified"],
        true
    );
    home.run(["contact", "verify", "carol", "--yes"])
        .assert_refused(2, "no contact carol");
}

#[test]
fn what_names_no_contact_is_refused() {
    let home = Home::new();
    let text = home.file("text", "no certificate");
    for (who, reason) in [
        ("nobody", "neither a long id"),
        (&BOB[..40], "short id"),
        (&BOB[..63], "neither a long id"),
        (&text, "not an X.509 certificate"),
    ] {
        home.run(["contact", "add", "bob", who])
            .assert_refused(2, reason);
    }
    home.run(["contact", "add", BOB, BOB])
        .assert_refused(2, "key id");
    assert!(!home.keyring().join("contacts.json").exists());
}
