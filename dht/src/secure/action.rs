//! [`SecureAction`]: what the parts of the secure layer want done.
//!
//! The parts are told what happens and return actions; they know neither the node nor the queue of
//! outputs. `SecureDht` carries the actions out, in their order.

use bulla_identity::PublicKey;

use super::admission::Ticket;
use super::delivery::Delivered;
use super::error::SecurePutError;
use super::event::SecureEvent;
use super::job::Task;
use super::key_cache::KeyName;
use crate::InfoHash;
use crate::lookup::OpId;
use crate::node::{CheckId, PutOptions};
use crate::value::{Draft, Value};

/// One thing to be done.
pub(super) enum SecureAction {
    /// Have this job done.
    Start(Ticket, Task),
    /// Tell the application the result of an operation that was being prepared.
    Tell(OpId, SecureEvent),
    /// Tell the application that a put failed.
    Fail(OpId, SecurePutError),
    /// Put the value that was prepared for this operation.
    Announce {
        op: OpId,
        key: InfoHash,
        value: Value,
        options: PutOptions,
    },
    /// Put the own certificate, for as long as the node runs.
    Publish { key: InfoHash, value: Value },
    /// Sign the own certificate and put it, for as long as the node runs.
    PublishSigned { key: InfoHash, draft: Draft },
    /// Search for the key of this name; an encrypted put waits for it.
    Search(OpId, KeyName),
    /// Tell an encrypted put the key that it waits for, or why there is none.
    Found(OpId, Result<PublicKey, SecurePutError>),
    /// Cancel this get, which the application does not know of.
    EndGet(OpId),
    /// Deliver this to the operation.
    Deliver(OpId, Delivered),
    /// Remember this key: its owner has signed a value that was found.
    Remember(PublicKey),
    /// Tell the node whether what it asked about holds.
    Answer(CheckId, bool),
    /// Abandon a check of the node.
    Forget(CheckId),
}
