//! [`Results`]: what an experiment measured.

#![allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]

use std::time::Duration;

use serde::Serialize;

use super::{MissReport, Restarted};
use crate::{Load, OperationId, Outcome, Sim};

/// What an [`Experiment`](super::Experiment) measured. Times are virtual. Bytes are those of
/// payloads and of the headers of IPv4 and UDP. All depends on scenario and seed alone.
#[derive(Clone, PartialEq, Default, Debug, Serialize)]
pub struct Results {
    /// Nodes that were present when the work was done.
    pub nodes: usize,
    /// Lookups of nodes that stayed until their end.
    pub lookups: usize,
    /// Lookups that found the value.
    pub found: usize,
    /// The lookups that found nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub misses: Vec<MissReport>,
    /// Lookups of nodes that left before their end.
    pub abandoned: usize,
    /// Nodes in a row that led to the value, each named by the one before: the median.
    pub hops_p50: u64,
    /// The 90th percentile.
    pub hops_p90: u64,
    /// The 99th percentile.
    pub hops_p99: u64,
    /// The mean.
    pub hops_mean: f64,
    /// Time until a lookup had the value, in milliseconds: the median.
    pub latency_ms_p50: f64,
    /// The 90th percentile.
    pub latency_ms_p90: f64,
    /// The 99th percentile.
    pub latency_ms_p99: f64,
    /// Time until a lookup had ended: all of the nearest nodes had answered or failed.
    pub done_ms_p50: f64,
    /// The 99th percentile.
    pub done_ms_p99: f64,
    /// Puts of nodes that stayed until their end.
    pub puts: usize,
    /// Nodes that acknowledged a put, on average.
    pub put_acknowledged: f64,
    /// Time until a put had ended, in milliseconds.
    pub put_ms_p50: f64,
    /// The 99th percentile.
    pub put_ms_p99: f64,
    /// Nodes that found their network, without those that knew it from their start.
    pub connected: usize,
    /// Time from the start of a node to its first good contact, in milliseconds.
    pub connect_ms_p50: f64,
    /// The 99th percentile.
    pub connect_ms_p99: f64,
    /// Bytes a node sent in a second, idle and busy.
    pub bytes_per_node_per_s: f64,
    /// While there were no operations.
    pub idle: Traffic,
    /// While values were put and looked up.
    pub busy: Traffic,
    /// Datagrams that a node received while busy: the 1st, 10th, 50th, 90th, 99th and 100th
    /// percentile of the hosts that received any.
    pub load: [u64; 6],
    /// What was found after nodes vanished.
    pub vanished: Vec<Vanished>,
    /// What came of a restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restarted: Option<Restarted>,
    /// Datagrams sent in all.
    pub datagrams: u64,
    /// Virtual seconds in all.
    pub virtual_s: f64,
    /// Rules that the oracle saw broken.
    pub violations: usize,
    /// The first of them.
    pub first_violation: Option<String>,
    /// The digest of all that the nodes did; see [`Trace`](crate::Trace).
    pub digest: String,
}

/// What nodes sent during some time.
#[derive(Clone, Copy, PartialEq, Default, Debug, Serialize)]
pub struct Traffic {
    /// Datagrams of one node in an hour.
    pub datagrams_per_node_per_h: f64,
    /// Bytes of one node in an hour.
    pub bytes_per_node_per_h: f64,
    /// Bytes of one node in a second.
    pub bytes_per_node_per_s: f64,
}

/// What was found after nodes had vanished.
#[derive(Clone, Copy, PartialEq, Default, Debug, Serialize)]
pub struct Vanished {
    /// How many of a hundred nodes were gone.
    pub percent: u8,
    /// Lookups.
    pub lookups: usize,
    /// Lookups that found the value.
    pub found: usize,
    /// Values that a node still held.
    pub still_held: usize,
    /// Time until a lookup had the value, in milliseconds.
    pub latency_ms_p50: f64,
    /// The 99th percentile.
    pub latency_ms_p99: f64,
}

impl Traffic {
    pub(super) fn of(loads: &[Load], nodes: usize, span: Duration) -> Self {
        let node_seconds = (nodes.max(1) as f64) * span.as_secs_f64().max(1e-6);
        let datagrams: u64 = loads.iter().map(|load| load.sent).sum();
        let bytes: u64 = loads.iter().map(|load| load.sent_bytes).sum();
        let bytes_per_node_per_s = bytes as f64 / node_seconds;
        Self {
            datagrams_per_node_per_h: datagrams as f64 / node_seconds * 3_600.0,
            bytes_per_node_per_h: bytes_per_node_per_s * 3_600.0,
            bytes_per_node_per_s,
        }
    }
}

impl Results {
    /// Computes how the datagrams were spread over the hosts.
    pub(super) fn weigh(&mut self, loads: &[Load]) {
        let received = loads.iter().map(|load| load.received);
        let mut received: Vec<_> = received.filter(|count| *count > 0).collect();
        received.sort_unstable();
        self.load = [1, 10, 50, 90, 99, 100].map(|percent| percentile(&received, percent));
    }

    pub(super) fn take_puts(&mut self, sim: &Sim, puts: &[OperationId]) {
        let mut times = Vec::new();
        let mut acknowledged = 0;
        for put in puts {
            let operation = sim.operation(*put);
            if let (Some(report), Some(time)) = (operation.put_report(), operation.duration()) {
                acknowledged += report.acknowledged;
                times.push(time);
            }
        }
        self.puts = times.len();
        self.put_acknowledged = acknowledged as f64 / times.len().max(1) as f64;
        [self.put_ms_p50, _, self.put_ms_p99] = millis(times);
    }

    pub(super) fn take_gets(&mut self, sim: &Sim, gets: &[OperationId]) {
        let (mut first, mut done, mut hops) = (Vec::new(), Vec::new(), Vec::new());
        for get in gets {
            let operation = sim.operation(*get);
            match (operation.time_to_first_value(), operation.ended) {
                (Some(time), _) => {
                    self.found += 1;
                    first.push(time);
                }
                (None, Some((_, Outcome::Cancelled))) => {
                    self.abandoned += 1;
                    continue;
                }
                (None, _) => {}
            }
            self.lookups += 1;
            if let Some(report) = operation.get_report() {
                hops.extend((report.hops > 0).then_some(u64::from(report.hops)));
                done.extend(operation.duration());
            }
        }
        [
            self.latency_ms_p50,
            self.latency_ms_p90,
            self.latency_ms_p99,
        ] = millis(first);
        [self.done_ms_p50, _, self.done_ms_p99] = millis(done);
        hops.sort_unstable();
        [self.hops_p50, self.hops_p90, self.hops_p99] =
            [50, 90, 99].map(|percent| percentile(&hops, percent));
        self.hops_mean = hops.iter().sum::<u64>() as f64 / hops.len().max(1) as f64;
    }

    pub(super) fn take_misses(&mut self, sim: &Sim, puts: &[OperationId], gets: &[OperationId]) {
        let gets = gets.iter().map(|get| sim.operation(*get));
        let missed = gets.filter(|get| {
            let is_cancelled = matches!(get.ended, Some((_, Outcome::Cancelled)));
            get.observations.is_empty() && !is_cancelled
        });
        self.misses = missed.map(|get| MissReport::of(sim, get, puts)).collect();
    }

    pub(super) fn take_connecting(&mut self, times: &[Duration]) {
        self.connected = times.len();
        [self.connect_ms_p50, _, self.connect_ms_p99] = millis(times.to_vec());
    }
}

/// Returns the 50th, 90th and 99th percentile in milliseconds.
fn millis(mut times: Vec<Duration>) -> [f64; 3] {
    times.sort_unstable();
    [50, 90, 99].map(|percent| percentile(&times, percent).as_secs_f64() * 1_000.0)
}

/// Returns the least of these, in order, that `percent` of a hundred of them do not exceed; the
/// default if there are none.
fn percentile<T: Copy + Default>(sorted: &[T], percent: usize) -> T {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let sorted: Vec<_> = (1..=200u64).collect();
        assert_eq!(percentile(&sorted, 50), 100);
        assert_eq!(percentile(&sorted, 99), 198);
        assert_eq!(percentile(&sorted, 100), 200);
        assert_eq!(percentile(&[7u64], 1), 7);
        assert_eq!(percentile::<u64>(&[], 50), 0);
    }
}
