//! [`Checked`]: a value that the application may believe, as far as its [`Protection`] goes.

use std::borrow::Cow;
use std::str::Utf8Error;

use bulla_identity::{KeyId, LongKeyId, PublicKey};

use super::binding::{Binding, Claim, split};
use super::readers::Readers;
use crate::value::{Content, Value, ValueId, ValueType};

/// A value that has passed the checks. Only the secure layer makes one: clear values, signed ones whose signature
/// holds, and encrypted ones that were meant for us and hold a good signature inside.
///
/// Who the signer is to the application is for the application to say; compare [`Checked::signer`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checked {
    value: Value,
    signed_by: SignedBy,
}

/// Who vouches for a value.
#[derive(Clone, PartialEq, Eq, Debug)]
enum SignedBy {
    Nobody,
    Signer(PublicKey),
    Sender(PublicKey, Readers),
}

/// What is known of a value's origin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protection {
    /// Readable by all, vouched for by nobody: anyone may have written it.
    Clear,
    /// Readable by all; the signer wrote it.
    Signed,
    /// Made by the signer for our eyes, and those of the other [readers](Checked::readers) if there are any; nobody else
    /// can read it.
    Encrypted,
}

impl Checked {
    /// A value that nobody vouches for; `None` if it claims more, which is to be checked first.
    pub(super) fn clear(value: &Value) -> Option<Self> {
        match value.content() {
            Content::Clear(_) => Some(Self {
                value: value.clone(),
                signed_by: SignedBy::Nobody,
            }),
            Content::Signed(_) | Content::Encrypted(_) => None,
        }
    }

    /// A value whose signature by `signer` holds.
    pub(super) fn signed(value: Value, signer: PublicKey) -> Self {
        Self {
            value,
            signed_by: SignedBy::Signer(signer),
        }
    }

    /// What was inside an encrypted value for us, with a signature by `sender` that holds.
    pub(super) fn decrypted(inner: Value, sender: PublicKey, readers: Readers) -> Self {
        Self {
            value: inner,
            signed_by: SignedBy::Sender(sender, readers),
        }
    }

    /// The number under its key. No signature covers it, but that of a [bound](Checked::binding) value.
    pub fn id(&self) -> ValueId {
        self.value.id()
    }

    /// The value type.
    pub fn value_type(&self) -> ValueType {
        self.value.value_type()
    }

    /// The payload.
    pub fn data(&self) -> &[u8] {
        self.value.data()
    }

    /// The payload as text.
    ///
    /// # Errors
    ///
    /// [`Utf8Error`] if it is no UTF-8; [`Checked::data`] gives any payload.
    pub fn text(&self) -> Result<&str, Utf8Error> {
        str::from_utf8(self.data())
    }

    /// The text that applications filter by, without the [`Checked::binding`] at its end.
    pub fn user_type(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.own_user_type())
    }

    /// Where, and until when, the signer vouches for it: here, and now. `None` if the signature holds anywhere and for
    /// ever, or there is none.
    pub fn binding(&self) -> Option<Binding> {
        Claim::of(&self.value).binding()
    }

    /// The edit counter; 0 for a clear value.
    pub fn seq(&self) -> u16 {
        self.value.seq()
    }

    /// How far the value can be believed.
    pub fn status(&self) -> Protection {
        match self.signed_by {
            SignedBy::Nobody => Protection::Clear,
            SignedBy::Signer(_) => Protection::Signed,
            SignedBy::Sender(..) => Protection::Encrypted,
        }
    }

    /// Whose signature holds.
    pub fn signer(&self) -> Option<LongKeyId> {
        self.owner().map(PublicKey::long_id)
    }

    /// The signer's key, to verify or encrypt with.
    pub fn owner(&self) -> Option<&PublicKey> {
        match &self.signed_by {
            SignedBy::Nobody => None,
            SignedBy::Signer(key) | SignedBy::Sender(key, _) => Some(key),
        }
    }

    /// For whom the signer made it, if for one: ourselves if it was encrypted.
    pub fn recipient(&self) -> Option<KeyId> {
        if !self.readers().is_empty() {
            return None;
        }
        let to = self.value.signed()?.to?;
        Some(KeyId::from_bytes(*to.as_bytes()))
    }

    /// For whom the sender encrypted it, if for several: we are one of them. In ascending order.
    pub fn readers(&self) -> &[LongKeyId] {
        match &self.signed_by {
            SignedBy::Sender(_, readers) => readers.ids(),
            SignedBy::Nobody | SignedBy::Signer(_) => &[],
        }
    }

    /// The value itself; of an encrypted one, what was inside.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The application's part of the user type.
    pub(super) fn own_user_type(&self) -> &[u8] {
        let user_type = self.value.body().map_or(&[][..], |body| body.user_type);
        match self.signed_by {
            SignedBy::Nobody => user_type,
            SignedBy::Signer(_) | SignedBy::Sender(..) => split(user_type).0,
        }
    }
}
