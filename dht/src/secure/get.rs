//! What the application may look for: values, rows of their fields, certificates and keys.

use std::collections::BTreeSet;

use super::event::SecureEvent;
use super::key_cache::KeyName;
use super::pending::{InternalOp, Preparation};
use super::searches::{Wanted, query};
use super::{GetOptions, SecureDht};
use crate::lookup::OpId;
use crate::node::OpError;
use crate::value::Query;
use crate::{InfoHash, Timestamp};

impl SecureDht {
    /// As `Node::get`: [`SecureEvent::Values`] as they come, [`SecureEvent::GetDone`] at the end.
    ///
    /// # Errors
    ///
    /// [`OpError`] if the key is zero or too much is under way.
    pub fn get(
        &mut self,
        now: Timestamp,
        key: InfoHash,
        options: impl Into<GetOptions>,
    ) -> Result<OpId, OpError> {
        let (query, filter) = self.checks.filter(key, options.into());
        let op = self.node.get(now, key, query)?;
        self.checks.open(op, Some(filter));
        self.advance(now);
        Ok(op)
    }

    /// As `Node::listen`: [`SecureEvent::Values`] and [`SecureEvent::Expired`] until cancelled.
    ///
    /// # Errors
    ///
    /// As [`SecureDht::get`].
    pub fn listen(
        &mut self,
        now: Timestamp,
        key: InfoHash,
        options: impl Into<GetOptions>,
    ) -> Result<OpId, OpError> {
        let (query, filter) = self.checks.filter(key, options.into());
        let op = self.node.listen(now, key, query)?;
        self.checks.open(op, Some(filter));
        self.advance(now);
        Ok(op)
    }

    /// As `Node::query`: [`SecureEvent::Rows`] as they come, [`SecureEvent::GetDone`] at the end.
    /// What rows say is not signed.
    ///
    /// # Errors
    ///
    /// As [`SecureDht::get`].
    pub fn query(&mut self, now: Timestamp, key: InfoHash, query: Query) -> Result<OpId, OpError> {
        let op = self.node.query(now, key, query)?;
        self.advance(now);
        Ok(op)
    }

    /// Finds a certificate: the own one, a cached one, one of the application's, or one in the DHT.
    /// [`SecureEvent::Certificate`] tells the result.
    ///
    /// That its key has this name is certain; its signature and dates are not looked at.
    ///
    /// # Errors
    ///
    /// [`OpError::TooManyOperations`] if too much is under way, [`OpError::ZeroKey`] for an id of
    /// zeros.
    pub fn find_certificate(
        &mut self,
        now: Timestamp,
        name: impl Into<KeyName>,
    ) -> Result<OpId, OpError> {
        let (name, op) = (name.into(), self.reserve()?);
        let certificate = self.searches.keys().certificate(name);
        if certificate.is_some() {
            self.tell(SecureEvent::Certificate { op, certificate });
        } else {
            self.search(now, name, op, Wanted::Certificate)?;
            self.pending.prepare(op, Preparation::Search(name));
        }
        self.advance(now);
        Ok(op)
    }

    /// Finds a public key, as [`SecureDht::find_certificate`] does a certificate. Keys of the
    /// senders of encrypted values are cached without one. [`SecureEvent::PublicKey`] tells the
    /// result.
    ///
    /// # Errors
    ///
    /// As [`SecureDht::find_certificate`].
    pub fn find_public_key(
        &mut self,
        now: Timestamp,
        name: impl Into<KeyName>,
    ) -> Result<OpId, OpError> {
        let (name, op) = (name.into(), self.reserve()?);
        let key = self.searches.keys().public_key(name);
        if key.is_some() {
            self.tell(SecureEvent::PublicKey { op, key });
        } else {
            self.search(now, name, op, Wanted::PublicKey)?;
            self.pending.prepare(op, Preparation::Search(name));
        }
        self.advance(now);
        Ok(op)
    }

    /// Lets an operation wait for a certificate.
    pub(super) fn search(
        &mut self,
        now: Timestamp,
        name: KeyName,
        op: OpId,
        wanted: Wanted,
    ) -> Result<(), OpError> {
        let Some(keys) = self.searches.join(name, op, wanted) else {
            return Ok(());
        };
        let mut gets = BTreeSet::new();
        let mut refusal = None;
        for key in keys {
            match self.node.get(now, key, query()) {
                Ok(get) => {
                    self.pending.begin_internal(get, InternalOp::Search(name));
                    gets.insert(get);
                }
                Err(error) => refusal = Some(error),
            }
        }
        if let Some(error) = refusal.filter(|_| gets.is_empty()) {
            return Err(error);
        }
        self.searches.open(name, op, wanted, gets);
        Ok(())
    }
}
