//! [`Get`] and [`Listen`]: streams of what an operation finds. Dropping one cancels the operation.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::changes::{Change, Reader, Writer, mailbox};
use super::dht::Dht;
use super::error::GetError;
use crate::Query;
use crate::node::{GetReport, OpError, OpId};
use crate::runner::pending::Sink;
use crate::secure::{Checked, GetOptions, SecureDht};
use crate::{InfoHash, Timestamp};

/// The values under a key, as they are found: a stream that ends when the nearest nodes have answered.
///
/// The search starts when the first value is asked for. Values come checked; those that fail the checks are counted in
/// [`Get::dropped`].
#[must_use = "nothing is searched until values are asked for"]
#[derive(Debug)]
pub struct Get(Operation);

/// What happens to the values under a key: a stream that ends only with the node.
///
/// The subscription starts when the first change is asked for; then it reports the values there are, new and edited
/// ones, and those that are gone. An application that reads too slowly misses changes in between, not the latest of
/// each value: [`Listen::missed`].
#[must_use = "nothing is heard until changes are asked for"]
#[derive(Debug)]
pub struct Listen(Operation);

/// Starts an operation in the node.
type Start = fn(&mut SecureDht, Timestamp, InfoHash, GetOptions) -> Result<OpId, OpError>;

/// A running operation, and its mailbox.
struct Operation {
    /// Keeps the node alive.
    handle: Dht,
    stage: Stage,
    reader: Reader,
}

enum Stage {
    /// Nothing has been asked for yet.
    Idle(Box<Request>),
    /// The node is being told; it may have more to do than it can take in at once.
    Starting(Pin<Box<dyn Future<Output = ()> + Send>>),
    Running,
}

/// What the node will be told.
struct Request {
    key: InfoHash,
    wanted: GetOptions,
    start: Start,
    writer: Writer,
}

impl Get {
    pub(crate) fn new(handle: Dht, key: InfoHash, query: Query) -> Self {
        Self(Operation::new(handle, key, query, SecureDht::get))
    }

    /// Hands out only values that are bound to this key and their id by their signer, and in time: no replays of what was
    /// signed elsewhere or earlier. Others count as [`Get::dropped`].
    ///
    /// A condition on the user type is then about the application's part of it. Without this it is compared by storing
    /// nodes and whole, so it finds no bound values.
    pub fn bound_only(mut self) -> Self {
        self.0.bound_only();
        self
    }

    /// The next value; `None` at the end.
    pub async fn next(&mut self) -> Option<Checked> {
        poll_fn(|cx| self.0.poll(cx)).await.map(Change::into_value)
    }

    /// How well the get was answered, once it has come to its end.
    pub fn report(&self) -> Option<GetReport> {
        Some(self.0.reader.end()?.ok()?.report)
    }

    /// Why the get came to an early end.
    pub fn error(&self) -> Option<GetError> {
        self.0.reader.end()?.err()
    }

    /// Values that were found and not handed out, once the get has come to its end: they failed the checks, or came
    /// faster than they were read and exceeded the limit of [`Builder::backlog_bytes`](crate::Builder::backlog_bytes).
    pub fn dropped(&self) -> u64 {
        let found = self.0.reader.end().and_then(Result::ok);
        found.map_or(0, |found| found.dropped as u64) + self.0.reader.missed()
    }

    /// All values.
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

impl Listen {
    pub(crate) fn new(handle: Dht, key: InfoHash, query: Query) -> Self {
        Self(Operation::new(handle, key, query, SecureDht::listen))
    }

    /// As [`Get::bound_only`].
    pub fn bound_only(mut self) -> Self {
        self.0.bound_only();
        self
    }

    /// The next change; `None` when the node refused the listen or was shut down.
    pub async fn next(&mut self) -> Option<Change> {
        poll_fn(|cx| self.0.poll(cx)).await
    }

    /// Why the listen came to its end.
    pub fn error(&self) -> Option<GetError> {
        self.0.reader.end()?.err()
    }

    /// Changes so far that came faster than they were read and gave way to later ones; see
    /// [`Builder::backlog_bytes`](crate::Builder::backlog_bytes).
    pub fn missed(&self) -> u64 {
        self.0.reader.missed()
    }
}

impl Stream for Get {
    type Item = Checked;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Checked>> {
        self.0.poll(cx).map(|change| change.map(Change::into_value))
    }
}

impl Stream for Listen {
    type Item = Change;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Change>> {
        self.0.poll(cx)
    }
}

impl Operation {
    fn new(handle: Dht, key: InfoHash, query: Query, start: Start) -> Self {
        let (writer, reader) = mailbox(handle.facts().backlog_bytes);
        let wanted = query.into();
        let request = Request {
            key,
            wanted,
            start,
            writer,
        };
        Self {
            handle,
            stage: Stage::Idle(Box::new(request)),
            reader,
        }
    }

    fn bound_only(&mut self) {
        if let Stage::Idle(request) = &mut self.stage {
            request.wanted.bound_only = true;
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Change>> {
        loop {
            self.stage = match std::mem::replace(&mut self.stage, Stage::Running) {
                Stage::Idle(request) => {
                    Stage::Starting(Box::pin(request.send(self.handle.clone())))
                }
                Stage::Starting(mut telling) => match telling.as_mut().poll(cx) {
                    Poll::Ready(()) => Stage::Running,
                    Poll::Pending => {
                        self.stage = Stage::Starting(telling);
                        return Poll::Pending;
                    }
                },
                Stage::Running => return self.reader.poll(cx),
            };
        }
    }
}

impl Request {
    /// Tells the node. One that is gone drops the command and the writer in it, which tells the reader.
    async fn send(self, node: Dht) {
        let Self {
            key,
            wanted,
            start,
            writer,
        } = self;
        let _ = node
            .tell(move |driver| {
                let now = driver.now();
                match start(&mut driver.dht, now, key, wanted) {
                    Ok(op) if writer.begin(op) => driver.waiting.add(op, Sink::Values(writer)),
                    Ok(op) => driver.dht.cancel(now, op),
                    Err(error) => writer.end(Err(error.into())),
                }
            })
            .await;
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        if let Some(op) = self.reader.abandon() {
            self.handle.cancel(op);
        }
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Operation")
            .field(&self.reader.end())
            .finish()
    }
}
