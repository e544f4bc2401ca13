//! What goes on behind an operation: its [`Preparation`] before the node has a part in it, and the [`InternalOp`]s that the
//! node runs for it.

use super::key_cache::KeyName;
use super::put_encrypted::EncryptedPut;
use crate::InfoHash;
use crate::node::PutOptions;
use crate::value::ValueId;

/// Where a value lives: its key and its number there.
pub(super) type Home = (InfoHash, ValueId);

/// What an operation of the application waits for before the node has a part in it.
#[derive(Debug)]
pub(super) enum Preparation {
    /// For its turn in its series, or for its signature.
    Signed { home: Home },
    /// For the recipient's certificate.
    Recipient { name: KeyName, put: EncryptedPut },
    /// For its ciphertext.
    Encrypted { home: Home, options: PutOptions },
    /// For a certificate, which is all it wants.
    Certificate { name: KeyName },
    /// For a public key, which is all it wants.
    PublicKey { name: KeyName },
}

/// What an operation of the node is for, if not for the application.
#[derive(Clone, Copy, Debug)]
pub(super) enum InternalOp {
    /// Looks for earlier editions of a value to be signed.
    Probe { home: Home },
    /// Looks for a certificate.
    Search { name: KeyName },
    /// Announces the own certificate.
    Publication,
}

impl Preparation {
    /// Where the value will live that is being prepared.
    pub(super) fn home(&self) -> Option<Home> {
        match self {
            Self::Signed { home } | Self::Encrypted { home, .. } => Some(*home),
            Self::Recipient { put, .. } => Some(put.home),
            Self::Certificate { .. } | Self::PublicKey { .. } => None,
        }
    }
}
