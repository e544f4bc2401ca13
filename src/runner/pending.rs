//! [`Pending`]: the operations under way, and where their events go.

use std::collections::BTreeMap;

use bulla_identity::{Certificate, PublicKey};
use tokio::sync::oneshot::Sender;

use crate::client::{Change, ChangeWriter, Found, GetError, Placed, PutError};
use crate::node::OpId;
use crate::secure::SecureEvent;
use crate::{InfoHash, Row, ValueId};

/// Rows kept of one query; more are dropped.
const MAX_ROWS: usize = 65_536;

/// Where the events of one operation go. Dropped without a reply, it tells the caller that the node
/// is closed.
#[derive(Debug)]
pub(super) enum ReplySlot {
    /// Of a get or listen.
    Changes(ChangeWriter),
    /// Of a query: what came so far, and where all goes in the end.
    Rows(Vec<Row>, Sender<Result<Vec<Row>, GetError>>),
    /// Of a put.
    Put {
        key: InfoHash,
        id: ValueId,
        reply: Sender<Result<Placed, PutError>>,
    },
    /// Of a search for a certificate.
    Certificate(Sender<Result<Option<Certificate>, GetError>>),
    /// Of a search for a public key.
    PublicKey(Sender<Result<Option<PublicKey>, GetError>>),
}

/// Reply slots by operation.
#[derive(Default, Debug)]
pub(super) struct Pending(BTreeMap<OpId, ReplySlot>);

impl Pending {
    /// Sends the events of an operation there from now on.
    pub(super) fn add(&mut self, op: OpId, slot: ReplySlot) {
        self.0.insert(op, slot);
    }

    /// Forgets a cancelled operation.
    pub(super) fn remove(&mut self, op: OpId) {
        self.0.remove(&op);
    }

    /// Ends the puts of this value as cancelled.
    pub(super) fn cancel_puts(&mut self, cancelled: (InfoHash, ValueId)) {
        let is_meant = |slot: &ReplySlot| match slot {
            ReplySlot::Put { key, id, .. } => (*key, *id) == cancelled,
            ReplySlot::Changes(_)
            | ReplySlot::Rows(..)
            | ReplySlot::Certificate(_)
            | ReplySlot::PublicKey(_) => false,
        };
        let ops = self.0.iter().filter(|(_, slot)| is_meant(slot));
        for op in ops.map(|(op, _)| *op).collect::<Vec<_>>() {
            if let Some(ReplySlot::Put { reply, .. }) = self.0.remove(&op) {
                let _ = reply.send(Err(PutError::Cancelled));
            }
        }
    }

    /// Reports whether a put has not come to its end.
    pub(super) fn has_puts(&self) -> bool {
        let is_put = |slot: &ReplySlot| matches!(slot, ReplySlot::Put { .. });
        self.0.values().any(is_put)
    }

    /// Hands an event over. Those of cancelled operations are dropped, as are replies that no
    /// caller waits for any more.
    pub(super) fn on_event(&mut self, event: SecureEvent) {
        match event {
            SecureEvent::Values { op, values } => {
                self.push(op, values.into_iter().map(Change::Added));
            }
            SecureEvent::Expired { op, values } => {
                self.push(op, values.into_iter().map(Change::Expired));
            }
            SecureEvent::Rows { op, rows } => {
                if let Some(ReplySlot::Rows(found, _)) = self.0.get_mut(&op) {
                    let room = MAX_ROWS.saturating_sub(found.len());
                    found.extend(rows.into_iter().take(room));
                }
            }
            SecureEvent::GetDone {
                op,
                report,
                dropped,
            } => match self.0.remove(&op) {
                Some(ReplySlot::Changes(writer)) => writer.end(Ok(Found { report, dropped })),
                Some(ReplySlot::Rows(rows, reply)) => drop(reply.send(Ok(rows))),
                _ => {}
            },
            SecureEvent::PutDone { op, report } => {
                if let Some(ReplySlot::Put { id, reply, .. }) = self.0.remove(&op) {
                    let _ = reply.send(Ok(Placed { id, report }));
                }
            }
            SecureEvent::PutFailed { op, error } => {
                if let Some(ReplySlot::Put { reply, .. }) = self.0.remove(&op) {
                    let _ = reply.send(Err(error.into()));
                }
            }
            SecureEvent::Certificate { op, certificate } => {
                if let Some(ReplySlot::Certificate(reply)) = self.0.remove(&op) {
                    let _ = reply.send(Ok(certificate));
                }
            }
            SecureEvent::PublicKey { op, key } => {
                if let Some(ReplySlot::PublicKey(reply)) = self.0.remove(&op) {
                    let _ = reply.send(Ok(key));
                }
            }
            // The driver tells all handles.
            SecureEvent::StatusChanged { .. } | SecureEvent::CertificateDisplaced { .. } => {}
        }
    }

    fn push(&self, op: OpId, changes: impl Iterator<Item = Change>) {
        if let Some(ReplySlot::Changes(writer)) = self.0.get(&op) {
            changes.for_each(|change| writer.push(change));
        }
    }
}
