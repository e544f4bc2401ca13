//! X.509 certificates: a name bound to a key.
//!
//! Parsing proves nothing about a certificate. What anchors a certificate found on the DHT is its long id; what anchors one in a
//! hierarchy is [`verify_chain`](crate::verify_chain).

use std::fmt;
use std::sync::Arc;

use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::{Oid, oid};
use x509_parser::oid_registry::{
    OID_KEY_TYPE_EC_PUBLIC_KEY, OID_PKCS1_RSAENCRYPTION, OID_PKCS1_SHA256WITHRSA,
    OID_PKCS1_SHA384WITHRSA, OID_PKCS1_SHA512WITHRSA, OID_X509_COMMON_NAME,
};
use x509_parser::prelude::FromDer;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo, X509Name};

use crate::backend::Hash;
use crate::chain::MAX_CHAIN_BYTES;
use crate::error::{CertificateError, TrustError};
use crate::key_id::{KeyId, LongKeyId};
use crate::pem;
use crate::public_key::PublicKey;
use crate::scheme::{KeyKind, Scheme};

/// The UID attribute, where OpenDHT puts the short key id (RFC 4519, section 2.39).
const UID: Oid<'static> = oid!(0.9.2342.19200300.100.1.1);

/// An X.509 certificate, parsed once. A clone costs a counter; two are equal if their bytes are.
#[derive(Clone)]
pub struct Certificate(Arc<Parsed>);

struct Parsed {
    der: Vec<u8>,
    subject: DistinguishedName,
    issuer: DistinguishedName,
    not_before: u64,
    not_after: u64,
    key: Key,
    authority: Option<Authority>,
    signature: Signature,
}

/// A distinguished name: its bytes, which are what is compared, and the attributes that OpenDHT uses.
struct DistinguishedName {
    der: Vec<u8>,
    common_name: Option<String>,
    uid: Option<String>,
}

enum Key {
    Known(PublicKey),
    /// Of another kind or a refused size: it has ids and can be shown, no more.
    Other {
        algorithm: &'static str,
        bits: usize,
        id: KeyId,
        long_id: LongKeyId,
    },
}

/// What makes a certificate one of a certificate authority.
#[derive(Clone, Copy)]
struct Authority {
    /// How many authorities may stand below this one, if bounded.
    path_length: Option<u32>,
}

struct Signature {
    /// The signed part of the certificate.
    signed: Vec<u8>,
    /// `None` if the algorithm is weak or unknown.
    hash: Option<Hash>,
    value: Vec<u8>,
}

impl Certificate {
    /// Reads one DER certificate.
    ///
    /// Negative serial numbers, which OpenDHT before 4.3 writes, are accepted; the bytes are kept as they are.
    ///
    /// # Errors
    /// [`CertificateError::Malformed`], or [`CertificateError::TooLarge`] above [`MAX_CHAIN_BYTES`].
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > MAX_CHAIN_BYTES {
            return Err(CertificateError::TooLarge);
        }
        match X509Certificate::from_der(der) {
            Ok(([], certificate)) => Ok(Self(Arc::new(Parsed::new(der, &certificate)))),
            _ => Err(CertificateError::Malformed),
        }
    }

    /// Reads the first certificate in PEM text; what else is there is passed over.
    ///
    /// # Errors
    /// As [`from_der`](Self::from_der).
    pub fn from_pem(pem: impl AsRef<[u8]>) -> Result<Self, CertificateError> {
        let pem = pem.as_ref();
        if pem.len() > MAX_CHAIN_BYTES {
            return Err(CertificateError::TooLarge);
        }
        let block = pem::blocks(pem).find(|block| block.label == pem::CERTIFICATE);
        Self::from_der(
            &block
                .and_then(|block| block.decode())
                .ok_or(CertificateError::Malformed)?,
        )
    }

    /// Returns the DER bytes, as they were read or issued.
    pub fn to_der(&self) -> &[u8] {
        &self.0.der
    }

    /// Returns the PEM text (`CERTIFICATE`).
    pub fn to_pem(&self) -> String {
        pem::encode(pem::CERTIFICATE, self.to_der())
    }

    /// Returns the certified key, or `None` if it is of a kind or a size that is not supported.
    pub fn public_key(&self) -> Option<&PublicKey> {
        match &self.0.key {
            Key::Known(key) => Some(key),
            Key::Other { .. } => None,
        }
    }

    /// Returns the short id of the certified key, whatever its kind.
    pub fn id(&self) -> KeyId {
        match &self.0.key {
            Key::Known(key) => key.id(),
            Key::Other { id, .. } => *id,
        }
    }

    /// Returns the long id of the certified key, whatever its kind.
    pub fn long_id(&self) -> LongKeyId {
        match &self.0.key {
            Key::Known(key) => key.long_id(),
            Key::Other { long_id, .. } => *long_id,
        }
    }

    /// Returns the subject's common name. Anyone may claim any name.
    pub fn name(&self) -> Option<&str> {
        self.0.subject.common_name.as_deref()
    }

    /// Returns the subject's UID: in OpenDHT's certificates the short key id in hex. It is a claim like the name.
    pub fn uid(&self) -> Option<&str> {
        self.0.subject.uid.as_deref()
    }

    /// Returns the issuer's common name.
    pub fn issuer_name(&self) -> Option<&str> {
        self.0.issuer.common_name.as_deref()
    }

    /// Returns the issuer's UID.
    pub fn issuer_uid(&self) -> Option<&str> {
        self.0.issuer.uid.as_deref()
    }

    /// Returns when the certificate begins to be valid, in Unix seconds (0 for any time before 1970).
    pub fn not_before(&self) -> u64 {
        self.0.not_before
    }

    /// Returns the last second of validity, in Unix seconds.
    pub fn not_after(&self) -> u64 {
        self.0.not_after
    }

    /// Tells whether the certificate is one of a certificate authority: CA flag set, and key usage permits to sign certificates.
    ///
    /// Differs: OpenDHT asks for that key usage only if the extension is critical.
    pub fn is_ca(&self) -> bool {
        self.0.authority.is_some()
    }

    /// Returns the kind of the certified key: `RSA`, `EC` or `other`.
    pub fn algorithm(&self) -> &'static str {
        match &self.0.key {
            Key::Known(key) => match key.kind() {
                KeyKind::Rsa | KeyKind::RsaOaep => "RSA",
                KeyKind::Curve(_) => "EC",
            },
            Key::Other { algorithm, .. } => algorithm,
        }
    }

    /// Returns the size of the certified key in bits, 0 if it is not known.
    pub fn bits(&self) -> usize {
        match &self.0.key {
            Key::Known(key) => key.bits(),
            Key::Other { bits, .. } => *bits,
        }
    }

    /// Tells whether `issuer` is named as the issuer and its key did sign this certificate, with RSA of at least 2048 bits and
    /// SHA-256, SHA-384 or SHA-512. Dates, and whether the issuer may issue, are for [`verify_chain`](crate::verify_chain).
    #[must_use]
    pub fn is_issued_by(&self, issuer: &Certificate) -> bool {
        self.names_as_issuer(issuer) && self.check_signature(issuer).is_ok()
    }

    pub(crate) fn names_as_issuer(&self, issuer: &Certificate) -> bool {
        self.0.issuer.der == issuer.0.subject.der
    }

    pub(crate) fn check_signature(&self, issuer: &Certificate) -> Result<(), TrustError> {
        let Signature {
            signed,
            hash,
            value,
        } = &self.0.signature;
        let (Some(hash), Some(key)) = (hash, issuer.public_key()) else {
            return Err(TrustError::UnsupportedSignature(self.display_name()));
        };
        if key.verify_with(Scheme::RsaPkcs1(*hash), signed, value) {
            Ok(())
        } else {
            Err(TrustError::BadSignature(self.display_name()))
        }
    }

    /// Checks that the certified key is strong enough to be trusted.
    pub(crate) fn check_key(&self) -> Result<(), TrustError> {
        match self.0.key {
            Key::Known(_)
            | Key::Other {
                algorithm: "EC",
                bits: 256..,
                ..
            } => Ok(()),
            Key::Other { .. } => Err(TrustError::WeakKey(self.display_name())),
        }
    }

    /// Checks that this certificate may issue one that has `below` authorities between itself and the end of the chain.
    pub(crate) fn check_authority(&self, below: usize) -> Result<(), TrustError> {
        let Some(authority) = self.0.authority else {
            return Err(TrustError::NotAuthority(self.display_name()));
        };
        match authority.path_length {
            Some(most) if below > most as usize => {
                Err(TrustError::PathTooLong(self.display_name()))
            }
            _ => Ok(()),
        }
    }

    /// Returns the DER of the subject's distinguished name.
    pub(crate) fn subject_der(&self) -> &[u8] {
        &self.0.subject.der
    }

    /// Returns a name for messages.
    pub(crate) fn display_name(&self) -> String {
        self.name()
            .map_or_else(|| self.id().to_string(), str::to_owned)
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.to_der() == other.to_der()
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({:?}, {})", self.display_name(), self.id())
    }
}

impl Parsed {
    fn new(der: &[u8], certificate: &X509Certificate<'_>) -> Self {
        let seconds = |time: i64| u64::try_from(time).unwrap_or(0);
        let validity = certificate.validity();
        Self {
            der: der.to_vec(),
            subject: DistinguishedName::new(certificate.subject()),
            issuer: DistinguishedName::new(certificate.issuer()),
            not_before: seconds(validity.not_before.timestamp()),
            not_after: seconds(validity.not_after.timestamp()),
            key: Key::new(certificate.public_key()),
            authority: Authority::of(certificate),
            signature: Signature::of(certificate),
        }
    }
}

impl DistinguishedName {
    fn new(name: &X509Name<'_>) -> Self {
        let text = |oid: &Oid<'_>| {
            let attribute = name
                .iter_attributes()
                .find(|attribute| attribute.attr_type() == oid)?;
            attribute.as_str().ok().map(str::to_owned)
        };
        Self {
            der: name.as_raw().to_vec(),
            common_name: text(&OID_X509_COMMON_NAME),
            uid: text(&UID),
        }
    }
}

impl Key {
    fn new(spki: &SubjectPublicKeyInfo<'_>) -> Self {
        if let Ok(key) = PublicKey::from_der(spki.raw) {
            return Self::Known(key);
        }
        let kind = &spki.algorithm.algorithm;
        let algorithm = if *kind == OID_KEY_TYPE_EC_PUBLIC_KEY {
            "EC"
        } else if *kind == OID_PKCS1_RSAENCRYPTION {
            "RSA"
        } else {
            "other"
        };
        Self::Other {
            algorithm,
            bits: spki.parsed().map_or(0, |key| key.key_size()),
            id: KeyId::of(spki.raw),
            long_id: LongKeyId::of(spki.raw),
        }
    }
}

impl Authority {
    fn of(certificate: &X509Certificate<'_>) -> Option<Self> {
        let constraints = certificate.basic_constraints().ok()??.value;
        let usage = certificate.key_usage().ok()??.value;
        (constraints.ca && usage.key_cert_sign()).then_some(Self {
            path_length: constraints.path_len_constraint,
        })
    }
}

impl Signature {
    fn of(certificate: &X509Certificate<'_>) -> Self {
        let claimed = hash_of(&certificate.tbs_certificate.signature);
        let used = hash_of(&certificate.signature_algorithm);
        Self {
            signed: certificate.tbs_certificate.as_ref().to_vec(),
            hash: used.filter(|_| claimed == used),
            value: certificate.signature_value.data.to_vec(),
        }
    }
}

/// Returns the hash of an accepted signature algorithm. The list is short on purpose: no SHA-1, no MD5, no PSS variants.
fn hash_of(algorithm: &AlgorithmIdentifier<'_>) -> Option<Hash> {
    let accepted = [
        (OID_PKCS1_SHA256WITHRSA, Hash::Sha256),
        (OID_PKCS1_SHA384WITHRSA, Hash::Sha384),
        (OID_PKCS1_SHA512WITHRSA, Hash::Sha512),
    ];
    accepted
        .into_iter()
        .find_map(|(oid, hash)| (algorithm.algorithm == oid).then_some(hash))
}
