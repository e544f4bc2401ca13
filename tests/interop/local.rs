//! Our own nodes, on loopback, and the time-out of all tests.

use std::{net::SocketAddr, time::Duration};

use bulla::{
    Builder, Change, Config, Dht, Identity, InfoHash, Listen, OperationConfig, Put, TypeRules,
    ValueId, ValueType,
    identity::{Certificate, IdentityParams},
    secure::{Checked, KeyName},
};
use tokio::time::{interval, timeout};

use crate::peer::DEADLINE;

/// A node to be: in IPv4, on a port of the system's choice.
pub(crate) fn bulla() -> Builder {
    Dht::builder()
        .bind("127.0.0.1:0".parse().expect("an address"))
        .workers(1)
}

/// A node at which no peer stores anything, so that what it puts or gets has been with others.
pub(crate) fn client() -> Builder {
    bulla().client(true)
}

/// Starts a node that knows no other.
pub(crate) async fn start(builder: Builder) -> Dht {
    builder.start().await.expect("a node starts on loopback")
}

/// Starts a node from another one, and waits until it has reached it.
pub(crate) async fn join(builder: Builder, peer: SocketAddr) -> Dht {
    let handle = start(builder.bootstrap(peer.to_string())).await;
    in_time("a first good node", handle.wait_connected())
        .await
        .expect("the node runs");
    handle
}

/// Eight nodes nearer to a key than any other ever is: they alone store what is put there, and
/// answer for it.
pub(crate) async fn crowd(config: &Config, key: &str) -> Vec<Dht> {
    let mut crowd: Vec<Dht> = Vec::new();
    for number in 0..8 {
        let id = (0..3).fold(InfoHash::from_key(key), |id, bit| {
            id.with_bit(157 + bit, number >> bit & 1 == 1)
        });
        let builder = bulla().config(Config {
            id: Some(id),
            ..config.clone()
        });
        let handle = match crowd.first() {
            Some(first) => join(builder, address(first)).await,
            None => start(builder).await,
        };
        crowd.push(handle);
    }
    for node in &crowd {
        eventually("all of the crowd known to each", async || {
            let info = node.node_info().await.expect("the node runs");
            info.stats.families.v4.contacts.good >= crowd.len() - 1
        })
        .await;
    }
    crowd
}

/// A configuration in which values of a type live for some seconds, and permanent puts are repeated
/// as soon as one has passed.
pub(crate) fn brief(value_type: ValueType, seconds: u64) -> Config {
    let mut config = Config {
        operations: OperationConfig {
            announce_margin: Duration::from_secs(seconds - 1),
            ..OperationConfig::default()
        },
        ..Config::default()
    };
    let rules = TypeRules {
        lifetime: Duration::from_secs(seconds),
        ..config.value_types.rules(value_type)
    };
    config.value_types.register(value_type, rules);
    config
}

/// Where a node can be reached.
pub(crate) fn address(handle: &Dht) -> SocketAddr {
    handle.addresses()[0]
}

/// A new identity, valid from the start of 2025 for ten years.
pub(crate) fn identity(name: &str) -> Identity {
    const START: u64 = 1_735_689_600;
    Identity::generate(&IdentityParams::new(name, START).bits(2048)).expect("a key can be made")
}

/// Waits until a certificate can be found: a node publishes its own when it has reached the
/// network, not before.
pub(crate) async fn certificate_of(reader: &Dht, name: impl Into<KeyName>) -> Certificate {
    let name = name.into();
    let search = async || {
        let found = in_time("a search", reader.find_certificate(name)).await;
        found.expect("the node runs")
    };
    in_time("a certificate", async {
        let mut tries = interval(Duration::from_millis(50));
        loop {
            tries.tick().await;
            if let Some(certificate) = search().await {
                return certificate;
            }
        }
    })
    .await
}

/// Puts a value, which at least one node must acknowledge.
pub(crate) async fn acknowledged(put: Put) -> ValueId {
    let placed = in_time("a put", put).await.expect("the node takes it");
    assert!(placed.report.acknowledged > 0, "{placed:?}");
    placed.id
}

/// All values under a key, by id.
pub(crate) async fn get(handle: &Dht, key: &str) -> Vec<Checked> {
    let mut values = in_time("a get", handle.get_all(key))
        .await
        .expect("the node runs");
    values.sort_by_key(Checked::id);
    values
}

/// The next thing that a listen hears of.
pub(crate) async fn next(listen: &mut Listen) -> Change {
    in_time("a change", listen.next())
        .await
        .expect("the node runs")
}

/// The result of work that must come to an end.
pub(crate) async fn in_time<T>(what: &str, work: impl IntoFuture<Output = T>) -> T {
    timeout(DEADLINE, work)
        .await
        .unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// Waits until something holds.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    in_time(what, async {
        let mut tries = interval(Duration::from_millis(50));
        while !holds().await {
            tries.tick().await;
        }
    })
    .await;
}
