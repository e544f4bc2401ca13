use bulla_identity::DecryptError;
use proptest::prelude::*;

use crate::vectors::{crypto, private_key};

/// The length of an RSA block under a key of 2048 bits.
const BLOCK: usize = 256;

#[test]
fn what_opendht_encrypted_is_read() {
    let vectors = crypto("rsa");
    let encrypted: Vec<_> = vectors
        .iter()
        .filter(|vector| vector.has("ciphertext"))
        .collect();
    assert_eq!(encrypted.len(), 16);
    for vector in encrypted {
        let key = private_key(vector.text("made_by"), vector.text("recipient"));
        assert_eq!(
            key.decrypt(&vector.bytes("ciphertext")),
            Ok(vector.bytes("plaintext"))
        );
    }
}

#[test]
fn data_that_fits_makes_one_block_and_more_makes_an_envelope() {
    let key = private_key("4.4.2", "bob");
    for (plaintext, ciphertext) in [
        (0, BLOCK),
        (1, BLOCK),
        (245, BLOCK),
        (246, BLOCK + 28 + 246),
        (5000, BLOCK + 28 + 5000),
    ] {
        let plaintext = vec![7; plaintext];
        let sealed = key.public_key().encrypt(&plaintext).expect("encrypted");
        assert_eq!(sealed.len(), ciphertext);
        assert_eq!(key.decrypt(&sealed), Ok(plaintext));
    }
}

#[test]
fn the_same_plaintext_never_gives_the_same_ciphertext() {
    let key = private_key("4.4.2", "bob").public_key().clone();
    for length in [10, 1000] {
        let plaintext = vec![0; length];
        assert_ne!(key.encrypt(&plaintext), key.encrypt(&plaintext));
    }
}

#[test]
fn any_length_but_a_block_or_an_envelope_is_refused() {
    let key = private_key("4.4.2", "bob");
    let sealed = key.public_key().encrypt(&[1; 300]).expect("encrypted");
    for length in (0..BLOCK).chain(BLOCK + 1..sealed.len()) {
        assert_eq!(
            key.decrypt(&sealed[..length]),
            Err(DecryptError),
            "{length} bytes"
        );
    }
}

#[test]
fn an_envelope_for_another_key_is_refused() {
    let sealed = private_key("4.4.2", "bob")
        .public_key()
        .encrypt(&[1; 300])
        .expect("encrypted");
    assert_eq!(
        private_key("4.4.2", "alice").decrypt(&sealed),
        Err(DecryptError)
    );
}

#[test]
fn a_damaged_single_block_gives_the_same_arbitrary_message_every_time() {
    let key = private_key("4.4.2", "bob");
    let mut block = key.public_key().encrypt(b"one block").expect("encrypted");
    block[BLOCK - 1] ^= 1;
    let message = key.decrypt(&block).expect("rejected without a word");
    assert_ne!(message, b"one block");
    assert_eq!(key.decrypt(&block), Ok(message));
}

#[test]
fn a_block_above_the_modulus_is_refused() {
    assert_eq!(
        private_key("4.4.2", "bob").decrypt(&[0xff; BLOCK]),
        Err(DecryptError)
    );
}

#[test]
fn a_wrapped_key_of_a_length_no_cipher_has_is_refused() {
    let key = private_key("4.4.2", "bob");
    for length in [0, 15, 31, 33, 64] {
        let block = key
            .public_key()
            .encrypt(&vec![0; length])
            .expect("encrypted");
        assert_eq!(
            key.decrypt(&[block, vec![0; 40]].concat()),
            Err(DecryptError)
        );
    }
}

#[test]
fn shorter_wrapped_keys_are_read() {
    let key = private_key("4.4.2", "bob");
    for length in [16, 24] {
        let aes = vec![9; length];
        let block = key.public_key().encrypt(&aes).expect("encrypted");
        let sealed = bulla_identity::encrypt_with_key(&aes, b"hello").expect("encrypted");
        assert_eq!(
            key.decrypt(&[block, sealed].concat()),
            Ok(b"hello".to_vec())
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_change_to_an_envelope_is_refused(at: usize, flip in 1u8..) {
        let key = private_key("2.4.12", "bob");
        let mut sealed = key.public_key().encrypt(&[3; 300]).expect("encrypted");
        let length = sealed.len();
        sealed[at % length] ^= flip;
        prop_assert_eq!(key.decrypt(&sealed), Err(DecryptError));
    }

    #[test]
    fn every_plaintext_comes_back(plaintext in prop::collection::vec(any::<u8>(), 0..700)) {
        let key = private_key("2.4.12", "bob");
        let sealed = key.public_key().encrypt(&plaintext).expect("encrypted");
        prop_assert_eq!(key.decrypt(&sealed), Ok(plaintext));
    }
}
