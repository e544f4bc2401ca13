//! [`Asker`]: a node that looks things up, and all others.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use bulla::node::{Core, Event, Node, OpId, Output, PutOptions};
use bulla::wire::{self, Message, Nodes, Payload, Reply};
use bulla::{
    Config, Contact, Draft, InfoHash, Origin, Query, Rng, Seed, Timestamp, TransportConfig,
    UnixTime, ValueId, ValueType,
};

const NOW: Timestamp = Timestamp::ZERO;

/// A node that answers as often as it is asked.
pub(crate) fn without_limits() -> Node {
    let config = Config {
        transport: TransportConfig {
            rate_limit_per_sec: None,
            peer_rate_limit_per_sec: None,
            ..TransportConfig::default()
        },
        ..Config::default()
    };
    let origin = Origin::new(UnixTime::from_secs(1_700_000_000));
    Node::new(config, Seed::from_number(1), origin).expect("sound settings")
}

/// A node among 1,000 others, all played by this.
pub(crate) struct Asker {
    node: Node,
    others: BTreeMap<SocketAddr, InfoHash>,
    rng: Rng,
}

impl Asker {
    pub(crate) fn new() -> Self {
        let mut node = without_limits();
        let mut rng = Seed::from_number(2).public();
        let contacts: Vec<_> = (0..1_000u16)
            .map(|number| {
                let [high, low] = number.to_be_bytes();
                Contact::new(rng.hash(), ([45, 1, high, low], 4222).into())
            })
            .collect();
        node.insert_contacts(NOW, &contacts);
        let others = contacts.iter().map(|it| (it.addr, it.id)).collect();
        let mut asker = Self { node, others, rng };
        asker.run(None);
        asker
    }

    /// Gets what no node has.
    pub(crate) fn get(&mut self) {
        let key = self.rng.hash();
        let op = self.node.get(NOW, key, Query::default());
        self.run(Some(op.expect("the get starts")));
    }

    /// Puts a value of 64 bytes.
    pub(crate) fn put(&mut self) {
        let key = self.rng.hash();
        let value = wire::pack(
            &Draft::new(vec![7; 64]).value_type(ValueType::USER_DATA),
            ValueId(self.rng.number()),
        );
        let op = self.node.put(NOW, key, value, PutOptions::default());
        self.run(Some(op.expect("the put starts")));
    }

    /// Answers all requests in their order until there are no more; by then the operation must be
    /// over.
    fn run(&mut self, op: Option<OpId>) {
        let mut requests = VecDeque::new();
        let mut is_over = op.is_none();
        loop {
            match self.node.poll_output() {
                Output::Transmit(request) => requests.push_back(request),
                Output::Event(
                    Event::GetDone { op: done, .. } | Event::PutDone { op: done, .. },
                ) => {
                    is_over |= op == Some(done);
                }
                Output::Event(_) => {}
                Output::Job(check) => self.node.drop_check(check.id),
                Output::Wake(..) => {
                    let Some(request) = requests.pop_front() else {
                        break;
                    };
                    if let Some(answer) = self.answer(request.to, &request.bytes) {
                        self.node.handle_datagram(NOW, request.to, &answer);
                    }
                }
            }
        }
        assert!(is_over, "the operation ends");
    }

    fn answer(&self, from: SocketAddr, request: &[u8]) -> Option<Vec<u8>> {
        let payload = Payload::Reply {
            sender: *self.others.get(&from)?,
            reply: Reply {
                nodes4: Nodes::new(&[]),
                token: Some((&b"token"[..]).into()),
                ..Reply::default()
            },
        };
        let answer = Message {
            tid: wire::decode(request).ok()?.tid,
            network: 0,
            client: false,
            agent: None,
            payload,
        };
        Some(wire::encode(&answer).head.to_vec())
    }
}
