//! Requests in flight and the gate for datagrams.

mod config;
mod datagrams;
mod deferred;
mod in_flight;
mod limiter;
mod peers;
pub mod reassembly;

pub use config::TransportConfig;
pub use datagrams::Datagrams;
pub use deferred::DeferredReplies;
pub use in_flight::{Answered, Due, InFlight, Purpose};
pub use limiter::Limiter;
pub use peers::Peers;
