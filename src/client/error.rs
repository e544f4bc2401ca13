//! What can go wrong between an application and its node.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::host_port::{ParseHostPortError, ResolveError};
use super::typed::EncodeError;
use crate::node::OpError;
use crate::secure;
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
    /// The node refused it, or it failed on the way: no identity to sign with, no certificate of the recipient.
    #[error(transparent)]
    Refused(#[from] secure::PutError),
    /// The value cannot be written as msgpack.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The node was shut down before the end.
    #[error(transparent)]
    Closed(#[from] Closed),
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
