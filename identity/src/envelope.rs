//! Encryption to a public key, hybrid when the data does not fit in one RSA block.
//!
//! ```text
//! up to k - 11 bytes: RSAES-PKCS1-v1_5(plaintext)
//! more:               RSAES-PKCS1-v1_5(AES key) | IV 12 | AES-GCM ciphertext | tag 16
//! ```
//!
//! where k is the length of the modulus, and so of a block. The longer form has k + 28 bytes more
//! than the plaintext. A key for RSA-OAEP pads by that instead, and takes up to k - 66 bytes in a
//! block. On opening, a block with wrong padding behaves like one that carried some other key: the
//! AES-GCM tag is what fails, on one path and with one error. A ciphertext of a single block has no
//! tag, so what comes out of a damaged one is an arbitrary message: callers that use this form
//! check what is inside.

use crate::backend::RsaPrivate;
use crate::error::{DecryptError, EncryptError};
use crate::rsa_key::RsaNumbers;
use crate::{random, symmetric};

/// Encrypts `plaintext` to the key `recipient`.
pub(crate) fn seal(recipient: &RsaNumbers, plaintext: &[u8]) -> Result<Vec<u8>, EncryptError> {
    let block = |message: &[u8]| {
        let block = recipient.key.encrypt_block(message);
        block.ok_or(EncryptError::Refused)
    };
    if plaintext.len() <= recipient.modulus.len() - recipient.padding.overhead() {
        return block(plaintext);
    }
    let key = random::bytes::<32>()?;
    symmetric::encrypt_after(block(&*key)?, &*key, plaintext)
}

/// Decrypts with the key `recipient`, which has this modulus.
pub(crate) fn open(
    recipient: &RsaPrivate,
    modulus: &[u8],
    envelope: &[u8],
) -> Result<Vec<u8>, DecryptError> {
    let (block, sealed) = envelope
        .split_at_checked(modulus.len())
        .ok_or(DecryptError)?;
    // The modulus is public: a refusal here tells nothing.
    if block >= modulus {
        return Err(DecryptError);
    }
    let message = recipient.decrypt_block(block);
    if sealed.is_empty() {
        return message.map(|message| message.to_vec()).ok_or(DecryptError);
    }
    let stand_in = random::bytes::<32>().map_err(|_| DecryptError)?;
    let key = match message.as_deref() {
        Some(key) if matches!(key.len(), 16 | 24 | 32) => key.as_slice(),
        _ => &stand_in[..],
    };
    symmetric::decrypt_with_key(key, sealed)
}
