//! [`DecodeError`]: why received bytes were refused.

use thiserror::Error;

/// The bytes are not what they should be: what, and at which byte. Never sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end inside an element, or a length exceeds what is left.
    #[error("cut off at byte {at}")]
    Truncated {
        /// Where the missing part should be.
        at: usize,
    },
    /// An element of another type or range.
    #[error("expected {expected} at byte {at}")]
    Unexpected {
        /// What should be there.
        expected: &'static str,
        /// Where the element begins.
        at: usize,
    },
    /// A field without which the whole makes no sense.
    #[error("missing field `{0}`")]
    Missing(&'static str),
    /// The message is of no known kind, or asks for something unknown.
    #[error("unknown kind of message")]
    UnknownKind,
    /// A value beyond [`crate::Value::MAX_PACKED`].
    #[error("a value of {0} bytes is too large")]
    TooLarge(usize),
}
