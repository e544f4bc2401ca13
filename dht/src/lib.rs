//! The OpenDHT dialect of Kademlia and the secure store on it, without a socket, a clock or a thread.
//!
//! ```text
//!  secure                                         trust: signatures, encryption, certificates
//!  node                                           the plain store, where the parts meet
//!  lookup | storage                               the parts that know values
//!  wire                                           bytes <-> messages
//!  value                                          values, queries, policies
//!  bulla_kad                                      Kademlia: ids, tables, tokens, requests in flight
//! ```
//!
//! Imports go down only. Keys and certificates are a crate of their own, [`bulla_identity`], which knows
//! nothing of the DHT. An application wants the crate `bulla`, which runs a node on tokio.
//!
//! # The loop
//!
//! Layers 1 to 6 do no I/O. What happens is told to a [`node::Node`], what is to be done is taken from it, and the time
//! is always an argument. [`secure::SecureDht`] wraps it in the same shape. Whoever owns the sockets runs this loop:
//!
//! ```
//! use bulla_dht::node::{Node, Output, PutOptions};
//! use bulla_dht::{Config, Draft, InfoHash, Origin, Seed, Timestamp, ValueId, wire};
//!
//! let now = Timestamp::ZERO;
//! let mut node = Node::new(Config::default(), Seed::from_number(7), Origin::default())?;
//! node.bootstrap(now, &["192.0.2.1:4222".parse()?]);
//! let greeting = wire::pack(&Draft::from("hello"), ValueId(1));
//! node.put(now, InfoHash::of(b"greeting"), greeting, PutOptions::default())?;
//!
//! let wake = loop {
//!     match node.poll_output() {
//!         Output::Transmit(datagram) => { /* send `datagram.bytes` to `datagram.to` */ }
//!         Output::Event(event) => println!("{event:?}"),
//!         Output::Check(check) => node.handle_verdict(now, check.id, false), // trust nobody
//!         Output::Wake(at, _) => break at,
//!     }
//! };
//! // Then wait for a datagram (`handle_datagram`) or for that moment (`handle_timeout`), and drain again.
//! assert!(wake > now);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod budget;
mod config;
mod contact;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod infohash;
mod lookup;
pub mod node;
mod rng;
pub mod routing;
pub mod rpc;
mod schedule;
pub mod secure;
mod sockaddr;
pub mod storage;
mod time;
pub mod token;
mod value;
mod value_type;
pub mod wire;

pub use config::{Config, ConfigError};
pub use contact::{Contact, Family, Source, canonical, is_martian};
pub use infohash::{Distance, InfoHash, ParseHashError};
pub use lookup::LookupConfig;
pub use node::{ConnectivityConfig, OperationConfig};
pub use rng::{Rng, Seed};
pub use routing::RoutingConfig;
pub use rpc::TransportConfig;
pub use storage::{ListenConfig, StorageConfig};
pub use time::{Origin, Timestamp, UnixTime};
pub use token::TokenConfig;
pub use value::{
    Body, CertificatePayload, Condition, Content, DhtMessage, Draft, Field, IceCandidates,
    ImMessage, ImStatus, ParseQueryError, PayloadError, Query, Row, ServiceAnnouncement, Signed,
    TrustRequest, Typed, Value, ValueId, policy,
};
pub use value_type::{Policy, TypeRules, ValueType, ValueTypes};
