use bulla_identity::{
    DecryptError, EncryptError, StretchError, decrypt_with_key, decrypt_with_password,
    encrypt_with_key, encrypt_with_password, stretch,
};
use proptest::prelude::*;

use crate::vectors::crypto;

#[test]
fn passwords_stretch_to_what_opendht_stretches_them_to() {
    for vector in crypto("stretch") {
        // The field `length` is that of the result, but in two entries in hex digits.
        let expected = vector.bytes("result");
        let key = stretch(
            vector.text("password"),
            &vector.bytes("salt"),
            expected.len(),
        );
        assert_eq!(
            key.expect("stretched").to_vec(),
            expected,
            "{} bytes",
            expected.len()
        );
    }
}

#[test]
fn what_opendht_encrypted_is_read() {
    for vector in crypto("aes") {
        let plaintext = if vector.has("key") {
            decrypt_with_key(&vector.bytes("key"), &vector.bytes("blob"))
        } else {
            decrypt_with_password(vector.text("password"), &vector.bytes("blob"))
        };
        assert_eq!(
            plaintext,
            Ok(vector.bytes("plaintext")),
            "{}",
            vector.text("what")
        );
    }
}

#[test]
fn a_password_opens_what_it_closed_and_no_other_does() {
    let sealed = encrypt_with_password("secret", b"hello").expect("encrypted");
    assert_eq!(sealed.len(), 16 + 12 + 5 + 16);
    assert_eq!(
        decrypt_with_password("secret", &sealed),
        Ok(b"hello".to_vec())
    );
    assert_eq!(decrypt_with_password("Secret", &sealed), Err(DecryptError));
    assert_eq!(
        decrypt_with_password("secret", &sealed[..15]),
        Err(DecryptError)
    );
}

#[test]
fn wrong_sizes_are_refused() {
    assert_eq!(
        encrypt_with_key(&[0; 17], b"hello"),
        Err(EncryptError::KeyLength(17))
    );
    assert_eq!(encrypt_with_key(&[0; 16], b""), Err(EncryptError::Empty));
    assert_eq!(decrypt_with_key(&[0; 17], &[0; 40]), Err(DecryptError));
    assert_eq!(
        stretch("password", &[0; 7], 16),
        Err(StretchError::SaltTooShort)
    );
    for length in [0, 65] {
        assert_eq!(
            stretch("password", &[0; 16], length),
            Err(StretchError::Length(length))
        );
    }
}

proptest! {
    #[test]
    fn any_change_is_refused(plaintext in prop::collection::vec(any::<u8>(), 1..100), at: usize, flip in 1u8..) {
        for key in [&[5; 16][..], &[5; 24], &[5; 32]] {
            let mut sealed = encrypt_with_key(key, &plaintext).expect("encrypted");
            prop_assert_eq!(decrypt_with_key(key, &sealed), Ok(plaintext.clone()));
            prop_assert_eq!(decrypt_with_key(key, &sealed[..at % sealed.len()]), Err(DecryptError));
            let length = sealed.len();
            sealed[at % length] ^= flip;
            prop_assert_eq!(decrypt_with_key(key, &sealed), Err(DecryptError));
        }
    }
}
