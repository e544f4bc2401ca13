//! msgpack, read and written by hand: [`Raw`] reads, [`Writer`] writes the canonical forms.
//!
//! serde's data model cannot tell apart what this wire does: it takes bin for str, str for bin,
//! arrays for maps, and integer keys for field numbers. What each marker means is `rmp`'s.

mod cursor;
mod error;
mod reader;
mod writer;

pub(crate) use cursor::{Cursor, Head};
pub use error::DecodeError;
pub(crate) use reader::{Array, Raw};
pub(crate) use writer::{MapWriter, Span, Writer};
