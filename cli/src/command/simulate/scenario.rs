//! [`ScenarioFile`]: an experiment as a file describes it.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use bulla::{Config, ListenConfig, LookupConfig, RoutingConfig, TransportConfig};
use bulla_sim::{Churn, Distribution, Experiment, Latency, Link, Nat, Restart, Scenario, Start};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use crate::exit::{Context, Failure, one_line};

/// Larger networks than this start with tables unless the file says otherwise: in a real one that
/// grows within seconds, the first nodes would have to serve all others.
const LARGEST_BOOTSTRAP: u32 = 2_000;
/// A scenario is small: a file larger than this is a mistake.
const MAX_BYTES: u64 = 1 << 20;
/// The most hosts that are absent: each costs little, but not nothing.
const MOST_AWAY: u128 = 10_000_000;
const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// All fields may be left out.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ScenarioFile {
    /// Nodes that are present at a time.
    pub(super) nodes: u32,
    pub(super) seed: u64,
    pub(super) start: Option<Beginning>,
    pub(super) arrival: Option<Time>,
    pub(super) settle: Time,
    pub(super) watch: Time,
    pub(super) work: Time,
    pub(super) values: u32,
    pub(super) lookups: u32,
    pub(super) age: [Time; 2],
    pub(super) vanish: Vec<u8>,
    pub(super) job: Time,
    pub(super) link: LinkTable,
    pub(super) nat: NatTable,
    /// Percent of the nodes.
    pub(super) clients: u8,
    pub(super) churn: Option<ChurnTable>,
    pub(super) restart: Option<RestartTable>,
    pub(super) parameters: Parameters,
    pub(super) node: NodeTable,
}

/// The settings of the nodes where the scenario gives none.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Parameters {
    #[default]
    Bulla,
    OpenDht,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Beginning {
    Bootstrap,
    Warm,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LinkTable {
    /// Least and greatest time one way; the latency of the world's regions unless given.
    latency: Option<[Time; 2]>,
    jitter: Time,
    loss_per_mille: u16,
    duplication_per_mille: u16,
}

/// Percent of the nodes behind each kind of router.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct NatTable {
    full_cone: u8,
    restricted: u8,
    port_restricted: u8,
    symmetric: u8,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ChurnTable {
    /// The median.
    pub(super) session: Time,
    /// The median; as long as the session unless given.
    absence: Option<Time>,
    heavy_tailed: bool,
    anchors: u16,
}

/// Nodes that restart at once, and what each of them announces and listens to.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RestartTable {
    nodes: u32,
    puts: u32,
    listens: u32,
    patience: Time,
}

/// Settings of the nodes; those of [`Config`] unless given.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct NodeTable {
    pub(super) bucket_size: Option<usize>,
    pub(super) lookup_width: Option<usize>,
    pub(super) lookup_parallelism: Option<usize>,
    pub(super) attempts: Option<u32>,
    pub(super) response_time: Option<Time>,
    pub(super) response_time_min: Option<Time>,
    expire_time: Option<Time>,
    fresh_time: Option<Time>,
    lookup_parallelism_max: Option<usize>,
}

/// A duration as in `1m 30s`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Time(pub(super) Duration);

impl Time {
    pub(super) const fn secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    pub(super) const fn millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let span = humantime::parse_duration(&text)
            .map_err(|error| D::Error::custom(format!("{text:?} is no time span: {error}")))?;
        if span > LONGEST {
            return Err(D::Error::custom(format!("{text:?} is longer than 30 days")));
        }
        Ok(Self(span))
    }
}

impl Default for ScenarioFile {
    fn default() -> Self {
        Self {
            nodes: 1_000,
            seed: 1,
            start: None,
            arrival: None,
            settle: Time::secs(60),
            watch: Time::secs(60),
            work: Time::secs(60),
            values: 100,
            lookups: 500,
            age: [Time::secs(5), Time::secs(60)],
            vanish: Vec::new(),
            job: Time::millis(1),
            link: LinkTable::default(),
            nat: NatTable::default(),
            clients: 0,
            churn: None,
            restart: None,
            parameters: Parameters::default(),
            node: NodeTable::default(),
        }
    }
}

impl Default for LinkTable {
    fn default() -> Self {
        Self {
            latency: None,
            jitter: Time(Link::WORLD.jitter),
            loss_per_mille: Link::WORLD.loss_per_mille as u16,
            duplication_per_mille: Link::WORLD.duplication_per_mille as u16,
        }
    }
}

impl Default for ChurnTable {
    fn default() -> Self {
        Self::of(Duration::from_secs(3_600))
    }
}

impl Default for RestartTable {
    fn default() -> Self {
        Self {
            nodes: 20,
            puts: 1_000,
            listens: 10_000,
            patience: Time::secs(1_800),
        }
    }
}

impl ChurnTable {
    pub(super) fn of(session: Duration) -> Self {
        Self {
            session: Time(session),
            absence: None,
            heavy_tailed: false,
            anchors: 3,
        }
    }
}

impl ScenarioFile {
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let doing = || format!("cannot read the scenario {}", path.display());
        let mut text = String::new();
        File::open(path)
            .and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text))
            .context(doing())?;
        toml::from_str(&text).map_err(|error: toml::de::Error| {
            let line = error.span().map_or(1, |span| {
                text.bytes()
                    .take(span.start)
                    .filter(|b| *b == b'\n')
                    .count()
                    + 1
            });
            let what = one_line(error.message());
            Failure::new(format!("{}, line {line}: {what}", doing()))
        })
    }

    /// Returns the experiment that it describes.
    pub(super) fn experiment(&self) -> Result<Experiment, Failure> {
        let percent = |percent: u8| self.nodes as usize * usize::from(percent) / 100;
        let natted = [
            (Nat::FullCone, self.nat.full_cone),
            (Nat::Restricted, self.nat.restricted),
            (Nat::PortRestricted, self.nat.port_restricted),
            (Nat::Symmetric, self.nat.symmetric),
        ];
        self.check(&natted)?;
        let config = self.config();
        config.validate().context("bad scenario")?;
        let start = match self.start {
            Some(Beginning::Bootstrap) => Start::Bootstrap,
            Some(Beginning::Warm) => Start::Warm,
            None => self.usual_start(),
        };
        // As many are absent as present at a time if the one takes as long as the other.
        let away = self.churn.as_ref().map_or(0, |churn| {
            let absence = churn.absence.unwrap_or(churn.session).0;
            let away = absence.as_micros() * u128::from(self.nodes) / churn.session.0.as_micros();
            away.min(MOST_AWAY) as usize
        });
        let scenario = Scenario {
            hosts: self.nodes as usize
                - natted
                    .iter()
                    .map(|(_, share)| percent(*share))
                    .sum::<usize>()
                - percent(self.clients),
            away,
            clients: percent(self.clients),
            natted: natted.map(|(nat, share)| (nat, percent(share))).into(),
            link: self.link(),
            // 100 nodes a second, and never longer than half a minute.
            arrival: self.arrival.map_or_else(
                || Duration::from_millis(u64::from(self.nodes) * 10).min(Duration::from_secs(30)),
                |arrival| arrival.0,
            ),
            start,
            churn: self.churn.as_ref().map(ChurnTable::churn),
            job_time: self.job.0,
            config,
            ..Scenario::new(self.seed)
        };
        Ok(Experiment {
            scenario,
            settle: self.settle.0,
            watch: self.watch.0,
            work: self.work.0,
            values: self.values as usize,
            lookups: self.lookups as usize,
            age: (self.age[0].0, self.age[1].0),
            vanish: self.vanish.clone(),
            restart: self.restart.map(RestartTable::restart),
        })
    }

    fn usual_start(&self) -> Start {
        if self.nodes <= LARGEST_BOOTSTRAP {
            Start::Bootstrap
        } else {
            Start::Warm
        }
    }

    fn check(&self, natted: &[(Nat, u8)]) -> Result<(), Failure> {
        let special: u32 = natted.iter().map(|(_, share)| u32::from(*share)).sum();
        let special = special + u32::from(self.clients);
        let anchors = self.churn.as_ref().map_or(0, |churn| churn.anchors);
        let checks = [
            (
                (10..=10_000_000).contains(&self.nodes),
                "nodes must be 10 to 10000000",
            ),
            (
                special <= 80,
                "clients and nodes behind routers must be 80 % at most",
            ),
            (
                self.link.loss_per_mille <= 900,
                "loss_per_mille must be 900 at most",
            ),
            (
                self.link.duplication_per_mille <= 1_000,
                "duplication_per_mille must be 1000 at most",
            ),
            (
                self.age[0].0 <= self.age[1].0,
                "age must be the least and the greatest one",
            ),
            (
                self.link
                    .latency
                    .is_none_or(|[least, greatest]| least.0 <= greatest.0),
                "latency must be the least and the greatest one",
            ),
            (
                self.vanish.is_sorted() && self.vanish.iter().all(|percent| *percent < 100),
                "vanish must be percentages below 100 in growing order",
            ),
            (
                self.values > 0 && self.values <= 1_000_000,
                "values must be 1 to 1000000",
            ),
            (
                self.lookups <= 10_000_000,
                "lookups must be 10000000 at most",
            ),
            (
                u32::from(anchors) <= self.nodes / 2,
                "anchors must be half of the nodes at most",
            ),
            (
                self.churn
                    .as_ref()
                    .is_none_or(|churn| churn.session.0 >= Duration::from_secs(1)),
                "session must be 1s at least",
            ),
            (
                self.restart
                    .is_none_or(|restart| restart.puts.max(restart.listens) <= 100_000),
                "puts and listens of a restart must be 100000 at most",
            ),
        ];
        if let Some((_, what)) = checks.iter().find(|(holds, _)| !holds) {
            return Err(Failure::new(format!("bad scenario: {what}")));
        }
        Ok(())
    }

    fn link(&self) -> Link {
        let LinkTable {
            latency,
            jitter,
            loss_per_mille,
            duplication_per_mille,
        } = self.link;
        Link {
            latency: latency.map_or(Latency::World, |[least, greatest]| {
                Latency::Between(least.0, greatest.0)
            }),
            jitter: jitter.0,
            loss_per_mille: loss_per_mille.into(),
            duplication_per_mille: duplication_per_mille.into(),
        }
    }

    fn config(&self) -> Config {
        let usual = self.parameters.config();
        let NodeTable {
            bucket_size,
            lookup_width,
            lookup_parallelism,
            attempts,
            response_time,
            response_time_min,
            expire_time,
            fresh_time,
            lookup_parallelism_max,
        } = self.node;
        let bucket_size = bucket_size.unwrap_or(usual.routing.bucket_size);
        let parallelism = lookup_parallelism.unwrap_or(usual.lookup.parallelism);
        Config {
            routing: RoutingConfig {
                bucket_size,
                expire_time: expire_time.map_or(usual.routing.expire_time, |time| time.0),
                fresh_time: fresh_time.map_or(usual.routing.fresh_time, |time| time.0),
                ..usual.routing
            },
            lookup: LookupConfig {
                width: lookup_width.unwrap_or(usual.lookup.width.max(bucket_size)),
                parallelism,
                parallelism_max: lookup_parallelism_max
                    .unwrap_or(usual.lookup.parallelism_max.max(parallelism)),
                ..usual.lookup
            },
            listen: ListenConfig {
                nodes: usual.listen.nodes.min(bucket_size),
                ..usual.listen
            },
            transport: TransportConfig {
                attempts: attempts.unwrap_or(usual.transport.attempts),
                response_time: response_time.map_or(usual.transport.response_time, |time| time.0),
                response_time_min: response_time_min
                    .map_or(usual.transport.response_time_min, |time| time.0),
                ..usual.transport
            },
            ..usual
        }
    }
}

impl Parameters {
    fn config(self) -> Config {
        let ours = Config::default();
        match self {
            Self::Bulla => ours,
            // It waits for a second whatever it knows of the peer, and counts all contacts as good
            // for ten minutes.
            Self::OpenDht => Config {
                transport: TransportConfig {
                    response_time_min: ours.transport.response_time,
                    ..ours.transport
                },
                lookup: LookupConfig {
                    parallelism_max: ours.lookup.parallelism,
                    ..ours.lookup
                },
                routing: RoutingConfig {
                    fresh_time: ours.routing.expire_time,
                    ..ours.routing
                },
                ..ours
            },
        }
    }
}

impl RestartTable {
    fn restart(self) -> Restart {
        Restart {
            nodes: self.nodes as usize,
            puts: self.puts as usize,
            listens: self.listens as usize,
            settle_limit: self.patience.0,
        }
    }
}

impl ChurnTable {
    fn churn(&self) -> Churn {
        let span = if self.heavy_tailed {
            Distribution::HeavyTailed
        } else {
            Distribution::Exponential
        };
        Churn {
            session: span(self.session.0),
            absence: span(self.absence.unwrap_or(self.session).0),
            anchors: self.anchors.into(),
        }
    }
}
