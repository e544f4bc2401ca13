//! [`Bootstrap`]: bootstrap peers by name. Names are looked up when they are given, and again for
//! as long as the node is not connected, because the addresses behind names change.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::oneshot::Sender;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{debug, warn};

use crate::client::{
    BootstrapError, Closed, Command, HostPort, ResolveError, StatusWatch, WeakLink,
};
use crate::net::resolve;

/// How often names are looked up while the node is not connected.
const PERIOD: Duration = Duration::from_secs(60);

/// Looks names up beside the driver's loop, and has it make contact with their addresses.
#[derive(Clone, Debug)]
pub(crate) struct Bootstrap {
    /// All names that were given so far.
    names: watch::Sender<BTreeSet<HostPort>>,
    link: WeakLink,
}

impl Bootstrap {
    /// Looks these names up again while the node is not connected; their addresses so far are
    /// `known`. Ends with the node.
    pub(crate) fn start(
        names: BTreeSet<HostPort>,
        known: BTreeSet<SocketAddr>,
        link: WeakLink,
        status: StatusWatch,
    ) -> Self {
        let names = watch::Sender::new(names);
        let bootstrap = Self { names, link };
        tokio::spawn(bootstrap.clone().repeat(known, status));
        bootstrap
    }

    /// Finds the addresses of a peer and makes contact, unless the caller is gone before. The name
    /// is looked up again with the others.
    pub(super) fn add(&self, name: HostPort, mut reply: Sender<Result<(), BootstrapError>>) {
        let bootstrap = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                outcome = bootstrap.contact(name) => drop(reply.send(outcome)),
                () = reply.closed() => {}
            }
        });
    }

    async fn contact(&self, name: HostPort) -> Result<(), BootstrapError> {
        let addresses = resolve(&name).await?;
        self.names.send_modify(|names| {
            names.insert(name);
        });
        Ok(self.bootstrap(addresses).await?)
    }

    async fn repeat(self, mut known: BTreeSet<SocketAddr>, mut status: StatusWatch) {
        while status.until(false).await.is_ok() {
            tokio::select! {
                () = sleep(PERIOD) => {}
                _ = status.until(true) => continue,
            }
            let names = self.names.borrow().clone();
            let (addresses, _) = resolve_all(&names).await;
            let new: Vec<_> = addresses.difference(&known).copied().collect();
            if !new.is_empty() {
                debug!(?new, "bootstrap peers have moved");
                known.extend(&new);
                if self.bootstrap(new).await.is_err() {
                    return;
                }
            }
        }
    }

    async fn bootstrap(&self, addresses: Vec<SocketAddr>) -> Result<(), Closed> {
        let bootstrap = |reply| Command::BootstrapAddrs { addresses, reply };
        self.link.upgrade()?.call(bootstrap).await
    }
}

/// Finds the addresses of all names; also returns what could not be resolved.
pub(crate) async fn resolve_all(
    names: &BTreeSet<HostPort>,
) -> (BTreeSet<SocketAddr>, Vec<ResolveError>) {
    let (mut addresses, mut errors) = (BTreeSet::new(), Vec::new());
    for name in names {
        match resolve(name).await {
            Ok(found) => addresses.extend(found),
            Err(error) => {
                warn!(%error, cause = %error.source, "bootstrap peer left out");
                errors.push(error);
            }
        }
    }
    (addresses, errors)
}
