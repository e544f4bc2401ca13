//! [`Entry`]: what the store tells of a value; [`Sizes`]: what it tells of itself.

use std::net::IpAddr;

use crate::{InfoHash, Timestamp, Value};

/// A stored value with what a snapshot needs to know of it.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The key it is stored under.
    pub key: InfoHash,
    /// The value.
    pub value: &'a Value,
    /// When it was created or last refreshed.
    pub created: Timestamp,
    /// When it expires; [`Timestamp::MAX`] for a permanent value of this node.
    pub expires: Timestamp,
    /// Whose room it takes, of an IPv6 address the upper half alone; `None` for a value of this node.
    pub source: Option<IpAddr>,
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
