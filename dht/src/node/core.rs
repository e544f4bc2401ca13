//! [`Core`]: what does no I/O itself, as its driver sees it.

use std::net::SocketAddr;

use super::Transmit;
use super::timers::Timer;
use crate::Timestamp;

/// A part of the DHT without a socket, a clock or a thread: a [`Node`](super::Node), or one with
/// keys, [`SecureDht`](crate::secure::SecureDht).
///
/// After each call that tells it something, take its outputs up to [`Output::Wake`].
pub trait Core {
    /// What the application is told.
    type Event;
    /// Work that is done elsewhere; its result is handed in.
    type Job;

    /// Handles a datagram.
    fn handle_datagram(&mut self, now: Timestamp, from: SocketAddr, datagram: &[u8]);

    /// Takes in that the system cannot send to an address: what was asked there fails at once.
    fn handle_unreachable(&mut self, now: Timestamp, to: SocketAddr);

    /// Does what has become due.
    fn handle_timeout(&mut self, now: Timestamp);

    /// Returns what is to be done next; [`Output::Wake`] is the last.
    fn poll_output(&mut self) -> Output<Self::Event, Self::Job>;
}

/// One thing for the driver to do. [`Output::Wake`] is always the last of a drain.
#[derive(Debug)]
pub enum Output<E, J> {
    /// Send these bytes there.
    Transmit(Transmit),
    /// Tell the application.
    Event(E),
    /// Do this work, and hand in its result.
    Job(J),
    /// Nothing more until this moment; call `handle_timeout` then. The timer says why.
    Wake(Timestamp, Timer),
}
