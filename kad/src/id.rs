//! [`Id`]: the name of a node or a key, with the XOR metric over it.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::RangeInclusive;
use std::str::FromStr;

use sha1::{Digest, Sha1};
use thiserror::Error;

/// An identifier of `N` bytes: a node's id or a key.
///
/// Ordered as an unsigned big-endian number. The one of all zero bits stands for "none".
///
/// ```
/// use bulla_kad::Id;
///
/// let (a, b) = (Id::new([0b1010_0000, 7]), Id::new([0b1000_0000, 7]));
/// assert_eq!(a.common_prefix(&b), 2);
/// assert!(a.distance(&b) < a.distance(&Id::ZERO));
/// assert_eq!("a007".parse(), Ok(a));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Id<const N: usize>([u8; N]);

/// The XOR distance between two ids; smaller is closer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Distance<const N: usize>(Id<N>);

/// The text is not the hexadecimal digits of an id, or the bytes are not as many as those of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("not a hash: expected {digits} hexadecimal digits")]
pub struct ParseIdError {
    digits: usize,
}

impl<const N: usize> Id<N> {
    /// Length in bytes.
    pub const LEN: usize = N;
    /// Length in bits.
    pub const BITS: usize = N * 8;
    /// The id of all zero bits, which stands for "none".
    pub const ZERO: Self = Self([0; N]);

    const PARSE_ERROR: ParseIdError = ParseIdError { digits: 2 * N };

    /// Wraps bytes, the most significant first.
    pub const fn new(bytes: [u8; N]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes, the most significant first.
    pub const fn as_bytes(&self) -> &[u8; N] {
        &self.0
    }

    /// Reports whether this is the id that stands for "none".
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// Returns the XOR distance to `other`.
    pub fn distance(&self, other: &Self) -> Distance<N> {
        let mut bytes = self.0;
        for (byte, other) in bytes.iter_mut().zip(&other.0) {
            *byte ^= other;
        }
        Distance(Self(bytes))
    }

    /// Returns how many leading bits both ids share: all of them if they are the same.
    pub fn common_prefix(&self, other: &Self) -> usize {
        self.distance(other).leading_zeros() as usize
    }

    /// Returns the bit at `index`, counted from the most significant; bits past the end are
    /// `false`.
    pub fn bit(&self, index: usize) -> bool {
        self.0
            .get(index / 8)
            .is_some_and(|byte| byte & (0x80 >> (index % 8)) != 0)
    }

    /// Returns a copy with the bit at `index`, counted from the most significant, set to `value`.
    #[must_use]
    pub fn with_bit(mut self, index: usize, value: bool) -> Self {
        if let Some(byte) = self.0.get_mut(index / 8) {
            let mask = 0x80 >> (index % 8);
            *byte = if value { *byte | mask } else { *byte & !mask };
        }
        self
    }

    /// Returns the range of all ids that share the first `bits` bits with this one.
    pub fn block(&self, bits: usize) -> RangeInclusive<Self> {
        let (mut first, mut last) = (self.0, self.0);
        for (index, (low, high)) in first.iter_mut().zip(&mut last).enumerate() {
            let shared = bits.saturating_sub(8 * index).min(8) as u32;
            let free = 0xff_u8.checked_shr(shared).unwrap_or(0);
            *low &= !free;
            *high |= free;
        }
        Self(first)..=Self(last)
    }
}

/// What the dialects with 160-bit ids share, OpenDHT and that of torrents: they make ids of data
/// with SHA-1. It is here because no other crate can add it to [`Id`].
impl Id<20> {
    /// Hashes `data` with SHA-1 (`docs/spec/secure.md#1`).
    ///
    /// ```
    /// use bulla_kad::Id;
    ///
    /// let key = Id::of(b"foo");
    /// assert_eq!(key.to_string(), "0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33");
    /// assert_eq!(Id::from_key("foo"), key);
    /// assert_eq!(Id::from_key(&key.to_string()), key);
    /// ```
    pub fn of(data: &[u8]) -> Self {
        Self(Sha1::digest(data).into())
    }

    /// Reads a key as people type it: 40 hex digits are the id itself, any other text is hashed.
    pub fn from_key(text: &str) -> Self {
        text.parse().unwrap_or_else(|_| Self::of(text.as_bytes()))
    }
}

impl From<&str> for Id<20> {
    /// As [`Id::from_key`].
    fn from(text: &str) -> Self {
        Self::from_key(text)
    }
}

impl<const N: usize> Default for Id<N> {
    fn default() -> Self {
        Self::ZERO
    }
}

impl<const N: usize> Hash for Id<N> {
    /// Hashes the bytes without their number, which is always the same.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.0);
    }
}

impl<const N: usize> Ord for Id<N> {
    /// Compares eight bytes at a time: the first eight nearly always decide.
    fn cmp(&self, other: &Self) -> Ordering {
        let (ours, our_rest) = self.0.as_chunks();
        let (theirs, their_rest) = other.0.as_chunks();
        for (ours, theirs) in ours.iter().zip(theirs) {
            let order = u64::from_be_bytes(*ours).cmp(&u64::from_be_bytes(*theirs));
            if order.is_ne() {
                return order;
            }
        }
        our_rest.cmp(their_rest)
    }
}

impl<const N: usize> PartialOrd for Id<N> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<const N: usize> Distance<N> {
    /// Returns the most significant 64 bits: the distance in units of 2⁻⁶⁴ of the whole space.
    pub(crate) fn leading_bits(&self) -> u64 {
        let mut leading = [0; 8];
        for (to, from) in leading.iter_mut().zip(&self.0.0) {
            *to = *from;
        }
        u64::from_be_bytes(leading)
    }

    fn leading_zeros(&self) -> u32 {
        let (words, rest) = self.0.0.as_chunks();
        let mut zeros = 0;
        for word in words {
            let word = u64::from_be_bytes(*word);
            zeros += word.leading_zeros();
            if word != 0 {
                return zeros;
            }
        }
        for byte in rest {
            zeros += byte.leading_zeros();
            if *byte != 0 {
                return zeros;
            }
        }
        zeros
    }
}

impl<const N: usize> From<[u8; N]> for Id<N> {
    fn from(bytes: [u8; N]) -> Self {
        Self(bytes)
    }
}

impl<const N: usize> TryFrom<&[u8]> for Id<N> {
    type Error = ParseIdError;

    fn try_from(bytes: &[u8]) -> Result<Self, ParseIdError> {
        bytes.try_into().map(Self).map_err(|_| Self::PARSE_ERROR)
    }
}

impl<const N: usize> FromStr for Id<N> {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let digits = text.as_bytes();
        if digits.len() != 2 * N {
            return Err(Self::PARSE_ERROR);
        }
        let digit = |byte: u8| {
            let value = char::from(byte).to_digit(16);
            value.map(|value| value as u8).ok_or(Self::PARSE_ERROR)
        };
        let mut bytes = [0; N];
        for (byte, [high, low]) in bytes.iter_mut().zip(digits.as_chunks().0) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Ok(Self(bytes))
    }
}

impl<const N: usize> fmt::Display for Id<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl<const N: usize> fmt::Debug for Id<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Wide = Id<20>;

    fn any_id() -> impl Strategy<Value = Wide> {
        any::<[u8; 20]>().prop_map(Id::new)
    }

    proptest! {
        #[test]
        fn distance_is_a_metric(a in any_id(), b in any_id(), c in any_id()) {
            prop_assert_eq!(a.distance(&b), b.distance(&a));
            prop_assert_eq!(a.distance(&b) == Wide::ZERO.distance(&Wide::ZERO), a == b);
            // Unidirectional: only one point lies at a given distance.
            prop_assert_eq!(a.distance(&b) == a.distance(&c), b == c);
        }

        #[test]
        fn a_block_holds_what_shares_a_prefix(
            a in any_id(),
            other in any_id(),
            shared in 0..=20usize,
            bits in 0..=160usize,
        ) {
            let mut b = *other.as_bytes();
            b[..shared].copy_from_slice(&a.as_bytes()[..shared]);
            let b = Id::new(b);
            prop_assert_eq!(a.block(bits).contains(&b), a.common_prefix(&b) >= bits);
        }

        #[test]
        fn order_is_that_of_the_bytes(a in any_id(), b in any_id(), shared in 0..20usize) {
            let mut near = *b.as_bytes();
            near[..shared].copy_from_slice(&a.as_bytes()[..shared]);
            prop_assert_eq!(a.cmp(&Id::new(near)), a.as_bytes().cmp(&near));
            prop_assert_eq!(a.cmp(&a), Ordering::Equal);
        }

        #[test]
        fn text_form_round_trips(a in any_id()) {
            prop_assert_eq!(a.to_string().parse(), Ok(a));
            prop_assert_eq!(a.to_string().to_uppercase().parse(), Ok(a));
            prop_assert_eq!(Wide::try_from(&a.as_bytes()[..]), Ok(a));
        }

        #[test]
        fn common_prefix_ends_at_the_first_differing_bit(a in any_id(), i in 0..160usize) {
            let b = a.with_bit(i, !a.bit(i));
            prop_assert_eq!(a.common_prefix(&b), i);
            let top = a.distance(&b).leading_bits();
            prop_assert_eq!(top, if i < 64 { 1 << (63 - i) } else { 0 });
            prop_assert_eq!(a.common_prefix(&a), 160);
        }
    }

    #[test]
    fn ids_of_any_width_have_the_same_metric() {
        fn check<const N: usize>() {
            let (zero, one) = (
                Id::<N>::ZERO,
                Id::<N>::ZERO.with_bit(Id::<N>::BITS - 1, true),
            );
            assert!(zero.is_zero() && !one.is_zero() && zero < one);
            assert_eq!(zero.common_prefix(&one), 8 * N - 1);
            assert_eq!(zero.common_prefix(&zero), 8 * N);
            assert_eq!(one.to_string().len(), 2 * N);
            assert_eq!(one.to_string().parse(), Ok(one));
            let far = zero.with_bit(0, true);
            assert_eq!(zero.distance(&far).leading_bits(), 1 << 63);
            assert_eq!(
                (far.bit(0), far.bit(1), far.bit(8 * N)),
                (true, false, false)
            );
            assert_eq!(far.with_bit(8 * N, true), far, "past the end");
        }
        check::<4>();
        check::<8>();
        check::<20>();
        check::<32>();
    }

    #[test]
    fn text_that_is_no_id_is_refused() {
        for text in [
            "",
            "0beec7",
            "zbeec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33",
            "é".repeat(20).as_str(),
        ] {
            let error = text.parse::<Wide>().unwrap_err();
            assert_eq!(
                error.to_string(),
                "not a hash: expected 40 hexadecimal digits"
            );
        }
        assert!(Wide::try_from(&[0; 19][..]).is_err());
    }

    #[test]
    fn equal_ids_have_equal_hashes_of_their_bytes_alone() {
        #[derive(Default)]
        struct Bytes(Vec<u8>);

        impl Hasher for Bytes {
            fn write(&mut self, bytes: &[u8]) {
                self.0.extend_from_slice(bytes);
            }

            fn finish(&self) -> u64 {
                0
            }
        }

        let mut hashed = Bytes::default();
        Id::new([1, 2, 3]).hash(&mut hashed);
        assert_eq!(hashed.0, [1, 2, 3]);
    }
}
