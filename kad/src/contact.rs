//! [`Contact`]: a node as others name it.

use std::fmt;
use std::net::SocketAddr;

use crate::{Family, Id};

/// A node as others name it: id and UDP address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Contact<const N: usize> {
    /// The node's id within its address family.
    pub id: Id<N>,
    /// Where its datagrams come from and go to.
    pub addr: SocketAddr,
}

impl<const N: usize> Contact<N> {
    /// Makes a contact of this id and address.
    pub const fn new(id: Id<N>, addr: SocketAddr) -> Self {
        Self { id, addr }
    }

    /// Returns the family of its address.
    pub fn family(&self) -> Family {
        Family::of(&self.addr)
    }
}

impl<const N: usize> fmt::Display for Contact<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.addr)
    }
}

impl<const N: usize> fmt::Debug for Contact<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
