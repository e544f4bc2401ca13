//! Names of keys: hashes of the public key's DER `SubjectPublicKeyInfo`.

use std::fmt;
use std::str::FromStr;

use sha1::Sha1;
use sha2::{Digest, Sha256};
use thiserror::Error;

/// The short name of a key: SHA-1 of its `SubjectPublicKeyInfo`, 20 bytes.
///
/// It is what a certificate's UID and subject key identifier hold, and what names the recipient of
/// an encrypted value. SHA-1 is no protection against two keys made to collide: trust decisions
/// compare a [`LongKeyId`].
///
/// ```
/// use bulla_identity::KeyId;
///
/// let id: KeyId = "1b290ff9ea0b7133ef44a847dbf62575fb76b1b1".parse()?;
/// assert_eq!(id.to_string(), "1b290ff9ea0b7133ef44a847dbf62575fb76b1b1");
/// # Ok::<(), bulla_identity::ParseKeyIdError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 20]);

/// The long name of a key: SHA-256 of its `SubjectPublicKeyInfo`, 32 bytes. Trust is anchored in
/// it: no two keys share one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LongKeyId([u8; 32]);

/// The text is not a key id: exactly 40 (short) or 64 (long) hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a key id is 40 hexadecimal digits, a long one 64")]
pub struct ParseKeyIdError;

impl KeyId {
    /// Takes the 20 bytes of a known id.
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// Returns the 20 bytes.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// Returns the id of the key with this DER `SubjectPublicKeyInfo`.
    pub(crate) fn of(spki: &[u8]) -> Self {
        Self(Sha1::digest(spki).into())
    }
}

impl LongKeyId {
    /// Takes the 32 bytes of a known id.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the id of the key with this DER `SubjectPublicKeyInfo`.
    pub(crate) fn of(spki: &[u8]) -> Self {
        Self(Sha256::digest(spki).into())
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Display for LongKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl fmt::Debug for LongKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LongKeyId({self})")
    }
}

impl FromStr for KeyId {
    type Err = ParseKeyIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_hex(text).map(Self)
    }
}

impl FromStr for LongKeyId {
    type Err = ParseKeyIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_hex(text).map(Self)
    }
}

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// Differs: OpenDHT ignores surplus characters, and takes a shorter text for a zero hash.
fn parse_hex<const N: usize>(text: &str) -> Result<[u8; N], ParseKeyIdError> {
    let digit = |byte: u8| char::from(byte).to_digit(16).ok_or(ParseKeyIdError);
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return Err(ParseKeyIdError);
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_id_is_sha1_and_long_id_is_sha256() {
        assert_eq!(
            KeyId::of(b"foo").to_string(),
            "0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33"
        );
        assert_eq!(
            LongKeyId::of(b"foo").to_string(),
            "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
        );
    }

    #[test]
    fn text_form_is_read_in_both_cases_and_written_in_lower_case() {
        let text = "0BEEC7B5EA3F0FDBC95D0DD47F3C5BC275DA8A33";
        let id: KeyId = text.parse().expect("40 digits");
        assert_eq!(id.to_string(), text.to_lowercase());
    }

    #[test]
    fn anything_but_the_exact_number_of_digits_is_refused() {
        for text in [
            "",
            "0b",
            &"0".repeat(39),
            &"0".repeat(41),
            &"g".repeat(40),
            &"é".repeat(20),
            &"+1".repeat(20),
        ] {
            assert_eq!(text.parse::<KeyId>(), Err(ParseKeyIdError), "{text}");
        }
        assert_eq!("0".repeat(40).parse::<LongKeyId>(), Err(ParseKeyIdError));
    }
}
