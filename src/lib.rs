//! A secure signed-value store on a Kademlia DHT that speaks OpenDHT's wire protocol.
//!
//! Values of up to 64 KiB are put under keys of 160 bits and kept by the nodes nearest to the key. Signed ones can be
//! changed by their owner alone, encrypted ones be read by their recipient alone.
//!
//! An application wants `Builder`, which runs a node on tokio behind a cloneable `Dht`. Below that is the core:
//!
//! # Layers
//!
//! Imports go down only, and the parts of layer 4 do not know each other.
//!
//! ```text
//!  runner (tokio)                                 7  the driver: feeds and drains, decides nothing
//!  ---------------------------------------------------------------------------------------
//!  secure                                         6  trust: signatures, encryption, certificates
//!  node                                           5  the plain store, where the parts meet
//!  routing | lookup | storage | rpc | token       4  the parts
//!  wire                                           3  bytes <-> messages
//!  value                                          2  values, queries, policies
//!  infohash time schedule rng kind contact config 1  words
//! ```
//!
//! Keys and certificates are a crate of their own, [`bulla_identity`], which knows nothing of the DHT. Two more use this
//! one from outside: `bulla-sim`, a driver under virtual time, and `bulla-cli`, the program.
//!
//! # The loop
//!
//! Layers 1 to 6 do no I/O. What happens is told to a [`node::Node`], what is to be done is taken from it, and the time
//! is always an argument. [`secure::SecureDht`] wraps it in the same shape. Whoever owns the sockets runs this loop:
//!
//! ```
//! use bulla::node::{Node, Output, PutOptions};
//! use bulla::{Config, Draft, InfoHash, Origin, Seed, Timestamp, ValueId, wire};
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

#[cfg(feature = "runner")]
mod builder;
#[cfg(feature = "runner")]
mod client;
#[cfg(feature = "runner")]
mod net;
#[cfg(feature = "runner")]
pub mod runner;

#[cfg(feature = "runner")]
pub use builder::Builder;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub use bulla_dht::fuzzing;
pub use bulla_dht::{
    Body, CertificatePayload, Condition, Config, ConfigError, Contact, Content, DhtMessage,
    Distance, Draft, Family, Field, IceCandidates, ImMessage, ImStatus, InfoHash, Origin,
    ParseHashError, ParseQueryError, PayloadError, Policy, Query, Rng, Row, Seed,
    ServiceAnnouncement, Signed, Source, Timestamp, TrustRequest, TypeRules, Typed, UnixTime,
    Value, ValueId, ValueType, ValueTypes, canonical, is_martian, node, policy, routing, rpc,
    secure, storage, token, wire,
};
#[doc(no_inline)]
pub use bulla_identity::{self as identity, Identity};
#[cfg(feature = "runner")]
pub use client::Dht;

/// The examples of the readme, compiled.
#[cfg(all(doctest, feature = "runner"))]
#[doc = include_str!("../README.md")]
struct Readme;
