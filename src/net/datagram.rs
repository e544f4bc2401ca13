//! [`Datagram`]: what is to be sent, and from where.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

/// A datagram to be sent.
#[derive(Clone, Debug)]
pub(super) struct Datagram {
    /// Where to.
    pub(super) to: SocketAddr,
    /// The address of this host to send from, if the system is not to choose.
    pub(super) source: Option<IpAddr>,
    /// What.
    pub(super) bytes: Bytes,
}
