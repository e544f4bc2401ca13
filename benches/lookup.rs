//! What does a lookup cost the node that makes it? One get of nothing, from the first request to the last answer, beside
//! so many lookups that it remembers. What its peers need to answer is part of the time.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bulla::node::{Event, Node, Output};
use bulla::wire::{self, Message, Nodes, Payload, Reply, Tid};
use bulla::{Config, Contact, InfoHash, Origin, Query, Rng, Seed, Timestamp, UnixTime};
use divan::{AllocProfiler, Bencher};

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

const REMEMBERED: [usize; 3] = [0, 1_000, 10_000];
const NOW: Timestamp = Timestamp::ZERO;

#[divan::bench(args = REMEMBERED, sample_count = 50, sample_size = 20)]
fn get(bencher: Bencher<'_, '_>, remembered: usize) {
    let mut asker = Asker::new();
    for _ in 0..remembered {
        asker.get();
    }
    bencher.bench_local(|| asker.get());
}

/// A node among 1,000 others, all played by this.
struct Asker {
    node: Node,
    others: BTreeMap<SocketAddr, InfoHash>,
    rng: Rng,
}

impl Asker {
    fn new() -> Self {
        let config = Config {
            rate_limit_per_sec: None,
            peer_rate_limit_per_sec: None,
            ..Config::default()
        };
        let origin = Origin::new(UnixTime::from_secs(1_700_000_000));
        let mut node = Node::new(config, Seed::from_number(1), origin).expect("sound settings");
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
        asker.run();
        asker
    }

    /// Gets what nobody has; how many were asked.
    fn get(&mut self) -> usize {
        let key = self.rng.hash();
        let op = self.node.get(NOW, key, Query::default());
        assert!(op.is_ok(), "the get starts");
        let (asked, is_done) = self.run();
        assert!(is_done, "the get ends");
        asked
    }

    /// Answers all requests until there are no more; how many there were, and whether a get has ended.
    fn run(&mut self) -> (usize, bool) {
        let (mut asked, mut is_done) = (0, false);
        loop {
            match self.node.poll_output() {
                Output::Transmit(request) => {
                    asked += 1;
                    if let Some(answer) = self.answer(request.to, &request.bytes) {
                        self.node.handle_datagram(NOW, request.to, &answer);
                    }
                }
                Output::Event(event) => is_done |= matches!(event, Event::GetDone { .. }),
                Output::Check(check) => self.node.drop_check(check.id),
                Output::Wake(..) => return (asked, is_done),
            }
        }
    }

    fn answer(&self, from: SocketAddr, request: &[u8]) -> Option<Vec<u8>> {
        let Tid(number) = wire::decode(request).ok()?.tid;
        let payload = Payload::Reply {
            sender: *self.others.get(&from)?,
            reply: Reply {
                nodes4: Nodes::new(&[]),
                token: Some((&b"token"[..]).into()),
                ..Reply::default()
            },
        };
        let answer = Message {
            tid: Tid(number),
            network: 0,
            client: false,
            agent: None,
            payload,
        };
        Some(wire::encode(&answer).head.to_vec())
    }
}
