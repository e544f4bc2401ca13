//! The way of a datagram: out of a node, through routers and over the network, into another node.

use std::net::{IpAddr, SocketAddr};

use bulla_dht::Family;
use bulla_dht::node::{Core, Transmit};
use bytes::Bytes;

use super::adversary::{Behaviour, Forged};
use super::event::Event;
use super::{HostId, Sim};

/// Datagrams sent to an address without a host, or in its name.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct UndeliveredTraffic {
    /// How many datagrams.
    pub datagrams: u64,
    /// Bytes in all of them.
    pub bytes: u64,
    /// Bytes in the largest.
    pub largest: usize,
}

impl UndeliveredTraffic {
    pub(super) fn add(&mut self, bytes: usize) {
        self.datagrams += 1;
        self.bytes += bytes as u64;
        self.largest = self.largest.max(bytes);
    }
}

impl Sim {
    /// Sends what the node of a host put out, as the adversary there has changed it.
    pub(super) fn send(&mut self, id: HostId, transmit: Transmit) {
        self.trace.transmit(self.now, id, &transmit);
        let host = &mut self.hosts[id.index()];
        let family = Family::of(&transmit.to);
        if !host.spec.addressing.has(family) {
            return;
        }
        host.load.send(transmit.bytes.len());
        let from = host.spec.addressing.address(id, family);
        match host.instance.as_mut().and_then(|it| it.adversary.as_mut()) {
            None => self.carry(id, from, transmit),
            Some(adversary) => {
                for transmit in adversary.tamper(transmit) {
                    self.carry(id, from, transmit);
                }
            }
        }
    }

    /// Puts a datagram on its way, with the source that the receiver will see.
    pub(super) fn carry(&mut self, host: HostId, from: SocketAddr, transmit: Transmit) {
        let Transmit { to, bytes } = transmit;
        let from = match self.hosts[host.index()].spec.nat {
            Some(nat) => {
                let inside = (host, from.port());
                let port = self.routers.let_out(self.now, nat, inside, to);
                SocketAddr::new(from.ip(), port)
            }
            None => from,
        };
        let Some(receiver) = self.host_at(to) else {
            return self.undelivered.entry(to).or_default().add(bytes.len());
        };
        let left_at = self.hosts[host.index()].upload(self.now, bytes.len());
        for at in self.network.carry(left_at, host, receiver) {
            let arrival = Event::Arrival {
                host: receiver,
                port: to.port(),
                from,
                bytes: bytes.clone(),
            };
            self.queue.push(at, arrival);
        }
    }

    /// Hands a datagram that has arrived to the node of a host, unless a router drops it.
    pub(super) fn receive(&mut self, to: (HostId, u16), from: SocketAddr, bytes: &Bytes) {
        let id = to.0;
        let host = &mut self.hosts[id.index()];
        if let Some(nat) = host.spec.nat
            && !self.routers.lets_in(self.now, nat, to, from)
        {
            return;
        }
        if host.asleep_until > self.now {
            return;
        }
        if host.instance.is_some() {
            host.load.receive(bytes.len());
        }
        let adversary = host.instance.as_mut().and_then(|it| it.adversary.as_mut());
        if let Some(adversary) = adversary {
            let own = host.spec.addressing.address(id, Family::of(&from));
            if own.port() != to.1 && host.spec.behaviour == Some(Behaviour::League) {
                let own = SocketAddr::new(own.ip(), to.1);
                let Forged { from, transmit } = adversary.answer_as(own, from, bytes);
                return self.carry(id, from, transmit);
            }
            adversary.record(from, bytes);
        }
        self.with_dht(id, |dht, clock| dht.handle_datagram(clock, from, bytes));
    }

    /// Returns the addresses of the hosts of [`Behaviour::League`].
    pub(super) fn league(&self) -> Vec<IpAddr> {
        let members = self.ids().filter(|id| {
            let spec = &self.hosts[id.index()].spec;
            spec.behaviour == Some(Behaviour::League)
        });
        let addresses = members.flat_map(|id| self.hosts[id.index()].addresses(id));
        addresses.map(|address| address.ip()).collect()
    }

    /// The host that an address belongs to.
    fn host_at(&self, address: SocketAddr) -> Option<HostId> {
        let id = HostId::at(address)?;
        let host = self.hosts.get(id.index())?;
        // A router shows its host under ports of its own choice.
        let is_own = |own: SocketAddr| match host.spec.nat {
            // Its made-up nodes have ports of their own.
            None if host.spec.behaviour == Some(Behaviour::League) => own.ip() == address.ip(),
            None => own == address,
            Some(_) => own.ip() == address.ip(),
        };
        host.addresses(id).any(is_own).then_some(id)
    }
}
