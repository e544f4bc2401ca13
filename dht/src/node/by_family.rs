//! [`ByFamily`]: one thing for each address family.

use std::ops::{Index, IndexMut};

use crate::Family;

/// A thing for IPv4 and one for IPv6, found by their [`Family`].
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct ByFamily<T> {
    v4: T,
    v6: T,
}

impl<T> ByFamily<T> {
    /// Makes one of each.
    pub(super) fn from_fn(mut make: impl FnMut(Family) -> T) -> Self {
        Self {
            v4: make(Family::V4),
            v6: make(Family::V6),
        }
    }

    /// Returns both, that of IPv4 first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
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
        let mut names = ByFamily::from_fn(|family| format!("{family:?}"));
        names[Family::V6].push('!');
        assert_eq!(names[Family::V4], "V4");
        assert_eq!(names.iter().collect::<Vec<_>>(), ["V4", "V6!"]);
    }
}
