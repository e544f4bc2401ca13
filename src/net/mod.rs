//! Datagrams and names: UDP sockets, and the addresses of hosts.

mod gso;
mod resolve;
mod sockets;
mod udp;

pub use resolve::{DEFAULT_PORT, HostPort, ParseHostPortError, ResolveError};
pub use sockets::{BindError, SocketErrors};
pub(crate) use sockets::{Plan, Sockets};
