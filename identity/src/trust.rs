//! Is this certificate to be trusted, and if not, why?

use crate::certificate::Certificate;
use crate::chain::MAX_CHAIN_LENGTH;
use crate::error::TrustError;

/// Checks that `chain`, the certificate in question first, leads to one of `roots` at the time `now` (Unix seconds).
///
/// The chain is walked upwards until a certificate is itself among the roots or is issued by one; what comes after is not looked
/// at. Every certificate passed, the root included, must be valid at `now`; every issuer must be a certificate authority and its
/// path length kept; every signature must be right, by RSA of at least 2048 bits with SHA-256, SHA-384 or SHA-512; and the
/// certificate in question must be of a strong key. Host names and purposes are not checked, nor is revocation.
///
/// ```
/// use bulla_identity::{Certificate, TrustError, verify_chain};
///
/// # fn accept(published: &[u8], root: Certificate, now: u64) -> Result<(), Box<dyn std::error::Error>> {
/// let chain = Certificate::chain_from_bytes(published)?;
/// verify_chain(&chain, &[root], now)?;
/// # Ok(())
/// # }
/// assert_eq!(verify_chain(&[], &[], 0), Err(TrustError::Empty));
/// ```
///
/// # Errors
/// The first [`TrustError`] met on the way up.
pub fn verify_chain(
    chain: &[Certificate],
    roots: &[Certificate],
    now: u64,
) -> Result<(), TrustError> {
    let mut certificate = chain.first().ok_or(TrustError::Empty)?;
    certificate.check_key()?;
    check_dates(certificate, now)?;
    for authorities_below in 0..MAX_CHAIN_LENGTH {
        if roots.contains(certificate) {
            return Ok(());
        }
        let mut refusal = TrustError::UnknownIssuer(certificate.display_name());
        for root in roots
            .iter()
            .filter(|root| certificate.names_as_issuer(root))
        {
            match check_link(certificate, root, authorities_below, now) {
                Ok(()) => return Ok(()),
                Err(error) => refusal = error,
            }
        }
        let next = chain
            .get(authorities_below + 1)
            .filter(|next| certificate.names_as_issuer(next));
        let Some(issuer) = next else {
            return Err(refusal);
        };
        check_link(certificate, issuer, authorities_below, now)?;
        certificate = issuer;
    }
    Err(TrustError::PathTooLong(certificate.display_name()))
}

/// Checks that `issuer` may have issued `certificate` and did, with `authorities_below` authorities under it in the chain.
fn check_link(
    certificate: &Certificate,
    issuer: &Certificate,
    authorities_below: usize,
    now: u64,
) -> Result<(), TrustError> {
    issuer.check_authority(authorities_below)?;
    check_dates(issuer, now)?;
    certificate.check_signature(issuer)
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
