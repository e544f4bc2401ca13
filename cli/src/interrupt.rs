//! [`Interrupt`]: the request of the user or the system that the program ends.

use super::exit::{Context, Failure};

/// Ctrl-C, or a request of the system to terminate.
pub(crate) struct Interrupt {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Interrupt {
    /// Takes over the signals: from here on they do not end the process.
    #[cfg(unix)]
    pub(crate) fn install() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let take_over = |kind| signal(kind).context("cannot wait for signals");
        Ok(Self {
            terminate: take_over(SignalKind::terminate())?,
            interrupt: take_over(SignalKind::interrupt())?,
        })
    }

    /// Takes over nothing: Ctrl-C is waited for when it is wanted.
    #[cfg(not(unix))]
    pub(crate) fn install() -> Result<Self, Failure> {
        Ok(Self {})
    }

    /// Waits for the request. Loses nothing if it is dropped.
    #[cfg(unix)]
    pub(crate) async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Waits for the request. Loses nothing if it is dropped.
    #[cfg(not(unix))]
    pub(crate) async fn wait(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}
