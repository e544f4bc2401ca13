//! A node among peers that do anything, with an application that does anything.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use super::script::Script;
use crate::node::{CheckId, Core, Event, Node, OpId, Output, PutOptions, Transmit};
use crate::value::{Query, Value, ValueId};
use crate::wire::{
    self, ErrorCode, FindRequest, GetRequest, ListenRequest, Message, Nodes, Payload, PutRequest,
    RefreshRequest, Reply, Request, SocketId, Tid, UpdateRequest, Values,
};
use crate::{
    Config, Contact, InfoHash, ListenConfig, LookupConfig, OperationConfig, Origin, Seed,
    StorageConfig, Timestamp, TransportConfig,
};

/// Outputs that a node may have after one input.
const MAX_OUTPUTS: usize = 2_000;
/// Wake-ups until all operations must have ended.
const MAX_WAKES: usize = 5_000;

/// Plays datagrams, waits and operations against a node.
pub fn node_ops(bytes: &[u8]) {
    let mut world = World::new();
    let mut script = Script::new(bytes);
    while !script.is_over() {
        world.step(&mut script);
        world.drain();
    }
    world.finish();
}

struct World {
    node: Node,
    now: Timestamp,
    wake: Timestamp,
    /// Requests of the node that no peer has answered.
    asked: Vec<(SocketAddr, Tid, Asked)>,
    /// Write tokens that the node gave.
    tokens: BTreeMap<SocketAddr, Vec<u8>>,
    /// Numbers that the node listens on.
    sockets: Vec<SocketId>,
    checks: Vec<CheckId>,
    running: BTreeSet<OpId>,
    endless: BTreeSet<OpId>,
}

/// The kind of a request of the node.
enum Asked {
    Put(ValueId),
    Else,
}

impl World {
    fn new() -> Self {
        let config = Config {
            lookup: LookupConfig {
                max_lookups: 16,
                ..LookupConfig::default()
            },
            operations: OperationConfig {
                max: 16,
                ..OperationConfig::default()
            },
            storage: StorageConfig {
                limit_bytes: 32 << 10,
                limit_per_source_bytes: 16 << 10,
                max_values_per_key: 4,
                answer_bytes: 1_000,
                max_keys: 8,
                max_pending_puts: 4,
            },
            listen: ListenConfig {
                max_per_key: 4,
                max_per_source: 6,
                ..ListenConfig::default()
            },
            transport: TransportConfig {
                max_part_sessions: 4,
                max_part_bytes: 256 << 10,
                max_requests: 32,
                max_deferred_requests: 4,
                ..TransportConfig::default()
            },
            ..Config::default()
        };
        let node = Node::new(config, Seed::from_number(1), Origin::default()).expect("valid");
        Self {
            node,
            now: Timestamp::ZERO,
            wake: Timestamp::ZERO,
            asked: Vec::new(),
            tokens: BTreeMap::new(),
            sockets: Vec::new(),
            checks: Vec::new(),
            running: BTreeSet::new(),
            endless: BTreeSet::new(),
        }
    }

    fn step(&mut self, script: &mut Script<'_>) {
        let now = self.now;
        match script.byte() % 12 {
            0 => {
                let from = peer(script.byte()).addr;
                self.node.handle_datagram(now, from, script.bytes());
            }
            1 => self.wait(script),
            2 | 3 => self.reply(script),
            4 | 5 => self.request(script),
            6 => self.update(script),
            7 => self.part(script),
            8 | 9 => self.operate(script),
            10 => {
                let last = self.checks.pop();
                let check = script.one_of(&self.checks).copied().or(last);
                if let Some(check) = check {
                    self.node.handle_verdict(now, check, script.byte() & 1 == 0);
                }
            }
            _ => match script.byte() % 4 {
                0 => self.node.connectivity_changed(now),
                1 => self.node.bootstrap(now, &[peer(script.byte()).addr]),
                _ => {
                    let contacts = contacts(script);
                    self.node.insert_contacts(now, &contacts);
                }
            },
        }
    }

    /// Lets time pass: until something is due, some milliseconds, or up to half an hour.
    fn wait(&mut self, script: &mut Script<'_>) {
        let kind = script.byte() % 3;
        let number = script.number() as u64;
        self.now = match kind {
            0 => self
                .now
                .max(self.wake.min(self.now + Duration::from_secs(3_600))),
            1 => self.now + Duration::from_millis(number),
            _ => self.now + Duration::from_secs(number % 1_800),
        };
        self.node.handle_timeout(self.now);
    }

    /// Lets a peer answer a request of the node, correctly or not.
    fn reply(&mut self, script: &mut Script<'_>) {
        if self.asked.is_empty() {
            return;
        }
        let at = usize::from(script.byte()) % self.asked.len();
        let (to, tid, asked) = self.asked.remove(at);
        let form = script.byte();
        let sender = peer(form).id;
        if form & 0xf0 == 0 {
            let codes = [203, 401, 404, 999];
            let code = ErrorCode(codes[usize::from(form & 3)]);
            let text = "".into();
            let sender = Some(sender);
            return self.send(to, tid, &Payload::Error { sender, code, text });
        }
        let (contacts, values) = (contacts(script), values(script));
        let reply = Reply {
            observed: Some(to.ip()),
            nodes4: Nodes::new(&contacts),
            nodes6: Nodes::new(&contacts),
            token: (form & 16 == 0).then(|| b"a token"[..].into()),
            values: (form & 32 == 0).then(|| Values::new(&values)),
            rows: None,
            value_id: match asked {
                Asked::Put(id) => Some(id),
                Asked::Else => None,
            },
            rest: None,
        };
        self.send(to, tid, &Payload::Reply { sender, reply });
    }

    /// Lets a peer send a request.
    fn request(&mut self, script: &mut Script<'_>) {
        let from = peer(script.byte());
        let key = script.key();
        let token = self.tokens.get(&from.addr).cloned().unwrap_or_default();
        let token = (&token[..]).into();
        let values = values(script);
        let form = script.byte();
        let query = some_query(form);
        let request = match form % 6 {
            0 => Request::Ping,
            1 => Request::Find(FindRequest {
                target: key,
                want: None,
            }),
            2 => Request::Get(GetRequest {
                key,
                query,
                want: None,
                page: None,
            }),
            3 => Request::Put(PutRequest {
                key,
                values: Values::new(&values),
                created: None,
                token,
            }),
            4 => Request::Refresh(RefreshRequest {
                key,
                id: ValueId(u64::from(form >> 5)),
                token,
            }),
            _ => Request::Listen(ListenRequest {
                key,
                version: u32::from(form >> 7),
                socket: SocketId(u32::from(form >> 5)),
                query,
                token,
            }),
        };
        let sender = from.id;
        let payload = Payload::Request { sender, request };
        self.send(from.addr, Tid(u32::from(form)), &payload);
    }

    /// Lets a peer notify the node of what it stores.
    fn update(&mut self, script: &mut Script<'_>) {
        let from = peer(script.byte());
        let socket = script.one_of(&self.sockets).copied().unwrap_or_default();
        let values = values(script);
        let ids = [ValueId(u64::from(script.byte() % 5))];
        let form = script.byte();
        let request = Request::Update(UpdateRequest {
            socket,
            key: None,
            values: Values::new(&values),
            created: None,
            refreshed: ids[..usize::from(form & 1)].into(),
            expired: ids[..usize::from(form >> 1 & 1)].into(),
            token: b"a new token"[..].into(),
        });
        let sender = from.id;
        let payload = Payload::Request { sender, request };
        self.send(from.addr, Tid(u32::from(form)), &payload);
    }

    /// Lets a peer send a part that may not have been announced.
    fn part(&mut self, script: &mut Script<'_>) {
        let to = peer(script.byte()).addr;
        let part = wire::Part {
            index: u32::from(script.byte() % 3),
            offset: script.number() as u32,
            data: script.bytes().into(),
        };
        let tid = Tid(u32::from(script.byte()));
        self.send(to, tid, &Payload::Parts(wire::Parts::new(part)));
    }

    /// Lets the application do something.
    fn operate(&mut self, script: &mut Script<'_>) {
        let (now, key) = (self.now, script.key());
        let form = script.byte();
        let query = some_query(form);
        let op = match form % 6 {
            0 => self.node.get(now, key, query),
            1 => self.node.query(now, key, query),
            2 => self.node.listen(now, key, query),
            3 => {
                let permanent = form & 128 != 0;
                let options = PutOptions {
                    permanent,
                    ..PutOptions::default()
                };
                self.node.put(now, key, script.value(), options)
            }
            4 => {
                self.node
                    .cancel_put(now, key, ValueId(u64::from(form >> 5)));
                return;
            }
            _ => {
                let ops: Vec<_> = self.running.union(&self.endless).copied().collect();
                if let Some(op) = script.one_of(&ops) {
                    self.cancel(*op);
                }
                return;
            }
        };
        if let Ok(op) = op {
            let is_finite = form % 6 < 2;
            let ops = if is_finite {
                &mut self.running
            } else {
                &mut self.endless
            };
            assert!(ops.insert(op), "operations have names of their own");
        }
    }

    fn cancel(&mut self, op: OpId) {
        self.node.cancel(self.now, op);
        self.running.remove(&op);
        self.endless.remove(&op);
    }

    fn send(&mut self, from: SocketAddr, tid: Tid, payload: &Payload<'_>) {
        let message = Message {
            tid,
            network: 0,
            client: tid.0 & 64 != 0,
            agent: None,
            payload: payload.clone(),
        };
        for datagram in wire::encode(&message) {
            self.node.handle_datagram(self.now, from, &datagram);
        }
    }

    /// Takes all outputs. A wake-up in the past is followed once, and not requested again.
    fn drain(&mut self) {
        if self.take_outputs() <= self.now {
            self.node.handle_timeout(self.now);
            let again = self.take_outputs();
            assert!(again > self.now, "it wants to wake up twice at one moment");
        }
        let (stats, config) = (self.node.stats(self.now), self.node.config());
        assert!(stats.storage.others_bytes <= config.storage.limit_bytes);
        assert!(stats.listeners <= config.storage.max_keys);
        assert!(stats.pending_requests <= config.transport.max_requests);
        assert!(stats.operations <= config.operations.max);
        assert!(stats.lookups <= config.lookup.max_lookups + 2);
    }

    fn take_outputs(&mut self) -> Timestamp {
        for _ in 0..MAX_OUTPUTS {
            match self.node.poll_output() {
                Output::Transmit(transmit) => self.note(&transmit),
                Output::Event(event) => self.hear(&event),
                Output::Job(check) => self.checks.push(check.id),
                Output::Wake(at, _) => {
                    self.wake = at;
                    return at;
                }
            }
        }
        panic!("it does not come to rest");
    }

    /// Notes what a peer could learn from a datagram.
    fn note(&mut self, transmit: &Transmit) {
        let message = wire::decode(&transmit.bytes).expect("a message that others can read");
        match message.payload {
            Payload::Request { request, .. } => {
                let asked = match request {
                    Request::Put(PutRequest { values, .. }) => {
                        let value = values.iter().find_map(wire::Item::into_value);
                        value.map_or(Asked::Else, |value| Asked::Put(value.id()))
                    }
                    Request::Listen(ListenRequest { socket, .. }) => {
                        self.sockets.push(socket);
                        Asked::Else
                    }
                    _ => Asked::Else,
                };
                self.asked.push((transmit.to, message.tid, asked));
            }
            Payload::Reply { reply, .. } => {
                if let Some(token) = reply.token {
                    self.tokens.insert(transmit.to, token.into_owned());
                }
            }
            Payload::Error { .. } | Payload::Notice { .. } | Payload::Parts(_) => {}
        }
    }

    fn hear(&mut self, event: &Event) {
        match event {
            Event::GetDone { op, report } => {
                assert!(self.running.remove(op), "a get ends once, unless cancelled");
                assert!(report.answered <= report.asked);
            }
            Event::Values { op, .. } | Event::Expired { op, .. } | Event::Rows { op, .. } => {
                assert!(self.running.contains(op) || self.endless.contains(op));
            }
            Event::PutDone { .. } | Event::StatusChanged { .. } => {}
        }
    }

    /// Checks that every get ends when no peer answers any more.
    fn finish(&mut self) {
        for op in std::mem::take(&mut self.endless) {
            self.node.cancel(self.now, op);
        }
        self.drain();
        for _ in 0..MAX_WAKES {
            if self.running.is_empty() {
                return;
            }
            self.now = self.now.max(self.wake);
            self.node.handle_timeout(self.now);
            self.drain();
        }
        panic!("{} gets never end", self.running.len());
    }
}

/// Returns one of sixteen peers, a quarter of them with IPv6.
fn peer(number: u8) -> Contact {
    let number = number % 16;
    let addr = match number % 4 {
        0 => SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(number)], 4222)),
        _ => SocketAddr::from(([192, 0, 2, number], 4222)),
    };
    Contact::new(InfoHash::of(&[number, 1]), addr)
}

fn contacts(script: &mut Script<'_>) -> Vec<Contact> {
    (0..script.byte() % 9)
        .map(|_| peer(script.byte()))
        .collect()
}

fn values(script: &mut Script<'_>) -> Vec<Value> {
    (0..script.byte() % 4).map(|_| script.value()).collect()
}

fn some_query(form: u8) -> Query {
    let texts = [
        "",
        "SELECT id",
        "WHERE id=1",
        "SELECT id,seq WHERE value_type=3",
    ];
    texts[usize::from(form >> 3 & 3)].parse().expect("a query")
}
