//! [`Datagrams`]: a message in bytes.

use bytes::Bytes;

/// A message in bytes, as an encoder makes it.
///
/// Iterates over all datagrams in the order in which they must be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use]
pub struct Datagrams {
    /// The message.
    pub head: Bytes,
    /// The parts of its values, if they are not in it.
    pub parts: Vec<Bytes>,
}

impl Datagrams {
    /// Returns the same in memory of its own.
    pub fn detach(&self) -> Self {
        let detach = |bytes: &Bytes| Bytes::copy_from_slice(bytes);
        Self {
            head: detach(&self.head),
            parts: self.parts.iter().map(detach).collect(),
        }
    }
}

impl IntoIterator for Datagrams {
    type Item = Bytes;
    type IntoIter = std::iter::Chain<std::iter::Once<Bytes>, std::vec::IntoIter<Bytes>>;

    fn into_iter(self) -> Self::IntoIter {
        std::iter::once(self.head).chain(self.parts)
    }
}
