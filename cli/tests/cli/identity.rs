//! Identities made, shown and verified.

use std::fs;
use std::path::Path;

use tempfile::{TempDir, tempdir};

use super::program::{Run, bulla};

/// Makes an identity of the least size in `file` of the directory.
pub(super) fn make(dir: &TempDir, file: &str, more: &[&str]) -> Run {
    let path = dir.path().join(file);
    let name = file.strip_suffix(".pem").unwrap_or(file);
    let path = path.to_str().expect("text");
    let args = [
        "identity", "new", "--bits", "2048", "--name", name, "--out", path,
    ];
    bulla(args.iter().chain(more))
}

#[test]
fn a_new_identity_is_shown_and_trusts_itself() {
    let dir = tempdir().unwrap();
    let made = make(&dir, "alice.pem", &["--json"]);
    let alice = made.assert_done().object();
    for key in [
        "name",
        "id",
        "long_id",
        "fingerprint",
        "algorithm",
        "bits",
        "issuer",
        "not_after",
        "ca",
    ] {
        assert!(!alice[key].is_null(), "{key} in {alice}");
    }
    assert_eq!(alice["name"], "alice");
    assert_eq!(alice["bits"], 2048);
    assert_eq!(alice["long_id"].as_str().unwrap().len(), 64);
    let words = alice["fingerprint"].as_str().unwrap();
    assert_eq!(words.split(' ').count(), 12, "{words}");

    for file in ["alice.pem", "alice"] {
        let shown = bulla([
            Path::new("identity"),
            Path::new("show"),
            &dir.path().join(file),
            Path::new("--json"),
        ]);
        assert_eq!(shown.assert_done().object(), alice);
    }
    let path = dir.path().join("alice.pem");
    assert_eq!(
        bulla(["identity", "verify", path.to_str().unwrap()])
            .assert_done()
            .stdout,
        "trusted\n"
    );
}

#[test]
fn what_an_authority_issues_is_trusted_where_it_is_trusted() {
    let dir = tempdir().unwrap();
    make(&dir, "ca.pem", &[]).assert_done();
    make(&dir, "other.pem", &[]).assert_done();
    let path = |file: &str| dir.path().join(file).to_str().unwrap().to_owned();
    make(&dir, "phone.pem", &["--ca", &path("ca.pem")]).assert_done();

    let verify = |ca: &str| {
        bulla([
            "--json",
            "identity",
            "verify",
            &path("phone.pem"),
            "--ca",
            &path(ca),
        ])
    };
    assert_eq!(verify("ca.pem").assert_done().object()["trusted"], true);
    let refused = verify("other.pem");
    assert_eq!(refused.code, 1, "{refused:?}");
    assert_eq!(refused.object()["trusted"], false);
    assert!(
        refused.object()["reason"]
            .as_str()
            .unwrap()
            .contains("not trusted")
    );

    let leaf_as_authority = make(&dir, "x.pem", &["--ca", &path("phone.pem")]);
    leaf_as_authority.assert_refused(2, "not a certificate authority");
    assert!(!dir.path().join("x.pem").exists());
}

#[test]
fn a_password_protects_the_key_alone() {
    let dir = tempdir().unwrap();
    let path = |file: &str| dir.path().join(file).to_str().unwrap().to_owned();
    fs::write(path("right"), "correct horse\n").unwrap();
    fs::write(path("wrong"), "battery staple\n").unwrap();
    fs::write(path("empty"), "\n").unwrap();

    make(&dir, "alice.pem", &["--password-file", &path("right")]).assert_done();
    assert!(
        fs::read_to_string(path("alice.pem"))
            .unwrap()
            .contains("ENCRYPTED PRIVATE KEY")
    );
    bulla(["identity", "show", &path("alice.pem")]).assert_done();

    let issue = |password: &str| {
        make(
            &dir,
            "phone.pem",
            &[
                "--ca",
                &path("alice.pem"),
                "--ca-password-file",
                &path(password),
            ],
        )
    };
    issue("wrong").assert_refused(2, "wrong password");
    issue("empty").assert_refused(2, "empty");
    issue("none").assert_refused(2, "cannot read password file");
    issue("right").assert_done();
    make(&dir, "x.pem", &["--ca", &path("alice.pem")]).assert_refused(2, "--ca-password-file");
}

#[test]
fn nothing_is_written_over() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("alice.pem");
    fs::write(&path, "precious").unwrap();
    make(&dir, "alice.pem", &[]).assert_refused(2, "exists already");
    assert_eq!(fs::read_to_string(path).unwrap(), "precious");
}

#[test]
fn what_is_no_identity_is_refused() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("text.pem");
    fs::write(&path, "no certificate").unwrap();
    let path = path.to_str().unwrap();
    bulla(["identity", "show", path]).assert_refused(2, "not an X.509 certificate");
    bulla(["identity", "verify", path]).assert_refused(2, "not an X.509 certificate");
    bulla(["identity", "show", "/nowhere/alice"]).assert_refused(2, "cannot read");
    make(&dir, "small.pem", &["--bits", "1024"]).assert_refused(2, "--bits");
    let run = bulla(["get", "key", "--identity", path, "-b", "127.0.0.1:9"]);
    run.assert_refused(2, "no private key");
}
