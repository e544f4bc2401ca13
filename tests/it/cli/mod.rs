//! The `bulla` program, run as a person or a script runs it.

mod chat;
mod demo;
mod identity;
mod network;
mod node;
mod program;
#[cfg(feature = "sim")]
mod simulate;
mod trust;
mod usage;
