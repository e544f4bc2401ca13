//! Signatures on certificates, requests, revocation lists and OCSP responses: the signed bytes, the
//! algorithm, the value.

use crate::public_key::PublicKey;
use crate::scheme::{HashAlgorithm, Scheme};

/// The DER contents of the object identifiers of accepted algorithms: RSASSA-PKCS1-v1_5 (RFC 8017,
/// appendix C), ECDSA (RFC 5758, section 3.2) and Ed25519 (RFC 8410). The list is short on purpose:
/// no SHA-1, no MD5, no PSS variants.
const ACCEPTED: [(&[u8], Scheme); 7] = [
    (
        b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b",
        Scheme::RsaPkcs1(HashAlgorithm::Sha256),
    ),
    (
        b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c",
        Scheme::RsaPkcs1(HashAlgorithm::Sha384),
    ),
    (
        b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d",
        Scheme::RsaPkcs1(HashAlgorithm::Sha512),
    ),
    (
        b"\x2a\x86\x48\xce\x3d\x04\x03\x02",
        Scheme::Ecdsa(HashAlgorithm::Sha256),
    ),
    (
        b"\x2a\x86\x48\xce\x3d\x04\x03\x03",
        Scheme::Ecdsa(HashAlgorithm::Sha384),
    ),
    (
        b"\x2a\x86\x48\xce\x3d\x04\x03\x04",
        Scheme::Ecdsa(HashAlgorithm::Sha512),
    ),
    (b"\x2b\x65\x70", Scheme::Ed25519),
];

/// Returns the DER contents of the object identifier of a way to sign.
pub(crate) fn oid(scheme: Scheme) -> &'static [u8] {
    let known = ACCEPTED.iter().find(|(_, accepted)| *accepted == scheme);
    known.map_or(&[], |(oid, _)| oid)
}

/// A signature that was read, and what it covers.
pub(crate) struct Signature {
    signed: Vec<u8>,
    /// `None` if the algorithm is weak or unknown.
    scheme: Option<Scheme>,
    value: Vec<u8>,
}

/// What is wrong with a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignatureFault {
    /// The algorithm, or the kind of key, is weak or unknown.
    Unsupported,
    /// The key has not made it.
    Wrong,
}

impl Signature {
    /// Takes the DER contents of the algorithm's object identifier, the signed bytes, and the
    /// value.
    pub(crate) fn new(algorithm: &[u8], signed: &[u8], value: &[u8]) -> Self {
        let accepted = ACCEPTED.iter().find(|(oid, _)| *oid == algorithm);
        Self {
            signed: signed.to_vec(),
            scheme: accepted.map(|(_, scheme)| *scheme),
            value: value.to_vec(),
        }
    }

    /// Checks that `key` made the signature; a certificate without a usable key has none.
    pub(crate) fn check(&self, key: Option<&PublicKey>) -> Result<(), SignatureFault> {
        let (Some(scheme), Some(key)) = (self.scheme, key) else {
            return Err(SignatureFault::Unsupported);
        };
        if key.verify_with(scheme, &self.signed, &self.value) {
            Ok(())
        } else {
            Err(SignatureFault::Wrong)
        }
    }
}
