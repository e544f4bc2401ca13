//! [`SecurePutError`]: why a value was not put.

use bulla_identity::{EncryptError, MAX_RECIPIENTS, SignError};
use thiserror::Error;

use crate::node::OpError;
use crate::value::Value;

/// Why a value was not put.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum SecurePutError {
    /// There is no key to sign with: give the node an identity.
    #[error("an identity is needed to sign")]
    NoIdentity,
    /// The node does not take it.
    #[error(transparent)]
    Refused(#[from] OpError),
    /// With owner and signature it exceeds [`Value::MAX_PACKED`].
    #[error(
        "the value takes {0} bytes with all that belongs to it; at most {max} can travel",
        max = Value::MAX_PACKED
    )]
    TooLarge(usize),
    /// An edition of the value has the highest sequence number: put a new one, with another
    /// id.
    #[error("the value has been edited 65,535 times; no higher sequence number is left")]
    NoSequence,
    /// The user type holds the text that marks a bound value: choose another.
    #[error("a user type must not contain \";bulla-bound=\", which marks bound values")]
    ReservedUserType,
    /// Only what is signed can be bound to its place.
    #[error("only signed and encrypted values can be bound")]
    NotSigned,
    /// The value is to expire some time from now, and the calendar shows a time before this program
    /// was written.
    #[error("the system's clock is not set, so no time can be given at which the value expires")]
    NoCalendar,
    /// A value is for at least one recipient and at most [`MAX_RECIPIENTS`].
    #[error("a value can be encrypted for 1 to {MAX_RECIPIENTS} recipients, not {0}")]
    Recipients(usize),
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
    /// The work of signing or encrypting it was broken off by a fault in the program.
    #[error("signing or encrypting the value failed unexpectedly; this is a fault in bulla")]
    JobFailed,
}
