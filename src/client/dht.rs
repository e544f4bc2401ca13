//! [`Dht`]: what an application holds of its node.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bulla_identity::{Certificate, LongKeyId, PublicKey};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot, watch};

use super::error::{Closed, GetError};
use super::get::{Get, Listen};
use super::put::{Content, Put};
use super::status::Connectivity;
use super::typed::{from_data, to_draft};
use crate::net::SocketErrors;
use crate::node::{OpError, OpId, Stats};
use crate::runner::driver::{Command, Driver};
use crate::runner::pending::{Reply, Sink};
use crate::runner::state::StateError;
use crate::secure::{Checked, KeyName, Recipient, SecureDht, SecureStats};
use crate::{Draft, Query, Row, Value, ValueId};
use crate::{InfoHash, Timestamp};

/// How long [`Dht::shutdown`] waits for running puts.
const PUT_TIMEOUT: Duration = Duration::from_secs(5);

/// A running node. Clones are handles on the same node, which runs for as long as there is a handle, a stream or a
/// put of it; when the last is gone, it saves its state and ends.
///
/// Keys are hashes, or texts: 40 hexadecimal digits are a hash, any other text is hashed. Every method can be called
/// from any task. One that is not awaited to its end leaves nothing behind but puts, which go on.
#[derive(Clone, Debug)]
pub struct Dht {
    commands: mpsc::Sender<Command>,
    cancels: mpsc::UnboundedSender<OpId>,
    facts: Arc<Facts>,
}

/// What does not change while a node runs.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) id: InfoHash,
    pub(crate) identity: Option<LongKeyId>,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) backlog_bytes: usize,
    pub(crate) status: watch::Receiver<Connectivity>,
}

/// A node at a moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeInfo {
    /// The node's id.
    pub id: InfoHash,
    /// The id of the key it signs with.
    pub identity: Option<LongKeyId>,
    /// The addresses its sockets are bound to.
    pub addresses: Vec<SocketAddr>,
    /// The addresses that others see it at, the most often seen first.
    pub public_addresses: Vec<IpAddr>,
    /// What the node counts.
    pub stats: Stats,
    /// What the secure layer counts.
    pub secure: SecureStats,
    /// What has gone wrong on the sockets.
    pub socket_errors: SocketErrors,
}

/// Values under a key.
impl Dht {
    /// Finds the values under `key`.
    ///
    /// ```no_run
    /// # async fn example(dht: bulla::Dht) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut values = dht.get("greeting");
    /// while let Some(value) = values.next().await {
    ///     println!("{} from {:?}", value.text()?, value.signer());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn get(&self, key: impl Into<InfoHash>) -> Get {
        self.get_where(key, Query::default())
    }

    /// Finds the values under `key` that meet the conditions of `query`. Whole ones: for fields there is
    /// [`Dht::query`].
    pub fn get_where(&self, key: impl Into<InfoHash>, query: Query) -> Get {
        Get::new(self.clone(), key.into(), query)
    }

    /// Finds all values under `key`.
    ///
    /// # Errors
    ///
    /// [`GetError`] if the node refuses it, or is shut down before the end.
    pub async fn get_all(&self, key: impl Into<InfoHash>) -> Result<Vec<Checked>, GetError> {
        self.get(key).all().await
    }

    /// Finds the values under `key` whose payload is msgpack of a `T`; others are passed over. For
    /// their stream, use [`from_data`] on that of [`Dht::get`].
    ///
    /// # Errors
    ///
    /// As [`Dht::get_all`].
    pub async fn get_typed<T: DeserializeOwned>(
        &self,
        key: impl Into<InfoHash>,
    ) -> Result<Vec<(T, Checked)>, GetError> {
        let values = self.get_all(key).await?.into_iter();
        Ok(values
            .filter_map(|value| Some((from_data(value.data()).ok()?, value)))
            .collect())
    }

    /// Hears of what happens to the values under `key`.
    pub fn listen(&self, key: impl Into<InfoHash>) -> Listen {
        self.listen_where(key, Query::default())
    }

    /// Hears of what happens to the values under `key` that meet the conditions of `query`.
    pub fn listen_where(&self, key: impl Into<InfoHash>, query: Query) -> Listen {
        Listen::new(self.clone(), key.into(), query)
    }

    /// Finds the selected fields of the values under `key` that meet the conditions of `query`; at most 65,536 rows.
    /// Nobody vouches for what they say.
    ///
    /// # Errors
    ///
    /// [`GetError`] if the node refuses it, or is shut down before the end.
    pub async fn query(
        &self,
        key: impl Into<InfoHash>,
        query: Query,
    ) -> Result<Vec<Row>, GetError> {
        let key = key.into();
        self.ask(
            move |dht, now| dht.query(now, key, query),
            |reply| Sink::Rows(Vec::new(), reply),
        )
        .await
    }

    /// Puts a value as it is: readable by all, vouched for by nobody.
    pub fn put(&self, key: impl Into<InfoHash>, draft: impl Into<Draft>) -> Put {
        self.put_content(key, Content::Clear(draft.into()))
    }

    /// Puts a value as [`Dht::put`], and announces it again before it expires, for as long as the node runs.
    pub fn put_permanent(&self, key: impl Into<InfoHash>, draft: impl Into<Draft>) -> Put {
        self.put(key, draft).permanent()
    }

    /// Signs a value and puts it. With the id of a value of ours under that key it replaces that value.
    ///
    /// ```no_run
    /// # async fn example(dht: bulla::Dht) -> Result<(), Box<dyn std::error::Error>> {
    /// use bulla::ValueId;
    ///
    /// dht.put_signed("greeting", "hello").id(ValueId(1)).permanent().await?;
    /// dht.put_signed("greeting", "hello again").id(ValueId(1)).permanent().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn put_signed(&self, key: impl Into<InfoHash>, draft: impl Into<Draft>) -> Put {
        self.put_content(key, Content::Signed(draft.into()))
    }

    /// Signs a value, encrypts it for one recipient, and puts it. A recipient that is named by a key id has its
    /// certificate searched for.
    pub fn put_encrypted(
        &self,
        key: impl Into<InfoHash>,
        to: impl Into<Recipient>,
        draft: impl Into<Draft>,
    ) -> Put {
        self.put_encrypted_to_many(key, [to], draft)
    }

    /// Signs a value, encrypts it for up to 64 recipients, and puts it, once: read by bulla alone, and each reader sees who
    /// the others are. What users of OpenDHT are to read is put with [`Put::compatible`].
    ///
    /// ```no_run
    /// # async fn example(
    /// #     dht: bulla::Dht,
    /// #     bob: bulla::identity::LongKeyId,
    /// #     carol: bulla::identity::LongKeyId,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// dht.put_encrypted_to_many("room", [bob, carol], "for both of you").await?;
    /// let placed = dht.put_encrypted_to_many("room", [bob, carol], "a copy each").compatible().await;
    /// assert_eq!(placed.len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn put_encrypted_to_many(
        &self,
        key: impl Into<InfoHash>,
        to: impl IntoIterator<Item = impl Into<Recipient>>,
        draft: impl Into<Draft>,
    ) -> Put {
        let to = to.into_iter().map(Into::into).collect();
        self.put_content(key, Content::Encrypted(to, draft.into()))
    }

    /// Puts msgpack of `value`, readable by all. To sign or encrypt it, make a draft with [`to_draft`].
    pub fn put_typed<T: Serialize + ?Sized>(&self, key: impl Into<InfoHash>, value: &T) -> Put {
        let content = to_draft(value).map(Content::Clear);
        Put::new(self.clone(), key.into(), content)
    }

    /// Puts a value that is packed already, by whomever.
    pub fn put_value(&self, key: impl Into<InfoHash>, value: Value) -> Put {
        self.put_content(key, Content::Packed(value))
    }

    /// Stops announcing a value and deletes the copy here; whether there was anything to stop. Copies elsewhere stay
    /// until they expire. Puts of it that run end with [`PutError::Cancelled`](crate::secure::PutError::Cancelled).
    ///
    /// # Errors
    ///
    /// [`Closed`] if the node has been shut down.
    pub async fn cancel_put(&self, key: impl Into<InfoHash>, id: ValueId) -> Result<bool, Closed> {
        let key = key.into();
        self.visit(move |driver| {
            driver.waiting.cancel_puts((key, id));
            driver.dht.cancel_put(driver.now(), key, id)
        })
        .await
    }

    fn put_content(&self, key: impl Into<InfoHash>, content: Content) -> Put {
        Put::new(self.clone(), key.into(), Ok(content))
    }
}

/// Certificates and keys of others.
impl Dht {
    /// Finds a certificate by the id of its key: the own one, one at hand, in the application's store, or in the DHT.
    ///
    /// That its key has this id is certain; its signature and dates are not looked at.
    ///
    /// # Errors
    ///
    /// [`GetError`] if the node refuses the search, or is shut down before its end.
    pub async fn find_certificate(
        &self,
        name: impl Into<KeyName>,
    ) -> Result<Option<Certificate>, GetError> {
        let name = name.into();
        self.ask(
            move |dht, now| dht.find_certificate(now, name),
            Sink::Certificate,
        )
        .await
    }

    /// Finds a public key by its id, as [`Dht::find_certificate`] does a certificate.
    ///
    /// # Errors
    ///
    /// As [`Dht::find_certificate`].
    pub async fn find_public_key(
        &self,
        name: impl Into<KeyName>,
    ) -> Result<Option<PublicKey>, GetError> {
        let name = name.into();
        self.ask(
            move |dht, now| dht.find_public_key(now, name),
            Sink::PublicKey,
        )
        .await
    }

    /// Remembers a certificate, so that it need not be searched for.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the node has been shut down.
    pub async fn register_certificate(&self, certificate: Certificate) -> Result<(), Closed> {
        self.visit(move |driver| driver.dht.register_certificate(&certificate))
            .await
    }
}

/// The node itself.
impl Dht {
    /// The node's id.
    pub fn id(&self) -> InfoHash {
        self.facts.id
    }

    /// The id of the key that the node signs with.
    pub fn identity(&self) -> Option<LongKeyId> {
        self.facts.identity
    }

    /// The addresses that the node's sockets are bound to, IPv4 first.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.facts.addresses
    }

    /// The addresses that others see the node at, the most often seen first.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the node has been shut down.
    pub async fn public_addresses(&self) -> Result<Vec<IpAddr>, Closed> {
        self.visit(|driver| driver.dht.node().public_addresses())
            .await
    }

    /// Ids, addresses and figures of this moment.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the node has been shut down.
    pub async fn node_info(&self) -> Result<NodeInfo, Closed> {
        let facts = Arc::clone(&self.facts);
        self.visit(move |driver| NodeInfo {
            id: facts.id,
            identity: facts.identity,
            addresses: facts.addresses.clone(),
            public_addresses: driver.dht.node().public_addresses(),
            stats: driver.dht.node().stats(driver.now()),
            secure: driver.dht.stats(),
            socket_errors: driver.socket_errors(),
        })
        .await
    }

    /// The routing tables, as text for people.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the node has been shut down.
    pub async fn dump_routing(&self) -> Result<String, Closed> {
        self.visit(|driver| driver.dht.node().dump_routing(driver.now()))
            .await
    }

    /// What is stored, as text for people.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the node has been shut down.
    pub async fn dump_storage(&self) -> Result<String, Closed> {
        self.visit(|driver| driver.dht.node().dump_storage(driver.now()))
            .await
    }

    /// The lookups, as text for people; only those of `key` if one is given.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the node has been shut down.
    pub async fn dump_lookups(&self, key: Option<InfoHash>) -> Result<String, Closed> {
        self.visit(move |driver| driver.dht.node().dump_lookups(key))
            .await
    }

    /// Ends the node: waits up to five seconds for running puts, saves the state, closes the sockets and lets the threads
    /// end, each after the job at hand. What other handles do then fails with [`Closed`]. A node that is shut down already
    /// is none the worse.
    ///
    /// # Errors
    ///
    /// [`StateError`] if the state could not be saved; the node has ended all the same.
    pub async fn shutdown(&self) -> Result<(), StateError> {
        self.shutdown_within(PUT_TIMEOUT).await
    }

    /// As [`Dht::shutdown`], with as much time for running puts.
    ///
    /// # Errors
    ///
    /// As [`Dht::shutdown`].
    pub async fn shutdown_within(&self, timeout: Duration) -> Result<(), StateError> {
        let (asker, answer) = oneshot::channel();
        let stop = Command::Stop(timeout, asker);
        // A node that is gone cannot fail to save its state any more.
        if self.commands.send(stop).await.is_err() {
            return Ok(());
        }
        answer.await.unwrap_or(Ok(()))
    }
}

impl Dht {
    pub(crate) fn new(
        commands: mpsc::Sender<Command>,
        cancels: mpsc::UnboundedSender<OpId>,
        facts: Facts,
    ) -> Self {
        Self {
            commands,
            cancels,
            facts: Arc::new(facts),
        }
    }

    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Has something done in the loop.
    pub(crate) async fn tell(
        &self,
        work: impl FnOnce(&mut Driver) + Send + 'static,
    ) -> Result<(), Closed> {
        let command = Command::Do(Box::new(work));
        self.commands.send(command).await.map_err(|_| Closed)
    }

    /// Cancels an operation that nobody waits for any more.
    pub(crate) fn cancel(&self, op: OpId) {
        // A node that is gone has no operations.
        let _ = self.cancels.send(op);
    }

    /// Has something done in the loop, and waits for its result.
    pub(crate) async fn visit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Driver) -> T + Send + 'static,
    ) -> Result<T, Closed> {
        let (reply, answer) = oneshot::channel();
        self.tell(move |driver| drop(reply.send(work(driver))))
            .await?;
        answer.await.map_err(|_| Closed)
    }

    /// Starts an operation, and waits for its end.
    async fn ask<T: Send + 'static>(
        &self,
        start: impl FnOnce(&mut SecureDht, Timestamp) -> Result<OpId, OpError> + Send + 'static,
        sink: impl FnOnce(Reply<T, GetError>) -> Sink + Send + 'static,
    ) -> Result<T, GetError> {
        let (reply, answer) = oneshot::channel();
        self.tell(move |driver| {
            let now = driver.now();
            match start(&mut driver.dht, now) {
                Ok(op) => driver.waiting.add(op, sink(reply)),
                Err(error) => drop(reply.send(Err(error.into()))),
            }
        })
        .await?;
        answer.await.map_err(|_| Closed)?
    }
}
