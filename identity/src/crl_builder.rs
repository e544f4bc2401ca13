//! Making a revocation list, from nothing or from the one before.

use der::asn1::{AnyRef, BitStringRef, OctetStringRef};
use der::{Decode, Encode, Tag};
use pkcs8::spki::AlgorithmIdentifierRef;

use crate::asn1::{self, Extension, SignedDer, X509Time};
use crate::certificate::Certificate;
use crate::crl::{
    CRL_NUMBER, REASON_CODE, Revocation, RevocationList, RevocationReason, RevokedEntry,
    TbsCertList,
};
use crate::error::{RevokeError, SignError};
use crate::identity::Identity;
use crate::random;
use crate::scheme::HashAlgorithm;

const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

/// The longest list number, in bytes (RFC 5280, section 5.2.3).
const MAX_NUMBER: usize = 20;

/// A revocation list in the making: what it will revoke, and until when.
///
/// ```no_run
/// use bulla_identity::{Identity, RevocationDraft, RevocationReason};
///
/// # use bulla_identity::RevokeError;
/// # type Result = std::result::Result<(), RevokeError>;
/// # fn revoke(ca: &Identity, alice: &Identity, bob: &Identity, now: u64) -> Result {
/// let first = RevocationDraft::new(now)
///     .revoke(alice.certificate(), RevocationReason::KeyCompromise)
///     .sign(ca)?;
/// let second = RevocationDraft::extending(&first, now + 60)
///     .revoke(bob.certificate(), RevocationReason::Superseded)
///     .days(30)
///     .sign(ca)?;
/// assert_eq!(second.revocations().len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct RevocationDraft {
    previous: Option<RevocationList>,
    certificates: Vec<(Certificate, RevocationReason)>,
    number: Option<Vec<u8>>,
    days: Option<u32>,
    now: u64,
}

impl RevocationDraft {
    /// Starts an empty list of the time `now` (Unix seconds), with a random number, and valid as
    /// long as its issuer.
    pub fn new(now: u64) -> Self {
        Self {
            previous: None,
            certificates: Vec::new(),
            number: None,
            days: None,
            now,
        }
    }

    /// Starts with all that `previous` revokes, and the number after its.
    pub fn extending(previous: &RevocationList, now: u64) -> Self {
        Self {
            previous: Some(previous.clone()),
            ..Self::new(now)
        }
    }

    /// Revokes a certificate from now on. One that is on the list already stays as it is there.
    #[must_use]
    pub fn revoke(mut self, certificate: &Certificate, reason: RevocationReason) -> Self {
        self.certificates.push((certificate.clone(), reason));
        self
    }

    /// Sets the number of the list, a positive number of at most 20 bytes, most significant first.
    #[must_use]
    pub fn number(mut self, number: &[u8]) -> Self {
        self.number = Some(number.to_vec());
        self
    }

    /// Sets by when there will be a newer list.
    #[must_use]
    pub fn days(mut self, days: u32) -> Self {
        self.days = Some(days);
        self
    }

    /// Signs the list with SHA-512, as OpenDHT does; with Ed25519, which has a hash of its own,
    /// with that.
    ///
    /// # Errors
    /// [`RevokeError`]: `issuer` may not sign lists or has not issued what is revoked, or a number
    /// or time out of bounds.
    pub fn sign(&self, issuer: &Identity) -> Result<RevocationList, RevokeError> {
        let authority = issuer.certificate();
        if !authority.signs_revocation_lists() {
            return Err(RevokeError::NotAuthority);
        }
        let revocations = self.revocations(authority)?;
        let next_update = match self.days {
            Some(days) => self.now.saturating_add(u64::from(days) * SECONDS_PER_DAY),
            None => authority.not_after(),
        };
        if next_update <= self.now {
            return Err(RevokeError::Validity);
        }
        let (this_update, next_update) = (
            X509Time::new(self.now).map_err(|_| RevokeError::Validity)?,
            X509Time::new(next_update).map_err(|_| RevokeError::Validity)?,
        );
        let number = self.list_number()?;
        let kind = issuer.public_key().kind();
        let scheme = kind
            .scheme(HashAlgorithm::Sha512)
            .ok_or(SignError::NeverSigns(kind))?;
        let unwritten = |_| RevokeError::Encoding;
        let algorithm = asn1::algorithm(scheme).map_err(unwritten)?;
        let body = encode(
            authority,
            algorithm,
            &revocations,
            &number,
            (this_update, next_update),
        )
        .map_err(unwritten)?;
        let signature = issuer.key().sign_with(scheme, &body)?;
        let der = SignedDer {
            body: AnyRef::from_der(&body).map_err(unwritten)?,
            algorithm,
            signature: BitStringRef::from_bytes(&signature).map_err(unwritten)?,
        }
        .to_der()
        .map_err(unwritten)?;
        RevocationList::from_der(&der).map_err(|_| RevokeError::Encoding)
    }

    fn revocations(&self, authority: &Certificate) -> Result<Vec<Revocation>, RevokeError> {
        let mut revocations = match &self.previous {
            Some(previous) if !previous.is_issued_by(authority) => {
                return Err(RevokeError::OtherList);
            }
            Some(previous) => previous.revocations().to_vec(),
            None => Vec::new(),
        };
        for (certificate, reason) in &self.certificates {
            if !certificate.is_issued_by(authority) {
                return Err(RevokeError::NotIssuedHere(certificate.display_name()));
            }
            if revocations
                .iter()
                .all(|known| known.serial != certificate.serial())
            {
                revocations.push(Revocation {
                    serial: certificate.serial().to_vec(),
                    time: self.now,
                    reason: *reason,
                });
            }
        }
        Ok(revocations)
    }

    fn list_number(&self) -> Result<Vec<u8>, RevokeError> {
        let previous = self.previous.as_ref().and_then(RevocationList::number);
        let number = match (&self.number, previous) {
            (Some(number), _) => number.clone(),
            (None, Some(previous)) => successor(previous),
            (None, None) => {
                let mut number = *random::bytes::<8>()?;
                // The highest bit is the sign; the next one keeps the number from being shorter
                // than 8 bytes.
                number[0] = number[0] & 0x7f | 0x40;
                number.to_vec()
            }
        };
        let minimal = match number[..] {
            [0..=0x7f] | [1..=0x7f, ..] | [0, 0x80..=0xff, ..] => number.len() <= MAX_NUMBER,
            _ => false,
        };
        minimal.then_some(number).ok_or(RevokeError::Number)
    }
}

/// Returns the DER of the part to be signed.
fn encode(
    authority: &Certificate,
    algorithm: AlgorithmIdentifierRef<'_>,
    revocations: &[Revocation],
    number: &[u8],
    (this_update, next_update): (X509Time, X509Time),
) -> der::Result<Vec<u8>> {
    let reasons: Vec<_> = revocations
        .iter()
        .map(|revocation| [0x0a, 1, revocation.reason as u8])
        .collect();
    let mut entries = Vec::new();
    for (revocation, reason) in revocations.iter().zip(&reasons) {
        // The reason is left out if there is none (RFC 5280, section 5.3.1).
        let reason = (revocation.reason != RevocationReason::Unspecified)
            .then(|| extension(REASON_CODE, reason).map(|reason| vec![reason]))
            .transpose()?;
        entries.push(RevokedEntry {
            serial: AnyRef::new(Tag::Integer, &revocation.serial)?,
            time: X509Time::new(revocation.time)?,
            extensions: reason,
        });
    }
    let number = AnyRef::new(Tag::Integer, number)?.to_der()?;
    TbsCertList {
        version: Some(1),
        algorithm,
        issuer: AnyRef::from_der(authority.subject_der())?,
        this_update,
        next_update: Some(next_update),
        revoked: (!entries.is_empty()).then_some(entries),
        extensions: Some(vec![extension(CRL_NUMBER, &number)?]),
    }
    .to_der()
}

fn extension(id: der::oid::ObjectIdentifier, value: &[u8]) -> der::Result<Extension<'_>> {
    Ok(Extension {
        id,
        critical: false,
        value: OctetStringRef::new(value)?,
    })
}

/// Returns the number after this one, as a positive DER integer.
fn successor(number: &[u8]) -> Vec<u8> {
    let mut number = number.to_vec();
    for byte in number.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            break;
        }
    }
    if number.first().is_none_or(|first| *first >= 0x80) {
        number.insert(0, 0);
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_grow_by_one_and_stay_positive() {
        for (number, next) in [
            (&[0][..], &[1][..]),
            (&[0x7f], &[0, 0x80]),
            (&[0, 0xff], &[1, 0]),
            (&[0x7f, 0xff], &[0, 0x80, 0]),
            (&[1, 0xff], &[2, 0]),
        ] {
            assert_eq!(successor(number), next);
        }
    }
}
