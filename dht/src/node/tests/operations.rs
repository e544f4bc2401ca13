//! What tests do with a network of nodes.

use std::net::SocketAddr;

use crate::node::testing::{Net, addr};
use crate::node::{Core, Event, GetReport, Node, Output, PutOptions, PutReport};
use crate::value::{Query, Value};
use crate::{Config, InfoHash, Origin, Seed, Timestamp};

impl Net<Node> {
    /// So many nodes, all told of the first, that take every value for proved.
    pub(super) fn new(count: usize) -> Self {
        Self::of(count, &Config::default())
    }

    /// The same with other settings.
    pub(super) fn of(count: usize, config: &Config) -> Self {
        let nodes = (0..count).map(|i| {
            let seed = Seed::from_number(i as u64);
            let mut node = Node::new(config.clone(), seed, Origin::default()).unwrap();
            if i > 0 {
                node.bootstrap(Timestamp::ZERO, &[addr(0)]);
            }
            node
        });
        Self::with(nodes, |node, now, check| {
            node.handle_verdict(now, check.id, true);
        })
    }

    pub(super) fn settle(&mut self) {
        self.run(2_000);
    }

    /// Runs a millisecond in which so many unknown nodes ask one, each from another address.
    pub(super) fn flood(&mut self, i: usize, strangers: usize) {
        for _ in 0..strangers {
            self.sent += 1;
            let seed = Seed::from_number(self.sent);
            let mut stranger = Node::new(Config::default(), seed, Origin::default()).unwrap();
            stranger.bootstrap(Timestamp::ZERO, &[addr(i)]);
            let Output::Transmit(ping) = stranger.poll_output() else {
                panic!("it pings");
            };
            let [.., high, low] = self.sent.to_be_bytes();
            let from = SocketAddr::from(([198, 51, high, low], 4222));
            self.nodes[i].handle_datagram(self.now, from, &ping.bytes);
        }
        self.run(1);
    }

    pub(super) fn put(
        &mut self,
        i: usize,
        key: InfoHash,
        value: Value,
        options: PutOptions,
    ) -> PutReport {
        let op = self.nodes[i].put(self.now, key, value, options).unwrap();
        self.run(10_000);
        let done = |event: &Event| matches!(event, Event::PutDone { op: its, .. } if *its == op);
        match self.events(i).into_iter().find(done) {
            Some(Event::PutDone { report, .. }) => report,
            _ => panic!("the put never ended"),
        }
    }

    pub(super) fn get(&mut self, i: usize, key: InfoHash) -> (Vec<Value>, GetReport) {
        let op = self.nodes[i].get(self.now, key, Query::default()).unwrap();
        self.run(12_000);
        let (mut found, mut end) = (Vec::new(), None);
        for event in self.events(i) {
            match event {
                Event::Values { op: its, values } if its == op => found.extend(values),
                Event::GetDone { op: its, report } if its == op => end = Some(report),
                _ => {}
            }
        }
        (found, end.expect("the get ended"))
    }

    pub(super) fn on_seen(&mut self, i: usize) -> Vec<(&'static str, u64)> {
        let events = self.events(i);
        let told = events.iter().flat_map(|event| match event {
            Event::Values { values, .. } => values.iter().map(|v| ("new", v.id().0)).collect(),
            Event::Expired { values, .. } => values.iter().map(|v| ("expired", v.id().0)).collect(),
            _ => Vec::new(),
        });
        told.collect()
    }
}
