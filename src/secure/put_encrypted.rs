//! Encrypted puts: find the recipient's key, sign and encrypt, put (spec `secure.md`, section 5.3).

use bulla_identity::{KeyId, LongKeyId, PublicKey};

use super::admission::Ticket;
use super::job::Task;
use super::keyring::KeyName;
use super::put_signed::SignOptions;
use super::{Home, Preparation, PutError, SecureDht};
use crate::lookup::OpId;
use crate::node::PutOptions;
use crate::value::{Draft, ValueId};
use crate::{InfoHash, Timestamp};

/// For whom a value is encrypted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Recipient {
    /// The holder of this key.
    Key(PublicKey),
    /// The holder of the key of this name, which is searched for if it is not at hand.
    Name(KeyName),
}

/// A value to be encrypted and put.
#[derive(Debug)]
pub(super) struct EncryptedPut {
    pub(super) home: Home,
    draft: Draft,
    options: PutOptions,
}

impl From<PublicKey> for Recipient {
    fn from(key: PublicKey) -> Self {
        Self::Key(key)
    }
}

impl From<LongKeyId> for Recipient {
    fn from(id: LongKeyId) -> Self {
        Self::Name(id.into())
    }
}

impl From<KeyId> for Recipient {
    /// As users of OpenDHT before 3.5 are named.
    fn from(id: KeyId) -> Self {
        Self::Name(id.into())
    }
}

impl SecureDht {
    /// Signs a value, encrypts it for `to`, and puts it. Storing nodes see its size, id, priority and push type, and
    /// treat it as user data.
    ///
    /// It is stored for ten minutes, and cannot be edited: another value needs another id. Ends with
    /// [`SecureEvent::PutDone`] or [`SecureEvent::PutFailed`].
    ///
    /// # Errors
    ///
    /// [`PutError::NoIdentity`], [`PutError::ReservedUserType`], or [`PutError::Refused`] if the node would not take it.
    ///
    /// [`SecureEvent::PutDone`]: super::SecureEvent::PutDone
    /// [`SecureEvent::PutFailed`]: super::SecureEvent::PutFailed
    pub fn put_encrypted(
        &mut self,
        now: Timestamp,
        key: InfoHash,
        to: impl Into<Recipient>,
        draft: impl Into<Draft>,
        options: impl Into<SignOptions>,
    ) -> Result<(OpId, ValueId), PutError> {
        let (draft, options) = (draft.into(), options.into());
        let id = self.choose_id(&draft);
        let draft = self.bind(now, (key, id), draft, options.scope)?;
        let op = self.prepare_put(key, &draft)?;
        let put = EncryptedPut {
            home: (key, id),
            draft,
            options: options.put,
        };
        let known = match to.into() {
            Recipient::Key(key) => Ok(key),
            Recipient::Name(name) => self.keyring.public_key(name).ok_or(name),
        };
        match known {
            Ok(to) => self.encrypt(op, put, to),
            Err(name) => self.search(now, name, op, Preparation::Recipient { name, put })?,
        }
        self.advance(now);
        Ok((op, id))
    }

    /// Has a value signed and encrypted; the recipient's key is known.
    pub(super) fn encrypt(&mut self, op: OpId, put: EncryptedPut, to: PublicKey) {
        let Some(identity) = self.identity.as_ref() else {
            return;
        };
        let EncryptedPut {
            home,
            draft,
            options,
        } = put;
        let encrypt = Task::Encrypt {
            op,
            key: identity.key().clone(),
            to,
            draft,
            id: home.1,
        };
        self.preparing
            .insert(op, Preparation::Encrypted { home, options });
        self.start(Ticket::Step, encrypt);
    }
}
