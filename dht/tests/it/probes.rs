//! The hand-made datagrams of `probes.json`, sent to a node: it answers, or is silent, as OpenDHT
//! 4.4.2.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use bulla_dht::node::{Check, Core, Node, Output, Proof, Transmit};
use bulla_dht::wire::{self, Message, Payload, PutRequest, Request};
use bulla_dht::{Config, Draft, InfoHash, Origin, Seed, Timestamp, UnixTime, ValueId};
use bulla_identity::PublicKey;
use serde_json::Value;

use crate::vectors::{bytes, entries};

const VERSION: &str = "4.4.2";
const NODE_ID: InfoHash = InfoHash::new([0xd4; 20]);

#[test]
fn every_probe_gets_the_answer_of_the_reference() {
    let probes = entries("probes.json", "vectors");
    let mut prober = Prober::new(&probes);
    let mut wrong = Vec::new();
    for probe in &probes {
        let name = probe["name"].as_str().unwrap();
        let expected = prober.expected(probe);
        let given = prober.send(probe);
        if given != expected {
            wrong.push(format!(
                "{name}\n  given    {given:?}\n  expected {expected:?}"
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        probes.len(),
        wrong.join("\n")
    );
}

struct Prober {
    node: Node,
    now: Timestamp,
    addr: SocketAddr,
    /// The captured node's write token and ours.
    tokens: [Vec<u8>; 2],
    /// Transactions of `update` requests seen, so that retransmissions are not counted.
    seen: [BTreeSet<u32>; 2],
}

impl Prober {
    fn new(probes: &[Value]) -> Self {
        let config = Config {
            id: Some(NODE_ID),
            ..Config::default()
        };
        let origin = Origin::new(UnixTime::from_secs(capture_time(probes)));
        let mut prober = Self {
            node: Node::new(config, Seed::from_number(1), origin).unwrap(),
            now: Timestamp::ZERO,
            addr: "127.0.0.1:4300".parse().unwrap(),
            tokens: [captured_token(probes), Vec::new()],
            seen: [BTreeSet::new(), BTreeSet::new()],
        };
        let find = bytes(&named(probes, "find no target")["sent"][0]);
        let answer = prober.exchange(&[find]).pop().unwrap();
        prober.tokens[1] = token_in(&answer).unwrap();
        prober
    }

    /// What the reference answered, in comparable form.
    fn expected(&mut self, probe: &Value) -> Vec<Vec<u8>> {
        let answers = probe[VERSION]["answers"].as_array().unwrap();
        let answers: Vec<_> = answers.iter().map(bytes).collect();
        comparable(&answers, &self.tokens[0], &mut self.seen[0])
    }

    /// What our node answers, in comparable form.
    fn send(&mut self, probe: &Value) -> Vec<Vec<u8>> {
        let sent = probe[VERSION]["sent"].as_array().unwrap();
        let mut sent: Vec<_> = sent
            .iter()
            .map(|hex| self.with_our_token(bytes(hex)))
            .collect();
        if probe["note"] == "fragments omitted" {
            let name = probe["name"].as_str().unwrap();
            sent = whole_put(&sent[0], name);
        }
        let answers = self.exchange(&sent);
        comparable(&answers, &self.tokens[1], &mut self.seen[1])
    }

    fn with_our_token(&self, datagram: Vec<u8>) -> Vec<u8> {
        let [captured, ours] = &self.tokens;
        let datagram = replace(datagram, captured, ours);
        replace(datagram, &as_array(captured), &as_array(ours))
    }

    /// Sends datagrams and collects what comes within a quarter of a second, but for requests of
    /// the node's own.
    fn exchange(&mut self, datagrams: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut answers = Vec::new();
        for datagram in datagrams {
            self.node.handle_datagram(self.now, self.addr, datagram);
            self.drain(&mut answers);
        }
        let end = self.now + Duration::from_millis(250);
        loop {
            let wake = self.drain(&mut answers);
            if wake > end {
                self.now = end;
                return answers;
            }
            self.now = self.now.max(wake);
            self.node.handle_timeout(self.now);
        }
    }

    fn drain(&mut self, answers: &mut Vec<Vec<u8>>) -> Timestamp {
        loop {
            match self.node.poll_output() {
                Output::Transmit(Transmit { bytes, .. }) => answers.push(bytes.to_vec()),
                Output::Job(check) => self.node.handle_verdict(self.now, check.id, holds(&check)),
                Output::Event(_) => {}
                Output::Wake(at, _) => return at,
            }
        }
    }
}

fn holds(check: &Check) -> bool {
    let signed = check.value.signed().unwrap();
    check.proof == Proof::Signature
        && PublicKey::from_der(signed.owner)
            .is_ok_and(|key| key.verify(signed.signed_bytes, signed.signature))
}

/// Returns answers without what may differ: transaction ids of requests, tokens, user agents, error
/// texts.
fn comparable(answers: &[Vec<u8>], token: &[u8], seen: &mut BTreeSet<u32>) -> Vec<Vec<u8>> {
    let mut comparable = Vec::new();
    for answer in answers {
        let answer = replace(answer.clone(), token, &[0; 32]);
        let mut message = wire::decode(&answer).unwrap();
        message.agent = None;
        match &mut message.payload {
            Payload::Request { request, .. } => {
                let update = matches!(request, Request::Update(_));
                if !update || !seen.insert(message.tid.0) {
                    continue;
                }
                message.tid.0 = 0;
            }
            Payload::Error { text, .. } => *text = "".into(),
            Payload::Reply { .. } | Payload::Notice { .. } | Payload::Parts(_) => {}
        }
        comparable.extend(
            wire::encode(&message)
                .into_iter()
                .map(|bytes| bytes.to_vec()),
        );
    }
    comparable
}

/// Returns the put of a probe whose parts were not recorded, with parts: a value of the size that
/// its name gives.
fn whole_put(announcement: &[u8], name: &str) -> Vec<Vec<u8>> {
    let size = name.split(' ').nth(3).unwrap().parse().unwrap();
    let message = wire::decode(announcement).unwrap();
    let Payload::Request {
        sender,
        request: Request::Put(PutRequest { key, token, .. }),
    } = message.payload
    else {
        panic!("{name} is no put");
    };
    let values = [wire::pack(&Draft::new(vec![b'A'; size]), ValueId(9))];
    let request = Request::Put(PutRequest {
        key,
        values: wire::Values::new(&values),
        created: None,
        token,
    });
    let payload = Payload::Request { sender, request };
    let datagrams = wire::encode(&Message { payload, ..message });
    datagrams.into_iter().map(|bytes| bytes.to_vec()).collect()
}

/// Returns about when the probes were recorded: a little after the creation time of the put "with c
/// in the past".
fn capture_time(probes: &[Value]) -> u64 {
    let put = bytes(&named(probes, "put with c in the past")["sent"][0]);
    match wire::decode(&put).unwrap().payload {
        Payload::Request {
            request: Request::Put(PutRequest { created, .. }),
            ..
        } => created.unwrap().as_secs() + 60,
        other => panic!("{other:?} is no put"),
    }
}

fn captured_token(probes: &[Value]) -> Vec<u8> {
    token_in(&bytes(&named(probes, "find no target")["answers"][0])).unwrap()
}

fn token_in(answer: &[u8]) -> Option<Vec<u8>> {
    match wire::decode(answer).unwrap().payload {
        Payload::Reply { reply, .. } => reply.token.map(|token| token.to_vec()),
        _ => None,
    }
}

fn named<'a>(probes: &'a [Value], name: &str) -> &'a Value {
    &probes.iter().find(|probe| probe["name"] == name).unwrap()[VERSION]
}

/// Bytes as a msgpack array of integers, without its header.
fn as_array(bytes: &[u8]) -> Vec<u8> {
    bytes
        .iter()
        .flat_map(|&byte| {
            if byte < 0x80 {
                vec![byte]
            } else {
                vec![0xcc, byte]
            }
        })
        .collect()
}

fn replace(mut haystack: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    if let Some(at) = haystack
        .windows(from.len())
        .position(|window| window == from)
    {
        haystack.splice(at..at + from.len(), to.iter().copied());
    }
    haystack
}
