//! Chains of certificates, from the one in question up to its authorities.

use std::ops::Deref;
use std::sync::Arc;

use crate::certificate::{Certificate, MAX_CHAIN_BYTES};
use crate::error::CertificateError;
use crate::pem;

/// The most certificates in a chain.
pub const MAX_CHAIN_LENGTH: usize = 16;

/// 1 to [`MAX_CHAIN_LENGTH`] certificates, the leaf first, each followed by that of its issuer.
///
/// A chain proves nothing: that each certificate names the next one as its issuer is checked,
/// signatures and dates are not. [`verify_chain`](crate::verify_chain) checks them. A clone costs a
/// counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateChain(Arc<[Certificate]>);

impl CertificateChain {
    /// Puts a leaf and its issuers together, the nearest issuer first.
    ///
    /// # Errors
    /// [`CertificateError::TooMany`] or [`CertificateError::Unordered`].
    pub fn new(
        leaf: Certificate,
        issuers: impl IntoIterator<Item = Certificate>,
    ) -> Result<Self, CertificateError> {
        Self::collect(leaf, issuers.into_iter().map(Ok))
    }

    /// Reads a chain, the leaf first.
    ///
    /// PEM blocks are found anywhere in `bytes`, so the certificate value of the DHT (PEM text as a
    /// msgpack string) can be given as it is. Without a PEM block, `bytes` are a single DER
    /// certificate.
    ///
    /// # Errors
    /// [`CertificateError`]: too large, too many, malformed or unordered.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CertificateError> {
        if bytes.len() > MAX_CHAIN_BYTES {
            return Err(CertificateError::TooLarge);
        }
        let mut certificates = pem::blocks(bytes)
            .filter(|block| block.label == pem::CERTIFICATE)
            .map(|block| {
                Certificate::from_der(&block.decode().ok_or(CertificateError::Malformed)?)
            });
        match certificates.next() {
            Some(leaf) => Self::collect(leaf?, certificates),
            None => Certificate::from_der(bytes).map(Self::from),
        }
    }

    fn collect(
        leaf: Certificate,
        issuers: impl Iterator<Item = Result<Certificate, CertificateError>>,
    ) -> Result<Self, CertificateError> {
        let mut chain = vec![leaf];
        for issuer in issuers {
            if chain.len() == MAX_CHAIN_LENGTH {
                return Err(CertificateError::TooMany);
            }
            let issuer = issuer?;
            if !chain
                .last()
                .is_some_and(|last| last.names_as_issuer(&issuer))
            {
                return Err(CertificateError::Unordered);
            }
            chain.push(issuer);
        }
        Ok(Self(chain.into()))
    }

    /// Returns the first certificate: the one in question.
    pub fn leaf(&self) -> &Certificate {
        &self.0[0]
    }

    /// Returns the certificates above the leaf, the nearest first.
    pub fn issuers(&self) -> &[Certificate] {
        &self.0[1..]
    }

    /// Returns the chain that begins with the leaf's issuer, or `None` if the leaf is all there is.
    #[must_use]
    pub fn issuer_chain(&self) -> Option<Self> {
        (!self.issuers().is_empty()).then(|| Self(self.issuers().into()))
    }

    /// Returns the PEM text, one block after the other.
    pub fn to_pem(&self) -> String {
        self.iter().map(Certificate::to_pem).collect()
    }
}

impl From<Certificate> for CertificateChain {
    fn from(leaf: Certificate) -> Self {
        Self([leaf].into())
    }
}

/// The certificates in order.
impl Deref for CertificateChain {
    type Target = [Certificate];

    fn deref(&self) -> &[Certificate] {
        &self.0
    }
}
