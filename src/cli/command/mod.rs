//! The commands, one in each file.

pub(crate) mod completions;
pub(crate) mod identity;
