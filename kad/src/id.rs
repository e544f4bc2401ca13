//! [`InfoHash`]: the 160-bit word for keys, node ids and short key ids, with the XOR metric over it.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::RangeInclusive;
use std::str::FromStr;

use sha1::{Digest, Sha1};
use thiserror::Error;

/// A 160-bit identifier: a key of the store, a node id or a short key id.
///
/// Ordered as an unsigned big-endian number (`docs/spec/secure.md#1`). The all-zero hash
/// counts as "no hash" on the wire.
///
/// ```
/// use bulla_kad::InfoHash;
///
/// let key = InfoHash::of(b"foo");
/// assert_eq!(key.to_string(), "0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33");
/// assert_eq!(InfoHash::from_key("foo"), key);
/// assert_eq!(InfoHash::from_key(&key.to_string()), key);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct InfoHash([u8; InfoHash::LEN]);

/// The XOR distance between two hashes; smaller is closer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Distance {
    /// The upper 128 bits: as numbers, distances are compared in a step or two.
    high: u128,
    low: u32,
}

/// The text is not the 40 hex digits of a hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("not a hash: expected 40 hexadecimal digits")]
pub struct ParseHashError;

impl InfoHash {
    /// Length in bytes.
    pub const LEN: usize = 20;
    /// Length in bits.
    pub const BITS: usize = Self::LEN * 8;
    /// The hash of all zero bits, which stands for "none".
    pub const ZERO: Self = Self([0; Self::LEN]);

    /// Wraps 20 bytes.
    pub const fn new(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// Hashes `data` with SHA-1 (`docs/spec/secure.md#1`).
    pub fn of(data: &[u8]) -> Self {
        Self(Sha1::digest(data).into())
    }

    /// Reads a key as people type it: 40 hex digits are the hash itself, any other text is hashed.
    pub fn from_key(text: &str) -> Self {
        text.parse().unwrap_or_else(|_| Self::of(text.as_bytes()))
    }

    /// The bytes, most significant first.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// Whether this is the hash that stands for "none".
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// The XOR distance to `other`.
    pub fn distance(&self, other: &Self) -> Distance {
        let (a, b) = (self.numbers(), other.numbers());
        Distance {
            high: a.0 ^ b.0,
            low: a.1 ^ b.1,
        }
    }

    /// How many leading bits both hashes share, 0 to 160.
    pub fn common_prefix(&self, other: &Self) -> usize {
        let Distance { high, low } = self.distance(other);
        let zeros = match high {
            0 => u128::BITS + low.leading_zeros(),
            high => high.leading_zeros(),
        };
        zeros as usize
    }

    /// The bit at `index`, counted from the most significant; bits past the end are `false`.
    pub fn bit(&self, index: usize) -> bool {
        self.0
            .get(index / 8)
            .is_some_and(|byte| byte & (0x80 >> (index % 8)) != 0)
    }

    /// All hashes that share the first `bits` bits with this one.
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

    /// A copy with the bit at `index` (from the most significant) set to `value`.
    #[must_use]
    pub fn with_bit(mut self, index: usize, value: bool) -> Self {
        if let Some(byte) = self.0.get_mut(index / 8) {
            let mask = 0x80 >> (index % 8);
            *byte = if value { *byte | mask } else { *byte & !mask };
        }
        self
    }

    /// The upper 128 and the lower 32 bits: to compare them takes a step or two.
    fn numbers(&self) -> (u128, u32) {
        let [high @ .., a, b, c, d] = self.0;
        (u128::from_be_bytes(high), u32::from_be_bytes([a, b, c, d]))
    }
}

impl Hash for InfoHash {
    /// Without the length, which is always the same.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.0);
    }
}

impl Ord for InfoHash {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers().cmp(&other.numbers())
    }
}

impl PartialOrd for InfoHash {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Distance {
    /// The most significant 64 bits: the distance in units of 2⁻⁶⁴ of the whole space.
    pub fn leading_bits(&self) -> u64 {
        (self.high >> 64) as u64
    }
}

impl From<[u8; InfoHash::LEN]> for InfoHash {
    fn from(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }
}

impl TryFrom<&[u8]> for InfoHash {
    type Error = ParseHashError;

    fn try_from(bytes: &[u8]) -> Result<Self, ParseHashError> {
        bytes.try_into().map(Self).map_err(|_| ParseHashError)
    }
}

impl From<&str> for InfoHash {
    /// As [`InfoHash::from_key`].
    fn from(text: &str) -> Self {
        Self::from_key(text)
    }
}

impl FromStr for InfoHash {
    type Err = ParseHashError;

    fn from_str(text: &str) -> Result<Self, ParseHashError> {
        let digits = text.as_bytes();
        if digits.len() != 2 * Self::LEN {
            return Err(ParseHashError);
        }
        let mut bytes = [0; Self::LEN];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for InfoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for InfoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn nibble(digit: u8) -> Result<u8, ParseHashError> {
    char::from(digit)
        .to_digit(16)
        .map(|value| value as u8)
        .ok_or(ParseHashError)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_hash() -> impl Strategy<Value = InfoHash> {
        any::<[u8; 20]>().prop_map(InfoHash::new)
    }

    proptest! {
        #[test]
        fn distance_is_a_metric(a in any_hash(), b in any_hash(), c in any_hash()) {
            prop_assert_eq!(a.distance(&b), b.distance(&a));
            prop_assert_eq!(a.distance(&b) == InfoHash::ZERO.distance(&InfoHash::ZERO), a == b);
            // Unidirectional: only one point lies at a given distance.
            prop_assert_eq!(a.distance(&b) == a.distance(&c), b == c);
        }

        #[test]
        fn a_block_holds_what_shares_a_prefix(a in any_hash(), other in any_hash(), shared in 0..=20usize, bits in 0..=160usize) {
            let mut b = *other.as_bytes();
            b[..shared].copy_from_slice(&a.as_bytes()[..shared]);
            let b = InfoHash::new(b);
            prop_assert_eq!(a.block(bits).contains(&b), a.common_prefix(&b) >= bits);
        }

        #[test]
        fn order_is_that_of_the_bytes(a in any_hash(), b in any_hash(), shared in 0..20usize) {
            let mut near = *b.as_bytes();
            near[..shared].copy_from_slice(&a.as_bytes()[..shared]);
            prop_assert_eq!(a.cmp(&InfoHash::new(near)), a.as_bytes().cmp(&near));
        }

        #[test]
        fn text_form_round_trips(a in any_hash()) {
            prop_assert_eq!(a.to_string().parse::<InfoHash>(), Ok(a));
            prop_assert_eq!(a.to_string().to_uppercase().parse::<InfoHash>(), Ok(a));
        }

        #[test]
        fn common_prefix_ends_at_the_first_differing_bit(a in any_hash(), i in 0..160usize) {
            let b = a.with_bit(i, !a.bit(i));
            prop_assert_eq!(a.common_prefix(&b), i);
            let top = a.distance(&b).leading_bits();
            prop_assert_eq!(top, if i < 64 { 1 << (63 - i) } else { 0 });
            prop_assert_eq!(a.common_prefix(&a), 160);
        }
    }

    #[test]
    fn text_that_is_no_hash_is_refused() {
        for text in [
            "",
            "0beec7",
            "zbeec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33",
            "é".repeat(20).as_str(),
        ] {
            assert_eq!(text.parse::<InfoHash>(), Err(ParseHashError));
        }
    }
}
