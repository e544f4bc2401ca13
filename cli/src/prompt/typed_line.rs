//! [`TypedLine`]: one line of the prompt, with the commands that users of OpenDHT's `dhtnode` know.

use bulla::secure::KeyName;
use bulla::{InfoHash, ValueId};

use crate::args;

/// The prompt's help.
pub(crate) const HELP: &str = "Commands:
  h                    this help
  x                    end the program
The node:
  ll                   ids, addresses and figures
  lr                   routing tables
  ld [KEY]             values stored here
  ls [KEY]             searches
  la                   addresses that others see us at
  b HOST[:PORT]        make contact with a node
  cc                   the network has changed: check all contacts
Values (a KEY is 40 hexadecimal digits, or any other word):
  g KEY                get values
  l KEY                listen for values
  cl KEY TOKEN         stop listening
  p KEY TEXT           put text
  pp KEY TEXT          put text, and announce it again before it expires
  cpp KEY ID           stop announcing a value
  s KEY TEXT           put text, signed
  e KEY LONG_ID TEXT   put text, encrypted for an identity";

/// A line of the prompt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum TypedLine {
    /// Nothing to do.
    Empty,
    /// `h`
    Help,
    /// `x`
    Quit,
    /// `ll`
    Info,
    /// `lr`
    Routing,
    /// `ld`
    Storage(Option<InfoHash>),
    /// `ls`
    Searches(Option<InfoHash>),
    /// `la`
    Addresses,
    /// `b`
    Bootstrap(String),
    /// `cc`
    ConnectivityChanged,
    /// `g`
    Get(InfoHash),
    /// `l`
    Listen(InfoHash),
    /// `cl`
    CancelListen(InfoHash, u64),
    /// `p`, `pp`, `s` and `e`
    Put(InfoHash, How, String),
    /// `cpp`
    CancelPut(InfoHash, ValueId),
}

/// How a text is put.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum How {
    /// `p`
    Clear,
    /// `pp`
    Permanent,
    /// `s`
    Signed,
    /// `e`
    Encrypted(KeyName),
}

impl TypedLine {
    /// Reads a line; the error is the right form of the command.
    pub(crate) fn parse(line: &str) -> Result<Self, &'static str> {
        let (command, rest) = word(line);
        let end = |read: Self, form| if rest.is_empty() { Ok(read) } else { Err(form) };
        match command {
            "" => Ok(Self::Empty),
            "h" | "help" => end(Self::Help, "h"),
            "x" | "q" | "quit" | "exit" => end(Self::Quit, "x"),
            "ll" => end(Self::Info, "ll"),
            "lr" => end(Self::Routing, "lr"),
            "la" => end(Self::Addresses, "la"),
            "cc" => end(Self::ConnectivityChanged, "cc"),
            "ld" if rest.is_empty() => Ok(Self::Storage(None)),
            "ls" if rest.is_empty() => Ok(Self::Searches(None)),
            "ld" => key(rest)
                .map(|key| Self::Storage(Some(key)))
                .ok_or("ld [KEY]"),
            "ls" => key(rest)
                .map(|key| Self::Searches(Some(key)))
                .ok_or("ls [KEY]"),
            "b" => single(rest)
                .map(|host| Self::Bootstrap(host.to_owned()))
                .ok_or("b HOST[:PORT]"),
            "g" => key(rest).map(Self::Get).ok_or("g KEY"),
            "l" => key(rest).map(Self::Listen).ok_or("l KEY"),
            "cl" => key_and(rest, |token| token.parse().ok())
                .map(|(key, token)| Self::CancelListen(key, token))
                .ok_or("cl KEY TOKEN"),
            "cpp" => key_and(rest, value_id)
                .map(|(key, id)| Self::CancelPut(key, id))
                .ok_or("cpp KEY ID"),
            "p" => put(rest, How::Clear).ok_or("p KEY TEXT"),
            "pp" => put(rest, How::Permanent).ok_or("pp KEY TEXT"),
            "s" => put(rest, How::Signed).ok_or("s KEY TEXT"),
            "e" => put_encrypted(rest)
                .ok_or("e KEY LONG_ID TEXT (a long id has 64 hexadecimal digits)"),
            _ => Err("one of h x ll lr ld ls la b cc g l cl p pp cpp s e (`h` explains them)"),
        }
    }
}

/// Returns the first word, and what follows it.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim();
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim_start())
}

/// Returns the only word.
fn single(text: &str) -> Option<&str> {
    let (word, rest) = word(text);
    (!word.is_empty() && rest.is_empty()).then_some(word)
}

fn key(text: &str) -> Option<InfoHash> {
    single(text).map(InfoHash::from_key)
}

fn key_and<T>(text: &str, read: impl Fn(&str) -> Option<T>) -> Option<(InfoHash, T)> {
    let (key, rest) = word(text);
    Some((key.into(), read(single(rest)?)?))
}

/// Reads a value's number in decimal as everywhere here, or in hexadecimal as the listing of stored
/// values has it.
fn value_id(text: &str) -> Option<ValueId> {
    let hexadecimal = || {
        u64::from_str_radix(text, 16)
            .ok()
            .filter(|_| text.len() == 16)
    };
    text.parse().ok().or_else(hexadecimal).map(ValueId)
}

fn put(text: &str, how: How) -> Option<TypedLine> {
    let (key, text) = word(text);
    (!text.is_empty()).then(|| TypedLine::Put(key.into(), how, text.to_owned()))
}

fn put_encrypted(text: &str) -> Option<TypedLine> {
    let (key, rest) = word(text);
    let (recipient, text) = word(rest);
    let how = How::Encrypted(args::recipient(recipient).ok()?);
    (!text.is_empty()).then(|| TypedLine::Put(key.into(), how, text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_those_of_dhtnode() {
        let foo = InfoHash::of(b"foo");
        let hash = foo.to_string();
        let text = |how| Ok(TypedLine::Put(foo, how, "two  words".to_owned()));
        let recipient = "ab".repeat(32);
        for (line, read) in [
            ("", Ok(TypedLine::Empty)),
            ("  h ", Ok(TypedLine::Help)),
            ("x", Ok(TypedLine::Quit)),
            ("ls", Ok(TypedLine::Searches(None))),
            ("ls foo", Ok(TypedLine::Searches(Some(foo)))),
            (
                "b 127.0.0.1:4222",
                Ok(TypedLine::Bootstrap("127.0.0.1:4222".into())),
            ),
            ("g foo", Ok(TypedLine::Get(foo))),
            (&format!("l {hash}"), Ok(TypedLine::Listen(foo))),
            ("cl foo 7", Ok(TypedLine::CancelListen(foo, 7))),
            (
                "cpp foo 18446744073709551615",
                Ok(TypedLine::CancelPut(foo, ValueId(u64::MAX))),
            ),
            (
                "cpp foo 00000000000000ff",
                Ok(TypedLine::CancelPut(foo, ValueId(255))),
            ),
            ("p foo two  words ", text(How::Clear)),
            ("pp\tfoo\ttwo  words", text(How::Permanent)),
            ("s foo two  words", text(How::Signed)),
            (
                &format!("e foo {recipient} two  words"),
                text(How::Encrypted(KeyName::Long(recipient.parse().unwrap()))),
            ),
        ] {
            assert_eq!(TypedLine::parse(line), read, "{line}");
        }
    }

    #[test]
    fn a_wrong_line_is_answered_with_the_right_form() {
        for (line, form) in [
            ("g", "g KEY"),
            ("g a b", "g KEY"),
            ("cl foo", "cl KEY TOKEN"),
            ("cl foo x", "cl KEY TOKEN"),
            ("p foo", "p KEY TEXT"),
            ("e foo 12 text", "e KEY LONG_ID TEXT"),
            ("ll now", "ll"),
            ("bogus", "one of h x"),
        ] {
            assert!(
                TypedLine::parse(line).unwrap_err().starts_with(form),
                "{line}"
            );
        }
    }

    #[test]
    fn help_names_every_command() {
        for command in "h x ll lr ld ls la b cc g l cl p pp cpp s e".split(' ') {
            assert!(HELP.contains(&format!("\n  {command} ")), "{command}");
        }
    }
}
