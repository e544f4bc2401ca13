//! A running node: sockets, clock and threads around a [`SecureDht`], and an async [`Dht`] for the application.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use bulla::Dht;
//! use bulla_identity::Identity;
//!
//! let me = Identity::load("alice.pem", None)?;
//! let dht = Dht::builder().identity(me).bootstrap("dht.example.org:4222").start().await?;
//!
//! dht.put_signed("greeting", "hello").await?;
//!
//! let mut values = dht.get("greeting");
//! while let Some(value) = values.next().await {
//!     println!("{} from {:?}", value.text()?, value.signer());
//! }
//! dht.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Payloads are bytes. For types of the application, which travel as user data, there is serde: [`to_draft`] and
//! [`from_data`], or in one step [`Dht::put_typed`] and [`Dht::get_typed`]. The value types of the protocol bring
//! their own form, [`Typed`](crate::Typed): put a `message.draft()`, and read with `DhtMessage::read(body)`.
//!
//! ```text
//!   Dht    ── commands ──▶ ┌────────┐ ◀── datagrams ──▶ Sockets
//!   Get    ◀── mailbox ─── │ Driver │ ◀── time ──────── Clock
//!   Listen ── cancels ───▶ │  loop  │ ─── jobs ───────▶ Pool
//!                          └────────┘ ◀── outcomes ────
//! ```
//!
//! One task of the runtime, the driver, owns the DHT alone, feeds it and does what it says; it waits neither for the
//! application nor for cryptography nor for the disk.
//!
//! Any runtime of tokio will do. One of a single thread serves a node with the least CPU and the shortest delays while few
//! operations are under way; with many nodes in a process, or many operations, several threads do more in a second
//! (`benches/README.md` compares them).

pub(crate) mod bootstrap;
pub(crate) mod clock;
pub(crate) mod driver;
mod pending;
pub(crate) mod pool;
mod priority;
pub(crate) mod state;

pub use crate::builder::{Builder, StartError};
pub use crate::client::*;
pub use crate::net::BindError;
