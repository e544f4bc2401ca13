//! [`Restart`]: nodes with much to announce start over at once, with empty tables.

#![allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]

use std::ops::ControlFlow;
use std::time::Duration;

use serde::Serialize;

use super::{Phase, Progress, Results, Run};
use crate::{HostId, OperationId, Sim};
use bulla_dht::{Draft, InfoHash, Query};

/// Nodes that all restart at one moment, with applications that begin at once all
/// operations that they had begun before. They know nothing but the addresses that they bootstrap
/// from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Restart {
    /// How many nodes, the first ones.
    pub nodes: usize,
    /// Permanent puts of each, under keys of their own.
    pub puts: usize,
    /// Listens of each, on keys of their own.
    pub listens: usize,
    /// The longest time to wait until they have settled.
    pub settle_limit: Duration,
}

/// What came of a [`Restart`].
#[derive(Clone, Copy, PartialEq, Default, Debug, Serialize)]
pub struct Restarted {
    /// Nodes that restarted.
    pub nodes: usize,
    /// Operations that they refused to begin.
    pub refused: usize,
    /// Permanent puts that were reported, with an acknowledgement.
    pub announced: usize,
    /// Listeners that nodes keep at the end, of a hundred there should be.
    pub subscribed_percent: f64,
    /// Seconds until all puts were announced, and 99 of a hundred listeners kept; if that came
    /// about.
    pub settled_s: Option<f64>,
    /// The most datagrams that one of them sent in a second.
    pub sent_per_s_most: u64,
    /// The most datagrams that reached one of them in a second.
    pub received_per_s_most: u64,
    /// Datagrams that each sent in a second on average, until they had settled.
    pub sent_per_s: f64,
    /// The same in the minute after that.
    pub settled_sent_per_s: f64,
    /// The most requests that a node had under way at a time.
    pub requests_most: usize,
    /// Lookups that the nodes made meanwhile, for values put meanwhile.
    pub lookups: usize,
    /// Those that found the value.
    pub found: usize,
    /// Time until a lookup had the value, in milliseconds: the median.
    pub latency_ms_p50: f64,
    /// The 99th percentile.
    pub latency_ms_p99: f64,
    /// Time until a put that is not permanent had ended, in milliseconds: the median.
    pub put_ms_p50: f64,
    /// The 99th percentile.
    pub put_ms_p99: f64,
}

const SECOND: Duration = Duration::from_secs(1);
/// How long the nodes are watched once they have settled.
const SETTLED: u32 = 60;
/// Seconds after which a value is looked up that was put meanwhile.
const AGE: usize = 5;
/// Bytes of a value.
const SIZE: usize = 64;
/// Of a thousand listeners that should be kept, so many are enough: some nodes reply late, and
/// others are asked in their place.
const ENOUGH: usize = 990;

impl<F: FnMut(&Sim, Progress) -> ControlFlow<()>> Run<F> {
    /// Restarts nodes and watches them, while one node puts a value each second and another looks
    /// for it.
    pub(super) fn restart(&mut self, restart: &Restart) -> ControlFlow<(), Restarted> {
        let hosts: Vec<_> = self.sim.hosts().into_iter().take(restart.nodes).collect();
        let mut monitor = Monitor::begin(&mut self.sim, restart, hosts);
        let begin = self.sim.now();
        let end = begin + restart.settle_limit;
        let mut left = SETTLED;
        while left > 0 && self.sim.now() < end {
            monitor.add_work(&mut self.sim);
            let stop = self.sim.now() + SECOND;
            self.until_of(Phase::Restarting, stop, begin, end)?;
            monitor.sample(&mut self.sim);
            left -= u32::from(monitor.restarted.settled_s.is_some());
        }
        ControlFlow::Continue(monitor.end(&self.sim))
    }
}

/// What is seen of a restart under way.
struct Monitor {
    hosts: Vec<HostId>,
    puts: Vec<OperationId>,
    /// How many of the puts have been reported, at least.
    reported: usize,
    /// Listeners that should be kept.
    listeners: usize,
    /// Puts that are not permanent, one each second.
    values: Vec<OperationId>,
    gets: Vec<OperationId>,
    seconds: u32,
    /// Datagrams sent, before and after all had settled.
    sent: [u64; 2],
    restarted: Restarted,
}

impl Monitor {
    fn begin(sim: &mut Sim, restart: &Restart, hosts: Vec<HostId>) -> Self {
        for host in &hosts {
            sim.leave(*host);
            sim.rejoin(*host);
        }
        let (mut puts, mut refused, mut listeners) = (Vec::new(), 0, 0);
        for (number, host) in (0..).zip(&hosts) {
            for put in 0..restart.puts {
                let draft = Draft::new(vec![put as u8; SIZE]);
                match sim.put(*host, key("put", number, put), &draft, true) {
                    Ok(put) => puts.push(put),
                    Err(_) => refused += 1,
                }
            }
            let wanted = sim.hosts[host.index()].spec.config.listen.nodes;
            for listen in 0..restart.listens {
                match sim.listen(*host, key("listen", number, listen), Query::default()) {
                    Ok(_) => listeners += wanted,
                    Err(_) => refused += 1,
                }
            }
        }
        sim.take_loads();
        Self {
            restarted: Restarted {
                nodes: hosts.len(),
                refused,
                ..Restarted::default()
            },
            hosts,
            puts,
            reported: 0,
            listeners,
            values: Vec::new(),
            gets: Vec::new(),
            seconds: 0,
            sent: [0; 2],
        }
    }

    /// Has one of them put a value, and another look for one that was put before.
    fn add_work(&mut self, sim: &mut Sim) {
        let which = sim.rng.below(self.hosts.len().max(1) as u64) as usize;
        let Some(host) = self.hosts.get(which) else {
            return;
        };
        let key = key("value", 0, self.values.len());
        let draft = Draft::new(vec![0; SIZE]);
        self.values.extend(sim.put(*host, key, &draft, false));
        let old = self.values.len().checked_sub(AGE + 1);
        if let Some(put) = old.and_then(|old| self.values.get(old)).copied()
            && sim.operation(put).put_report().is_some()
        {
            self.gets
                .extend(sim.begin_lookup(put, sim.operation(put).key));
        }
    }

    /// Records what the last second brought.
    fn sample(&mut self, sim: &mut Sim) {
        self.seconds += 1;
        let loads = sim.take_loads();
        let loads = self.hosts.iter().map(|host| loads[host.index()]);
        let it = &mut self.restarted;
        for load in loads {
            it.sent_per_s_most = it.sent_per_s_most.max(load.sent);
            it.received_per_s_most = it.received_per_s_most.max(load.received);
            self.sent[usize::from(it.settled_s.is_some())] += load.sent;
        }
        let stats = sim.ids().filter_map(|host| {
            let clock = sim.clock(host);
            sim.node(host).map(|node| node.stats(clock))
        });
        let (mut kept, mut requests) = (0, 0);
        for stats in stats {
            kept += stats.listeners;
            requests = requests.max(stats.pending_requests);
        }
        it.requests_most = it.requests_most.max(requests);
        it.subscribed_percent = 100.0 * kept as f64 / self.listeners.max(1) as f64;
        let is_reported = |put: &&OperationId| sim.operation(**put).ended.is_some();
        self.reported += self.puts[self.reported..]
            .iter()
            .take_while(is_reported)
            .count();
        let is_settled =
            self.reported == self.puts.len() && kept * 1_000 >= self.listeners * ENOUGH;
        if is_settled && it.settled_s.is_none() {
            it.settled_s = Some(f64::from(self.seconds));
        }
    }

    fn end(mut self, sim: &Sim) -> Restarted {
        let mut results = Results::default();
        results.take_puts(sim, &self.values);
        results.take_gets(sim, &self.gets);
        let settling = self.restarted.settled_s.unwrap_or(f64::from(self.seconds));
        let settled = f64::from(self.seconds) - settling;
        let rate =
            |sent: u64, seconds: f64| sent as f64 / self.hosts.len() as f64 / seconds.max(1.0);
        let acknowledged = |put: &&OperationId| {
            let report = sim.operation(**put).put_report();
            report.is_some_and(|report| report.acknowledged > 0)
        };
        self.restarted.announced = self.puts.iter().filter(acknowledged).count();
        Restarted {
            sent_per_s: rate(self.sent[0], settling),
            settled_sent_per_s: rate(self.sent[1], settled),
            lookups: results.lookups,
            found: results.found,
            latency_ms_p50: results.latency_ms_p50,
            latency_ms_p99: results.latency_ms_p99,
            put_ms_p50: results.put_ms_p50,
            put_ms_p99: results.put_ms_p99,
            ..self.restarted
        }
    }
}

fn key(what: &str, host: usize, number: usize) -> InfoHash {
    InfoHash::of(format!("{what} {number} of {host}").as_bytes())
}
