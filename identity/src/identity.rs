//! Identities: a private key with its certificate chain.

use std::sync::Arc;

use crate::certificate::Certificate;
use crate::error::LoadError;
use crate::key_id::{KeyId, LongKeyId};
use crate::private_key::PrivateKey;
use crate::public_key::PublicKey;

/// A private key and the certificate chain of its public half, which match. A clone costs two counters.
#[derive(Debug, Clone)]
pub struct Identity {
    key: PrivateKey,
    /// Never empty: the first is the certificate of `key`.
    chain: Arc<[Certificate]>,
}

impl Identity {
    /// Puts a key and its chain together, the certificate of `key` first.
    ///
    /// # Errors
    /// [`LoadError::KeyMismatch`] if the first certificate is missing or of another key.
    pub fn new(key: PrivateKey, chain: Vec<Certificate>) -> Result<Self, LoadError> {
        if chain.first().and_then(Certificate::public_key) != Some(key.public_key()) {
            return Err(LoadError::KeyMismatch);
        }
        Ok(Self {
            key,
            chain: chain.into(),
        })
    }

    /// Puts a key together with the chain that was just issued for it.
    pub(crate) fn from_issued(key: PrivateKey, chain: Vec<Certificate>) -> Self {
        Self {
            key,
            chain: chain.into(),
        }
    }

    /// Returns the private key.
    pub fn key(&self) -> &PrivateKey {
        &self.key
    }

    /// Returns the certificate of the key.
    pub fn certificate(&self) -> &Certificate {
        &self.chain[0]
    }

    /// Returns the certificate and those of its issuers, in that order.
    pub fn chain(&self) -> &[Certificate] {
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
