//! Iterative lookups: [`Iterate`] finds the nodes nearest to a key, and asks each of them once what
//! an operation wants to know.
//!
//! An iteration does no I/O. [`Iterate::poll`] says what to do next; `on_*` tell it what came of
//! that. All operations on a key share one iteration, and those with equal queries one find. A
//! bounded number of finds is under way ([`ReadySet`](crate::ReadySet)).
//!
//! ```text
//!   candidate:  unqueried ──asked──▶ in flight ──reply──▶ responsive, with a token
//!                                     │     ▲
//!                            time-out │     │ any reply
//!                                     ▼     │
//!                                 unresponsive ──all attempts failed──▶ failed
//! ```
//!
//! An unresponsive candidate gives its place to the next, so an iteration does not wait for nodes
//! that are gone; but "nothing found" waits for a second attempt at each. While a candidate is
//! *slow*, taking longer than most replies do, others are asked; if as many as needed reply, and
//! something was found, no slow one is waited for.

mod candidates;
mod config;
mod density;
mod find;
mod iterate;
mod latency;
#[cfg(test)]
mod tests;

pub use candidates::{Candidate, CandidateState, Candidates, Token};
pub use config::IterateConfig;
pub use density::{Density, SizeEstimate};
pub use find::{Ended, FindAction, FindKind, FindReply, FindRequest, GetReport};
pub use iterate::Iterate;
pub use latency::Latency;
