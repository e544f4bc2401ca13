//! The `bulla` program, run as a person or a script runs it.

mod cert;
mod cert_input;
mod cert_network;
mod chat;
mod demo;
mod identity;
mod network;
mod node;
mod program;
mod usage;
mod workshop;
