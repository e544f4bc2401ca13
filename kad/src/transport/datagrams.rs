//! [`Datagrams`]: a message in bytes, and [`Transmit`]: one of them on its way.

use std::net::SocketAddr;

use bytes::Bytes;

/// A message in bytes.
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

/// A datagram to send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transmit {
    /// Where to.
    pub to: SocketAddr,
    /// The payload; how large it can be is for the dialect to say.
    pub bytes: Bytes,
}

impl Datagrams {
    /// Returns the sizes of all datagrams.
    pub fn sizes(&self) -> impl Iterator<Item = usize> {
        let all = std::iter::once(&self.head).chain(&self.parts);
        all.map(Bytes::len)
    }

    /// Returns the same in memory of its own.
    pub fn detach(&self) -> Self {
        let detach = |bytes: &Bytes| Bytes::copy_from_slice(bytes);
        Self {
            head: detach(&self.head),
            parts: self.parts.iter().map(detach).collect(),
        }
    }
}

impl From<Bytes> for Datagrams {
    /// Makes a message of one datagram.
    fn from(head: Bytes) -> Self {
        let parts = Vec::new();
        Self { head, parts }
    }
}

impl IntoIterator for Datagrams {
    type Item = Bytes;
    type IntoIter = std::iter::Chain<std::iter::Once<Bytes>, std::vec::IntoIter<Bytes>>;

    fn into_iter(self) -> Self::IntoIter {
        std::iter::once(self.head).chain(self.parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_goes_out_before_its_parts_and_is_the_same_when_detached() {
        let parts = [&b"part"[..], b"last"].map(Bytes::from_static).to_vec();
        let message = Datagrams {
            parts,
            ..Bytes::from_static(b"head").into()
        };
        let sent: Vec<_> = message.clone().into_iter().collect();
        assert_eq!(sent, ["head", "part", "last"]);
        let detached = message.detach();
        assert_eq!(detached, message);
        assert_ne!(detached.head.as_ptr(), message.head.as_ptr());
    }
}
