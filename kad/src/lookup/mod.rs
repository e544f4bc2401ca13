//! Iterative lookups.

mod candidates;

pub use candidates::{Candidate, CandidateState, Candidates, Token};
