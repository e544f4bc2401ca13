//! Requests and replies over datagrams.

pub mod limiter;
pub mod reassembly;
