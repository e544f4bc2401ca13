//! The system's network: UDP sockets, and the addresses of hosts.

mod datagram;
mod gso;
mod resolve;
mod sockets;
mod source_addrs;
mod udp;

pub(crate) use resolve::resolve;
pub use sockets::BindError;
pub(crate) use sockets::{BindPlan, Sockets};
