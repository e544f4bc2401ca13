//! [`Cursor`]: a walk over msgpack, element by element or [`Token`] by token. How many bytes a marker is followed by is `rmp`'s.

use rmp::Marker;

use super::DecodeError;
use super::msgpack::Raw;

/// An element's header, or the whole of it if it holds no others.
#[derive(Clone, Copy, Debug)]
pub(super) enum Token<'a> {
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
    /// Nil, a negative or a floating-point number: nothing on this wire is one of them.
    Other,
}

/// What stands before an element's bytes or before the elements it holds.
struct Header {
    form: Form,
    /// The number itself, or how many bytes or elements follow.
    number: u64,
}

#[derive(Clone, Copy)]
enum Form {
    Uint,
    Bool,
    Str,
    Bin,
    Ext,
    Array,
    Map,
    /// A number that is of no use, in so many bytes.
    Number,
    Other,
}

/// The bytes not read yet.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    /// Where they end.
    end: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(rest: &'a [u8], at: usize) -> Self {
        let end = at + rest.len();
        Self { rest, end }
    }

    fn at(&self) -> usize {
        self.end - self.rest.len()
    }

    /// What is wrong here, where nothing could be read.
    pub(super) fn fault(&self) -> DecodeError {
        let at = self.at();
        match self.rest.first().map(|&marker| Marker::from_u8(marker)) {
            Some(Marker::Reserved) => DecodeError::Unexpected {
                expected: "msgpack",
                at,
            },
            _ => DecodeError::Truncated { at },
        }
    }

    /// Walks over one element with all that it holds.
    pub(super) fn element(&mut self) -> Option<Raw<'a>> {
        let (whole, at) = (self.rest, self.at());
        let mut pending = 1;
        while pending > 0 {
            let Header { form, number } = self.header()?;
            match form {
                Form::Uint | Form::Bool | Form::Other => {}
                Form::Str | Form::Bin | Form::Ext | Form::Number => {
                    self.take(number)?;
                }
                Form::Array => pending += number,
                Form::Map => pending += 2 * number,
            }
            pending -= 1;
            // An element takes a byte at least: a header that claims more than is left is refused here.
            if pending > self.rest.len() as u64 {
                return None;
            }
        }
        let bytes = whole.get(..self.at() - at)?;
        Some(Raw { bytes, at })
    }

    /// Walks over a key with all that it holds; its text, which is empty if it is no str.
    #[inline]
    pub(super) fn key(&mut self) -> Option<&'a [u8]> {
        let mut ahead = *self;
        if let Token::Str(text) = ahead.token()? {
            *self = ahead;
            return Some(text);
        }
        self.element().map(|_| &[][..])
    }

    pub(super) fn token(&mut self) -> Option<Token<'a>> {
        let Header { form, number } = self.header()?;
        Some(match form {
            Form::Uint => Token::Uint(number),
            Form::Bool => Token::Bool(number != 0),
            Form::Str => Token::Str(self.take(number)?),
            Form::Bin => Token::Bin(self.take(number)?),
            Form::Ext => {
                let (kind, bytes) = self.take(number)?.split_first()?;
                Token::Ext(kind.cast_signed(), bytes)
            }
            Form::Array => Token::Array(number),
            Form::Map => Token::Map(number),
            Form::Number => self.take(number).map(|_| Token::Other)?,
            Form::Other => Token::Other,
        })
    }

    /// Reads what an element is and how long.
    #[inline]
    fn header(&mut self) -> Option<Header> {
        let (&marker, rest) = self.rest.split_first()?;
        let marker = Marker::from_u8(marker);
        if matches!(marker, Marker::Reserved) {
            return None;
        }
        self.rest = rest;
        let (form, number) = match marker {
            Marker::FixPos(number) => (Form::Uint, number.into()),
            Marker::U8 => (Form::Uint, self.number::<1>()?),
            Marker::U16 => (Form::Uint, self.number::<2>()?),
            Marker::U32 => (Form::Uint, self.number::<4>()?),
            Marker::U64 => (Form::Uint, self.number::<8>()?),
            Marker::I8 => self.signed::<1>()?,
            Marker::I16 => self.signed::<2>()?,
            Marker::I32 => self.signed::<4>()?,
            Marker::I64 => self.signed::<8>()?,
            Marker::False => (Form::Bool, 0),
            Marker::True => (Form::Bool, 1),
            Marker::FixStr(len) => (Form::Str, len.into()),
            Marker::Str8 => (Form::Str, self.number::<1>()?),
            Marker::Str16 => (Form::Str, self.number::<2>()?),
            Marker::Str32 => (Form::Str, self.number::<4>()?),
            Marker::Bin8 => (Form::Bin, self.number::<1>()?),
            Marker::Bin16 => (Form::Bin, self.number::<2>()?),
            Marker::Bin32 => (Form::Bin, self.number::<4>()?),
            Marker::FixArray(len) => (Form::Array, len.into()),
            Marker::Array16 => (Form::Array, self.number::<2>()?),
            Marker::Array32 => (Form::Array, self.number::<4>()?),
            Marker::FixMap(len) => (Form::Map, len.into()),
            Marker::Map16 => (Form::Map, self.number::<2>()?),
            Marker::Map32 => (Form::Map, self.number::<4>()?),
            // The byte of the type counts to the bytes here.
            Marker::FixExt1 => (Form::Ext, 1 + 1),
            Marker::FixExt2 => (Form::Ext, 1 + 2),
            Marker::FixExt4 => (Form::Ext, 1 + 4),
            Marker::FixExt8 => (Form::Ext, 1 + 8),
            Marker::FixExt16 => (Form::Ext, 1 + 16),
            Marker::Ext8 => (Form::Ext, 1 + self.number::<1>()?),
            Marker::Ext16 => (Form::Ext, 1 + self.number::<2>()?),
            Marker::Ext32 => (Form::Ext, 1 + self.number::<4>()?),
            Marker::F32 => (Form::Number, 4),
            Marker::F64 => (Form::Number, 8),
            Marker::FixNeg(_) | Marker::Null | Marker::Reserved => (Form::Other, 0),
        };
        Some(Header { form, number })
    }

    /// A signed integer of `N` bytes; one that is not negative is as good as an unsigned one.
    fn signed<const N: usize>(&mut self) -> Option<(Form, u64)> {
        let number = self.number::<N>()?;
        let is_negative = number >> (8 * N - 1) != 0;
        let form = if is_negative { Form::Other } else { Form::Uint };
        Some((form, number))
    }

    /// A big-endian number of `N` bytes.
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
