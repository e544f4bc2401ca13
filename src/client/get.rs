//! [`Get`]: the values under a key, as they are found.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::changes::Change;
use super::command::Command;
use super::error::GetError;
use super::link::Link;
use super::operation::Operation;
use crate::node::GetReport;
use crate::secure::Checked;
use crate::{InfoHash, Query};

/// The values under a key, as they are found: a stream that ends when the nearest nodes have
/// answered.
///
/// The get begins when the first value is asked for; dropping it cancels it. Values come checked;
/// those that fail the checks are counted in [`Get::dropped`].
#[must_use = "nothing is searched until values are asked for"]
#[derive(Debug)]
pub struct Get(Operation);

impl Get {
    pub(super) fn new(link: Link, limit_bytes: usize, key: InfoHash, query: Query) -> Self {
        Self(Operation::new(link, limit_bytes, key, query, Command::Get))
    }

    /// Hands out only values that are bound to this key and their id by their signer, and in time:
    /// no replays of what was signed elsewhere or earlier. Others count as [`Get::dropped`].
    ///
    /// A condition on the user type is then about the application's part of it. Without this it is
    /// compared by storing nodes and whole, so it finds no bound values.
    pub fn bound_only(mut self) -> Self {
        self.0.bound_only();
        self
    }

    /// Waits for the next value; `None` at the end.
    pub async fn next(&mut self) -> Option<Checked> {
        self.0.next().await.map(Change::into_value)
    }

    /// Returns how well the get was answered, once it has come to its end.
    pub fn report(&self) -> Option<GetReport> {
        Some(self.0.end()?.ok()?.report)
    }

    /// Returns why the get came to an early end.
    pub fn error(&self) -> Option<GetError> {
        self.0.end()?.err()
    }

    /// Returns how many values were found and not handed out, once the get has come to its end:
    /// they failed the checks, or came faster than they were read and exceeded the limit of
    /// [`Builder::backlog_bytes`](crate::Builder::backlog_bytes).
    pub fn dropped(&self) -> u64 {
        let found = self.0.end().and_then(Result::ok);
        found.map_or(0, |found| found.dropped as u64) + self.0.missed()
    }

    /// Collects all values.
    ///
    /// # Errors
    ///
    /// [`GetError`] if the node refused the get or was shut down before its end.
    pub async fn all(mut self) -> Result<Vec<Checked>, GetError> {
        let mut values = Vec::new();
        while let Some(value) = self.next().await {
            values.push(value);
        }
        self.error().map_or(Ok(values), Err)
    }
}

impl Stream for Get {
    type Item = Checked;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Checked>> {
        self.0.poll(cx).map(|change| change.map(Change::into_value))
    }
}
