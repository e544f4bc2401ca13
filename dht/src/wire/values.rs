//! [`Values`] inside messages, and the [`Parts`] of those that do not fit in
//! (`docs/spec/wire.md#9`).

use std::borrow::Cow;

use super::pack::read_value;
use crate::msgpack::{Array, DecodeError, Head, Raw, Writer};
use crate::value::Value;

/// The values of a message, or the announcement of them.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a>(ValueList<'a>);

#[derive(Clone, Copy, Debug)]
enum ValueList<'a> {
    Received(Raw<'a>),
    Own(&'a [Value]),
    Picked(&'a [&'a Value]),
}

/// An item of the list. [`Part::index`] counts all of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Item {
    /// A whole value, not verified.
    Embedded(Value),
    /// A value of so many packed bytes, at most [`Value::MAX_PACKED`], which follows in parts.
    Announced(u32),
    /// Neither: to be skipped.
    Unusable,
}

/// The parts of announced values that one datagram carries; others send one.
#[derive(Clone, Debug)]
pub struct Parts<'a>(PartList<'a>);

#[derive(Clone, Debug)]
enum PartList<'a> {
    Received(Raw<'a>),
    Own(Part<'a>),
}

/// Some bytes of an announced value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part<'a> {
    /// The value's index in the list that announces it.
    pub index: u32,
    /// Where the bytes begin in the packed value.
    pub offset: u32,
    /// The bytes; others send up to 1,280.
    pub data: Cow<'a, [u8]>,
}

impl Item {
    /// Returns the value, if it is embedded.
    pub fn into_value(self) -> Option<Value> {
        match self {
            Self::Embedded(value) => Some(value),
            Self::Announced(_) | Self::Unusable => None,
        }
    }
}

impl<'a> Values<'a> {
    /// Packed sizes that add up to this are sent in parts, in bytes.
    const EMBED_BELOW: usize = 600;
    /// So many values are sent in parts.
    const EMBED_FEWER_THAN: usize = 50;
    /// Bytes of a value in one part.
    pub(crate) const PART_LEN: usize = 1280;

    /// Makes a list of values to send.
    pub const fn new(values: &'a [Value]) -> Self {
        Self(ValueList::Own(values))
    }

    /// Makes a list of values to send that are not adjacent.
    pub const fn picked(values: &'a [&'a Value]) -> Self {
        Self(ValueList::Picked(values))
    }

    /// Returns the items, decoded one by one.
    pub fn iter(&self) -> impl Iterator<Item = Item> + use<'a> {
        let received = match self.0 {
            ValueList::Received(list) => list.array().unwrap_or_default(),
            ValueList::Own(_) | ValueList::Picked(_) => Array::default(),
        };
        let own = self.own().cloned().map(Item::Embedded);
        received.map(Item::read).chain(own)
    }

    /// Reports whether the list has no items.
    pub fn is_empty(&self) -> bool {
        match self.0 {
            ValueList::Received(list) => list.array().is_ok_and(|mut list| list.next().is_none()),
            ValueList::Own(_) | ValueList::Picked(_) => self.own().next().is_none(),
        }
    }

    /// Reads a list. The values in it are read when asked for.
    pub(super) fn read(raw: Raw<'a>) -> Result<Self, DecodeError> {
        raw.array().map(|_| Self(ValueList::Received(raw)))
    }

    /// Writes the list: all values or, if that is too much for a datagram, their sizes.
    pub(super) fn write(&self, out: &mut Writer) {
        match self.0 {
            ValueList::Received(list) => {
                out.raw(list.bytes());
            }
            ValueList::Own(_) | ValueList::Picked(_) => {
                out.array(self.own().count());
                let announce = self.in_parts();
                for value in self.own() {
                    if announce {
                        out.uint(value.packed().len() as u64);
                    } else {
                        out.raw(value.packed());
                    }
                }
            }
        }
    }

    /// Returns the parts that must follow the message, in order: value by value, offset by offset.
    pub(super) fn parts(&self) -> impl Iterator<Item = Part<'a>> {
        let count = if self.in_parts() { usize::MAX } else { 0 };
        self.own().take(count).zip(0..).flat_map(|(value, index)| {
            let chunks = value.packed().chunks(Self::PART_LEN);
            chunks.enumerate().map(move |(number, data)| Part {
                index,
                offset: (number * Self::PART_LEN) as u32,
                data: Cow::Borrowed(data),
            })
        })
    }

    fn in_parts(&self) -> bool {
        let size: usize = self.own().map(|value| value.packed().len()).sum();
        size >= Self::EMBED_BELOW || self.own().count() >= Self::EMBED_FEWER_THAN
    }

    /// Returns the values to send.
    fn own(&self) -> impl Iterator<Item = &'a Value> + use<'a> {
        let (whole, picked): (&[Value], &[&Value]) = match self.0 {
            ValueList::Received(_) => (&[], &[]),
            ValueList::Own(values) => (values, &[]),
            ValueList::Picked(values) => (&[], values),
        };
        whole.iter().chain(picked.iter().copied())
    }
}

impl Default for Values<'_> {
    fn default() -> Self {
        Self::new(&[])
    }
}

impl PartialEq for Values<'_> {
    /// Compares the items in order.
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Item {
    fn read(raw: Raw<'_>) -> Self {
        match raw.head() {
            Head::Uint(size) if size <= Value::MAX_PACKED as u64 => Self::Announced(size as u32),
            Head::Map(_) => read_value(raw).map_or(Self::Unusable, Self::Embedded),
            _ => Self::Unusable,
        }
    }
}

impl<'a> Parts<'a> {
    /// Makes a single part to send. [`super::encode`] makes those of a message itself.
    pub const fn new(part: Part<'a>) -> Self {
        Self(PartList::Own(part))
    }

    /// Returns the parts, decoded one by one; what is none is skipped.
    pub fn iter(&self) -> impl Iterator<Item = Part<'a>> {
        let (received, own) = match &self.0 {
            PartList::Received(map) => (map.map().ok(), None),
            PartList::Own(part) => (None, Some(part.clone())),
        };
        let received = received.into_iter().flatten();
        received
            .filter_map(|(index, part)| Part::read(index, part).ok())
            .chain(own)
    }

    pub(super) fn read(raw: Raw<'a>) -> Result<Self, DecodeError> {
        raw.map().map(|_| Self(PartList::Received(raw)))
    }

    pub(super) fn write(&self, out: &mut Writer) {
        match &self.0 {
            PartList::Received(map) => {
                out.raw(map.bytes());
            }
            PartList::Own(part) => part.write(out),
        }
    }
}

impl PartialEq for Parts<'_> {
    /// Compares the parts in order.
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<'a> Part<'a> {
    fn read(index: Raw<'a>, part: Raw<'a>) -> Result<Self, DecodeError> {
        let [offset, data] = part.map()?.last(["o", "d"]);
        Ok(Self {
            index: index.uint()?,
            offset: offset.ok_or(DecodeError::Missing("o"))?.uint()?,
            data: data.ok_or(DecodeError::Missing("d"))?.blob()?,
        })
    }

    /// Writes `{ index: { "o": offset, "d": data } }`, the one map with a key that is no str.
    fn write(&self, out: &mut Writer) {
        out.map(|parts| {
            parts.number_key(self.index).map(|part| {
                part.uint("o", self.offset.into());
                part.bin("d", &self.data);
            });
        });
    }
}
