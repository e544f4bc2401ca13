//! [`Net`]: a few cores in memory. Each datagram arrives after a millisecond, in order.

use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::net::SocketAddr;
use std::time::Duration;

use super::{Core, Output, Transmit};
use crate::Timestamp;

pub(crate) const MS: Duration = Duration::from_millis(1);

/// A network of cores, of which the one at [`addr`]`(i)` is number `i`.
pub(crate) struct Net<C: Core> {
    pub(crate) nodes: Vec<C>,
    pub(crate) now: Timestamp,
    hosts: Vec<Host<C>>,
    /// Does a job and hands in what came of it.
    finish: fn(&mut C, Timestamp, C::Job),
    mail: BTreeMap<(Timestamp, u64), (SocketAddr, Transmit)>,
    pub(crate) sent: u64,
    /// What datagrams on their way to a node may take of memory, if that has a limit.
    pub(crate) buffer: Option<usize>,
}

/// What belongs to a core of the network.
struct Host<C: Core> {
    wake: Timestamp,
    is_dead: bool,
    events: Vec<C::Event>,
    /// Jobs that are held back, if they are.
    held: Option<VecDeque<C::Job>>,
    jobs_done: usize,
    /// What datagrams on their way to it take of memory.
    waiting: usize,
    /// Datagrams that found no room there, and bytes that arrived.
    dropped: usize,
    arrived: usize,
    /// Gets that it sent.
    gets: usize,
}

impl<C: Core> Net<C> {
    /// Makes a network in which jobs are done at once.
    pub(crate) fn with(
        nodes: impl IntoIterator<Item = C>,
        finish: fn(&mut C, Timestamp, C::Job),
    ) -> Self {
        let nodes: Vec<_> = nodes.into_iter().collect();
        let host = || Host {
            wake: Timestamp::ZERO,
            is_dead: false,
            events: Vec::new(),
            held: None,
            jobs_done: 0,
            waiting: 0,
            dropped: 0,
            arrived: 0,
            gets: 0,
        };
        Self {
            hosts: nodes.iter().map(|_| host()).collect(),
            nodes,
            now: Timestamp::ZERO,
            finish,
            mail: BTreeMap::new(),
            sent: 0,
            buffer: None,
        }
    }

    pub(crate) fn run(&mut self, millis: u32) {
        let end = self.now + MS * millis;
        for i in 0..self.nodes.len() {
            self.drain(i);
        }
        loop {
            let wakes = self.hosts.iter().map(|host| host.wake);
            let wake = wakes.min().unwrap_or(Timestamp::MAX);
            let mail = self.mail.first_key_value();
            let mail = mail.map_or(Timestamp::MAX, |(&(at, _), _)| at);
            if wake.min(mail) > end {
                self.now = end;
                return;
            }
            self.now = self.now.max(wake.min(mail));
            if mail <= wake
                && let Some((_, (from, transmit))) = self.mail.pop_first()
            {
                self.deliver(from, &transmit);
                continue;
            }
            for i in 0..self.nodes.len() {
                if self.hosts[i].wake <= self.now {
                    self.nodes[i].handle_timeout(self.now);
                    self.drain(i);
                }
            }
        }
    }

    fn deliver(&mut self, from: SocketAddr, transmit: &Transmit) {
        let to = usize::from(transmit.to.port()) - 1;
        if let Some(host) = self.hosts.get_mut(to) {
            host.waiting = host.waiting.saturating_sub(memory_of(&transmit.bytes));
            host.arrived += transmit.bytes.len();
        }
        if transmit.to.ip().is_loopback() && !self.hosts[to].is_dead {
            self.nodes[to].handle_datagram(self.now, from, &transmit.bytes);
            self.drain(to);
        }
    }

    fn drain(&mut self, i: usize) {
        if self.hosts[i].is_dead {
            self.hosts[i].wake = Timestamp::MAX;
            return;
        }
        loop {
            let host = &mut self.hosts[i];
            match self.nodes[i].poll_output() {
                Output::Transmit(transmit) => {
                    self.sent += 1;
                    let is_get = transmit.bytes.windows(6).any(|it| it == b"\xa1q\xa3get");
                    host.gets += usize::from(is_get);
                    if !self.has_room(&transmit) {
                        continue;
                    }
                    let mail = (addr(i), transmit);
                    self.mail.insert((self.now + MS, self.sent), mail);
                }
                Output::Event(event) => host.events.push(event),
                Output::Job(job) => match &mut host.held {
                    None => {
                        host.jobs_done += 1;
                        (self.finish)(&mut self.nodes[i], self.now, job);
                    }
                    Some(jobs) => jobs.push_back(job),
                },
                Output::Wake(at, _) => {
                    host.wake = at;
                    return;
                }
            }
        }
    }

    /// Reports whether a datagram finds room at its receiver, and takes it.
    fn has_room(&mut self, transmit: &Transmit) -> bool {
        let to = usize::from(transmit.to.port()).wrapping_sub(1);
        let Some(host) = self.hosts.get_mut(to) else {
            return true;
        };
        let needed = host.waiting + memory_of(&transmit.bytes);
        let has_room = self.buffer.is_none_or(|buffer| needed <= buffer);
        if has_room {
            host.waiting = needed;
        } else {
            host.dropped += 1;
        }
        has_room
    }

    /// Returns how many datagrams to a node found no room, and how many bytes came.
    pub(crate) fn dropped_and_arrived(&self, i: usize) -> (usize, usize) {
        (self.hosts[i].dropped, self.hosts[i].arrived)
    }

    /// Returns how many gets all nodes have sent.
    pub(crate) fn gets(&self) -> usize {
        self.hosts.iter().map(|host| host.gets).sum()
    }

    /// Delays datagrams under way.
    pub(crate) fn delay(&mut self, by: Duration, which: impl Fn(SocketAddr, SocketAddr) -> bool) {
        let mail = mem::take(&mut self.mail).into_iter();
        self.mail = mail
            .map(|((at, number), (from, transmit))| {
                let is_meant = which(from, transmit.to);
                let at = if is_meant { at + by } else { at };
                ((at, number), (from, transmit))
            })
            .collect();
    }

    /// Ends a node, or brings it back.
    pub(crate) fn set_dead(&mut self, i: usize, is_dead: bool) {
        self.hosts[i].is_dead = is_dead;
        self.drain(i);
    }

    /// Takes the events of a node.
    pub(crate) fn events(&mut self, i: usize) -> Vec<C::Event> {
        mem::take(&mut self.hosts[i].events)
    }

    /// Holds back the jobs of a node from now on.
    pub(crate) fn hold_jobs(&mut self, i: usize) {
        self.hosts[i].held = Some(VecDeque::new());
    }

    /// Does the jobs held back, the last first, and no longer holds them back.
    pub(crate) fn finish_jobs_backwards(&mut self, i: usize) {
        for job in self.hosts[i].held.take().into_iter().flatten().rev() {
            (self.finish)(&mut self.nodes[i], self.now, job);
        }
        self.drain(i);
    }

    /// Has jobs done in another way from now on.
    pub(crate) fn finish_jobs_with(&mut self, finish: fn(&mut C, Timestamp, C::Job)) {
        self.finish = finish;
    }

    /// Returns how many jobs of a node were done when they came up.
    pub(crate) fn jobs_done(&self, i: usize) -> usize {
        self.hosts[i].jobs_done
    }
}

pub(crate) fn addr(i: usize) -> SocketAddr {
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
