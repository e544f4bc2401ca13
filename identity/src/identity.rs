//! Identities: a private key with its certificate chain.

use crate::certificate::Certificate;
use crate::chain::CertificateChain;
use crate::error::LoadError;
use crate::key_id::{KeyId, LongKeyId};
use crate::private_key::PrivateKey;
use crate::public_key::PublicKey;

/// A private key and the certificate chain of its public half. A clone costs two counters.
#[derive(Debug, Clone)]
pub struct Identity {
    key: PrivateKey,
    /// Its leaf is the certificate of `key`.
    chain: CertificateChain,
}

impl Identity {
    /// Puts a key and its chain together: the leaf is the certificate of `key`.
    ///
    /// # Errors
    /// [`LoadError::KeyMismatch`] if the leaf is of another key.
    pub fn new(key: PrivateKey, chain: CertificateChain) -> Result<Self, LoadError> {
        if chain.leaf().public_key() != Some(key.public_key()) {
            return Err(LoadError::KeyMismatch);
        }
        Ok(Self { key, chain })
    }

    /// Puts a key together with the chain that was just issued for it.
    pub(crate) fn from_issued(key: PrivateKey, chain: CertificateChain) -> Self {
        Self { key, chain }
    }

    /// Returns the private key.
    pub fn key(&self) -> &PrivateKey {
        &self.key
    }

    /// Returns the certificate of the key.
    pub fn certificate(&self) -> &Certificate {
        self.chain.leaf()
    }

    /// Returns the certificate and those of its issuers, in that order.
    pub fn chain(&self) -> &CertificateChain {
        &self.chain
    }

    /// Returns the public key.
    pub fn public_key(&self) -> &PublicKey {
        self.key.public_key()
    }

    /// Returns the short id of the key.
    pub fn id(&self) -> KeyId {
        self.public_key().id()
    }

    /// Returns the long id of the key.
    pub fn long_id(&self) -> LongKeyId {
        self.public_key().long_id()
    }
}
