//! bulla against real OpenDHT nodes, all on the loopback interface.
//!
//! The foreign nodes, and how to get them or leave them out: [`environment`].

mod bound;
mod clients;
mod dhtnode;
mod environment;
mod harness;
mod peer;
mod pipe;
mod readers;

use sha1::{Digest, Sha1};

/// The DHT key of a name, hexadecimal.
fn key(name: &str) -> String {
    hex::encode(Sha1::digest(name))
}
