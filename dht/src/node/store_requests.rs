//! Values of peers: put, judged by policy, parked until they are proved, stored, refreshed
//! (`docs/spec/wire.md#8`, `docs/spec/node.md#5`).

use std::net::SocketAddr;

use super::outbox::Outbox;
use super::pending_puts::{PendingPut, RemotePut};
use super::server::Server;
use super::subscriptions::Subscriptions;
use super::{CheckId, Timer};
use crate::rpc::ReplyTo;
use crate::storage::{Incoming, RefreshError, StoreOutcome};
use crate::value::policy::{Decision, may_replace, may_store, rewrite_service};
use crate::value::{Draft, Policy, Value, ValueAddress, ValueId, ValueType};
use crate::wire::{self, ErrorCode, PutRequest, RefreshRequest, Reply};
use crate::{Source, Timestamp, ValueTypes};

impl Server {
    /// Reports whether the sender of a put may store under its key; if not, it is told.
    pub(super) fn may_put(
        &self,
        now: Timestamp,
        reply_to: ReplyTo,
        put: &PutRequest<'_>,
        outbox: &mut Outbox,
    ) -> bool {
        if put.key.is_zero() {
            let text = "Put with no info_hash";
            outbox.error(reply_to, ErrorCode::MALFORMED, text);
            return false;
        }
        self.may_store(now, reply_to, &put.token, outbox)
    }

    /// Takes in a value that its sender may store, unless this node `is_far` from the key.
    pub(super) fn on_put(
        &mut self,
        now: Timestamp,
        put: RemotePut,
        is_far: bool,
        subscriptions: &mut Subscriptions,
        outbox: &mut Outbox,
    ) {
        let id = put.value.id();
        if id.0 == 0 {
            let text = "Put with invalid ID";
            outbox.error(put.reply_to, ErrorCode::MALFORMED, text);
        } else if is_far {
            acknowledge(now, put.reply_to, id, outbox);
        } else {
            self.decide_on(now, put, subscriptions, outbox);
        }
    }

    /// Handles a refresh: the value is kept for one more lifetime.
    pub(super) fn on_refresh(
        &mut self,
        now: Timestamp,
        reply_to: ReplyTo,
        refresh: RefreshRequest<'_>,
        outbox: &mut Outbox,
    ) {
        let RefreshRequest { key, id, token } = refresh;
        if !self.may_store(now, reply_to, &token, outbox) {
            return;
        }
        let lifetime = self.find(&key, id).map(|value| self.lifetime(value));
        let expires = now + lifetime.unwrap_or_default();
        let by = Source::of(reply_to.addr.ip());
        match self.storage.refresh(now, &key, id, expires, by) {
            Err(RefreshError::UnknownKey) => {
                let text = "Access operation for unknown storage";
                outbox.error(reply_to, ErrorCode::NOT_FOUND, text);
            }
            // Differs: listeners are not told of a refresh of what is not there.
            Err(RefreshError::UnknownValue) => acknowledge(now, reply_to, id, outbox),
            Ok(()) => {
                self.schedule_expiry(outbox);
                self.tell_refreshed(now, ValueAddress { key, id }, outbox);
                acknowledge(now, reply_to, id, outbox);
            }
        }
    }

    /// Handles the verdict of a check.
    pub(super) fn on_verdict(
        &mut self,
        now: Timestamp,
        check: CheckId,
        holds: bool,
        subscriptions: &mut Subscriptions,
        outbox: &mut Outbox,
    ) {
        let Some(PendingPut { put, replaces }) = self.pending_puts.take(check) else {
            return;
        };
        let (reply_to, id) = (put.reply_to, put.value.id());
        if self.find(&put.key, id) != replaces.as_ref() {
            // Something else was stored meanwhile: decide again.
            return self.decide_on(now, put, subscriptions, outbox);
        }
        if holds {
            self.store_remote(now, put, subscriptions, outbox);
        } else {
            self.refused_puts += 1;
        }
        acknowledge(now, reply_to, id, outbox);
    }

    /// Decides on a value of another node: stores it, parks it until it is proved, or refuses it,
    /// which its sender is not told.
    fn decide_on(
        &mut self,
        now: Timestamp,
        put: RemotePut,
        subscriptions: &mut Subscriptions,
        outbox: &mut Outbox,
    ) {
        let put = RemotePut {
            value: as_stored(&self.value_types, put.reply_to.addr, put.value),
            ..put
        };
        let (reply_to, id) = (put.reply_to, put.value.id());
        let stored = self.find(&put.key, id);
        match decide(&self.value_types, stored, &put.value) {
            Decision::Accept => {
                self.store_remote(now, put, subscriptions, outbox);
                acknowledge(now, reply_to, id, outbox);
            }
            Decision::Check(proof) => {
                let replaces = stored.cloned();
                let pending = PendingPut { put, replaces };
                if self.pending_puts.park(now, pending, proof) {
                    let next = self.pending_puts.next_deadline();
                    outbox.timers.schedule_by(Timer::PendingPuts, next);
                }
            }
            Decision::Refuse(_) => {
                self.refused_puts += 1;
                acknowledge(now, reply_to, id, outbox);
            }
        }
    }

    /// Stores a value of another node, and tells listeners of it and of those evicted for it.
    fn store_remote(
        &mut self,
        now: Timestamp,
        put: RemotePut,
        subscriptions: &mut Subscriptions,
        outbox: &mut Outbox,
    ) {
        let (key, id) = (put.key, put.value.id());
        let unix_now = self.origin.to_unix(now);
        let created = put
            .created
            .map_or(unix_now, |created| created.min(unix_now));
        let Some(expires) = self.moment_of(now, created + self.lifetime(&put.value)) else {
            return;
        };
        let incoming = Incoming {
            value: put.value,
            source: Some(Source::of(put.reply_to.addr.ip())),
            created: self.origin.to_timestamp(created),
            expires,
        };
        let Ok(stored) = self.storage.store(now, &key, incoming) else {
            self.refused_puts += 1;
            return;
        };
        match stored.change {
            StoreOutcome::New | StoreOutcome::Edited => {
                self.tell_stored(now, ValueAddress { key, id }, subscriptions, outbox);
            }
            StoreOutcome::Refreshed => self.tell_refreshed(now, ValueAddress { key, id }, outbox),
        }
        for (key, id) in stored.evicted {
            self.tell_removed(now, ValueAddress { key, id }, subscriptions, outbox);
        }
        self.schedule_expiry(outbox);
    }

    /// Reports whether a sender has a write token of this node; if not, it is told.
    fn may_store(
        &self,
        now: Timestamp,
        reply_to: ReplyTo,
        token: &[u8],
        outbox: &mut Outbox,
    ) -> bool {
        let is_valid = self.tokens.verify(reply_to.addr, token);
        if is_valid {
            outbox.rpc.peers_mut().on_token(now, reply_to.addr);
        } else {
            refuse_put_token(reply_to, outbox);
        }
        is_valid
    }
}

/// Tells a sender that its write token is not valid.
pub(super) fn refuse_put_token(reply_to: ReplyTo, outbox: &mut Outbox) {
    let text = "Put with incorrect token";
    outbox.error(reply_to, ErrorCode::UNAUTHORIZED, text);
}

/// Tells the sender of a put or refresh that it was handled, not whether it was stored.
fn acknowledge(now: Timestamp, reply_to: ReplyTo, id: ValueId, outbox: &mut Outbox) {
    let reply = Reply {
        value_id: Some(id),
        ..Reply::default()
    };
    outbox.reply(now, reply_to, reply);
}

/// Returns what the policies say of a value where `stored` is.
fn decide(value_types: &ValueTypes, stored: Option<&Value>, value: &Value) -> Decision {
    let policy = |of: &Value| value_types.rules(of.value_type()).policy;
    match stored {
        Some(stored) => may_replace(stored, value, policy(stored)),
        None => may_store(value, policy(value)),
    }
}

/// Returns a value as this node would store it: the address of a service announcement is its
/// sender's.
fn as_stored(value_types: &ValueTypes, from: SocketAddr, value: Value) -> Value {
    if value.value_type() != ValueType::SERVICE
        || value_types.rules(ValueType::SERVICE).policy != Policy::Service
    {
        return value;
    }
    match rewrite_service(value.data(), from) {
        Some(data) => wire::pack(&Draft::new(data).value_type(ValueType::SERVICE), value.id()),
        // The policy refuses it.
        None => value,
    }
}
