//! Private keys under a password, both ways with OpenSSL and GnuTLS. What is not installed is not
//! checked.

use std::fs;
use std::path::Path;
use std::process::Command;

use bulla_identity::{Curve, KeyError, PrivateKey};

use crate::vectors::private_key;

#[test]
fn what_openssl_protects_opens() {
    let ciphers = ["aes-128-cbc", "aes-192-cbc", "aes-256-cbc", "des3"];
    let hashes = ["hmacWithSHA1", "hmacWithSHA256", "hmacWithSHA512"];
    for_each_kind(|folder, key| {
        for (cipher, hash) in ciphers.iter().flat_map(|c| hashes.map(|hash| (*c, hash))) {
            let command = format!(
                "pkcs8 -topk8 -in plain.pem -v2 {cipher} -v2prf {hash} -iter 2048 -passout pass:secret"
            );
            let Some(pem) = run(folder, "openssl", &command) else {
                return;
            };
            check(&pem, key, &command);
        }
    });
}

#[test]
fn what_gnutls_protects_opens() {
    for_each_kind(|folder, key| {
        for cipher in ["3des", "aes-128", "aes-192", "aes-256"] {
            let command = format!(
                "--to-p8 --load-privkey plain.pem --password secret --pkcs-cipher {cipher} --outfile protected.pem"
            );
            if run(folder, "certtool", &command).is_none() {
                return;
            }
            let pem = fs::read_to_string(folder.join("protected.pem")).expect("written");
            check(&pem, key, &command);
        }
    });
}

#[test]
fn what_we_protect_opens_with_openssl_and_gnutls() {
    for_each_kind(|folder, key| {
        let pem = key.to_encrypted_pem("secret").expect("randomness");
        fs::write(folder.join("ours.pem"), pem).expect("written");
        let command = "pkey -in ours.pem -passin pass:secret -pubout";
        if let Some(public) = run(folder, "openssl", command) {
            assert_eq!(public, key.public_key().to_pem());
        }
        let command = "--load-privkey ours.pem --password secret --pubkey-info";
        if let Some(text) = run(folder, "certtool", command) {
            assert!(text.contains(&key.public_key().to_pem()), "{text}");
        }
    });
}

#[test]
fn old_ways_to_protect_are_refused_by_name() {
    for_each_kind(|folder, _| {
        let old = [
            // PKCS#12's triple DES and RC2 of PKCS#5 version 1, PBES2 with RC2, and scrypt.
            "pkcs8 -topk8 -in plain.pem -v1 PBE-SHA1-3DES -passout pass:secret",
            "pkcs8 -topk8 -in plain.pem -scrypt -passout pass:secret",
        ];
        for command in old {
            if let Some(pem) = run(folder, "openssl", command) {
                let refusal = PrivateKey::from_pem(pem, Some("secret")).err();
                assert_eq!(refusal, Some(KeyError::UnsupportedProtection), "{command}");
            }
        }
    });
    let folder = folder(&private_key("4.4.2", "alice"));
    let legacy = "rsa -in plain.pem -traditional -aes128 -passout pass:secret";
    if let Some(pem) = run(folder.path(), "openssl", legacy) {
        let refusal = PrivateKey::from_pem(pem, Some("secret")).err();
        assert_eq!(refusal, Some(KeyError::UnsupportedProtection));
    }
}

#[test]
fn plain_keys_of_openssl_and_gnutls_are_read() {
    for_each_kind(|folder, key| {
        let traditional = if key.public_key().bits() == 2048 {
            "rsa -in plain.pem -traditional"
        } else if key.public_key().kind() == bulla_identity::KeyKind::Curve(Curve::Ed25519) {
            "pkey -in plain.pem"
        } else {
            "ec -in plain.pem"
        };
        for (program, command) in [
            ("openssl", traditional),
            ("openssl", "pkcs8 -topk8 -in plain.pem -nocrypt"),
            ("certtool", "--load-privkey plain.pem -k --no-text"),
        ] {
            if let Some(pem) = run(folder, program, command) {
                let read = PrivateKey::from_pem(pem, None).expect(command);
                assert_eq!(read.public_key(), key.public_key(), "{command}");
            }
        }
    });
}

#[test]
fn passwords_of_any_kind_open_what_they_closed() {
    let key = PrivateKey::generate_on(Curve::P256).expect("a key");
    for password in ["", "pässwörd ☂", &"long".repeat(100)] {
        let pem = key.to_encrypted_pem(password).expect("randomness");
        let opened = PrivateKey::from_pem(&pem, Some(password)).expect("a key");
        assert_eq!(opened.public_key(), key.public_key());
        let refusal = PrivateKey::from_pem(&pem, Some("another")).err();
        assert_eq!(refusal, Some(KeyError::WrongPassword));
    }
}

fn check(pem: &str, key: &PrivateKey, command: &str) {
    let opened = PrivateKey::from_pem(pem, Some("secret")).expect(command);
    assert_eq!(opened.public_key(), key.public_key(), "{command}");
    let wrong = PrivateKey::from_pem(pem, Some("Secret")).err();
    assert_eq!(wrong, Some(KeyError::WrongPassword), "{command}");
}

/// Calls `check` with a folder in which `plain.pem` is a key, for a key of each kind that all
/// programs know.
fn for_each_kind(check: impl Fn(&Path, &PrivateKey)) {
    let curves = [Curve::P256, Curve::P384, Curve::Ed25519];
    let curves = curves.map(|curve| PrivateKey::generate_on(curve).expect("a key"));
    for key in curves.iter().chain([&private_key("4.4.2", "alice")]) {
        check(folder(key).path(), key);
    }
}

fn folder(key: &PrivateKey) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("plain.pem"), key.to_pem().as_bytes()).expect("written");
    folder
}

/// Runs a program in `folder` and returns what it prints; `None` if it is not installed.
fn run(folder: &Path, program: &str, arguments: &str) -> Option<String> {
    let Ok(output) = Command::new(program)
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
    else {
        eprintln!("{program} is not installed: not checked");
        return None;
    };
    assert!(
        output.status.success(),
        "{program} {arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(String::from_utf8(output.stdout).expect("text"))
}
