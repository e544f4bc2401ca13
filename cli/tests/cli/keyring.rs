//! The keyring: which identity is used, and what keeps it whole.

use std::fs;

use super::program::{Home, bulla, node};

#[test]
fn the_first_identity_is_the_default_until_another_is_chosen() {
    let home = Home::new();
    home.run(["identity", "list"])
        .assert_refused(1, "bulla identity new");
    home.run(["identity", "show"])
        .assert_refused(2, "no default identity");
    assert!(!home.keyring().exists(), "looking makes nothing");

    let new = |name| home.object(&["identity", "new", name, "--bits", "2048"]);
    let alice = new("alice");
    assert_eq!(
        (&alice["identity"], &alice["name"]),
        (&"alice".into(), &"alice".into())
    );
    assert_eq!(alice["default"], true);
    let phone = new("phone");
    assert_eq!(phone["default"], false);
    home.run(["identity", "new", "--name", "alice"])
        .assert_refused(2, "alice already");

    let long_id = |args: &[&str]| home.object(args)["long_id"].clone();
    assert_eq!(long_id(&["identity", "show"]), alice["long_id"]);
    assert_eq!(long_id(&["identity", "show", "phone"]), phone["long_id"]);
    assert_eq!(home.object(&["identity", "default"])["default"], "alice");
    assert_eq!(
        home.object(&["identity", "default", "phone"])["default"],
        "phone"
    );
    assert_eq!(long_id(&["identity", "show"]), phone["long_id"]);
    home.run(["identity", "default", "nobody"])
        .assert_refused(2, "identity list");

    let listed = home
        .run(["identity", "list", "--json"])
        .assert_done()
        .objects();
    let seen: Vec<_> = listed
        .iter()
        .map(|one| (&one["identity"], &one["default"]))
        .collect();
    assert_eq!(
        seen,
        [
            (&"alice".into(), &false.into()),
            (&"phone".into(), &true.into())
        ]
    );
    let table = home.run(["identity", "list"]).assert_done().stdout.clone();
    assert!(
        table.contains(alice["long_id"].as_str().unwrap()),
        "{table}"
    );

    home.run(["identity", "remove", "phone"])
        .assert_refused(2, "--yes");
    home.object(&["identity", "remove", "phone", "--yes"]);
    home.run(["identity", "remove", "phone", "--yes"])
        .assert_refused(2, "no identity phone");
    assert!(home.object(&["identity", "default"])["default"].is_null());
    home.object(&["identity", "default", "alice"]);
    assert!(home.object(&["identity", "default", "--none"])["default"].is_null());
}

#[test]
fn networked_commands_are_the_default_identity_unless_told_otherwise() {
    let home = Home::of("alice");
    let id = |name| home.object(&["identity", "show", name])["long_id"].clone();
    let (_node, peer) = node(&[]);
    let at = |args: &[&str]| home.run(args.iter().chain(&["-b", &peer, "--json"]));

    at(&["put", "news", "one", "--signed"]).assert_done();
    let value = at(&["get", "news"]).assert_done().object();
    assert_eq!(value["signer"], id("alice"));

    home.object(&["identity", "new", "phone", "--bits", "2048"]);
    at(&["put", "calls", "one", "--signed", "--identity", "phone"]).assert_done();
    let value = at(&["get", "calls", "--anonymous"]).assert_done().object();
    assert_eq!(value["signer"], id("phone"));

    at(&["put", "news", "two", "--signed", "--anonymous"]).assert_refused(2, "--identity");

    let password = home.file("password", "correct horse\n");
    home.run(["identity", "passwd", "--new-password-file", &password])
        .assert_done();
    at(&["get", "news"]).assert_refused(2, "--anonymous");
    at(&["get", "news", "--password-file", &password]).assert_done();
    fs::remove_file(home.keyring().join("identities/alice.pem")).unwrap();
    at(&["get", "news"]).assert_refused(2, "default identity alice is gone");
    at(&["get", "news", "--anonymous"]).assert_done();
}

#[test]
fn a_key_that_signs_no_values_is_no_default_by_itself() {
    let home = Home::new();
    for (key, kind) in [("ed25519", "Ed25519"), ("p256", "P-256"), ("p384", "P-384")] {
        let made = home.object(&["identity", "new", key, "--key", key]);
        assert_eq!(
            (&made["kind"], &made["default"]),
            (&kind.into(), &false.into())
        );
    }
    assert!(home.object(&["identity", "default"])["default"].is_null());
    home.object(&["identity", "default", "p256"]);
    home.object(&["identity", "new", "phone", "--bits", "2048", "--ca", "p256"]);
    home.run(["identity", "verify", "phone", "--ca", "p256"])
        .assert_done();
}

#[test]
fn names_lead_nowhere_else() {
    let home = Home::of("alice");
    let default = home.keyring().join("default");
    for name in ["../alice", ".alice", "-alice", "a\nb", "", &"ab".repeat(32)] {
        home.run([
            "identity",
            "new",
            "--bits",
            "2048",
            &format!("--name={name}"),
        ])
        .assert_refused(2, "a name has 1 to 64 bytes");
        home.run(["identity", "remove", "--yes", "--", name])
            .assert_refused(2, "a name has 1 to 64 bytes");
        fs::write(&default, format!("{name}\n")).unwrap();
        home.run(["identity", "show"])
            .assert_refused(2, default.to_str().unwrap());
    }
}

#[test]
fn a_damaged_list_of_contacts_is_named_and_left_alone() {
    let home = Home::of("alice");
    let id = "ab".repeat(32);
    home.object(&["contact", "add", "bob", &id]);
    let path = home.keyring().join("contacts.json");
    let whole = fs::read_to_string(&path).unwrap();
    let damaged = [
        whole[..whole.len() - 3].to_owned(),
        whole.replace(&id, "ab"),
        whole.replace("bob", "b\\u0000b"),
        whole.replace("long_id", "short_id"),
        whole.replacen('{', "{\"from the future\": 1,", 1),
        "[".repeat(100_000),
        " ".repeat(2_000_000),
    ];
    for text in damaged {
        fs::write(&path, &text).unwrap();
        for args in [
            &["contact", "add", "carol", &"cd".repeat(32)][..],
            &["contact", "list"],
        ] {
            home.run(args).assert_refused(2, path.to_str().unwrap());
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        // What needs no contacts goes on.
        home.run(["identity", "show"]).assert_done();
    }
    fs::write(&path, whole).unwrap();
    assert_eq!(home.object(&["contact", "list"])["name"], "bob");
}

#[test]
fn programs_that_write_at_once_lose_nothing() {
    let home = Home::new();
    let id = |number: usize| format!("{number:064x}");
    let adding: Vec<_> = (0..8)
        .map(|number| {
            let name = format!("friend {number}");
            let mut command = home.command(["contact", "add", &name, &id(number)]);
            command.spawn().unwrap()
        })
        .collect();
    for child in adding {
        super::program::finish(child).assert_done();
    }
    let known = home
        .run(["contact", "list", "--json"])
        .assert_done()
        .objects();
    assert_eq!(known.len(), 8);
}

#[cfg(unix)]
#[test]
fn files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::of("alice");
    home.object(&["contact", "add", "bob", &"ab".repeat(32)]);
    let keyring = home.keyring();
    let mode = |file: &str| {
        fs::metadata(keyring.join(file))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    for directory in ["", "identities"] {
        assert_eq!(mode(directory), 0o700, "{directory}");
    }
    let alice = "identities/alice.pem";
    for file in [alice, "default", "contacts.json", "lock"] {
        assert_eq!(mode(file), 0o600, "{file}");
    }

    fs::set_permissions(keyring.join(alice), fs::Permissions::from_mode(0o644)).unwrap();
    let new_password = home.file("password", "correct horse\n");
    let args = ["identity", "passwd", "--new-password-file", &new_password];
    let run = home.run(args);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(
        run.stderr.contains("others can read the private key"),
        "{run:?}"
    );
    assert_eq!(mode(alice), 0o600);
}

#[test]
fn a_file_is_found_where_no_name_is_kept() {
    let home = Home::of("alice");
    let kept = home.object(&["identity", "show", "alice"]);
    let file = home.path("other.pem");
    bulla([
        "identity", "new", "--name", "other", "--bits", "2048", "--out", &file,
    ])
    .assert_done();
    fs::copy(&file, home.path("alice.pem")).unwrap();
    let show = |named: &str| {
        let mut command = home.command(["identity", "show", named, "--json"]);
        let child = command.current_dir(home.path("")).spawn().unwrap();
        super::program::finish(child).assert_done().object()
    };
    assert_eq!(show("alice"), kept);
    for path in ["./alice", "alice.pem", "other"] {
        assert_eq!(show(path)["name"], "other", "{path}");
    }
}
