//! [`Entry`]: a stored value as a snapshot sees it; [`Sizes`]: how much is stored.

use std::net::IpAddr;

use crate::{InfoHash, Timestamp, Value};

/// A stored value with what a snapshot needs to know of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    /// The key it is stored under.
    pub(crate) key: InfoHash,
    /// The value.
    pub(crate) value: &'a Value,
    /// When it was created or last refreshed.
    pub(crate) created: Timestamp,
    /// When it expires; [`Timestamp::MAX`] for a permanent value of this node.
    pub(crate) expires: Timestamp,
    /// The source it is charged to, as the lowest address of it; `None` for a value of this node.
    pub(crate) source: Option<IpAddr>,
}

/// How much is stored.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Sizes {
    /// Keys that have values.
    pub keys: usize,
    /// Values under all keys.
    pub values: usize,
    /// Memory used by this node's own values.
    pub own_bytes: usize,
    /// Memory used by the values of others.
    pub others_bytes: usize,
}
