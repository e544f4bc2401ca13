//! [`Workload`]: which values are put and looked up, and when.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Experiment;
use crate::{OperationId, Sim};
use bulla_dht::{Draft, InfoHash, Timestamp};

/// Bytes of a value.
const SIZE: usize = 64;

/// What is to be done.
#[derive(Clone, Copy, Debug)]
enum Action {
    /// Put the value of this number.
    Put(u64),
    /// Look for the value of this number.
    Get(u64),
}

/// Puts and lookups, by the time at which they are due.
pub(super) struct Workload {
    actions: BTreeMap<(Timestamp, u64), Action>,
    by_value: BTreeMap<u64, OperationId>,
    pub(super) puts: Vec<OperationId>,
    pub(super) gets: Vec<OperationId>,
}

impl Workload {
    pub(super) fn new(experiment: &Experiment, sim: &mut Sim) -> Self {
        let begin = sim.now();
        let values = experiment.values.max(1) as u64;
        let mut actions = BTreeMap::new();
        let at = |value: u64| begin + share(experiment.work, value, values);
        for value in 0..values {
            actions.insert((at(value), value), Action::Put(value));
        }
        for get in 0..experiment.lookups as u64 {
            let value = get % values;
            let age = sim.rng.between(experiment.age.0, experiment.age.1);
            actions.insert((at(value) + age, values + get), Action::Get(value));
        }
        Self {
            actions,
            by_value: BTreeMap::new(),
            puts: Vec::new(),
            gets: Vec::new(),
        }
    }

    /// Returns when something is to be done next.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.actions.first_key_value().map(|((at, _), _)| *at)
    }

    /// Does the first of what is to be done.
    pub(super) fn perform_next(&mut self, sim: &mut Sim) {
        match self.actions.pop_first() {
            Some((_, Action::Put(value))) => self.put(sim, value),
            Some((_, Action::Get(value))) => {
                if let Some(put) = self.stored(sim, value) {
                    self.gets
                        .extend(sim.begin_lookup(put, sim.operation(put).key));
                }
            }
            None => {}
        }
    }

    fn put(&mut self, sim: &mut Sim, value: u64) {
        let Some(host) = sim.any_host() else {
            return;
        };
        let key = InfoHash::of(format!("value {value} of {}", sim.seed()).as_bytes());
        let draft = Draft::new(vec![value as u8; SIZE]);
        if let Ok(put) = sim.put(host, key, &draft, false) {
            self.by_value.insert(value, put);
            self.puts.push(put);
        }
    }

    /// Returns the put of this value if a node has acknowledged it, else the last put that was
    /// acknowledged: its author may have left before.
    fn stored(&self, sim: &Sim, value: u64) -> Option<OperationId> {
        let is_stored = |put: &&OperationId| {
            let report = sim.operation(**put).put_report();
            report.is_some_and(|report| report.acknowledged > 0)
        };
        let wanted = self.by_value.get(&value).filter(is_stored);
        wanted
            .or_else(|| self.puts.iter().rev().find(is_stored))
            .copied()
    }
}

/// Returns `part` of `whole` of a span.
fn share(span: Duration, part: u64, whole: u64) -> Duration {
    let micros = span.as_micros() * u128::from(part) / u128::from(whole);
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}
