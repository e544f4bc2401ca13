//! [`Fleet`]: nodes of ours on loopback, and operations on them.

use std::time::{Duration, Instant};

use bulla::secure::Recipient;
use bulla::{Config, Dht, Identity, Rng, TransportConfig};
use tokio::time::sleep;

use crate::Outcome;

/// What is put.
const VALUE: [u8; 64] = [b'v'; 64];
/// As long as that, nothing takes.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// Nodes in this process.
pub(crate) struct Fleet {
    pub(crate) nodes: Vec<Dht>,
    pub(crate) rng: Rng,
}

/// A get that has ended.
#[derive(Clone, Copy)]
pub(crate) struct Got {
    /// How long the first value took.
    pub(crate) first: Option<Duration>,
    /// How long all took.
    pub(crate) done: Duration,
}

impl Fleet {
    /// One of the nodes.
    pub(crate) fn any(&mut self) -> Dht {
        let place = self.rng.below(self.nodes.len() as u64) as usize;
        self.nodes[place].clone()
    }
}

/// Starts so many nodes, of which all but the first join it, and waits until each knows eight good
/// ones; counts those that never do. The first have these identities.
pub(crate) async fn start_network(
    count: usize,
    identities: &[Identity],
) -> Outcome<(Vec<Dht>, usize)> {
    let began = Instant::now();
    let mut nodes: Vec<Dht> = Vec::new();
    for place in 0..count {
        let entry = nodes.first().map(entry);
        nodes.push(start(identities.get(place).cloned(), entry.as_deref()).await?);
    }
    let wanted = 8.min(count - 1);
    let mut waiting = nodes.clone();
    while !waiting.is_empty() && began.elapsed() < TIMEOUT {
        let mut rest = Vec::new();
        for node in waiting {
            if good_contacts(&node).await? < wanted {
                rest.push(node);
            }
        }
        waiting = rest;
        sleep(Duration::from_millis(10)).await;
    }
    Ok((nodes, waiting.len()))
}

/// Where others can join a node.
pub(crate) fn entry(node: &Dht) -> String {
    node.addresses()[0].to_string()
}

/// Has nodes vanish.
pub(crate) async fn kill(nodes: Vec<Dht>) {
    for node in nodes {
        let _ = node.shutdown_within(Duration::ZERO).await;
    }
}

/// Starts a node without limits, as those of the reference are set.
pub(crate) async fn start(identity: Option<Identity>, entry: Option<&str>) -> Outcome<Dht> {
    let config = Config {
        transport: TransportConfig {
            rate_limit_per_sec: None,
            peer_rate_limit_per_sec: None,
            ..TransportConfig::default()
        },
        ..Config::default()
    };
    let mut builder = Dht::builder().config(config).bind("127.0.0.1:0".parse()?);
    if let Some(identity) = identity {
        builder = builder.identity(identity);
    }
    if let Some(entry) = entry {
        builder = builder.bootstrap(entry);
    }
    Ok(builder.start().await?)
}

/// Good contacts of a node.
pub(crate) async fn good_contacts(node: &Dht) -> Outcome<usize> {
    Ok(node.node_info().await?.stats.families.v4.contacts.good)
}

pub(crate) async fn get(node: Dht, name: String) -> Got {
    let began = Instant::now();
    let mut values = node.get(&*name);
    let mut first = None;
    while values.next().await.is_some() {
        first.get_or_insert_with(|| began.elapsed());
    }
    let done = began.elapsed();
    Got { first, done }
}

/// How long a put took; `None` if no node holds the value.
pub(crate) async fn put(node: Dht, name: String) -> Option<Duration> {
    let began = Instant::now();
    let placed = node.put(&*name, &VALUE[..]).await.ok()?;
    (placed.report.acknowledged > 0).then(|| began.elapsed())
}

pub(crate) async fn put_signed(node: Dht, name: String) -> bool {
    node.put_signed(&*name, &VALUE[..]).await.is_ok()
}

pub(crate) async fn put_encrypted(node: Dht, to: Recipient, name: String) -> bool {
    node.put_encrypted(&*name, to, &VALUE[..]).await.is_ok()
}
