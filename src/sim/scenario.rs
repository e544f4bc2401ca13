//! [`Scenario`]: what a simulated world is like, as data: who is there, how good the paths are, who comes and goes.

use std::time::Duration;

use super::Sim;
use super::happening::Happening;
use super::host::{Addressing, HostSpec};
use super::hostile::Vice;
use super::network::Link;
use crate::Config;

/// A world to be. [`Scenario::start`] makes it.
///
/// ```
/// use std::time::Duration;
/// use bulla::sim::{Link, Scenario};
/// use bulla::{Draft, InfoHash, Query};
///
/// let mut sim = Scenario { hosts: 20, link: Link::PERFECT, ..Scenario::new(1) }.start();
/// sim.run_for(Duration::from_secs(10));
///
/// let key = InfoHash::of(b"greeting");
/// let hosts = sim.hosts();
/// let put = sim.put(hosts[3], key, &Draft::from("hello"), false).unwrap();
/// sim.finish(&[put]);
/// let get = sim.get(hosts[15], key, Query::default()).unwrap();
/// sim.finish(&[get]);
/// assert_eq!(sim.errand(get).values()[0].data(), b"hello");
/// assert!(sim.violations().is_empty());
/// ```
#[derive(Clone, Debug)]
pub struct Scenario {
    /// All chance grows from it: the same scenario with the same seed is the same world.
    pub seed: u64,
    /// Honest, open hosts that stay. Default 200.
    pub hosts: usize,
    /// Honest hosts that take part as clients. Default none.
    pub clients: usize,
    /// Honest hosts behind filtering routers. Default none.
    pub filtered: usize,
    /// Hostile hosts of each vice. Default none.
    pub hostile: Vec<(Vice, usize)>,
    /// The addresses of hosts, dealt out in turn. Default IPv4.
    pub addressing: Vec<Addressing>,
    /// The quality of the paths. Default [`Link::INTERNET`].
    pub link: Link,
    /// Hosts come one by one during this time; zero is a flash crowd. Default 5 s.
    pub arrival: Duration,
    /// Whether hosts come and go. Default no.
    pub churn: Option<Churn>,
    /// How long signing, verifying or decrypting takes. Default 1 ms.
    pub job_time: Duration,
    /// The settings of all nodes.
    pub config: Config,
}

/// How hosts come and go. A host that returns does so as another node at the same address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Churn {
    /// Shortest and longest stay.
    pub session: (Duration, Duration),
    /// Shortest and longest absence.
    pub absence: (Duration, Duration),
    /// Hosts that never leave, the first ones: others start from them.
    pub anchors: usize,
}

impl Scenario {
    /// 200 honest hosts on ordinary Internet paths.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            hosts: 200,
            clients: 0,
            filtered: 0,
            hostile: Vec::new(),
            addressing: vec![Addressing::V4],
            link: Link::INTERNET,
            arrival: Duration::from_secs(5),
            churn: None,
            job_time: Duration::from_millis(1),
            config: Config::default(),
        }
    }

    /// Makes the world. Nobody is there yet: the first host comes with the first step.
    pub fn start(&self) -> Sim {
        let mut sim = Sim::new(self.seed, self.link, self.job_time);
        let members = self.members();
        let count = members.len().max(1) as u32;
        for (number, spec) in (0u32..).zip(members) {
            sim.oracle.expects_forgeries |= spec.vice == Some(Vice::Forger);
            let host = sim.add(spec);
            let at = sim.now() + self.arrival * number / count;
            sim.schedule(at, Happening::Join(host));
        }
        if let Some(churn) = self.churn {
            sim.churn = Some(churn);
        }
        sim
    }

    fn members(&self) -> Vec<HostSpec> {
        let honest = HostSpec {
            config: self.config.clone(),
            ..HostSpec::default()
        };
        let client = HostSpec {
            config: Config {
                client: true,
                ..self.config.clone()
            },
            ..HostSpec::default()
        };
        let filtered = HostSpec {
            filtered: true,
            ..honest.clone()
        };
        let mut members = vec![honest.clone(); self.hosts];
        members.extend(vec![client; self.clients]);
        members.extend(vec![filtered; self.filtered]);
        for (vice, count) in &self.hostile {
            let hostile = HostSpec {
                vice: Some(*vice),
                ..honest.clone()
            };
            members.extend(vec![hostile; *count]);
        }
        for (spec, addressing) in members.iter_mut().zip(self.addressing.iter().cycle()) {
            spec.addressing = *addressing;
        }
        members
    }
}
