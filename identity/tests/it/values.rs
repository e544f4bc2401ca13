//! The keys and certificates of this crate on whole values of the DHT.

use bulla_identity::PublicKey;

use crate::vectors::{VERSIONS, identity_vector, private_key, value};

#[test]
fn signed_values_of_opendht_verify_and_altered_ones_do_not() {
    for version in VERSIONS {
        for (name, signer) in [
            ("signed_alice", "alice"),
            ("signed_alice_to_bob", "alice"),
            ("signed_carol4096", "carol"),
        ] {
            let packed = value(version, name);
            let (body, signature) = body_and_signature(&packed);
            let key = owner(version, signer);
            assert!(key.verify(body, signature), "{name} of {version}");
            assert!(!key.verify(&body[..body.len() - 1], signature));
        }
        for part in ["data", "sig", "seq"] {
            let packed = value(version, &format!("signed_alice, one bit changed in {part}"));
            let (body, signature) = body_and_signature(&packed);
            assert!(!owner(version, "alice").verify(body, signature), "{part}");
        }
    }
}

#[test]
fn encrypted_values_of_opendht_open_and_carry_a_valid_signature() {
    for version in VERSIONS {
        for (name, sender, recipient) in [
            ("enc_alice_to_bob", "alice", "bob"),
            ("enc_bob_to_carol4096_3000", "bob", "carol"),
        ] {
            let packed = value(version, name);
            let opened = private_key(version, recipient)
                .decrypt(bin_after(&packed, b"\xa3dat"))
                .expect("decrypted");
            let (body, signature) = body_and_signature(&opened);
            assert!(
                owner(version, sender).verify(body, signature),
                "{name} of {version}"
            );
        }
    }
}

fn owner(version: &str, name: &str) -> PublicKey {
    PublicKey::from_der(&identity_vector(version, name).bytes("public_key_der")).expect("a key")
}

/// Cuts a packed value: what lies between the keys `body` and `sig`, and the binary after `sig`.
fn body_and_signature(packed: &[u8]) -> (&[u8], &[u8]) {
    let body = after(packed, b"\xa4body");
    let end = body
        .windows(4)
        .rposition(|window| window == b"\xa3sig")
        .expect("a signature");
    (&body[..end], bin_after(&body[end..], b"\xa3sig"))
}

/// Returns the msgpack binary (16-bit length) that follows `key`.
fn bin_after<'a>(packed: &'a [u8], key: &[u8]) -> &'a [u8] {
    let bin = after(packed, key);
    assert_eq!(bin[0], 0xc5);
    let length = usize::from(u16::from_be_bytes([bin[1], bin[2]]));
    &bin[3..3 + length]
}

fn after<'a>(packed: &'a [u8], key: &[u8]) -> &'a [u8] {
    let at = packed
        .windows(key.len())
        .position(|window| window == key)
        .expect("the key");
    &packed[at + key.len()..]
}
