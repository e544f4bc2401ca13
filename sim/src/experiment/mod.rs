//! [`Experiment`]: a world, what is done in it, and the [`Results`] that come of it.

mod miss_report;
mod restart;
mod results;
mod workload;

use std::ops::ControlFlow;
use std::time::Duration;

use super::{HostId, OperationId, Scenario, Sim};
use bulla_dht::{InfoHash, Query, Timestamp};

pub use miss_report::MissReport;
pub use restart::{Restart, Restarted};
pub use results::{Results, Traffic, Vanished};
use workload::Workload;

/// Events between two reports of progress.
const STRIDE: usize = 4_096;
/// The time that the last lookup has.
const AFTERMATH: Duration = Duration::from_secs(15);

/// Something to be measured. [`Experiment::run`] does it.
///
/// ```
/// use std::ops::ControlFlow;
/// use bulla_sim::{Experiment, Scenario};
///
/// let scenario = Scenario { hosts: 30, ..Scenario::new(1) };
/// let experiment = Experiment { values: 5, lookups: 20, ..Experiment::of(scenario) };
/// let results = experiment.run(|_, _| ControlFlow::Continue(())).expect("not interrupted");
/// assert!(results.found >= 19);
/// ```
#[derive(Clone, Debug)]
pub struct Experiment {
    /// The world.
    pub scenario: Scenario,
    /// How long the network settles once all nodes have come. Default 60 s.
    pub settle: Duration,
    /// How long it is watched after that without any operations. Default 60 s.
    pub watch: Duration,
    /// How long values are put after that. Default 60 s.
    pub work: Duration,
    /// Values put, each by a node at random under a key of its own. Default 100.
    pub values: usize,
    /// Lookups for them, each by a node at random that does not hold the value. Default 500.
    pub lookups: usize,
    /// Least and greatest age of a value that is looked up. Default 5 s to 60 s.
    pub age: (Duration, Duration),
    /// At the end so many nodes of a hundred stop at once, and each value is looked up again. The
    /// shares count from the first, in growing order. Default none.
    pub vanish: Vec<u8>,
    /// Before the work begins nodes with much to announce restart. Default none.
    pub restart: Option<Restart>,
}

/// The parts of an experiment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Nodes start.
    Arrival,
    /// They learn of each other.
    Settling,
    /// They run without operations.
    Watching,
    /// Nodes restart.
    Restarting,
    /// Values are put and looked up.
    Working,
    /// Nodes stop.
    Vanishing,
}

/// How far an experiment has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The present part.
    pub phase: Phase,
    /// How much of that is done, from 0 to 1.
    pub share: f64,
}

impl Phase {
    /// Returns what is being done.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Arrival => "nodes come",
            Self::Settling => "the network settles",
            Self::Watching => "idle traffic",
            Self::Restarting => "nodes restart",
            Self::Working => "puts and lookups",
            Self::Vanishing => "nodes vanish",
        }
    }
}

impl Experiment {
    /// Returns the usual experiment in this world.
    pub fn of(scenario: Scenario) -> Self {
        Self {
            scenario,
            settle: Duration::from_secs(60),
            watch: Duration::from_secs(60),
            work: Duration::from_secs(60),
            values: 100,
            lookups: 500,
            age: (Duration::from_secs(5), Duration::from_secs(60)),
            vanish: Vec::new(),
            restart: None,
        }
    }

    /// Starts the world and measures it; returns `None` if `on_progress`, which is called all the
    /// time, breaks it off.
    pub fn run(
        &self,
        on_progress: impl FnMut(&Sim, Progress) -> ControlFlow<()>,
    ) -> Option<Results> {
        let mut sim = self.scenario.start();
        sim.oracle.excuses_misses = true;
        let mut run = Run { sim, on_progress };
        self.measure(&mut run).continue_value()
    }

    fn measure<F: FnMut(&Sim, Progress) -> ControlFlow<()>>(
        &self,
        run: &mut Run<F>,
    ) -> ControlFlow<(), Results> {
        let arrived = Timestamp::ZERO + self.scenario.arrival;
        run.until(Phase::Arrival, arrived)?;
        run.until(Phase::Settling, arrived + self.settle)?;
        run.sim.take_loads();
        run.until(Phase::Watching, run.sim.now() + self.watch)?;
        let idle_loads = run.sim.take_loads();
        let idle_nodes = run.sim.present_count();
        let restarted = match &self.restart {
            Some(restart) => Some(run.restart(restart)?),
            None => None,
        };
        run.sim.take_loads();
        let (puts, gets) = self.work(run)?;
        let busy_loads = run.sim.take_loads();
        let (sim, busy) = (&run.sim, self.work + self.age.1 + AFTERMATH);
        let nodes = sim.present_count();
        let mut results = Results {
            nodes,
            idle: Traffic::of(&idle_loads, idle_nodes, self.watch),
            busy: Traffic::of(&busy_loads, nodes, busy),
            restarted,
            ..Results::default()
        };
        results.weigh(&busy_loads);
        results.take_puts(sim, &puts);
        results.take_gets(sim, &gets);
        results.take_misses(sim, &puts, &gets);
        results.take_connecting(sim.connecting());
        let wholly = self.watch + busy;
        results.bytes_per_node_per_s = (results.idle.bytes_per_node_per_s
            * self.watch.as_secs_f64()
            + results.busy.bytes_per_node_per_s * busy.as_secs_f64())
            / wholly.as_secs_f64().max(1e-6);
        let stored: Vec<_> = puts.into_iter().filter(|put| run.is_stored(*put)).collect();
        let mut gone = 0;
        for percent in &self.vanish {
            let wanted = nodes * usize::from(*percent) / 100;
            run.remove_hosts(wanted.saturating_sub(gone));
            gone = wanted.max(gone);
            let vanished = run.look_for_all(*percent, &stored)?;
            results.vanished.push(vanished);
        }
        let sim = &run.sim;
        results.digest = sim.trace().digest().to_string();
        results.datagrams = sim.trace().datagrams();
        results.virtual_s = Duration::from_micros(sim.now().as_micros()).as_secs_f64();
        results.violations = sim.violations().len();
        results.first_violation = sim.violations().first().map(ToString::to_string);
        ControlFlow::Continue(results)
    }

    /// Puts and looks up as planned, and returns the puts and the gets.
    fn work<F: FnMut(&Sim, Progress) -> ControlFlow<()>>(
        &self,
        run: &mut Run<F>,
    ) -> ControlFlow<(), (Vec<OperationId>, Vec<OperationId>)> {
        let begin = run.sim.now();
        let end = begin + self.work + self.age.1 + AFTERMATH;
        let mut workload = Workload::new(self, &mut run.sim);
        while let Some(at) = workload.next() {
            run.until_of(Phase::Working, at, begin, end)?;
            workload.perform_next(&mut run.sim);
        }
        run.until_of(Phase::Working, end, begin, end)?;
        ControlFlow::Continue((workload.puts, workload.gets))
    }
}

/// An experiment under way.
struct Run<F> {
    sim: Sim,
    on_progress: F,
}

impl<F: FnMut(&Sim, Progress) -> ControlFlow<()>> Run<F> {
    fn until(&mut self, phase: Phase, end: Timestamp) -> ControlFlow<()> {
        let begin = self.sim.now();
        self.until_of(phase, end, begin, end)
    }

    /// Runs until `stop`, in a phase that lasts from `begin` to `end`.
    fn until_of(
        &mut self,
        phase: Phase,
        stop: Timestamp,
        begin: Timestamp,
        end: Timestamp,
    ) -> ControlFlow<()> {
        let whole = end.since(begin).as_secs_f64().max(1e-6);
        while self.sim.run_some(STRIDE, stop) {
            let share = self.sim.now().since(begin).as_secs_f64() / whole;
            (self.on_progress)(&self.sim, Progress { phase, share })?;
        }
        ControlFlow::Continue(())
    }

    fn is_stored(&self, put: OperationId) -> bool {
        let report = self.sim.operation(put).put_report();
        report.is_some_and(|report| report.acknowledged > 0)
    }

    fn remove_hosts(&mut self, count: usize) {
        let mut there = self.sim.hosts();
        for _ in 0..count {
            let which = self.sim.rng.below(there.len() as u64) as usize;
            if which < there.len() {
                let host = there.swap_remove(which);
                self.sim.leave(host);
            }
        }
    }

    /// Has a node at random look for each of these, all within ten seconds.
    fn look_for_all(&mut self, percent: u8, puts: &[OperationId]) -> ControlFlow<(), Vanished> {
        let begin = self.sim.now();
        let span = Duration::from_secs(10);
        let end = begin + span + AFTERMATH;
        let mut gets = Vec::new();
        for (number, put) in (0u32..).zip(puts) {
            let at = begin + span * number / puts.len() as u32;
            self.until_of(Phase::Vanishing, at, begin, end)?;
            let key = self.sim.operation(*put).key;
            gets.extend(self.sim.begin_lookup(*put, key));
        }
        self.until_of(Phase::Vanishing, end, begin, end)?;
        let mut results = Results::default();
        results.take_gets(&self.sim, &gets);
        let held = puts
            .iter()
            .filter(|put| !self.sim.holders(**put).is_empty());
        ControlFlow::Continue(Vanished {
            percent,
            lookups: results.lookups,
            found: results.found,
            still_held: held.count(),
            latency_ms_p50: results.latency_ms_p50,
            latency_ms_p99: results.latency_ms_p99,
        })
    }
}

impl Sim {
    /// Handles at most `count` events until `end`; returns `false` once there are no more.
    fn run_some(&mut self, count: usize, end: Timestamp) -> bool {
        for _ in 0..count {
            if self.queue.next().is_none_or(|at| at > end) {
                self.now = self.now.max(end);
                return false;
            }
            self.step();
        }
        true
    }

    fn present_count(&self) -> usize {
        let there = self.hosts.iter().filter(|host| host.instance.is_some());
        there.count()
    }

    /// Has a node at random that does not hold it look for what was put.
    fn begin_lookup(&mut self, put: OperationId, key: InfoHash) -> Option<OperationId> {
        let expected_value = self.operation(put).expected_value()?.clone();
        let host = self.any_host_but(|sim, host| sim.holds(host, key, &expected_value))?;
        self.get(host, key, Query::default()).ok()
    }

    /// Draws a host that is not excluded, if one is found soon.
    fn any_host_but(&mut self, is_excluded: impl Fn(&Self, HostId) -> bool) -> Option<HostId> {
        let hosts = self.hosts();
        (0..20).find_map(|_| {
            let which = self.rng.below(hosts.len() as u64) as usize;
            let host = *hosts.get(which)?;
            (!is_excluded(self, host)).then_some(host)
        })
    }
}
