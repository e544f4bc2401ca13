//! The portable back-end: everything by the pure-Rust `rsa`, which blinds private operations and
//! rejects implicitly.

use rsa::pkcs8::{DecodePrivateKey, DecodePublicKey};
use rsa::{Oaep, Pkcs1v15Encrypt, Pkcs1v15Sign, RsaPrivateKey, RsaPublicKey};
use sha2::{Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use super::{Hash, Padding};
use crate::random;

pub(crate) struct RsaPublic {
    key: RsaPublicKey,
    padding: Padding,
}

impl RsaPublic {
    /// Takes a key as DER `SubjectPublicKeyInfo`.
    pub(crate) fn from_spki(padding: Padding, spki: &[u8]) -> Option<Self> {
        let key = RsaPublicKey::from_public_key_der(spki).ok()?;
        Some(Self { key, padding })
    }

    pub(crate) fn verify(&self, hash: Hash, message: &[u8], signature: &[u8]) -> bool {
        let verdict = self
            .key
            .verify(scheme(hash), &hash.digest(message), signature);
        verdict.is_ok()
    }

    /// Encrypts at most a block less its padding; returns a block.
    pub(crate) fn encrypt_block(&self, plaintext: &[u8]) -> Option<Vec<u8>> {
        let mut rng = random::generator().ok()?;
        match self.padding {
            Padding::Pkcs1 => self.key.encrypt(&mut rng, Pkcs1v15Encrypt, plaintext),
            Padding::Oaep => self.key.encrypt(&mut rng, Oaep::<Sha256>::new(), plaintext),
        }
        .ok()
    }
}

pub(crate) struct RsaPrivate {
    key: RsaPrivateKey,
    padding: Padding,
}

impl RsaPrivate {
    /// Takes a key as DER PKCS#8 `PrivateKeyInfo`.
    pub(crate) fn from_pkcs8(padding: Padding, pkcs8: &[u8]) -> Option<Self> {
        let key = RsaPrivateKey::from_pkcs8_der(pkcs8).ok()?;
        Some(Self { key, padding })
    }

    pub(crate) fn sign(&self, hash: Hash, message: &[u8]) -> Option<Vec<u8>> {
        self.key.sign(scheme(hash), &hash.digest(message)).ok()
    }

    /// Decrypts one block that is below the modulus.
    pub(crate) fn decrypt_block(&self, block: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        match self.padding {
            Padding::Pkcs1 => self.key.decrypt(Pkcs1v15Encrypt, block),
            Padding::Oaep => self.key.decrypt(Oaep::<Sha256>::new(), block),
        }
        .ok()
        .map(Zeroizing::new)
    }
}

fn scheme(hash: Hash) -> Pkcs1v15Sign {
    match hash {
        Hash::Sha256 => Pkcs1v15Sign::new::<Sha256>(),
        Hash::Sha384 => Pkcs1v15Sign::new::<Sha384>(),
        Hash::Sha512 => Pkcs1v15Sign::new::<Sha512>(),
    }
}
