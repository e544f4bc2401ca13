//! RSA private keys: sign, decrypt, and be kept in files.

use std::fmt;
use std::sync::Arc;

use pkcs8::der::Decode;
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::Parameters;
use pkcs8::{EncodePrivateKey, EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef, SecretDocument};
use rsa::RsaPrivateKey;
use rsa::pkcs1::{self, RsaPrivateKeyRef};
use zeroize::Zeroizing;

use crate::backend::{Hash, RsaPrivate};
use crate::error::{DecryptError, KeyError, NoRandomness, SignError};
use crate::public_key::{KEY_BITS, PublicKey};
use crate::{envelope, pem, random};

/// What a password is stretched by when a key is written, as OpenDHT does (PBKDF2-HMAC-SHA-256).
const PBKDF2_ROUNDS: u32 = 600_000;

/// A file that asks for more rounds than this (a second of work) is refused.
const MAX_PBKDF2_ROUNDS: u32 = 5_000_000;

/// An RSA private key of 2048 to 8192 bits.
///
/// A clone costs a counter. The key is wiped from memory when its last clone goes, and `Debug` shows the public id alone.
#[derive(Clone)]
pub struct PrivateKey(Arc<Parsed>);

struct Parsed {
    pkcs8: SecretDocument,
    public: PublicKey,
    rsa: RsaPrivate,
}

impl PrivateKey {
    /// Makes a new key with exponent 65537.
    ///
    /// Takes tens of milliseconds for 2048 bits and half a second for 4096, several times as long with bad luck: keep it off
    /// an event loop.
    ///
    /// # Errors
    /// [`KeyError::Size`] outside of 2048 to 8192 bits, [`KeyError::NoRandomness`].
    pub fn generate(bits: usize) -> Result<Self, KeyError> {
        if !KEY_BITS.contains(&bits) {
            return Err(KeyError::Size { bits });
        }
        let mut rng = random::generator()?;
        let key = RsaPrivateKey::new(&mut rng, bits).map_err(|_| KeyError::Malformed)?;
        let public = key.to_public_key();
        let public =
            pkcs1::EncodeRsaPublicKey::to_pkcs1_der(&public).map_err(|_| KeyError::Malformed)?;
        Self::new(&key, PublicKey::from_pkcs1(public.as_bytes())?)
    }

    /// Reads the first private key in PEM text: PKCS#8 (`PRIVATE KEY`), the same with a password
    /// (`ENCRYPTED PRIVATE KEY`, PBES2), or PKCS#1 (`RSA PRIVATE KEY`). Other blocks are passed over, and so is the password if
    /// the key has none.
    ///
    /// Opening a protected key takes a tenth of a second as commonly written, a second at most.
    ///
    /// # Errors
    /// [`KeyError::PasswordNeeded`], [`KeyError::WrongPassword`] and [`KeyError::UnsupportedProtection`] for protected keys;
    /// else as [`from_der`](Self::from_der).
    pub fn from_pem(pem: impl AsRef<[u8]>, password: Option<&str>) -> Result<Self, KeyError> {
        for block in pem::blocks(pem.as_ref()) {
            let der = || block.decode().ok_or(KeyError::Malformed);
            match block.label {
                pem::PRIVATE_KEY => return Self::from_pkcs8(&der()?),
                pem::RSA_PRIVATE_KEY => return Self::from_pkcs1(&der()?),
                pem::ENCRYPTED_PRIVATE_KEY => {
                    return Self::from_encrypted(
                        &der()?,
                        password.ok_or(KeyError::PasswordNeeded)?,
                    );
                }
                _ => {}
            }
        }
        Err(KeyError::Malformed)
    }

    /// Reads a DER private key: PKCS#8 or PKCS#1, not protected.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] if it is neither, or its numbers do not fit together; [`KeyError::NotRsa`] for another kind of
    /// key; [`KeyError::Size`] and [`KeyError::Exponent`] for RSA keys out of bounds.
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        match Self::from_pkcs8(der) {
            Err(KeyError::Malformed) => Self::from_pkcs1(der),
            other => other,
        }
    }

    fn from_encrypted(der: &[u8], password: &str) -> Result<Self, KeyError> {
        let protected = EncryptedPrivateKeyInfoRef::from_der(der)
            .map_err(|_| KeyError::UnsupportedProtection)?;
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
            pkcs8::Error::EncryptedPrivateKey(pkcs8::pkcs5::Error::UnsupportedAlgorithm {
                ..
            }) => KeyError::UnsupportedProtection,
            _ => KeyError::WrongPassword,
        })?;
        Self::from_pkcs8(key.as_bytes())
    }

    fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let info = PrivateKeyInfoRef::from_der(der).map_err(|_| KeyError::Malformed)?;
        if info.algorithm.oid != pkcs1::ALGORITHM_OID {
            return Err(KeyError::NotRsa);
        }
        Self::from_pkcs1(info.private_key.as_bytes())
    }

    fn from_pkcs1(der: &[u8]) -> Result<Self, KeyError> {
        let numbers = RsaPrivateKeyRef::from_der(der).map_err(|_| KeyError::Malformed)?;
        let public = der::Encode::to_der(&numbers.public_key()).map_err(|_| KeyError::Malformed)?;
        let public = PublicKey::from_pkcs1(&public)?;
        Self::new(
            &RsaPrivateKey::try_from(numbers).map_err(|_| KeyError::Malformed)?,
            public,
        )
    }

    fn new(key: &RsaPrivateKey, public: PublicKey) -> Result<Self, KeyError> {
        let pkcs8 = key.to_pkcs8_der().map_err(|_| KeyError::Malformed)?;
        let rsa = RsaPrivate::from_pkcs8(pkcs8.as_bytes()).ok_or(KeyError::Malformed)?;
        Ok(Self(Arc::new(Parsed { pkcs8, public, rsa })))
    }

    /// Returns the PEM text (`PRIVATE KEY`, PKCS#8). Anyone who reads it has the key.
    pub fn to_pem(&self) -> Zeroizing<String> {
        pem::encode_secret(pem::PRIVATE_KEY, &self.0.pkcs8)
    }

    /// Returns the PEM text protected by a password (`ENCRYPTED PRIVATE KEY`: PBES2 with PBKDF2-HMAC-SHA-256, 600,000 rounds,
    /// and AES-256-CBC, which OpenDHT, OpenSSL and GnuTLS read). Takes about a tenth of a second.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn to_encrypted_pem(&self, password: &str) -> Result<String, NoRandomness> {
        let (salt, iv) = (random::bytes()?, random::bytes()?);
        let protected = protect(&self.0.pkcs8, password, &salt, *iv);
        Ok(pem::encode(
            pem::ENCRYPTED_PRIVATE_KEY,
            protected.as_bytes(),
        ))
    }

    /// Returns the public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.0.public
    }

    /// Signs `message` as values are signed: RSASSA-PKCS1-v1_5 with SHA-512. The same message gives the same signature, as long
    /// as the modulus.
    ///
    /// # Errors
    /// [`SignError`] if the key does not work.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.sign_with(Hash::Sha512, message)
    }

    /// Decrypts what was [encrypted](PublicKey::encrypt) for the public half.
    ///
    /// A damaged ciphertext longer than one block always fails. One of exactly a block carries no proof of being whole: if
    /// damaged it yields an arbitrary message, so check what is inside.
    ///
    /// # Errors
    /// [`DecryptError`], which never says why.
    pub fn decrypt(&self, ciphertext: &[u8]) -> Result<Vec<u8>, DecryptError> {
        envelope::open(self, ciphertext)
    }

    pub(crate) fn sign_with(&self, hash: Hash, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.0.rsa.sign(hash, message).ok_or(SignError)
    }

    pub(crate) fn rsa(&self) -> &RsaPrivate {
        &self.0.rsa
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey(of {}, elided)", self.public_key().id())
    }
}

fn protect(
    pkcs8: &SecretDocument,
    password: &str,
    salt: &[u8; 16],
    iv: [u8; 16],
) -> SecretDocument {
    Parameters::generate_pbkdf2_sha256_aes256cbc(PBKDF2_ROUNDS, salt, iv)
        .map_err(pkcs8::Error::from)
        .and_then(|parameters| {
            PrivateKeyInfoRef::from_der(pkcs8.as_bytes())?.encrypt_with_params(parameters, password)
        })
        .expect("these parameters are in range, and the key is one of our own encoding")
}
