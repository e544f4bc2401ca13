//! Kademlia without a dialect, a socket, a clock or a thread.

mod address;
mod contact;
mod family;
mod id;
pub mod lookup;
mod op_id;
mod ready_set;
mod rng;
pub mod routing;
mod schedule;
mod source;
mod time;
pub mod token;
pub mod transport;

pub use address::{Endpoint, canonical, is_martian};
pub use contact::Contact;
pub use family::{ByFamily, Family};
pub use id::{Distance, Id, ParseIdError};
pub use op_id::OpId;
pub use ready_set::ReadySet;
pub use rng::{Rng, Seed};
pub use schedule::Schedule;
pub use source::Source;
pub use time::{Origin, Timestamp, UnixTime};
