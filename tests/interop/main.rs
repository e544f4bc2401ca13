//! bulla against real OpenDHT nodes, all on the loopback interface.
//!
//! The foreign nodes, and how to get them or leave them out: [`environment`]. They have three
//! faces, each of which can do what the others cannot: the Python binding ([`peer`]), the program
//! `dhtnode` ([`dhtnode`]) and its REST interface ([`proxy`]). Our own nodes: [`local`].

mod bound;
mod certificates;
mod chains;
mod chat;
mod crowded;
mod dhtnode;
mod encrypted;
mod environment;
mod forged;
mod harness;
mod joining;
mod listen;
mod local;
mod mixed;
mod nodes;
mod parts;
mod passwords;
mod peer;
mod permanent;
mod pipe;
mod proxy;
mod query;
mod readers;
mod scanner;
mod signed;
mod survival;
mod values;

use sha1::{Digest, Sha1};

/// The DHT key of a name, hexadecimal.
fn key(name: &str) -> String {
    hex::encode(Sha1::digest(name))
}
