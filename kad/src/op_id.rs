//! [`OpId`]: the name of an operation.

/// Names an operation of the application: a get, query, listen or put.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OpId(pub u64);
