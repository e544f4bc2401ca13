//! The `bulla` program, run as a person or a script runs it.

mod cert;
mod cert_input;
mod cert_network;
mod chat;
mod contact;
mod demo;
mod exchange;
mod identity;
mod keyring;
mod network;
mod node;
mod program;
mod simulate;
#[cfg(target_os = "linux")]
mod terminal;
mod trust;
mod usage;
mod workshop;
