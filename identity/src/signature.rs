//! Signatures on certificates, requests, revocation lists and OCSP responses: the signed bytes, the algorithm, the value.

use crate::backend::Hash;
use crate::public_key::PublicKey;

/// The DER contents of the object identifiers of accepted algorithms: 1.2.840.113549.1.1.11 to 13 (RFC 8017, appendix C). The
/// list is short on purpose: no SHA-1, no MD5, no PSS variants.
const ACCEPTED: [(&[u8], Hash); 3] = [
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b", Hash::Sha256),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c", Hash::Sha384),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d", Hash::Sha512),
];

/// A signature that was read, and what it covers.
pub(crate) struct Signature {
    signed: Vec<u8>,
    /// `None` if the algorithm is weak or unknown.
    hash: Option<Hash>,
    value: Vec<u8>,
}

/// What is wrong with a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignatureFault {
    /// The algorithm, or the kind of key, is weak or unknown.
    Unsupported,
    /// The key did not make it.
    Wrong,
}

impl Signature {
    /// Takes the DER contents of the algorithm's object identifier, the signed bytes, and the value.
    pub(crate) fn new(algorithm: &[u8], signed: &[u8], value: &[u8]) -> Self {
        let accepted = ACCEPTED.iter().find(|(oid, _)| *oid == algorithm);
        Self {
            signed: signed.to_vec(),
            hash: accepted.map(|(_, hash)| *hash),
            value: value.to_vec(),
        }
    }

    /// Checks that `key` made the signature; a certificate without a usable key has none.
    pub(crate) fn check(&self, key: Option<&PublicKey>) -> Result<(), SignatureFault> {
        let (Some(hash), Some(key)) = (self.hash, key) else {
            return Err(SignatureFault::Unsupported);
        };
        if key.verify_with(hash, &self.signed, &self.value) {
            Ok(())
        } else {
            Err(SignatureFault::Wrong)
        }
    }
}
