//! [`Waiting`]: who waits for the events of which operation.

use std::collections::BTreeMap;

use bulla_identity::{Certificate, PublicKey};
use tokio::sync::oneshot;

use crate::InfoHash;
use crate::client::Placed;
use crate::client::{Change, Found, Writer};
use crate::client::{GetError, PutError};
use crate::node::OpId;
use crate::secure::{self, SecureEvent};
use crate::{Row, ValueId};

/// Rows kept of one query; more are dropped.
const MAX_ROWS: usize = 65_536;

/// Where the events of one operation go. Dropped without an answer, it tells that the node is closed.
#[derive(Debug)]
pub(crate) enum Sink {
    /// Of a get or listen.
    Values(Writer),
    /// Of a query: what came so far, and where all goes in the end.
    Rows(Vec<Row>, Reply<Vec<Row>, GetError>),
    /// Of a put.
    Put {
        key: InfoHash,
        id: ValueId,
        reply: Reply<Placed, PutError>,
    },
    /// Of a search for a certificate.
    Certificate(Reply<Option<Certificate>, GetError>),
    /// Of a search for a public key.
    PublicKey(Reply<Option<PublicKey>, GetError>),
}

/// Takes the outcome of an operation.
pub(crate) type Reply<T, E> = oneshot::Sender<Result<T, E>>;

/// Sinks by operation.
#[derive(Default, Debug)]
pub(crate) struct Waiting(BTreeMap<OpId, Sink>);

impl Waiting {
    /// Lets the events of an operation go there.
    pub(crate) fn add(&mut self, op: OpId, sink: Sink) {
        self.0.insert(op, sink);
    }

    /// Forgets a cancelled operation.
    pub(crate) fn remove(&mut self, op: OpId) {
        self.0.remove(&op);
    }

    /// Tells the puts of this value that they were cancelled.
    pub(crate) fn cancel_puts(&mut self, cancelled: (InfoHash, ValueId)) {
        let is_meant = |sink: &Sink| match sink {
            Sink::Put { key, id, .. } => (*key, *id) == cancelled,
            Sink::Values(_) | Sink::Rows(..) | Sink::Certificate(_) | Sink::PublicKey(_) => false,
        };
        let ops = self.0.iter().filter(|(_, sink)| is_meant(sink));
        for op in ops.map(|(op, _)| *op).collect::<Vec<_>>() {
            if let Some(Sink::Put { reply, .. }) = self.0.remove(&op) {
                let _ = reply.send(Err(secure::PutError::Cancelled.into()));
            }
        }
    }

    /// Whether a put has not come to its end.
    pub(crate) fn has_puts(&self) -> bool {
        self.0.values().any(|sink| matches!(sink, Sink::Put { .. }))
    }

    /// Hands an event over. Events of cancelled operations, and answers that nobody waits for any more, are dropped.
    pub(crate) fn tell(&mut self, event: SecureEvent) {
        match event {
            SecureEvent::Values { op, values } => {
                if let Some(Sink::Values(writer)) = self.0.get(&op) {
                    values
                        .into_iter()
                        .map(Change::Added)
                        .for_each(|change| writer.push(change));
                }
            }
            SecureEvent::Expired { op, values } => {
                if let Some(Sink::Values(writer)) = self.0.get(&op) {
                    values
                        .into_iter()
                        .map(Change::Expired)
                        .for_each(|change| writer.push(change));
                }
            }
            SecureEvent::Rows { op, rows } => {
                if let Some(Sink::Rows(found, _)) = self.0.get_mut(&op) {
                    let room = MAX_ROWS.saturating_sub(found.len());
                    found.extend(rows.into_iter().take(room));
                }
            }
            SecureEvent::GetDone {
                op,
                report,
                dropped,
            } => match self.0.remove(&op) {
                Some(Sink::Values(writer)) => writer.end(Ok(Found { report, dropped })),
                Some(Sink::Rows(rows, reply)) => drop(reply.send(Ok(rows))),
                _ => {}
            },
            SecureEvent::PutDone { op, report } => {
                if let Some(Sink::Put { id, reply, .. }) = self.0.remove(&op) {
                    let _ = reply.send(Ok(Placed { id, report }));
                }
            }
            SecureEvent::PutFailed { op, error } => {
                if let Some(Sink::Put { reply, .. }) = self.0.remove(&op) {
                    let _ = reply.send(Err(error.into()));
                }
            }
            SecureEvent::Certificate { op, certificate } => {
                if let Some(Sink::Certificate(reply)) = self.0.remove(&op) {
                    let _ = reply.send(Ok(certificate));
                }
            }
            SecureEvent::PublicKey { op, key } => {
                if let Some(Sink::PublicKey(reply)) = self.0.remove(&op) {
                    let _ = reply.send(Ok(key));
                }
            }
            // For the driver, which tells all handles.
            SecureEvent::StatusChanged { .. } => {}
        }
    }
}
