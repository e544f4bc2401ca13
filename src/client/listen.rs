//! [`Listen`]: what happens to the values under a key.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::changes::Change;
use super::command::Command;
use super::error::GetError;
use super::link::Link;
use super::operation::Operation;
use crate::{InfoHash, Query};

/// What happens to the values under a key: a stream that ends only with the node.
///
/// The listen begins when the first change is asked for; dropping it cancels it. It reports the
/// values there are, new and edited ones, and those that are gone. An application that reads too
/// slowly misses changes in between, not the latest of each value: [`Listen::missed`].
#[must_use = "nothing is reported until changes are asked for"]
#[derive(Debug)]
pub struct Listen(Operation);

impl Listen {
    pub(super) fn new(link: Link, limit_bytes: usize, key: InfoHash, query: Query) -> Self {
        let operation = Operation::new(link, limit_bytes, key, query, Command::Listen);
        Self(operation)
    }

    /// Hands out only bound values, as [`Get::bound_only`](super::Get::bound_only) does.
    pub fn bound_only(mut self) -> Self {
        self.0.bound_only();
        self
    }

    /// Waits for the next change; `None` when the node refused the listen or was shut down.
    pub async fn next(&mut self) -> Option<Change> {
        self.0.next().await
    }

    /// Returns why the listen came to its end.
    pub fn error(&self) -> Option<GetError> {
        self.0.end()?.err()
    }

    /// Returns how many changes so far came faster than they were read and gave way to later ones;
    /// see [`Builder::backlog_bytes`](crate::Builder::backlog_bytes).
    pub fn missed(&self) -> u64 {
        self.0.missed()
    }
}

impl Stream for Listen {
    type Item = Change;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Change>> {
        self.0.poll(cx)
    }
}
