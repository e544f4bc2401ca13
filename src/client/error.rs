//! What can go wrong between an application and its node.

use std::io;

use thiserror::Error;

use super::typed::EncodeError;
use crate::net::BindError;
use crate::net::{ParseHostPortError, ResolveError};
use crate::node::OpError;
use crate::runner::state::StateError;
use crate::wire::DecodeError;
use crate::{ConfigError, secure};

/// The node has been shut down.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("the node has been shut down")]
pub struct Closed;

/// The node could not be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// A setting is out of its range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A bootstrap peer is no host with or without a port.
    #[error(transparent)]
    Peer(#[from] ParseHostPortError),
    /// No bootstrap peer has an address: a misspelt name, or no network.
    #[error("no bootstrap peer has an address: {}", .0.iter().map(describe).collect::<Vec<_>>().join("; "))]
    Unresolved(Vec<ResolveError>),
    /// A port is taken, or an address not one of ours.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The saved state cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The system has no entropy.
    #[error("the system has no randomness to give")]
    Entropy(#[source] io::Error),
}

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

fn describe(error: &ResolveError) -> String {
    format!("{} ({})", error.name, error.source)
}
