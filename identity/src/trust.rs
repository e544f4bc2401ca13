//! Trust in certificates: chains are checked up to trusted ones, and revoked ones are refused.

use crate::certificate::Certificate;
use crate::chain::{CertificateChain, MAX_CHAIN_LENGTH};
use crate::crl::RevocationList;
use crate::error::{RevocationListError, TrustError};

/// The trusted certificates, and what their owners have revoked.
///
/// ```
/// use bulla_identity::{Certificate, CertificateChain, RevocationList, TrustList};
///
/// # type Result = std::result::Result<(), Box<dyn std::error::Error>>;
/// # fn accept(ca: &[Certificate], list: &[u8], found: &[u8], now: u64) -> Result {
/// let mut trusted = TrustList::new();
/// trusted.add(ca);
/// trusted.add_revocation_list(RevocationList::from_der(list)?)?;
/// trusted.verify(&CertificateChain::from_bytes(found)?, now)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct TrustList {
    certificates: Vec<Certificate>,
    revoked: Vec<Attached>,
}

/// A revocation list with a checked signature, and the certificate that signed it.
#[derive(Debug, Clone)]
struct Attached {
    list: RevocationList,
    issuer: Certificate,
}

impl TrustList {
    /// Makes an empty list, which trusts no certificate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts these certificates from now on, each by itself, and as an issuer if it is an
    /// authority. Of a chain every certificate is trusted, as OpenDHT does.
    pub fn add(&mut self, certificates: &[Certificate]) {
        for certificate in certificates {
            if !self.certificates.contains(certificate) {
                self.certificates.push(certificate.clone());
            }
        }
    }

    /// Removes `certificate` and the revocation lists that it signed. Reports whether it was there.
    pub fn remove(&mut self, certificate: &Certificate) -> bool {
        let before = self.certificates.len();
        self.certificates.retain(|trusted| trusted != certificate);
        self.revoked
            .retain(|attached| attached.issuer != *certificate);
        self.certificates.len() < before
    }

    /// Attaches a revocation list to the trusted certificate that signed it. Of the lists of one
    /// issuer the newest counts, by time and then by number; reports whether that is now this one.
    ///
    /// # Errors
    /// [`RevocationListError::UnknownIssuer`] or [`RevocationListError::BadSignature`].
    pub fn add_revocation_list(
        &mut self,
        list: RevocationList,
    ) -> Result<bool, RevocationListError> {
        let named: Vec<_> = self
            .certificates
            .iter()
            .filter(|issuer| list.names_as_issuer(issuer) && issuer.signs_revocation_lists())
            .collect();
        if named.is_empty() {
            return Err(RevocationListError::UnknownIssuer);
        }
        let issuer = named
            .into_iter()
            .find(|issuer| list.is_issued_by(issuer))
            .ok_or(RevocationListError::BadSignature)?
            .clone();
        match self
            .revoked
            .iter_mut()
            .find(|attached| attached.issuer == issuer)
        {
            Some(attached) if !list.is_newer_than(&attached.list) => return Ok(false),
            Some(attached) => attached.list = list,
            None => self.revoked.push(Attached { list, issuer }),
        }
        Ok(true)
    }

    /// Returns the trusted certificates, in the order in which they came.
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// Returns the revocation lists that count.
    pub fn revocation_lists(&self) -> impl Iterator<Item = &RevocationList> {
        self.revoked.iter().map(|attached| &attached.list)
    }

    /// Checks `chain` like [`verify_chain`], and that no certificate on the way is revoked, nor one
    /// of those above it that are trusted. An outdated list revokes what is on it, and is no reason
    /// to refuse what is not.
    ///
    /// # Errors
    /// The first [`TrustError`] met on the way up.
    pub fn verify(&self, chain: &CertificateChain, now: u64) -> Result<(), TrustError> {
        let check = |certificate: &Certificate| {
            check_dates(certificate, now)?;
            self.check_revocation(certificate)
        };
        let mut root = verify_path(chain, &self.certificates, check)?;
        for _ in 0..MAX_CHAIN_LENGTH {
            let above = |trusted: &&Certificate| *trusted != root && root.is_issued_by(trusted);
            let Some(issuer) = self.certificates.iter().find(above) else {
                break;
            };
            self.check_revocation(issuer)?;
            root = issuer;
        }
        Ok(())
    }

    fn check_revocation(&self, certificate: &Certificate) -> Result<(), TrustError> {
        let revokes = |attached: &Attached| {
            attached.list.revocation_of(certificate).is_some()
                && certificate.is_issued_by(&attached.issuer)
        };
        if self.revoked.iter().any(revokes) {
            return Err(TrustError::Revoked(certificate.display_name()));
        }
        Ok(())
    }
}

/// Checks that `chain`, the certificate in question first, leads to one of `roots` at the time
/// `now` (Unix seconds).
///
/// The chain is walked upwards until a certificate is itself among the roots or is issued by one;
/// what comes after is not looked at. Every certificate passed, the root included, must be valid at
/// `now`; every issuer must be a certificate authority and its path length kept; every signature
/// must be right, by RSA of at least 2048 bits or ECDSA with SHA-256, SHA-384 or SHA-512, or by
/// Ed25519; and the certificate in question must be of a strong key. A critical extension that is
/// not understood, such as name constraints, makes a certificate useless. Host names and purposes
/// are not checked; for revocation see [`TrustList`].
///
/// ```
/// use bulla_identity::{Certificate, CertificateChain, verify_chain};
///
/// # use std::error::Error;
/// # fn accept(found: &[u8], root: Certificate, now: u64) -> Result<(), Box<dyn Error>> {
/// let chain = CertificateChain::from_bytes(found)?;
/// verify_chain(&chain, &[root], now)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// The first [`TrustError`] met on the way up.
pub fn verify_chain(
    chain: &CertificateChain,
    roots: &[Certificate],
    now: u64,
) -> Result<(), TrustError> {
    verify_path(chain, roots, |certificate| check_dates(certificate, now)).map(drop)
}

/// Reports whether a chain leads to `authority`, which may issue: that is, whether each certificate
/// is signed by the next one up to it. Dates are not looked at.
#[must_use]
pub fn is_issued_under(chain: &CertificateChain, authority: &Certificate) -> bool {
    verify_path(chain, std::slice::from_ref(authority), |_| Ok(())).is_ok()
}

/// Walks up from the leaf of `chain` to one of `roots`, which is returned. Each certificate on the
/// way must pass `check`.
fn verify_path<'a>(
    chain: &'a CertificateChain,
    roots: &'a [Certificate],
    check: impl Fn(&Certificate) -> Result<(), TrustError>,
) -> Result<&'a Certificate, TrustError> {
    let mut certificate = chain.leaf();
    certificate.check_key()?;
    certificate.check_extensions()?;
    check(certificate)?;
    let check_link = |certificate: &Certificate, issuer: &Certificate, authorities_below| {
        issuer.check_authority(authorities_below)?;
        issuer.check_extensions()?;
        check(issuer)?;
        certificate.check_signature(issuer)
    };
    let mut issuers = chain.issuers().iter();
    let mut authorities_below = 0;
    loop {
        if let Some(root) = roots.iter().find(|root| *root == certificate) {
            return Ok(root);
        }
        let mut refusal = TrustError::UnknownIssuer(certificate.display_name());
        for root in roots
            .iter()
            .filter(|root| certificate.names_as_issuer(root))
        {
            match check_link(certificate, root, authorities_below) {
                Ok(()) => return Ok(root),
                Err(error) => refusal = error,
            }
        }
        let Some(issuer) = issuers.next() else {
            return Err(refusal);
        };
        check_link(certificate, issuer, authorities_below)?;
        certificate = issuer;
        authorities_below += 1;
    }
}

fn check_dates(certificate: &Certificate, now: u64) -> Result<(), TrustError> {
    if now < certificate.not_before() {
        Err(TrustError::NotYetValid(certificate.display_name()))
    } else if now > certificate.not_after() {
        Err(TrustError::Expired(certificate.display_name()))
    } else {
        Ok(())
    }
}
