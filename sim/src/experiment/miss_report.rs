//! [`MissReport`]: a lookup that found nothing, and what there was to find.

use serde::Serialize;

use crate::{HostId, Operation, OperationId, Sim};

/// Nodes that should hold a value.
const REPLICAS: usize = 8;

/// A lookup that found nothing though its node stayed.
#[derive(Clone, PartialEq, Default, Debug, Serialize)]
pub struct MissReport {
    /// What was looked for.
    pub key: String,
    /// The number of the host that looked.
    pub host: u64,
    /// When it began, in seconds.
    pub began_s: f64,
    /// How long it took, in milliseconds.
    pub took_ms: f64,
    /// Nodes asked.
    pub asked: usize,
    /// Nodes that answered.
    pub answered: usize,
    /// Nodes that acknowledged the put.
    pub acknowledged: usize,
    /// When the put ended, in seconds.
    pub put_s: f64,
    /// Hosts that held the value at the end of the experiment.
    pub holders: usize,
    /// Of the eight hosts nearest to the key then, those that held it.
    pub nearest_holders: usize,
}

impl MissReport {
    /// Collects what is known of a lookup that found nothing, and of the put it looked for.
    pub(super) fn of(sim: &Sim, get: &Operation, puts: &[OperationId]) -> Self {
        let report = get.get_report().unwrap_or_default();
        let mut miss = Self {
            key: get.key.to_string(),
            host: get.host.number(),
            began_s: get.started.as_micros() as f64 / 1e6,
            took_ms: get.duration().unwrap_or_default().as_secs_f64() * 1e3,
            asked: report.asked,
            answered: report.answered,
            ..Self::default()
        };
        let put = puts.iter().find(|put| sim.operation(**put).key == get.key);
        if let Some(&put) = put {
            let holders = sim.holders(put);
            let put = sim.operation(put);
            miss.acknowledged = put.put_report().map_or(0, |report| report.acknowledged);
            miss.put_s = put.ended.map_or(0.0, |(at, _)| at.as_micros() as f64 / 1e6);
            miss.holders = holders.len();
            miss.nearest_holders = nearest(sim, get)
                .filter(|host| holders.contains(host))
                .count();
        }
        miss
    }
}

/// Returns the hosts nearest to the key of an operation.
fn nearest(sim: &Sim, operation: &Operation) -> impl Iterator<Item = HostId> {
    let hosts = sim.hosts().into_iter();
    let mut hosts: Vec<_> = hosts
        .filter_map(|host| Some((sim.node(host)?.id().distance(&operation.key), host)))
        .collect();
    hosts.sort_unstable_by_key(|(distance, _)| *distance);
    hosts.into_iter().take(REPLICAS).map(|(_, host)| host)
}
