//! [`Event`]: what can happen in a simulated world, and which part of it handles that.

use std::net::SocketAddr;

use bulla_dht::Timestamp;
use bulla_dht::secure::Done;
use bytes::Bytes;

use super::{HostId, OperationId, Sim};

/// Something that happens at a moment.
#[derive(Debug)]
pub(super) enum Event {
    /// A datagram reaches a host, at one of its ports.
    Arrival {
        host: HostId,
        port: u16,
        from: SocketAddr,
        bytes: Bytes,
    },
    /// The timer of a node expires.
    Wake(HostId),
    /// A host that slept is awake again.
    EndSleep(HostId),
    /// A job of the node of this generation is done.
    Done {
        host: HostId,
        generation: u32,
        done: Box<Done>,
    },
    /// The adversary of this generation sends something of its own accord.
    Attack { host: HostId, generation: u32 },
    /// A node starts.
    Join(HostId),
    /// The first node at a host gets its table, and pings the contacts in it from `call` on.
    RestoreContacts { host: HostId, call: Timestamp },
    /// The node of this generation stops without notice.
    Leave { host: HostId, generation: u32 },
    /// An operation should have ended by now.
    Deadline(OperationId),
}

impl Sim {
    pub(super) fn handle(&mut self, event: Event) {
        match event {
            Event::Arrival {
                host,
                port,
                from,
                bytes,
            } => self.receive((host, port), from, &bytes),
            Event::Wake(host) => self.wake_if_due(host),
            Event::EndSleep(host) => self.end_sleep(host),
            Event::Done {
                host,
                generation,
                done,
            } if self.is_current(host, generation) => {
                self.with_dht(host, |dht, clock| dht.handle_done(clock, *done));
            }
            Event::Attack { host, generation } if self.is_current(host, generation) => {
                self.attack_from(host);
            }
            Event::Leave { host, generation } if self.is_current(host, generation) => {
                self.stop_node(host);
            }
            // The node that it was meant for has stopped.
            Event::Done { .. } | Event::Attack { .. } | Event::Leave { .. } => {}
            Event::Join(host) => self.start_node(host),
            Event::RestoreContacts { host, call } => self.restore_contacts(host, call),
            Event::Deadline(operation) => {
                let operation = &self.operations[operation.0];
                self.oracle.on_deadline(self.now, operation);
            }
        }
    }

    /// Whether the last node that started at a host is that of this generation.
    fn is_current(&self, host: HostId, generation: u32) -> bool {
        self.hosts[host.index()].generation == generation
    }
}
