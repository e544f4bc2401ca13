//! bulla against real OpenDHT nodes, all on the loopback interface.
//!
//! The foreign nodes, and how to get them or leave them out: [`environment`].

mod certificates;
mod dhtnode;
mod encrypted;
mod environment;
mod harness;
mod local;
mod parts;
mod peer;
mod pipe;
mod proxy;
mod signed;
mod values;

use sha1::{Digest, Sha1};

/// The DHT key of a name, hexadecimal.
fn key(name: &str) -> String {
    hex::encode(Sha1::digest(name))
}
