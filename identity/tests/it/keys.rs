use bulla_identity::{KeyError, PrivateKey, PublicKey};
use pkcs8::der::Encode;
use pkcs8::der::asn1::{BitStringRef, UintRef};
use pkcs8::{Document, LineEnding, SubjectPublicKeyInfo};
use proptest::prelude::*;
use rsa::pkcs1::{ALGORITHM_ID, RsaPublicKeyRef};

use crate::vectors::{crypto, identities, identity_vector, private_key, rsa_identities};

#[test]
fn public_keys_have_the_ids_and_bytes_that_opendht_gives_them() {
    for vector in rsa_identities() {
        let der = vector.bytes("public_key_der");
        let key = PublicKey::from_der(&der).expect("a key");
        assert_eq!(key.to_der(), der, "{}", vector.name());
        assert_eq!(
            key.id().to_string(),
            vector.text("key_id"),
            "{}",
            vector.name()
        );
        assert_eq!(
            key.long_id().to_string(),
            vector.text("long_key_id"),
            "{}",
            vector.name()
        );
        assert_eq!(
            key.bits(),
            if vector.text("name") == "carol" {
                4096
            } else {
                2048
            }
        );
    }
}

#[test]
fn private_keys_of_opendht_are_read_and_written_the_same() {
    for vector in rsa_identities() {
        let key = PrivateKey::from_pem(vector.text("private_key_pem"), None).expect("a key");
        assert_eq!(
            key.public_key().to_der(),
            vector.bytes("public_key_der"),
            "{}",
            vector.name()
        );
        assert_eq!(
            key.to_pem().as_str(),
            vector.text("private_key_pem"),
            "{}",
            vector.name()
        );
    }
}

#[test]
fn protected_private_keys_of_opendht_open_with_their_password() {
    for vector in rsa_identities() {
        let pem = vector.text("private_key_encrypted_pem");
        let key = PrivateKey::from_pem(pem, Some(vector.text("password"))).expect("a key");
        assert_eq!(
            key.public_key().id().to_string(),
            vector.text("key_id"),
            "{}",
            vector.name()
        );
    }
}

#[test]
fn a_protected_key_needs_its_password_and_no_other() {
    let vector = identity_vector("4.4.2", "alice");
    let pem = vector.text("private_key_encrypted_pem");
    assert_eq!(
        PrivateKey::from_pem(pem, None).expect_err("protected"),
        KeyError::PasswordNeeded
    );
    assert_eq!(
        PrivateKey::from_pem(pem, Some("wrong")).expect_err("protected"),
        KeyError::WrongPassword
    );
}

#[test]
fn what_is_protected_is_read_again() {
    let key = private_key("4.4.2", "bob");
    let pem = key.to_encrypted_pem("päss").expect("randomness");
    assert!(pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
    let again = PrivateKey::from_pem(&pem, Some("päss")).expect("the password is right");
    assert_eq!(again.public_key(), key.public_key());
}

#[test]
fn protection_that_would_take_hours_to_open_is_refused_at_once() {
    let vector = identity_vector("4.4.2", "alice");
    let der = der_of(vector.text("private_key_encrypted_pem"));
    // 600,000 rounds are 02 03 09 27 C0. Make them 8 million, and none.
    let at = der
        .windows(5)
        .position(|window| window == b"\x02\x03\x09\x27\xc0")
        .expect("the rounds")
        + 2;
    for rounds in [[0x7f, 0xff, 0xff], [0, 0, 0]] {
        let mut der = der.clone();
        der[at..at + 3].copy_from_slice(&rounds);
        let pem =
            der::pem::encode_string("ENCRYPTED PRIVATE KEY", LineEnding::LF, &der).expect("short");
        let refusal = PrivateKey::from_pem(pem, Some("correct horse")).expect_err("refused");
        assert_eq!(refusal, KeyError::UnsupportedProtection, "{rounds:x?}");
    }
}

#[test]
fn signatures_are_the_ones_opendht_makes() {
    for vector in crypto("rsa")
        .iter()
        .filter(|vector| vector.has("message_text"))
    {
        let key = private_key(vector.text("made_by"), vector.text("signer"));
        let message = vector.text("message_text").as_bytes();
        assert_eq!(
            key.sign(message).expect("a signature"),
            vector.bytes("signature")
        );
        assert!(key.public_key().verify(message, &vector.bytes("signature")));
        assert!(
            !key.public_key()
                .verify(b"hellp", &vector.bytes("signature"))
        );
    }
}

#[test]
fn another_key_does_not_verify() {
    let signature = private_key("4.4.2", "alice")
        .sign(b"hello")
        .expect("a signature");
    assert!(
        !private_key("4.4.2", "bob")
            .public_key()
            .verify(b"hello", &signature)
    );
    assert!(
        !private_key("4.4.2", "carol")
            .public_key()
            .verify(b"hello", &signature)
    );
}

#[test]
fn public_keys_are_read_from_pem_and_have_one_encoding() {
    let key = private_key("4.4.2", "alice").public_key().clone();
    assert_eq!(
        PublicKey::from_der(key.to_pem().as_bytes()),
        Ok(key.clone())
    );

    // The same key with the algorithm's NULL left out: tolerated, and written again with it.
    let mut der = key.to_der().to_vec();
    let null = der
        .windows(2)
        .position(|window| window == [5, 0])
        .expect("a NULL");
    der.drain(null..null + 2);
    der[3] -= 2;
    der[5] -= 2;
    let read = PublicKey::from_der(&der).expect("a key");
    assert_eq!(read.id(), key.id());
    assert_eq!(read.to_der(), key.to_der());
}

#[test]
fn keys_out_of_bounds_are_refused() {
    let refusal = |modulus: &[u8], exponent: &[u8]| {
        PublicKey::from_der(&spki(modulus, exponent)).expect_err("refused")
    };
    let modulus = |bytes: usize| [&[0x80][..], &vec![0x55; bytes - 1]].concat();
    assert_eq!(
        refusal(&modulus(128), &[1, 0, 1]),
        KeyError::Size { bits: 1024 }
    );
    assert_eq!(
        refusal(&modulus(1025), &[1, 0, 1]),
        KeyError::Size { bits: 8200 }
    );
    assert_eq!(
        refusal(&[&modulus(256)[..], &[0]].concat(), &[1, 0, 1]),
        KeyError::Malformed
    );
    for exponent in [
        &[0][..],
        &[1],
        &[2],
        &[1, 0, 0],
        &[2, 0, 0, 0, 1],
        &[1, 0, 0, 0, 0, 0, 0, 0, 1],
    ] {
        assert_eq!(
            refusal(&modulus(256), exponent),
            KeyError::Exponent,
            "{exponent:?}"
        );
    }
    assert!(PublicKey::from_der(&spki(&modulus(1024), &[3])).is_ok());
    assert!(PublicKey::from_der(&spki(&modulus(256), &[1, 0xff, 0xff, 0xff, 0xff])).is_ok());
}

#[test]
fn key_sizes_out_of_bounds_are_not_generated() {
    for bits in [0, 1024, 2047, 8193] {
        assert_eq!(
            PrivateKey::generate(bits).expect_err("refused"),
            KeyError::Size { bits }
        );
    }
}

#[test]
fn every_truncation_is_refused() {
    for vector in identities().iter().take(2) {
        let der = vector.bytes("public_key_der");
        let pem = vector.text("private_key_pem").as_bytes();
        assert!((0..der.len()).all(|length| PublicKey::from_der(&der[..length]).is_err()));
        assert!(
            (0..pem.len() - 1).all(|length| PrivateKey::from_pem(&pem[..length], None).is_err())
        );
        assert!(PublicKey::from_der(&[&der[..], b"\0"].concat()).is_err());
    }
}

#[test]
fn numbers_that_do_not_fit_together_are_refused() {
    let der = der_of(&private_key("4.4.2", "alice").to_pem());
    for at in [100, 400, 700, 800] {
        let mut damaged = der.clone();
        damaged[at] ^= 1;
        assert!(PrivateKey::from_der(&damaged).is_err(), "byte {at}");
    }
    assert!(PrivateKey::from_der(&der).is_ok());
}

#[test]
fn keys_and_certificates_can_be_sent_to_other_threads() {
    fn goes<T: Send + Sync + Clone + 'static>() {}
    goes::<PrivateKey>();
    goes::<PublicKey>();
    goes::<bulla_identity::Certificate>();
    goes::<bulla_identity::Identity>();
}

#[test]
fn pem_text_inside_a_number_of_a_key_is_not_read() {
    let pem = private_key("4.4.2", "alice").public_key().to_pem();
    let modulus = [&[0x80], pem.as_bytes(), &[1; 64]].concat();
    let key = PublicKey::from_der(&spki(&modulus, &[1, 0, 1])).expect("an odd key");
    assert_eq!(key.bits(), 8 * modulus.len());
}

#[test]
fn debug_shows_no_secret() {
    let key = private_key("4.4.2", "alice");
    assert_eq!(
        format!("{key:?}"),
        "PrivateKey(of a31041ae06e2438b80f7e1ba34f60438c044c618, elided)"
    );
}

proptest! {
    #[test]
    fn any_change_breaks_a_signature(message in prop::collection::vec(any::<u8>(), 1..200), at: usize, flip in 1u8..) {
        let key = private_key("2.4.12", "bob");
        let signature = key.sign(&message).expect("a signature");
        prop_assert!(key.public_key().verify(&message, &signature));

        let mut damaged = signature.clone();
        damaged[at % signature.len()] ^= flip;
        prop_assert!(!key.public_key().verify(&message, &damaged));
        prop_assert!(!key.public_key().verify(&message, &signature[..at % signature.len()]));

        let mut other = message.clone();
        other[at % message.len()] ^= flip;
        prop_assert!(!key.public_key().verify(&other, &signature));
    }

    #[test]
    fn damaged_public_keys_do_not_panic(at: usize, flip in 1u8..) {
        let mut der = identity_vector("4.4.2", "alice").bytes("public_key_der");
        let length = der.len();
        der[at % length] ^= flip;
        if let Ok(key) = PublicKey::from_der(&der) {
            prop_assert!(!key.verify(b"hello", &[1; 256]));
            let _ = key.encrypt(b"hello");
        }
    }
}

/// Returns the DER of a public key with any numbers (most significant byte first).
fn spki(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let modulus = UintRef::new(modulus).expect("short");
    let public_exponent = UintRef::new(exponent).expect("short");
    let pkcs1 = RsaPublicKeyRef {
        modulus,
        public_exponent,
    }
    .to_der()
    .expect("short");
    let subject_public_key = BitStringRef::from_bytes(&pkcs1).expect("short");
    SubjectPublicKeyInfo {
        algorithm: ALGORITHM_ID,
        subject_public_key,
    }
    .to_der()
    .expect("short")
}

fn der_of(pem: &str) -> Vec<u8> {
    Document::from_pem(pem).expect("PEM").1.to_vec()
}
