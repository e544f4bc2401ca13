//! The OpenDHT dialect of Kademlia and the secure store on it, without a socket, a clock or a
//! thread.
//!
//! ```text
//!  secure                                         trust: signatures, encryption, certificates
//!  node                                           the plain store, where the parts meet
//!  lookup | storage                               the parts that know values
//!  wire                                           bytes <-> messages
//!  value                                          values, queries, policies
//!  bulla_kad                                      Kademlia: tables, lookups, requests, tokens
//! ```
//!
//! Imports go down only. Keys and certificates are a crate of their own, [`bulla_identity`], which
//! knows nothing of the DHT. An application wants the crate `bulla`, which runs a node on tokio.
//!
//! # The loop
//!
//! Nothing here does I/O. What happens is told to a [`node::Node`], what is to be done is taken
//! from it, and the time is always an argument. [`secure::SecureDht`] wraps it in the same shape.
//! The owner of the sockets runs this loop:
//!
//! ```
//! use bulla_dht::node::{Core, Node, Output, PutOptions};
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
//!         Output::Job(check) => node.handle_verdict(now, check.id, false), // trust none
//!         Output::Wake(at, _) => break at,
//!     }
//! };
//! // Then wait for a datagram (`handle_datagram`) or for that moment (`handle_timeout`), and drain
//! // again.
//! assert!(wake > now);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod lookup;
mod msgpack;
pub mod node;
mod routing;
mod rpc;
pub mod secure;
mod sockaddr;
mod storage;
mod value;
mod value_type;
pub mod wire;

use bulla_kad::token;

pub use bulla_kad::routing::RoutingConfig;
pub use bulla_kad::token::TokenConfig;
pub use bulla_kad::transport::TransportConfig;
pub use bulla_kad::{
    ByFamily, Family, Origin, ParseIdError as ParseHashError, Rng, Seed, Source, Timestamp,
    UnixTime, canonical, is_martian,
};
pub use lookup::LookupConfig;
pub use node::{Config, ConfigError, ConnectivityConfig, OperationConfig};
pub use storage::{ListenConfig, StorageConfig};
pub use value::{
    Body, CertificatePayload, Condition, Content, DhtMessage, Draft, Field, IceCandidates,
    ImMessage, ImStatus, ParseQueryError, PayloadError, Query, Row, ServiceAnnouncement, Signed,
    TrustRequest, Typed, Value, ValueId,
};
pub use value_type::{Policy, TypeRules, ValueType, ValueTypes};

/// A 160-bit identifier: a key of the store, a node id or a short key id (`docs/spec/secure.md#1`).
///
/// ```
/// use bulla_dht::InfoHash;
///
/// let key = InfoHash::of(b"foo");
/// assert_eq!(key.to_string(), "0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33");
/// assert_eq!(InfoHash::from_key("foo"), key);
/// ```
pub type InfoHash = bulla_kad::Id<20>;
/// The XOR distance between two hashes.
pub type Distance = bulla_kad::Distance<20>;
/// A node as others name it: id and UDP address.
pub type Contact = bulla_kad::Contact<20>;

/// The parts that are measured alone.
#[doc(hidden)]
pub mod bench {
    pub use crate::routing::{Confidence, Table};
    pub use crate::storage::{Incoming, Storage};
    pub use bulla_kad::token::Tokens;
}
