//! Listeners are told what changed: remote ones by `update` requests, our own by events
//! (`docs/spec/wire.md#11.4`).

use super::{Node, RequestPurpose};
use crate::storage::Listener;
use crate::value::{Value, ValueId};
use crate::wire::{Nodes, Notice, Payload, Reply, Request, SocketId, Tid, UpdateRequest, Values};
use crate::{InfoHash, Timestamp};

/// What became of a value that listeners know by its id.
#[derive(Clone, Copy)]
enum Fate {
    Refreshed,
    Lost,
}

impl Node {
    /// A value was stored or edited.
    pub(super) fn notify_stored(&mut self, now: Timestamp, key: InfoHash, id: ValueId) {
        if !self.subscriptions.is_on(&key) && !self.listeners.listen_on(&key) {
            return;
        }
        let Some(value) = self.storage.find(&key, id).cloned() else {
            return;
        };
        let listeners: Vec<_> = self.listeners.matching(&key, &value).collect();
        for listener in listeners {
            self.notify_values(now, key, &listener, std::slice::from_ref(&value));
        }
        self.outbox
            .report(self.subscriptions.on_stored(&key, &value));
    }

    /// A stored value lives on.
    pub(super) fn notify_refreshed(&mut self, now: Timestamp, key: InfoHash, id: ValueId) {
        self.notify_id(now, key, id, Fate::Refreshed);
    }

    /// A stored value is gone.
    pub(super) fn notify_removed(&mut self, now: Timestamp, key: InfoHash, id: ValueId) {
        self.notify_id(now, key, id, Fate::Lost);
        self.outbox.report(self.subscriptions.on_removed(&key, id));
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
            let sender = self.contacts.own();
            let payload = Payload::Reply { sender, reply };
            return self
                .outbox
                .rpc
                .notify(listener.addr, Tid(listener.socket), payload);
        }
        let request = Request::Update(UpdateRequest {
            socket: SocketId(listener.socket),
            key: Some(key),
            values: Values::new(values),
            created: None,
            refreshed: (&[][..]).into(),
            expired: (&[][..]).into(),
            token: (&token[..]).into(),
        });
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
                let sender = self.contacts.own();
                let payload = Payload::Notice { sender, notice };
                self.outbox.rpc.notify(addr, Tid(socket), payload);
                continue;
            }
            let request = Request::Update(UpdateRequest {
                socket: SocketId(socket),
                key: None,
                values: Values::default(),
                created: None,
                refreshed: refreshed.into(),
                expired: expired.into(),
                token: (&token[..]).into(),
            });
            self.outbox
                .request(now, addr, request, RequestPurpose::Notify);
        }
    }
}
