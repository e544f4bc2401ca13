//! What a [`Dht`] does with the network around its node: first contacts, exports and imports,
//! status.

use std::net::SocketAddr;

use super::command::Command;
use super::dht::Dht;
use super::error::{BootstrapError, Closed, ImportError};
use super::status::{Connectivity, StatusWatch};
use crate::wire::snapshot;
use crate::{Contact, UnixTime};

/// The network.
impl Dht {
    /// Finds the addresses of a peer, `host` or `host:port`, and makes contact. The name is looked
    /// up again for as long as the node is not connected.
    ///
    /// # Errors
    ///
    /// [`BootstrapError`] if the name is none, or has no address.
    pub async fn bootstrap(&self, peer: &str) -> Result<(), BootstrapError> {
        let peer = peer.parse()?;
        let bootstrap = |reply| Command::Bootstrap { peer, reply };
        self.link.call(bootstrap).await?
    }

    /// Makes contact with these addresses, and again in rounds of growing distance for as long as
    /// the node is not connected.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the node has been shut down.
    pub async fn bootstrap_addrs(&self, addresses: &[SocketAddr]) -> Result<(), Closed> {
        let addresses = addresses.to_vec();
        let bootstrap = |reply| Command::BootstrapAddrs { addresses, reply };
        self.link.call(bootstrap).await
    }

    /// Takes in contacts that may be nodes, and pings a few of them.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the node has been shut down.
    pub async fn insert_contacts(&self, contacts: Vec<Contact>) -> Result<(), Closed> {
        let insert = |reply| Command::InsertContacts { contacts, reply };
        self.link.call(insert).await
    }

    /// Returns the good contacts, in OpenDHT's form.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the node has been shut down.
    pub async fn export_nodes(&self) -> Result<Vec<u8>, Closed> {
        let export = |reply| Command::ExportContacts { reply };
        Ok(snapshot::export_nodes(&self.link.call(export).await?))
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

    /// Returns the values stored here, in the form of OpenDHT 3.7.4 and later.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the node has been shut down.
    pub async fn export_values(&self) -> Result<Vec<u8>, Closed> {
        let export = |reply| Command::ExportValues { reply };
        Ok(snapshot::export_values(&self.link.call(export).await?))
    }

    /// Stores values in OpenDHT's form, for what is left of their life; returns how many were
    /// stored. Signatures are not checked: import what an own node exported.
    ///
    /// # Errors
    ///
    /// [`ImportError`] if the bytes are no list of values.
    pub async fn import_values(&self, bytes: &[u8]) -> Result<usize, ImportError> {
        // The node takes what was made later than now as made now.
        let records = snapshot::import_values(bytes, UnixTime::MAX)?;
        let import = |reply| Command::ImportValues { records, reply };
        Ok(self.link.call(import).await?)
    }

    /// Tells the node that the system has moved to another network: contacts must prove themselves
    /// anew.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the node has been shut down.
    pub async fn connectivity_changed(&self) -> Result<(), Closed> {
        let changed = |reply| Command::ConnectivityChanged { reply };
        self.link.call(changed).await
    }

    /// Returns how well the node is connected.
    pub fn status(&self) -> Connectivity {
        self.fixed.status.now()
    }

    /// Watches how well the node is connected.
    pub fn watch_status(&self) -> StatusWatch {
        self.fixed.status.subscribe()
    }

    /// Waits until the node is connected in one address family: for ever if no peer answers.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the node is shut down before.
    pub async fn wait_connected(&self) -> Result<(), Closed> {
        self.watch_status().until(true).await
    }
}
