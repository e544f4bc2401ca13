//! [`BufferPool`]: memory that short-lived datagrams share.

use bytes::{Bytes, BytesMut};

/// The first piece of memory taken, in bytes.
const FIRST: usize = 512;

/// A piece of memory for one datagram after another, used again from its beginning when none of
/// them is left. It grows only while many are held at a time.
#[derive(Debug)]
pub(super) struct BufferPool {
    memory: BytesMut,
    /// The size of the piece.
    size: usize,
    most: usize,
}

impl BufferPool {
    /// Makes a pool whose pieces are at most so large, unless a datagram is larger.
    pub(super) fn new(most: usize) -> Self {
        Self {
            memory: BytesMut::new(),
            size: 0,
            most,
        }
    }

    /// Returns a copy of these bytes.
    pub(super) fn place(&mut self, bytes: &[u8]) -> Bytes {
        // If not now, then before the piece is used up.
        let _ = self.memory.try_reclaim(self.size);
        if self.memory.capacity() < bytes.len() {
            self.size = (self.size * 2).clamp(FIRST, self.most);
            self.memory.reserve(bytes.len().max(self.size));
        }
        self.memory.extend_from_slice(bytes);
        self.memory.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn memory_is_used_again_when_none_of_it_is_left() {
        let mut buffers = BufferPool::new(4 << 10);
        let places: BTreeSet<_> = (0..1_000)
            .map(|_| buffers.place(&[7; 64]).as_ptr())
            .collect();
        assert!(places.len() <= FIRST / 64, "{places:?}");
    }

    #[test]
    fn datagrams_that_are_held_keep_their_bytes_while_pieces_grow() {
        let mut buffers = BufferPool::new(4 << 10);
        let kept: Vec<_> = (0..200u8).map(|byte| buffers.place(&[byte; 100])).collect();
        for (byte, kept) in (0..200u8).zip(&kept) {
            assert_eq!(kept[..], [byte; 100]);
        }
        assert_eq!(buffers.size, 4 << 10);
        assert_eq!(buffers.place(&[7; 9_000]).len(), 9_000);
    }
}
