//! Worlds for the tests: a scenario, its seed, and what is printed if it fails.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use bulla::sim::{ErrandId, Scenario, Sim};

/// A simulation that says how to run it again if its test fails.
pub(crate) struct World(Sim);

/// The seed of a test: its own, unless the environment gives another.
pub(crate) fn seed(default: u64) -> u64 {
    std::env::var("SIM_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl World {
    /// A world in which all have arrived and know each other.
    pub(crate) fn settled(scenario: &Scenario) -> Self {
        let mut world = Self::new(scenario);
        world.run_for(scenario.arrival + secs(20));
        world
    }

    pub(crate) fn new(scenario: &Scenario) -> Self {
        Self(scenario.start())
    }

    /// Runs until these are over.
    pub(crate) fn finish_all(&mut self, errands: &[ErrandId]) {
        self.finish(errands);
        for errand in errands {
            assert!(
                self.errand(*errand).ended.is_some(),
                "{:?}",
                self.errand(*errand)
            );
        }
    }

    /// No rule was broken.
    pub(crate) fn check(&mut self) {
        self.inspect_storage();
        let violations: Vec<_> = self.violations().iter().map(ToString::to_string).collect();
        assert!(
            violations.is_empty(),
            "{} violations:\n{}",
            violations.len(),
            violations[..violations.len().min(20)].join("\n")
        );
    }
}

impl Deref for World {
    type Target = Sim;

    fn deref(&self) -> &Sim {
        &self.0
    }
}

impl DerefMut for World {
    fn deref_mut(&mut self) -> &mut Sim {
        &mut self.0
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let test = std::thread::current().name().unwrap_or("").to_owned();
            let seed = self.seed();
            eprintln!("seed={seed}; run it again: SIM_SEED={seed} cargo test --test sim {test}");
        }
    }
}
