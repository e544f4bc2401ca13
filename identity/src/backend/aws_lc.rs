//! The fast back-end: constant-time RSA by aws-lc-rs.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{
    KeyPair, Pkcs1PrivateDecryptingKey, Pkcs1PublicEncryptingKey, PrivateDecryptingKey,
    PublicEncryptingKey,
};
use aws_lc_rs::signature::{self, ParsedPublicKey, RsaEncoding, RsaParameters, UnparsedPublicKey};
use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

use super::{Hash, PADDING};

pub(crate) struct RsaPublic {
    spki: Vec<u8>,
    /// Values are what is verified by the thousand, and they always use SHA-512: its key stays parsed.
    sha512: ParsedPublicKey,
}

impl RsaPublic {
    /// Takes a key as DER `SubjectPublicKeyInfo`.
    pub(crate) fn from_spki(spki: &[u8]) -> Option<Self> {
        let sha512 = ParsedPublicKey::new(verification(Hash::Sha512), spki).ok()?;
        Some(Self {
            spki: spki.to_vec(),
            sha512,
        })
    }

    pub(crate) fn verify(&self, hash: Hash, message: &[u8], signature: &[u8]) -> bool {
        match hash {
            Hash::Sha512 => self.sha512.verify_sig(message, signature),
            Hash::Sha256 | Hash::Sha384 => {
                UnparsedPublicKey::new(verification(hash), &self.spki).verify(message, signature)
            }
        }
        .is_ok()
    }

    /// Encrypts at most a block less its padding; returns a block.
    pub(crate) fn encrypt_block(&self, plaintext: &[u8]) -> Option<Vec<u8>> {
        let key = PublicEncryptingKey::from_der(&self.spki)
            .and_then(|key| Ok(Pkcs1PublicEncryptingKey::new(key)?));
        let key = key.ok()?;
        let mut block = vec![0; key.ciphertext_size()];
        let written = key.encrypt(plaintext, &mut block).ok()?.len();
        (written == block.len()).then_some(block)
    }
}

pub(crate) struct RsaPrivate {
    signing: KeyPair,
    decrypting: Pkcs1PrivateDecryptingKey,
    /// Where the messages of rejected blocks come from.
    rejection: Zeroizing<[u8; 64]>,
}

impl RsaPrivate {
    /// Takes a key as DER PKCS#8 `PrivateKeyInfo`.
    pub(crate) fn from_pkcs8(pkcs8: &[u8]) -> Option<Self> {
        Some(Self {
            signing: KeyPair::from_pkcs8(pkcs8).ok()?,
            decrypting: Pkcs1PrivateDecryptingKey::new(
                PrivateDecryptingKey::from_pkcs8(pkcs8).ok()?,
            )
            .ok()?,
            rejection: Zeroizing::new(
                Sha512::new()
                    .chain_update(b"implicit rejection")
                    .chain_update(pkcs8)
                    .finalize()
                    .into(),
            ),
        })
    }

    pub(crate) fn sign(&self, hash: Hash, message: &[u8]) -> Option<Vec<u8>> {
        let encoding: &'static dyn RsaEncoding = match hash {
            Hash::Sha256 => &signature::RSA_PKCS1_SHA256,
            Hash::Sha384 => &signature::RSA_PKCS1_SHA384,
            Hash::Sha512 => &signature::RSA_PKCS1_SHA512,
        };
        let mut signature = vec![0; self.signing.public_modulus_len()];
        self.signing
            .sign(encoding, &SystemRandom::new(), message, &mut signature)
            .ok()?;
        Some(signature)
    }

    /// Decrypts one block that is below the modulus; rejects implicitly.
    pub(crate) fn decrypt_block(&self, block: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        // Made in any case, so that a wrong block costs no more time than a right one.
        let mut message = self.rejected(block)?;
        let mut buffer = Zeroizing::new(vec![0; self.decrypting.min_output_size()]);
        if let Ok(plaintext) = self.decrypting.decrypt(block, &mut buffer) {
            message = Zeroizing::new(plaintext.to_vec());
        }
        Some(message)
    }

    /// Returns what a block with wrong padding decrypts to: a message of any length, always the same for the same block.
    fn rejected(&self, block: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let longest = block.len().checked_sub(PADDING)?;
        let stream = |counter: u8| {
            Sha512::new()
                .chain_update(*self.rejection)
                .chain_update(block)
                .chain_update([counter])
                .finalize()
        };
        let first = stream(0);
        let length = usize::from(u16::from_be_bytes([first[0], first[1]])) % (longest + 1);
        Some(Zeroizing::new(
            (1..).flat_map(stream).take(length).collect(),
        ))
    }
}

fn verification(hash: Hash) -> &'static RsaParameters {
    match hash {
        Hash::Sha256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Hash::Sha384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Hash::Sha512 => &signature::RSA_PKCS1_2048_8192_SHA512,
    }
}
