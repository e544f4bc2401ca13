//! What goes on behind an operation: its [`Preparation`] before the node has a part in it, and the
//! [`InternalOp`]s that the node runs for it.

use super::key_cache::KeyName;
use crate::value::ValueAddress;

/// What an operation of the application waits for before the node has a part in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Preparation {
    /// For the signature of the value that it puts.
    Signed { address: ValueAddress },
    /// For the ciphertext of the value that it puts.
    Encrypted { address: ValueAddress },
    /// For a certificate, which is all it wants.
    Certificate { name: KeyName },
    /// For a public key, which is all it wants.
    PublicKey { name: KeyName },
}

/// What an operation of the node is for, if not for the application.
#[derive(Clone, Copy, Debug)]
pub(super) enum InternalOp {
    /// Looks for earlier editions of a value to be signed.
    Probe { address: ValueAddress },
    /// Looks for a certificate.
    Search { name: KeyName },
    /// Announces the own certificate.
    Publication,
}

impl Preparation {
    /// Returns where the value will be that is being prepared.
    pub(super) fn address(&self) -> Option<ValueAddress> {
        match self {
            Self::Signed { address } | Self::Encrypted { address } => Some(*address),
            Self::Certificate { .. } | Self::PublicKey { .. } => None,
        }
    }
}
