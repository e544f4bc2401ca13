//! Fingerprints: long ids as words that two people can compare aloud.

use std::fmt;
use std::str::FromStr;

use bip39::Language;
use thiserror::Error;

use crate::key_id::LongKeyId;

const WORDS: usize = 12;

/// The bits that each word of the list of 2048 stands for.
const BITS_PER_WORD: usize = 11;

/// The first 132 bits of a long id as twelve English words, those of BIP 39: short, common, and
/// each known by its first four letters.
///
/// All twelve must be compared. To pass for the owner of a key an attacker must make keys until one
/// has the same 132 bits, some 2<sup>132</sup> keys; for any of a million owners still
/// 2<sup>112</sup>, which is about what breaking an RSA key of 2048 bits takes. Two or three words
/// alone are found within hours. Two keys with the same words can be made in 2<sup>66</sup> steps,
/// but that gains nothing: both belong to the same attacker.
///
/// ```
/// use bulla_identity::{Fingerprint, LongKeyId};
///
/// let id = LongKeyId::from_bytes([7; 32]);
/// let words = id.fingerprint().to_string();
/// assert_eq!(words.split(' ').count(), 12);
/// assert_eq!(words.parse::<Fingerprint>()?, id.fingerprint());
/// # Ok::<(), bulla_identity::ParseFingerprintError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([&'static str; WORDS]);

/// Why a text is not a fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseFingerprintError {
    /// More or fewer words. What it holds is how many.
    #[error("a fingerprint has {WORDS} words, not {0}")]
    Count(usize),
    /// What it holds is in no fingerprint.
    #[error("{0:?} is in no fingerprint: a word is mistyped")]
    Word(String),
}

impl LongKeyId {
    /// Returns the words by which two people can tell whether they mean the same key.
    pub fn fingerprint(&self) -> Fingerprint {
        let list = Language::English.word_list();
        let bytes = self.as_bytes();
        Fingerprint(std::array::from_fn(|number| {
            let first_bit = number * BITS_PER_WORD;
            let at = first_bit / 8;
            let bits = u32::from_be_bytes([0, bytes[at], bytes[at + 1], bytes[at + 2]]);
            let index = bits >> (24 - BITS_PER_WORD - first_bit % 8) & 0x7ff;
            list[index as usize]
        }))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl FromStr for Fingerprint {
    type Err = ParseFingerprintError;

    /// Reads twelve words in either case, with spaces or hyphens between.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let typed: Vec<&str> = text
            .split(|c: char| c.is_whitespace() || c == '-')
            .filter(|word| !word.is_empty())
            .collect();
        let typed: [&str; WORDS] = typed
            .try_into()
            .map_err(|typed: Vec<&str>| ParseFingerprintError::Count(typed.len()))?;
        let list = Language::English.word_list();
        let mut words = [""; WORDS];
        for (word, typed) in words.iter_mut().zip(typed) {
            let known = Language::English.find_word(&typed.to_lowercase());
            let index = known.ok_or_else(|| ParseFingerprintError::Word(typed.to_owned()))?;
            *word = list[usize::from(index)];
        }
        Ok(Self(words))
    }
}

#[cfg(test)]
mod tests {
    use bip39::Mnemonic;

    use super::*;

    fn id(text: &str) -> LongKeyId {
        LongKeyId::of(text.as_bytes())
    }

    #[test]
    fn the_words_are_the_first_132_bits() {
        assert_eq!(
            LongKeyId::from_bytes([0; 32]).fingerprint().to_string(),
            ["abandon"; 12].join(" ")
        );
        assert_eq!(
            LongKeyId::from_bytes([0xff; 32]).fingerprint().to_string(),
            ["zoo"; 12].join(" ")
        );
        for text in ["foo", "bar", "baz"] {
            let id = id(text);
            // The list's own reading of 16 bytes ends with a checksum, in the last word.
            let mnemonic = Mnemonic::from_entropy(&id.as_bytes()[..16]).expect("16 bytes");
            let words = id.fingerprint();
            assert!(mnemonic.words().take(11).eq(words.0[..11].iter().copied()));
            let last = Language::English.find_word(words.0[11]).expect("a word");
            let bytes = [id.as_bytes()[15], id.as_bytes()[16]];
            assert_eq!(last, u16::from_be_bytes(bytes) >> 4 & 0x7ff);
        }
    }

    #[test]
    fn every_bit_of_a_fingerprint_changes_a_word() {
        let bytes = *id("foo").as_bytes();
        for bit in 0..WORDS * BITS_PER_WORD {
            let mut changed = bytes;
            changed[bit / 8] ^= 0x80 >> (bit % 8);
            let changed = LongKeyId::from_bytes(changed).fingerprint();
            assert_ne!(changed, id("foo").fingerprint(), "bit {bit}");
        }
    }

    #[test]
    fn what_is_typed_is_read_and_mistakes_are_named() {
        let words = id("foo").fingerprint();
        let typed = words.to_string().to_uppercase().replace(' ', " - \n");
        assert_eq!(typed.parse(), Ok(words));
        for (text, count) in [("", 0), ("zoo", 1), (&"zoo ".repeat(13), 13)] {
            let refused = text.parse::<Fingerprint>();
            assert_eq!(refused, Err(ParseFingerprintError::Count(count)));
        }
        let mistyped = words.to_string().replacen(' ', " zooo ", 1);
        let mistyped = mistyped.rsplit_once(' ').expect("words").0;
        assert_eq!(
            mistyped.parse::<Fingerprint>(),
            Err(ParseFingerprintError::Word("zooo".to_owned()))
        );
    }
}
