//! [`Name`]: the user's name for an identity of their own, or for a contact.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::args::recipient;
use crate::printer::sanitize;

/// A name that can be a file's, and that shows all its characters: 1 to 64 bytes, without
/// separators, control or invisible characters, and nothing that could be taken for an option, a
/// hidden file or the id of a key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Name(String);

/// The text is not a [`Name`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error(
    "a name has 1 to 64 bytes, no / \\ : or control characters, does not begin with - or . nor end with a space, and is no key id"
)]
pub(crate) struct ParseNameError;

impl Name {
    const MAX_BYTES: usize = 64;

    /// Returns the name as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, ParseNameError> {
        let is_fit = (1..=Self::MAX_BYTES).contains(&text.len())
            && !text.contains(['/', '\\', ':'])
            && !text.starts_with(['-', '.'])
            && text.trim() == text
            && sanitize(text) == text
            && recipient(text).is_err();
        if is_fit {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseNameError)
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_be_that_of_a_file_and_is_what_it_looks_like() {
        for name in [
            "alice",
            "Ägir 2",
            "a",
            "漢字",
            "bob@example.org",
            &"x".repeat(64),
        ] {
            assert_eq!(name.parse::<Name>().unwrap().as_str(), name);
        }
        for text in [
            "",
            " ",
            ".",
            "..",
            ".alice",
            "-alice",
            "alice ",
            "a/b",
            "a\\b",
            "c:",
            "a\nb",
            "a\0b",
            "a\u{202e}b",
            &"x".repeat(65),
            &"é".repeat(33),
            &"ab".repeat(20),
            &"ab".repeat(32),
        ] {
            assert_eq!(text.parse::<Name>(), Err(ParseNameError), "{text:?}");
        }
    }
}
