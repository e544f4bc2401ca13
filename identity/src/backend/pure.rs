//! The portable back-end: everything by the pure-Rust `rsa`, which blinds private operations and rejects implicitly.

use rsa::pkcs8::{DecodePrivateKey, DecodePublicKey};
use rsa::{Pkcs1v15Encrypt, Pkcs1v15Sign, RsaPrivateKey, RsaPublicKey};
use sha2::{Digest, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use super::Hash;
use crate::random;

pub(crate) struct RsaPublic(RsaPublicKey);

impl RsaPublic {
    /// Takes a key as DER `SubjectPublicKeyInfo`.
    pub(crate) fn from_spki(spki: &[u8]) -> Option<Self> {
        RsaPublicKey::from_public_key_der(spki).ok().map(Self)
    }

    pub(crate) fn verify(&self, hash: Hash, message: &[u8], signature: &[u8]) -> bool {
        let (scheme, digest) = padded(hash, message);
        self.0.verify(scheme, &digest, signature).is_ok()
    }

    /// Encrypts at most a block less its padding; returns a block.
    pub(crate) fn encrypt_block(&self, plaintext: &[u8]) -> Option<Vec<u8>> {
        let mut rng = random::generator().ok()?;
        self.0.encrypt(&mut rng, Pkcs1v15Encrypt, plaintext).ok()
    }
}

pub(crate) struct RsaPrivate(RsaPrivateKey);

impl RsaPrivate {
    /// Takes a key as DER PKCS#8 `PrivateKeyInfo`.
    pub(crate) fn from_pkcs8(pkcs8: &[u8]) -> Option<Self> {
        RsaPrivateKey::from_pkcs8_der(pkcs8).ok().map(Self)
    }

    pub(crate) fn sign(&self, hash: Hash, message: &[u8]) -> Option<Vec<u8>> {
        let (scheme, digest) = padded(hash, message);
        self.0.sign(scheme, &digest).ok()
    }

    /// Decrypts one block that is below the modulus; rejects implicitly.
    pub(crate) fn decrypt_block(&self, block: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.0
            .decrypt(Pkcs1v15Encrypt, block)
            .ok()
            .map(Zeroizing::new)
    }
}

fn padded(hash: Hash, message: &[u8]) -> (Pkcs1v15Sign, Vec<u8>) {
    match hash {
        Hash::Sha256 => (
            Pkcs1v15Sign::new::<Sha256>(),
            Sha256::digest(message).to_vec(),
        ),
        Hash::Sha384 => (
            Pkcs1v15Sign::new::<Sha384>(),
            Sha384::digest(message).to_vec(),
        ),
        Hash::Sha512 => (
            Pkcs1v15Sign::new::<Sha512>(),
            Sha512::digest(message).to_vec(),
        ),
    }
}
