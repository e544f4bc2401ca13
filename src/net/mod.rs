//! The system's network: UDP sockets, and the addresses of hosts.

mod gso;
mod resolve;
mod sockets;
mod udp;

pub(crate) use resolve::resolve;
pub use sockets::BindError;
pub(crate) use sockets::{BindPlan, Sockets};
