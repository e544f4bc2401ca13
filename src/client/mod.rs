//! What an application holds of its node: a [`Dht`], and the streams and puts it makes.
//!
//! A client knows no socket and no driver. It sends [`Command`]s over a [`Link`], and what comes
//! back comes in the slot of each command.

mod changes;
mod command;
mod dht;
mod error;
mod get;
mod host_port;
mod link;
mod listen;
mod network;
mod operation;
mod put;
mod status;
mod typed;

pub use changes::Change;
pub(crate) use changes::{ChangeWriter, Found};
pub use command::Placed;
pub(crate) use command::{Command, PutValue};
pub use dht::Dht;
pub(crate) use dht::Static;
pub use error::{BootstrapError, Closed, GetError, ImportError, PutError, StateError};
pub use get::Get;
pub use host_port::{DEFAULT_PORT, HostPort, ParseHostPortError, ResolveError};
pub(crate) use link::{Link, WeakLink};
pub use listen::Listen;
pub use put::{Put, PutEach};
pub use status::{Connectivity, NodeInfo, SocketErrors, StatusWatch};
pub use typed::{EncodeError, PayloadTypeError, from_data, to_draft};
