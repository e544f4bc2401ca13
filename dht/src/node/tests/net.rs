//! A few nodes in memory: every datagram arrives after a millisecond, in order.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::MS;
use crate::node::{Event, GetReport, Node, Output, PutOptions, PutReport, Transmit};
use crate::value::{Query, Value};
use crate::{Config, InfoHash, Origin, Seed, Timestamp};

/// A network of nodes that know the first of them.
pub(super) struct Net {
    pub(super) nodes: Vec<Node>,
    pub(super) dead: Vec<bool>,
    pub(super) now: Timestamp,
    wake: Vec<Timestamp>,
    mail: BTreeMap<(Timestamp, u64), (SocketAddr, Transmit)>,
    sent: u64,
    events: Vec<Vec<Event>>,
    /// What datagrams on their way to a node may take of memory, if that has a limit.
    pub(super) buffer: Option<usize>,
    waiting: BTreeMap<SocketAddr, usize>,
    /// Datagrams that found no room, gets sent by nodes, and bytes that reached the last one.
    pub(super) dropped: usize,
    pub(super) gets: usize,
    pub(super) arrived_bytes: usize,
}

impl Net {
    /// So many nodes, all told of the first.
    pub(super) fn new(count: usize) -> Self {
        Self::with(count, &Config::default())
    }

    /// The same with other settings.
    pub(super) fn with(count: usize, config: &Config) -> Self {
        let mut net = Self {
            nodes: Vec::new(),
            dead: vec![false; count],
            now: Timestamp::ZERO,
            wake: vec![Timestamp::ZERO; count],
            mail: BTreeMap::new(),
            sent: 0,
            events: vec![Vec::new(); count],
            buffer: None,
            waiting: BTreeMap::new(),
            dropped: 0,
            gets: 0,
            arrived_bytes: 0,
        };
        for i in 0..count {
            let seed = Seed::from_number(i as u64);
            let mut node = Node::new(config.clone(), seed, Origin::default()).unwrap();
            if i > 0 {
                node.bootstrap(net.now, &[addr(0)]);
            }
            net.nodes.push(node);
            net.drain(i);
        }
        net
    }

    pub(super) fn settle(&mut self) {
        self.run(2_000);
    }

    pub(super) fn run(&mut self, millis: u32) {
        let end = self.now + MS * millis;
        loop {
            let wake = self.wake.iter().copied().min().unwrap_or(Timestamp::MAX);
            let mail = self
                .mail
                .first_key_value()
                .map_or(Timestamp::MAX, |(key, _)| key.0);
            let next = wake.min(mail);
            if next > end {
                self.now = end;
                return;
            }
            self.now = self.now.max(next);
            if mail <= wake {
                let Some((_, (from, transmit))) = self.mail.pop_first() else {
                    return;
                };
                if let Some(waiting) = self.waiting.get_mut(&transmit.to) {
                    *waiting = waiting.saturating_sub(memory_of(&transmit.bytes));
                }
                let to = usize::from(transmit.to.port()) - 1;
                if to + 1 == self.nodes.len() {
                    self.arrived_bytes += transmit.bytes.len();
                }
                let is_ours = transmit.to.ip().is_loopback();
                if is_ours && !self.dead[to] {
                    self.nodes[to].handle_datagram(self.now, from, &transmit.bytes);
                    self.drain(to);
                }
            } else {
                for i in 0..self.nodes.len() {
                    if self.wake[i] <= self.now {
                        self.nodes[i].handle_timeout(self.now);
                        self.drain(i);
                    }
                }
            }
        }
    }

    pub(super) fn drain(&mut self, i: usize) {
        if self.dead[i] {
            self.wake[i] = Timestamp::MAX;
            return;
        }
        loop {
            match self.nodes[i].poll_output() {
                Output::Transmit(transmit) => {
                    self.sent += 1;
                    let is_get = transmit.bytes.windows(6).any(|it| it == b"\xa1q\xa3get");
                    self.gets += usize::from(is_get);
                    let waiting = self.waiting.entry(transmit.to).or_default();
                    let needed = *waiting + memory_of(&transmit.bytes);
                    if self.buffer.is_some_and(|buffer| needed > buffer) {
                        self.dropped += 1;
                        continue;
                    }
                    *waiting = needed;
                    self.mail
                        .insert((self.now + MS, self.sent), (addr(i), transmit));
                }
                Output::Event(event) => self.events[i].push(event),
                Output::Check(check) => self.nodes[i].handle_verdict(self.now, check.id, true),
                Output::Wake(at, _) => {
                    self.wake[i] = at;
                    return;
                }
            }
        }
    }

    /// Delays datagrams under way.
    pub(super) fn delay(&mut self, by: Duration, which: impl Fn(SocketAddr, SocketAddr) -> bool) {
        let mail = std::mem::take(&mut self.mail).into_iter();
        self.mail = mail
            .map(|((at, number), (from, transmit))| {
                let delay = if which(from, transmit.to) {
                    by
                } else {
                    Duration::ZERO
                };
                ((at + delay, number), (from, transmit))
            })
            .collect();
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
        self.drain(i);
        self.run(1);
    }

    pub(super) fn kill(&mut self, i: usize) {
        self.dead[i] = true;
        self.wake[i] = Timestamp::MAX;
    }

    pub(super) fn put(
        &mut self,
        i: usize,
        key: InfoHash,
        value: Value,
        options: PutOptions,
    ) -> PutReport {
        let op = self.nodes[i].put(self.now, key, value, options).unwrap();
        self.drain(i);
        self.run(10_000);
        let done = |event: &Event| matches!(event, Event::PutDone { op: its, .. } if *its == op);
        match self.take_events(i).into_iter().find(done) {
            Some(Event::PutDone { report, .. }) => report,
            _ => panic!("the put never ended"),
        }
    }

    pub(super) fn get(&mut self, i: usize, key: InfoHash) -> (Vec<Value>, GetReport) {
        let op = self.nodes[i].get(self.now, key, Query::default()).unwrap();
        self.drain(i);
        self.run(12_000);
        let (mut found, mut end) = (Vec::new(), None);
        for event in self.take_events(i) {
            match event {
                Event::Values { op: its, values } if its == op => found.extend(values),
                Event::GetDone { op: its, report } if its == op => end = Some(report),
                _ => {}
            }
        }
        (found, end.expect("the get ended"))
    }

    pub(super) fn on_seen(&mut self, i: usize) -> Vec<(&'static str, u64)> {
        let events = self.take_events(i);
        let told = events.iter().flat_map(|event| match event {
            Event::Values { values, .. } => values.iter().map(|v| ("new", v.id().0)).collect(),
            Event::Expired { values, .. } => values.iter().map(|v| ("expired", v.id().0)).collect(),
            _ => Vec::new(),
        });
        told.collect()
    }

    pub(super) fn take_events(&mut self, i: usize) -> Vec<Event> {
        std::mem::take(&mut self.events[i])
    }
}

pub(super) fn addr(i: usize) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], i as u16 + 1))
}

/// What a datagram takes of a receiver's buffer on Linux.
fn memory_of(datagram: &[u8]) -> usize {
    if datagram.len() <= 450 {
        768
    } else {
        datagram.len().next_multiple_of(2_048) + 256
    }
}
