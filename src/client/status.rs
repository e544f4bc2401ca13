//! What a [`Dht`] does with the network around its node: first contacts, exports and imports, status.

use std::net::SocketAddr;

use tokio::sync::watch;

use super::dht::Dht;
use super::error::{BootstrapError, Closed, ImportError};
use crate::net::HostPort;
use crate::node::Status;
use crate::runner::clock::unix_now;
use crate::wire::snapshot;
use crate::{Contact, Family};

/// How well a node is connected.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Connectivity {
    /// In IPv4.
    pub v4: Status,
    /// In IPv6.
    pub v6: Status,
}

/// The network.
impl Dht {
    /// Finds the addresses of a peer, `host` or `host:port`, and makes contact. The name is looked up again for as long
    /// as the node is not connected.
    ///
    /// # Errors
    ///
    /// [`BootstrapError`] if the name is none, or has no address.
    pub async fn bootstrap(&self, peer: &str) -> Result<(), BootstrapError> {
        let name: HostPort = peer.parse()?;
        let addresses = name.resolve().await?;
        self.visit(move |driver| driver.names.insert(name)).await?;
        Ok(self.bootstrap_addrs(&addresses).await?)
    }

    /// Makes contact with these addresses, and again in rounds of growing distance for as long as the node is not
    /// connected.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the node has been shut down.
    pub async fn bootstrap_addrs(&self, addresses: &[SocketAddr]) -> Result<(), Closed> {
        let addresses = addresses.to_vec();
        self.visit(move |driver| driver.bootstrap(&addresses)).await
    }

    /// Takes in contacts that may be nodes, and pings a few of them.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the node has been shut down.
    pub async fn insert_contacts(&self, contacts: Vec<Contact>) -> Result<(), Closed> {
        self.visit(move |driver| driver.insert_contacts(&contacts))
            .await
    }

    /// The good contacts, in OpenDHT's form.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the node has been shut down.
    pub async fn export_nodes(&self) -> Result<Vec<u8>, Closed> {
        let contacts = self.visit(|driver| driver.dht.node().export_contacts(driver.now()));
        Ok(snapshot::export_nodes(&contacts.await?))
    }

    /// Takes in contacts in OpenDHT's form; returns how many there were.
    ///
    /// # Errors
    ///
    /// [`ImportError`] if the bytes are no list of contacts.
    pub async fn import_nodes(&self, bytes: &[u8]) -> Result<usize, ImportError> {
        let contacts = snapshot::import_nodes(bytes)?;
        let count = contacts.len();
        self.insert_contacts(contacts).await?;
        Ok(count)
    }

    /// The values stored here, in the form of OpenDHT 3.7.4 and later.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the node has been shut down.
    pub async fn export_values(&self) -> Result<Vec<u8>, Closed> {
        let records = self
            .visit(|driver| driver.dht.node().export_values())
            .await?;
        Ok(snapshot::export_values(&records))
    }

    /// Stores values in OpenDHT's form, for what is left of their life; returns how many were stored. Signatures are
    /// not checked: import what an own node exported.
    ///
    /// # Errors
    ///
    /// [`ImportError`] if the bytes are no list of values.
    pub async fn import_values(&self, bytes: &[u8]) -> Result<usize, ImportError> {
        let records = snapshot::import_values(bytes, unix_now())?;
        Ok(self
            .visit(move |driver| driver.dht.import_values(driver.now(), &records))
            .await?)
    }

    /// The system has moved to another network: contacts must prove themselves anew.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the node has been shut down.
    pub async fn connectivity_changed(&self) -> Result<(), Closed> {
        self.visit(|driver| driver.dht.connectivity_changed(driver.now()))
            .await
    }

    /// How well the node is connected.
    pub fn status(&self) -> Connectivity {
        *self.facts().status.borrow()
    }

    /// How well the node is connected, to be awaited. It is closed with the node.
    pub fn watch_status(&self) -> watch::Receiver<Connectivity> {
        self.facts().status.clone()
    }

    /// Waits until the node is connected in one address family: for ever if nobody is there.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the node is shut down before.
    pub async fn wait_connected(&self) -> Result<(), Closed> {
        let mut status = self.watch_status();
        let connected = status.wait_for(Connectivity::is_connected).await;
        connected.map(|_| ()).map_err(|_| Closed)
    }
}

impl Connectivity {
    /// Whether there is a good node in either family.
    pub fn is_connected(&self) -> bool {
        self.v4.max(self.v6) == Status::Connected
    }

    pub(crate) fn set(&mut self, family: Family, status: Status) {
        match family {
            Family::V4 => self.v4 = status,
            Family::V6 => self.v6 = status,
        }
    }
}
