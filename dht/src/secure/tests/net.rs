//! A few secure nodes in memory. Each datagram arrives after a millisecond; jobs are done at once,
//! or when told.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bulla_identity::Identity;

use super::texts;
use crate::lookup::OpId;
use crate::node::{Node, PutOptions, Transmit};
use crate::secure::{
    Checked, GetOptions, Job, Recipient, Scope, SecureConfig, SecureDht, SecureEvent, SecureOutput,
    SecurePutError, SignOptions,
};
use crate::value::{Draft, Value};
use crate::{Config, InfoHash, Origin, Seed, Timestamp};

const MS: Duration = Duration::from_millis(1);

/// A network of secure nodes.
pub(super) struct Net {
    pub(super) hosts: Vec<Host>,
    pub(super) now: Timestamp,
    mail: BTreeMap<(Timestamp, u64), (SocketAddr, Transmit)>,
    sent: u64,
}

pub(super) struct Host {
    pub(super) dht: SecureDht,
    wake: Timestamp,
    pub(super) events: Vec<SecureEvent>,
    pub(super) jobs: Jobs,
    pub(super) jobs_done: usize,
}

pub(super) enum Jobs {
    AtOnce,
    Held(VecDeque<Job>),
}

impl Net {
    /// Nodes with these identities, connected to the first.
    pub(super) fn of<const N: usize>(identities: [Option<Identity>; N]) -> Self {
        Self::with(identities, &SecureConfig::default())
    }

    pub(super) fn with<const N: usize>(
        identities: [Option<Identity>; N],
        config: &SecureConfig,
    ) -> Self {
        let mut net = Self {
            hosts: Vec::new(),
            now: Timestamp::ZERO,
            mail: BTreeMap::new(),
            sent: 0,
        };
        for (i, identity) in identities.into_iter().enumerate() {
            let seed = Seed::from_number(i as u64);
            let node = Node::new(Config::default(), seed.clone(), Origin::default()).unwrap();
            let mut dht = SecureDht::new(node, identity, seed, config.clone());
            if i > 0 {
                dht.bootstrap(net.now, &[addr(0)]);
            }
            net.hosts.push(Host {
                dht,
                wake: Timestamp::ZERO,
                events: Vec::new(),
                jobs: Jobs::AtOnce,
                jobs_done: 0,
            });
        }
        net.run(5_000);
        for host in &mut net.hosts {
            host.events.clear();
        }
        net
    }

    pub(super) fn run(&mut self, millis: u32) {
        let end = self.now + MS * millis;
        for i in 0..self.hosts.len() {
            self.drain(i);
        }
        loop {
            let wakes = self.hosts.iter().map(|host| host.wake);
            let wake = wakes.min().unwrap_or(Timestamp::MAX);
            let mail = self
                .mail
                .first_key_value()
                .map_or(Timestamp::MAX, |(&(at, _), _)| at);
            if wake.min(mail) > end {
                self.now = end;
                return;
            }
            self.now = self.now.max(wake.min(mail));
            if mail <= wake {
                let (_, (from, transmit)) = self.mail.pop_first().unwrap();
                let to = usize::from(transmit.to.port()) - 1;
                self.hosts[to]
                    .dht
                    .handle_datagram(self.now, from, &transmit.bytes);
                self.drain(to);
            } else {
                for i in 0..self.hosts.len() {
                    if self.hosts[i].wake <= self.now {
                        self.hosts[i].dht.handle_timeout(self.now);
                        self.drain(i);
                    }
                }
            }
        }
    }

    fn drain(&mut self, i: usize) {
        let host = &mut self.hosts[i];
        loop {
            match host.dht.poll_output() {
                SecureOutput::Transmit(transmit) => {
                    self.sent += 1;
                    let mail = (addr(i), transmit);
                    self.mail.insert((self.now + MS, self.sent), mail);
                }
                SecureOutput::Event(event) => host.events.push(event),
                SecureOutput::Job(job) => match &mut host.jobs {
                    Jobs::AtOnce => {
                        host.jobs_done += 1;
                        host.dht.handle_done(self.now, job.run());
                    }
                    Jobs::Held(jobs) => jobs.push_back(job),
                },
                SecureOutput::Wake(at, _) => {
                    host.wake = at;
                    return;
                }
            }
        }
    }

    /// Does the jobs held back, the last first.
    pub(super) fn finish_jobs_backwards(&mut self, i: usize) {
        let host = &mut self.hosts[i];
        if let Jobs::Held(jobs) = std::mem::replace(&mut host.jobs, Jobs::AtOnce) {
            for job in jobs.into_iter().rev() {
                host.dht.handle_done(self.now, job.run());
            }
        }
        self.drain(i);
    }

    pub(super) fn events(&mut self, i: usize) -> Vec<SecureEvent> {
        std::mem::take(&mut self.hosts[i].events)
    }

    pub(super) fn start_put_signed(&mut self, i: usize, key: &str, draft: Draft) -> OpId {
        let key = InfoHash::from_key(key);
        let options = PutOptions::default();
        let (op, _) = self.hosts[i]
            .dht
            .put_signed(self.now, key, draft, options)
            .unwrap();
        op
    }

    pub(super) fn put_signed(
        &mut self,
        i: usize,
        key: &str,
        draft: Draft,
    ) -> Result<usize, SecurePutError> {
        let op = self.start_put_signed(i, key, draft);
        self.end_of_put(i, op)
    }

    /// A signed put with a scope.
    pub(super) fn put_within(
        &mut self,
        i: usize,
        key: &str,
        draft: Draft,
        scope: Scope,
    ) -> Result<usize, SecurePutError> {
        let (put, key) = (PutOptions::default(), InfoHash::from_key(key));
        let options = SignOptions { put, scope };
        let dht = &mut self.hosts[i].dht;
        let (op, _) = dht.put_signed(self.now, key, draft, options)?;
        self.end_of_put(i, op)
    }

    pub(super) fn put_encrypted(
        &mut self,
        i: usize,
        key: &str,
        to: impl Into<Recipient>,
        draft: Draft,
    ) -> Result<usize, SecurePutError> {
        let key = InfoHash::from_key(key);
        let options = PutOptions::default();
        let (op, _) = self.hosts[i]
            .dht
            .put_encrypted(self.now, key, to, draft, options)?;
        self.end_of_put(i, op)
    }

    pub(super) fn put_value(&mut self, i: usize, key: &str, value: Value) {
        let key = InfoHash::from_key(key);
        let options = PutOptions::default();
        let op = self.hosts[i]
            .dht
            .put_value(self.now, key, value, options)
            .unwrap();
        let _ = self.end_of_put(i, op);
    }

    /// How many nodes acknowledged a put.
    pub(super) fn end_of_put(&mut self, i: usize, op: OpId) -> Result<usize, SecurePutError> {
        self.run(20_000);
        for event in self.events(i) {
            match event {
                SecureEvent::PutDone { op: its, report } if its == op => {
                    return Ok(report.acknowledged);
                }
                SecureEvent::PutFailed { op: its, error } if its == op => return Err(error),
                _ => {}
            }
        }
        panic!("the put never ended");
    }

    pub(super) fn get(&mut self, i: usize, key: &str) -> (Vec<Checked>, usize) {
        self.get_wanted(i, key, GetOptions::default())
    }

    pub(super) fn get_wanted(
        &mut self,
        i: usize,
        key: &str,
        wanted: GetOptions,
    ) -> (Vec<Checked>, usize) {
        let key = InfoHash::from_key(key);
        let op = self.hosts[i].dht.get(self.now, key, wanted).unwrap();
        self.run(10_000);
        self.end_of_get(i, op)
    }

    /// What a get found, and how many values were dropped.
    pub(super) fn end_of_get(&mut self, i: usize, op: OpId) -> (Vec<Checked>, usize) {
        let mut found = Vec::new();
        for event in self.events(i) {
            match event {
                SecureEvent::Values { op: its, values } if its == op => found.extend(values),
                SecureEvent::GetDone {
                    op: its, dropped, ..
                } if its == op => return (found, dropped),
                _ => {}
            }
        }
        panic!("the get never ended");
    }

    pub(super) fn texts(&mut self, i: usize, key: &str) -> Vec<(String, u16)> {
        texts(&self.get(i, key).0)
    }
}

impl Host {
    pub(super) fn forget_verdicts(&mut self) {
        self.dht.checks.forget_verdicts();
    }
}

fn addr(i: usize) -> SocketAddr {
    ([127, 0, 0, 1], i as u16 + 1).into()
}
