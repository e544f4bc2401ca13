//! [`Query`]: which values, and which of their fields, an asker wants (spec `wire.md`, section 12).

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use thiserror::Error;

use super::{Kind, Value, ValueId};
use crate::InfoHash;

/// A field of a value that a query can name. The discriminants are the wire's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Field {
    /// The value id.
    Id = 1,
    /// The value type.
    Kind = 2,
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
    Kind(Kind),
    /// The owner's short key id is this.
    Owner(InfoHash),
    /// The user type is this text.
    UserType(Bytes),
}

/// A selection of fields (none: whole values) and conditions that must all hold.
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
    pub kind: Option<Kind>,
    /// The owner's short key id; zero for a value without an owner.
    pub owner: Option<InfoHash>,
    /// The sequence number.
    pub seq: Option<u16>,
    /// The user type.
    pub user_type: Option<String>,
}

/// The text is no query.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("not a query: {0}")]
pub struct ParseQueryError(String);

impl Query {
    /// Whether it asks for every value, whole.
    pub fn is_empty(&self) -> bool {
        self.select.is_empty() && self.conditions.is_empty()
    }

    /// Whether `value` meets all conditions.
    pub fn matches(&self, value: &Value) -> bool {
        self.conditions.iter().all(|condition| match condition {
            Condition::Id(id) => value.id() == *id,
            Condition::Kind(kind) => value.kind() == *kind,
            Condition::Owner(owner) => value.owner_id().unwrap_or_default() == *owner,
            Condition::UserType(text) => {
                value.body().map_or(&[][..], |body| body.user_type) == text
            }
        })
    }
}

impl Row {
    /// The selected fields of a value.
    pub fn of(value: &Value, select: &BTreeSet<Field>) -> Self {
        let mut row = Self::default();
        for field in select {
            match field {
                Field::Id => row.id = Some(value.id()),
                Field::Kind => row.kind = Some(value.kind()),
                Field::Owner => row.owner = Some(value.owner_id().unwrap_or_default()),
                Field::Seq => row.seq = Some(value.seq()),
                Field::UserType => row.user_type = Some(value.user_type().into_owned()),
            }
        }
        row
    }
}

impl FromStr for Query {
    type Err = ParseQueryError;

    fn from_str(text: &str) -> Result<Self, ParseQueryError> {
        Err(ParseQueryError(text.to_owned()))
    }
}

impl fmt::Display for Query {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}
