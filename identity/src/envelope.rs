//! Encryption to a public key, hybrid when the data does not fit in one RSA block.
//!
//! ```text
//! up to k - 11 bytes:  RSAES-PKCS1-v1_5(plaintext)                                       k bytes
//! more:                RSAES-PKCS1-v1_5(AES key)  | IV 12 | AES-GCM ciphertext | tag 16   k + 28 + plaintext
//! ```
//!
//! where k is the length of the modulus. On opening, a block with wrong padding behaves like one that carried some other key: the
//! AES-GCM tag is what fails, on one path and with one error. A ciphertext of a single block has no tag, so what comes out of a
//! damaged one is an arbitrary message: whoever uses that form checks what is inside.

use zeroize::Zeroizing;

use crate::backend::PADDING;
use crate::error::{DecryptError, EncryptError};
use crate::private_key::PrivateKey;
use crate::public_key::PublicKey;
use crate::{random, symmetric};

pub(crate) fn seal(recipient: &PublicKey, plaintext: &[u8]) -> Result<Vec<u8>, EncryptError> {
    let block = |message: &[u8]| {
        recipient
            .rsa()
            .encrypt_block(message)
            .ok_or(EncryptError::Refused)
    };
    if plaintext.len() <= recipient.modulus().len() - PADDING {
        return block(plaintext);
    }
    let key = random::bytes::<32>()?;
    let mut envelope = block(&*key)?;
    envelope.extend(symmetric::encrypt_with_key(&*key, plaintext)?);
    Ok(envelope)
}

pub(crate) fn open(recipient: &PrivateKey, envelope: &[u8]) -> Result<Vec<u8>, DecryptError> {
    let modulus = recipient.public_key().modulus();
    let (block, sealed) = envelope
        .split_at_checked(modulus.len())
        .ok_or(DecryptError)?;
    // Everybody knows the modulus: refusing here tells nothing.
    if block >= modulus {
        return Err(DecryptError);
    }
    let message = recipient.rsa().decrypt_block(block).ok_or(DecryptError)?;
    if sealed.is_empty() {
        return Ok(message.to_vec());
    }
    let stand_in = random::bytes::<32>().map_err(|_| DecryptError)?;
    let key: Zeroizing<Vec<u8>> = match message.len() {
        16 | 24 | 32 => message,
        _ => Zeroizing::new(stand_in.to_vec()),
    };
    symmetric::decrypt_with_key(&key, sealed)
}
