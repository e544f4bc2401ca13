//! What can go wrong between an application and its node.

use std::io;
use std::path::PathBuf;

use bulla_identity::{EncryptError, SignError};
use thiserror::Error;

use super::host_port::{ParseHostPortError, ResolveError};
use super::typed::EncodeError;
use crate::node::OpError;
use crate::secure::SecurePutError as Cause;
use crate::wire::DecodeError;

/// The node has been shut down.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("the node has been shut down")]
pub struct Closed;

/// A get, listen, query or search could not be started, or not brought to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum GetError {
    /// The node refused it.
    #[error(transparent)]
    Refused(#[from] OpError),
    /// The node was shut down before the end.
    #[error(transparent)]
    Closed(#[from] Closed),
}

/// A put could not be started, or not brought to its end.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PutError {
    /// There is no key to sign with: give the node an identity.
    #[error("{}", Cause::NoIdentity)]
    NoIdentity,
    /// The node refused it.
    #[error(transparent)]
    Refused(#[from] OpError),
    /// With owner and signature it exceeds [`Value::MAX_PACKED`](crate::Value::MAX_PACKED): it
    /// takes this many bytes.
    #[error("{}", Cause::TooLarge(*.0))]
    TooLarge(usize),
    /// An edition of the value has the last of all sequence numbers: put a new one, with another
    /// id.
    #[error("{}", Cause::NoSequence)]
    NoSequence,
    /// The user type holds the text that marks a bound value: choose another.
    #[error("{}", Cause::ReservedUserType)]
    ReservedUserType,
    /// Only what is signed can be bound to its place.
    #[error("{}", Cause::NotSigned)]
    NotSigned,
    /// The value is to expire some time from now, and the system's clock is not set.
    #[error("{}", Cause::NoCalendar)]
    NoCalendar,
    /// A value is for at least one recipient and at most
    /// [`MAX_RECIPIENTS`](crate::identity::MAX_RECIPIENTS), not for this many.
    #[error("{}", Cause::Recipients(*.0))]
    Recipients(usize),
    /// The recipient's certificate was not found: give its public key, or try again later.
    #[error("{}", Cause::NoCertificate)]
    NoCertificate,
    /// The recipient's certificate is for a key that cannot encrypt.
    #[error("{}", Cause::NotRsa)]
    NotRsa,
    /// The node's key is not one of RSA, or does not work.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The recipient's key is not one of RSA or does not work, or there is no randomness.
    #[error(transparent)]
    Encrypt(#[from] EncryptError),
    /// [`Dht::cancel_put`](super::Dht::cancel_put) was called for its key and id.
    #[error("{}", Cause::Cancelled)]
    Cancelled,
    /// The work of signing or encrypting it was broken off by a fault in the program.
    #[error("{}", Cause::JobFailed)]
    JobFailed,
    /// The application's value cannot be written as msgpack.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The node was shut down before the end.
    #[error(transparent)]
    Closed(#[from] Closed),
}

impl From<Cause> for PutError {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::NoIdentity => Self::NoIdentity,
            Cause::Refused(error) => Self::Refused(error),
            Cause::TooLarge(bytes) => Self::TooLarge(bytes),
            Cause::NoSequence => Self::NoSequence,
            Cause::ReservedUserType => Self::ReservedUserType,
            Cause::NotSigned => Self::NotSigned,
            Cause::NoCalendar => Self::NoCalendar,
            Cause::Recipients(count) => Self::Recipients(count),
            Cause::NoCertificate => Self::NoCertificate,
            Cause::NotRsa => Self::NotRsa,
            Cause::Sign(error) => Self::Sign(error),
            Cause::Encrypt(error) => Self::Encrypt(error),
            Cause::Cancelled => Self::Cancelled,
            Cause::JobFailed => Self::JobFailed,
        }
    }
}

/// Exported nodes or values could not be imported.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The bytes are no export.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The node has been shut down.
    #[error(transparent)]
    Closed(#[from] Closed),
}

/// Bootstrapping from a name failed.
#[derive(Debug, Error)]
pub enum BootstrapError {
    /// The text is no host with or without a port.
    #[error(transparent)]
    Peer(#[from] ParseHostPortError),
    /// The host has no address.
    #[error(transparent)]
    Unresolved(#[from] ResolveError),
    /// The node has been shut down.
    #[error(transparent)]
    Closed(#[from] Closed),
}

/// The saved state of a node cannot be read or written.
#[derive(Debug, Error)]
pub enum StateError {
    /// The file cannot be read.
    #[error("cannot read the saved state in {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is no saved state. Move it away to start without.
    #[error("{} is not the saved state of a node; move it away to start without", .path.display())]
    Decode {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// The file cannot be written.
    #[error("cannot save the node's state to {}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}
