//! [`Value`]: a stored value, kept as the bytes that travel.
//!
//! A value is its canonical packed bytes and the places of its fields in them, so it is stored,
//! answered and forwarded without being encoded again, and a signature is checked over the very
//! bytes. Nothing here is trusted: a `Value` that claims to be signed has not been verified.
//!
//! An application makes a [`Draft`]; only `wire` turns drafts and received bytes into values.

mod address;
mod lifetime;
mod payload;
pub(crate) mod policy;
mod query;
#[cfg(test)]
pub(crate) mod sample;

use std::borrow::Cow;
use std::fmt;
use std::sync::OnceLock;

use bytes::Bytes;

pub(crate) use crate::value_type::{Policy, ValueType};
pub(crate) use address::ValueAddress;
pub use payload::{
    CertificatePayload, DhtMessage, IceCandidates, ImMessage, ImStatus, PayloadError,
    ServiceAnnouncement, TrustRequest, Typed,
};
pub use query::{Condition, Field, ParseQueryError, Query, Row};

use crate::InfoHash;
use crate::msgpack::Span;

/// A value's number, unique under one key. 0 is invalid on the wire and means "choose one" in a
/// [`Draft`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct ValueId(pub u64);

/// A value in its wire form, not verified. Cheap to clone.
#[derive(Clone)]
pub struct Value {
    packed: Bytes,
    fields: CompactFields,
}

/// The fields in little memory: most values have no more than id, type and payload, and only the
/// others take more.
#[derive(Clone)]
enum CompactFields {
    Bare {
        id: ValueId,
        /// `None` for an encrypted value.
        value_type: Option<ValueType>,
        data: Span,
    },
    Full(Box<FullFields>),
}

#[derive(Clone)]
struct FullFields {
    fields: Fields,
    /// The owner's short key id, once it has been asked for.
    owner_id: OnceLock<InfoHash>,
}

/// The fields of a packed value, those of variable length as spans of the packed bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields {
    pub(crate) id: ValueId,
    pub(crate) priority: u32,
    pub(crate) push_type: Span,
    pub(crate) content: Layout,
}

/// Where the content is in the packed bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Layout {
    Encrypted(Span),
    Plain {
        body: Span,
        value_type: ValueType,
        data: Span,
        user_type: Span,
        owner: Option<OwnerLayout>,
    },
}

/// Where owner and signature are in the packed bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnerLayout {
    pub(crate) key: Span,
    pub(crate) seq: u16,
    /// Where the recipient's 20 bytes begin.
    pub(crate) to: Option<u32>,
    pub(crate) signature: Span,
}

/// The content of a value, as far as it can be read without a key.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// Readable by all, not signed.
    Clear(Body<'a>),
    /// Readable by all, signed by its owner. The signature has not been checked.
    Signed(Signed<'a>),
    /// The ciphertext; only the recipient can read more.
    Encrypted(&'a [u8]),
}

/// The payload of a value and its type.
#[derive(Clone, Copy, Debug)]
pub struct Body<'a> {
    /// The value type.
    pub value_type: ValueType,
    /// The payload.
    pub data: &'a [u8],
    /// A free text that applications filter by; usually UTF-8, may be empty.
    pub user_type: &'a [u8],
}

/// A body with its owner's signature.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// The payload.
    pub body: Body<'a>,
    /// The owner's public key, DER `SubjectPublicKeyInfo` by convention; not parsed.
    pub owner: &'a [u8],
    /// The edit counter.
    pub seq: u16,
    /// Short key id of the recipient, if the value was made for one.
    pub to: Option<InfoHash>,
    /// The bytes that are signed (`docs/spec/secure.md#3`).
    pub signed_bytes: &'a [u8],
    /// The signature as it came; may be empty, which counts as unsigned.
    pub signature: &'a [u8],
}

/// What an application wants stored: a value that is not made yet.
///
/// ```
/// use bulla_dht::{Draft, ValueType};
///
/// let greeting = Draft::from("hello").user_type("text/plain");
/// assert_eq!(greeting.value_type, ValueType::USER_DATA);
/// ```
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Draft {
    /// The number under its key; 0 lets the node choose one at random.
    pub id: ValueId,
    /// The value type.
    pub value_type: ValueType,
    /// The payload, at most 64 KiB together with `user_type`.
    pub data: Bytes,
    /// A free text that applications filter by.
    pub user_type: String,
    /// Priority for push services: 0 is high, 1 normal.
    pub priority: u32,
    /// What a push service shall notify a sleeping client of, such as `audioCall`.
    pub push_type: String,
}

impl Value {
    /// The greatest packed size that may travel, in bytes (`docs/spec/wire.md#9.2`).
    pub const MAX_PACKED: usize = 65_568;
    /// The greatest [`Value::content_size`] that is stored, in bytes (`docs/spec/wire.md#9.3`).
    pub const MAX_CONTENT: usize = 65_536;

    /// Joins packed bytes and the places of their fields, which `wire` alone knows.
    pub(crate) fn from_parts(packed: Bytes, fields: Fields) -> Self {
        let fields = CompactFields::from(fields);
        Self { packed, fields }
    }

    /// Returns the number under its key.
    pub fn id(&self) -> ValueId {
        self.fields().id
    }

    /// Returns the canonical packed form.
    pub fn packed(&self) -> &Bytes {
        &self.packed
    }

    /// Returns the content.
    pub fn content(&self) -> Content<'_> {
        match self.fields().content {
            Layout::Encrypted(span) => Content::Encrypted(self.slice(span)),
            Layout::Plain {
                body,
                value_type,
                data,
                user_type,
                owner,
            } => {
                let signed_bytes = self.slice(body);
                let body = Body {
                    value_type,
                    data: self.slice(data),
                    user_type: self.slice(user_type),
                };
                match owner {
                    None => Content::Clear(body),
                    Some(owner) => Content::Signed(Signed {
                        body,
                        owner: self.slice(owner.key),
                        seq: owner.seq,
                        to: owner.to.and_then(|start| self.hash_at(start)),
                        signed_bytes,
                        signature: self.slice(owner.signature),
                    }),
                }
            }
        }
    }

    /// Returns the payload and its type; `None` for an encrypted value.
    pub fn body(&self) -> Option<Body<'_>> {
        match self.content() {
            Content::Clear(body) => Some(body),
            Content::Signed(signed) => Some(signed.body),
            Content::Encrypted(_) => None,
        }
    }

    /// Returns owner, signature and what is signed; `None` unless the value has an owner and a
    /// signature that is not empty.
    pub fn signed(&self) -> Option<Signed<'_>> {
        match self.content() {
            Content::Signed(signed) if !signed.signature.is_empty() => Some(signed),
            Content::Signed(_) | Content::Clear(_) | Content::Encrypted(_) => None,
        }
    }

    /// Reports whether only a recipient can read the value.
    pub fn is_encrypted(&self) -> bool {
        matches!(self.fields().content, Layout::Encrypted(_))
    }

    /// Returns the value type as storing nodes see it: that of an encrypted value is user data.
    pub fn value_type(&self) -> ValueType {
        match self.fields().content {
            Layout::Encrypted(_) => ValueType::USER_DATA,
            Layout::Plain { value_type, .. } => value_type,
        }
    }

    /// Returns the edit counter; 0 for a value without an owner.
    pub fn seq(&self) -> u16 {
        match self.content() {
            Content::Signed(signed) => signed.seq,
            Content::Clear(_) | Content::Encrypted(_) => 0,
        }
    }

    /// Returns the payload; empty for an encrypted value.
    pub fn data(&self) -> &[u8] {
        self.body().map_or(&[], |body| body.data)
    }

    /// Returns the user type as text; empty for an encrypted value.
    pub fn user_type(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.body().map_or(&[], |body| body.user_type))
    }

    /// Returns the owner's public key as it came, DER by convention; `None` without an owner.
    pub fn owner(&self) -> Option<&[u8]> {
        match self.content() {
            Content::Signed(signed) => Some(signed.owner),
            Content::Clear(_) | Content::Encrypted(_) => None,
        }
    }

    /// Returns the owner's short key id, which is hashed once; `None` without an owner.
    pub fn owner_id(&self) -> Option<InfoHash> {
        let owner = self.owner()?;
        match &self.fields {
            CompactFields::Full(full) => Some(*full.owner_id.get_or_init(|| InfoHash::of(owner))),
            CompactFields::Bare { .. } => None,
        }
    }

    /// Returns the priority for push services: 0 is high, 1 normal.
    pub fn priority(&self) -> u32 {
        self.fields().priority
    }

    /// Returns what a push service shall notify a sleeping client of; may be empty.
    pub fn push_type(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.push_type_bytes())
    }

    /// Returns the push type as it came.
    pub(crate) fn push_type_bytes(&self) -> &[u8] {
        self.slice(self.fields().push_type)
    }

    /// Returns the size that limits and quotas count, in bytes (`docs/spec/secure.md#2.2`).
    pub fn content_size(&self) -> usize {
        let rest = match self.content() {
            Content::Clear(body) => body.data.len() + body.user_type.len(),
            Content::Signed(signed) => {
                signed.body.data.len() + signed.body.user_type.len() + signed.signature.len()
            }
            Content::Encrypted(ciphertext) => ciphertext.len(),
        };
        rest + self.fields().push_type.len as usize
    }

    /// Reports whether both have the same content, so that a put of one over the other is a
    /// refresh, not an edit (`docs/spec/secure.md#2.2`).
    pub fn same_content(&self, other: &Self) -> bool {
        match (self.content(), other.content()) {
            (Content::Encrypted(a), Content::Encrypted(b)) => a == b,
            (Content::Clear(a), Content::Clear(b)) => a == b,
            (Content::Signed(a), Content::Signed(b)) => {
                a.body == b.body && a.owner == b.owner && a.signature == b.signature
            }
            _ => false,
        }
    }

    fn fields(&self) -> Fields {
        match &self.fields {
            CompactFields::Full(full) => full.fields,
            CompactFields::Bare {
                id,
                value_type,
                data,
            } => Fields {
                id: *id,
                priority: 0,
                push_type: Span::default(),
                content: match *value_type {
                    None => Layout::Encrypted(*data),
                    Some(value_type) => Layout::Plain {
                        body: Span::default(),
                        value_type,
                        data: *data,
                        user_type: Span::default(),
                        owner: None,
                    },
                },
            },
        }
    }

    fn slice(&self, span: Span) -> &[u8] {
        let start = span.start as usize;
        self.packed
            .get(start..start + span.len as usize)
            .unwrap_or_default()
    }

    fn hash_at(&self, start: u32) -> Option<InfoHash> {
        let len = InfoHash::LEN as u32;
        InfoHash::try_from(self.slice(Span { start, len })).ok()
    }
}

impl From<Fields> for CompactFields {
    fn from(fields: Fields) -> Self {
        let (value_type, data) = match fields.content {
            Layout::Encrypted(ciphertext) => (None, ciphertext),
            Layout::Plain {
                value_type,
                data,
                user_type: Span { len: 0, .. },
                owner: None,
                ..
            } => (Some(value_type), data),
            Layout::Plain { .. } => return Self::full(fields),
        };
        if fields.priority == 0 && fields.push_type.len == 0 {
            let id = fields.id;
            Self::Bare {
                id,
                value_type,
                data,
            }
        } else {
            Self::full(fields)
        }
    }
}

impl CompactFields {
    fn full(fields: Fields) -> Self {
        let owner_id = OnceLock::new();
        Self::Full(Box::new(FullFields { fields, owner_id }))
    }
}

impl PartialEq for Value {
    /// Compares the packed bytes.
    fn eq(&self, other: &Self) -> bool {
        self.packed == other.packed
    }
}

impl Eq for Value {}

impl fmt::Debug for Value {
    /// Writes ids and sizes, not contents.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = match self.content() {
            Content::Clear(_) => "clear",
            Content::Signed(_) => "signed",
            Content::Encrypted(_) => "encrypted",
        };
        write!(
            f,
            "Value({}, {form}, type {}, {} bytes)",
            self.id(),
            self.value_type().0,
            self.packed.len()
        )
    }
}

impl PartialEq for Body<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.value_type == other.value_type
            && self.data == other.data
            && self.user_type == other.user_type
    }
}

impl fmt::Display for ValueId {
    /// Writes lower-case hexadecimal, as OpenDHT does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Draft {
    /// Makes user data of these bytes.
    pub fn new(data: impl Into<Bytes>) -> Self {
        Self {
            data: data.into(),
            ..Self::default()
        }
    }

    /// Sets the number under the key.
    #[must_use]
    pub fn id(mut self, id: ValueId) -> Self {
        self.id = id;
        self
    }

    /// Sets the value type.
    #[must_use]
    pub fn value_type(mut self, value_type: ValueType) -> Self {
        self.value_type = value_type;
        self
    }

    /// Sets the text that applications filter by.
    #[must_use]
    pub fn user_type(mut self, user_type: impl Into<String>) -> Self {
        self.user_type = user_type.into();
        self
    }

    /// Returns the size that limits count once the value is made, without a signature or
    /// ciphertext, in bytes.
    pub fn content_size(&self) -> usize {
        self.data.len() + self.user_type.len() + self.push_type.len()
    }
}

impl From<&str> for Draft {
    fn from(text: &str) -> Self {
        Self::new(text.to_owned())
    }
}

impl From<String> for Draft {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<Vec<u8>> for Draft {
    fn from(data: Vec<u8>) -> Self {
        Self::new(data)
    }
}

impl From<Bytes> for Draft {
    fn from(data: Bytes) -> Self {
        Self::new(data)
    }
}

impl From<&[u8]> for Draft {
    fn from(data: &[u8]) -> Self {
        Self::new(data.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::ValueType;
    use super::sample::sample;

    #[test]
    fn an_encrypted_value_shows_no_type_of_its_own() {
        let clear = sample(1).value_type(ValueType(7)).build();
        assert!(!clear.is_encrypted());
        assert_eq!(clear.value_type(), ValueType(7));
        let encrypted = sample(1).encrypted(b"?").build();
        assert!(encrypted.is_encrypted());
        assert_eq!(encrypted.value_type(), ValueType::USER_DATA);
    }
}
