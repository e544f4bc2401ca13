//! Keys on elliptic curves: they sign certificates, but no values, and do not encrypt.
//!
//! OpenDHT makes P-384 keys too, and signs with them; but the algorithm of value signatures is
//! fixed to RSA in every verifier. Both back-ends use the same pure-Rust, constant-time
//! implementations.

use ed25519_dalek::Signer;
use p256::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use pkcs8::der::asn1::{BitStringRef, ObjectIdentifier, OctetStringRef};
use pkcs8::der::{Decode, Encode};
use pkcs8::{AlgorithmIdentifierRef, PrivateKeyInfoRef, SecretDocument, SubjectPublicKeyInfo};
use sec1::{EcParameters, EcPrivateKey};
use zeroize::Zeroizing;

use crate::error::KeyError;
use crate::random::{self, NoRandomness};
use crate::scheme::{Curve, HashAlgorithm as Hash};

/// `id-ecPublicKey` (RFC 5480, section 2.1.1).
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// `secp256r1` and `secp384r1` (RFC 5480, section 2.1.1.1).
const SECP256R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
/// `id-Ed25519` (RFC 8410, section 3).
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

impl Curve {
    /// Returns the length of a private key in bits.
    pub(crate) fn bits(self) -> usize {
        8 * self.scalar_bytes()
    }

    fn scalar_bytes(self) -> usize {
        match self {
            Self::P256 | Self::Ed25519 => 32,
            Self::P384 => 48,
        }
    }

    fn named(parameters: ObjectIdentifier) -> Option<Self> {
        match parameters {
            SECP256R1 => Some(Self::P256),
            SECP384R1 => Some(Self::P384),
            _ => None,
        }
    }

    fn name(self) -> Option<ObjectIdentifier> {
        match self {
            Self::P256 => Some(SECP256R1),
            Self::P384 => Some(SECP384R1),
            Self::Ed25519 => None,
        }
    }

    /// Returns the curve that an algorithm identifier names: `None` if it is not supported.
    pub(crate) fn of(algorithm: &AlgorithmIdentifierRef<'_>) -> Option<Self> {
        match algorithm.oid {
            EC_PUBLIC_KEY => Self::named(algorithm.parameters_oid().ok()?),
            ED25519 if algorithm.parameters.is_none() => Some(Self::Ed25519),
            _ => None,
        }
    }

    /// Calls `encode` with the curve's algorithm identifier, which may borrow the curve's name.
    fn with_algorithm<T>(self, encode: impl FnOnce(AlgorithmIdentifierRef<'_>) -> T) -> T {
        let name = self.name();
        encode(AlgorithmIdentifierRef {
            oid: name.map_or(ED25519, |_| EC_PUBLIC_KEY),
            parameters: name.as_ref().map(Into::into),
        })
    }
}

pub(crate) enum CurvePublic {
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    Ed25519(ed25519_dalek::VerifyingKey),
}

impl CurvePublic {
    /// Takes a point as `SubjectPublicKeyInfo` holds it: uncompressed, so that a key has one
    /// encoding and one id; on the curve, and not the neutral one.
    pub(crate) fn from_point(curve: Curve, point: &[u8]) -> Option<Self> {
        let uncompressed = || point.first() == Some(&4);
        match curve {
            Curve::P256 if uncompressed() => Some(Self::P256(
                p256::ecdsa::VerifyingKey::from_sec1_bytes(point).ok()?,
            )),
            Curve::P384 if uncompressed() => Some(Self::P384(
                p384::ecdsa::VerifyingKey::from_sec1_bytes(point).ok()?,
            )),
            Curve::P256 | Curve::P384 => None,
            Curve::Ed25519 => {
                let point = ed25519_dalek::VerifyingKey::from_bytes(point.try_into().ok()?).ok()?;
                (!point.is_weak()).then_some(Self::Ed25519(point))
            }
        }
    }

    pub(crate) fn curve(&self) -> Curve {
        match self {
            Self::P256(_) => Curve::P256,
            Self::P384(_) => Curve::P384,
            Self::Ed25519(_) => Curve::Ed25519,
        }
    }

    /// Returns the DER `SubjectPublicKeyInfo` of this key with the encoding `point`.
    pub(crate) fn to_spki(&self, point: &[u8]) -> Option<Vec<u8>> {
        self.curve().with_algorithm(|algorithm| {
            let subject_public_key = BitStringRef::from_bytes(point).ok()?;
            SubjectPublicKeyInfo {
                algorithm,
                subject_public_key,
            }
            .to_der()
            .ok()
        })
    }

    /// Verifies an ECDSA signature in DER: never one of Ed25519.
    pub(crate) fn verify_ecdsa(&self, hash: Hash, message: &[u8], signature: &[u8]) -> bool {
        let digest = hash.digest(message);
        match self {
            Self::P256(key) => p256::ecdsa::Signature::from_der(signature)
                .and_then(|signature| key.verify_prehash(&digest, &signature)),
            Self::P384(key) => p384::ecdsa::Signature::from_der(signature)
                .and_then(|signature| key.verify_prehash(&digest, &signature)),
            Self::Ed25519(_) => return false,
        }
        .is_ok()
    }

    /// Verifies an Ed25519 signature: never one of another curve.
    pub(crate) fn verify_ed25519(&self, message: &[u8], signature: &[u8]) -> bool {
        let Self::Ed25519(key) = self else {
            return false;
        };
        ed25519_dalek::Signature::from_slice(signature)
            .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok())
    }
}

/// Wiped from memory when dropped.
pub(crate) enum CurvePrivate {
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    Ed25519(ed25519_dalek::SigningKey),
}

impl CurvePrivate {
    pub(crate) fn generate(curve: Curve) -> Result<Self, NoRandomness> {
        // All but a vanishing part of the random numbers are below the order of the curve.
        loop {
            let scalar = random::bytes::<48>()?;
            if let Some(key) = Self::from_scalar(curve, &scalar[..curve.scalar_bytes()]) {
                return Ok(key);
            }
        }
    }

    /// Reads what PKCS#8 holds for a key of this curve.
    pub(crate) fn from_pkcs8(info: &PrivateKeyInfoRef<'_>) -> Result<Self, KeyError> {
        match Curve::of(&info.algorithm).ok_or(KeyError::Unsupported)? {
            Curve::Ed25519 => <&OctetStringRef>::from_der(info.private_key.as_bytes())
                .ok()
                .and_then(|seed| Self::from_scalar(Curve::Ed25519, seed.as_bytes()))
                .ok_or(KeyError::Malformed),
            curve => Self::from_sec1(Some(curve), info.private_key.as_bytes()),
        }
    }

    /// Reads an `ECPrivateKey` (RFC 5915), which names its curve itself if `curve` does not.
    pub(crate) fn from_sec1(curve: Option<Curve>, der: &[u8]) -> Result<Self, KeyError> {
        let key = EcPrivateKey::from_der(der).map_err(|_| KeyError::Malformed)?;
        let named = key.parameters.and_then(EcParameters::named_curve);
        let curve = match (curve, named) {
            (Some(curve), None) => curve,
            (Some(curve), Some(name)) if curve.name() == Some(name) => curve,
            (Some(_), Some(_)) | (None, None) => return Err(KeyError::Malformed),
            (None, Some(name)) => Curve::named(name).ok_or(KeyError::Unsupported)?,
        };
        let secret = Self::from_scalar(curve, key.private_key).ok_or(KeyError::Malformed)?;
        match key.public_key {
            Some(point) if point != secret.point() => Err(KeyError::Malformed),
            _ => Ok(secret),
        }
    }

    /// Takes a number, most significant byte first. Zeros before it do not count: GnuTLS 3.7 writes
    /// one where the highest bit is set and leaves out those that an integer does not need, though
    /// RFC 5915 fixes the length.
    fn from_scalar(curve: Curve, number: &[u8]) -> Option<Self> {
        if curve == Curve::Ed25519 {
            let seed = number.try_into().ok()?;
            return Some(Self::Ed25519(ed25519_dalek::SigningKey::from_bytes(seed)));
        }
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let digits = &number[zeros..];
        let mut scalar = Zeroizing::new(vec![0; curve.scalar_bytes()]);
        let padding = scalar.len().checked_sub(digits.len())?;
        scalar[padding..].copy_from_slice(digits);
        match curve {
            Curve::P256 => p256::ecdsa::SigningKey::from_slice(&scalar)
                .ok()
                .map(Self::P256),
            Curve::P384 => p384::ecdsa::SigningKey::from_slice(&scalar)
                .ok()
                .map(Self::P384),
            Curve::Ed25519 => None,
        }
    }

    fn curve(&self) -> Curve {
        match self {
            Self::P256(_) => Curve::P256,
            Self::P384(_) => Curve::P384,
            Self::Ed25519(_) => Curve::Ed25519,
        }
    }

    fn scalar(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match self {
            Self::P256(key) => key.to_bytes().to_vec(),
            Self::P384(key) => key.to_bytes().to_vec(),
            Self::Ed25519(key) => key.to_bytes().to_vec(),
        })
    }

    /// Returns the encoding of the public half, as [`CurvePublic::from_point`] takes it.
    fn point(&self) -> Vec<u8> {
        match self {
            Self::P256(key) => key.verifying_key().to_sec1_point(false).as_bytes().to_vec(),
            Self::P384(key) => key.verifying_key().to_sec1_point(false).as_bytes().to_vec(),
            Self::Ed25519(key) => key.verifying_key().to_bytes().to_vec(),
        }
    }

    /// Returns the DER `SubjectPublicKeyInfo` of the public half.
    pub(crate) fn to_spki(&self) -> Option<Vec<u8>> {
        let point = self.point();
        CurvePublic::from_point(self.curve(), &point)?.to_spki(&point)
    }

    /// Returns the DER PKCS#8 `PrivateKeyInfo`, with curve and public half repeated inside as
    /// GnuTLS does.
    pub(crate) fn to_pkcs8(&self) -> Option<SecretDocument> {
        let (scalar, point) = (self.scalar(), self.point());
        let inner = Zeroizing::new(match self.curve().name() {
            Some(name) => EcPrivateKey {
                private_key: &scalar,
                parameters: Some(EcParameters::NamedCurve(name)),
                public_key: Some(&point),
            }
            .to_der()
            .ok()?,
            None => OctetStringRef::new(&scalar).ok()?.to_der().ok()?,
        });
        self.curve().with_algorithm(|algorithm| {
            let private_key = OctetStringRef::new(&inner).ok()?;
            SecretDocument::encode_msg(&PrivateKeyInfoRef::new(algorithm, private_key)).ok()
        })
    }

    /// Signs by ECDSA (deterministic, RFC 6979) and returns DER: `None` with Ed25519.
    pub(crate) fn sign_ecdsa(&self, hash: Hash, message: &[u8]) -> Option<Vec<u8>> {
        let digest = hash.digest(message);
        match self {
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign_prehash(&digest).ok()?;
                Some(signature.to_der().as_bytes().to_vec())
            }
            Self::P384(key) => {
                let signature: p384::ecdsa::Signature = key.sign_prehash(&digest).ok()?;
                Some(signature.to_der().as_bytes().to_vec())
            }
            Self::Ed25519(_) => None,
        }
    }

    /// Signs by Ed25519: `None` with another curve.
    pub(crate) fn sign_ed25519(&self, message: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Ed25519(key) => Some(key.sign(message).to_bytes().to_vec()),
            Self::P256(_) | Self::P384(_) => None,
        }
    }
}
