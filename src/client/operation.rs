//! [`Operation`]: a get or listen under way. Dropping it cancels it.

use std::fmt;
use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::changes::{Change, ChangeReader, Found, changes};
use super::command::{Command, ReadRequest};
use super::error::GetError;
use super::link::Link;
use crate::{InfoHash, Query};

/// A get or listen, and the changes that it has brought.
pub(super) struct Operation {
    /// Keeps the node running.
    link: Link,
    progress: Progress,
    reader: ChangeReader,
}

enum Progress {
    /// Nothing has been asked for yet; the request will be sent as this command.
    Idle(Box<ReadRequest>, fn(ReadRequest) -> Command),
    /// The command is being sent; the driver may have more to do than it can take in at once.
    Starting(Pin<Box<dyn Future<Output = ()> + Send>>),
    Running,
}

impl Operation {
    /// Prepares a get or listen whose unread changes may take so many bytes.
    pub(super) fn new(
        link: Link,
        limit_bytes: usize,
        key: InfoHash,
        query: Query,
        command: fn(ReadRequest) -> Command,
    ) -> Self {
        let (changes, reader) = changes(limit_bytes);
        let request = ReadRequest {
            key,
            options: query.into(),
            changes,
        };
        Self {
            link,
            progress: Progress::Idle(Box::new(request), command),
            reader,
        }
    }

    /// Sets that only bound values are wanted, unless the operation has begun.
    pub(super) fn bound_only(&mut self) {
        match &mut self.progress {
            Progress::Idle(request, _) => request.options.bound_only = true,
            Progress::Starting(_) | Progress::Running => {}
        }
    }

    /// Waits for the next change; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Change> {
        poll_fn(|cx| self.poll(cx)).await
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Change>> {
        loop {
            self.progress = match mem::replace(&mut self.progress, Progress::Running) {
                Progress::Idle(request, command) => {
                    let (link, command) = (self.link.clone(), command(*request));
                    Progress::Starting(Box::pin(async move {
                        // A node that has ended drops the command with the writer in it, which
                        // tells the reader.
                        let _ = link.send(command).await;
                    }))
                }
                Progress::Starting(mut sending) => match sending.as_mut().poll(cx) {
                    Poll::Ready(()) => Progress::Running,
                    Poll::Pending => {
                        self.progress = Progress::Starting(sending);
                        return Poll::Pending;
                    }
                },
                Progress::Running => return self.reader.poll(cx),
            };
        }
    }

    /// Returns how the operation ended, once all changes have been read.
    pub(super) fn end(&self) -> Option<Result<Found, GetError>> {
        self.reader.end()
    }

    /// Returns how many changes were not read in time and gave way to others.
    pub(super) fn missed(&self) -> u64 {
        self.reader.missed()
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        if let Some(op) = self.reader.abandon() {
            self.link.cancel(op);
        }
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Operation").field(&self.end()).finish()
    }
}
