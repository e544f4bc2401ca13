//! [`changes`]: the way of what an operation found, from the driver to the application.
//!
//! The driver never waits for the application. Changes beyond the limit push out an older one of
//! the same value, so that the latest state of each is kept, or else the oldest of all; how many is
//! counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::error::{Closed, GetError};
use crate::ValueId;
use crate::node::{GetReport, OpId};
use crate::secure::Checked;

/// What an unread change counts on top of its value's packed bytes.
const OVERHEAD_BYTES: usize = 512;

/// What happened to a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// It was found, or edited.
    Added(Checked),
    /// No node that stores it holds it any more.
    Expired(Checked),
}

/// How a get ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Found {
    pub(crate) report: GetReport,
    /// Values that did not pass the checks.
    pub(crate) dropped: usize,
}

/// The driver's side. Dropped without an end, it tells the reader that the node is closed.
#[derive(Debug)]
pub(crate) struct ChangeWriter(Arc<Mutex<Unread>>);

/// The application's side.
#[derive(Debug)]
pub(super) struct ChangeReader(Arc<Mutex<Unread>>);

/// Makes both sides for one operation; changes of up to `limit_bytes` wait to be read.
pub(super) fn changes(limit_bytes: usize) -> (ChangeWriter, ChangeReader) {
    let shared = Arc::new(Mutex::new(Unread {
        op: None,
        is_abandoned: false,
        changes: BTreeMap::new(),
        latest: BTreeMap::new(),
        last: 0,
        bytes: 0,
        limit_bytes,
        missed: 0,
        end: None,
        waker: None,
    }));
    (ChangeWriter(Arc::clone(&shared)), ChangeReader(shared))
}

/// What both sides share.
#[derive(Debug)]
struct Unread {
    /// The operation, while it runs.
    op: Option<OpId>,
    /// Whether the reader is gone.
    is_abandoned: bool,
    /// By their number, in the order they came.
    changes: BTreeMap<u64, Change>,
    /// The number of the latest unread change of each value.
    latest: BTreeMap<ValueId, u64>,
    last: u64,
    bytes: usize,
    limit_bytes: usize,
    missed: u64,
    end: Option<Result<Found, GetError>>,
    waker: Option<Waker>,
}

impl ChangeWriter {
    /// Notes that the operation runs, and reports whether there still is a reader.
    pub(crate) fn begin(&self, op: OpId) -> bool {
        let mut unread = lock(&self.0);
        unread.op = Some(op);
        !unread.is_abandoned
    }

    /// Leaves a change for the reader.
    pub(crate) fn push(&self, change: Change) {
        lock(&self.0).push(change);
        self.wake();
    }

    /// Notes how the operation ended.
    pub(crate) fn end(self, end: Result<Found, GetError>) {
        lock(&self.0).end = Some(end);
    }

    /// Wakes the reader, without holding the lock: it may look at once.
    fn wake(&self) {
        let waker = lock(&self.0).waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Drop for ChangeWriter {
    fn drop(&mut self) {
        let mut unread = lock(&self.0);
        unread.op = None;
        unread.end.get_or_insert(Err(Closed.into()));
        drop(unread);
        self.wake();
    }
}

impl ChangeReader {
    /// Takes the next change; `None` at the end.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Change>> {
        let mut unread = lock(&self.0);
        if let Some(change) = unread.pop() {
            return Poll::Ready(Some(change));
        }
        if unread.end.is_some() {
            return Poll::Ready(None);
        }
        unread.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Returns how the operation ended, once all changes have been read.
    pub(super) fn end(&self) -> Option<Result<Found, GetError>> {
        let unread = lock(&self.0);
        unread.end.filter(|_| unread.changes.is_empty())
    }

    /// Returns how many changes were pushed out.
    pub(super) fn missed(&self) -> u64 {
        lock(&self.0).missed
    }

    /// Notes that nothing more will be read, and returns the operation to cancel, if it runs.
    pub(super) fn abandon(&self) -> Option<OpId> {
        let mut unread = lock(&self.0);
        unread.is_abandoned = true;
        unread.op
    }
}

impl Unread {
    fn push(&mut self, change: Change) {
        let (id, bytes) = (change.value_id(), change.bytes());
        while self.bytes + bytes > self.limit_bytes && !self.changes.is_empty() {
            self.push_out(id);
        }
        self.last += 1;
        self.bytes += bytes;
        self.changes.insert(self.last, change);
        self.latest.insert(id, self.last);
    }

    /// Makes room: drops the older change of this value, or else the oldest of all.
    fn push_out(&mut self, id: ValueId) {
        let older = self.latest.remove(&id);
        if let Some(change) = older.and_then(|number| self.changes.remove(&number)) {
            self.bytes -= change.bytes();
        } else {
            self.pop();
        }
        self.missed += 1;
    }

    fn pop(&mut self) -> Option<Change> {
        let (number, change) = self.changes.pop_first()?;
        self.bytes -= change.bytes();
        if self.latest.get(&change.value_id()) == Some(&number) {
            self.latest.remove(&change.value_id());
        }
        Some(change)
    }
}

impl Change {
    /// Returns the value that was added or is gone.
    pub fn value(&self) -> &Checked {
        match self {
            Self::Added(value) | Self::Expired(value) => value,
        }
    }

    /// Returns the value that was added or is gone.
    pub fn into_value(self) -> Checked {
        match self {
            Self::Added(value) | Self::Expired(value) => value,
        }
    }

    fn value_id(&self) -> ValueId {
        self.value().id()
    }

    fn bytes(&self) -> usize {
        self.value().value().packed().len() + OVERHEAD_BYTES
    }
}

/// Nothing panics while the lock is held, so what a poisoned one guards is sound.
fn lock(unread: &Mutex<Unread>) -> MutexGuard<'_, Unread> {
    unread.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::{Core, Node, PutOptions};
    use crate::secure::{SecureConfig, SecureDht, SecureEvent, SecureOutput};
    use crate::{Config, InfoHash, Origin, Seed, Timestamp};
    use crate::{Draft, Query};

    /// Room for two small changes.
    const LIMIT: usize = 2 * OVERHEAD_BYTES + 300;

    /// A node of its own: only a DHT makes checked values and names operations.
    fn dht() -> SecureDht {
        let seed = Seed::from_number(1);
        let node = Node::new(Config::default(), seed.clone(), Origin::default()).unwrap();
        SecureDht::new(node, None, seed, SecureConfig::default())
    }

    fn op() -> OpId {
        let key = InfoHash::of(b"key");
        dht().get(Timestamp::ZERO, key, Query::default()).unwrap()
    }

    fn value(id: u64, text: &str) -> Checked {
        let (now, key) = (Timestamp::ZERO, InfoHash::of(b"key"));
        let mut dht = dht();
        let draft = Draft::from(text).id(ValueId(id));
        dht.put(now, key, draft, PutOptions::default()).unwrap();
        dht.get(now, key, Query::default()).unwrap();
        loop {
            match dht.poll_output() {
                SecureOutput::Event(SecureEvent::Values { values, .. }) => {
                    return values.into_iter().next().unwrap();
                }
                SecureOutput::Wake(..) => panic!("no value"),
                _ => {}
            }
        }
    }

    fn read(reader: &mut ChangeReader) -> Poll<Option<String>> {
        let mut cx = Context::from_waker(Waker::noop());
        reader.poll(&mut cx).map(|change| {
            change.map(|change| match change {
                Change::Added(value) => format!("+{}", value.text().unwrap()),
                Change::Expired(value) => format!("-{}", value.text().unwrap()),
            })
        })
    }

    fn ready(text: &str) -> Poll<Option<String>> {
        Poll::Ready(Some(text.to_owned()))
    }

    #[test]
    fn changes_come_in_order_and_the_end_after_them() {
        let (writer, mut reader) = changes(LIMIT);
        assert_eq!(read(&mut reader), Poll::Pending);
        writer.push(Change::Added(value(1, "a")));
        writer.push(Change::Expired(value(1, "a")));
        let found = Found {
            report: GetReport::default(),
            dropped: 0,
        };
        writer.end(Ok(found));
        assert_eq!(read(&mut reader), ready("+a"));
        assert_eq!(reader.end(), None);
        assert_eq!(read(&mut reader), ready("-a"));
        assert_eq!(read(&mut reader), Poll::Ready(None));
        assert_eq!((reader.end(), reader.missed()), (Some(Ok(found)), 0));
    }

    #[test]
    fn beyond_the_limit_the_latest_state_of_each_value_is_kept() {
        let (writer, mut reader) = changes(LIMIT);
        for (id, text) in [(1, "a1"), (2, "b1"), (2, "b2"), (2, "b3")] {
            writer.push(Change::Added(value(id, text)));
        }
        assert_eq!(reader.missed(), 2);
        assert_eq!(read(&mut reader), ready("+a1"));
        assert_eq!(read(&mut reader), ready("+b3"));
        assert_eq!(read(&mut reader), Poll::Pending);
    }

    #[test]
    fn values_beyond_the_limit_push_out_the_oldest() {
        let (writer, mut reader) = changes(LIMIT);
        for (id, text) in [(1, "a"), (2, "b"), (3, "c")] {
            writer.push(Change::Added(value(id, text)));
        }
        assert_eq!(reader.missed(), 1);
        assert_eq!(read(&mut reader), ready("+b"));
        assert_eq!(read(&mut reader), ready("+c"));
    }

    #[test]
    fn a_value_larger_than_the_limit_is_handed_over_alone() {
        let (writer, mut reader) = changes(0);
        writer.push(Change::Added(value(1, "a")));
        assert_eq!(read(&mut reader), ready("+a"));
        assert_eq!(reader.missed(), 0);
    }

    #[test]
    fn a_dropped_writer_means_that_the_node_is_closed() {
        let (writer, mut reader) = changes(LIMIT);
        drop(writer);
        assert_eq!(read(&mut reader), Poll::Ready(None));
        assert_eq!(reader.end(), Some(Err(GetError::Closed(Closed))));
    }

    #[test]
    fn an_abandoned_reader_names_the_operation_to_cancel_once_it_runs() {
        let op = op();
        let (writer, reader) = changes(LIMIT);
        assert!(writer.begin(op));
        assert_eq!(reader.abandon(), Some(op));

        let (writer, reader) = changes(LIMIT);
        assert_eq!(reader.abandon(), None);
        assert!(!writer.begin(op));

        let (writer, reader) = changes(LIMIT);
        assert!(writer.begin(op));
        drop(writer);
        assert_eq!(reader.abandon(), None);
    }
}
