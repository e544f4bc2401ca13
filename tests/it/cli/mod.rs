//! The `bulla` program, run as a person or a script runs it.

mod identity;
mod program;
mod usage;
