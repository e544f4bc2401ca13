//! What an application holds of its node: [`Dht`], and the streams and puts it makes.

mod changes;
mod dht;
mod error;
mod get;
mod put;
mod status;
mod typed;

pub use changes::Change;
pub(crate) use changes::{Found, Writer};
pub(crate) use dht::Facts;
pub use dht::{Dht, NodeInfo};
pub use error::{BootstrapError, Closed, GetError, ImportError, PutError, StartError};
pub use get::{Get, Listen};
pub use put::{Placed, Put, PutEach};
pub use status::Connectivity;
pub use typed::{EncodeError, PayloadTypeError, from_data, to_draft};
