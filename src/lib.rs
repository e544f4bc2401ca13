//! A store for signed values on a Kademlia DHT that speaks OpenDHT's wire protocol.
//!
//! Values of up to 64 KiB are put under keys of 160 bits and kept by the nodes nearest to the key.
//! Signed ones can be changed by their owner alone, encrypted ones be read by their recipients
//! alone.
//!
//! ```no_run
//! use bulla::{Dht, Identity};
//!
//! # async fn example(bob: bulla::identity::LongKeyId) -> Result<(), Box<dyn std::error::Error>> {
//! let me = Identity::load("alice.pem", None)?;
//! let dht = Dht::builder().identity(me).bootstrap("dht.example.org:4222").start().await?;
//!
//! dht.put_signed("greeting", "hello").await?;              // a report: how many nodes hold it
//! dht.put_encrypted("inbox", bob, "for your eyes").await?; // finds Bob's certificate first
//!
//! let mut values = dht.get("greeting");                    // a stream of checked values
//! while let Some(value) = values.next().await {
//!     println!("{} from {:?}", value.text()?, value.signer());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! | I want to … | look at … |
//! |---|---|
//! | start a node: its port, peers, identity, limits | [`Dht::builder`], [`Builder`], [`Config`] |
//! | put a value | [`Dht::put`] |
//! | sign it; encrypt it for others | [`Dht::put_signed`], [`Dht::put_encrypted`] |
//! | know how many nodes took it, or why none did | [`Placed`], [`PutError`] |
//! | replace a value of mine | [`Put::id`] |
//! | keep a value for longer than its lifetime | [`Put::permanent`] |
//! | get the values of a key, or some of them | [`Dht::get`], [`Dht::get_where`] |
//! | get some fields of values | [`Dht::query`] |
//! | be told of new, edited and expired values | [`Dht::listen`], [`Change`] |
//! | know who signed or encrypted a value | [`secure::Checked`] |
//! | make a signed value good at one key alone | [`Put::bound`], [`Get::bound_only`] |
//! | put types of my own | [`Dht::put_typed`], [`Dht::get_typed`], [`to_draft`], [`from_data`] |
//! | read and write the payloads of OpenDHT | [`Typed`], [`DhtMessage`], [`ImMessage`] |
//! | make, read and verify keys and certificates | [`identity`] |
//! | find the certificate of another identity | [`Dht::find_certificate`] |
//! | see how the node is doing | [`Dht::status`], [`Dht::watch_status`], [`Dht::node_info`] |
//! | keep contacts and values over a restart | [`Builder::state`] |
//! | move them to another node | [`Dht::export_nodes`], [`Dht::export_values`] |
//! | set what may be stored here, and for how long | [`Config`], [`ValueTypes`], [`Policy`] |
//! | run a node without tokio, in a loop of my own | [the core](#the-core) |
//! | read or write the bytes of the protocol | [`wire`] |
//!
//! # The driver
//!
//! [`Builder::start`] starts a task of the runtime, the driver. It alone owns the node, feeds it
//! and does what it says; it waits neither for the application nor for cryptography nor for the
//! disk. A [`Dht`] is a handle that sends it commands.
//!
//! ```text
//!   Dht, Put ── commands ──▶ ┌────────┐ ◀── datagrams ──▶ sockets
//!   Get      ◀── changes ─── │ driver │ ◀── time ──────── clock
//!   Listen   ─── cancels ──▶ │  loop  │ ─── jobs ───────▶ pool of threads
//!                            └────────┘ ◀── outcomes ────
//! ```
//!
//! Any runtime of tokio will do. One of a single thread serves a node with the least CPU and the
//! shortest delays while few operations are under way; with many nodes in a process, or many
//! operations, several threads do more in a second (`benches/README.md` compares them).
//!
//! # The core
//!
//! Below that, nothing does I/O. What happens is told to a [`secure::SecureDht`], what is to be
//! done is taken from it, and the time is always an argument. It wraps a [`node::Node`], the plain
//! store, which has the same shape. Whoever owns the sockets runs this loop, with all of it in
//! `examples/sans_io_loop.rs`:
//!
//! ```
//! use bulla::node::{Core, Node, PutOptions};
//! use bulla::secure::{SecureConfig, SecureDht, SecureOutput};
//! use bulla::{Config, InfoHash, Origin, Seed, Timestamp};
//!
//! let now = Timestamp::ZERO;
//! let node = Node::new(Config::default(), Seed::from_number(1), Origin::default())?;
//! let mut dht = SecureDht::new(node, None, Seed::from_number(2), SecureConfig::default());
//! dht.bootstrap(now, &["192.0.2.1:4222".parse()?]);
//! dht.put(now, InfoHash::of(b"greeting"), "hello", PutOptions::default())?;
//!
//! let wake = loop {
//!     match dht.poll_output() {
//!         SecureOutput::Transmit(datagram) => { /* send `datagram.bytes` to `datagram.to` */ }
//!         SecureOutput::Event(event) => println!("{event:?}"),
//!         SecureOutput::Job(job) => dht.handle_done(now, job.run()),
//!         SecureOutput::Wake(at, _) => break at,
//!     }
//! };
//! // Then wait for a datagram (`handle_datagram`) or until then (`handle_timeout`), and again.
//! assert!(wake > now);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The core is the crate [`bulla_dht`], and its keys and certificates are [`bulla_identity`]; this
//! crate without its feature `runner` is both of them and nothing more.

#[cfg(feature = "runner")]
mod builder;
#[cfg(feature = "runner")]
mod client;
#[cfg(feature = "runner")]
mod net;
#[cfg(feature = "runner")]
mod runner;

#[cfg(feature = "runner")]
pub use builder::{Builder, StartError};
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub use bulla_dht::fuzzing;
pub use bulla_dht::{
    Body, ByFamily, CertificatePayload, Condition, Config, ConfigError, ConnectivityConfig,
    Contact, Content, DhtMessage, Distance, Draft, Family, Field, IceCandidates, ImMessage,
    ImStatus, InfoHash, ListenConfig, LookupConfig, OperationConfig, Origin, ParseHashError,
    ParseQueryError, PayloadError, Policy, Query, Rng, RoutingConfig, Row, Seed,
    ServiceAnnouncement, Signed, Source, StorageConfig, Timestamp, TokenConfig, TransportConfig,
    TrustRequest, TypeRules, Typed, UnixTime, Value, ValueId, ValueType, ValueTypes, canonical,
    is_martian, node, secure, wire,
};
#[doc(no_inline)]
pub use bulla_identity::{self as identity, Identity};
#[cfg(feature = "runner")]
pub use client::{
    BootstrapError, Change, Closed, Connectivity, DEFAULT_PORT, Dht, EncodeError, Get, GetError,
    HostPort, ImportError, Listen, NodeInfo, ParseHostPortError, PayloadTypeError, Placed, Put,
    PutEach, PutError, ResolveError, SocketErrors, StateError, StatusWatch, from_data, to_draft,
};
#[cfg(feature = "runner")]
pub use net::BindError;

/// The examples of the readme, compiled.
#[cfg(all(doctest, feature = "runner"))]
#[doc = include_str!("../README.md")]
struct Readme;
