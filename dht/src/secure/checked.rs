//! [`Checked`]: a value that the application may believe, as far as its [`Protection`] goes.

use std::borrow::Cow;
use std::str::Utf8Error;

use bulla_identity::{KeyId, LongKeyId, PublicKey};

use super::binding::{Binding, Claim, split};
use super::recipients::Recipients;
use super::signing::Opened;
use crate::value::{Content, Value, ValueId, ValueType};

/// A value that has passed the checks. Only the secure layer makes one: clear values, signed ones
/// whose signature holds, and encrypted ones that were meant for us and hold a good signature
/// inside.
///
/// What the signer is to the application is for the application to say; compare
/// [`Checked::signer`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checked {
    /// The value; of an encrypted one, what was inside.
    value: Value,
    /// The key by which it was found to be signed.
    signed_by: SignedBy,
}

/// The key by which a value is signed.
#[derive(Clone, PartialEq, Eq, Debug)]
enum SignedBy {
    /// None: the value is clear.
    Unsigned,
    /// The key of the signer of a value that all can read.
    Signer(PublicKey),
    /// The key of the sender of an encrypted value, and its recipients if they are several.
    Sender(PublicKey, Recipients),
}

/// What is known of a value's origin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protection {
    /// Readable by all and not signed: any node may have made it.
    Clear,
    /// Readable by all; the signer wrote it.
    Signed,
    /// Made by the signer for us, and for the other [recipients](Checked::recipients) if there are
    /// any; no other key can read it.
    Encrypted,
}

impl Checked {
    /// Takes a clear value; `None` if it claims more, which is to be checked first.
    pub(super) fn clear(value: &Value) -> Option<Self> {
        match value.content() {
            Content::Clear(_) => Some(Self {
                value: value.clone(),
                signed_by: SignedBy::Unsigned,
            }),
            Content::Signed(_) | Content::Encrypted(_) => None,
        }
    }

    /// Takes a value with a signature by `signer` that holds.
    pub(super) fn signed(value: Value, signer: PublicKey) -> Self {
        Self {
            value,
            signed_by: SignedBy::Signer(signer),
        }
    }

    /// Takes what was inside an encrypted value for us.
    pub(super) fn decrypted(opened: Opened) -> Self {
        Self {
            value: opened.inner,
            signed_by: SignedBy::Sender(opened.sender, opened.recipients),
        }
    }

    /// Returns the id under its key. No signature covers it, but that of a
    /// [bound](Checked::binding) value.
    pub fn id(&self) -> ValueId {
        self.value.id()
    }

    /// Returns the value type.
    pub fn value_type(&self) -> ValueType {
        self.value.value_type()
    }

    /// Returns the payload.
    pub fn data(&self) -> &[u8] {
        self.value.data()
    }

    /// Returns the payload as text.
    ///
    /// # Errors
    ///
    /// [`Utf8Error`] if it is no UTF-8; [`Checked::data`] gives any payload.
    pub fn text(&self) -> Result<&str, Utf8Error> {
        str::from_utf8(self.data())
    }

    /// Returns the text that applications filter by, without the [`Checked::binding`] at its end.
    pub fn user_type(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.own_user_type())
    }

    /// Returns where, and until when, the signature holds: here, and now. `None` if it holds
    /// anywhere and for ever, or there is none.
    pub fn binding(&self) -> Option<Binding> {
        Claim::of(&self.value).binding()
    }

    /// Returns the sequence number, which grows with each edition; 0 for a clear value.
    pub fn seq(&self) -> u16 {
        self.value.seq()
    }

    /// Returns how far the value can be believed.
    pub fn protection(&self) -> Protection {
        match self.signed_by {
            SignedBy::Unsigned => Protection::Clear,
            SignedBy::Signer(_) => Protection::Signed,
            SignedBy::Sender(..) => Protection::Encrypted,
        }
    }

    /// Returns the id of the signer's key.
    pub fn signer(&self) -> Option<LongKeyId> {
        self.signer_key().map(PublicKey::long_id)
    }

    /// Returns the signer's key, to verify or encrypt with.
    pub fn signer_key(&self) -> Option<&PublicKey> {
        match &self.signed_by {
            SignedBy::Unsigned => None,
            SignedBy::Signer(key) | SignedBy::Sender(key, _) => Some(key),
        }
    }

    /// Returns the one recipient that the signer made it for, if any: us if it was encrypted.
    pub fn recipient(&self) -> Option<KeyId> {
        if !self.recipients().is_empty() {
            return None;
        }
        let to = self.value.signed()?.to?;
        Some(KeyId::from_bytes(*to.as_bytes()))
    }

    /// Returns the recipients that the sender encrypted it for, if several: we are one of them. In
    /// ascending order.
    pub fn recipients(&self) -> &[LongKeyId] {
        match &self.signed_by {
            SignedBy::Sender(_, recipients) => recipients.ids(),
            SignedBy::Unsigned | SignedBy::Signer(_) => &[],
        }
    }

    /// Returns the value itself; of an encrypted one, what was inside.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Returns the application's part of the user type.
    pub(super) fn own_user_type(&self) -> &[u8] {
        let user_type = self.value.body().map_or(&[][..], |body| body.user_type);
        match self.signed_by {
            SignedBy::Unsigned => user_type,
            SignedBy::Signer(_) | SignedBy::Sender(..) => split(user_type).0,
        }
    }
}
