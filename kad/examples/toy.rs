//! A network of its own in one file: ids of 32 bytes, a dialect with one request, and nodes that
//! find each other over datagrams in memory.
//!
//! A datagram is its kind, a transaction id of two bytes, the sender's id, and then the target of a
//! request or the contacts of a reply.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bulla_kad::lookup::{
    FindAction, FindKind, FindReply, FindRequest, Iterate, IterateConfig, Latency,
};
use bulla_kad::routing::{Confidence, Growth, RoutingConfig, Table};
use bulla_kad::transport::{
    Datagrams, Dialect, MessageKind, NoReply, Purpose, Rejected, Transport, TransportConfig,
};
use bulla_kad::{OpId, Rng, Seed, Timestamp};
use bytes::Bytes;

type Id = bulla_kad::Id<32>;
type Contact = bulla_kad::Contact<32>;

/// How many nodes a reply names, and a lookup asks.
const NEAREST: usize = 8;
const TICK: Duration = Duration::from_millis(10);

/// The dialect, as a node of this id speaks it.
struct Toy(Id);

struct Message<'a> {
    kind: MessageKind,
    transaction: u16,
    sender: Id,
    body: &'a [u8],
}

impl Dialect for Toy {
    type NodeId = Id;
    type TransactionId = u16;
    type Message<'a> = Message<'a>;

    fn node_id(&self) -> Id {
        self.0
    }

    fn decode<'a>(&self, datagram: &'a [u8]) -> Result<Message<'a>, Rejected> {
        let (&[kind, high, low], rest) = datagram.split_first_chunk().ok_or(Rejected::Malformed)?;
        let (sender, body) = rest.split_first_chunk().ok_or(Rejected::Malformed)?;
        Ok(Message {
            kind: match kind {
                b'q' => MessageKind::Request,
                b'r' => MessageKind::Reply,
                _ => return Err(Rejected::Malformed),
            },
            transaction: u16::from_be_bytes([high, low]),
            sender: Id::new(*sender),
            body,
        })
    }

    fn transaction(message: &Message<'_>) -> u16 {
        message.transaction
    }

    fn sender(message: &Message<'_>) -> Option<Id> {
        Some(message.sender)
    }

    fn kind(message: &Message<'_>) -> MessageKind {
        message.kind
    }

    fn ping(&mut self, transaction: u16) -> Datagrams {
        self.encode(b'q', transaction, self.0.as_bytes())
    }
}

impl Toy {
    fn encode(&self, kind: u8, transaction: u16, body: &[u8]) -> Datagrams {
        let head = [&[kind][..], &transaction.to_be_bytes(), self.0.as_bytes()];
        Bytes::from([&head.concat(), body].concat()).into()
    }
}

/// What a request is for: to ask this contact, for the lookup or only whether it is there.
#[derive(Clone)]
struct Asked {
    contact: Contact,
    is_for_lookup: bool,
}

impl Purpose for Asked {
    fn is_for_lookup(&self) -> bool {
        self.is_for_lookup
    }
}

/// A node without I/O.
struct Node {
    transport: Transport<Toy, Asked>,
    table: Table<32>,
    lookup: Iterate<(), 32>,
    target: Id,
    rng: Rng,
}

impl Node {
    fn new(seed: u64) -> Self {
        let mut rng = Seed::from_number(seed).public();
        let id = rng.hash();
        Self {
            transport: Transport::new(Toy(id), &TransportConfig::default()),
            table: Table::new(id, &RoutingConfig::default()),
            lookup: Iterate::new(id, IterateConfig::default()),
            target: id,
            rng,
        }
    }

    /// Begins to look for the nodes nearest to `target`, from those it knows and this one.
    fn find(&mut self, now: Timestamp, target: Id, bootstrap: Option<Contact>) {
        self.target = target;
        self.lookup = Iterate::new(target, IterateConfig::default());
        let known = self.table.closest(&target, NEAREST, now);
        self.lookup.offer(&known, true);
        self.lookup.offer(bootstrap.as_slice(), false);
        self.lookup.find(now, OpId(1), FindKind::Node);
        self.drive(now);
    }

    fn id(&self) -> Id {
        self.transport.dialect().node_id()
    }

    fn found(&self) -> BTreeSet<Id> {
        let nearest = self.lookup.candidates().nearest(NEAREST);
        nearest.map(|candidate| candidate.contact.id).collect()
    }

    /// Sends what the lookup wants asked.
    fn drive(&mut self, now: Timestamp) {
        loop {
            match self.lookup.poll(now, false, &Latency::UNKNOWN) {
                FindAction::Request(contact, _) => self.ask(now, contact, true),
                FindAction::Answered(..) => {}
                FindAction::Wait(_) => return,
            }
        }
    }

    fn ask(&mut self, now: Timestamp, contact: Contact, is_for_lookup: bool) {
        let Some(transaction) = self.transport.fresh_id(&mut self.rng) else {
            return;
        };
        let toy = self.transport.dialect();
        let datagrams = toy.encode(b'q', transaction, self.target.as_bytes());
        let asked = Asked {
            contact,
            is_for_lookup,
        };
        self.transport
            .request(now, transaction, contact.addr, datagrams, asked);
    }

    fn handle_datagram(&mut self, now: Timestamp, from: SocketAddr, datagram: &[u8]) {
        let Some(message) = self.transport.admit(now, from, datagram) else {
            return;
        };
        let sender = Contact::new(message.sender, from);
        match message.kind {
            MessageKind::Request => {
                self.on_seen(now, sender, Confidence::Sent);
                let Ok(target) = Id::try_from(message.body) else {
                    return;
                };
                let near = self.table.to_share(&target, NEAREST, now);
                let body: Vec<_> = near.iter().flat_map(write).collect();
                let toy = self.transport.dialect();
                let datagrams = toy.encode(b'r', message.transaction, &body);
                // A reply to a request for nodes is small: it needs not be deferred.
                self.transport.reply(now, from, datagrams);
            }
            MessageKind::Reply => {
                let Some(asked) = self.transport.close(now, from, message.transaction) else {
                    return;
                };
                self.on_seen(now, sender, Confidence::Replied);
                let named = message.body.as_chunks().0.iter().map(read);
                let named: Vec<_> = named.filter(|it| it.id != self.id()).collect();
                let reply = FindReply {
                    contacts: &named,
                    found: false,
                    token: None,
                };
                let (node, request) = (&asked.contact, FindRequest::<()>::Node);
                let request = asked.is_for_lookup.then_some(&request);
                self.lookup.on_reply(now, node, request, reply);
                self.drive(now);
            }
            MessageKind::Error | MessageKind::Part | MessageKind::Notice => {}
        }
    }

    fn on_seen(&mut self, now: Timestamp, contact: Contact, confidence: Confidence) {
        let update = self.table.on_seen(contact, confidence, now);
        let is_new = matches!(update.growth, Growth::Added | Growth::AfterPause);
        let unproven = (is_new && confidence == Confidence::Sent).then_some(contact);
        for contact in update.ping.into_iter().chain(unproven) {
            self.ask(now, contact, false);
        }
    }

    fn handle_timeout(&mut self, now: Timestamp) {
        while let Some(no_reply) = self.transport.poll_no_reply(now) {
            match no_reply {
                NoReply::TimedOut {
                    purpose,
                    count,
                    is_last,
                } => {
                    let node = &purpose.contact;
                    self.lookup.on_timeout(node, count, is_last);
                }
                // Its messages have no parts.
                NoReply::Held { .. } | NoReply::Incomplete { .. } => {}
                NoReply::Failed { purpose, .. } => {
                    self.lookup.on_failed(now, &purpose.contact);
                    self.table.on_failure(&purpose.contact);
                }
            }
        }
        self.drive(now);
    }
}

/// An id, an IPv4 address and a port.
fn write(contact: &Contact) -> Vec<u8> {
    let SocketAddr::V4(addr) = contact.addr else {
        return Vec::new();
    };
    let (ip, port) = (addr.ip().octets(), addr.port().to_be_bytes());
    [&contact.id.as_bytes()[..], &ip, &port].concat()
}

fn read(bytes: &[u8; 38]) -> Contact {
    let [id @ .., a, b, c, d, high, low] = bytes;
    let ip = Ipv4Addr::new(*a, *b, *c, *d);
    let port = u16::from_be_bytes([*high, *low]);
    Contact::new(Id::new(*id), (ip, port).into())
}

/// Nodes by their addresses. A datagram takes a tick; those to an address without a node are lost.
struct Network {
    now: Timestamp,
    nodes: BTreeMap<SocketAddr, Node>,
}

impl Network {
    /// Lets nodes join one after another, each through the first.
    fn of(count: u16) -> Self {
        let (now, nodes) = (Timestamp::ZERO, BTreeMap::new());
        let mut network = Self { now, nodes };
        let mut first = None;
        for port in 1..=count {
            let (mut node, addr) = (Node::new(port.into()), ([10, 0, 0, 1], port).into());
            node.find(network.now, node.target, first);
            first = first.or(Some(Contact::new(node.target, addr)));
            network.nodes.insert(addr, node);
            network.run(20);
        }
        network
    }

    fn run(&mut self, ticks: usize) {
        for _ in 0..ticks {
            let mut sent = Vec::new();
            for (from, node) in &mut self.nodes {
                let datagrams = std::iter::from_fn(|| node.transport.poll_transmit());
                sent.extend(datagrams.map(|datagram| (*from, datagram)));
            }
            self.now = self.now + TICK;
            for (from, datagram) in sent {
                if let Some(node) = self.nodes.get_mut(&datagram.to) {
                    node.handle_datagram(self.now, from, &datagram.bytes);
                }
            }
            for node in self.nodes.values_mut() {
                node.handle_timeout(self.now);
            }
        }
    }

    /// Lets the node at a port look for a key; returns what it found, and what is the truth.
    fn find(&mut self, port: u16, key: Id) -> (BTreeSet<Id>, BTreeSet<Id>) {
        let addr = ([10, 0, 0, 1], port).into();
        let Some(node) = self.nodes.get_mut(&addr) else {
            return Default::default();
        };
        let own = node.id();
        node.find(self.now, key, None);
        self.run(200);
        let mut nearest: Vec<_> = self.nodes.values().map(Node::id).collect();
        nearest.retain(|id| *id != own);
        nearest.sort_by_key(|id| id.distance(&key));
        nearest.truncate(NEAREST);
        let found = self.nodes.get(&addr).map(Node::found);
        (found.unwrap_or_default(), nearest.into_iter().collect())
    }
}

fn main() {
    let mut network = Network::of(200);
    let mut rng = Seed::from_number(0).public();
    let mut all_found = 0;
    for port in 1..=20 {
        let (found, nearest) = network.find(port, rng.hash());
        all_found += usize::from(found == nearest);
    }
    println!("{all_found} of 20 lookups found the {NEAREST} nearest of 200 nodes");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_find_each_other_in_a_dialect_of_their_own() {
        let mut network = Network::of(200);
        let mut rng = Seed::from_number(0).public();
        for port in 1..=20 {
            let (found, nearest) = network.find(port, rng.hash());
            assert_eq!(found, nearest);
        }
    }

    #[test]
    fn nodes_that_left_are_not_found() {
        let mut network = Network::of(100);
        network.nodes.retain(|addr, _| addr.port() % 3 != 0);
        let living: BTreeSet<_> = network.nodes.values().map(Node::id).collect();
        let (found, _) = network.find(1, Id::ZERO);
        assert!(!found.is_empty() && found.is_subset(&living));
    }
}
