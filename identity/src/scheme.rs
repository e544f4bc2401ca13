//! Kinds of keys and ways to sign.

use std::fmt;

use sha2::{Digest, Sha256, Sha384, Sha512};

/// The kind of a key, which decides what it can do.
///
/// | | signs and verifies values | signs and verifies certificates | encrypts |
/// |---|---|---|---|
/// | `Rsa` | yes | yes | yes |
/// | `RsaOaep` | no | no | yes |
/// | `Curve` | no | yes | no |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyKind {
    /// RSA for every use (`rsaEncryption`): what identities on the DHT have.
    Rsa,
    /// RSA for encryption alone (`id-RSAES-OAEP`, with SHA-256): OpenDHT reads such keys since
    /// 3.5.4.
    RsaOaep,
    /// An elliptic curve.
    Curve(Curve),
}

/// A supported elliptic curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Curve {
    /// NIST P-256 (`secp256r1`), for ECDSA.
    P256,
    /// NIST P-384 (`secp384r1`), for ECDSA: what OpenDHT generates.
    P384,
    /// Edwards 25519 (RFC 8032), which signs in its own way. OpenDHT does not make such keys.
    Ed25519,
}

impl KeyKind {
    /// Reports whether such keys sign values on the DHT.
    #[must_use]
    pub fn signs_values(self) -> bool {
        self == Self::Rsa
    }

    /// Reports whether such keys encrypt.
    #[must_use]
    pub fn encrypts(self) -> bool {
        matches!(self, Self::Rsa | Self::RsaOaep)
    }

    /// Returns how such keys sign certificates and the like, with this hash if they let one choose:
    /// `None` if not at all.
    pub(crate) fn scheme(self, hash: HashAlgorithm) -> Option<Scheme> {
        match self {
            Self::Rsa => Some(Scheme::RsaPkcs1(hash)),
            Self::RsaOaep => None,
            Self::Curve(Curve::P256 | Curve::P384) => Some(Scheme::Ecdsa(hash)),
            Self::Curve(Curve::Ed25519) => Some(Scheme::Ed25519),
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa => f.write_str("RSA"),
            Self::RsaOaep => f.write_str("RSA-OAEP"),
            Self::Curve(curve) => curve.fmt(f),
        }
    }
}

impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::Ed25519 => "Ed25519",
        })
    }
}

/// A way to sign. The verifier names it, not the signature: a key never verifies in another way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// RSASSA-PKCS1-v1_5 (RFC 8017, section 8.2). With SHA-512 it is how values are signed.
    RsaPkcs1(HashAlgorithm),
    /// ECDSA, the signature in DER (RFC 3279, section 2.2.3).
    Ecdsa(HashAlgorithm),
    /// Ed25519 (RFC 8032).
    Ed25519,
}

/// The hash under a signature. Values always use SHA-512; certificates say which they use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HashAlgorithm {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl HashAlgorithm {
    pub(crate) fn digest(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(message).to_vec(),
            Self::Sha384 => Sha384::digest(message).to_vec(),
            Self::Sha512 => Sha512::digest(message).to_vec(),
        }
    }
}
