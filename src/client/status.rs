//! What a node is, counts and notices: [`NodeInfo`], and [`Connectivity`] to be watched.

use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;

use bulla_identity::LongKeyId;
use tokio::sync::watch;

use super::error::Closed;
use crate::node::{Stats, Status};
use crate::secure::SecureStats;
use crate::{ByFamily, Family, InfoHash};

/// How well a node is connected, in each family.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Connectivity(ByFamily<Status>);

/// How well a node is connected, as it changes.
#[derive(Clone, Debug)]
pub struct StatusWatch(watch::Receiver<Connectivity>);

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

/// System calls on sockets that failed since the start. They end nothing: the network may return.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SocketErrors {
    /// Datagrams that could not be sent, for lack of a route or of room.
    pub send: u64,
    /// Failed reads.
    pub receive: u64,
}

impl Connectivity {
    /// Reports whether there is a good node in either family.
    pub fn is_connected(&self) -> bool {
        self.iter().any(|&status| status == Status::Connected)
    }

    pub(crate) fn set(&mut self, family: Family, status: Status) {
        self.0[family] = status;
    }
}

impl Deref for Connectivity {
    type Target = ByFamily<Status>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl StatusWatch {
    pub(crate) fn new(status: watch::Receiver<Connectivity>) -> Self {
        Self(status)
    }

    /// Returns a watch that reports only changes from now on.
    pub(super) fn subscribe(&self) -> Self {
        let mut status = self.0.clone();
        status.mark_unchanged();
        Self(status)
    }

    /// Returns how well the node is connected now, or was when it ended.
    pub fn now(&self) -> Connectivity {
        *self.0.borrow()
    }

    /// Waits for a change since the last call, or since the watch was made; `None` when the node
    /// has ended. Of several changes only the last is reported.
    pub async fn next(&mut self) -> Option<Connectivity> {
        self.0.changed().await.ok()?;
        Some(*self.0.borrow_and_update())
    }

    /// Waits until the node is connected, or until it is not.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the node ends before.
    pub(crate) async fn until(&mut self, is_connected: bool) -> Result<(), Closed> {
        let is_so = |status: &Connectivity| status.is_connected() == is_connected;
        let found = self.0.wait_for(is_so).await;
        found.map(drop).map_err(|_| Closed)
    }
}
