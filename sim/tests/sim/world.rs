//! Worlds for the tests: a scenario, its seed, and what is printed if it fails.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use bulla_dht::node::{Stats, Status};
use bulla_dht::{Draft, Family, InfoHash, Query};
use bulla_identity::{CertificateChain, Identity, PrivateKey};
use bulla_sim::{HostId, HostSpec, OperationId, Scenario, Sim};

/// A simulation that says how to run it again if its test fails.
pub(crate) struct World(Sim);

/// Returns the seed of a test: its own, unless the environment gives another.
pub(crate) fn seed(default: u64) -> u64 {
    std::env::var("SIM_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Returns the key of a number.
pub(crate) fn key(number: u64) -> InfoHash {
    InfoHash::of(&number.to_be_bytes())
}

/// Returns the middle one; they are in order after that.
pub(crate) fn median<T: Ord + Copy>(all: &mut [T]) -> T {
    all.sort_unstable();
    all[all.len() / 2]
}

/// Returns an identity made by OpenDHT.
pub(crate) fn identity(name: &str) -> Identity {
    let text = include_str!("../../../identity/tests/vectors/identities.json");
    let vectors: serde_json::Value = serde_json::from_str(text).unwrap();
    let vectors = vectors["vectors"].as_array().unwrap();
    let vector = vectors
        .iter()
        .find(|vector| vector["name"] == name)
        .unwrap();
    let key = PrivateKey::from_pem(vector["private_key_pem"].as_str().unwrap(), None).unwrap();
    let chain = vector["certificate_chain_pem"].as_str().unwrap();
    Identity::new(key, CertificateChain::from_bytes(chain.as_bytes()).unwrap()).unwrap()
}

impl World {
    /// Returns a world in which all nodes have arrived and know each other.
    pub(crate) fn settled(scenario: &Scenario) -> Self {
        let mut world = Self::new(scenario);
        world.run_for(scenario.arrival + secs(20));
        world
    }

    pub(crate) fn new(scenario: &Scenario) -> Self {
        Self(scenario.start())
    }

    /// Runs until these have ended.
    pub(crate) fn finish_all(&mut self, operations: &[OperationId]) {
        self.finish(operations);
        for operation in operations {
            assert!(
                self.operation(*operation).ended.is_some(),
                "{:?}",
                self.operation(*operation)
            );
        }
    }

    /// Has one host at random put a value under each of the first keys, and waits until all have
    /// done so.
    pub(crate) fn put_everywhere(&mut self, keys: u64) -> Vec<OperationId> {
        let puts: Vec<_> = (0..keys)
            .map(|number| {
                let host = self.any_host().unwrap();
                let draft = Draft::new(format!("value {number}").into_bytes());
                self.put(host, key(number), &draft, false).unwrap()
            })
            .collect();
        self.finish_all(&puts);
        puts
    }

    /// Has one host at random look for each of the first keys, which has one value.
    pub(crate) fn get_everywhere(&mut self, keys: u64) {
        for number in 0..keys {
            assert_eq!(self.found(number), 1, "key {number}");
        }
    }

    /// Adds a host with an identity.
    pub(crate) fn join_as(&mut self, name: &str) -> HostId {
        let host = self.join(HostSpec {
            identity: Some(identity(name)),
            ..HostSpec::default()
        });
        self.run_for(secs(10));
        host
    }

    /// Returns how many values a host at random finds under the key of a number.
    pub(crate) fn found(&mut self, number: u64) -> usize {
        let get = self.get_anywhere(number, Query::default());
        self.operation(get).values().len()
    }

    /// Has a host at random get the key of a number, and waits for the end.
    pub(crate) fn get_anywhere(&mut self, number: u64, query: Query) -> OperationId {
        let host = self.any_host().unwrap();
        let get = self.get(host, key(number), query).unwrap();
        self.finish_all(&[get]);
        get
    }

    pub(crate) fn status(&self, host: HostId) -> Status {
        let node = self.node(host).unwrap();
        node.status(Family::V4).max(node.status(Family::V6))
    }

    pub(crate) fn stats(&self, host: HostId) -> Stats {
        self.node(host).unwrap().stats(self.clock(host))
    }

    pub(crate) fn good_contacts(&self, host: HostId) -> usize {
        let stats = self.stats(host);
        stats.families.v4.contacts.good + stats.families.v6.contacts.good
    }

    pub(crate) fn datagrams_sent(&self, host: HostId) -> u64 {
        self.stats(host).traffic.sent
    }

    /// Asserts that no rule was broken.
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
