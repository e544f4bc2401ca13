//! RSA public keys: who signed, and for whom to encrypt.

use std::fmt;
use std::hash::{Hash as StdHash, Hasher};
use std::sync::Arc;

use pkcs8::der::asn1::{BitStringRef, Null};
use pkcs8::der::{Decode, Encode};
use pkcs8::{SubjectPublicKeyInfo, SubjectPublicKeyInfoRef};
use rsa::pkcs1::{self, RsaPublicKeyRef};

use crate::backend::{Hash, RsaPublic};
use crate::envelope;
use crate::error::{EncryptError, KeyError};
use crate::key_id::{KeyId, LongKeyId};
use crate::pem;

/// The sizes of RSA keys in bits that are accepted.
pub(crate) const KEY_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// No public key of an accepted size is longer than this, in DER or PEM.
const MAX_ENCODED: usize = 4096;

/// Larger exponents cost a verifier work and bring nothing. Both back-ends know this bound.
const MAX_EXPONENT: u64 = (1 << 33) - 1;

/// An RSA public key of 2048 to 8192 bits, parsed and checked once.
///
/// A clone costs a counter. Two keys are equal if their DER is equal, and the DER is canonical whatever form was read.
///
/// Differs: OpenDHT takes RSA keys of other sizes too. Smaller ones are weak, larger ones cost verifiers dear.
#[derive(Clone)]
pub struct PublicKey(Arc<Parsed>);

struct Parsed {
    spki: Vec<u8>,
    /// Where in `spki` the PKCS#1 `RSAPublicKey` begins; it runs to the end.
    pkcs1_start: usize,
    modulus: Vec<u8>,
    id: KeyId,
    long_id: LongKeyId,
    rsa: RsaPublic,
}

impl PublicKey {
    /// Reads a DER `SubjectPublicKeyInfo`, or its PEM text (`PUBLIC KEY`).
    ///
    /// Costs some microseconds and at most a few kilobytes, whatever the bytes.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] if it is neither, [`KeyError::NotRsa`] for another kind of key, [`KeyError::Size`] and
    /// [`KeyError::Exponent`] for RSA keys out of bounds.
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        if der.len() > MAX_ENCODED {
            return Err(KeyError::Malformed);
        }
        // DER comes first: a number in it could spell out the PEM text of another key.
        match Self::from_spki(der) {
            Err(KeyError::Malformed) => {
                let block = pem::blocks(der).find(|block| block.label == pem::PUBLIC_KEY);
                Self::from_spki(
                    &block
                        .and_then(|block| block.decode())
                        .ok_or(KeyError::Malformed)?,
                )
            }
            outcome => outcome,
        }
    }

    fn from_spki(spki: &[u8]) -> Result<Self, KeyError> {
        let spki = SubjectPublicKeyInfoRef::from_der(spki).map_err(|_| KeyError::Malformed)?;
        if spki.algorithm.oid != pkcs1::ALGORITHM_OID {
            return Err(KeyError::NotRsa);
        }
        if spki
            .algorithm
            .parameters
            .is_some_and(|parameters| parameters != Null.into())
        {
            return Err(KeyError::Malformed);
        }
        Self::from_pkcs1(
            spki.subject_public_key
                .as_bytes()
                .ok_or(KeyError::Malformed)?,
        )
    }

    /// Reads a DER PKCS#1 `RSAPublicKey`.
    pub(crate) fn from_pkcs1(pkcs1: &[u8]) -> Result<Self, KeyError> {
        let numbers = RsaPublicKeyRef::from_der(pkcs1).map_err(|_| KeyError::Malformed)?;
        let modulus = numbers.modulus.as_bytes().to_vec();
        let bits = bit_length(&modulus);
        if !KEY_BITS.contains(&bits) {
            return Err(KeyError::Size { bits });
        }
        if modulus.last().is_none_or(|byte| byte % 2 == 0) {
            return Err(KeyError::Malformed);
        }
        let exponent =
            small_number(numbers.public_exponent.as_bytes()).ok_or(KeyError::Exponent)?;
        if exponent % 2 == 0 || !(3..=MAX_EXPONENT).contains(&exponent) {
            return Err(KeyError::Exponent);
        }
        let spki = spki_of(pkcs1).ok_or(KeyError::Malformed)?;
        Ok(Self(Arc::new(Parsed {
            pkcs1_start: spki.len() - pkcs1.len(),
            modulus,
            id: KeyId::of(&spki),
            long_id: LongKeyId::of(&spki),
            rsa: RsaPublic::from_spki(&spki).ok_or(KeyError::Malformed)?,
            spki,
        })))
    }

    /// Returns the DER `SubjectPublicKeyInfo`: 294 bytes for 2048 bits.
    pub fn to_der(&self) -> &[u8] {
        &self.0.spki
    }

    /// Returns the PEM text (`PUBLIC KEY`).
    pub fn to_pem(&self) -> String {
        pem::encode(pem::PUBLIC_KEY, self.to_der())
    }

    /// Returns the short id.
    pub fn id(&self) -> KeyId {
        self.0.id
    }

    /// Returns the long id.
    pub fn long_id(&self) -> LongKeyId {
        self.0.long_id
    }

    /// Returns the length of the modulus in bits.
    pub fn bits(&self) -> usize {
        bit_length(&self.0.modulus)
    }

    /// Tells whether `signature` was made over `message` with this key's private half (RSASSA-PKCS1-v1_5 with SHA-512, as
    /// values are signed).
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verify_with(Hash::Sha512, message, signature)
    }

    /// Encrypts for the holder of the private half, who alone can [`decrypt`](crate::PrivateKey::decrypt) it.
    ///
    /// Up to 11 bytes less than the modulus fit in one RSA block; more goes into AES-256-GCM under a random key, 28 bytes and
    /// one RSA block longer than the plaintext. Nobody is authenticated by this: sign first.
    ///
    /// # Errors
    /// [`EncryptError::NoRandomness`], or [`EncryptError::Refused`] for more than 64 GiB.
    pub fn encrypt(&self, plaintext: &[u8]) -> Result<Vec<u8>, EncryptError> {
        envelope::seal(self, plaintext)
    }

    pub(crate) fn verify_with(&self, hash: Hash, message: &[u8], signature: &[u8]) -> bool {
        self.0.rsa.verify(hash, message, signature)
    }

    pub(crate) fn rsa(&self) -> &RsaPublic {
        &self.0.rsa
    }

    /// Returns the modulus, most significant byte first, without leading zeros. Its length is that of a block.
    pub(crate) fn modulus(&self) -> &[u8] {
        &self.0.modulus
    }

    /// Returns the DER PKCS#1 `RSAPublicKey`.
    pub(crate) fn pkcs1(&self) -> &[u8] {
        &self.0.spki[self.0.pkcs1_start..]
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.to_der() == other.to_der()
    }
}

impl Eq for PublicKey {}

impl StdHash for PublicKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.to_der().hash(state);
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, {} bits)", self.id(), self.bits())
    }
}

/// Wraps a PKCS#1 key into the canonical `SubjectPublicKeyInfo`, so that a key has one encoding and one id.
fn spki_of(pkcs1: &[u8]) -> Option<Vec<u8>> {
    let subject_public_key = BitStringRef::from_bytes(pkcs1).ok()?;
    SubjectPublicKeyInfo {
        algorithm: pkcs1::ALGORITHM_ID,
        subject_public_key,
    }
    .to_der()
    .ok()
}

fn bit_length(number: &[u8]) -> usize {
    number
        .first()
        .map_or(0, |first| 8 * number.len() - first.leading_zeros() as usize)
}

fn small_number(bytes: &[u8]) -> Option<u64> {
    let mut number = [0; 8];
    number
        .get_mut(8usize.checked_sub(bytes.len())?..)?
        .copy_from_slice(bytes);
    Some(u64::from_be_bytes(number))
}
