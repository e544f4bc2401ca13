//! [`Server`]: the values that this node keeps, and the remote nodes that listen to them.

use std::net::SocketAddr;
use std::time::Duration;

use super::config::Config;
use super::notices::Notices;
use super::notify::ValueUpdate;
use super::outbox::Outbox;
use super::pending_puts::PendingPuts;
use super::subscriptions::Subscriptions;
use super::{Check, CheckId, Timer};
use crate::storage::{self, Incoming, Listeners, Storage};
use crate::token::Tokens;
use crate::value::{Value, ValueAddress, ValueId};
use crate::wire::snapshot::Record;
use crate::{InfoHash, Origin, Rng, Seed, Source, Timestamp, UnixTime, ValueTypes};

/// What a node does for its peers: the stored values, the write tokens that let peers store, their
/// puts that wait for a verdict, and their listens.
///
/// What it sends goes into the outbox handed in. Changes of what the application listens to go to
/// the subscriptions handed in.
pub(super) struct Server {
    /// The id of this node.
    pub(super) own: InfoHash,
    /// Maps to wall-clock time, which the ages of values are in.
    pub(super) origin: Origin,
    /// How long values live, and which are stored.
    pub(super) value_types: ValueTypes,
    pub(super) tokens: Tokens,
    /// The random stream for the secrets behind the tokens.
    secrets: Rng,
    pub(super) storage: Storage,
    /// Remote listeners.
    pub(super) listeners: Listeners,
    /// What they are being told.
    pub(super) notices: Notices,
    /// The most bytes of that.
    pub(super) max_notice_bytes: usize,
    pub(super) pending_puts: PendingPuts,
    /// The most bytes of values in one answer.
    pub(super) answer_bytes: usize,
    /// The most bytes of values for an address that is not validated.
    pub(super) unvalidated_bytes: usize,
    /// Values of peers that were refused so far.
    pub(super) refused_puts: u64,
}

impl Server {
    pub(super) fn new(
        now: Timestamp,
        own: InfoHash,
        origin: Origin,
        config: &Config,
        seed: &Seed,
    ) -> Self {
        let (mut secrets, mut hashing) = (seed.private(), seed.hashing());
        Self {
            own,
            origin,
            value_types: config.value_types.clone(),
            tokens: Tokens::new(&config.tokens, now, &mut secrets),
            secrets,
            storage: Storage::new(&config.storage, own, &mut hashing),
            listeners: Listeners::new(
                &config.listen,
                config.storage.max_keys,
                config.routing.expire_time,
                &mut hashing,
            ),
            notices: Notices::new(config.listen.max_notice_bytes),
            max_notice_bytes: config.listen.max_notice_bytes,
            pending_puts: PendingPuts::new(config.storage.max_pending_puts),
            answer_bytes: config.storage.answer_bytes,
            unvalidated_bytes: config.transport.unvalidated_reply_bytes,
            refused_puts: 0,
        }
    }

    /// Notes what the calendar shows. How long values have left is not changed by that.
    pub(super) fn set_calendar(&mut self, origin: Origin) {
        self.origin = origin;
    }

    /// Returns the value of this id under `key`.
    pub(super) fn find(&self, key: &InfoHash, id: ValueId) -> Option<&Value> {
        self.storage.find(key, id)
    }

    /// Returns all stored values (`docs/spec/node.md#9`).
    pub(super) fn export(&self) -> Vec<Record> {
        let record = |entry: storage::Entry<'_>| Record {
            key: entry.key,
            value: entry.value.clone(),
            created: self.origin.to_unix(entry.created),
            expiry: (entry.expires != Timestamp::MAX).then(|| self.origin.to_unix(entry.expires)),
            source: entry.source.map(|ip| (ip, 0).into()),
        };
        self.storage.export().map(record).collect()
    }

    /// Stores a value of this node, unless a signed one has its id. Reports whether it did.
    pub(super) fn store_own(
        &mut self,
        now: Timestamp,
        key: &InfoHash,
        value: &Value,
        created: UnixTime,
        permanent: bool,
    ) -> bool {
        let expires = if permanent {
            Some(Timestamp::MAX)
        } else {
            self.moment_of(now, created + self.lifetime(value))
        };
        let is_guarded = self
            .find(key, value.id())
            .is_some_and(|held| held.signed().is_some() && value.signed().is_none());
        let (Some(expires), false) = (expires, is_guarded) else {
            return false;
        };
        let incoming = Incoming {
            value: value.clone(),
            source: None,
            created: self.origin.to_timestamp(created),
            expires,
        };
        self.storage.store(now, key, incoming).is_ok()
    }

    /// Stores a value of a snapshot for what is left of its life. Reports whether it did.
    pub(super) fn import(&mut self, now: Timestamp, record: &Record) -> bool {
        let created = record.created.min(self.origin.to_unix(now));
        let longest = created + self.lifetime(&record.value);
        let expiry = record.expiry.unwrap_or(UnixTime::MAX).min(longest);
        let Some(expires) = self.moment_of(now, expiry) else {
            return false;
        };
        let incoming = Incoming {
            value: record.value.clone(),
            source: record.source.map(|source| Source::of(source.ip())),
            created: self.origin.to_timestamp(created),
            expires,
        };
        self.storage.store(now, &record.key, incoming).is_ok()
    }

    /// Drops expired values, and sets the timer for the next.
    pub(super) fn expire_values(
        &mut self,
        now: Timestamp,
        subscriptions: &mut Subscriptions,
        outbox: &mut Outbox,
    ) {
        for (key, id) in self.storage.expire(now) {
            self.tell_removed(now, ValueAddress { key, id }, subscriptions, outbox);
        }
        self.schedule_expiry(outbox);
    }

    /// Sets the timer for the next value to expire.
    pub(super) fn schedule_expiry(&self, outbox: &mut Outbox) {
        match self.storage.next_expiry() {
            Some(at) => outbox.timers.set(Timer::Storage, at),
            None => outbox.timers.stop(Timer::Storage),
        }
    }

    /// Forgets remote listeners that have not renewed, and sets the timer for the next.
    pub(super) fn expire_listeners(&mut self, now: Timestamp, outbox: &mut Outbox) {
        self.listeners.drop_expired(now);
        outbox.set_if_any(Timer::Listeners, self.listeners.next_expiry());
    }

    /// Forgets puts that have waited too long, and sets the timer for the next.
    pub(super) fn expire_puts(&mut self, now: Timestamp, outbox: &mut Outbox) {
        self.pending_puts.expire(now);
        let next = self.pending_puts.next_deadline();
        outbox.timers.set(Timer::PendingPuts, next);
    }

    /// Replaces the older secret behind the tokens, and sets the timer for the next.
    pub(super) fn rotate_tokens(&mut self, now: Timestamp, outbox: &mut Outbox) {
        self.tokens.rotate(now, &mut self.secrets);
        self.schedule_rotation(outbox);
    }

    /// Sets the timer for the next secret behind the tokens.
    pub(super) fn schedule_rotation(&self, outbox: &mut Outbox) {
        let next = self.tokens.next_rotation();
        outbox.timers.set(Timer::Tokens, next);
    }

    /// Takes the next check to make.
    pub(super) fn poll_check(&mut self) -> Option<Box<Check>> {
        self.pending_puts.poll_check()
    }

    /// Forgets a put, as its check will not be made.
    pub(super) fn drop_check(&mut self, check: CheckId) {
        self.pending_puts.take(check);
    }

    /// Forgets the listeners at an address, as what they were told there was not confirmed.
    pub(super) fn on_gone(&mut self, now: Timestamp, addr: SocketAddr, outbox: &mut Outbox) {
        self.listeners.remove(addr);
        for id in self.notices.at(addr) {
            self.cancel_notices(id, outbox);
        }
        self.tell_stalled(now, outbox);
    }

    /// Tells listeners of a value that was stored or edited.
    pub(super) fn tell_stored(
        &mut self,
        now: Timestamp,
        address: ValueAddress,
        subscriptions: &mut Subscriptions,
        outbox: &mut Outbox,
    ) {
        let ValueAddress { key, id } = address;
        if !subscriptions.is_on(&key) && !self.listeners.listen_on(&key) {
            return;
        }
        let Some(value) = self.storage.find(&key, id) else {
            return;
        };
        outbox.report(subscriptions.on_stored(&key, value));
        let listeners: Vec<_> = self.listeners.matching(&key, value).collect();
        for listener in listeners {
            self.tell(now, key, &listener, id, ValueUpdate::Stored, outbox);
        }
    }

    /// Tells remote listeners of a stored value that lives on.
    pub(super) fn tell_refreshed(
        &mut self,
        now: Timestamp,
        address: ValueAddress,
        outbox: &mut Outbox,
    ) {
        self.tell_update(now, address, ValueUpdate::Refreshed, outbox);
    }

    /// Tells listeners of a stored value that is gone.
    pub(super) fn tell_removed(
        &mut self,
        now: Timestamp,
        address: ValueAddress,
        subscriptions: &mut Subscriptions,
        outbox: &mut Outbox,
    ) {
        self.tell_update(now, address, ValueUpdate::Gone, outbox);
        outbox.report(subscriptions.on_removed(&address.key, address.id));
    }

    fn tell_update(
        &mut self,
        now: Timestamp,
        ValueAddress { key, id }: ValueAddress,
        update: ValueUpdate,
        outbox: &mut Outbox,
    ) {
        let listeners: Vec<_> = self.listeners.on(&key).collect();
        for listener in listeners {
            self.tell(now, key, &listener, id, update, outbox);
        }
    }

    /// Returns how long a value lives after its creation or last refresh.
    pub(super) fn lifetime(&self, value: &Value) -> Duration {
        self.value_types.lifetime(value)
    }

    /// Returns the monotonic moment of an expiry, `None` if it has passed.
    pub(super) fn moment_of(&self, now: Timestamp, expiry: UnixTime) -> Option<Timestamp> {
        let unix_now = self.origin.to_unix(now).as_micros();
        let left = expiry.as_micros().checked_sub(unix_now)?;
        (left > 0).then(|| now + Duration::from_micros(left))
    }
}

#[cfg(test)]
mod tests;
