//! Encrypted puts: find the recipients' keys, sign and encrypt, put (`docs/spec/secure.md#5.3`).

use bulla_identity::{EncryptError, KeyId, LongKeyId, MAX_RECIPIENTS, PublicKey};

use super::SecureDht;
use super::admission::Ticket;
use super::binding::bind;
use super::error::PutError;
use super::job::Task;
use super::key_cache::KeyName;
use super::options::SignOptions;
use super::pending::Preparation;
use crate::lookup::OpId;
use crate::node::{OpError, PutOptions};
use crate::value::{Draft, ValueAddress, ValueId};
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
    pub(super) address: ValueAddress,
    draft: Draft,
    options: PutOptions,
    /// Those whose keys are known.
    pub(super) recipients: Vec<PublicKey>,
    /// Those whose keys are still to be found.
    missing: Vec<Recipient>,
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
    /// [`PutError::NoIdentity`], [`PutError::Sign`] or [`PutError::Encrypt`] if the identity or the recipient has a key of
    /// another kind than it takes, [`PutError::ReservedUserType`], or [`PutError::Refused`] if the node would not take it.
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
        self.put_encrypted_to_many(now, key, [to], draft, options)
    }

    /// As [`SecureDht::put_encrypted`], one value for up to [`MAX_RECIPIENTS`] recipients. Each sees who else is one of them;
    /// storing nodes see how many there are, and can tell with a public key whether its holder may be one.
    ///
    /// For one recipient it is an ordinary encrypted value. One for several is read by bulla alone: what users of OpenDHT are
    /// to read is put once for each of them. Recipients' keys are searched for one after the other; if one is not found, the
    /// put fails.
    ///
    /// # Errors
    ///
    /// As [`SecureDht::put_encrypted`], and [`PutError::Recipients`].
    pub fn put_encrypted_to_many(
        &mut self,
        now: Timestamp,
        key: InfoHash,
        to: impl IntoIterator<Item = impl Into<Recipient>>,
        draft: impl Into<Draft>,
        options: impl Into<SignOptions>,
    ) -> Result<(OpId, ValueId), PutError> {
        let (draft, options) = (draft.into(), options.into());
        let missing: Vec<_> = to.into_iter().map(Into::into).collect();
        if !(1..=MAX_RECIPIENTS).contains(&missing.len()) {
            return Err(PutError::Recipients(missing.len()));
        }
        for recipient in &missing {
            if let Recipient::Key(key) = recipient
                && !key.kind().encrypts()
            {
                return Err(EncryptError::NotForEncryption(key.kind()).into());
            }
        }
        let id = self.choose_id(&draft);
        let address = ValueAddress { key, id };
        let draft = bind(draft, address, options.scope, self.node.calendar(now))?;
        let op = self.prepare_put(key, &draft)?;
        let put = EncryptedPut {
            address,
            draft,
            options: options.put,
            recipients: Vec::new(),
            missing,
        };
        self.address(now, op, put)?;
        self.advance(now);
        Ok((op, id))
    }

    /// Goes on with the recipients of a value; when all keys are there, it is signed and encrypted.
    pub(super) fn address(
        &mut self,
        now: Timestamp,
        op: OpId,
        mut put: EncryptedPut,
    ) -> Result<(), OpError> {
        while let Some(recipient) = put.missing.pop() {
            let known = match recipient {
                Recipient::Key(key) => Ok(key),
                Recipient::Name(name) => self.key_cache.public_key(name).ok_or(name),
            };
            match known {
                Ok(key) => put.recipients.push(key),
                Err(name) => {
                    return self.search(now, name, op, Preparation::Recipient { name, put });
                }
            }
        }
        self.encrypt(op, put);
        Ok(())
    }

    fn encrypt(&mut self, op: OpId, put: EncryptedPut) {
        let Some(identity) = self.identity.as_ref() else {
            return;
        };
        let EncryptedPut {
            address,
            draft,
            options,
            mut recipients,
            missing: _,
        } = put;
        // One who was named twice is one reader.
        recipients.sort_by_key(PublicKey::long_id);
        recipients.dedup();
        let encrypt = Task::Encrypt {
            op,
            key: identity.key().clone(),
            recipients,
            draft,
            id: address.id,
        };
        self.preparing
            .insert(op, Preparation::Encrypted { address, options });
        self.start(Ticket::Step, encrypt);
    }
}
