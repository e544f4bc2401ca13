//! The driver, and what it needs of tokio and the system: a clock, a pool of threads, the state
//! file, names of peers.

pub(crate) mod bootstrap;
pub(crate) mod clock;
pub(crate) mod driver;
mod pending;
pub(crate) mod pool;
mod priority;
pub(crate) mod state;
