//! [`Query`]: which values, and which of their fields, an asker wants (`docs/spec/wire.md#12`).

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use thiserror::Error;

use super::{Value, ValueId, ValueType};
use crate::InfoHash;

/// A field of a value that a query can name. The discriminants are the wire's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Field {
    /// The value id.
    Id = 1,
    /// The value type.
    ValueType = 2,
    /// The owner's public key.
    Owner = 3,
    /// The sequence number. Can be selected, not filtered by.
    Seq = 4,
    /// The user type.
    UserType = 5,
}

/// A condition that a value must meet.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Condition {
    /// The value id is this.
    Id(ValueId),
    /// The value type is this.
    ValueType(ValueType),
    /// The owner's short key id is this.
    Owner(InfoHash),
    /// The user type is this text.
    UserType(Bytes),
}

/// A selection of fields (none: whole values) and conditions that must all hold.
///
/// Its text form is `[SELECT field,…] [WHERE field=value,…]` with the fields `id`, `value_type`,
/// `owner_pk`, `seq` (to select only) and `user_type`; `*` selects whole values. A user type with
/// anything but letters, digits and `-./_` is written in double quotes, with `\\` before quotes and
/// backslashes in it.
///
/// ```
/// use bulla_dht::{Condition, Field, Query, ValueId};
///
/// let query: Query = "SELECT id WHERE id=5".parse()?;
/// assert!(query.select.contains(&Field::Id));
/// assert_eq!(query.conditions, [Condition::Id(ValueId(5))]);
/// assert_eq!(query.to_string(), "SELECT id WHERE id=5");
/// # Ok::<(), bulla_dht::ParseQueryError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Query {
    /// The fields wanted; empty for whole values.
    pub select: BTreeSet<Field>,
    /// The conditions, all of which must hold.
    pub conditions: Vec<Condition>,
}

/// The fields of one value that a query selected.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Row {
    /// The value id.
    pub id: Option<ValueId>,
    /// The value type.
    pub value_type: Option<ValueType>,
    /// The owner's short key id; zero for a value without an owner.
    pub owner: Option<InfoHash>,
    /// The sequence number.
    pub seq: Option<u16>,
    /// The user type.
    pub user_type: Option<String>,
}

/// The text is no query.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum ParseQueryError {
    /// Something else is expected here.
    #[error("expected {expected}, found {found}")]
    Unexpected {
        /// What the grammar allows.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// A quoted text does not end.
    #[error("missing closing quote")]
    OpenQuote,
}

impl Query {
    /// Reports whether it asks for every value, whole.
    pub fn is_empty(&self) -> bool {
        self.select.is_empty() && self.conditions.is_empty()
    }

    /// Reports whether the answer to this query includes the answer to `other`: its conditions
    /// include ours, and our fields suffice.
    pub fn covers(&self, other: &Self) -> bool {
        let more_values = self
            .conditions
            .iter()
            .all(|condition| other.conditions.contains(condition));
        let more_fields = self.select.is_empty()
            || (!other.select.is_empty() && self.select.is_superset(&other.select));
        more_values && more_fields
    }

    /// Reports whether `value` meets all conditions.
    pub fn matches(&self, value: &Value) -> bool {
        self.conditions.iter().all(|condition| match condition {
            Condition::Id(id) => value.id() == *id,
            Condition::ValueType(value_type) => value.value_type() == *value_type,
            Condition::Owner(owner) => value.owner_id().unwrap_or_default() == *owner,
            Condition::UserType(text) => {
                value.body().map_or(&[][..], |body| body.user_type) == text
            }
        })
    }
}

impl Row {
    /// Returns the selected fields of a value.
    pub fn of(value: &Value, select: &BTreeSet<Field>) -> Self {
        let mut row = Self::default();
        for field in select {
            match field {
                Field::Id => row.id = Some(value.id()),
                Field::ValueType => row.value_type = Some(value.value_type()),
                Field::Owner => row.owner = Some(value.owner_id().unwrap_or_default()),
                Field::Seq => row.seq = Some(value.seq()),
                Field::UserType => row.user_type = Some(value.user_type().into_owned()),
            }
        }
        row
    }
}

impl Field {
    /// All fields, in ascending order.
    pub const ALL: [Self; 5] = [
        Self::Id,
        Self::ValueType,
        Self::Owner,
        Self::Seq,
        Self::UserType,
    ];

    /// Returns the name it has in the text form of queries.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::ValueType => "value_type",
            Self::Owner => "owner_pk",
            Self::Seq => "seq",
            Self::UserType => "user_type",
        }
    }
}

impl FromStr for Query {
    type Err = ParseQueryError;

    fn from_str(text: &str) -> Result<Self, ParseQueryError> {
        let mut words = Words(text.trim_start());
        let mut query = Self::default();
        let mut word = words.next()?;
        if word == Word::Bare("SELECT") {
            word = words.next()?;
            if word == Word::Sign('*') {
                word = words.next()?;
            } else {
                loop {
                    query.select.insert(field(&word)?);
                    word = words.next()?;
                    if word != Word::Sign(',') {
                        break;
                    }
                    word = words.next()?;
                }
            }
        }
        if word == Word::Bare("WHERE") {
            loop {
                let condition = words.condition()?;
                if !query.conditions.contains(&condition) {
                    query.conditions.push(condition);
                }
                word = words.next()?;
                if word != Word::Sign(',') {
                    break;
                }
            }
        }
        match word {
            Word::End => Ok(query),
            word => Err(word.instead_of("SELECT, WHERE, a comma or the end")),
        }
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = "SELECT ";
        for field in &self.select {
            write!(f, "{before}{}", field.name())?;
            before = ",";
        }
        before = if self.select.is_empty() {
            "WHERE "
        } else {
            " WHERE "
        };
        for condition in &self.conditions {
            write!(f, "{before}{condition}")?;
            before = ",";
        }
        Ok(())
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(ValueId(id)) => write!(f, "id={id}"),
            Self::ValueType(ValueType(value_type)) => write!(f, "value_type={value_type}"),
            Self::Owner(owner) => write!(f, "owner_pk={owner}"),
            Self::UserType(text) => {
                let text = String::from_utf8_lossy(text);
                if !text.is_empty() && text.chars().all(is_plain) {
                    write!(f, "user_type={text}")
                } else {
                    let text = text.replace('\\', r"\\").replace('"', "\\\"");
                    write!(f, "user_type=\"{text}\"")
                }
            }
        }
    }
}

/// The rest of a query's text.
struct Words<'a>(&'a str);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Word<'a> {
    Bare(&'a str),
    Quoted(String),
    Sign(char),
    End,
}

impl<'a> Words<'a> {
    fn next(&mut self) -> Result<Word<'a>, ParseQueryError> {
        let text = self.0;
        let (word, rest) = match text.chars().next() {
            None => (Word::End, ""),
            Some('"') => quoted(&text[1..])?,
            Some(first) if is_plain(first) => {
                let end = text.find(|c| !is_plain(c)).unwrap_or(text.len());
                let (word, rest) = text.split_at(end);
                (Word::Bare(word), rest)
            }
            Some(sign) => (Word::Sign(sign), &text[sign.len_utf8()..]),
        };
        self.0 = rest.trim_start();
        Ok(word)
    }

    fn condition(&mut self) -> Result<Condition, ParseQueryError> {
        let field = field(&self.next()?)?;
        match self.next()? {
            Word::Sign('=') => {}
            word => return Err(word.instead_of("=")),
        }
        let word = self.next()?;
        let condition = match (field, &word) {
            (Field::Id, Word::Bare(id)) => id.parse().ok().map(|id| Condition::Id(ValueId(id))),
            (Field::ValueType, Word::Bare(value_type)) => value_type
                .parse()
                .ok()
                .map(|value_type| Condition::ValueType(ValueType(value_type))),
            (Field::Owner, Word::Bare(owner)) => owner.parse().ok().map(Condition::Owner),
            (Field::UserType, Word::Bare(text)) => {
                Some(Condition::UserType(Bytes::copy_from_slice(text.as_bytes())))
            }
            (Field::UserType, Word::Quoted(text)) => Some(Condition::UserType(text.clone().into())),
            _ => None,
        };
        condition.ok_or_else(|| {
            word.instead_of(match field {
                Field::Id | Field::ValueType => "a number",
                Field::Owner => "40 hexadecimal digits",
                Field::Seq => "another field: seq cannot be filtered by",
                Field::UserType => "a text",
            })
        })
    }
}

impl Word<'_> {
    fn instead_of(&self, expected: &'static str) -> ParseQueryError {
        let found = match self {
            Word::Bare(word) => (*word).to_owned(),
            Word::Quoted(text) => format!("{text:?}"),
            Word::Sign(sign) => sign.to_string(),
            Word::End => "the end".to_owned(),
        };
        ParseQueryError::Unexpected { expected, found }
    }
}

/// Reports whether a text of such characters needs no quotes.
fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '.' | '/' | '_')
}

fn field(word: &Word<'_>) -> Result<Field, ParseQueryError> {
    let named = |field: &Field| *word == Word::Bare(field.name());
    Field::ALL
        .into_iter()
        .find(named)
        .ok_or_else(|| word.instead_of("the name of a field"))
}

/// Reads a text up to its closing quote.
fn quoted(text: &str) -> Result<(Word<'_>, &str), ParseQueryError> {
    let mut content = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return Ok((Word::Quoted(content), chars.as_str())),
            '\\' => content.extend(chars.next()),
            c => content.push(c),
        }
    }
    Err(ParseQueryError::OpenQuote)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_query() -> impl Strategy<Value = Query> {
        let condition = prop_oneof![
            any::<u64>().prop_map(|id| Condition::Id(ValueId(id))),
            any::<u16>().prop_map(|value_type| Condition::ValueType(ValueType(value_type))),
            any::<[u8; 20]>().prop_map(|owner| Condition::Owner(InfoHash::new(owner))),
            ".{0,8}".prop_map(|text: String| Condition::UserType(text.into())),
        ];
        let select = prop::collection::btree_set(prop::sample::select(&Field::ALL), 0..5);
        let conditions = prop::collection::btree_set(condition, 0..4);
        (select, conditions).prop_map(|(select, conditions)| Query {
            select,
            conditions: conditions.into_iter().collect(),
        })
    }

    proptest! {
        #[test]
        fn text_form_round_trips(query in any_query()) {
            prop_assert_eq!(query.to_string().parse(), Ok(query));
        }

        #[test]
        fn parsing_never_panics(text in "(SELECT|WHERE|id|,|=|\\*|\"|\\\\|é| |5){0,12}") {
            let _ = text.parse::<Query>();
        }

        #[test]
        fn whole_values_without_conditions_cover_all_queries(query in any_query()) {
            prop_assert!(Query::default().covers(&query));
            prop_assert!(query.covers(&query));
            prop_assert_eq!(query.covers(&Query::default()), query.is_empty());
        }
    }

    #[test]
    fn fewer_conditions_and_more_fields_cover_more_conditions_and_fewer_fields() {
        let query = |text: &str| text.parse::<Query>().unwrap();
        let wide = query("SELECT id,seq WHERE id=5");
        assert!(wide.covers(&query("SELECT id WHERE id=5,value_type=1")));
        assert!(!wide.covers(&query("SELECT id WHERE value_type=1")));
        assert!(!wide.covers(&query("SELECT user_type WHERE id=5")));
        assert!(!wide.covers(&query("WHERE id=5")));
    }

    #[test]
    fn errors_name_what_was_expected() {
        for (text, error) in [
            ("id", "expected SELECT, WHERE, a comma or the end, found id"),
            ("SELECT", "expected the name of a field, found the end"),
            ("SELECT id,", "expected the name of a field, found the end"),
            (
                "SELECT id seq",
                "expected SELECT, WHERE, a comma or the end, found seq",
            ),
            ("WHERE id", "expected =, found the end"),
            ("WHERE id=x", "expected a number, found x"),
            ("WHERE value_type=65536", "expected a number, found 65536"),
            (
                "WHERE owner_pk=12",
                "expected 40 hexadecimal digits, found 12",
            ),
            (
                "WHERE seq=5",
                "expected another field: seq cannot be filtered by, found 5",
            ),
            ("WHERE user_type=\"a", "missing closing quote"),
        ] {
            assert_eq!(text.parse::<Query>().unwrap_err().to_string(), error);
        }
    }
}
