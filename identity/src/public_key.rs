//! Public keys: verification and encryption.

use std::fmt;
use std::hash::{Hash as StdHash, Hasher};
use std::sync::Arc;

use pkcs8::SubjectPublicKeyInfoRef;
use pkcs8::der::Decode;

use crate::backend::{Hash, Padding};
use crate::curve::CurvePublic;
use crate::error::{EncryptError, KeyError};
use crate::key_id::{KeyId, LongKeyId};
use crate::rsa_key::{self, RsaNumbers};
use crate::scheme::{Curve, KeyKind, Scheme};
use crate::{envelope, pem};

/// No public key of an accepted size is longer than this, in DER or PEM.
const MAX_ENCODED: usize = 4096;

/// A public key, parsed and checked once: RSA of 2048 to 8192 bits, or on one of the supported
/// [curves](Curve).
///
/// [`KeyKind`] tells what a key can do: only RSA keys verify values and encrypt. A clone costs a
/// counter. Two keys are equal if their DER is equal, and the DER is canonical whatever form was
/// read.
///
/// Differs: OpenDHT takes RSA keys of other sizes too. Smaller ones are weak, larger ones cost
/// verifiers much work.
#[derive(Clone)]
pub struct PublicKey(Arc<PublicKeyParts>);

struct PublicKeyParts {
    spki: Vec<u8>,
    /// Where in `spki` the key itself begins, without its algorithm; it runs to the end.
    key_start: usize,
    id: KeyId,
    long_id: LongKeyId,
    numbers: PublicNumbers,
}

enum PublicNumbers {
    Rsa(RsaNumbers),
    Curve(CurvePublic),
}

impl PublicKey {
    /// Reads a DER `SubjectPublicKeyInfo`, or its PEM text (`PUBLIC KEY`).
    ///
    /// Costs some microseconds and at most a few kilobytes, whatever the bytes.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] if it is neither, [`KeyError::Unsupported`] for another kind of key,
    /// [`KeyError::Size`], [`KeyError::Exponent`] and [`KeyError::OaepParameters`] for RSA keys out
    /// of bounds.
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
        let key = spki
            .subject_public_key
            .as_bytes()
            .ok_or(KeyError::Malformed)?;
        if let Some(padding) = rsa_key::padding_of(&spki.algorithm) {
            return Self::from_pkcs1(padding?, key);
        }
        let curve = Curve::of(&spki.algorithm).ok_or(KeyError::Unsupported)?;
        let point = CurvePublic::from_point(curve, key).ok_or(KeyError::Malformed)?;
        let spki = point.to_spki(key).ok_or(KeyError::Malformed)?;
        Ok(Self::new(spki, key.len(), PublicNumbers::Curve(point)))
    }

    /// Reads a DER PKCS#1 `RSAPublicKey`.
    pub(crate) fn from_pkcs1(padding: Padding, pkcs1: &[u8]) -> Result<Self, KeyError> {
        let numbers = RsaNumbers::from_pkcs1(padding, pkcs1)?;
        let spki = rsa_key::to_spki(padding, pkcs1).ok_or(KeyError::Malformed)?;
        Ok(Self::new(spki, pkcs1.len(), PublicNumbers::Rsa(numbers)))
    }

    fn new(spki: Vec<u8>, key_length: usize, numbers: PublicNumbers) -> Self {
        Self(Arc::new(PublicKeyParts {
            key_start: spki.len() - key_length,
            id: KeyId::of(&spki),
            long_id: LongKeyId::of(&spki),
            spki,
            numbers,
        }))
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

    /// Returns what kind the key is of.
    pub fn kind(&self) -> KeyKind {
        match &self.0.numbers {
            PublicNumbers::Rsa(rsa) => match rsa.padding {
                Padding::Pkcs1 => KeyKind::Rsa,
                Padding::Oaep => KeyKind::RsaOaep,
            },
            PublicNumbers::Curve(point) => KeyKind::Curve(point.curve()),
        }
    }

    /// Returns the length of the RSA modulus, or of a number on the curve, in bits.
    pub fn bits(&self) -> usize {
        match &self.0.numbers {
            PublicNumbers::Rsa(rsa) => rsa_key::bit_length(&rsa.modulus),
            PublicNumbers::Curve(point) => point.curve().bits(),
        }
    }

    /// Reports whether `signature` was made over `message` with this key's private half as values
    /// are signed: RSASSA-PKCS1-v1_5 with SHA-512. Never true of a key that is not
    /// [`KeyKind::Rsa`].
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verify_with(Scheme::RsaPkcs1(Hash::Sha512), message, signature)
    }

    /// Reports whether `signature` was made over `message` with this key's private half in this
    /// way, as certificates and others than values may be signed.
    #[must_use]
    pub fn verify_with(&self, scheme: Scheme, message: &[u8], signature: &[u8]) -> bool {
        match (scheme, &self.0.numbers) {
            (Scheme::RsaPkcs1(hash), PublicNumbers::Rsa(rsa)) => {
                rsa.padding == Padding::Pkcs1 && rsa.key.verify(hash, message, signature)
            }
            (Scheme::Ecdsa(hash), PublicNumbers::Curve(point)) => {
                point.verify_ecdsa(hash, message, signature)
            }
            (Scheme::Ed25519, PublicNumbers::Curve(point)) => {
                point.verify_ed25519(message, signature)
            }
            (Scheme::RsaPkcs1(_), PublicNumbers::Curve(_))
            | (Scheme::Ecdsa(_) | Scheme::Ed25519, PublicNumbers::Rsa(_)) => false,
        }
    }

    /// Encrypts for the private half, which alone can [`decrypt`](crate::PrivateKey::decrypt) it.
    ///
    /// Up to 11 bytes less than the modulus (66 with RSA-OAEP) fit in one RSA block; more goes into
    /// AES-256-GCM under a random key, 28 bytes and one RSA block longer than the plaintext. The
    /// sender is not authenticated by this: sign first.
    ///
    /// # Errors
    /// [`EncryptError::NotForEncryption`] for a key on a curve, [`EncryptError::NoRandomness`], or
    /// [`EncryptError::Refused`] for more than 64 GiB.
    pub fn encrypt(&self, plaintext: &[u8]) -> Result<Vec<u8>, EncryptError> {
        let rsa = self
            .rsa()
            .ok_or(EncryptError::NotForEncryption(self.kind()))?;
        envelope::seal(rsa, plaintext)
    }

    pub(crate) fn rsa(&self) -> Option<&RsaNumbers> {
        match &self.0.numbers {
            PublicNumbers::Rsa(rsa) => Some(rsa),
            PublicNumbers::Curve(_) => None,
        }
    }

    /// Returns what the `SubjectPublicKeyInfo` holds beside the algorithm: a DER `RSAPublicKey`, or
    /// a point.
    pub(crate) fn subject_public_key(&self) -> &[u8] {
        &self.0.spki[self.0.key_start..]
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
        write!(
            f,
            "PublicKey({}, {} of {} bits)",
            self.id(),
            self.kind(),
            self.bits()
        )
    }
}
