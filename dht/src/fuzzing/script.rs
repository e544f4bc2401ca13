//! [`Script`]: bytes taken for a sequence of choices.

use crate::value::Value;
use crate::{Draft, InfoHash, ValueId, ValueType, wire};

/// Choices, until the bytes run out; then all are 0.
pub(super) struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        byte
    }

    /// Takes a number below 65,536.
    pub(super) fn number(&mut self) -> usize {
        usize::from(u16::from_be_bytes([self.byte(), self.byte()]))
    }

    /// Takes up to 255 bytes as they are.
    pub(super) fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte()).min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes
    }

    /// Chooses one of the items, if there are any.
    pub(super) fn one_of<'t, T>(&mut self, items: &'t [T]) -> Option<&'t T> {
        let choice = usize::from(self.byte());
        items.get(choice.checked_rem(items.len())?)
    }

    /// Chooses one of four keys.
    pub(super) fn key(&mut self) -> InfoHash {
        InfoHash::of(&[self.byte() % 4])
    }

    /// Makes a value of any form and type, now and then one that must be sent in parts.
    pub(super) fn value(&mut self) -> Value {
        const TYPES: [u16; 8] = [0, 1, 2, 3, 4, 5, 8, 4711];
        let (form, id) = (self.byte(), ValueId(u64::from(self.byte() % 5)));
        let value_type = ValueType(TYPES[usize::from(form >> 5)]);
        let mut data = self.bytes().to_vec();
        if form & 16 != 0 {
            data.resize(3_000, form);
        }
        let draft = Draft::new(data).value_type(value_type);
        match form & 3 {
            0 => wire::pack_encrypted(&draft, id, b"a ciphertext"),
            1 => {
                let seq = u16::from(self.byte());
                let body = wire::pack_body(&draft, b"an owner", seq, None);
                wire::pack_signed(&draft, id, &body, b"a signature").expect("a body")
            }
            _ => wire::pack(&draft, id),
        }
    }
}
