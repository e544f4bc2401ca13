//! [`Scenario`]: a simulated world as data: its hosts, the quality of the paths, the churn.

use std::sync::Arc;
use std::time::Duration;

use super::Sim;
use super::adversary::Behaviour;
use super::churn::Churn;
use super::event::Event;
use super::host::{Addressing, HostSpec};
use super::nat::Nat;
use super::network::Link;
use bulla_dht::{Config, Timestamp};

/// A description of a world. [`Scenario::start`] makes it.
///
/// ```
/// use std::time::Duration;
/// use bulla_dht::{Draft, InfoHash, Query};
/// use bulla_sim::{Link, Scenario};
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
/// assert_eq!(sim.operation(get).values()[0].data(), b"hello");
/// assert!(sim.violations().is_empty());
/// ```
#[derive(Clone, Debug)]
pub struct Scenario {
    /// All chance grows from it: the same scenario with the same seed is the same world.
    pub seed: u64,
    /// Honest, open hosts that stay. Default 200.
    pub hosts: usize,
    /// Honest, open hosts that are absent at first, and come when their absence is over if there is
    /// churn. Default none.
    pub away: usize,
    /// Honest hosts that take part as clients. Default none.
    pub clients: usize,
    /// Honest hosts behind routers of each kind. Default none.
    pub natted: Vec<(Nat, usize)>,
    /// Hostile hosts of each behaviour. Default none.
    pub hostile: Vec<(Behaviour, usize)>,
    /// The addresses of hosts, dealt out in turn. Default IPv4.
    pub addressing: Vec<Addressing>,
    /// The quality of the paths. Default [`Link::INTERNET`].
    pub link: Link,
    /// Hosts come one by one during this time; zero is a flash crowd. Default 5 s.
    pub arrival: Duration,
    /// Whether nodes bootstrap or know each other. Default [`Start::Bootstrap`].
    pub start: Start,
    /// Whether hosts come and go. Default no.
    pub churn: Option<Churn>,
    /// How long signing, verifying or decrypting takes. Default 1 ms.
    pub job_time: Duration,
    /// The settings of all nodes.
    pub config: Config,
}

/// How a world begins.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Start {
    /// Nodes know the addresses of the first few and find the others. What real networks do.
    #[default]
    Bootstrap,
    /// Nodes were there before: all start at once with the contacts that they saved, as many as
    /// their buckets hold, and ping these, one node after the other during the time of arrival.
    /// Saves the time in which a large network grows. Nodes that come later bootstrap.
    Warm,
}

impl Scenario {
    /// Returns 200 honest hosts on ordinary Internet paths.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            hosts: 200,
            away: 0,
            clients: 0,
            natted: Vec::new(),
            hostile: Vec::new(),
            addressing: vec![Addressing::V4],
            link: Link::INTERNET,
            arrival: Duration::from_secs(5),
            start: Start::Bootstrap,
            churn: None,
            job_time: Duration::from_millis(1),
            config: Config::default(),
        }
    }

    /// Makes the world. It is empty yet: the first node starts with the first step.
    pub fn start(&self) -> Sim {
        let mut sim = Sim::new(self.seed, self.link, self.job_time);
        sim.churn = self.churn;
        let members = self.members();
        let count = members.len().max(1) as u32;
        sim.oracle.expects_forgeries = self
            .hostile
            .iter()
            .any(|(behaviour, _)| *behaviour == Behaviour::Forger);
        for (number, spec) in (0u32..).zip(members) {
            let host = sim.add(spec);
            let turn = self.arrival * number / count;
            let turn = Timestamp::ZERO + turn;
            match self.start {
                Start::Bootstrap => sim.queue.push(turn, Event::Join(host)),
                Start::Warm => {
                    sim.queue.push(Timestamp::ZERO, Event::Join(host));
                    let restore_contacts = Event::RestoreContacts { host, call: turn };
                    sim.queue.push(Timestamp::ZERO, restore_contacts);
                }
            }
        }
        if self.start == Start::Warm {
            sim.prepare_warm_start();
        }
        let absent = Arc::new(self.honest());
        for _ in 0..self.away {
            let host = sim.add(Arc::clone(&absent));
            sim.schedule_turn(host);
        }
        sim
    }

    fn honest(&self) -> HostSpec {
        HostSpec {
            config: self.config.clone(),
            addressing: self.addressing.first().copied().unwrap_or_default(),
            ..HostSpec::default()
        }
    }

    fn members(&self) -> Vec<Arc<HostSpec>> {
        let honest = self.honest();
        let client = HostSpec {
            config: Config {
                client: true,
                ..self.config.clone()
            },
            ..HostSpec::default()
        };
        let mut groups = vec![(honest.clone(), self.hosts), (client, self.clients)];
        groups.extend(self.natted.iter().map(|(nat, count)| {
            let nat = Some(*nat);
            let spec = HostSpec {
                nat,
                ..honest.clone()
            };
            (spec, *count)
        }));
        groups.extend(self.hostile.iter().map(|(behaviour, count)| {
            let behaviour = Some(*behaviour);
            let spec = HostSpec {
                behaviour,
                ..honest.clone()
            };
            (spec, *count)
        }));
        let mut members = Vec::new();
        for (spec, count) in groups {
            let value_types: Vec<_> = self
                .addressing
                .iter()
                .map(|addressing| {
                    let addressing = *addressing;
                    Arc::new(HostSpec {
                        addressing,
                        ..spec.clone()
                    })
                })
                .collect();
            let dealt = value_types
                .iter()
                .cycle()
                .skip(members.len() % value_types.len().max(1));
            members.extend(dealt.take(count).cloned());
        }
        members
    }
}
