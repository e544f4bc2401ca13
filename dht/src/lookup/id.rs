//! [`LookupId`]: what a lookup is named by.

use crate::{Family, InfoHash};

/// Names a lookup: there is one for each key and address family.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LookupId {
    /// What is looked for.
    pub key: InfoHash,
    /// Among the nodes of which family.
    pub family: Family,
}

impl LookupId {
    /// Returns the ids of the lookups for `key`, that in IPv4 first.
    pub(crate) fn of(key: InfoHash) -> [Self; 2] {
        Family::ALL.map(|family| Self { key, family })
    }
}
