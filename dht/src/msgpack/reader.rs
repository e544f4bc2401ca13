//! [`Raw`], one checked element of received bytes, and its views [`Map`] and [`Array`].
//!
//! [`Raw::parse`] and [`Raw::each_of_map`] are the only ways in. They walk over everything once and
//! hold each length against the bytes that are left, so that whatever is read afterwards lies
//! within the datagram. Nothing recurses (no depth exhausts the stack) and nothing is allocated for
//! what a head claims.

use std::borrow::Cow;

use super::{Cursor, DecodeError, Head};
use crate::InfoHash;

/// One whole element and the byte where it begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// The entries of a map: keys and values in the order they came.
#[derive(Clone, Debug)]
pub(crate) struct Map<'a> {
    entries: u64,
    cursor: Cursor<'a>,
}

/// The elements of an array.
#[derive(Clone, Default, Debug)]
pub(crate) struct Array<'a> {
    elements: u64,
    cursor: Cursor<'a>,
}

impl<'a> Raw<'a> {
    /// Checks the first element of `input` and ignores what follows it.
    pub(crate) fn parse(input: &'a [u8]) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::new(input, 0);
        Self::next(&mut cursor).ok_or_else(|| cursor.fault())
    }

    /// Checks the map at the beginning of `input`, ignores what follows it, and hands over its
    /// entries in the same walk, as [`Map::each`] does.
    pub(crate) fn each_of_map(
        input: &'a [u8],
        take: impl FnMut(&'a [u8], Self) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let mut cursor = Cursor::new(input, 0);
        match cursor.head() {
            Some(Head::Map(entries)) => Map { entries, cursor }.each(take),
            _ => Self::parse(input).and_then(|raw| Err(raw.expected("a map"))),
        }
    }

    fn next(cursor: &mut Cursor<'a>) -> Option<Self> {
        let (at, bytes) = cursor.element()?;
        Some(Self { bytes, at })
    }

    /// Returns the element as it came.
    pub(crate) fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    pub(crate) fn head(self) -> Head<'a> {
        self.cursor().head().unwrap_or(Head::Other)
    }

    /// Reads an unsigned integer, in whichever encoding, that fits `T`.
    pub(crate) fn uint<T: TryFrom<u64>>(self) -> Result<T, DecodeError> {
        match self.head() {
            Head::Uint(number) => T::try_from(number).ok(),
            _ => None,
        }
        .ok_or_else(|| self.expected("an unsigned integer in range"))
    }

    pub(crate) fn bool(self) -> Result<bool, DecodeError> {
        match self.head() {
            Head::Bool(truth) => Ok(truth),
            _ => Err(self.expected("a truth value")),
        }
    }

    /// Reads a str. Its bytes need not be UTF-8, which the reference does not check.
    pub(crate) fn str(self) -> Result<&'a [u8], DecodeError> {
        match self.head() {
            Head::Str(text) => Ok(text),
            _ => Err(self.expected("a str")),
        }
    }

    /// Reads a text, which others take as a bin too.
    pub(crate) fn text(self) -> Result<&'a [u8], DecodeError> {
        match self.head() {
            Head::Str(text) | Head::Bin(text) => Ok(text),
            _ => Err(self.expected("a text")),
        }
    }

    pub(crate) fn bin(self) -> Result<&'a [u8], DecodeError> {
        match self.head() {
            Head::Bin(bytes) => Ok(bytes),
            _ => Err(self.expected("a bin")),
        }
    }

    /// Reads bytes in any of the forms that exist: bin, str, or an array of small integers, which
    /// alone needs a copy.
    pub(crate) fn blob(self) -> Result<Cow<'a, [u8]>, DecodeError> {
        match self.head() {
            Head::Bin(bytes) | Head::Str(bytes) => Ok(Cow::Borrowed(bytes)),
            Head::Array(_) => self.array()?.map(Self::uint::<u8>).collect(),
            _ => Err(self.expected("bytes")),
        }
    }

    /// Reads a bin of exactly 20 bytes.
    pub(crate) fn hash(self) -> Result<InfoHash, DecodeError> {
        InfoHash::try_from(self.bin()?).map_err(|_| self.expected("a hash of 20 bytes"))
    }

    /// Reads a number of 32 bits: an integer or, in the old form, up to 4 bytes, most significant
    /// first.
    pub(crate) fn number32(self) -> Result<u32, DecodeError> {
        match self.head() {
            Head::Bin(bytes) | Head::Str(bytes) if bytes.len() <= 4 => {
                let mut number = [0; 4];
                number
                    .iter_mut()
                    .zip(bytes)
                    .for_each(|(to, from)| *to = *from);
                Ok(u32::from_be_bytes(number))
            }
            _ => self.uint(),
        }
    }

    pub(crate) fn map(self) -> Result<Map<'a>, DecodeError> {
        let mut cursor = self.cursor();
        match cursor.head() {
            Some(Head::Map(entries)) => Ok(Map { entries, cursor }),
            _ => Err(self.expected("a map")),
        }
    }

    pub(crate) fn array(self) -> Result<Array<'a>, DecodeError> {
        let mut cursor = self.cursor();
        match cursor.head() {
            Some(Head::Array(elements)) => Ok(Array { elements, cursor }),
            _ => Err(self.expected("an array")),
        }
    }

    /// Returns the error that something else should be here.
    pub(crate) fn expected(self, expected: &'static str) -> DecodeError {
        DecodeError::Unexpected {
            expected,
            at: self.at,
        }
    }

    fn cursor(self) -> Cursor<'a> {
        Cursor::new(self.bytes, self.at)
    }
}

impl<'a> Map<'a> {
    /// Hands over keys and values in the order they came. A key that is no str counts as an empty
    /// one. Fails where `take` does, and where the map has not been checked before and is not
    /// whole.
    pub(crate) fn each(
        mut self,
        mut take: impl FnMut(&'a [u8], Raw<'a>) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let cursor = &mut self.cursor;
        for _ in 0..self.entries {
            let key = cursor.key().ok_or_else(|| cursor.fault())?;
            let value = Raw::next(cursor).ok_or_else(|| cursor.fault())?;
            take(key, value)?;
        }
        Ok(())
    }

    /// Returns the values of these keys; the last of a repeated key counts.
    pub(crate) fn last<const N: usize>(self, keys: [&str; N]) -> [Option<Raw<'a>>; N] {
        self.pick(keys, |kept, value| *kept = Some(value))
    }

    /// Returns the values of these keys; the first of a repeated key counts.
    pub(crate) fn first<const N: usize>(self, keys: [&str; N]) -> [Option<Raw<'a>>; N] {
        self.pick(keys, |kept, value| *kept = kept.or(Some(value)))
    }

    fn pick<const N: usize>(
        self,
        keys: [&str; N],
        keep: impl Fn(&mut Option<Raw<'a>>, Raw<'a>),
    ) -> [Option<Raw<'a>>; N] {
        let mut values = [None; N];
        let picked = self.each(|name, value| {
            let mut places = keys.iter().zip(&mut values);
            if let Some((_, kept)) = places.find(|(key, _)| is_same(key.as_bytes(), name)) {
                keep(kept, value);
            }
            Ok(())
        });
        picked.map_or([None; N], |()| values)
    }
}

/// Reports whether both are equal; for texts of a few bytes.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b)
}

impl<'a> Iterator for Map<'a> {
    type Item = (Raw<'a>, Raw<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.entries = self.entries.checked_sub(1)?;
        let cursor = &mut self.cursor;
        Some((Raw::next(cursor)?, Raw::next(cursor)?))
    }
}

impl<'a> Iterator for Array<'a> {
    type Item = Raw<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.elements = self.elements.checked_sub(1)?;
        Raw::next(&mut self.cursor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;
    use serde::de::IgnoredAny;

    use super::*;

    proptest! {
        #[test]
        fn elements_end_where_another_reader_ends_them(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut others = rmp_serde::Deserializer::new(&bytes[..]);
            let theirs = IgnoredAny::deserialize(&mut others).ok();
            let theirs = theirs.map(|_| bytes.len() - others.get_ref().len());
            let ours = Raw::parse(&bytes).ok().map(|raw| raw.bytes().len());
            prop_assert_eq!(ours, theirs);
        }

        #[test]
        fn one_walk_over_a_map_finds_the_same_as_two(
            entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..6), 0..4),
            count in 0..4u8,
            cut in 0..24usize,
        ) {
            let keyed = entries.iter().zip([&b"\xa1a"[..], b"\xa1b", b"\x07", b"\xa1a"]);
            let bodies = keyed.flat_map(|(value, key)| [key, &value[..]].concat());
            let mut bytes: Vec<u8> = std::iter::once(0x80 | count).chain(bodies).collect();
            bytes.truncate(bytes.len().max(cut) - cut / 2);
            let mut one = Vec::new();
            let walk = Raw::each_of_map(&bytes, |key, value| {
                one.push((key, value.at, value.bytes.len()));
                Ok(())
            });
            let two = Raw::parse(&bytes).and_then(Raw::map).map(|map| {
                map.map(|(key, value)| (key.str().unwrap_or_default(), value.at, value.bytes.len()))
                    .collect::<Vec<_>>()
            });
            prop_assert_eq!(walk.map(|()| one).ok(), two.ok());
        }

        #[test]
        fn integers_are_read_in_every_width(number in any::<u8>(), wide in any::<u64>()) {
            let uint = |packed: &[u8]| Raw::parse(packed).unwrap().uint::<u64>();
            prop_assert_eq!(uint(&[0xcc, number]), Ok(number.into()));
            prop_assert_eq!(uint(&[0xcd, 0, number]), Ok(number.into()));
            prop_assert_eq!(uint(&[0xce, 0, 0, 0, number]), Ok(number.into()));
            prop_assert_eq!(uint(&[&[0xcf], &wide.to_be_bytes()[..]].concat()), Ok(wide));
        }
    }

    #[test]
    fn signed_integers_count_if_they_are_not_negative() {
        let uint = |packed: &[u8]| Raw::parse(packed).unwrap().uint::<u64>().ok();
        assert_eq!(uint(&[0xd0, 0x7f]), Some(127));
        assert_eq!(uint(&[0xd1, 0x01, 0x00]), Some(256));
        assert_eq!(
            uint(&[0xd3, 0x7f, 255, 255, 255, 255, 255, 255, 255]),
            Some(u64::MAX / 2)
        );
        for negative in [
            &[0xff][..],
            &[0xd0, 0x80],
            &[0xd1, 0xff, 0xff],
            &[0xd2, 0x80, 0, 0, 0],
        ] {
            assert_eq!(uint(negative), None);
        }
    }

    #[test]
    fn numbers_come_as_integers_or_as_up_to_four_bytes() {
        let number = |packed: &[u8]| Raw::parse(packed).unwrap().number32().ok();
        assert_eq!(number(&[0xcd, 1, 2]), Some(0x0102));
        assert_eq!(number(&[0xc4, 4, 1, 2, 3, 4]), Some(0x0102_0304));
        assert_eq!(number(&[0xa2, 1, 2]), Some(0x0102_0000));
        assert_eq!(number(&[0xc4, 5, 1, 2, 3, 4, 5]), None);
        assert_eq!(number(&[0x92, 1, 2]), None);
    }

    #[test]
    fn blobs_come_as_bin_str_or_array() {
        let blob = |packed| Raw::parse(packed).unwrap().blob().ok();
        assert!(matches!(
            blob(&[0xc4, 2, 1, 2]),
            Some(Cow::Borrowed([1, 2]))
        ));
        assert!(matches!(blob(&[0xa2, 1, 2]), Some(Cow::Borrowed([1, 2]))));
        assert_eq!(blob(&[0x92, 1, 0xcc, 200]), Some(Cow::Owned(vec![1, 200])));
        assert_eq!(blob(&[0x91, 0xcd, 1, 0]), None);
        assert_eq!(blob(&[0x07]), None);
    }

    #[test]
    fn of_repeated_keys_the_first_or_the_last_counts() {
        let map = || {
            Raw::parse(b"\x84\xa1a\x01\xa1b\x02\xa1a\x03\x07\x08")
                .unwrap()
                .map()
                .unwrap()
        };
        let numbers =
            |found: [Option<Raw<'_>>; 3]| found.map(|raw| raw.map(|raw| raw.uint::<u8>().unwrap()));
        assert_eq!(
            numbers(map().first(["a", "b", "c"])),
            [Some(1), Some(2), None]
        );
        assert_eq!(
            numbers(map().last(["a", "b", "c"])),
            [Some(3), Some(2), None]
        );
    }

    #[test]
    fn errors_name_the_byte() {
        let message = [0x81, 0xa1, b'a', 0x93, 0x01, 0x02];
        assert_eq!(
            Raw::parse(&message).unwrap_err(),
            DecodeError::Truncated { at: 4 }
        );
        let message = [0x91, 0x92, 0x00, 0xc0];
        let inner = Raw::parse(&message)
            .unwrap()
            .array()
            .unwrap()
            .next()
            .unwrap();
        let error = inner.array().unwrap().last().unwrap().bool().unwrap_err();
        assert_eq!(error.to_string(), "expected a truth value at byte 3");
    }
}
