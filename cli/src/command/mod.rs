//! The commands, one in each file.

pub(crate) mod cert;
pub(crate) mod chat;
pub(crate) mod completions;
pub(crate) mod contact;
pub(crate) mod demo;
pub(crate) mod get;
pub(crate) mod identity;
pub(crate) mod listen;
pub(crate) mod node;
pub(crate) mod put;
pub(crate) mod query;
pub(crate) mod simulate;
