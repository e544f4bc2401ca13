//! Identities exported, imported, and put under passwords.

use std::fs;

use super::program::Home;

#[test]
fn what_is_exported_is_imported_with_or_without_a_password() {
    let home = Home::of("alice");
    let id = home.object(&["identity", "show"])["long_id"].clone();
    let password = home.file("password", "correct horse\n");
    let (p12, bare, sealed) = (
        home.path("a.p12"),
        home.path("bare.pem"),
        home.path("sealed.pem"),
    );
    let export = |more: &[&str]| {
        let run = home.run(["identity", "export", "alice"].iter().chain(more));
        run.assert_done();
    };
    export(&[
        "--format",
        "pkcs12",
        "--out",
        &p12,
        "--new-password-file",
        &password,
    ]);
    export(&["--with-key", "--unprotected", "--out", &bare]);
    export(&[
        "--with-key",
        "--out",
        &sealed,
        "--new-password-file",
        &password,
    ]);
    let certificates = home.path("certificates.pem");
    export(&["--out", &certificates]);
    assert!(
        !fs::read_to_string(&certificates)
            .unwrap()
            .contains("PRIVATE")
    );

    let import = |name: &str, more: &[&str]| {
        let run = home.run(
            ["identity", "import", name]
                .iter()
                .chain(more)
                .chain(&["--json"]),
        );
        assert_eq!(run.assert_done().object()["long_id"], id);
    };
    import("by p12", &[&p12, "--password-file", &password]);
    import("by pem", &[&bare]);
    import("by sealed pem", &[&sealed, "--password-file", &password]);
    import("by pair", &[&bare, "--certificate", &certificates]);
    import(
        "by a new password",
        &[&bare, "--new-password-file", &password],
    );
    let listed = home
        .run(["identity", "list", "--json"])
        .assert_done()
        .objects();
    let protected: Vec<_> = listed
        .iter()
        .filter(|one| one["protected"] == true)
        .map(|one| one["identity"].as_str().unwrap())
        .collect();
    assert_eq!(protected, ["by a new password", "by p12", "by sealed pem"]);

    for (args, reason) in [
        (&["import", "x", &p12][..], "--password-file"),
        (&["import", "x", &sealed], "--password-file"),
        (&["import", "x", &certificates], "no private key"),
        (&["import", "x", &password], "not a PKCS#12 file"),
        (&["import", "x", "/nowhere"], "/nowhere"),
        (&["import", "alice", &bare], "alice already"),
        (
            &["import", "x", &bare, "--certificate", &password],
            "not an X.509",
        ),
        (&["export", "alice", "--out", &p12], "exists already"),
        (&["export", "nobody"], "cannot read nobody"),
    ] {
        home.run(["identity"].iter().chain(args))
            .assert_refused(2, reason);
    }
}

#[test]
fn a_key_goes_to_another_certificate_nowhere() {
    let home = Home::of("alice");
    home.object(&["identity", "new", "phone", "--bits", "2048"]);
    let (key, certificate) = (home.path("alice.key"), home.path("phone.crt"));
    home.run([
        "identity",
        "export",
        "alice",
        "--with-key",
        "--unprotected",
        "--out",
        &key,
    ])
    .assert_done();
    home.run(["identity", "export", "phone", "--out", &certificate])
        .assert_done();
    home.run([
        "identity",
        "import",
        "x",
        &key,
        "--certificate",
        &certificate,
    ])
    .assert_refused(2, "does not belong to the private key");
}

#[test]
fn certificates_go_to_standard_output_and_keys_do_not() {
    let home = Home::of("alice");
    let pem = home
        .run(["identity", "export"])
        .assert_done()
        .stdout
        .clone();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"));
    assert!(!pem.contains("PRIVATE"));
    assert_eq!(home.object(&["identity", "export"])["pem"], pem);

    let der = home.path("alice.der");
    home.run(["identity", "export", "--format", "der", "--out", &der])
        .assert_done();
    assert_eq!(
        home.object(&["identity", "show", &der])["long_id"],
        home.object(&["identity", "show"])["long_id"]
    );
    let base64 = home.object(&["identity", "export", "--format", "der"])["der"].clone();
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    assert_eq!(base64, body);

    let out = home.path("out");
    for (args, reason) in [
        (
            &["--format", "der", "--with-key", "--out", &out][..],
            "certificate alone",
        ),
        (&["--with-key", "--out", &out], "--new-password-file"),
        (
            &["--format", "pkcs12", "--out", &out],
            "--new-password-file",
        ),
        (
            &[
                "--format",
                "pkcs12",
                "--with-key",
                "--unprotected",
                "--out",
                &out,
            ],
            "always",
        ),
    ] {
        home.run(["identity", "export"].iter().chain(args))
            .assert_refused(2, reason);
        assert!(!fs::exists(&out).unwrap());
    }
}

#[test]
fn a_password_is_set_changed_and_removed() {
    let home = Home::of("alice");
    let (one, two) = (home.file("one", "one\n"), home.file("two", "two\n"));
    let file = home.keyring().join("identities/alice.pem");
    let passwd = |args: &[&str]| home.run(["identity", "passwd"].iter().chain(args));

    passwd(&[]).assert_refused(2, "--new-password-file");
    passwd(&["--new-password-file", &one]).assert_done();
    let sealed = fs::read(&file).unwrap();
    passwd(&["--new-password-file", &two]).assert_refused(2, "--password-file");
    passwd(&["--remove", "--password-file", &two]).assert_refused(2, "wrong password");
    passwd(&["--remove", "--password-file", "/nowhere"]).assert_refused(2, "/nowhere");
    assert_eq!(fs::read(&file).unwrap(), sealed);

    let changed = ["--password-file", &one, "--new-password-file", &two];
    assert!(
        passwd(&changed)
            .assert_done()
            .stdout
            .contains("password changed")
    );
    let removed = ["alice", "--remove", "--password-file", &two];
    assert!(
        passwd(&removed)
            .assert_done()
            .stdout
            .contains("no password")
    );
    assert_eq!(home.object(&["identity", "list"])["protected"], false);
}

#[cfg(unix)]
#[test]
fn passwords_come_from_descriptors() {
    let home = Home::of("alice");
    let (one, two) = (home.file("one", "one\n"), home.file("two", "two\n"));
    home.run(["identity", "passwd", "--new-password-file", &one])
        .assert_done();
    let script = r#""$1" identity passwd --password-fd 3 --new-password-fd 4 3<"$2" 4<"$3""#;
    let status = std::process::Command::new("sh")
        .args(["-c", script, "sh", env!("CARGO_BIN_EXE_bulla"), &one, &two])
        .env("BULLA_HOME", home.keyring())
        .stdout(std::process::Stdio::null())
        .status();
    assert!(status.unwrap().success());
    home.run(["identity", "passwd", "--remove", "--password-file", &two])
        .assert_done();
}

#[cfg(unix)]
#[test]
fn no_key_without_its_password_stays_behind_a_link() {
    let home = Home::of("alice");
    let (real, link) = (home.path("real.pem"), home.path("link.pem"));
    home.run([
        "identity",
        "export",
        "--with-key",
        "--unprotected",
        "--out",
        &real,
    ])
    .assert_done();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let password = home.file("password", "correct horse\n");
    home.run([
        "identity",
        "passwd",
        &link,
        "--new-password-file",
        &password,
    ])
    .assert_done();
    assert!(
        fs::read_to_string(&real)
            .unwrap()
            .contains("ENCRYPTED PRIVATE KEY")
    );
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
}
