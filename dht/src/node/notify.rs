//! How a remote listener is told what changed (`docs/spec/wire.md#11.4`): by an `update` request,
//! or by a bare reply if it speaks the first version.

use super::outbox::{Backlog, Outbox, RequestPurpose};
use crate::storage::Listener;
use crate::value::{Value, ValueId};
use crate::wire::{Notice, Payload, Reply, Request, SocketId, Tid, UpdateRequest, Values};
use crate::{InfoHash, Timestamp};

/// What happened to a value that listeners know by its id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ValueUpdate {
    /// It is kept for one more lifetime.
    Refreshed,
    /// It is no longer stored.
    Gone,
}

/// Values that a listener is told of in one message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told<'a> {
    pub(super) values: &'a [Value],
    /// What it is to be told of next.
    pub(super) backlog: Option<Backlog>,
}

/// A remote listener, and what goes with all that it is told.
pub(super) struct Notifier<'a> {
    /// The id of this node.
    pub(super) sender: InfoHash,
    pub(super) listener: &'a Listener,
    /// The write token for the listener.
    pub(super) token: &'a [u8],
}

impl<'a> Notifier<'a> {
    /// Sends values under `key`.
    pub(super) fn values(
        &self,
        now: Timestamp,
        key: InfoHash,
        told: Told<'_>,
        outbox: &mut Outbox,
    ) {
        let values = Values::new(told.values);
        if self.listener.version == 0 {
            let reply = Reply {
                token: Some(self.token.into()),
                values: Some(values),
                observed: Some(self.listener.addr.ip()),
                ..Reply::default()
            };
            let sender = self.sender;
            return self.notify(Payload::Reply { sender, reply }, outbox);
        }
        let update = UpdateRequest {
            key: Some(key),
            values,
            ..self.empty_update()
        };
        self.send(now, update, told.backlog, outbox);
    }

    /// Tells what happened to a value.
    pub(super) fn id(&self, now: Timestamp, id: ValueId, update: ValueUpdate, outbox: &mut Outbox) {
        let ids = [id];
        let (refreshed, expired) = match update {
            ValueUpdate::Refreshed => (&ids[..], &[][..]),
            ValueUpdate::Gone => (&[][..], &ids[..]),
        };
        if self.listener.version == 0 {
            let notice = Notice {
                token: Some(self.token.into()),
                refreshed: refreshed.into(),
                expired: expired.into(),
            };
            let sender = self.sender;
            return self.notify(Payload::Notice { sender, notice }, outbox);
        }
        let update = UpdateRequest {
            refreshed: refreshed.into(),
            expired: expired.into(),
            ..self.empty_update()
        };
        self.send(now, update, None, outbox);
    }

    /// Returns an update that tells nothing yet.
    fn empty_update(&self) -> UpdateRequest<'a> {
        UpdateRequest {
            socket: SocketId(self.listener.socket),
            key: None,
            values: Values::default(),
            created: None,
            refreshed: (&[][..]).into(),
            expired: (&[][..]).into(),
            token: self.token.into(),
        }
    }

    fn send(
        &self,
        now: Timestamp,
        update: UpdateRequest<'_>,
        backlog: Option<Backlog>,
        outbox: &mut Outbox,
    ) {
        let request = Request::Update(update);
        let purpose = RequestPurpose::Notify(backlog);
        outbox.request(now, self.listener.addr, request, purpose);
    }

    fn notify(&self, payload: Payload<'_>, outbox: &mut Outbox) {
        let tid = Tid(self.listener.socket);
        outbox.rpc.notify(self.listener.addr, tid, payload);
    }
}
