//! Listeners are told what changed: remote ones by `update` requests, our own by events
//! (`docs/spec/wire.md#11.4`).

use super::{Event, Node, RequestPurpose};
use crate::storage::Listener;
use crate::value::{Value, ValueId};
use crate::wire::{Nodes, Notice, Payload, Reply, Request, SocketId, Tid, Values};
use crate::{InfoHash, Timestamp, UnixTime};

/// What became of a value that listeners know by its id.
#[derive(Clone, Copy)]
enum Fate {
    Refreshed,
    Lost,
}

impl Node {
    /// Keeps an own value here, unless a signed one stands in its place.
    pub(super) fn store_own(
        &mut self,
        now: Timestamp,
        key: InfoHash,
        value: &Value,
        created: UnixTime,
        permanent: bool,
    ) {
        let lifetime = self.config.value_types.rules(value.value_type()).lifetime;
        let expires = if permanent {
            Some(Timestamp::MAX)
        } else {
            self.moment_of(now, created + lifetime)
        };
        let guarded = self
            .storage
            .find(&key, value.id())
            .is_some_and(|held| held.signed().is_some() && value.signed().is_none());
        let (Some(expires), false) = (expires, guarded) else {
            return;
        };
        let created = self.origin.to_timestamp(created);
        let id = value.id();
        let value = value.clone();
        let stored = self.storage.store(now, &key, value, None, created, expires);
        if stored.is_ok() {
            self.schedule_expiry();
            self.notify_stored(now, key, id);
        }
    }

    /// A value was stored or edited.
    pub(super) fn notify_stored(&mut self, now: Timestamp, key: InfoHash, id: ValueId) {
        let ops = self.ops.listens(&key);
        if ops.is_empty() && !self.listeners.listen_on(&key) {
            return;
        }
        let Some(value) = self.storage.find(&key, id).cloned() else {
            return;
        };
        let listeners: Vec<_> = self.listeners.matching(&key, &value).collect();
        for listener in listeners {
            self.notify_values(now, key, &listener, std::slice::from_ref(&value));
        }
        for op in ops {
            self.on_values(op, self.id, std::slice::from_ref(&value), None);
        }
    }

    /// A stored value lives on.
    pub(super) fn notify_refreshed(&mut self, now: Timestamp, key: InfoHash, id: ValueId) {
        self.notify_id(now, key, id, Fate::Refreshed);
    }

    /// A stored value is gone.
    pub(super) fn notify_removed(&mut self, now: Timestamp, key: InfoHash, id: ValueId) {
        self.notify_id(now, key, id, Fate::Lost);
        for op in self.ops.listens(&key) {
            let own = self.id;
            if let Some((_, view)) = self.ops.listen_mut(op) {
                let values = view.remove(&own, id);
                self.report_expired(op, values);
            }
        }
    }

    /// Reports values that nobody holds any more.
    pub(super) fn report_expired(&mut self, op: super::OpId, values: Vec<Value>) {
        if !values.is_empty() {
            self.outbox.report([Event::Expired { op, values }]);
        }
    }

    /// Sends values to a remote listener.
    pub(super) fn notify_values(
        &mut self,
        now: Timestamp,
        key: InfoHash,
        listener: &Listener,
        values: &[Value],
    ) {
        let token = self.tokens.token(listener.addr);
        if listener.version == 0 {
            let reply = Reply {
                nodes4: Nodes::default(),
                token: Some((&token[..]).into()),
                values: Some(Values::new(values)),
                observed: Some(listener.addr.ip()),
                ..Reply::default()
            };
            let sender = self.id;
            let payload = Payload::Reply { sender, reply };
            return self
                .outbox
                .rpc
                .notify(listener.addr, Tid(listener.socket), payload);
        }
        let request = Request::Update {
            socket: SocketId(listener.socket),
            key: Some(key),
            values: Values::new(values),
            created: None,
            refreshed: (&[][..]).into(),
            expired: (&[][..]).into(),
            token: (&token[..]).into(),
        };
        let addr = listener.addr;
        self.outbox
            .request(now, addr, request, RequestPurpose::Notify);
    }

    fn notify_id(&mut self, now: Timestamp, key: InfoHash, id: ValueId, fate: Fate) {
        let listeners: Vec<_> = self
            .listeners
            .on(&key)
            .map(|listener| (listener.addr, listener.socket, listener.version))
            .collect();
        let ids = [id];
        let (refreshed, expired) = match fate {
            Fate::Refreshed => (&ids[..], &[][..]),
            Fate::Lost => (&[][..], &ids[..]),
        };
        for (addr, socket, version) in listeners {
            let token = self.tokens.token(addr);
            if version == 0 {
                let notice = Notice {
                    token: Some((&token[..]).into()),
                    refreshed: refreshed.into(),
                    expired: expired.into(),
                };
                let sender = self.id;
                let payload = Payload::Notice { sender, notice };
                self.outbox.rpc.notify(addr, Tid(socket), payload);
                continue;
            }
            let request = Request::Update {
                socket: SocketId(socket),
                key: None,
                values: Values::default(),
                created: None,
                refreshed: refreshed.into(),
                expired: expired.into(),
                token: (&token[..]).into(),
            };
            self.outbox
                .request(now, addr, request, RequestPurpose::Notify);
        }
    }
}
