//! [`Writer`]: the canonical forms, which are the shortest integers and lengths, str keys, and bin
//! for bytes.

use rmp::encode::{self, ByteBuf};

use crate::InfoHash;

/// Bytes being written.
#[derive(Default, Debug)]
pub(crate) struct Writer(ByteBuf);

/// A map being written, at most 15 entries: its one-byte header is set when all are in.
pub(crate) struct MapWriter<'w> {
    out: &'w mut Writer,
    entries: u8,
}

/// A range of packed bytes, which are far below 4 GiB.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

impl Writer {
    /// Makes an empty one with room for so many bytes.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(ByteBuf::with_capacity(bytes))
    }

    /// Forgets what was written and keeps its memory.
    pub(crate) fn clear(&mut self) {
        self.0.as_mut_vec().clear();
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0.into_vec()
    }

    /// Writes a map of the entries that `fill` writes.
    pub(crate) fn map<T>(&mut self, fill: impl FnOnce(&mut MapWriter<'_>) -> T) -> T {
        const FIXMAP: u8 = 0x80;
        let start = self.position();
        self.raw(&[FIXMAP]);
        let mut map = MapWriter {
            out: self,
            entries: 0,
        };
        let result = fill(&mut map);
        let entries = map.entries;
        debug_assert!(entries < 16, "a map of {entries} entries");
        if let Some(header) = self.0.as_mut_vec().get_mut(start) {
            *header |= entries;
        }
        result
    }

    /// Writes the header of an array; so many elements must follow.
    pub(crate) fn array(&mut self, elements: usize) {
        let Ok(_) = encode::write_array_len(&mut self.0, elements as u32);
    }

    pub(crate) fn uint(&mut self, number: u64) {
        let Ok(_) = encode::write_uint(&mut self.0, number);
    }

    pub(crate) fn bool(&mut self, truth: bool) {
        let Ok(()) = encode::write_bool(&mut self.0, truth);
    }

    /// Writes a str, which need not be UTF-8, and returns where its text stands.
    pub(crate) fn str(&mut self, text: &[u8]) -> Span {
        let Ok(_) = encode::write_str_len(&mut self.0, text.len() as u32);
        self.raw(text)
    }

    /// Writes a bin and returns where its bytes stand.
    pub(crate) fn bin(&mut self, bytes: &[u8]) -> Span {
        self.bin_len(bytes.len());
        self.raw(bytes)
    }

    /// Writes the header of a bin; so many raw bytes must follow.
    pub(crate) fn bin_len(&mut self, bytes: usize) {
        let Ok(_) = encode::write_bin_len(&mut self.0, bytes as u32);
    }

    /// Writes an extension: a type and bytes.
    pub(crate) fn ext(&mut self, kind: i8, bytes: &[u8]) {
        let Ok(_) = encode::write_ext_meta(&mut self.0, bytes.len() as u32, kind);
        self.raw(bytes);
    }

    /// Writes an element that was packed before, and returns where it stands.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> Span {
        let start = self.position();
        self.0.as_mut_vec().extend_from_slice(bytes);
        self.span_from(start)
    }

    /// Returns how many bytes are written.
    pub(crate) fn position(&self) -> usize {
        self.0.as_slice().len()
    }

    /// Returns the bytes from `start` to here.
    pub(crate) fn span_from(&self, start: usize) -> Span {
        Span {
            start: start as u32,
            len: (self.position() - start) as u32,
        }
    }
}

impl MapWriter<'_> {
    /// Writes a key; exactly one element must follow.
    pub(crate) fn key(&mut self, key: &str) -> &mut Writer {
        self.entries += 1;
        self.out.str(key.as_bytes());
        self.out
    }

    /// Writes a key that is a number; exactly one element must follow.
    pub(crate) fn number_key(&mut self, key: u32) -> &mut Writer {
        self.entries += 1;
        self.out.uint(key.into());
        self.out
    }

    pub(crate) fn uint(&mut self, key: &str, number: u64) {
        self.key(key).uint(number);
    }

    pub(crate) fn str(&mut self, key: &str, text: &str) {
        self.key(key).str(text.as_bytes());
    }

    pub(crate) fn bin(&mut self, key: &str, bytes: &[u8]) {
        self.key(key).bin(bytes);
    }

    pub(crate) fn hash(&mut self, key: &str, hash: &InfoHash) {
        self.bin(key, hash.as_bytes());
    }
}
