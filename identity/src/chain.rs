//! Chains of certificates as bytes: the owner's first, each followed by its issuer's.

use crate::certificate::{Certificate, MAX_CHAIN_BYTES};
use crate::error::CertificateError;
use crate::pem;

/// The most certificates in a chain.
pub const MAX_CHAIN_LENGTH: usize = 16;

impl Certificate {
    /// Reads a chain of 1 to [`MAX_CHAIN_LENGTH`] certificates, the owner's first.
    ///
    /// PEM blocks are found anywhere in `bytes`, so the certificate value of the DHT (PEM text as a msgpack string) can be given
    /// as it is. Without a PEM block, `bytes` are a single DER certificate. That each names the next as its issuer is checked;
    /// signatures and dates are not.
    ///
    /// # Errors
    /// [`CertificateError`]: too large, too many, malformed or unordered.
    pub fn chain_from_bytes(bytes: &[u8]) -> Result<Vec<Self>, CertificateError> {
        if bytes.len() > MAX_CHAIN_BYTES {
            return Err(CertificateError::TooLarge);
        }
        let mut chain: Vec<Self> = Vec::new();
        for block in pem::blocks(bytes).filter(|block| block.label == pem::CERTIFICATE) {
            if chain.len() == MAX_CHAIN_LENGTH {
                return Err(CertificateError::TooMany);
            }
            let certificate = Self::from_der(&block.decode().ok_or(CertificateError::Malformed)?)?;
            if chain
                .last()
                .is_some_and(|last| !last.names_as_issuer(&certificate))
            {
                return Err(CertificateError::Unordered);
            }
            chain.push(certificate);
        }
        if chain.is_empty() {
            chain.push(Self::from_der(bytes)?);
        }
        Ok(chain)
    }
}

/// Returns the PEM text of a chain, one block after the other.
pub fn chain_to_pem(chain: &[Certificate]) -> String {
    chain.iter().map(Certificate::to_pem).collect()
}
