//! [`Cursor`]: a walk over msgpack, element by element or [`Head`] by head.

use rmp::Marker;

use super::DecodeError;

/// The head of an element, which says what it is, and its bytes unless these are elements.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Head<'a> {
    Uint(u64),
    Bool(bool),
    Str(&'a [u8]),
    Bin(&'a [u8]),
    /// Type and bytes.
    Ext(i8, &'a [u8]),
    /// So many elements follow.
    Array(u64),
    /// So many pairs of elements follow.
    Map(u64),
    /// Nil, a negative or a floating-point number, none of which has a use on this wire.
    Other,
}

/// What the number beside it means: the element itself, or how many bytes or elements follow.
#[derive(Clone, Copy)]
enum Format {
    Uint,
    Bool,
    Str,
    Bin,
    Ext,
    Array,
    Map,
    /// So many bytes of a number that has no use.
    Number,
    Other,
}

/// The bytes not read yet.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
    /// Where they end.
    end: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(rest: &'a [u8], at: usize) -> Self {
        let end = at + rest.len();
        Self { rest, end }
    }

    /// Reports whether everything is read.
    pub(crate) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    fn at(&self) -> usize {
        self.end - self.rest.len()
    }

    /// Returns what is wrong here, where nothing could be read.
    pub(crate) fn fault(&self) -> DecodeError {
        let at = self.at();
        match self.rest.first().map(|&marker| Marker::from_u8(marker)) {
            Some(Marker::Reserved) => DecodeError::Unexpected {
                expected: "msgpack",
                at,
            },
            _ => DecodeError::Truncated { at },
        }
    }

    /// Walks over one element with all that it holds, and returns where it begins and its bytes.
    pub(crate) fn element(&mut self) -> Option<(usize, &'a [u8])> {
        let (whole, at) = (self.rest, self.at());
        let mut pending = 1;
        while pending > 0 {
            let (format, number) = self.format()?;
            match format {
                Format::Uint | Format::Bool | Format::Other => {}
                Format::Str | Format::Bin | Format::Ext | Format::Number => {
                    self.take(number)?;
                }
                Format::Array => pending += number,
                Format::Map => pending += 2 * number,
            }
            pending -= 1;
            // An element takes at least one byte, so a head that claims more is refused here.
            if pending > self.rest.len() as u64 {
                return None;
            }
        }
        Some((at, whole.get(..self.at() - at)?))
    }

    /// Walks over a key with all that it holds, and returns its text, empty if it is no str.
    #[inline]
    pub(crate) fn key(&mut self) -> Option<&'a [u8]> {
        let mut ahead = *self;
        if let Head::Str(text) = ahead.head()? {
            *self = ahead;
            return Some(text);
        }
        self.element().map(|_| &[][..])
    }

    /// Reads the head of an element, and its bytes unless these are elements.
    pub(crate) fn head(&mut self) -> Option<Head<'a>> {
        let (format, number) = self.format()?;
        Some(match format {
            Format::Uint => Head::Uint(number),
            Format::Bool => Head::Bool(number != 0),
            Format::Str => Head::Str(self.take(number)?),
            Format::Bin => Head::Bin(self.take(number)?),
            Format::Ext => {
                let (kind, bytes) = self.take(number)?.split_first()?;
                Head::Ext(kind.cast_signed(), bytes)
            }
            Format::Array => Head::Array(number),
            Format::Map => Head::Map(number),
            Format::Number => self.take(number).map(|_| Head::Other)?,
            Format::Other => Head::Other,
        })
    }

    /// Reads a marker and the number that belongs to it.
    #[inline]
    fn format(&mut self) -> Option<(Format, u64)> {
        let (&marker, rest) = self.rest.split_first()?;
        let marker = Marker::from_u8(marker);
        if matches!(marker, Marker::Reserved) {
            return None;
        }
        self.rest = rest;
        Some(match marker {
            Marker::FixPos(number) => (Format::Uint, number.into()),
            Marker::U8 => (Format::Uint, self.number::<1>()?),
            Marker::U16 => (Format::Uint, self.number::<2>()?),
            Marker::U32 => (Format::Uint, self.number::<4>()?),
            Marker::U64 => (Format::Uint, self.number::<8>()?),
            Marker::I8 => self.signed::<1>()?,
            Marker::I16 => self.signed::<2>()?,
            Marker::I32 => self.signed::<4>()?,
            Marker::I64 => self.signed::<8>()?,
            Marker::False => (Format::Bool, 0),
            Marker::True => (Format::Bool, 1),
            Marker::FixStr(len) => (Format::Str, len.into()),
            Marker::Str8 => (Format::Str, self.number::<1>()?),
            Marker::Str16 => (Format::Str, self.number::<2>()?),
            Marker::Str32 => (Format::Str, self.number::<4>()?),
            Marker::Bin8 => (Format::Bin, self.number::<1>()?),
            Marker::Bin16 => (Format::Bin, self.number::<2>()?),
            Marker::Bin32 => (Format::Bin, self.number::<4>()?),
            Marker::FixArray(len) => (Format::Array, len.into()),
            Marker::Array16 => (Format::Array, self.number::<2>()?),
            Marker::Array32 => (Format::Array, self.number::<4>()?),
            Marker::FixMap(len) => (Format::Map, len.into()),
            Marker::Map16 => (Format::Map, self.number::<2>()?),
            Marker::Map32 => (Format::Map, self.number::<4>()?),
            // The byte of the type is counted in.
            Marker::FixExt1 => (Format::Ext, 1 + 1),
            Marker::FixExt2 => (Format::Ext, 1 + 2),
            Marker::FixExt4 => (Format::Ext, 1 + 4),
            Marker::FixExt8 => (Format::Ext, 1 + 8),
            Marker::FixExt16 => (Format::Ext, 1 + 16),
            Marker::Ext8 => (Format::Ext, 1 + self.number::<1>()?),
            Marker::Ext16 => (Format::Ext, 1 + self.number::<2>()?),
            Marker::Ext32 => (Format::Ext, 1 + self.number::<4>()?),
            Marker::F32 => (Format::Number, 4),
            Marker::F64 => (Format::Number, 8),
            Marker::FixNeg(_) | Marker::Null | Marker::Reserved => (Format::Other, 0),
        })
    }

    /// Reads a signed integer of `N` bytes, which counts as unsigned if it is not negative.
    fn signed<const N: usize>(&mut self) -> Option<(Format, u64)> {
        let number = self.number::<N>()?;
        let is_negative = number >> (8 * N - 1) != 0;
        let format = if is_negative {
            Format::Other
        } else {
            Format::Uint
        };
        Some((format, number))
    }

    /// Reads a big-endian number of `N` bytes.
    #[inline]
    fn number<const N: usize>(&mut self) -> Option<u64> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        let fold = |number, &byte| number << 8 | u64::from(byte);
        Some(bytes.iter().fold(0, fold))
    }

    #[inline]
    fn take(&mut self, len: u64) -> Option<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(usize::try_from(len).ok()?)?;
        self.rest = rest;
        Some(bytes)
    }
}
