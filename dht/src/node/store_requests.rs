//! Values of strangers: put, weighed, parked until proved, stored, refreshed
//! (`docs/spec/wire.md#8`, `docs/spec/node.md#5`).

use std::net::SocketAddr;

use super::ReplyTo;
use super::pending_puts::PendingPut;
use super::{Check, CheckId, Node, Timer};
use crate::storage::{Change, Incoming, RefreshError};
use crate::value::policy::{Decision, may_replace, may_store, rewrite_service};
use crate::value::{Draft, Policy, Value, ValueId, ValueType};
use crate::wire::{self, ErrorCode, PutRequest, RefreshRequest, Reply};
use crate::{Family, InfoHash, Source, Timestamp, UnixTime};

impl Node {
    pub(super) fn on_put(
        &mut self,
        now: Timestamp,
        reply_to: ReplyTo,
        put: PutRequest<'_>,
        values: Vec<Value>,
    ) {
        let PutRequest { key, created, .. } = put;
        if key.is_zero() {
            let text = "Put with no info_hash";
            return self.outbox.error(reply_to, ErrorCode::MALFORMED, text);
        }
        if !self.tokens.verify(reply_to.addr, &put.token) {
            return self.refuse_put_token(reply_to);
        }
        self.outbox.rpc.peers_mut().on_token(now, reply_to.addr);
        let too_far = self.is_too_far(now, reply_to.addr, &key);
        for value in values {
            if value.id().0 == 0 {
                let text = "Put with invalid ID";
                self.outbox.error(reply_to, ErrorCode::MALFORMED, text);
            } else if too_far {
                self.acknowledge(now, reply_to, value.id());
            } else {
                self.offer(now, reply_to, key, value, created);
            }
        }
    }

    pub(super) fn refuse_put_token(&mut self, reply_to: ReplyTo) {
        let text = "Put with incorrect token";
        self.outbox.error(reply_to, ErrorCode::UNAUTHORIZED, text);
    }

    /// Weighs a stranger's value: stores it, parks it until it is proved, or refuses it without a word.
    fn offer(
        &mut self,
        now: Timestamp,
        reply_to: ReplyTo,
        key: InfoHash,
        value: Value,
        created: Option<UnixTime>,
    ) {
        let value = self.as_stored(reply_to.addr, value);
        let stored = self.storage.find(&key, value.id()).cloned();
        let decision = match &stored {
            Some(stored) => may_replace(
                stored,
                &value,
                self.config.value_types.rules(stored.value_type()).policy,
            ),
            None => may_store(
                &value,
                self.config.value_types.rules(value.value_type()).policy,
            ),
        };
        match decision {
            Decision::Accept => {
                let id = value.id();
                self.store_strange(now, reply_to, key, value, created);
                self.acknowledge(now, reply_to, id);
            }
            Decision::Check(proof) => {
                let case = PendingPut {
                    reply_to,
                    key,
                    value: value.clone(),
                    replaces: stored.clone(),
                    created,
                };
                if let Some(id) = self.pending_puts.park(now, case) {
                    self.outbox
                        .timers
                        .schedule_by(Timer::PendingPuts, self.pending_puts.next_deadline());
                    self.checks.push_back(Box::new(Check {
                        id,
                        source: reply_to.addr,
                        key,
                        value,
                        replaces: stored,
                        proof,
                    }));
                }
            }
            Decision::Refuse(_) => {
                self.refused_puts += 1;
                self.acknowledge(now, reply_to, value.id());
            }
        }
    }

    /// The value as this node would store it: the address of a service announcement is the sender's.
    fn as_stored(&self, from: SocketAddr, value: Value) -> Value {
        if value.value_type() != ValueType::SERVICE
            || self.config.value_types.rules(ValueType::SERVICE).policy != Policy::Service
        {
            return value;
        }
        match rewrite_service(value.data(), from) {
            Some(data) => wire::pack(&Draft::new(data).value_type(ValueType::SERVICE), value.id()),
            // The policy refuses it.
            None => value,
        }
    }

    /// A check has been made.
    pub(super) fn on_verdict(&mut self, now: Timestamp, check: CheckId, holds: bool) {
        let Some(case) = self.pending_puts.take(check) else {
            return;
        };
        let stored = self.storage.find(&case.key, case.value.id());
        let unchanged = stored == case.replaces.as_ref();
        if !unchanged {
            // Something else was stored meanwhile: weigh the value anew.
            return self.offer(now, case.reply_to, case.key, case.value, case.created);
        }
        let id = case.value.id();
        if holds {
            self.store_strange(now, case.reply_to, case.key, case.value, case.created);
        } else {
            self.refused_puts += 1;
        }
        self.acknowledge(now, case.reply_to, id);
    }

    fn store_strange(
        &mut self,
        now: Timestamp,
        reply_to: ReplyTo,
        key: InfoHash,
        value: Value,
        created: Option<UnixTime>,
    ) {
        let id = value.id();
        let today = self.origin.to_unix(now);
        let created = created.map_or(today, |created| created.min(today));
        let lifetime = self.config.value_types.rules(value.value_type()).lifetime;
        let Some(expires) = self.moment_of(now, created + lifetime) else {
            return;
        };
        let incoming = Incoming {
            value,
            source: Some(Source::of(reply_to.addr.ip())),
            created: self.origin.to_timestamp(created),
            expires,
        };
        match self.storage.store(now, &key, incoming) {
            Ok(stored) => {
                match stored.change {
                    Change::New | Change::Edited => self.notify_stored(now, key, id),
                    Change::Refreshed => self.notify_refreshed(now, key, id),
                }
                for (key, id) in stored.evicted {
                    self.notify_removed(now, key, id);
                }
                self.schedule_expiry();
            }
            Err(_) => self.refused_puts += 1,
        }
    }

    pub(super) fn on_refresh(
        &mut self,
        now: Timestamp,
        reply_to: ReplyTo,
        refresh: RefreshRequest<'_>,
    ) {
        let RefreshRequest { key, id, token } = refresh;
        if !self.tokens.verify(reply_to.addr, &token) {
            return self.refuse_put_token(reply_to);
        }
        self.outbox.rpc.peers_mut().on_token(now, reply_to.addr);
        let lifetime = self
            .storage
            .find(&key, id)
            .map(|value| self.config.value_types.rules(value.value_type()).lifetime);
        let expires = now + lifetime.unwrap_or_default();
        match self.storage.refresh(now, &key, id, expires) {
            Err(RefreshError::UnknownKey) => {
                let text = "Access operation for unknown storage";
                self.outbox.error(reply_to, ErrorCode::NOT_FOUND, text);
            }
            // Differs: listeners are not told of a refresh of what is not there.
            Err(RefreshError::UnknownValue) => self.acknowledge(now, reply_to, id),
            Ok(()) => {
                self.schedule_expiry();
                self.notify_refreshed(now, key, id);
                self.acknowledge(now, reply_to, id);
            }
        }
    }

    /// Tells the sender of a put or refresh that it was handled; by this wire's custom that says no more.
    fn acknowledge(&mut self, now: Timestamp, reply_to: ReplyTo, id: ValueId) {
        let reply = Reply {
            value_id: Some(id),
            ..Reply::default()
        };
        self.outbox.reply(now, reply_to, reply);
    }

    /// Whether at least 8 good nodes are nearer to the key than this one (`docs/spec/node.md#5.1`).
    fn is_too_far(&self, now: Timestamp, from: SocketAddr, key: &InfoHash) -> bool {
        let (family, width) = (Family::of(&from), self.config.lookup.width);
        self.contacts.is_far_from(now, family, key, width)
    }
}
