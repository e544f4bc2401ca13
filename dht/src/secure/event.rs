//! What comes out of the secure layer.

use bulla_identity::{Certificate, EncryptError, MAX_RECIPIENTS, PublicKey, SignError};
use thiserror::Error;

use super::checked::Checked;
use super::job::Job;
use crate::lookup::{GetReport, OpId, PutReport};
use crate::node::{OpError, Status, Timer, Transmit};
use crate::value::{Row, Value};
use crate::{Family, Timestamp};

/// One thing for the driver to do. [`SecureOutput::Wake`] is always the last of a drain.
#[derive(Debug)]
pub enum SecureOutput {
    /// Send these bytes there.
    Transmit(Transmit),
    /// Tell the application.
    Event(SecureEvent),
    /// Run this, and hand in what came of it with `handle_done`.
    Job(Job),
    /// Nothing more until this moment; call `handle_timeout` then. The timer says why.
    Wake(Timestamp, Timer),
}

/// Something the application waits for. Exhaustive: a driver that passed over a new one would leave
/// an application waiting.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SecureEvent {
    /// Values found by a get, or new and edited ones for a listen.
    Values {
        /// The get or listen.
        op: OpId,
        /// Those that passed the checks, in the order of arrival. None is older than one of the same id and signer
        /// handed out before.
        values: Vec<Checked>,
    },
    /// Values that a listen reported and that no storing node holds any more.
    Expired {
        /// The listen.
        op: OpId,
        /// As they were reported.
        values: Vec<Checked>,
    },
    /// Field rows found by a query. Nobody vouches for them.
    Rows {
        /// The query.
        op: OpId,
        /// Each row once.
        rows: Vec<Row>,
    },
    /// A get or query is over; nothing more comes for it.
    GetDone {
        /// The get or query.
        op: OpId,
        /// How well it was answered.
        report: GetReport,
        /// Values that did not pass the checks: forged, encrypted for others, bound to another place or time, not
        /// bound though only such were wanted, or too many at a time.
        dropped: usize,
    },
    /// A put has been announced to all nodes nearest to its key. A permanent one goes on silently.
    PutDone {
        /// The put.
        op: OpId,
        /// Who holds the value.
        report: PutReport,
    },
    /// A put came to nothing; nothing was sent.
    PutFailed {
        /// The put.
        op: OpId,
        /// Why.
        error: PutError,
    },
    /// A search for a certificate is over.
    Certificate {
        /// The search.
        op: OpId,
        /// The certificate, if it was found.
        certificate: Option<Certificate>,
    },
    /// A search for a public key is over.
    PublicKey {
        /// The search.
        op: OpId,
        /// The key, if it was found and is one of RSA.
        key: Option<PublicKey>,
    },
    /// How well the node is connected has changed.
    StatusChanged {
        /// The address family.
        family: Family,
        /// Its new status.
        status: Status,
    },
}

/// Why a value was not put.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum PutError {
    /// There is no key to sign with: give the node an identity.
    #[error("an identity is needed to sign")]
    NoIdentity,
    /// The node does not take it.
    #[error(transparent)]
    Refused(#[from] OpError),
    /// With owner and signature it exceeds [`Value::MAX_PACKED`].
    #[error("the value takes {0} bytes with all that belongs to it; at most {max} can travel", max = Value::MAX_PACKED)]
    TooLarge(usize),
    /// An edition of the value has the last of all sequence numbers: put a new one, with another id.
    #[error("the value has been edited 65,535 times; no higher sequence number is left")]
    NoSequence,
    /// The user type holds the text that marks a bound value: choose another.
    #[error("a user type must not contain \";bulla-bound=\", which marks bound values")]
    ReservedUserType,
    /// Only what is signed can be bound to its place.
    #[error("only signed and encrypted values can be bound")]
    NotSigned,
    /// A value is for at least one reader and at most [`MAX_RECIPIENTS`].
    #[error("a value can be encrypted for 1 to {MAX_RECIPIENTS} readers, not {0}")]
    Readers(usize),
    /// The recipient's certificate was not found: give its public key, or try again later.
    #[error("the recipient's certificate was not found")]
    NoCertificate,
    /// The recipient's certificate is for a key that cannot encrypt.
    #[error("the recipient's key is no RSA key")]
    NotRsa,
    /// The key is not one of RSA, or does not work.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The recipient's key is not one of RSA or does not work, or there is no randomness.
    #[error(transparent)]
    Encrypt(#[from] EncryptError),
    /// `cancel_put` was called for its key and id before it was announced.
    #[error("the put was cancelled")]
    Cancelled,
}
