//! [`ValueAddress`]: the place of a value.

use super::ValueId;
use crate::InfoHash;

/// Where a value is stored: under which key, and with which id there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct ValueAddress {
    pub(crate) key: InfoHash,
    pub(crate) id: ValueId,
}
