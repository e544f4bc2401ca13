//! Bootstrap peers by name: resolved at the start, and again for as long as the node is not connected, because the
//! addresses behind names change.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep;
use tracing::{debug, warn};

use super::driver::{Command, Driver};
use crate::client::Connectivity;
use crate::client::StartError;
use crate::net::{HostPort, ResolveError};

/// How often names are looked up while the node is not connected.
const PERIOD: Duration = Duration::from_secs(60);

/// The addresses to start from; none if there are no names.
///
/// # Errors
///
/// [`StartError::Unresolved`] if there are names and not one has an address.
pub(crate) async fn first_addresses(
    names: &BTreeSet<HostPort>,
) -> Result<BTreeSet<SocketAddr>, StartError> {
    let (addresses, errors) = resolve(names).await;
    if addresses.is_empty() && !errors.is_empty() {
        return Err(StartError::Unresolved(errors));
    }
    Ok(addresses)
}

/// Looks names up again while the node is not connected, and hands over addresses that are new. Ends with the node.
pub(crate) async fn follow(
    commands: mpsc::WeakSender<Command>,
    mut status: watch::Receiver<Connectivity>,
    mut known: BTreeSet<SocketAddr>,
) {
    while status.wait_for(|now| !now.is_connected()).await.is_ok() {
        tokio::select! {
            () = sleep(PERIOD) => {}
            _ = status.wait_for(Connectivity::is_connected) => continue,
        }
        let Some(names) = visit(&commands, |driver| driver.names.clone()).await else {
            return;
        };
        let (addresses, _) = resolve(&names).await;
        let new: Vec<_> = addresses.difference(&known).copied().collect();
        if !new.is_empty() {
            debug!(?new, "bootstrap peers have moved");
            known.extend(&new);
            visit(&commands, move |driver| {
                driver.bootstrap(&new);
            })
            .await;
        }
    }
}

/// The addresses of all names, and what could not be resolved.
async fn resolve(names: &BTreeSet<HostPort>) -> (BTreeSet<SocketAddr>, Vec<ResolveError>) {
    let (mut addresses, mut errors) = (BTreeSet::new(), Vec::new());
    for name in names {
        match name.resolve().await {
            Ok(found) => addresses.extend(found),
            Err(error) => {
                warn!(%error, cause = %error.source, "bootstrap peer left out");
                errors.push(error);
            }
        }
    }
    (addresses, errors)
}

/// As a handle's visit, without keeping the node alive; `None` if it is gone.
async fn visit<T: Send + 'static>(
    commands: &mpsc::WeakSender<Command>,
    work: impl FnOnce(&mut Driver) -> T + Send + 'static,
) -> Option<T> {
    let (reply, answer) = oneshot::channel();
    let command = Command::Do(Box::new(move |driver| drop(reply.send(work(driver)))));
    commands.upgrade()?.send(command).await.ok()?;
    answer.await.ok()
}
