//! Kademlia without a dialect, a socket, a clock or a thread.
//!
//! Kademlia's nodes and keys are numbers of one space, and the distance of two is their XOR. Each
//! node knows many nodes near its own id and few far away. One that looks for a key asks the
//! nearest it knows for nearer ones, until none is left. What nodes say to each other besides, and
//! in which bytes, is for a dialect to define.
//!
//! - [`routing::Table`] knows the nodes of one address family, and which of them to ask or to
//!   forget.
//! - [`lookup::Iterate`] finds the nodes nearest to a key, and asks each once what is to be known.
//! - [`transport::Transport`] matches replies to requests, and decides what is let in and answered.
//! - [`token::Tokens`] makes and checks write tokens: only a node that receives what is sent to it
//!   can store.
//!
//! None of them sends anything or waits for anything: each is told what happened (`on_*`,
//! `handle_*`), asked what to do (`poll_*`, `next_*`), and given the time. The parts do not know
//! each other; a node is what joins them. They are generic over the width of ids ([`Id<N>`](Id))
//! and over the dialect, and compiled for each, so that neither costs anything at run time. What
//! peers can fill has a bound, and the same calls with the same [`Seed`] give the same results.
//!
//! `examples/toy.rs` is a whole dialect of its own, in which 200 nodes find each other.

mod address;
mod budget;
mod contact;
mod family;
mod id;
pub mod lookup;
mod lru;
mod op_id;
mod prefix;
mod ready_set;
mod rng;
pub mod routing;
mod schedule;
mod shares;
mod source;
mod time;
pub mod token;
pub mod transport;

pub use address::{Endpoint, canonical, is_martian};
pub use budget::Budget;
pub use contact::Contact;
pub use family::{ByFamily, Family};
pub use id::{Distance, Id, ParseIdError};
pub use lru::LruMap;
pub use op_id::OpId;
pub use prefix::{Prefix, Scope};
pub use ready_set::ReadySet;
pub use rng::{Rng, Seed};
pub use schedule::Schedule;
pub use shares::Shares;
pub use source::Source;
pub use time::{Origin, Timestamp, UnixTime};
