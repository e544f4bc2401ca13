//! [`Family`] and [`ByFamily`]: what exists once for IPv4 and once for IPv6.

use std::net::SocketAddr;
use std::ops::{Index, IndexMut};

/// An address family. Tables and lookups exist once for each.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// One `T` for each family.
///
/// ```
/// use bulla_kad::{ByFamily, Family};
///
/// let mut nodes = ByFamily::<u32>::default();
/// nodes[Family::V6] += 1;
/// assert_eq!(nodes, ByFamily { v4: 0, v6: 1 });
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ByFamily<T> {
    /// That of IPv4.
    pub v4: T,
    /// That of IPv6.
    pub v6: T,
}

impl Family {
    /// Both families, IPv4 first.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// Returns the family of an address.
    pub fn of(addr: &SocketAddr) -> Self {
        if addr.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

impl<T> ByFamily<T> {
    /// Makes the one of each family, IPv4 first.
    pub fn from_fn(mut make: impl FnMut(Family) -> T) -> Self {
        Self {
            v4: make(Family::V4),
            v6: make(Family::V6),
        }
    }

    /// Iterates over both, IPv4 first.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        [&self.v4, &self.v6].into_iter()
    }
}

impl<T> Index<Family> for ByFamily<T> {
    type Output = T;

    fn index(&self, family: Family) -> &T {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }
}

impl<T> IndexMut<Family> for ByFamily<T> {
    fn index_mut(&mut self, family: Family) -> &mut T {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_has_its_own() {
        let mut ports = ByFamily::from_fn(|family| match family {
            Family::V4 => 4,
            Family::V6 => 6,
        });
        assert!(ports.iter().eq(&[4, 6]));
        ports[Family::V4] += 1;
        assert_eq!((ports[Family::V4], ports[Family::V6]), (5, 6));
        assert_eq!((ports.v4, ports.v6), (5, 6));
    }

    #[test]
    fn an_address_has_the_family_of_its_version() {
        for (addr, family) in [("192.0.2.1:1", Family::V4), ("[2001:db8::1]:1", Family::V6)] {
            assert_eq!(Family::of(&addr.parse().unwrap()), family);
        }
    }
}
