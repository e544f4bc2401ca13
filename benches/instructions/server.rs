//! A node that answers: all of the core that a request passes through.

use std::net::SocketAddr;

use bulla::node::{Core, Node, Output, Transmit};
use bulla::wire::{
    self, FindRequest, GetRequest, ListenRequest, Message, Payload, PutRequest, Reply, Request,
    SocketId, Tid, Values,
};
use bulla::{Contact, Draft, InfoHash, Query, Seed, Timestamp, Value, ValueId, ValueType};
use divan::black_box;

use crate::lookup::without_limits;

const NOW: Timestamp = Timestamp::ZERO;

pub(crate) fn ping(times: u32) {
    let (mut server, _) = Server::with_a_value();
    server.answer(times, |_, _| Request::Ping);
}

pub(crate) fn find(times: u32) {
    let (mut server, _) = Server::with_a_value();
    server.answer(times, |number, _| {
        Request::Find(FindRequest {
            target: InfoHash::of(&number.to_be_bytes()),
            want: None,
        })
    });
}

pub(crate) fn get(times: u32) {
    let (mut server, _) = Server::with_a_value();
    let key = server.own_key(0);
    server.answer(times, |_, _| {
        Request::Get(GetRequest {
            key,
            query: Query::default(),
            want: None,
            page: None,
        })
    });
}

pub(crate) fn put(times: u32) {
    let (mut server, token) = Server::with_a_value();
    let values: Vec<_> = (0..times).map(|number| [value(number)]).collect();
    server.answer(times, |number, key| {
        put_under(key, &values[number as usize], &token)
    });
}

pub(crate) fn listen(times: u32) {
    let (mut server, token) = Server::with_a_value();
    server.answer(times, |_, key| listen_to(key, &token));
}

pub(crate) fn tell(times: u32) {
    let mut server = Server::new();
    let key = server.own_key(0);
    for listener in 0..100 {
        let from = ([127, 0, 1, listener], 4222).into();
        let token = server.token(from);
        server.ask(from, listen_to(key, &token));
    }
    let token = server.token(CLIENT.into());
    let puts: Vec<_> = (0..times)
        .map(|number| server.pack(put_under(key, &[value(number)], &token)))
        .collect();
    for put in &puts {
        server.handle(CLIENT.into(), put);
    }
}

/// Contacts of the node, all of them good.
const CONTACTS: u8 = 8;
const CLIENT: ([u8; 4], u16) = ([127, 0, 0, 1], 4222);

struct Server {
    node: Node,
    last: u32,
}

impl Server {
    /// A node with a full routing table and no limits.
    fn new() -> Self {
        let mut node = without_limits();
        let mut rng = Seed::from_number(2).public();
        let contacts: Vec<_> = (0..CONTACTS)
            .map(|number| Contact::new(rng.hash(), ([127, 1, 0, number], 4223).into()))
            .collect();
        node.insert_contacts(NOW, &contacts);
        let mut server = Self { node, last: 0 };
        server.be_answered(&contacts);
        server
    }

    /// Lets contacts answer what the node asks, until it asks no more.
    fn be_answered(&mut self, contacts: &[Contact]) {
        loop {
            let answers: Vec<_> = self
                .transmits()
                .iter()
                .filter_map(|asked| {
                    let contact = contacts.iter().find(|contact| contact.addr == asked.to)?;
                    let reply = Reply {
                        token: Some(b"token"[..].into()),
                        ..Reply::default()
                    };
                    let payload = Payload::Reply {
                        sender: contact.id,
                        reply,
                    };
                    let tid = wire::decode(&asked.bytes).ok()?.tid;
                    Some((contact.addr, pack(tid, payload)))
                })
                .collect();
            if answers.is_empty() {
                let good = self.node.stats(NOW).families.v4.contacts.good;
                return assert_eq!(good, usize::from(CONTACTS));
            }
            for (from, answer) in answers {
                self.node.handle_datagram(NOW, from, &answer);
            }
        }
    }

    /// A node with one value, and its token for the client.
    fn with_a_value() -> (Self, Vec<u8>) {
        let mut server = Self::new();
        let token = server.token(CLIENT.into());
        let key = server.own_key(0);
        server.ask(CLIENT.into(), put_under(key, &[value(0)], &token));
        (server, token)
    }

    /// Lets the node answer requests that are packed before, each made of a number and a key of the
    /// node's own.
    fn answer<'a>(&mut self, times: u32, request: impl Fn(u32, InfoHash) -> Request<'a>) {
        let requests: Vec<_> = (1..=times)
            .map(|number| self.pack(request(number - 1, self.own_key(number))))
            .collect();
        for request in &requests {
            assert_eq!(self.handle(CLIENT.into(), request), 1, "no answer");
        }
    }

    fn pack(&mut self, request: Request<'_>) -> Vec<u8> {
        self.last += 1;
        let payload = Payload::Request {
            sender: InfoHash::of(b"client"),
            request,
        };
        pack(Tid(self.last), payload)
    }

    /// A key that no contact is nearer to than the node.
    fn own_key(&self, number: u32) -> InfoHash {
        let mut bytes = *InfoHash::of(&number.to_be_bytes()).as_bytes();
        bytes[..4].copy_from_slice(&self.node.id().as_bytes()[..4]);
        InfoHash::new(bytes)
    }

    fn ask(&mut self, from: SocketAddr, request: Request<'_>) {
        let packed = self.pack(request);
        self.handle(from, &packed);
    }

    /// Hands over a datagram; how many came of it.
    fn handle(&mut self, from: SocketAddr, datagram: &[u8]) -> usize {
        self.node.handle_datagram(NOW, from, black_box(datagram));
        self.transmits().len()
    }

    /// The token that the node gives to an address.
    fn token(&mut self, from: SocketAddr) -> Vec<u8> {
        let find = self.pack(Request::Find(FindRequest {
            target: self.node.id(),
            want: None,
        }));
        self.node.handle_datagram(NOW, from, &find);
        let answers = self.transmits();
        let token =
            answers
                .iter()
                .find_map(|answer| match wire::decode(&answer.bytes).ok()?.payload {
                    Payload::Reply {
                        reply: Reply { token, .. },
                        ..
                    } => token.map(|token| token.to_vec()),
                    _ => None,
                });
        token.expect("a token comes with every find")
    }

    fn transmits(&mut self) -> Vec<Transmit> {
        let mut sent = Vec::new();
        loop {
            match self.node.poll_output() {
                Output::Transmit(datagram) => sent.push(datagram),
                Output::Job(check) => self.node.handle_verdict(NOW, check.id, true),
                Output::Event(_) => {}
                Output::Wake(..) => return sent,
            }
        }
    }
}

fn pack(tid: Tid, payload: Payload<'_>) -> Vec<u8> {
    let message = Message {
        tid,
        network: 0,
        client: false,
        agent: None,
        payload,
    };
    wire::encode(&message).head.to_vec()
}

fn value(number: u32) -> Value {
    wire::pack(
        &Draft::new(vec![7; 64]).value_type(ValueType::USER_DATA),
        ValueId(u64::from(number) + 1),
    )
}

fn put_under<'a>(key: InfoHash, values: &'a [Value], token: &'a [u8]) -> Request<'a> {
    Request::Put(PutRequest {
        key,
        values: Values::new(values),
        created: None,
        token: token.into(),
    })
}

fn listen_to(key: InfoHash, token: &[u8]) -> Request<'_> {
    Request::Listen(ListenRequest {
        key,
        version: 1,
        socket: SocketId(1),
        query: Query::default(),
        token: token.into(),
    })
}
