//! [`ExpectedValue`]: what a host really put, as against what others claim that it put.

use std::fmt;

use bulla_identity::LongKeyId;
use bytes::Bytes;

use bulla_dht::secure::{Checked, Protection};
use bulla_dht::{Content, Draft, Value, ValueId, ValueType};

/// A value as its author meant it.
#[derive(Clone, PartialEq, Eq)]
pub struct ExpectedValue {
    /// The number under its key.
    pub id: ValueId,
    /// The value type.
    pub value_type: ValueType,
    /// The payload.
    pub data: Bytes,
    /// How far it can be believed.
    pub trust: Protection,
    /// The signer's key; `None` if it is clear.
    pub signer: Option<LongKeyId>,
    /// Whether it is announced for as long as its author runs.
    pub permanent: bool,
}

impl ExpectedValue {
    pub(super) fn new(
        draft: &Draft,
        id: ValueId,
        trust: Protection,
        signer: Option<LongKeyId>,
        permanent: bool,
    ) -> Self {
        Self {
            id,
            value_type: draft.value_type,
            data: draft.data.clone(),
            trust,
            signer,
            permanent,
        }
    }

    /// Returns what is expected of a put of a value that is packed already and unsigned.
    pub(super) fn of_value(value: &Value) -> Self {
        Self {
            id: value.id(),
            value_type: value.value_type(),
            data: Bytes::copy_from_slice(value.data()),
            trust: Protection::Clear,
            signer: None,
            permanent: false,
        }
    }

    /// Whether this is what an application was told.
    pub(super) fn matches_checked(&self, checked: &Checked) -> bool {
        self.id == checked.id()
            && self.value_type == checked.value_type()
            && self.data == checked.data()
            && self.trust == checked.protection()
            && self.signer == checked.signer()
    }

    /// Whether a stored value is a copy of this, as far as that shows without a key.
    pub(super) fn matches_stored(&self, stored: &Value) -> bool {
        let alike = match (stored.content(), self.trust) {
            (Content::Clear(body), Protection::Clear) => body.data == self.data,
            (Content::Signed(signed), Protection::Signed) => signed.body.data == self.data,
            (Content::Encrypted(_), Protection::Encrypted) => true,
            (Content::Clear(_) | Content::Signed(_) | Content::Encrypted(_), _) => false,
        };
        self.id == stored.id() && alike
    }
}

impl fmt::Debug for ExpectedValue {
    /// As violations show it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publication")
            .field("id", &self.id)
            .field("value_type", &self.value_type)
            .field("data", &self.data)
            .field("trust", &self.trust)
            .field("signer", &self.signer)
            .field("permanent", &self.permanent)
            .finish()
    }
}
