//! Private keys under a password: encrypted PKCS#8 (RFC 5958, with PBES2 of RFC 8018).

use pkcs8::der::Decode;
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::Parameters;
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef, SecretDocument};

use crate::error::KeyError;
use crate::random::{self, NoRandomness};

/// The rounds of PBKDF2-HMAC-SHA-256 when a key is written, as many as OpenDHT makes.
const PBKDF2_ROUNDS: u32 = 600_000;

/// A file that asks for more rounds than this (a second of work) is refused.
const MAX_PBKDF2_ROUNDS: u32 = 5_000_000;

/// Opens a DER `EncryptedPrivateKeyInfo`: PBKDF2 with HMAC of SHA-1 or SHA-2, and AES or triple DES
/// in CBC mode.
pub(crate) fn open(der: &[u8], password: &str) -> Result<SecretDocument, KeyError> {
    let protected =
        EncryptedPrivateKeyInfoRef::from_der(der).map_err(|_| KeyError::UnsupportedProtection)?;
    let rounds = match &protected.encryption_algorithm {
        EncryptionScheme::Pbes2(parameters) => {
            parameters.kdf.pbkdf2().map(|pbkdf2| pbkdf2.iteration_count)
        }
        _ => None,
    };
    if !rounds.is_some_and(|rounds| (1..=MAX_PBKDF2_ROUNDS).contains(&rounds)) {
        return Err(KeyError::UnsupportedProtection);
    }
    let key = protected.decrypt(password).map_err(|error| match error {
        pkcs8::Error::EncryptedPrivateKey(pkcs8::pkcs5::Error::UnsupportedAlgorithm { .. }) => {
            KeyError::UnsupportedProtection
        }
        _ => KeyError::WrongPassword,
    })?;
    // One wrong password in 256 leaves a padding that looks right.
    match PrivateKeyInfoRef::from_der(key.as_bytes()) {
        Ok(_) => Ok(key),
        Err(_) => Err(KeyError::WrongPassword),
    }
}

/// Protects a DER `PrivateKeyInfo` of our own encoding: 600,000 rounds of PBKDF2-HMAC-SHA-256, and
/// AES-256-CBC.
pub(crate) fn seal(pkcs8: &SecretDocument, password: &str) -> Result<SecretDocument, NoRandomness> {
    let (salt, iv) = (random::bytes::<16>()?, random::bytes::<16>()?);
    Ok(
        Parameters::generate_pbkdf2_sha256_aes256cbc(PBKDF2_ROUNDS, &*salt, *iv)
            .map_err(pkcs8::Error::from)
            .and_then(|parameters| {
                PrivateKeyInfoRef::from_der(pkcs8.as_bytes())?
                    .encrypt_with_params(parameters, password)
            })
            .expect("these parameters are in range, and the key is one of our own encoding"),
    )
}
