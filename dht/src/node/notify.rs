//! How remote listeners are told what changed (`docs/spec/wire.md#11.4`): by an `update` request,
//! or by a bare reply if they speak the first version.

use std::net::SocketAddr;

use super::answers::{UPDATE_BYTES, cost};
use super::notices::{ListenerId, NOTICE_BYTES, NoticeStep};
use super::outbox::{Outbox, RequestPurpose};
use super::server::Server;
use crate::storage::Listener;
use crate::value::{Query, Value, ValueId};
use crate::wire::{Notice, Payload, Reply, Request, SocketId, Tid, UpdateRequest, Values};
use crate::{InfoHash, Timestamp};

/// What happened to a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ValueUpdate {
    /// It is new, or was edited.
    Stored,
    /// It is kept for one more lifetime.
    Refreshed,
    /// It is no longer stored.
    Gone,
}

/// What one notice tells.
#[derive(Default, Debug)]
struct Told {
    values: Vec<Value>,
    refreshed: Vec<ValueId>,
    expired: Vec<ValueId>,
    /// What no longer waits then.
    taken: Vec<ValueId>,
    /// From where on stored values are still to be told to a new listener.
    from: Option<ValueId>,
}

impl Told {
    /// Returns what it counts for, in bytes.
    fn bytes(&self) -> usize {
        let values: usize = self.values.iter().map(cost).sum();
        let ids = (self.refreshed.len() + self.expired.len()) * size_of::<ValueId>();
        values + ids + NOTICE_BYTES
    }

    fn is_empty(&self) -> bool {
        self.values.is_empty() && self.refreshed.is_empty() && self.expired.is_empty()
    }
}

impl Server {
    /// Tells a listener what happened to a value, at once or when it has confirmed more of what it
    /// was told before.
    pub(super) fn tell(
        &mut self,
        now: Timestamp,
        key: InfoHash,
        listener: &Listener,
        id: ValueId,
        update: ValueUpdate,
        outbox: &mut Outbox,
    ) {
        let listener_id = ListenerId::of(key, listener);
        if listener.version == 0 {
            let value = self.storage.find(&key, id).cloned();
            match update {
                ValueUpdate::Stored => {
                    self.send_bare_values(key, listener, value.as_slice(), outbox);
                }
                ValueUpdate::Refreshed => self.send_bare(key, listener, &[id], &[], outbox),
                ValueUpdate::Gone => self.send_bare(key, listener, &[], &[id], outbox),
            }
        } else if self.notices.push(listener_id, id, update) {
            self.tell_more(now, listener_id, outbox);
            if let Some(loser) = self.notices.excess(&listener_id) {
                self.drop_listener(loser, outbox);
            }
        } else {
            self.drop_listener(listener_id, outbox);
        }
    }

    /// Tells a new listener of all stored values.
    pub(super) fn tell_all(
        &mut self,
        now: Timestamp,
        key: InfoHash,
        listener: &Listener,
        outbox: &mut Outbox,
    ) {
        if listener.version == 0 {
            let query = listener.query().cloned().unwrap_or_default();
            let (values, _) = self.batch(&key, &query, ValueId(0));
            self.send_bare_values(key, listener, &values, outbox);
        } else {
            let id = ListenerId::of(key, listener);
            self.notices.begin(id);
            self.tell_more(now, id, outbox);
        }
    }

    /// Handles that a listener has confirmed a notice: there is room for more.
    pub(super) fn on_confirmed(
        &mut self,
        now: Timestamp,
        addr: SocketAddr,
        notice: NoticeStep,
        outbox: &mut Outbox,
    ) {
        let id = ListenerId::new(notice.key, addr, notice.socket);
        if !self.notices.on_confirmed(&id, notice.number) {
            return;
        }
        self.tell_more(now, id, outbox);
        self.tell_stalled(now, outbox);
    }

    /// Sends those listeners that wait for room what there is room for.
    pub(super) fn tell_stalled(&mut self, now: Timestamp, outbox: &mut Outbox) {
        while let Some(stalled) = self.notices.first_stalled() {
            self.tell_more(now, stalled, outbox);
            if self.notices.first_stalled() == Some(stalled) {
                break;
            }
        }
    }

    /// Forgets a listener that is not told something.
    pub(super) fn drop_listener(&mut self, id: ListenerId, outbox: &mut Outbox) {
        self.cancel_notices(id, outbox);
        self.listeners.drop_one(&id.key, id.addr, id.socket);
    }

    /// Ends what is under way to a listener.
    pub(super) fn cancel_notices(&mut self, id: ListenerId, outbox: &mut Outbox) {
        for tid in self.notices.remove(&id) {
            outbox.rpc.cancel(id.addr, tid);
        }
    }

    /// Sends a listener what waits for it, as far as there is room.
    fn tell_more(&mut self, now: Timestamp, id: ListenerId, outbox: &mut Outbox) {
        let Some(listener) = self.listeners.find(&id.key, id.addr, id.socket) else {
            return self.cancel_notices(id, outbox);
        };
        while let Some(told) = self.next_told(&id, &listener) {
            let (bytes, is_full) = (told.bytes(), !outbox.rpc.has_room_for_others());
            match self.notices.loser(&id, bytes, is_full) {
                None => {}
                Some(loser) if loser == id && self.notices.is_any_under_way() => {
                    return self.notices.stall(id);
                }
                Some(loser) => {
                    self.drop_listener(loser, outbox);
                    if loser == id {
                        return;
                    }
                    continue;
                }
            }
            self.notices.take(&id, &told.taken);
            self.notices.go_on_from(&id, told.from);
            if told.is_empty() {
                continue;
            }
            let number = self.notices.number();
            match self.send_update(now, &id, &told, number, outbox) {
                Some(tid) => self.notices.on_sent(id, number, tid, bytes),
                None => return self.drop_listener(id, outbox),
            }
        }
        self.notices.tidy(&id);
    }

    /// Returns what a listener is to be told in the next notice; `None` if nothing, or not yet.
    fn next_told(&self, id: &ListenerId, listener: &Listener) -> Option<Told> {
        let queue = self.notices.next(id)?;
        let all = Query::default();
        let query = listener.query().unwrap_or(&all);
        let from = queue.from;
        if queue.waiting.is_empty() {
            let (values, from) = self.batch(&id.key, query, from?);
            return Some(Told {
                values,
                from,
                ..Told::default()
            });
        }
        let mut told = Told {
            from,
            ..Told::default()
        };
        let mut bytes = 0;
        for (value_id, update) in &queue.waiting {
            if *update == ValueUpdate::Stored {
                let value = self.storage.find(&id.key, *value_id);
                if let Some(value) = value.filter(|value| query.matches(value)) {
                    bytes += cost(value);
                    if bytes > UPDATE_BYTES && !told.values.is_empty() {
                        break;
                    }
                    told.values.push(value.clone());
                }
                told.taken.push(*value_id);
            }
        }
        if told.values.is_empty() {
            for (value_id, update) in &queue.waiting {
                match update {
                    ValueUpdate::Stored => continue,
                    ValueUpdate::Refreshed => told.refreshed.push(*value_id),
                    ValueUpdate::Gone => told.expired.push(*value_id),
                }
                told.taken.push(*value_id);
            }
        }
        Some(told)
    }

    fn send_update(
        &self,
        now: Timestamp,
        id: &ListenerId,
        told: &Told,
        number: u64,
        outbox: &mut Outbox,
    ) -> Option<Tid> {
        let token = self.tokens.token(id.addr);
        let update = UpdateRequest {
            socket: SocketId(id.socket),
            key: (!told.values.is_empty()).then_some(id.key),
            values: Values::new(&told.values),
            created: None,
            refreshed: (&told.refreshed[..]).into(),
            expired: (&told.expired[..]).into(),
            token: (&token[..]).into(),
        };
        let purpose = RequestPurpose::Notify(NoticeStep {
            key: id.key,
            socket: id.socket,
            number,
        });
        outbox.send_request(now, id.addr, Request::Update(update), purpose)
    }

    /// Sends values to a listener of version 0, which confirms nothing.
    fn send_bare_values(
        &mut self,
        key: InfoHash,
        listener: &Listener,
        values: &[Value],
        outbox: &mut Outbox,
    ) {
        if values.is_empty() {
            return;
        }
        let token = self.tokens.token(listener.addr);
        let reply = Reply {
            token: Some((&token[..]).into()),
            values: Some(Values::new(values)),
            observed: Some(listener.addr.ip()),
            ..Reply::default()
        };
        let sender = self.own;
        self.send_payload(key, listener, Payload::Reply { sender, reply }, outbox);
    }

    /// Tells a listener of version 0 of values that live on, or are gone.
    fn send_bare(
        &mut self,
        key: InfoHash,
        listener: &Listener,
        refreshed: &[ValueId],
        expired: &[ValueId],
        outbox: &mut Outbox,
    ) {
        let token = self.tokens.token(listener.addr);
        let notice = Notice {
            token: Some((&token[..]).into()),
            refreshed: refreshed.into(),
            expired: expired.into(),
        };
        let sender = self.own;
        self.send_payload(key, listener, Payload::Notice { sender, notice }, outbox);
    }

    /// Sends a message that is not confirmed, or forgets the listener if too much waits to be sent.
    fn send_payload(
        &mut self,
        key: InfoHash,
        listener: &Listener,
        payload: Payload<'_>,
        outbox: &mut Outbox,
    ) {
        if outbox.rpc.queued_bytes() > self.max_notice_bytes {
            return self.drop_listener(ListenerId::of(key, listener), outbox);
        }
        let tid = Tid(listener.socket);
        outbox.rpc.notify(listener.addr, tid, payload);
    }
}
