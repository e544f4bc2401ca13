//! Our files read by OpenSSL's program, and its files by us. Where it is not installed these tests
//! say so and pass.

use std::fs;
use std::path::Path;
use std::process::Command;

use bulla_identity::{Identity, IdentityParams, PrivateKey};

use crate::vectors::{NOW, identity, private_key};

#[test]
fn openssl_verifies_our_chain_and_reads_our_fields() {
    let folder = tempfile::tempdir().expect("a folder");
    let ca = Identity::issue(
        private_key("4.4.2", "carol"),
        &IdentityParams::new("Ünser CA", NOW),
    )
    .expect("issued");
    let alice = IdentityParams::new("alice", NOW).issuer(&ca);
    let alice = Identity::issue(private_key("4.4.2", "alice"), &alice).expect("issued");
    fs::write(folder.path().join("ca.crt"), ca.certificate().to_pem()).expect("written");
    fs::write(
        folder.path().join("alice.crt"),
        alice.certificate().to_pem(),
    )
    .expect("written");

    let now = NOW.to_string();
    let Some(verdict) = openssl(
        folder.path(),
        &["verify", "-attime", &now, "-CAfile", "ca.crt", "alice.crt"],
    ) else {
        return;
    };
    assert_eq!(verdict, "alice.crt: OK\n");

    let leaf = openssl(
        folder.path(),
        &["x509", "-in", "alice.crt", "-noout", "-text"],
    )
    .expect("installed");
    let uid = alice.id().to_string();
    for expected in [
        format!("Subject: CN = alice, UID = {uid}"),
        "Signature Algorithm: sha256WithRSAEncryption".to_owned(),
        "X509v3 Key Usage: critical\n                Digital Signature, Data Encipherment\n"
            .to_owned(),
        "X509v3 Subject Key Identifier: \n".to_owned(),
    ] {
        assert!(leaf.contains(&expected), "{expected} in {leaf}");
    }
    assert!(
        !leaf.contains("Basic Constraints")
            && !leaf.contains("Authority Key")
            && !leaf.contains("(Negative)")
    );

    let root =
        openssl(folder.path(), &["x509", "-in", "ca.crt", "-noout", "-text"]).expect("installed");
    for expected in [
        "Signature Algorithm: sha384WithRSAEncryption",
        "X509v3 Basic Constraints: critical\n                CA:TRUE\n",
        "X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign\n",
    ] {
        assert!(root.contains(expected), "{expected} in {root}");
    }
}

#[test]
fn openssl_opens_our_protected_key() {
    let folder = tempfile::tempdir().expect("a folder");
    identity("alice")
        .save(folder.path().join("alice.pem"), Some("secret"))
        .expect("saved");
    if let Some(public) = openssl(
        folder.path(),
        &[
            "pkey",
            "-in",
            "alice.pem",
            "-passin",
            "pass:secret",
            "-pubout",
        ],
    ) {
        assert_eq!(public, identity("alice").public_key().to_pem());
    }
}

#[test]
fn we_open_the_keys_that_openssl_writes() {
    let folder = tempfile::tempdir().expect("a folder");
    let alice = identity("alice");
    fs::write(
        folder.path().join("plain.pem"),
        alice.key().to_pem().as_bytes(),
    )
    .expect("written");
    for arguments in [
        &[
            "pkey",
            "-in",
            "plain.pem",
            "-aes128",
            "-passout",
            "pass:secret",
        ][..],
        &[
            "pkcs8",
            "-in",
            "plain.pem",
            "-topk8",
            "-v2",
            "aes-256-cbc",
            "-v2prf",
            "hmacWithSHA512",
            "-passout",
            "pass:secret",
        ],
        &["rsa", "-in", "plain.pem", "-traditional"],
    ] {
        if let Some(pem) = openssl(folder.path(), arguments) {
            let key = PrivateKey::from_pem(pem, Some("secret")).expect("a key");
            assert_eq!(key.public_key(), alice.public_key(), "{arguments:?}");
        }
    }
}

#[test]
fn openssl_verifies_our_signature() {
    let folder = tempfile::tempdir().expect("a folder");
    let alice = identity("alice");
    fs::write(
        folder.path().join("public.pem"),
        alice.public_key().to_pem(),
    )
    .expect("written");
    fs::write(folder.path().join("message"), b"hello").expect("written");
    fs::write(
        folder.path().join("signature"),
        alice.key().sign(b"hello").expect("signed"),
    )
    .expect("written");
    let arguments = [
        "dgst",
        "-sha512",
        "-verify",
        "public.pem",
        "-signature",
        "signature",
        "message",
    ];
    if let Some(verdict) = openssl(folder.path(), &arguments) {
        assert_eq!(verdict, "Verified OK\n");
    }
}

/// Runs `openssl` in `folder` and returns what it prints; `None` if it is not installed.
fn openssl(folder: &Path, arguments: &[&str]) -> Option<String> {
    let Ok(output) = Command::new("openssl")
        .args(arguments)
        .current_dir(folder)
        .output()
    else {
        eprintln!("openssl is not installed: not checked");
        return None;
    };
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(String::from_utf8(output.stdout).expect("text"))
}
