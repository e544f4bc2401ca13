//! [`Dht`]: what an application holds of its node.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bulla_identity::{Certificate, LongKeyId, PublicKey};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::command::{Command, PutValue};
use super::error::{Closed, GetError, StateError};
use super::get::Get;
use super::link::Link;
use super::listen::Listen;
use super::put::Put;
use super::status::{NodeInfo, StatusWatch};
use super::typed::{from_data, to_draft};
use crate::node::{Listed, LookupSnapshot, StoredKey};
use crate::secure::{Checked, KeyName, Recipient};
use crate::{Draft, InfoHash, Query, Row, Value, ValueId};

/// How long [`Dht::shutdown`] waits for running puts and what is handed over.
const PUT_TIMEOUT: Duration = Duration::from_secs(5);

/// A running node. Clones are handles on the same node, which runs for as long as there is a
/// handle, a stream or a put of it; when the last is gone, it saves its state and ends.
///
/// Keys are hashes, or texts: 40 hexadecimal digits are a hash, any other text is hashed. Every
/// method can be called from any task. One that is not awaited to its end leaves nothing behind but
/// puts, which go on.
#[derive(Clone, Debug)]
pub struct Dht {
    pub(super) link: Link,
    pub(super) fixed: Arc<Static>,
}

/// What does not change while a node runs.
#[derive(Debug)]
pub(crate) struct Static {
    pub(crate) id: InfoHash,
    pub(crate) identity: Option<LongKeyId>,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) backlog_bytes: usize,
    pub(crate) status: StatusWatch,
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

    /// Finds the values under `key` that meet the conditions of `query`. Whole ones: for fields
    /// there is [`Dht::query`].
    pub fn get_where(&self, key: impl Into<InfoHash>, query: Query) -> Get {
        let (link, limit) = (self.link.clone(), self.fixed.backlog_bytes);
        Get::new(link, limit, key.into(), query)
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

    /// Reports what happens to the values under `key`.
    pub fn listen(&self, key: impl Into<InfoHash>) -> Listen {
        self.listen_where(key, Query::default())
    }

    /// Reports what happens to the values under `key` that meet the conditions of `query`.
    pub fn listen_where(&self, key: impl Into<InfoHash>, query: Query) -> Listen {
        let (link, limit) = (self.link.clone(), self.fixed.backlog_bytes);
        Listen::new(link, limit, key.into(), query)
    }

    /// Finds the selected fields of the values under `key` that meet the conditions of `query`; at
    /// most 65,536 rows. What they say is not checked.
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
        let query = |reply| Command::Query { key, query, reply };
        self.link.call(query).await?
    }

    /// Puts a value as it is: readable by all, and signed by none.
    pub fn put(&self, key: impl Into<InfoHash>, draft: impl Into<Draft>) -> Put {
        self.put_as(key, PutValue::Clear(draft.into()))
    }

    /// Puts a value as [`Dht::put`] does, and announces it again before it expires, for as long as
    /// the node runs.
    pub fn put_permanent(&self, key: impl Into<InfoHash>, draft: impl Into<Draft>) -> Put {
        self.put(key, draft).permanent()
    }

    /// Signs a value and puts it. With the id of a value of ours under that key it replaces that
    /// value.
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
        self.put_as(key, PutValue::Signed(draft.into()))
    }

    /// Signs a value, encrypts it for one recipient, and puts it. A recipient that is named by a
    /// key id has its certificate searched for.
    pub fn put_encrypted(
        &self,
        key: impl Into<InfoHash>,
        to: impl Into<Recipient>,
        draft: impl Into<Draft>,
    ) -> Put {
        self.put_encrypted_to_many(key, [to], draft)
    }

    /// Signs a value, encrypts it for up to 64 recipients, and puts it, once: read by bulla alone,
    /// and each recipient sees the others' keys. What users of OpenDHT are to read is put with
    /// [`Put::compatible`].
    ///
    /// ```no_run
    /// # async fn example(
    /// #     dht: bulla::Dht,
    /// #     bob: bulla::identity::LongKeyId,
    /// #     carol: bulla::identity::LongKeyId,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// dht.put_encrypted_to_many("room", [bob, carol], "for both of you").await?;
    /// let copies = dht.put_encrypted_to_many("room", [bob, carol], "a copy each");
    /// assert_eq!(copies.compatible().await.len(), 2);
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
        self.put_as(key, PutValue::Encrypted(to, draft.into()))
    }

    /// Puts msgpack of `value`, readable by all. To sign or encrypt it, make a draft with
    /// [`to_draft`].
    pub fn put_typed<T: Serialize + ?Sized>(&self, key: impl Into<InfoHash>, value: &T) -> Put {
        let value = to_draft(value).map(PutValue::Clear);
        Put::new(self.link.clone(), key.into(), value)
    }

    /// Puts a packed value as it is.
    pub fn put_value(&self, key: impl Into<InfoHash>, value: Value) -> Put {
        self.put_as(key, PutValue::Packed(value))
    }

    /// Stops announcing a value and deletes the copy here; returns whether there was anything to
    /// stop. Copies elsewhere stay until they expire. Puts of it that run end with
    /// [`PutError::Cancelled`](super::PutError::Cancelled).
    ///
    /// # Errors
    ///
    /// [`Closed`] if the node has been shut down.
    pub async fn cancel_put(&self, key: impl Into<InfoHash>, id: ValueId) -> Result<bool, Closed> {
        let key = key.into();
        let cancel = |reply| Command::CancelPut { key, id, reply };
        self.link.call(cancel).await
    }

    fn put_as(&self, key: impl Into<InfoHash>, value: PutValue) -> Put {
        Put::new(self.link.clone(), key.into(), Ok(value))
    }
}

/// Certificates and keys of others.
impl Dht {
    /// Finds a certificate by the id of its key: the node's own, one at hand, in the application's
    /// store, or in the DHT.
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
        let find = |reply| Command::FindCertificate { name, reply };
        self.link.call(find).await?
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
        let find = |reply| Command::FindPublicKey { name, reply };
        self.link.call(find).await?
    }

    /// Remembers a certificate, so that it need not be searched for.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the node has been shut down.
    pub async fn register_certificate(&self, certificate: Certificate) -> Result<(), Closed> {
        let register = |reply| Command::RegisterCertificate { certificate, reply };
        self.link.call(register).await
    }
}

/// The node itself.
impl Dht {
    pub(crate) fn new(link: Link, fixed: Static) -> Self {
        let fixed = Arc::new(fixed);
        Self { link, fixed }
    }

    /// Returns the node's id.
    pub fn id(&self) -> InfoHash {
        self.fixed.id
    }

    /// Returns the id of the key that the node signs with.
    pub fn identity(&self) -> Option<LongKeyId> {
        self.fixed.identity
    }

    /// Returns the addresses that the node's sockets are bound to, IPv4 first.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.fixed.addresses
    }

    /// Returns the addresses that others see the node at, the most often seen first.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the node has been shut down.
    pub async fn public_addresses(&self) -> Result<Vec<IpAddr>, Closed> {
        Ok(self.node_info().await?.public_addresses)
    }

    /// Returns ids, addresses and figures of this moment.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the node has been shut down.
    pub async fn node_info(&self) -> Result<NodeInfo, Closed> {
        self.link.call(|reply| Command::Info { reply }).await
    }

    /// Returns the contacts in the routing tables, in the order of the buckets' ranges, IPv4 first.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the node has been shut down.
    pub async fn list_contacts(&self) -> Result<Vec<Listed>, Closed> {
        self.link
            .call(|reply| Command::ListContacts { reply })
            .await
    }

    /// Returns what is stored, in the order of keys and ids.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the node has been shut down.
    pub async fn list_stored(&self) -> Result<Vec<StoredKey>, Closed> {
        self.link.call(|reply| Command::ListStored { reply }).await
    }

    /// Returns the lookups, IPv4 first; only those of `key` if one is given.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the node has been shut down.
    pub async fn list_lookups(&self, key: Option<InfoHash>) -> Result<Vec<LookupSnapshot>, Closed> {
        let list = |reply| Command::ListLookups { key, reply };
        self.link.call(list).await
    }

    /// Ends the node: waits up to five seconds for running puts, gives what it stores for others to
    /// the nodes that lack it, for two seconds at most, saves the state, closes the sockets and
    /// lets the threads end, each after the job at hand. What other handles do then fails with
    /// [`Closed`]. To shut down a node again does nothing.
    ///
    /// A client stores nothing for others;
    /// [`HandOverConfig::on_leave`](crate::HandOverConfig::on_leave) turns it off for other nodes.
    /// A node whose handles are dropped ends at once.
    ///
    /// # Errors
    ///
    /// [`StateError`] if the state could not be saved; the node has ended all the same.
    pub async fn shutdown(&self) -> Result<(), StateError> {
        self.shutdown_within(PUT_TIMEOUT).await
    }

    /// Ends the node as [`Dht::shutdown`] does, with this much time for running puts and what is
    /// handed over.
    ///
    /// # Errors
    ///
    /// As [`Dht::shutdown`].
    pub async fn shutdown_within(&self, timeout: Duration) -> Result<(), StateError> {
        let shutdown = |reply| Command::Shutdown { timeout, reply };
        // A node that has ended cannot fail to save its state any more.
        self.link.call(shutdown).await.unwrap_or(Ok(()))
    }
}
