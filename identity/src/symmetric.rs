//! Authenticated encryption with a key or a password: AES-GCM, the password stretched by Argon2i.
//!
//! ```text
//! with a key:       IV 12 | ciphertext | tag 16
//! with a password:  salt 16 | IV 12 | ciphertext | tag 16
//! ```

use aes_gcm::aead::consts::U12;
use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::aes::Aes192;
use aes_gcm::{Aes128Gcm, Aes256Gcm, AesGcm, Nonce, Tag};
use argon2::{Algorithm, Argon2, Params, Version};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use zeroize::Zeroizing;

use crate::error::{DecryptError, EncryptError, StretchError};
use crate::random;

const NONCE: usize = 12;
const TAG: usize = 16;
const SALT: usize = 16;

/// Encrypts `plaintext` with a key of 16, 24 or 32 bytes, under a random IV.
///
/// # Errors
/// [`EncryptError::KeyLength`]; [`EncryptError::Empty`] for an empty plaintext, which no
/// implementation decrypts; [`EncryptError::Refused`] for more than 64 GiB;
/// [`EncryptError::NoRandomness`].
pub fn encrypt_with_key(key: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, EncryptError> {
    encrypt_after(Vec::new(), key, plaintext)
}

/// Encrypts like [`encrypt_with_key`] and appends the result to `prefix`.
pub(crate) fn encrypt_after(
    prefix: Vec<u8>,
    key: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, EncryptError> {
    if plaintext.is_empty() {
        return Err(EncryptError::Empty);
    }
    let cipher = Cipher::new(key).ok_or(EncryptError::KeyLength(key.len()))?;
    let nonce = random::bytes::<NONCE>()?;
    let mut sealed = prefix;
    sealed.reserve_exact(NONCE + plaintext.len() + TAG);
    sealed.extend(&*nonce);
    let start = sealed.len();
    sealed.extend(plaintext);
    let tag = cipher
        .encrypt(&nonce, &mut sealed[start..])
        .ok_or(EncryptError::Refused)?;
    sealed.extend(tag);
    Ok(sealed)
}

/// Decrypts what [`encrypt_with_key`] made.
///
/// # Errors
/// [`DecryptError`] if the key is another one, or anything was changed.
pub fn decrypt_with_key(key: &[u8], sealed: &[u8]) -> Result<Vec<u8>, DecryptError> {
    let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE>().ok_or(DecryptError)?;
    let (ciphertext, tag) = ciphertext.split_last_chunk::<TAG>().ok_or(DecryptError)?;
    if ciphertext.is_empty() {
        return Err(DecryptError);
    }
    let mut plaintext = ciphertext.to_vec();
    Cipher::new(key)
        .and_then(|cipher| cipher.decrypt(nonce, &mut plaintext, tag))
        .ok_or(DecryptError)?;
    Ok(plaintext)
}

/// Encrypts `plaintext` with a password, under a random salt and IV. Takes 64 MiB of memory and a
/// noticeable time.
///
/// # Errors
/// Those of [`encrypt_with_key`] and [`stretch`].
pub fn encrypt_with_password(password: &str, plaintext: &[u8]) -> Result<Vec<u8>, EncryptError> {
    encrypt_with_salted_password(password, *random::bytes::<SALT>()?, plaintext)
}

/// Encrypts like [`encrypt_with_password`], with a salt that is given: for many plaintexts under
/// one password the same salt can do, as the IV is random. OpenDHT 4.x offers the same.
///
/// A caller that keeps the key of `stretch(password, salt, 32)` can read and write the rest by
/// [`decrypt_with_key`] and [`encrypt_with_key`], and need not stretch again: the salt is the first
/// 16 bytes.
///
/// Differs: OpenDHT writes salts of any length, but reads those of 16 bytes alone.
///
/// # Errors
/// Those of [`encrypt_with_key`] and [`stretch`].
pub fn encrypt_with_salted_password(
    password: &str,
    salt: [u8; 16],
    plaintext: &[u8],
) -> Result<Vec<u8>, EncryptError> {
    let key = stretch(password, &salt, 32)?;
    encrypt_after(salt.to_vec(), &key, plaintext)
}

/// Decrypts what [`encrypt_with_password`] made. Takes 64 MiB of memory and a noticeable time.
///
/// # Errors
/// [`DecryptError`] if the password is another one, or anything was changed.
pub fn decrypt_with_password(password: &str, sealed: &[u8]) -> Result<Vec<u8>, DecryptError> {
    let (salt, sealed) = sealed.split_first_chunk::<SALT>().ok_or(DecryptError)?;
    let key = stretch(password, salt, 32).map_err(|_| DecryptError)?;
    decrypt_with_key(&key, sealed)
}

/// Turns a password into `length` (1 to 64) bytes of key: Argon2i (16 passes over 64 MiB), then the
/// first bytes of SHA-1, SHA-256 or SHA-512 of that, whichever is long enough.
///
/// # Errors
/// [`StretchError::Length`], [`StretchError::SaltTooShort`] below 8 bytes,
/// [`StretchError::Refused`] without the memory.
pub fn stretch(
    password: &str,
    salt: &[u8],
    length: usize,
) -> Result<Zeroizing<Vec<u8>>, StretchError> {
    if !(1..=64).contains(&length) {
        return Err(StretchError::Length(length));
    }
    let parameters = Params::new(64 * 1024, 16, 1, Some(32)).map_err(|_| StretchError::Refused)?;
    let argon2 = Argon2::new(Algorithm::Argon2i, Version::V0x13, parameters);
    let mut hard = Zeroizing::new([0; 32]);
    argon2
        .hash_password_into(password.as_bytes(), salt, &mut *hard)
        .map_err(|error| match error {
            argon2::Error::SaltTooShort => StretchError::SaltTooShort,
            _ => StretchError::Refused,
        })?;
    let mut key = Zeroizing::new(match length {
        ..=20 => Sha1::digest(*hard).to_vec(),
        21..=32 => Sha256::digest(*hard).to_vec(),
        33.. => Sha512::digest(*hard).to_vec(),
    });
    key.truncate(length);
    Ok(key)
}

/// AES-GCM, by the length of the key.
enum Cipher {
    Aes128(Aes128Gcm),
    Aes192(AesGcm<Aes192, U12>),
    Aes256(Aes256Gcm),
}

impl Cipher {
    fn new(key: &[u8]) -> Option<Self> {
        match key.len() {
            16 => Aes128Gcm::new_from_slice(key).ok().map(Self::Aes128),
            24 => AesGcm::new_from_slice(key).ok().map(Self::Aes192),
            32 => Aes256Gcm::new_from_slice(key).ok().map(Self::Aes256),
            _ => None,
        }
    }

    /// Encrypts in place and returns the tag.
    fn encrypt(&self, nonce: &[u8; NONCE], buffer: &mut [u8]) -> Option<[u8; TAG]> {
        let nonce = Nonce::from(*nonce);
        let buffer = buffer.into();
        match self {
            Self::Aes128(cipher) => cipher.encrypt_inout_detached(&nonce, &[], buffer),
            Self::Aes192(cipher) => cipher.encrypt_inout_detached(&nonce, &[], buffer),
            Self::Aes256(cipher) => cipher.encrypt_inout_detached(&nonce, &[], buffer),
        }
        .ok()
        .map(Into::into)
    }

    /// Decrypts in place, after the tag has been found right.
    fn decrypt(&self, nonce: &[u8; NONCE], buffer: &mut [u8], tag: &[u8; TAG]) -> Option<()> {
        let (nonce, tag) = (Nonce::from(*nonce), Tag::from(*tag));
        let buffer = buffer.into();
        match self {
            Self::Aes128(cipher) => cipher.decrypt_inout_detached(&nonce, &[], buffer, &tag),
            Self::Aes192(cipher) => cipher.decrypt_inout_detached(&nonce, &[], buffer, &tag),
            Self::Aes256(cipher) => cipher.decrypt_inout_detached(&nonce, &[], buffer, &tag),
        }
        .ok()
    }
}
