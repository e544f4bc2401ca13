//! [`Link`]: the way from an application's handles to the driver.

use tokio::sync::mpsc::{self, Receiver, UnboundedReceiver};
use tokio::sync::oneshot;

use super::command::Command;
use super::error::Closed;
use crate::node::OpId;

/// Commands on their way to the driver; a sender of more waits.
const MAX_COMMANDS: usize = 1_024;

/// Sends commands to the driver. The node runs for as long as there is a link to it.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    commands: mpsc::Sender<Command>,
    /// Operations to be cancelled, from where nothing can be awaited: one entry for each at most.
    cancels: mpsc::UnboundedSender<OpId>,
}

/// A link that does not keep the node running.
#[derive(Clone, Debug)]
pub(crate) struct WeakLink {
    commands: mpsc::WeakSender<Command>,
    cancels: mpsc::WeakUnboundedSender<OpId>,
}

impl Link {
    /// Makes a link, and what the driver receives from it: commands, and operations to cancel.
    pub(crate) fn new() -> (Self, Receiver<Command>, UnboundedReceiver<OpId>) {
        let (commands, commands_in) = mpsc::channel(MAX_COMMANDS);
        let (cancels, cancels_in) = mpsc::unbounded_channel();
        (Self { commands, cancels }, commands_in, cancels_in)
    }

    /// Sends a command.
    pub(crate) async fn send(&self, command: Command) -> Result<(), Closed> {
        self.commands.send(command).await.map_err(|_| Closed)
    }

    /// Sends the command that is made with a slot for the reply, and waits for the reply.
    pub(crate) async fn call<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, Closed> {
        let (slot, reply) = oneshot::channel();
        self.send(command(slot)).await?;
        reply.await.map_err(|_| Closed)
    }

    /// Cancels an operation that is not read any more.
    pub(crate) fn cancel(&self, op: OpId) {
        // A node that has ended has no operations.
        let _ = self.cancels.send(op);
    }

    pub(crate) fn downgrade(&self) -> WeakLink {
        WeakLink {
            commands: self.commands.downgrade(),
            cancels: self.cancels.downgrade(),
        }
    }
}

impl WeakLink {
    /// Returns a link if the node still runs.
    ///
    /// # Errors
    ///
    /// [`Closed`] if all links are gone.
    pub(crate) fn upgrade(&self) -> Result<Link, Closed> {
        Ok(Link {
            commands: self.commands.upgrade().ok_or(Closed)?,
            cancels: self.cancels.upgrade().ok_or(Closed)?,
        })
    }
}
