//! A foreign node: OpenDHT in a process of its own, driven through `peer.py`.
//!
//! Every call waits at most [`DEADLINE`] and panics if the node cannot do it, with the node's
//! version and its own words.

use std::{net::SocketAddr, time::Duration};

use bulla::secure::KeyName;
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::{Value as Json, json};
use tokio::{
    sync::mpsc,
    time::{interval, timeout},
};

use crate::{environment::Release, pipe::Pipe};

/// Longer than anything here should ever take, on a busy machine too.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// How a node is started. The default has no identity, knows no other node and is in network 0.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    network: u32,
    identity: Option<&'static str>,
    bootstrap: Option<SocketAddr>,
    lifetimes: &'static [(u16, u64)],
}

impl Options {
    /// Nodes of other networks are not heard.
    pub(crate) fn network(self, network: u32) -> Self {
        Self { network, ..self }
    }

    /// Makes an RSA-2048 identity of this name, whose certificate the node publishes. None can be
    /// loaded: the bindings have no call for it.
    pub(crate) fn identity(self, name: &'static str) -> Self {
        Self {
            identity: Some(name),
            ..self
        }
    }

    /// A node to start from.
    pub(crate) fn bootstrap(self, address: SocketAddr) -> Self {
        Self {
            bootstrap: Some(address),
            ..self
        }
    }

    /// Value types by number, with lifetimes in seconds; known ones can be changed.
    pub(crate) fn lifetimes(self, lifetimes: &'static [(u16, u64)]) -> Self {
        Self { lifetimes, ..self }
    }
}

/// The ids of a public key, hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct KeyIds {
    /// SHA-1 of the public key.
    pub(crate) id: String,
    /// SHA-256 of the public key; 2.4.12 does not tell.
    pub(crate) long_id: Option<String>,
}

impl KeyIds {
    /// The id under which its release publishes certificates.
    pub(crate) fn name(&self) -> KeyName {
        match &self.long_id {
            Some(long) => KeyName::Long(long.parse().expect("64 digits")),
            None => KeyName::Short(self.id.parse().expect("40 digits")),
        }
    }
}

/// A value to put.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Put<'a> {
    value_id: u64,
    data: &'a [u8],
    user_type: &'a str,
    permanent: bool,
}

impl<'a> Put<'a> {
    /// A value of no user type, put once. An id of 0 lets the node choose one.
    pub(crate) fn new(value_id: u64, data: &'a [u8]) -> Self {
        Self {
            value_id,
            data,
            user_type: "",
            permanent: false,
        }
    }

    pub(crate) fn user_type(self, user_type: &'a str) -> Self {
        Self { user_type, ..self }
    }

    /// Announced until [`OpenDht::cancel_put`]. Not with 2.4.12: see [`crate::dhtnode`].
    pub(crate) fn permanent(self) -> Self {
        Self {
            permanent: true,
            ..self
        }
    }

    fn command(&self, key: &str) -> Json {
        json!({
            "key": key,
            "value_id": self.value_id,
            "data": hex::encode(self.data),
            "user_type": self.user_type,
            "permanent": self.permanent,
        })
    }
}

/// A value as the node shows it. It tells no value type.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Found {
    pub(crate) id: u64,
    #[serde(deserialize_with = "hexadecimal")]
    pub(crate) data: Vec<u8>,
    pub(crate) user_type: String,
    /// The sequence number of a signed value whose signature the node has verified; otherwise none.
    pub(crate) seq: Option<u16>,
    /// The signer.
    pub(crate) owner: Option<KeyIds>,
    /// It came encrypted, for this node.
    pub(crate) decrypted: bool,
    /// The short key id of the one it was encrypted for.
    pub(crate) recipient: Option<String>,
}

/// What a listener is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// The value is gone; otherwise it is new.
    pub(crate) expired: bool,
    pub(crate) value: Found,
}

/// What a node is known by.
#[derive(Debug, Deserialize)]
pub(crate) struct Node {
    /// As the binding tells it: the release that really runs.
    pub(crate) version: String,
    /// Hexadecimal.
    pub(crate) id: String,
    /// On 127.0.0.1.
    pub(crate) address: SocketAddr,
    /// On `::1`.
    pub(crate) address6: SocketAddr,
    /// Of its identity, if it has one.
    pub(crate) key: Option<KeyIds>,
    /// Of its identity, in PEM.
    pub(crate) certificate: Option<String>,
}

#[derive(Deserialize)]
struct Retrieved {
    reached: bool,
    values: Vec<Found>,
    nodes: Vec<String>,
}

/// A running OpenDHT node. It is killed when dropped.
pub(crate) struct OpenDht {
    pub(crate) node: Node,
    pipe: Pipe,
}

impl OpenDht {
    /// Starts a node and, if it is to start from another one, waits until it has reached it.
    pub(crate) async fn spawn(release: Release, options: Options) -> Self {
        let pipe = Pipe::open(release);
        let command = json!({
            "network": options.network,
            "identity": options.identity,
            "port": 0,
            "lifetimes": options.lifetimes,
        });
        let node: Node = pipe.ask("start", command).await;
        assert_eq!(
            node.version,
            release.version(),
            "another release is installed"
        );
        let peer = Self { node, pipe };
        if let Some(address) = options.bootstrap {
            peer.bootstrap(address).await;
        }
        peer
    }

    /// The ids of its identity.
    pub(crate) fn key(&self) -> &KeyIds {
        self.node
            .key
            .as_ref()
            .expect("the node was started with an identity")
    }

    /// Makes the node known to another one and waits until it has reached the network.
    pub(crate) async fn bootstrap(&self, address: SocketAddr) {
        let command = json!({ "host": address.ip(), "port": address.port() });
        self.pipe.ask::<()>("bootstrap", command).await;
        let reached = async {
            let mut tries = interval(Duration::from_millis(50));
            while !self.retrieve(&self.node.id, "").await.reached {
                tries.tick().await;
            }
        };
        timeout(DEADLINE, reached)
            .await
            .expect("no node was reached in time");
    }

    /// Puts a value; whether the nodes asked have acknowledged it.
    pub(crate) async fn put(&self, key: &str, put: Put<'_>) -> bool {
        self.pipe.ask("put", put.command(key)).await
    }

    /// Signs and puts a value. Not with 2.4.12: see [`crate::dhtnode`].
    pub(crate) async fn put_signed(&self, key: &str, put: Put<'_>) -> bool {
        self.pipe.ask("put_signed", put.command(key)).await
    }

    /// Encrypts a value for the owner of a *long* key id, whose certificate the node finds first,
    /// and puts it. Not with 2.4.12: see [`crate::dhtnode`].
    pub(crate) async fn put_encrypted(&self, key: &str, to: &str, put: Put<'_>) -> bool {
        let mut command = put.command(key);
        command["to"] = to.into();
        self.pipe.ask("put_encrypted", command).await
    }

    /// Ends a permanent put and removes the value from this node.
    pub(crate) async fn cancel_put(&self, key: &str, value_id: u64) {
        self.pipe
            .ask::<()>("cancel_put", json!({ "key": key, "value_id": value_id }))
            .await;
    }

    /// Gets the values under a key that pass the node's checks, sorted by id.
    pub(crate) async fn get(&self, key: &str) -> Vec<Found> {
        self.get_where(key, "").await
    }

    /// Gets those values that meet a condition in OpenDHT's text form, such as `WHERE id=5`.
    pub(crate) async fn get_where(&self, key: &str, condition: &str) -> Vec<Found> {
        let mut values = self.retrieve(key, condition).await.values;
        values.sort_by_key(|value| value.id);
        values
    }

    /// The ids, hexadecimal, of the nodes that a get has found near a key.
    pub(crate) async fn nodes_near(&self, key: &str) -> Vec<String> {
        self.retrieve(key, "").await.nodes
    }

    /// Listens for changes under a key.
    pub(crate) async fn listen(&self, key: &str) -> Listener<'_> {
        let (id, changes) = self.pipe.listen(json!({ "key": key })).await;
        Listener {
            pipe: &self.pipe,
            id,
            changes,
        }
    }

    /// Whether a trust list with an authority accepts a chain, both in PEM. The bindings tell no
    /// reason, and read no revocation list.
    pub(crate) async fn trusts(&self, authority: &str, chain: &str) -> bool {
        let command = json!({ "authority": authority, "chain": chain });
        self.pipe.ask("trusts", command).await
    }

    /// Makes authorities one below the other and a leaf, with keys of these types: `RSA` or `EC`.
    /// Returns the leaf's chain in PEM.
    pub(crate) async fn make_chain(&self, kinds: &[&str]) -> String {
        self.pipe.ask("make_chain", json!({ "kinds": kinds })).await
    }

    /// Encrypts with a password; the binding of 2.4.12 cannot.
    pub(crate) async fn seal(&self, password: &str, data: &[u8]) -> Vec<u8> {
        let command = json!({ "password": password, "data": hex::encode(data) });
        let sealed: String = self.pipe.ask("seal", command).await;
        hex::decode(sealed).expect("hex")
    }

    /// Decrypts with a password; `None` if it is the wrong one.
    pub(crate) async fn open(&self, password: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let command = json!({ "password": password, "data": hex::encode(sealed) });
        let data: Option<String> = self.pipe.ask("open", command).await;
        data.map(|data| hex::decode(data).expect("hex"))
    }

    async fn retrieve(&self, key: &str, condition: &str) -> Retrieved {
        self.pipe
            .ask("get", json!({ "key": key, "where": condition }))
            .await
    }
}

/// A running listen operation.
pub(crate) struct Listener<'a> {
    pipe: &'a Pipe,
    id: u64,
    changes: mpsc::UnboundedReceiver<Change>,
}

impl Listener<'_> {
    /// The next change.
    pub(crate) async fn next(&mut self) -> Change {
        let change = timeout(DEADLINE, self.changes.recv())
            .await
            .expect("the listener was told nothing in time");
        change.expect("the node ended")
    }

    /// Ends it; what the node had told before can still be had.
    pub(crate) async fn cancel(mut self) -> Vec<Change> {
        self.pipe.cancel_listen(self.id).await;
        let mut untold = Vec::new();
        while let Some(change) = self.changes.recv().await {
            untold.push(change);
        }
        untold
    }
}

fn hexadecimal<'de, D: Deserializer<'de>>(text: D) -> Result<Vec<u8>, D::Error> {
    hex::decode(String::deserialize(text)?).map_err(Error::custom)
}
