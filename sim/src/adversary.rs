//! [`Behaviour`]: the Byzantine nodes. Each host runs an ordinary node, and its [`Adversary`]
//! tampers with what that sends and attacks of its own accord.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bulla_dht::node::Transmit;
use bulla_dht::wire::{
    self, FindRequest, GetRequest, Message, Nodes, Payload, Reply, Request, Tid, Values,
};
use bulla_dht::{Contact, Draft, InfoHash, Query, Rng, Value, ValueId};
use bytes::Bytes;

use super::event::Event;
use super::{HostId, Sim};

/// Datagrams that an adversary remembers.
const MEMORY: usize = 256;
/// Values that it never finishes sending, at a time.
const ENDLESS: usize = 8;
/// Contacts invented for one reply.
const INVENTED: usize = 8;
/// The first port of the nodes that [`Behaviour::League`] makes up.
const LEAGUE_PORT: u16 = 5_000;

/// What is wrong with a host.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Behaviour {
    /// Names contacts in each reply that do not exist, nearer to the key than any node.
    Liar,
    /// Gives out write tokens that it will not take back.
    WrongTokens,
    /// Answers without a write token.
    NoTokens,
    /// Changes the data of the values it hands out.
    Forger,
    /// Returns nothing of what it stores.
    Denier,
    /// Answers pings and nothing else.
    Mute,
    /// Sends every other part of a value.
    HalfParts,
    /// Announces large values in its replies and sends the same part of them for ever.
    EndlessParts,
    /// Sends requests about random keys, a hundred a second.
    Flooder,
    /// Sends again what it has received, in its own name and in that of the sender.
    Replayer,
    /// Sends noise, and damaged copies of what it has received.
    Garbage,
    /// Sends requests in the name of [`Behaviour::VICTIM`], so that the replies go there.
    Spoofer,
    /// Names others of its kind in each reply, as nodes nearer to the key than any; as such they
    /// answer at ports of their own, name each other, have nothing and acknowledge everything.
    League,
}

/// A datagram with a source of the sender's choice.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Forged {
    pub(super) from: SocketAddr,
    pub(super) transmit: Transmit,
}

/// A hostile node at work.
#[derive(Debug)]
pub(super) struct Adversary {
    behaviour: Behaviour,
    rng: Rng,
    network: u32,
    recorded: VecDeque<(SocketAddr, Bytes)>,
    /// Parts to be sent for ever.
    endless: VecDeque<Transmit>,
    parts: u64,
    /// The hosts of its kind.
    league: Vec<IpAddr>,
}

impl Behaviour {
    /// All behaviours.
    pub const ALL: [Self; 13] = [
        Self::Liar,
        Self::WrongTokens,
        Self::NoTokens,
        Self::Forger,
        Self::Denier,
        Self::Mute,
        Self::HalfParts,
        Self::EndlessParts,
        Self::Flooder,
        Self::Replayer,
        Self::Garbage,
        Self::Spoofer,
        Self::League,
    ];

    /// Where the replies to spoofed requests go. No host is there.
    pub const VICTIM: SocketAddr =
        SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)), 4222);
}

impl Adversary {
    /// The time from one attack to the next.
    pub(super) const PERIOD: Duration = Duration::from_millis(100);

    pub(super) fn new(behaviour: Behaviour, rng: Rng, network: u32, league: Vec<IpAddr>) -> Self {
        Self {
            behaviour,
            rng,
            network,
            recorded: VecDeque::new(),
            endless: VecDeque::new(),
            parts: 0,
            league,
        }
    }

    /// Remembers a datagram that came in.
    pub(super) fn record(&mut self, from: SocketAddr, datagram: &Bytes) {
        if self.recorded.len() == MEMORY {
            self.recorded.pop_front();
        }
        self.recorded.push_back((from, datagram.clone()));
    }

    /// Returns what becomes of a datagram that the node wants to send.
    pub(super) fn tamper(&mut self, transmit: Transmit) -> Vec<Transmit> {
        let Ok(message) = wire::decode(&transmit.bytes) else {
            return vec![transmit];
        };
        let to = transmit.to;
        match (&message.payload, self.behaviour) {
            (Payload::Parts(_), Behaviour::HalfParts) => {
                self.parts += 1;
                if self.parts.is_multiple_of(2) {
                    return vec![transmit];
                }
                Vec::new()
            }
            (Payload::Reply { sender, reply }, _) if reply.token.is_some() => {
                let sender = *sender;
                let reply = reply.clone();
                self.tamper_reply(to, &message, sender, reply)
            }
            _ => vec![transmit],
        }
    }

    /// Returns what it sends of its own accord. It knows all addresses.
    pub(super) fn attack(&mut self, own: SocketAddr, addresses: &[SocketAddr]) -> Vec<Forged> {
        match self.behaviour {
            Behaviour::Flooder => (0..10)
                .flat_map(|_| self.send_random_request(own, addresses))
                .collect(),
            Behaviour::Spoofer => self.send_random_request(Behaviour::VICTIM, addresses),
            Behaviour::Replayer => self.replay(own, addresses),
            Behaviour::Garbage => self.send_garbage(own, addresses),
            Behaviour::EndlessParts => self.send_same_parts(own),
            Behaviour::Liar
            | Behaviour::WrongTokens
            | Behaviour::NoTokens
            | Behaviour::Forger
            | Behaviour::Denier
            | Behaviour::Mute
            | Behaviour::HalfParts
            | Behaviour::League => Vec::new(),
        }
    }

    /// Returns what a node that others of the league have named answers.
    pub(super) fn answer_as(&mut self, own: SocketAddr, from: SocketAddr, asked: &[u8]) -> Forged {
        let message = wire::decode(asked).ok();
        let tid = message.as_ref().map_or(Tid(0), |it| it.tid);
        let target = message.map_or(InfoHash::ZERO, |it| target_of(&it.payload));
        let named = self.name_league(target);
        let reply = Reply {
            nodes4: Nodes::new(&named),
            token: Some(Cow::Borrowed(b"token")),
            ..Reply::default()
        };
        let message = Message {
            tid,
            network: self.network,
            client: false,
            agent: None,
            payload: Payload::Reply {
                sender: league_id(target, own),
                reply,
            },
        };
        Forged {
            from: own,
            transmit: encode_one(from, &message),
        }
    }

    /// Names eight of its kind as nodes next to `target`.
    fn name_league(&mut self, target: InfoHash) -> Vec<Contact> {
        let count = self.league.len() as u64;
        let named = (0..INVENTED).filter_map(|_| {
            let ip = self.league.get(self.rng.below(count) as usize)?;
            let addr = SocketAddr::new(*ip, LEAGUE_PORT + self.rng.below(8) as u16);
            Some(Contact::new(league_id(target, addr), addr))
        });
        named.collect()
    }

    fn tamper_reply(
        &mut self,
        to: SocketAddr,
        message: &Message<'_>,
        sender: InfoHash,
        reply: Reply<'_>,
    ) -> Vec<Transmit> {
        let invented: Vec<_>;
        let values: Vec<Value>;
        let mut reply = reply;
        match self.behaviour {
            Behaviour::Mute => return Vec::new(),
            Behaviour::Liar => {
                let target = self.asked_about(to, message.tid);
                invented = (0..INVENTED).map(|_| self.invent(target)).collect();
                reply.nodes4 = Nodes::new(&invented);
            }
            Behaviour::League => {
                let target = self.asked_about(to, message.tid);
                invented = self.name_league(target);
                reply.nodes4 = Nodes::new(&invented);
                (reply.values, reply.rows) = (None, None);
            }
            Behaviour::WrongTokens => {
                let mut token = [0; 20];
                self.rng.fill(&mut token);
                reply.token = Some(Cow::Owned(token.to_vec()));
            }
            Behaviour::NoTokens => reply.token = None,
            Behaviour::Denier => (reply.values, reply.rows) = (None, None),
            Behaviour::Forger => {
                let genuine = reply.values.into_iter().flat_map(|values| values.iter());
                values = genuine
                    .filter_map(wire::Item::into_value)
                    .map(|value| wire::pack(&Draft::from("forged"), value.id()))
                    .collect();
                if values.is_empty() {
                    return vec![encode_one(to, message)];
                }
                reply.values = Some(Values::new(&values));
            }
            Behaviour::EndlessParts => {
                values = vec![wire::pack(&Draft::new(vec![7; 60_000]), ValueId(7))];
                reply.values = Some(Values::new(&values));
                let message = Message {
                    payload: Payload::Reply { sender, reply },
                    ..message.clone()
                };
                return self.begin_endless(to, &message);
            }
            Behaviour::HalfParts
            | Behaviour::Flooder
            | Behaviour::Replayer
            | Behaviour::Garbage
            | Behaviour::Spoofer => {}
        }
        let message = Message {
            payload: Payload::Reply { sender, reply },
            ..message.clone()
        };
        vec![encode_one(to, &message)]
    }

    /// Returns what `from` asked about in this transaction.
    fn asked_about(&self, from: SocketAddr, tid: Tid) -> InfoHash {
        let asked = self.recorded.iter().rev().find_map(|(its, datagram)| {
            let message = wire::decode(datagram).ok()?;
            (*its == from && message.tid == tid).then(|| target_of(&message.payload))
        });
        asked.unwrap_or_default()
    }

    /// Makes up a contact beside `target`.
    fn invent(&mut self, target: InfoHash) -> Contact {
        let id = (100..InfoHash::BITS).fold(target, |id, bit| id.with_bit(bit, self.rng.one_in(2)));
        let host = self.rng.below(1 << 16) as u32;
        let ip = Ipv4Addr::from_bits(u32::from(Ipv4Addr::new(10, 250, 0, 0)) + host);
        Contact::new(id, SocketAddr::new(ip.into(), 4222))
    }

    fn send_random_request(&mut self, from: SocketAddr, addresses: &[SocketAddr]) -> Vec<Forged> {
        let request = match self.rng.below(3) {
            0 => Request::Ping,
            1 => Request::Find(FindRequest {
                target: self.rng.hash(),
                want: None,
            }),
            _ => Request::Get(GetRequest {
                key: self.rng.hash(),
                query: Query::default(),
                want: None,
                page: None,
            }),
        };
        let message = Message {
            tid: Tid(self.rng.number() as u32),
            network: self.network,
            client: false,
            agent: None,
            payload: Payload::Request {
                sender: self.rng.hash(),
                request,
            },
        };
        let to = self.random_peer(from, addresses);
        to.map(|to| Forged {
            from,
            transmit: encode_one(to, &message),
        })
        .into_iter()
        .collect()
    }

    fn replay(&mut self, own: SocketAddr, addresses: &[SocketAddr]) -> Vec<Forged> {
        let which = self.rng.below(self.recorded.len() as u64) as usize;
        let Some((source, bytes)) = self.recorded.get(which).cloned() else {
            return Vec::new();
        };
        let Some(to) = self.random_peer(own, addresses) else {
            return Vec::new();
        };
        let transmit = Transmit { to, bytes };
        [own, source]
            .map(|from| Forged {
                from,
                transmit: transmit.clone(),
            })
            .into()
    }

    fn send_garbage(&mut self, own: SocketAddr, addresses: &[SocketAddr]) -> Vec<Forged> {
        let which = self.rng.below(self.recorded.len() as u64) as usize;
        let mut bytes = match self.recorded.get(which) {
            Some((_, heard)) if self.rng.one_in(2) => heard.to_vec(),
            _ => {
                let mut noise = vec![0; self.rng.below(1_400) as usize];
                self.rng.fill(&mut noise);
                noise
            }
        };
        bytes.truncate(self.rng.below(bytes.len() as u64 + 1) as usize);
        for _ in 0..self.rng.below(4) {
            let at = self.rng.below(bytes.len() as u64) as usize;
            if let Some(byte) = bytes.get_mut(at) {
                *byte = self.rng.number() as u8;
            }
        }
        let to = self.random_peer(own, addresses);
        to.map(|to| Forged {
            from: own,
            transmit: Transmit {
                to,
                bytes: bytes.into(),
            },
        })
        .into_iter()
        .collect()
    }

    fn send_same_parts(&self, own: SocketAddr) -> Vec<Forged> {
        let parts = self.endless.iter().cloned();
        let forged = parts.map(|transmit| Forged {
            from: own,
            transmit,
        });
        forged.collect()
    }

    /// Announces values, whose first part is sent from now on.
    fn begin_endless(&mut self, to: SocketAddr, message: &Message<'_>) -> Vec<Transmit> {
        let wire::Datagrams { head, parts } = wire::encode(message);
        let part = parts.into_iter().next();
        self.endless
            .extend(part.map(|bytes| Transmit { to, bytes }));
        if self.endless.len() > ENDLESS {
            self.endless.pop_front();
        }
        vec![Transmit { to, bytes: head }]
    }

    /// Draws an address of the family of `from`, other than it.
    fn random_peer(&mut self, from: SocketAddr, addresses: &[SocketAddr]) -> Option<SocketAddr> {
        let others: Vec<_> = addresses
            .iter()
            .filter(|address| address.is_ipv4() == from.is_ipv4() && **address != from)
            .collect();
        let which = self.rng.below(others.len() as u64) as usize;
        others.get(which).map(|address| **address)
    }
}

impl Sim {
    /// Has the adversary at a host attack, now and every [`Adversary::PERIOD`] from now.
    pub(super) fn attack_from(&mut self, id: HostId) {
        let all = self.ids();
        let addresses: Vec<SocketAddr> = all
            .flat_map(|id| self.hosts[id.index()].addresses(id))
            .collect();
        let host = &mut self.hosts[id.index()];
        let generation = host.generation;
        let own = host.addresses(id).next();
        let adversary = host.instance.as_mut().and_then(|it| it.adversary.as_mut());
        let (Some(adversary), Some(own)) = (adversary, own) else {
            return;
        };
        for Forged { from, transmit } in adversary.attack(own, &addresses) {
            if from == Behaviour::VICTIM {
                self.spoofed.add(transmit.bytes.len());
            }
            self.carry(id, from, transmit);
        }
        let next = self.now + Adversary::PERIOD;
        let attack = Event::Attack {
            host: id,
            generation,
        };
        self.queue.push(next, attack);
    }
}

/// Returns what a request is about; nothing if it is no find or get.
fn target_of(payload: &Payload<'_>) -> InfoHash {
    match payload {
        Payload::Request {
            request: Request::Find(FindRequest { target, .. }),
            ..
        } => *target,
        Payload::Request {
            request: Request::Get(GetRequest { key, .. }),
            ..
        } => *key,
        Payload::Request {
            request: Request::Put(put),
            ..
        } => put.key,
        Payload::Request {
            request: Request::Refresh(refresh),
            ..
        } => refresh.key,
        Payload::Request {
            request: Request::Listen(listen),
            ..
        } => listen.key,
        _ => InfoHash::ZERO,
    }
}

/// Returns the id of a league's node at an address, next to `target`.
fn league_id(target: InfoHash, addr: SocketAddr) -> InfoHash {
    let chance = InfoHash::of(addr.to_string().as_bytes());
    (100..InfoHash::BITS).fold(target, |id, bit| id.with_bit(bit, chance.bit(bit)))
}

/// Encodes a message without the parts of its values.
fn encode_one(to: SocketAddr, message: &Message<'_>) -> Transmit {
    Transmit {
        to,
        bytes: wire::encode(message).head,
    }
}
