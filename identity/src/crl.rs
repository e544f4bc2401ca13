//! Certificate revocation lists, CRLs (RFC 5280, section 5).

use std::fmt;
use std::sync::Arc;

use der::asn1::AnyRef;
use der::oid::ObjectIdentifier;
use der::{Decode, Sequence, Tag, Tagged};
use pkcs8::spki::AlgorithmIdentifierRef;
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Name;

use crate::asn1::{self, Extension, SignedDer, X509Time};
use crate::certificate::Certificate;
use crate::error::RevocationListError;
use crate::name::DistinguishedName;
use crate::pem;
use crate::signature::Signature;

/// The most bytes that are read as a revocation list, 1 MiB: some 30,000 entries.
pub const MAX_REVOCATION_LIST_BYTES: usize = 1024 * 1024;

pub(crate) const CRL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.20");
pub(crate) const REASON_CODE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.21");

/// What an authority has revoked, signed by it. A clone costs a counter; two lists are equal if
/// their bytes are.
///
/// Reading a list proves nothing: see [`is_issued_by`](Self::is_issued_by) and
/// [`TrustList::add_revocation_list`](crate::TrustList::add_revocation_list).
#[derive(Clone)]
pub struct RevocationList(Arc<CrlFields>);

struct CrlFields {
    der: Vec<u8>,
    issuer: DistinguishedName,
    number: Option<Vec<u8>>,
    this_update: u64,
    next_update: Option<u64>,
    /// Sorted by serial number.
    revocations: Vec<Revocation>,
    signature: Signature,
}

/// One certificate that its issuer has revoked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revocation {
    pub(crate) serial: Vec<u8>,
    pub(crate) time: u64,
    pub(crate) reason: RevocationReason,
}

/// Why a certificate was revoked (RFC 5280, section 5.3.1), as far as the issuer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[non_exhaustive]
pub enum RevocationReason {
    /// No reason is given.
    #[default]
    Unspecified = 0,
    /// The private key may be known to others.
    KeyCompromise = 1,
    /// The private key of the authority may be known to others.
    AuthorityCompromise = 2,
    /// What the certificate says of its owner is no longer so.
    AffiliationChanged = 3,
    /// There is a newer certificate.
    Superseded = 4,
    /// The certificate is no longer needed.
    CessationOfOperation = 5,
    /// The certificate is put on hold: it does not count until it leaves the list.
    Hold = 6,
    /// The owner may no longer do what the certificate permits.
    PrivilegeWithdrawn = 9,
}

/// `TBSCertList` (RFC 5280, section 5.1).
#[derive(Sequence)]
pub(crate) struct TbsCertList<'a> {
    #[asn1(optional = "true")]
    pub(crate) version: Option<u8>,
    pub(crate) algorithm: AlgorithmIdentifierRef<'a>,
    pub(crate) issuer: AnyRef<'a>,
    pub(crate) this_update: X509Time,
    #[asn1(optional = "true")]
    pub(crate) next_update: Option<X509Time>,
    #[asn1(optional = "true")]
    pub(crate) revoked: Option<Vec<RevokedEntry<'a>>>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(crate) extensions: Option<Vec<Extension<'a>>>,
}

#[derive(Sequence)]
pub(crate) struct RevokedEntry<'a> {
    pub(crate) serial: AnyRef<'a>,
    pub(crate) time: X509Time,
    #[asn1(optional = "true")]
    pub(crate) extensions: Option<Vec<Extension<'a>>>,
}

impl RevocationList {
    /// Reads a DER list.
    ///
    /// # Errors
    /// [`RevocationListError::Malformed`], [`RevocationListError::TooLarge`] above
    /// [`MAX_REVOCATION_LIST_BYTES`], or [`RevocationListError::Unsupported`] for lists that are
    /// not complete by themselves.
    pub fn from_der(der: &[u8]) -> Result<Self, RevocationListError> {
        if der.len() > MAX_REVOCATION_LIST_BYTES {
            return Err(RevocationListError::TooLarge);
        }
        let list = SignedDer::from_der(der).map_err(|_| RevocationListError::Malformed)?;
        CrlFields::new(der, &list).map(|list| Self(Arc::new(list)))
    }

    /// Reads the first list in PEM text (`X509 CRL`); what else is there is passed over.
    ///
    /// # Errors
    /// As [`from_der`](Self::from_der).
    pub fn from_pem(pem: impl AsRef<[u8]>) -> Result<Self, RevocationListError> {
        let pem = pem.as_ref();
        if pem.len() > 2 * MAX_REVOCATION_LIST_BYTES {
            return Err(RevocationListError::TooLarge);
        }
        let block = pem::blocks(pem).find(|block| block.label == pem::REVOCATION_LIST);
        let der = block.and_then(|block| block.decode());
        Self::from_der(&der.ok_or(RevocationListError::Malformed)?)
    }

    /// Returns the DER bytes, as they were read or issued.
    pub fn to_der(&self) -> &[u8] {
        &self.0.der
    }

    /// Returns the PEM text (`X509 CRL`).
    pub fn to_pem(&self) -> String {
        pem::encode(pem::REVOCATION_LIST, self.to_der())
    }

    /// Returns the issuer's common name.
    pub fn issuer_name(&self) -> Option<&str> {
        self.0.issuer.common_name.as_deref()
    }

    /// Returns the issuer's UID.
    pub fn issuer_uid(&self) -> Option<&str> {
        self.0.issuer.uid.as_deref()
    }

    /// Returns the number of the list, most significant byte first. Each list of an authority has a
    /// larger one than that before.
    pub fn number(&self) -> Option<&[u8]> {
        self.0.number.as_deref()
    }

    /// Returns when the list was made, in Unix seconds.
    pub fn this_update(&self) -> u64 {
        self.0.this_update
    }

    /// Returns by when there is a newer list, in Unix seconds, if the list says so.
    pub fn next_update(&self) -> Option<u64> {
        self.0.next_update
    }

    /// Reports whether there should be a newer list at the time `now` (Unix seconds). What an old
    /// list revokes stays revoked.
    pub fn is_outdated(&self, now: u64) -> bool {
        self.next_update().is_some_and(|next| next < now)
    }

    /// Returns all revocations, by serial number.
    pub fn revocations(&self) -> &[Revocation] {
        &self.0.revocations
    }

    /// Returns the revocation of `certificate`, if its issuer has the name of the list's issuer and
    /// it is on the list.
    pub fn revocation_of(&self, certificate: &Certificate) -> Option<&Revocation> {
        if !certificate.names_issuer(&self.0.issuer.der) {
            return None;
        }
        let position = self
            .0
            .revocations
            .binary_search_by(|revocation| revocation.serial.as_slice().cmp(certificate.serial()));
        self.0.revocations.get(position.ok()?)
    }

    /// Reports whether `issuer` may sign revocation lists, is named as the issuer, and signed this
    /// one.
    #[must_use]
    pub fn is_issued_by(&self, issuer: &Certificate) -> bool {
        issuer.signs_revocation_lists()
            && self.names_as_issuer(issuer)
            && self.0.signature.check(issuer.public_key()).is_ok()
    }

    pub(crate) fn names_as_issuer(&self, issuer: &Certificate) -> bool {
        self.0.issuer.der == issuer.subject_der()
    }

    /// Reports whether this list takes the place of `other`, of the same issuer.
    pub(crate) fn is_newer_than(&self, other: &Self) -> bool {
        self.age() > other.age()
    }

    fn age(&self) -> (u64, (usize, &[u8])) {
        (self.this_update(), number_value(self.number()))
    }
}

impl PartialEq for RevocationList {
    fn eq(&self, other: &Self) -> bool {
        self.to_der() == other.to_der()
    }
}

impl Eq for RevocationList {}

impl fmt::Debug for RevocationList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuer = self.issuer_name().unwrap_or_default();
        write!(
            f,
            "RevocationList(of {issuer:?}, {} revoked)",
            self.revocations().len()
        )
    }
}

impl Revocation {
    /// Returns the serial number of the certificate, as [`Certificate::serial`] does.
    pub fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// Returns since when it is revoked, in Unix seconds.
    pub fn time(&self) -> u64 {
        self.time
    }

    /// Returns why.
    pub fn reason(&self) -> RevocationReason {
        self.reason
    }
}

impl RevocationReason {
    /// Reads the contents of a `CRLReason`; one that is unknown says nothing.
    pub(crate) fn from_code(code: u8) -> Self {
        match code {
            1 => Self::KeyCompromise,
            2 => Self::AuthorityCompromise,
            3 => Self::AffiliationChanged,
            4 => Self::Superseded,
            5 => Self::CessationOfOperation,
            6 => Self::Hold,
            9 => Self::PrivilegeWithdrawn,
            _ => Self::Unspecified,
        }
    }
}

impl CrlFields {
    fn new(der: &[u8], list: &SignedDer<'_>) -> Result<Self, RevocationListError> {
        let malformed = |_| RevocationListError::Malformed;
        let signed = list.body().map_err(malformed)?;
        let body = TbsCertList::from_der(&signed).map_err(malformed)?;
        let issuer = asn1::raw(body.issuer).map_err(malformed)?;
        let (_, issuer) =
            X509Name::from_der(&issuer).map_err(|_| RevocationListError::Malformed)?;
        let extensions = body.extensions.unwrap_or_default();
        let number = known(&extensions, CRL_NUMBER)?
            .map(asn1::integer)
            .transpose()
            .map_err(malformed)?;
        let signature = list
            .signature(body.algorithm == list.algorithm)
            .map_err(malformed)?;
        let entries = body.revoked.unwrap_or_default();
        let mut revocations = entries
            .iter()
            .map(Revocation::new)
            .collect::<Result<Vec<_>, _>>()?;
        revocations.sort();
        Ok(Self {
            der: der.to_vec(),
            issuer: DistinguishedName::new(&issuer),
            number: number.map(<[u8]>::to_vec),
            this_update: body.this_update.unix_seconds(),
            next_update: body.next_update.map(X509Time::unix_seconds),
            revocations,
            signature,
        })
    }
}

impl Revocation {
    fn new(entry: &RevokedEntry<'_>) -> Result<Self, RevocationListError> {
        if entry.serial.tag() != Tag::Integer {
            return Err(RevocationListError::Malformed);
        }
        let extensions = entry.extensions.as_deref().unwrap_or_default();
        let reason = match known(extensions, REASON_CODE)? {
            Some([0x0a, 1, code]) => RevocationReason::from_code(*code),
            Some(_) => return Err(RevocationListError::Malformed),
            None => RevocationReason::Unspecified,
        };
        Ok(Self {
            serial: entry.serial.value().to_vec(),
            time: entry.time.unix_seconds(),
            reason,
        })
    }
}

/// Returns the value of the extension `id`, if every other may be ignored.
fn known<'a>(
    extensions: &[Extension<'a>],
    id: ObjectIdentifier,
) -> Result<Option<&'a [u8]>, RevocationListError> {
    if extensions
        .iter()
        .any(|extension| extension.critical && extension.id != id)
    {
        return Err(RevocationListError::Unsupported);
    }
    let found = extensions.iter().find(|extension| extension.id == id);
    Ok(found.map(|extension| extension.value.as_bytes()))
}

/// Returns what orders numbers: their length without leading zeros, then their bytes.
fn number_value(number: Option<&[u8]>) -> (usize, &[u8]) {
    let number = number.unwrap_or_default();
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    (number.len() - zeros, &number[zeros..])
}
