//! How a remote listener is told what changed (`docs/spec/wire.md#11.4`): by an `update` request,
//! or by a bare reply if it speaks the first version.

use super::outbox::{Backlog, Outbox, RequestPurpose};
use crate::storage::Listener;
use crate::value::{Value, ValueId};
use crate::wire::{Nodes, Notice, Payload, Reply, Request, SocketId, Tid, UpdateRequest, Values};
use crate::{InfoHash, Timestamp};

/// What happened to a value that listeners know by its id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
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

/// Sends values to a listener on `key`.
pub(super) fn values(
    now: Timestamp,
    sender: InfoHash,
    key: InfoHash,
    listener: &Listener,
    token: &[u8],
    told: Told<'_>,
    outbox: &mut Outbox,
) {
    let Told { values, backlog } = told;
    if listener.version == 0 {
        let reply = Reply {
            nodes4: Nodes::default(),
            token: Some(token.into()),
            values: Some(Values::new(values)),
            observed: Some(listener.addr.ip()),
            ..Reply::default()
        };
        let payload = Payload::Reply { sender, reply };
        let tid = Tid(listener.socket);
        return outbox.rpc.notify(listener.addr, tid, payload);
    }
    let update = UpdateRequest {
        key: Some(key),
        values: Values::new(values),
        ..update(listener, token)
    };
    send(now, listener, update, backlog, outbox);
}

/// Tells a listener what happened to a value.
pub(super) fn id(
    now: Timestamp,
    sender: InfoHash,
    listener: &Listener,
    token: &[u8],
    id: ValueId,
    fate: Fate,
    outbox: &mut Outbox,
) {
    let ids = [id];
    let (refreshed, expired) = match fate {
        Fate::Refreshed => (&ids[..], &[][..]),
        Fate::Gone => (&[][..], &ids[..]),
    };
    if listener.version == 0 {
        let notice = Notice {
            token: Some(token.into()),
            refreshed: refreshed.into(),
            expired: expired.into(),
        };
        let payload = Payload::Notice { sender, notice };
        let tid = Tid(listener.socket);
        return outbox.rpc.notify(listener.addr, tid, payload);
    }
    let update = UpdateRequest {
        refreshed: refreshed.into(),
        expired: expired.into(),
        ..update(listener, token)
    };
    send(now, listener, update, None, outbox);
}

/// Returns an update that tells nothing yet.
fn update<'a>(listener: &Listener, token: &'a [u8]) -> UpdateRequest<'a> {
    UpdateRequest {
        socket: SocketId(listener.socket),
        key: None,
        values: Values::default(),
        created: None,
        refreshed: (&[][..]).into(),
        expired: (&[][..]).into(),
        token: token.into(),
    }
}

fn send(
    now: Timestamp,
    listener: &Listener,
    update: UpdateRequest<'_>,
    backlog: Option<Backlog>,
    outbox: &mut Outbox,
) {
    let request = Request::Update(update);
    let purpose = RequestPurpose::Notify(backlog);
    outbox.request(now, listener.addr, request, purpose);
}
