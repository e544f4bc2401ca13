//! The fast back-end: constant-time RSA by aws-lc-rs.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{
    KeyPair, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey,
    Pkcs1PrivateDecryptingKey, Pkcs1PublicEncryptingKey, PrivateDecryptingKey, PublicEncryptingKey,
};
use aws_lc_rs::signature::{self, ParsedPublicKey, RsaEncoding, RsaParameters, UnparsedPublicKey};
use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

use super::{Hash, Padding};

pub(crate) struct RsaPublic {
    spki: Vec<u8>,
    encrypting: Encrypting,
    /// Most of what is verified are values, which always use SHA-512: the key for that stays
    /// parsed.
    sha512: ParsedPublicKey,
}

impl RsaPublic {
    /// Takes a key as DER `SubjectPublicKeyInfo`.
    pub(crate) fn from_spki(padding: Padding, spki: &[u8]) -> Option<Self> {
        let key = PublicEncryptingKey::from_der(spki).ok()?;
        Some(Self {
            spki: spki.to_vec(),
            encrypting: match padding {
                Padding::Pkcs1 => Encrypting::Pkcs1(Pkcs1PublicEncryptingKey::new(key).ok()?),
                Padding::Oaep => Encrypting::Oaep(OaepPublicEncryptingKey::new(key).ok()?),
            },
            sha512: ParsedPublicKey::new(verification(Hash::Sha512), spki).ok()?,
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
        let mut block;
        let written = match &self.encrypting {
            Encrypting::Pkcs1(key) => {
                block = vec![0; key.ciphertext_size()];
                key.encrypt(plaintext, &mut block)
            }
            Encrypting::Oaep(key) => {
                block = vec![0; key.ciphertext_size()];
                key.encrypt(&OAEP_SHA256_MGF1SHA256, plaintext, &mut block, None)
            }
        };
        let written = written.ok()?.len();
        (written == block.len()).then_some(block)
    }
}

enum Encrypting {
    Pkcs1(Pkcs1PublicEncryptingKey),
    Oaep(OaepPublicEncryptingKey),
}

pub(crate) struct RsaPrivate {
    signing: KeyPair,
    decrypting: Decrypting,
}

enum Decrypting {
    Pkcs1 {
        key: Pkcs1PrivateDecryptingKey,
        /// Where the messages of rejected blocks come from.
        rejection: Zeroizing<[u8; 64]>,
    },
    Oaep(OaepPrivateDecryptingKey),
}

impl RsaPrivate {
    /// Takes a key as DER PKCS#8 `PrivateKeyInfo`.
    pub(crate) fn from_pkcs8(padding: Padding, pkcs8: &[u8]) -> Option<Self> {
        let key = PrivateDecryptingKey::from_pkcs8(pkcs8).ok()?;
        Some(Self {
            signing: KeyPair::from_pkcs8(pkcs8).ok()?,
            decrypting: match padding {
                Padding::Pkcs1 => Decrypting::Pkcs1 {
                    key: Pkcs1PrivateDecryptingKey::new(key).ok()?,
                    rejection: Zeroizing::new(
                        Sha512::new()
                            .chain_update(b"implicit rejection")
                            .chain_update(pkcs8)
                            .finalize()
                            .into(),
                    ),
                },
                Padding::Oaep => Decrypting::Oaep(OaepPrivateDecryptingKey::new(key).ok()?),
            },
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

    /// Decrypts one block that is below the modulus.
    pub(crate) fn decrypt_block(&self, block: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let mut buffer = Zeroizing::new(vec![0; block.len()]);
        match &self.decrypting {
            Decrypting::Pkcs1 { key, rejection } => {
                // Made in any case, so that a wrong block costs no more time than a right one.
                let mut message = rejected(rejection, block)?;
                if let Ok(plaintext) = key.decrypt(block, &mut buffer) {
                    message = Zeroizing::new(plaintext.to_vec());
                }
                Some(message)
            }
            Decrypting::Oaep(key) => {
                let plaintext = key.decrypt(&OAEP_SHA256_MGF1SHA256, block, &mut buffer, None);
                Some(Zeroizing::new(plaintext.ok()?.to_vec()))
            }
        }
    }
}

/// Returns what a block with wrong padding decrypts to: a message of any length, always the same
/// for the same block.
fn rejected(secret: &[u8; 64], block: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let longest = block.len().checked_sub(Padding::Pkcs1.overhead())?;
    let stream = |counter: u8| {
        Sha512::new()
            .chain_update(secret)
            .chain_update(block)
            .chain_update([counter])
            .finalize()
    };
    let first = stream(0);
    let length = usize::from(u16::from_be_bytes([first[0], first[1]])) % (longest + 1);
    // Allocated once: a vector that grows leaves copies behind.
    let mut message = Zeroizing::new(Vec::with_capacity(longest));
    message.extend((1..).flat_map(stream).take(length));
    Some(message)
}

fn verification(hash: Hash) -> &'static RsaParameters {
    match hash {
        Hash::Sha256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Hash::Sha384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Hash::Sha512 => &signature::RSA_PKCS1_2048_8192_SHA512,
    }
}
