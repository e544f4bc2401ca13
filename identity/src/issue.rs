//! Issuing certificates, self-signed or by an authority, with exactly the fields that OpenDHT writes.

use std::time::Duration;

use rcgen::string::PrintableString;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, DnValue, IsCa,
    Issuer, KeyIdMethod, KeyUsagePurpose, PublicKeyData, SerialNumber, SignatureAlgorithm,
    SigningKey,
};
use x509_parser::der_parser::asn1_rs::Tag;
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Name;

use crate::backend::Hash;
use crate::certificate::Certificate;
use crate::chain::MAX_CHAIN_LENGTH;
use crate::error::IssueError;
use crate::identity::Identity;
use crate::private_key::PrivateKey;
use crate::public_key::PublicKey;
use crate::random;
use crate::scheme::Scheme;

const UID: [u64; 7] = [0, 9, 2342, 19_200_300, 100, 1, 1];
const SUBJECT_KEY_IDENTIFIER: [u64; 4] = [2, 5, 29, 14];
const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

/// The last second that a certificate can name, the end of the year 9999.
const END_OF_TIME: u64 = 253_402_300_799;

/// What a new identity is to be: a name, and how it departs from the defaults.
///
/// ```no_run
/// use bulla_identity::{Identity, IdentityParameters};
///
/// # let now = 0;
/// let ca = Identity::generate(&IdentityParameters::new("Example CA", now))?;
/// let alice = Identity::generate(&IdentityParameters::new("alice", now).issuer(&ca).days(365))?;
/// assert!(alice.certificate().is_issued_by(ca.certificate()));
/// # Ok::<(), bulla_identity::IssueError>(())
/// ```
#[derive(Debug, Clone)]
pub struct IdentityParameters<'a> {
    name: &'a str,
    bits: usize,
    issuer: Option<&'a Identity>,
    authority: bool,
    days: u32,
    now: u64,
}

impl<'a> IdentityParameters<'a> {
    /// Starts with the defaults: a key of 4096 bits, self-signed, valid from `now` (Unix seconds) on for ten years of 365 days.
    pub fn new(name: &'a str, now: u64) -> Self {
        Self {
            name,
            now,
            bits: 4096,
            issuer: None,
            authority: false,
            days: 10 * 365,
        }
    }

    /// Sets the size of the key, 2048 to 8192 bits.
    #[must_use]
    pub fn bits(self, bits: usize) -> Self {
        Self { bits, ..self }
    }

    /// Lets `issuer`, a certificate authority, sign the certificate. Its chain becomes the rest of the new chain.
    #[must_use]
    pub fn issuer(self, issuer: &'a Identity) -> Self {
        Self {
            issuer: Some(issuer),
            ..self
        }
    }

    /// Makes the identity a certificate authority. A self-signed one always is.
    #[must_use]
    pub fn authority(self) -> Self {
        Self {
            authority: true,
            ..self
        }
    }

    /// Sets how long the certificate is valid.
    #[must_use]
    pub fn days(self, days: u32) -> Self {
        Self { days, ..self }
    }

    pub(crate) fn key_bits(&self) -> usize {
        self.bits
    }

    /// Checks all but the key, so that no key is made in vain.
    pub(crate) fn check(&self) -> Result<(), IssueError> {
        // RFC 5280, appendix A: ub-common-name is 64 characters.
        let length = self.name.chars().count();
        if !(1..=64).contains(&length) || self.name.chars().any(char::is_control) {
            return Err(IssueError::Name);
        }
        if self.days == 0 || self.not_after() > END_OF_TIME {
            return Err(IssueError::Validity);
        }
        match self.issuer {
            Some(issuer) if !issuer.certificate().is_ca() => Err(IssueError::NotAuthority),
            Some(issuer) if issuer.chain().len() >= MAX_CHAIN_LENGTH => {
                Err(IssueError::ChainTooLong)
            }
            _ => Ok(()),
        }
    }

    fn not_after(&self) -> u64 {
        self.now
            .saturating_add(u64::from(self.days) * SECONDS_PER_DAY)
    }
}

/// Issues a certificate for `key` and returns it with the chain above it.
pub(crate) fn issue(
    key: &PrivateKey,
    parameters: &IdentityParameters<'_>,
) -> Result<Vec<Certificate>, IssueError> {
    parameters.check()?;
    let fields = fields(key.public_key(), parameters)?;
    let subject = CertifiedKey::new(key, key.public_key());
    let issued = match parameters.issuer {
        None => fields.self_signed(&subject),
        Some(issuer) => {
            let mut issuer_fields = CertificateParams::default();
            issuer_fields.distinguished_name = subject_of(issuer.certificate())?;
            let signer = CertifiedKey::new(issuer.key(), key.public_key());
            fields.signed_by(&subject, &Issuer::new(issuer_fields, signer))
        }
    };
    let issued = issued.map_err(|_| crate::SignError::Failed)?;
    // The issuer's name was rebuilt from its parts: it must have come out the same.
    let certificate = Certificate::from_der(issued.der())
        .ok()
        .filter(|issued| {
            issued.is_issued_by(parameters.issuer.map_or(issued, Identity::certificate))
        })
        .ok_or(IssueError::IssuerName)?;
    let above = parameters.issuer.map_or(&[][..], Identity::chain);
    Ok([&[certificate], above].concat())
}

fn fields(
    key: &PublicKey,
    parameters: &IdentityParameters<'_>,
) -> Result<CertificateParams, IssueError> {
    let date = |unix_seconds| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(unix_seconds);
    let mut fields = CertificateParams::default();
    fields.distinguished_name = subject(parameters.name, key);
    fields.serial_number = Some(serial()?);
    fields.not_before = date(parameters.now);
    fields.not_after = date(parameters.not_after());
    if parameters.authority || parameters.issuer.is_none() {
        fields.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        fields.key_identifier_method = KeyIdMethod::PreSpecified(key.id().as_bytes().to_vec());
        fields.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    } else {
        let octet_string = [&[0x04, 20], &key.id().as_bytes()[..]].concat();
        fields.custom_extensions = vec![CustomExtension::from_oid_content(
            &SUBJECT_KEY_IDENTIFIER,
            octet_string,
        )];
        fields.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::DataEncipherment,
        ];
    }
    Ok(fields)
}

fn subject(name: &str, key: &PublicKey) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, directory_string(name));
    subject.push(
        DnType::CustomDnType(UID.to_vec()),
        directory_string(&key.id().to_string()),
    );
    subject
}

/// Returns a printable string if the text is one, else UTF-8: as OpenDHT's library chooses.
fn directory_string(text: &str) -> DnValue {
    PrintableString::try_from(text).map_or_else(
        |_| DnValue::Utf8String(text.to_owned()),
        DnValue::PrintableString,
    )
}

/// Returns the subject of `certificate` as a name that can be written again.
fn subject_of(certificate: &Certificate) -> Result<DistinguishedName, IssueError> {
    let (_, subject) =
        X509Name::from_der(certificate.subject_der()).map_err(|_| IssueError::IssuerName)?;
    let mut name = DistinguishedName::new();
    for attribute in subject.iter_attributes() {
        let text = attribute.as_str().map_err(|_| IssueError::IssuerName)?;
        let kind: Vec<u64> = attribute
            .attr_type()
            .iter()
            .ok_or(IssueError::IssuerName)?
            .collect();
        let value = match attribute.attr_value().tag() {
            Tag::Utf8String => DnValue::Utf8String(text.to_owned()),
            Tag::PrintableString => directory_string(text),
            _ => return Err(IssueError::IssuerName),
        };
        name.push(DnType::from_oid(&kind), value);
    }
    Ok(name)
}

/// Returns a random positive number of 63 bits.
fn serial() -> Result<SerialNumber, IssueError> {
    let mut bytes = *random::bytes::<8>()?;
    // The highest bit is the sign; the next one keeps the number from being shorter than 8 bytes.
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

/// A key as the certificate writer wants it: the algorithm follows the strength of the certified key, not of the signing one.
struct CertifiedKey<'a> {
    key: &'a PrivateKey,
    hash: Hash,
}

impl<'a> CertifiedKey<'a> {
    fn new(key: &'a PrivateKey, certified: &PublicKey) -> Self {
        let hash = if certified.bits() <= 3072 {
            Hash::Sha256
        } else {
            Hash::Sha384
        };
        Self { key, hash }
    }
}

impl PublicKeyData for CertifiedKey<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.key.public_key().subject_public_key()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        match self.hash {
            Hash::Sha256 => &rcgen::PKCS_RSA_SHA256,
            Hash::Sha384 => &rcgen::PKCS_RSA_SHA384,
            Hash::Sha512 => &rcgen::PKCS_RSA_SHA512,
        }
    }
}

impl SigningKey for CertifiedKey<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.key
            .sign_with(Scheme::RsaPkcs1(self.hash), message)
            .map_err(|_| rcgen::Error::RemoteKeyError)
    }
}
