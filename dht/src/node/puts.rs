//! The application's puts, permanent or not.

use super::operations::OpState;
use super::{LookupId, Node, OpError, OpId};
use crate::lookup::{Announcement, Creation};
use crate::value::{Value, ValueAddress, ValueId};
use crate::{InfoHash, Timestamp, UnixTime};

/// How a put is announced.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PutOptions {
    /// Announce the value again before it expires, for as long as the node runs.
    pub permanent: bool,
    /// When the value was made; `None` is now. A value lives for its type's lifetime from then. Of
    /// no effect on permanent puts.
    pub created: Option<UnixTime>,
}

impl PutOptions {
    /// Announces a value for as long as the node runs.
    pub(crate) const PERMANENT: Self = Self {
        permanent: true,
        created: None,
    };
}

impl Node {
    /// Stores `value` here and at the nodes nearest to `key`.
    /// [`Event::PutDone`](super::Event::PutDone) tells how many of them acknowledged it.
    ///
    /// # Errors
    ///
    /// [`OpError`] if the key or the value's id is zero, the value too large, or too much is under
    /// way.
    pub fn put(
        &mut self,
        now: Timestamp,
        key: InfoHash,
        value: Value,
        options: PutOptions,
    ) -> Result<OpId, OpError> {
        let op = self.reserve_op();
        self.put_as(now, op, key, value, options)?;
        Ok(op)
    }

    /// Reserves the id of a put that has to be prepared first.
    pub(crate) fn reserve_op(&mut self) -> OpId {
        self.operations.reserve()
    }

    /// Puts as [`Node::put`] does, under a reserved id.
    pub(crate) fn put_as(
        &mut self,
        now: Timestamp,
        op: OpId,
        key: InfoHash,
        value: Value,
        options: PutOptions,
    ) -> Result<(), OpError> {
        let now = self.advance(now);
        let id = value.id();
        if id.0 == 0 {
            return Err(OpError::ZeroId);
        }
        if value.content_size() > Value::MAX_CONTENT || value.packed().len() > Value::MAX_PACKED {
            return Err(OpError::TooLarge(value.content_size()));
        }
        let lifetime = self.config.value_types.lifetime(&value);
        let longest = lifetime.saturating_sub(self.config.operations.announce_margin);
        // Values put together drift apart, so that their announcements do not come in bursts.
        let shortest = longest * 7 / 8;
        if options.permanent && !self.lookups.may_renew(key, id, shortest) {
            return Err(OpError::TooManyPermanentPuts);
        }
        let state = OpState::put(id, options.permanent);
        self.start(now, op, key, state)?;
        let created = options.created.unwrap_or_else(|| self.calendar(now));
        if (self.server).store_own(now, &key, &value, created, options.permanent) {
            self.server.schedule_expiry(&mut self.outbox);
            let (subscriptions, outbox) = (&mut self.subscriptions, &mut self.outbox);
            (self.server).tell_stored(now, ValueAddress { key, id }, subscriptions, outbox);
        }
        let rng = &mut self.outbox.rng;
        let renewal = (options.permanent).then(|| rng.between(shortest, longest));
        for lookup_id in LookupId::of(key) {
            let creation = options.created.map(Creation::Given);
            let creation = creation.unwrap_or_else(|| Creation::put(now, lifetime));
            let creation = (!options.permanent).then_some(creation);
            let announcement = Announcement::new(op, value.clone(), creation, renewal);
            let replaced = self.lookups.announce(now, lookup_id, announcement);
            if let Some(replaced) = replaced {
                self.outbox.report(self.operations.end_put(replaced));
            }
            if options.permanent {
                self.lookups.set_lasting(lookup_id);
            }
            self.drive(now, lookup_id);
        }
        Ok(())
    }

    /// Stops announcing a value and deletes the copy here. Reports whether there was anything to
    /// stop. Copies elsewhere stay until they expire. A put that has not been reported yet is:
    /// [`Event::PutDone`](super::Event::PutDone).
    pub fn cancel_put(&mut self, now: Timestamp, key: InfoHash, id: ValueId) -> bool {
        let now = self.advance(now);
        let announced: Vec<_> = LookupId::of(key)
            .into_iter()
            .filter_map(|lookup_id| Some(self.lookups.get(lookup_id)?.announced(id)?.op))
            .collect();
        for op in &announced {
            for lookup_id in LookupId::of(key) {
                self.lookups.withdraw(lookup_id, id);
                self.drive(now, lookup_id);
            }
            self.outbox.report(self.operations.end_put(*op));
        }
        let stored = self.server.storage.remove_own(&key, id);
        if stored {
            let (subscriptions, outbox) = (&mut self.subscriptions, &mut self.outbox);
            (self.server).tell_removed(now, ValueAddress { key, id }, subscriptions, outbox);
        }
        stored || !announced.is_empty()
    }

    /// Returns the value of this id that is being announced under `key`.
    pub fn announced(&self, key: InfoHash, id: ValueId) -> Option<&Value> {
        LookupId::of(key)
            .into_iter()
            .find_map(|lookup_id| self.lookups.get(lookup_id)?.announced(id))
            .map(|announcement| &announcement.value)
    }

    /// Returns the value of this id that is stored here under `key`, from whichever node.
    pub fn stored(&self, key: InfoHash, id: ValueId) -> Option<&Value> {
        self.server.find(&key, id)
    }
}
