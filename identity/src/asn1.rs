//! ASN.1 types that certificates, requests, revocation lists and OCSP share (RFC 5280, sections 4.1
//! and 5.1).

use std::time::Duration;

use der::asn1::{AnyRef, BitStringRef, GeneralizedTime, Null, OctetStringRef, UtcTime};
use der::oid::ObjectIdentifier;
use der::{Choice, Decode, Encode, Sequence, Tagged};
use pkcs8::spki::AlgorithmIdentifierRef;

use crate::scheme::Scheme;
use crate::signature::{self, Signature};

/// Any DER with a signature over it, as in `CertificateList`.
#[derive(Sequence)]
pub(crate) struct SignedDer<'a> {
    pub(crate) body: AnyRef<'a>,
    pub(crate) algorithm: AlgorithmIdentifierRef<'a>,
    pub(crate) signature: BitStringRef<'a>,
}

impl SignedDer<'_> {
    /// Returns the DER of what is signed.
    pub(crate) fn body(&self) -> der::Result<Vec<u8>> {
        self.body.to_der()
    }

    /// Returns the signature. The algorithm is not signed: where the body names another,
    /// `names_same` is false, and neither counts.
    pub(crate) fn signature(&self, names_same: bool) -> der::Result<Signature> {
        let algorithm = if names_same {
            plain_algorithm(&self.algorithm)
        } else {
            &[]
        };
        // A signature that is no whole number of bytes is as good as none.
        let value = self.signature.as_bytes().unwrap_or_default();
        Ok(Signature::new(algorithm, &self.body()?, value))
    }
}

#[derive(Sequence)]
pub(crate) struct Extension<'a> {
    pub(crate) id: ObjectIdentifier,
    #[asn1(default = "bool::default")]
    pub(crate) critical: bool,
    pub(crate) value: &'a OctetStringRef,
}

/// A second in time, written as a `UTCTime` until 2049 and as a `GeneralizedTime` from then on.
#[derive(Choice, Clone, Copy, PartialEq, Eq)]
pub(crate) enum X509Time {
    #[asn1(type = "UTCTime")]
    Utc(UtcTime),
    #[asn1(type = "GeneralizedTime")]
    General(GeneralizedTime),
}

impl X509Time {
    /// Takes Unix seconds, before the year 10000.
    pub(crate) fn new(unix_seconds: u64) -> der::Result<Self> {
        let since_1970 = Duration::from_secs(unix_seconds);
        UtcTime::from_unix_duration(since_1970)
            .map(Self::Utc)
            .or_else(|_| GeneralizedTime::from_unix_duration(since_1970).map(Self::General))
    }

    pub(crate) fn unix_seconds(self) -> u64 {
        match self {
            Self::Utc(time) => time.to_unix_duration(),
            Self::General(time) => time.to_unix_duration(),
        }
        .as_secs()
    }
}

/// Returns the identifier of a way to sign. Those of RSA have null for parameters (RFC 4055,
/// section 5), the others none.
pub(crate) fn algorithm(scheme: Scheme) -> der::Result<AlgorithmIdentifierRef<'static>> {
    let parameters = match scheme {
        Scheme::RsaPkcs1(_) => Some(Null.into()),
        Scheme::Ecdsa(_) | Scheme::Ed25519 => None,
    };
    Ok(AlgorithmIdentifierRef {
        oid: ObjectIdentifier::from_bytes(signature::oid(scheme))?,
        parameters,
    })
}

/// Returns the DER contents of an algorithm's object identifier; none if it has other parameters
/// than null, which is what those of RSA have (RFC 4055, section 5).
pub(crate) fn plain_algorithm<'a>(algorithm: &'a AlgorithmIdentifierRef<'_>) -> &'a [u8] {
    match algorithm.parameters {
        Some(parameters) if parameters != Null.into() => &[],
        _ => algorithm.oid.as_bytes(),
    }
}

/// Returns the DER of a value that was read: it has no other encoding.
pub(crate) fn raw(value: AnyRef<'_>) -> der::Result<Vec<u8>> {
    value.to_der()
}

/// Returns the bytes of a DER integer, which may be negative or oddly padded.
pub(crate) fn integer(der: &[u8]) -> der::Result<&[u8]> {
    let value = AnyRef::from_der(der)?;
    value.tag().assert_eq(der::Tag::Integer)?;
    Ok(value.value())
}
