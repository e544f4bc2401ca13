//! What the application may put: clear, signed and encrypted values.

use super::encrypted_puts::{EncryptedPut, check_recipients};
use super::pending::{InternalOp, Preparation};
use super::searches::Wanted;
use super::signed_puts::SignedPut;
use super::{Recipient, SecureAction, SecureDht, SecurePutError, SignOptions, check_size};
use crate::lookup::OpId;
use crate::node::PutOptions;
use crate::value::{Draft, Value, ValueId};
use crate::{InfoHash, Timestamp, wire};

impl SecureDht {
    /// Puts a value as it is: readable by all, and not signed. Without an id it gets a random one.
    ///
    /// # Errors
    ///
    /// [`SecurePutError::Refused`] if the node does not take it, [`SecurePutError::TooLarge`].
    pub fn put(
        &mut self,
        now: Timestamp,
        key: InfoHash,
        draft: impl Into<Draft>,
        options: PutOptions,
    ) -> Result<(OpId, ValueId), SecurePutError> {
        let draft = draft.into();
        let id = self.choose_id(&draft);
        let op = self.put_value(now, key, wire::pack(&draft, id), options)?;
        Ok((op, id))
    }

    /// Puts a packed value.
    ///
    /// # Errors
    ///
    /// As [`SecureDht::put`].
    pub fn put_value(
        &mut self,
        now: Timestamp,
        key: InfoHash,
        value: Value,
        options: PutOptions,
    ) -> Result<OpId, SecurePutError> {
        let op = self.node.put(now, key, check_size(value)?, options)?;
        self.advance(now);
        Ok(op)
    }

    /// Signs a value and puts it. If it has an id, the nodes are asked first for what they hold of
    /// ours under it, so that the new edition replaces the old; without one it gets a random id.
    ///
    /// Ends with `SecureEvent::PutDone` or `PutFailed`. Puts of one id under one key are done in
    /// the order of the calls.
    ///
    /// # Errors
    ///
    /// [`SecurePutError::NoIdentity`], [`SecurePutError::Sign`] if the identity is not one of RSA,
    /// [`SecurePutError::ReservedUserType`], or [`SecurePutError::Refused`] if the node would not
    /// take it.
    pub fn put_signed(
        &mut self,
        now: Timestamp,
        key: InfoHash,
        draft: impl Into<Draft>,
        options: impl Into<SignOptions>,
    ) -> Result<(OpId, ValueId), SecurePutError> {
        let (draft, options) = (draft.into(), options.into());
        let may_exist = draft.id != ValueId(0);
        let (op, address, draft) = self.prepare_put(now, key, draft, options.scope)?;
        let mut probe = None;
        if let Some(query) = self.signed_puts.probe(address, may_exist) {
            let get = self.node.get(now, key, query)?;
            // Editions count wherever and until whenever they were meant: storing nodes compare
            // numbers alone.
            self.checks.open(get, None);
            self.pending.begin_internal(get, InternalOp::Probe(address));
            probe = Some(get);
        }
        self.pending.prepare(op, Preparation::Signed(address));
        let options = options.put;
        let put = SignedPut { op, draft, options };
        self.signed_puts.begin(address, put, probe);
        self.sign_next(now, address);
        self.advance(now);
        Ok((op, address.id))
    }

    /// Signs a value, encrypts it for `to`, and puts it. Storing nodes see its size, id, priority
    /// and push type, and treat it as user data.
    ///
    /// It is stored for ten minutes, and cannot be edited: another value needs another id. Ends
    /// with `SecureEvent::PutDone` or `PutFailed`.
    ///
    /// # Errors
    ///
    /// [`SecurePutError::NoIdentity`], [`SecurePutError::Sign`] or [`SecurePutError::Encrypt`] if
    /// the identity or the recipient has a key of another kind than it takes,
    /// [`SecurePutError::ReservedUserType`], or [`SecurePutError::Refused`] if the node would not
    /// take it.
    pub fn put_encrypted(
        &mut self,
        now: Timestamp,
        key: InfoHash,
        to: impl Into<Recipient>,
        draft: impl Into<Draft>,
        options: impl Into<SignOptions>,
    ) -> Result<(OpId, ValueId), SecurePutError> {
        self.put_encrypted_to_many(now, key, [to], draft, options)
    }

    /// As [`SecureDht::put_encrypted`], one value for up to [`bulla_identity::MAX_RECIPIENTS`].
    /// Each sees the keys of the others; storing nodes see how many there are, and can tell with a
    /// public key whether it may be one of them.
    ///
    /// For one recipient it is an ordinary encrypted value. One for several is read by bulla alone:
    /// what users of OpenDHT are to read is put once for each of them. Recipients' keys are
    /// searched for one after the other; if one is not found, the put fails.
    ///
    /// # Errors
    ///
    /// As [`SecureDht::put_encrypted`], and [`SecurePutError::Recipients`].
    pub fn put_encrypted_to_many(
        &mut self,
        now: Timestamp,
        key: InfoHash,
        to: impl IntoIterator<Item = impl Into<Recipient>>,
        draft: impl Into<Draft>,
        options: impl Into<SignOptions>,
    ) -> Result<(OpId, ValueId), SecurePutError> {
        let (draft, options) = (draft.into(), options.into());
        let recipients: Vec<_> = to.into_iter().map(Into::into).collect();
        check_recipients(&recipients)?;
        let (op, address, draft) = self.prepare_put(now, key, draft, options.scope)?;
        let put = EncryptedPut::new(address, draft, options.put, recipients);
        self.encrypted_puts.begin(op, put);
        self.pending.prepare(op, Preparation::Encrypted(address));
        match self.next_encryption(op) {
            Some(SecureAction::Search(_, name)) => self
                .search(now, name, op, Wanted::Recipient)
                .inspect_err(|_| self.forget_encrypted_put(op))?,
            action => self.act(now, action),
        }
        self.advance(now);
        Ok((op, address.id))
    }
}
