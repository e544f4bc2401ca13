//! [`ValueIndex`] and [`AccountNumber`]: the short names by which the parts of the store know each
//! other's values and accounts.

/// Where a stored value lies. Memory ends long before 32 bits do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct ValueIndex(u32);

/// Stands for an account as long as it holds values.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct AccountNumber(u32);

impl ValueIndex {
    pub(super) const MIN: Self = Self(0);
    pub(super) const MAX: Self = Self(u32::MAX);

    pub(super) fn new(index: usize) -> Self {
        Self(index as u32)
    }

    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

impl AccountNumber {
    /// That of this node itself.
    pub(super) const OWN: Self = Self(0);

    pub(super) fn new(index: usize) -> Self {
        Self(index as u32)
    }

    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}
