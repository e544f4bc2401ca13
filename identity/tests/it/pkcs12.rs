use bulla_identity::{Identity, Pkcs12Error};

use crate::programs::Workshop;
use crate::trust_list::account_and_device;
use crate::vectors::identity;

#[test]
fn what_is_exported_is_imported() {
    let (_, _, device) = account_and_device();
    let file = device.to_pkcs12("secret").expect("written");
    let again = Identity::from_pkcs12(&file, "secret").expect("read");
    assert_eq!(again.key().to_pem(), device.key().to_pem());
    assert_eq!(again.chain(), device.chain());
    for password in ["", "Secret", "secret "] {
        let refusal = Identity::from_pkcs12(&file, password).expect_err("another password");
        assert_eq!(refusal, Pkcs12Error::WrongPassword);
    }
}

#[test]
fn a_changed_or_truncated_file_is_refused() {
    // Opening this file takes 2 rounds, so that many can be tried.
    let file = fixture("quick.p12");
    assert!(Identity::from_pkcs12(&file, "secret").is_ok());
    for length in 0..file.len() {
        assert!(
            Identity::from_pkcs12(&file[..length], "secret").is_err(),
            "{length} bytes"
        );
    }
    for offset in 0..file.len() {
        let mut damaged = file.clone();
        damaged[offset] ^= 1;
        // What the check value does not cover cannot change the identity.
        if let Ok(identity) = Identity::from_pkcs12(&damaged, "secret") {
            assert_eq!(
                identity.chain(),
                crate::vectors::identity("alice").chain(),
                "byte {offset}"
            );
        }
    }
    let large = Identity::from_pkcs12(&vec![0x30; 1 << 20], "").expect_err("too large");
    assert_eq!(large, Pkcs12Error::TooLarge);
}

#[test]
fn a_file_without_a_check_value_is_not_opened() {
    let refusal = Identity::from_pkcs12(&fixture("no_check.p12"), "secret").expect_err("refused");
    assert_eq!(refusal, Pkcs12Error::Malformed);
}

#[test]
fn protection_that_would_take_minutes_to_open_is_refused_at_once() {
    let file = fixture("many_rounds.p12");
    assert_eq!(
        Identity::from_pkcs12(&file, "secret").expect_err("two million rounds"),
        Pkcs12Error::UnsupportedProtection
    );
}

#[test]
fn openssl_and_certtool_read_our_files() {
    let shop = Workshop::new();
    let (_, _, device) = account_and_device();
    shop.write("device.p12", device.to_pkcs12("secret").expect("written"));
    if let Some(text) =
        shop.succeed("openssl pkcs12 -in device.p12 -passin pass:secret -nodes -info")
    {
        let certificates = text.matches("BEGIN CERTIFICATE").count();
        assert_eq!(certificates, 3, "{text}");
        assert!(
            text.contains(device.key().to_pem().as_str()),
            "the same key"
        );
        assert!(text.contains("MAC: sha256"), "{text}");
    }
    if let Some(text) =
        shop.succeed("certtool --p12-info --inder --password secret --infile device.p12")
    {
        assert_eq!(text.matches("BEGIN CERTIFICATE").count(), 3, "{text}");
    }
}

#[test]
fn we_read_the_files_of_openssl_and_certtool() {
    let shop = Workshop::new();
    let alice = identity("alice");
    shop.write("alice.pem", alice.key().to_pem().as_bytes());
    shop.write("alice.crt", alice.certificate().to_pem());
    let ca = alice.chain().issuer_chain().expect("the authority");
    shop.write("ca.crt", ca.to_pem());
    let openssl = "openssl pkcs12 -export -inkey alice.pem -in alice.crt -certfile ca.crt -passout pass:secret -out made.p12";
    let certtool = "certtool --to-p12 --load-privkey alice.pem --load-certificate alice.crt --load-ca-certificate ca.crt --p12-name alice --password secret --outder --outfile made.p12";
    for command in [
        openssl.to_owned(),
        format!("{openssl} -keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1"),
        format!("{openssl} -certpbe NONE -macalg sha512"),
        certtool.to_owned(),
        format!("{certtool} --pkcs-cipher aes-256"),
        format!("{certtool} --pkcs-cipher 3des-pkcs12"),
    ] {
        if shop.succeed(&command).is_some() {
            let made = shop.read("made.p12");
            let read = Identity::from_pkcs12(&made, "secret")
                .unwrap_or_else(|error| panic!("{command}: {error}"));
            assert_eq!(read.chain(), alice.chain(), "{command}");
            let refusal = Identity::from_pkcs12(&made, "other").expect_err("another password");
            assert_eq!(refusal, Pkcs12Error::WrongPassword, "{command}");
        }
    }
}

fn fixture(name: &str) -> Vec<u8> {
    let path = format!(
        "{}/tests/vectors/openssl/{name}",
        env!("CARGO_MANIFEST_DIR")
    );
    std::fs::read(path).expect("such a file")
}
