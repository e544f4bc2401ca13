//! [`OpId`]: the name of an operation.

/// Names an operation of the application, as the caller numbers them: a get, query, listen or put.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OpId(pub u64);
