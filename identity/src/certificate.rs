//! X.509 certificates: a name bound to a key.
//!
//! Parsing proves nothing about a certificate. What anchors a certificate found on the DHT is its
//! long id; what anchors one in a hierarchy is [`verify_chain`](crate::verify_chain).

use std::fmt;
use std::sync::Arc;

use der::Decode;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{KeyUsage, ParsedExtension};
use x509_parser::oid_registry::{OID_KEY_TYPE_EC_PUBLIC_KEY, OID_PKCS1_RSAENCRYPTION};
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::alternative_name::AlternativeName;
use crate::asn1::SignedDer;
use crate::error::{CertificateError, TrustError};
use crate::key_id::{KeyId, LongKeyId};
use crate::name::DistinguishedName;
use crate::pem;
use crate::public_key::PublicKey;
use crate::scheme::KeyKind;
use crate::signature::{Signature, SignatureFault};

/// The most bytes that are read as certificates, 256 KiB.
pub const MAX_CHAIN_BYTES: usize = 256 * 1024;

/// An X.509 certificate, parsed once. A clone costs a counter; two are equal if their bytes are.
#[derive(Clone)]
pub struct Certificate(Arc<CertificateFields>);

struct CertificateFields {
    der: Vec<u8>,
    serial: Vec<u8>,
    subject: DistinguishedName,
    issuer: DistinguishedName,
    not_before: u64,
    not_after: u64,
    key: SubjectKey,
    key_info: Vec<u8>,
    extensions: Extensions,
    signature: Signature,
}

enum SubjectKey {
    Known(PublicKey),
    /// Of another kind or a refused size: it has ids and can be shown, no more.
    Other {
        algorithm: &'static str,
        bits: usize,
        id: KeyId,
        long_id: LongKeyId,
    },
}

#[derive(Default)]
struct Extensions {
    authority: Option<Authority>,
    alternative_names: Vec<AlternativeName>,
    subject_key_id: Option<Vec<u8>>,
    issuer_key_id: Option<Vec<u8>>,
    signs_revocation_lists: bool,
    signs_ocsp_responses: bool,
    /// There is an extension that must be understood and is not, or that is damaged.
    unknown_critical: bool,
}

/// What a certificate authority may do.
#[derive(Clone, Copy)]
struct Authority {
    /// How many authorities may stand below this one, if bounded.
    path_length: Option<u32>,
}

impl Certificate {
    /// Reads one DER certificate.
    ///
    /// Negative serial numbers, which OpenDHT before 4.3 writes, are accepted; the bytes are kept
    /// as they are.
    ///
    /// # Errors
    /// [`CertificateError::Malformed`], or [`CertificateError::TooLarge`] above
    /// [`MAX_CHAIN_BYTES`].
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > MAX_CHAIN_BYTES {
            return Err(CertificateError::TooLarge);
        }
        // What is not signed is held to its one encoding by the stricter of the two parsers.
        let outside = SignedDer::from_der(der).map_err(|_| CertificateError::Malformed)?;
        let Ok(([], certificate)) = X509Certificate::from_der(der) else {
            return Err(CertificateError::Malformed);
        };
        let signature = outside
            .signature(certificate.tbs_certificate.signature == certificate.signature_algorithm)
            .map_err(|_| CertificateError::Malformed)?;
        Ok(Self(Arc::new(CertificateFields::new(
            der,
            signature,
            &certificate,
        ))))
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
            SubjectKey::Known(key) => Some(key),
            SubjectKey::Other { .. } => None,
        }
    }

    /// Returns the short id of the certified key, whatever its kind.
    pub fn id(&self) -> KeyId {
        match &self.0.key {
            SubjectKey::Known(key) => key.id(),
            SubjectKey::Other { id, .. } => *id,
        }
    }

    /// Returns the long id of the certified key, whatever its kind.
    pub fn long_id(&self) -> LongKeyId {
        match &self.0.key {
            SubjectKey::Known(key) => key.long_id(),
            SubjectKey::Other { long_id, .. } => *long_id,
        }
    }

    /// Returns the subject's common name. Anyone may claim any name.
    pub fn name(&self) -> Option<&str> {
        self.0.subject.common_name.as_deref()
    }

    /// Returns the subject's UID: in OpenDHT's certificates the short key id in hex. It is a claim
    /// like the name.
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

    /// Returns the serial number: the bytes of its DER integer, most significant first, which may
    /// be negative or oddly padded.
    pub fn serial(&self) -> &[u8] {
        &self.0.serial
    }

    /// Returns the alternative names. Kinds other than those of [`AlternativeName`] are passed
    /// over.
    pub fn alternative_names(&self) -> &[AlternativeName] {
        &self.0.extensions.alternative_names
    }

    /// Returns when the certificate begins to be valid, in Unix seconds (0 for any time before
    /// 1970).
    pub fn not_before(&self) -> u64 {
        self.0.not_before
    }

    /// Returns the last second of validity, in Unix seconds.
    pub fn not_after(&self) -> u64 {
        self.0.not_after
    }

    /// Reports whether the certificate is one of a certificate authority: CA flag set, and key
    /// usage permits to sign certificates.
    ///
    /// Differs: OpenDHT asks for that key usage only if the extension is critical.
    pub fn is_ca(&self) -> bool {
        self.0.extensions.authority.is_some()
    }

    /// Returns how many authorities may stand between this one and the end of a chain, if it is an
    /// authority and bounded.
    pub fn path_length(&self) -> Option<u32> {
        self.0.extensions.authority?.path_length
    }

    /// Returns the key identifier of the issuer, if the certificate names it. OpenDHT's
    /// certificates do not.
    pub fn issuer_key_id(&self) -> Option<&[u8]> {
        self.0.extensions.issuer_key_id.as_deref()
    }

    /// Returns the kind of the certified key: `RSA`, `EC` or `other`.
    pub fn algorithm(&self) -> &'static str {
        match &self.0.key {
            SubjectKey::Known(key) => match key.kind() {
                KeyKind::Rsa | KeyKind::RsaOaep => "RSA",
                KeyKind::Curve(_) => "EC",
            },
            SubjectKey::Other { algorithm, .. } => algorithm,
        }
    }

    /// Returns the size of the certified key in bits, 0 if it is not known.
    pub fn bits(&self) -> usize {
        match &self.0.key {
            SubjectKey::Known(key) => key.bits(),
            SubjectKey::Other { bits, .. } => *bits,
        }
    }

    /// Reports whether `issuer` is named as the issuer and its key signed this certificate, by RSA
    /// of at least 2048 bits or ECDSA with SHA-256, SHA-384 or SHA-512, or by Ed25519. Dates, and
    /// whether the issuer may issue, are for [`verify_chain`](crate::verify_chain).
    #[must_use]
    pub fn is_issued_by(&self, issuer: &Certificate) -> bool {
        self.names_as_issuer(issuer) && self.check_signature(issuer).is_ok()
    }

    pub(crate) fn names_as_issuer(&self, issuer: &Certificate) -> bool {
        self.names_issuer(issuer.subject_der())
    }

    /// Reports whether the issuer's distinguished name has this DER.
    pub(crate) fn names_issuer(&self, name: &[u8]) -> bool {
        self.0.issuer.der == name
    }

    pub(crate) fn check_signature(&self, issuer: &Certificate) -> Result<(), TrustError> {
        self.0
            .signature
            .check(issuer.public_key())
            .map_err(|fault| match fault {
                SignatureFault::Unsupported => {
                    TrustError::UnsupportedSignature(self.display_name())
                }
                SignatureFault::Wrong => TrustError::BadSignature(self.display_name()),
            })
    }

    /// Checks that the certified key is strong enough to be trusted.
    pub(crate) fn check_key(&self) -> Result<(), TrustError> {
        match self.0.key {
            SubjectKey::Known(_)
            | SubjectKey::Other {
                algorithm: "EC",
                bits: 256..,
                ..
            } => Ok(()),
            SubjectKey::Other { .. } => Err(TrustError::WeakKey(self.display_name())),
        }
    }

    /// Checks that this certificate may issue one that has `below` authorities between itself and
    /// the end of the chain.
    pub(crate) fn check_authority(&self, below: usize) -> Result<(), TrustError> {
        let Some(authority) = self.0.extensions.authority else {
            return Err(TrustError::NotAuthority(self.display_name()));
        };
        match authority.path_length {
            Some(most) if below > most as usize => {
                Err(TrustError::PathTooLong(self.display_name()))
            }
            _ => Ok(()),
        }
    }

    /// Checks that no extension must be understood that is not (RFC 5280, section 4.2): it may
    /// limit what the certificate is for.
    pub(crate) fn check_extensions(&self) -> Result<(), TrustError> {
        if self.0.extensions.unknown_critical {
            return Err(TrustError::CriticalExtension(self.display_name()));
        }
        Ok(())
    }

    /// Reports whether this is an authority that may sign revocation lists.
    pub(crate) fn signs_revocation_lists(&self) -> bool {
        self.is_ca() && self.0.extensions.signs_revocation_lists
    }

    /// Reports whether the issuer of this certificate lets it sign OCSP responses (RFC 6960,
    /// section 4.2.2.2).
    pub(crate) fn signs_ocsp_responses(&self) -> bool {
        self.0.extensions.signs_ocsp_responses
    }

    /// Returns the subject key identifier: what the certificate says, or the short id if it says
    /// nothing.
    pub(crate) fn subject_key_id(&self) -> Vec<u8> {
        let said = self.0.extensions.subject_key_id.clone();
        said.unwrap_or_else(|| self.id().as_bytes().to_vec())
    }

    /// Returns the DER of the certified key, `SubjectPublicKeyInfo`, as it was read.
    pub(crate) fn key_info(&self) -> &[u8] {
        &self.0.key_info
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

impl CertificateFields {
    fn new(der: &[u8], signature: Signature, certificate: &X509Certificate<'_>) -> Self {
        let seconds = |time: i64| u64::try_from(time).unwrap_or(0);
        let validity = certificate.validity();
        Self {
            der: der.to_vec(),
            serial: certificate.raw_serial().to_vec(),
            subject: DistinguishedName::new(certificate.subject()),
            issuer: DistinguishedName::new(certificate.issuer()),
            not_before: seconds(validity.not_before.timestamp()),
            not_after: seconds(validity.not_after.timestamp()),
            key: SubjectKey::new(certificate.public_key()),
            key_info: certificate.public_key().raw.to_vec(),
            extensions: Extensions::of(certificate),
            signature,
        }
    }
}

impl SubjectKey {
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

impl Extensions {
    fn of(certificate: &X509Certificate<'_>) -> Self {
        let mut extensions = Self {
            authority: Authority::of(certificate),
            ..Self::default()
        };
        for extension in certificate.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::SubjectAlternativeName(names) => {
                    let names = names.general_names.iter();
                    extensions
                        .alternative_names
                        .extend(names.filter_map(AlternativeName::read));
                }
                ParsedExtension::SubjectKeyIdentifier(id) => {
                    extensions.subject_key_id = Some(id.0.to_vec());
                }
                ParsedExtension::AuthorityKeyIdentifier(issuer) => {
                    extensions.issuer_key_id =
                        issuer.key_identifier.as_ref().map(|id| id.0.to_vec());
                }
                ParsedExtension::KeyUsage(usage) => {
                    extensions.signs_revocation_lists = KeyUsage::crl_sign(usage);
                }
                ParsedExtension::ExtendedKeyUsage(usage) => {
                    extensions.signs_ocsp_responses = usage.ocsp_signing;
                }
                ParsedExtension::BasicConstraints(_) | ParsedExtension::CertificatePolicies(_) => {}
                _ => extensions.unknown_critical |= extension.critical,
            }
        }
        extensions
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
