//! Datagrams that no peer should send: each is dropped and counted, and no stored value is lost.

use std::net::SocketAddr;
use std::time::Duration;

use bulla_dht::node::{Core, Node, Output, Proof};
use bulla_dht::wire::{
    self, GetRequest, Message, Payload, PutRequest, Reply, Request, Tid, Values,
};
use bulla_dht::{
    Config, Draft, InfoHash, Origin, Query, Seed, Timestamp, TransportConfig, Value, ValueId,
    ValueType,
};

use crate::vectors::{bytes, entries};

#[test]
fn every_beginning_of_every_captured_datagram_is_harmless() {
    let mut target = Target::new();
    for vector in entries("datagrams.json", "vectors") {
        let datagram = bytes(&vector["hex"]);
        for end in 0..datagram.len() {
            target.send(&datagram[..end]);
        }
    }
    assert!(target.node.stats(target.now).traffic.dropped_malformed > 10_000);
    target.assert_unharmed();
}

#[test]
fn nested_oversized_and_random_datagrams_are_malformed() {
    let mut target = Target::new();
    let mut noise = vec![0; 65_507];
    Seed::from_number(1).public().fill(&mut noise);
    let hostile = [
        vec![0x91; 65_507],
        vec![0xdf; 65_507],
        [&b"\x81\xa1a"[..], &vec![0x91; 60_000]].concat(),
        b"\x81\xa1a\xdf\xff\xff\xff\xff".to_vec(),
        b"\x81\xa1a\xdd\xff\xff\xff\xff".to_vec(),
        b"\x81\xa1a\xc6\xff\xff\xff\xff".to_vec(),
        b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe".to_vec(),
        noise,
    ];
    for datagram in &hostile {
        target.send(datagram);
    }
    let dropped = target.node.stats(target.now).traffic.dropped_malformed;
    assert_eq!(dropped, hostile.len() as u64);
    target.assert_unharmed();
}

#[test]
fn messages_of_other_networks_are_not_answered() {
    let mut target = Target::new();
    let before = target.answers;
    let ping = Message {
        network: 1,
        ..request(Request::Ping)
    };
    target.send_message(&ping);
    assert_eq!(target.answers, before);
    assert_eq!(target.node.stats(target.now).traffic.dropped_network, 1);
    target.assert_unharmed();
}

#[test]
fn more_than_64_kib_are_not_stored() {
    let mut target = Target::new();
    for size in [65_537, 65_600, 100_000] {
        target.put(&wire::pack(&Draft::new(vec![7; size]), ValueId(8)));
    }
    assert_eq!(target.stored(ValueId(8)), None);
    target.assert_unharmed();
}

#[test]
fn wrong_tokens_store_nothing() {
    let mut target = Target::new();
    let right = target.token();
    let mut flipped = right.clone();
    flipped[31] ^= 1;
    for token in [&flipped[..], &right[..31], &[], &[0; 32]] {
        target.put_with(&wire::pack(&Draft::from("x"), ValueId(8)), token);
    }
    assert_eq!(target.stored(ValueId(8)), None);
    target.assert_unharmed();
}

#[test]
fn a_certificate_that_is_none_needs_a_proof_it_does_not_get() {
    let mut target = Target::new();
    target.put(&wire::pack(
        &Draft::from("no certificate").value_type(ValueType::CERTIFICATE),
        ValueId(8),
    ));
    assert_eq!(target.proofs, [Proof::Certificate]);
    assert_eq!(target.stored(ValueId(8)), None);
    target.assert_unharmed();
}

#[test]
fn parts_that_overlap_lie_or_never_end_store_nothing_and_block_no_node() {
    let mut target = Target::new();
    let value = wire::pack(&Draft::new(vec![7; 5_000]), ValueId(8));
    let [head, first, second, ..] = &target.put_datagrams(&value)[..] else {
        panic!("5,000 bytes come in parts");
    };
    // Never ends; overlaps; is announced again and again.
    for datagram in [head, first, first, head, second, head] {
        target.send(datagram);
    }
    for tid in 0..2_000 {
        let mut head = target.put_message(Tid(tid));
        head.extend(b"\x91\xcd\xff\xe0");
        target.send(&head);
    }
    target.wait(Duration::from_secs(11));
    assert_eq!(target.stored(ValueId(8)), None);
    target.put(&value);
    assert_eq!(target.stored(ValueId(8)), Some(value));
    target.assert_unharmed();
}

#[test]
fn replies_that_were_not_asked_for_change_nothing() {
    let mut target = Target::new();
    for tid in 0..1_000 {
        let reply = Reply {
            token: Some(b"token".into()),
            ..Reply::default()
        };
        let payload = Payload::Reply {
            sender: InfoHash::of(b"liar"),
            reply,
        };
        let message = Message {
            tid: Tid(tid),
            ..message(payload)
        };
        target.send_message(&message);
    }
    let stats = target.node.stats(target.now);
    assert_eq!(stats.traffic.dropped_unexpected, 1_000);
    assert_eq!(stats.families.v4.contacts.good, 0);
    target.assert_unharmed();
}

/// A node with one stored value, and an unknown peer.
struct Target {
    node: Node,
    now: Timestamp,
    from: SocketAddr,
    answers: usize,
    last_answer: Vec<u8>,
    proofs: Vec<Proof>,
}

impl Target {
    fn new() -> Self {
        let config = Config {
            transport: TransportConfig {
                rate_limit_per_sec: None,
                peer_rate_limit_per_sec: None,
                ..TransportConfig::default()
            },
            ..Config::default()
        };
        let mut target = Self {
            node: Node::new(config, Seed::from_number(1), Origin::default()).unwrap(),
            now: Timestamp::ZERO,
            from: "127.0.0.1:4300".parse().unwrap(),
            answers: 0,
            last_answer: Vec::new(),
            proofs: Vec::new(),
        };
        target.put(&precious());
        target.assert_unharmed();
        target
    }

    /// Checks that the value is still there, and that unknown peers are still answered.
    fn assert_unharmed(&mut self) {
        assert_eq!(self.stored(ValueId(7)), Some(precious()));
        let before = self.answers;
        let ping = request(Request::Ping);
        self.send_message(&ping);
        assert_eq!(self.answers, before + 1);
    }

    fn stored(&self, id: ValueId) -> Option<Value> {
        let records = self.node.export_values().into_iter();
        records
            .map(|record| record.value)
            .find(|value| value.id() == id)
    }

    fn put(&mut self, value: &Value) {
        for datagram in self.put_datagrams(value) {
            self.send(&datagram);
        }
    }

    fn put_with(&mut self, value: &Value, token: &[u8]) {
        for datagram in Self::encode_put(value, token) {
            self.send(&datagram);
        }
    }

    fn put_datagrams(&mut self, value: &Value) -> Vec<Vec<u8>> {
        let token = self.token();
        Self::encode_put(value, &token)
    }

    fn encode_put(value: &Value, token: &[u8]) -> Vec<Vec<u8>> {
        let values = [value.clone()];
        let put = Request::Put(PutRequest {
            key: key(),
            values: Values::new(&values),
            created: None,
            token: token.into(),
        });
        let datagrams = wire::encode(&request(put));
        datagrams.into_iter().map(|bytes| bytes.to_vec()).collect()
    }

    /// A put up to its list of values, which is the last of its fields here.
    fn put_message(&mut self, tid: Tid) -> Vec<u8> {
        let mut bytes = b"\x84\xa1q\xa3put\xa1y\xa1q\xa1t\xce".to_vec();
        bytes.extend((tid.0 + 70_000).to_be_bytes());
        bytes.extend(b"\xa1a\x84\xa2id\xc4\x14");
        bytes.extend(InfoHash::of(b"stranger").as_bytes());
        bytes.extend(b"\xa1h\xc4\x14");
        bytes.extend(key().as_bytes());
        bytes.extend(b"\xa5token\xc4\x20");
        bytes.extend(self.token());
        bytes.extend(b"\xa6values");
        bytes
    }

    fn token(&mut self) -> Vec<u8> {
        let get = request(Request::Get(GetRequest {
            key: InfoHash::of(b"elsewhere"),
            query: Query::default(),
            want: None,
            page: None,
        }));
        self.send_message(&get);
        match wire::decode(&self.last_answer).unwrap().payload {
            Payload::Reply { reply, .. } => reply.token.unwrap().to_vec(),
            other => panic!("{other:?} has no token"),
        }
    }

    fn send_message(&mut self, message: &Message<'_>) {
        for datagram in wire::encode(message) {
            self.send(&datagram);
        }
    }

    fn send(&mut self, datagram: &[u8]) {
        self.node.handle_datagram(self.now, self.from, datagram);
        self.drain();
    }

    fn wait(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let wake = self.drain();
            if wake > end {
                self.now = end;
                return;
            }
            self.now = self.now.max(wake);
            self.node.handle_timeout(self.now);
        }
    }

    fn drain(&mut self) -> Timestamp {
        loop {
            match self.node.poll_output() {
                Output::Transmit(transmit) => {
                    self.answers += 1;
                    self.last_answer = transmit.bytes.to_vec();
                }
                Output::Job(check) => {
                    self.proofs.push(check.proof);
                    self.node.handle_verdict(self.now, check.id, false);
                }
                Output::Event(_) => {}
                Output::Wake(at, _) => return at,
            }
        }
    }
}

fn request(request: Request<'_>) -> Message<'_> {
    let sender = InfoHash::of(b"stranger");
    message(Payload::Request { sender, request })
}

fn message(payload: Payload<'_>) -> Message<'_> {
    Message {
        tid: Tid(1),
        network: 0,
        client: true,
        agent: None,
        payload,
    }
}

fn key() -> InfoHash {
    InfoHash::of(b"key")
}

fn precious() -> Value {
    wire::pack(&Draft::from("precious"), ValueId(7))
}
