//! [`Stage`]: a small network on loopback, and the people who use it.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bulla::{Builder, Dht, InfoHash};
use bulla_identity::{Identity, IdentityParams};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::calendar::now;
use crate::exit::{Context, Failure};

/// Nodes that serve; the people's own come on top.
pub(super) const NODES: usize = 12;
/// The size of the people's keys: large enough, and quickly made.
pub(super) const KEY_BITS: usize = 2048;
/// A network of its own, so that nothing leaks into a real one.
const NETWORK: u32 = 20_827;
/// What takes longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Nodes that know each other.
pub(super) struct Stage {
    pub(super) nodes: Vec<Dht>,
}

/// The people's identities.
pub(super) struct People {
    pub(super) alice: Identity,
    pub(super) bob: Identity,
    pub(super) mallory: Identity,
}

/// The people's nodes, which serve the network as well.
pub(super) struct Cast {
    pub(super) alice: Dht,
    pub(super) bob: Dht,
    pub(super) mallory: Dht,
}

impl Stage {
    /// Starts the nodes, all of which know only the first, and waits until each is connected.
    pub(super) async fn set() -> Result<Self, Failure> {
        let first = start(builder()).await?;
        let mut nodes = vec![first];
        while nodes.len() < NODES {
            let builder = builder().bootstrap(nodes[0].addresses()[0].to_string());
            nodes.push(start(builder).await?);
        }
        for node in &nodes {
            in_time("a node to connect", node.wait_connected())
                .await?
                .context("waiting for a node")?;
        }
        Ok(Self { nodes })
    }

    /// Starts a person's node in the network.
    pub(super) async fn join(&self, identity: &Identity) -> Result<Dht, Failure> {
        let builder = builder()
            .identity(identity.clone())
            .bootstrap(self.nodes[0].addresses()[0].to_string());
        let node = start(builder).await?;
        in_time("a node to connect", node.wait_connected())
            .await?
            .context("waiting for a node")?;
        Ok(node)
    }

    /// A node without an owner that is far from `key`, so that it holds nothing of what is there.
    pub(super) fn anyone_far_from(&self, key: &str) -> &Dht {
        let key = InfoHash::from_key(key);
        let distance = |node: &&Dht| node.id().distance(&key);
        self.nodes
            .iter()
            .max_by_key(distance)
            .unwrap_or(&self.nodes[0])
    }

    /// Takes away the `count` nodes that are nearest to `key`.
    pub(super) fn part_nearest(&mut self, key: &str, count: usize) -> Vec<Dht> {
        let key = InfoHash::from_key(key);
        self.nodes.sort_by_key(|node| node.id().distance(&key));
        self.nodes.drain(..count).collect()
    }
}

impl People {
    /// Makes their keys and certificates.
    pub(super) async fn make() -> Result<Self, Failure> {
        let make = |name: &'static str| {
            spawn_blocking(move || {
                Identity::generate(&IdentityParams::new(name, now()).bits(KEY_BITS))
            })
        };
        let (alice, bob, mallory) = tokio::join!(make("alice"), make("bob"), make("mallory"));
        let finish = |made: Result<Result<Identity, _>, _>| {
            made.context("making a key")?.context("making an identity")
        };
        Ok(Self {
            alice: finish(alice)?,
            bob: finish(bob)?,
            mallory: finish(mallory)?,
        })
    }
}

/// How many values of others these nodes have refused to store so far.
pub(super) async fn refusals(nodes: impl Iterator<Item = &Dht>) -> Result<u64, Failure> {
    let mut count = 0;
    for node in nodes {
        let info = node.node_info().await.context("looking at a node")?;
        count += info.stats.refused_puts;
    }
    Ok(count)
}

/// Whether the node stores something under `key`.
pub(super) async fn holds(node: &Dht, key: &str) -> Result<bool, Failure> {
    let stored = node.list_stored().await.context("looking at a node")?;
    let key = InfoHash::from_key(key);
    Ok(stored.iter().any(|stored| stored.key == key))
}

/// Waits for what must come soon.
pub(super) async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> Result<T, Failure> {
    timeout(PATIENCE, work).await.map_err(|_| {
        Failure::new(format!(
            "waited {} s in vain for {what}",
            PATIENCE.as_secs()
        ))
    })
}

/// Fails with `what` unless it is so.
pub(super) fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), Failure> {
    if holds {
        Ok(())
    } else {
        Err(Failure::new(what()))
    }
}

fn builder() -> Builder {
    Dht::builder()
        .network(NETWORK)
        .bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .workers(1)
}

async fn start(builder: Builder) -> Result<Dht, Failure> {
    builder
        .start()
        .await
        .context("cannot start a node on loopback")
}
