//! [`Contact`]: a node as others name it.

use std::fmt;
use std::net::SocketAddr;

use crate::{Family, InfoHash};

/// A node as others name it: id and UDP address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Contact {
    /// The node's id within its address family.
    pub id: InfoHash,
    /// Where its datagrams come from and go to.
    pub addr: SocketAddr,
}

impl Contact {
    /// Makes a contact of this id and address.
    pub const fn new(id: InfoHash, addr: SocketAddr) -> Self {
        Self { id, addr }
    }

    /// Returns the family of its address.
    pub fn family(&self) -> Family {
        Family::of(&self.addr)
    }
}

impl fmt::Display for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.addr)
    }
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
