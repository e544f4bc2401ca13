//! How RSA keys are written in DER, and which are accepted.

use pkcs8::der::asn1::{Any, AnyRef, BitStringRef, Null, ObjectIdentifier, OctetStringRef};
use pkcs8::der::{Decode, Encode};
use pkcs8::{AlgorithmIdentifierRef, PrivateKeyInfoRef, SecretDocument, SubjectPublicKeyInfo};
use rsa::pkcs1::{self, RsaOaepParams, RsaPublicKeyRef};

use crate::backend::{Padding, RsaPublic};
use crate::error::KeyError;

/// The sizes of RSA keys in bits that are accepted.
pub(crate) const KEY_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Larger exponents cost verifiers work and gain nothing. Both back-ends know this bound.
const MAX_EXPONENT: u64 = (1 << 33) - 1;

/// `id-RSAES-OAEP` and `id-mgf1` (RFC 8017, appendix A.2), `id-sha256` (RFC 5754, section 2.2).
const OAEP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.7");
const MGF1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.8");
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");

/// `RSAES-OAEP-params` with SHA-256 for hash and mask and without label, in the one form that is
/// written.
const OAEP_SHA256: [u8; 49] = [
    0x30, 0x2f, //
    0xa0, 0x0f, // [0] the hash: SHA-256
    0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, //
    0xa1, 0x1c, // [1] the mask: MGF1 with SHA-256
    0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08, //
    0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
];

/// A public RSA key with checked numbers, ready for the back-end.
pub(crate) struct RsaNumbers {
    /// Most significant byte first, without leading zeros. Its length is that of a block.
    pub(crate) modulus: Vec<u8>,
    pub(crate) padding: Padding,
    pub(crate) key: RsaPublic,
}

impl RsaNumbers {
    /// Reads a DER PKCS#1 `RSAPublicKey`.
    pub(crate) fn from_pkcs1(padding: Padding, pkcs1: &[u8]) -> Result<Self, KeyError> {
        let modulus = check(pkcs1)?;
        // The back-ends know one kind of RSA key, whatever it is for.
        let plain = to_spki(Padding::Pkcs1, pkcs1).ok_or(KeyError::Malformed)?;
        let key = RsaPublic::from_spki(padding, &plain).ok_or(KeyError::Malformed)?;
        Ok(Self {
            modulus,
            padding,
            key,
        })
    }
}

/// Returns the padding of the key with this algorithm identifier: `None` if it is not one of RSA.
pub(crate) fn padding_of(
    algorithm: &AlgorithmIdentifierRef<'_>,
) -> Option<Result<Padding, KeyError>> {
    match algorithm.oid {
        pkcs1::ALGORITHM_OID => Some(match algorithm.parameters {
            Some(parameters) if parameters != Null.into() => Err(KeyError::Malformed),
            _ => Ok(Padding::Pkcs1),
        }),
        OAEP => Some(if is_oaep_sha256(algorithm.parameters) {
            Ok(Padding::Oaep)
        } else {
            Err(KeyError::OaepParameters)
        }),
        _ => None,
    }
}

/// Checks the numbers of a DER `RSAPublicKey` and returns the modulus: most significant byte first,
/// without leading zeros.
pub(crate) fn check(pkcs1: &[u8]) -> Result<Vec<u8>, KeyError> {
    let numbers = RsaPublicKeyRef::from_der(pkcs1).map_err(|_| KeyError::Malformed)?;
    let modulus = numbers.modulus.as_bytes();
    let bits = bit_length(modulus);
    if !KEY_BITS.contains(&bits) {
        return Err(KeyError::Size { bits });
    }
    if modulus.last().is_none_or(|byte| byte % 2 == 0) {
        return Err(KeyError::Malformed);
    }
    let exponent = small_number(numbers.public_exponent.as_bytes()).ok_or(KeyError::Exponent)?;
    if exponent % 2 == 0 || !(3..=MAX_EXPONENT).contains(&exponent) {
        return Err(KeyError::Exponent);
    }
    Ok(modulus.to_vec())
}

/// Wraps a DER `RSAPublicKey` into the canonical `SubjectPublicKeyInfo`, so that a key has one
/// encoding and one id.
pub(crate) fn to_spki(padding: Padding, pkcs1: &[u8]) -> Option<Vec<u8>> {
    SubjectPublicKeyInfo {
        algorithm: algorithm(padding)?,
        subject_public_key: BitStringRef::from_bytes(pkcs1).ok()?,
    }
    .to_der()
    .ok()
}

/// Wraps a DER `RSAPrivateKey` into PKCS#8.
pub(crate) fn to_pkcs8(padding: Padding, pkcs1: &[u8]) -> Option<SecretDocument> {
    let private_key = OctetStringRef::new(pkcs1).ok()?;
    let info = PrivateKeyInfoRef::new(algorithm(padding)?, private_key);
    SecretDocument::encode_msg(&info).ok()
}

pub(crate) fn bit_length(number: &[u8]) -> usize {
    number
        .first()
        .map_or(0, |first| 8 * number.len() - first.leading_zeros() as usize)
}

fn algorithm(padding: Padding) -> Option<AlgorithmIdentifierRef<'static>> {
    Some(match padding {
        Padding::Pkcs1 => pkcs1::ALGORITHM_ID,
        Padding::Oaep => AlgorithmIdentifierRef {
            oid: OAEP,
            parameters: Some(AnyRef::from_der(&OAEP_SHA256).ok()?),
        },
    })
}

fn is_oaep_sha256(parameters: Option<AnyRef<'_>>) -> bool {
    let parameters = parameters.map(AnyRef::decode_as::<RsaOaepParams<Any>>);
    let Some(Ok(parameters)) = parameters else {
        return false;
    };
    parameters.hash.oid == SHA256
        && parameters.mask_gen.oid == MGF1
        && parameters
            .mask_gen
            .parameters
            .is_some_and(|hash| hash.oid == SHA256)
        // GnuTLS names no real algorithm for the source of the label: what counts is that the label
        // is empty.
        && parameters.p_source.parameters == RsaOaepParams::<Any>::default().p_source.parameters
}

fn small_number(bytes: &[u8]) -> Option<u64> {
    let mut number = [0; 8];
    number
        .get_mut(8usize.checked_sub(bytes.len())?..)?
        .copy_from_slice(bytes);
    Some(u64::from_be_bytes(number))
}
