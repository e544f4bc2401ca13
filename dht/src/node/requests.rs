//! Requests of others: one function for each kind (`docs/spec/wire.md#5` to `docs/spec/wire.md#11`;
//! `docs/spec/node.md#5`).

use std::net::SocketAddr;

use bytes::Bytes;

use super::subscriptions::ListenSocket;
use super::{Node, ReplyTo, Timer};
use crate::routing::Confidence;
use crate::rpc::reassembly::{Completed, Slot};
use crate::storage::{Listener, Subscribed};
use crate::value::Value;
use crate::wire::{
    self, ErrorCode, FindRequest, GetRequest, Item, ListenRequest, Message, Nodes, Payload,
    PutRequest, Reply, Request, Rows, Tid, UpdateRequest, Values,
};
use crate::{Contact, Family, Timestamp};

/// Values whose packed size is below this are told in one datagram with others (bytes of content in one update).
const UPDATE_BYTES: usize = 56 << 10;

impl Node {
    /// Lets a datagram in and hands it on, once all its values are there.
    pub(super) fn receive(&mut self, now: Timestamp, from: SocketAddr, datagram: &[u8]) {
        let Some(message) = self.outbox.rpc.admit(now, from, datagram) else {
            return;
        };
        if let Payload::Parts(parts) = &message.payload {
            for part in parts.iter() {
                let complete = self.outbox.rpc.part(now, from, message.tid, &part);
                if let Some(complete) = complete {
                    self.on_complete(now, from, complete);
                }
            }
            return;
        }
        let items: Vec<Item> =
            carried(&message).map_or_else(Vec::new, |values| values.iter().collect());
        if items.iter().any(|item| matches!(item, Item::Announced(_))) {
            if self.may_assemble(now, from, &message) {
                let slots = items.iter().map(|item| match item {
                    Item::Announced(size) => Slot::Announced(*size as usize),
                    Item::Embedded(_) | Item::Unusable => Slot::Embedded,
                });
                let head = datagram.to_vec().into();
                let complete = self
                    .outbox
                    .rpc
                    .assemble(now, from, message.tid, slots, head);
                if let Some(complete) = complete {
                    self.on_complete(now, from, complete);
                }
            }
            return;
        }
        let values = items.into_iter().filter_map(Item::into_value).collect();
        self.dispatch(now, from, message, values);
    }

    /// All announced values of a message have come.
    fn on_complete(&mut self, now: Timestamp, from: SocketAddr, complete: Completed<Bytes>) {
        let Ok(message) = wire::decode(&complete.context) else {
            return;
        };
        let embedded = carried(&message)
            .into_iter()
            .flat_map(|values| values.iter());
        let mut values: Vec<_> = embedded.filter_map(Item::into_value).collect();
        for (_, packed) in &complete.values {
            match wire::unpack(packed) {
                Ok(value) => values.push(value),
                Err(_) => return,
            }
        }
        self.dispatch(now, from, message, values);
    }

    /// Whether the announced values of a message are worth waiting for.
    fn may_assemble(&mut self, now: Timestamp, from: SocketAddr, message: &Message<'_>) -> bool {
        match &message.payload {
            Payload::Request {
                request: Request::Put(PutRequest { token, .. }),
                ..
            } => {
                let authorized = self.tokens.verify(from, token);
                if !authorized {
                    let reply_to = ReplyTo {
                        addr: from,
                        tid: message.tid,
                    };
                    self.refuse_put_token(reply_to);
                }
                authorized
            }
            Payload::Request {
                request: Request::Update(UpdateRequest { socket, .. }),
                ..
            } => {
                let wanted = self.subscriptions.socket(socket.0, from).is_some();
                if !wanted {
                    let reply_to = ReplyTo {
                        addr: from,
                        tid: message.tid,
                    };
                    self.outbox.reply(now, reply_to, Reply::default());
                }
                wanted
            }
            Payload::Reply { .. } => true,
            Payload::Request { .. }
            | Payload::Error { .. }
            | Payload::Notice { .. }
            | Payload::Parts(_) => false,
        }
    }

    fn dispatch(
        &mut self,
        now: Timestamp,
        from: SocketAddr,
        message: Message<'_>,
        values: Vec<Value>,
    ) {
        let Message {
            tid,
            client,
            payload,
            ..
        } = message;
        match payload {
            Payload::Request { sender, request } => {
                let contact = Contact::new(sender, from);
                if !client {
                    self.on_contact(now, contact, Confidence::Sent);
                }
                self.on_request(now, contact, tid, request, values);
            }
            Payload::Reply { sender, reply } => {
                let is_newcomer = !self.outbox.rpc.peers().is_validated(now, &from);
                if let Some(purpose) = self.outbox.rpc.close(now, from, tid) {
                    let contact = Contact::new(sender, from);
                    if !client {
                        self.on_contact(now, contact, Confidence::Replied);
                        if is_newcomer {
                            self.offer_to_lookups(now, contact);
                        }
                    }
                    self.on_reply(now, contact, purpose, reply, values);
                }
            }
            Payload::Error { code, .. } => {
                if let Some(purpose) = self.outbox.rpc.close(now, from, tid) {
                    self.on_error(now, from, purpose, code);
                }
            }
            Payload::Notice { .. } | Payload::Parts(_) => {}
        }
    }

    fn on_request(
        &mut self,
        now: Timestamp,
        from: Contact,
        tid: Tid,
        request: Request<'_>,
        values: Vec<Value>,
    ) {
        let reply_to = ReplyTo {
            addr: from.addr,
            tid,
        };
        match request {
            Request::Ping => self.outbox.reply(now, reply_to, Reply::default()),
            Request::Find(find) => self.on_find(now, reply_to, find),
            Request::Get(get) => self.on_get(now, reply_to, get),
            Request::Put(put) => self.on_put(now, reply_to, put, values),
            Request::Refresh(refresh) => self.on_refresh(now, reply_to, refresh),
            Request::Listen(listen) => self.on_listen(now, reply_to, listen),
            Request::Update(update) => {
                self.outbox.reply(now, reply_to, Reply::default());
                let Some(socket) = self.subscriptions.socket(update.socket.0, from.addr) else {
                    return;
                };
                self.on_update(now, &socket, &values, &update.token);
                let (refreshed, expired) = (&update.refreshed, &update.expired);
                let event = self.subscriptions.on_ids(now, &socket, refreshed, expired);
                self.outbox.report(event);
            }
        }
    }

    fn on_find(&mut self, now: Timestamp, reply_to: ReplyTo, find: FindRequest) {
        let family = Family::of(&reply_to.addr);
        let [nodes4, nodes6] = self.contacts.to_name(now, family, find.target, find.want);
        let token = self.tokens.token(reply_to.addr);
        let reply = Reply {
            nodes4: Nodes::new(&nodes4),
            nodes6: Nodes::new(&nodes6),
            token: Some((&token[..]).into()),
            ..Reply::default()
        };
        self.outbox.reply(now, reply_to, reply);
    }

    fn on_get(&mut self, now: Timestamp, reply_to: ReplyTo, get: GetRequest) {
        let GetRequest { key, query, want } = get;
        if key.is_zero() {
            let text = "Get_values with no info_hash";
            return self.outbox.error(reply_to, ErrorCode::MALFORMED, text);
        }
        let family = Family::of(&reply_to.addr);
        let [nodes4, nodes6] = self.contacts.to_name(now, family, key, want);
        let token = self.tokens.token(reply_to.addr);
        let values: Vec<_> = self.storage.get(&key, &query).collect();
        let whole = query.select.is_empty();
        let reply = Reply {
            nodes4: Nodes::new(&nodes4),
            nodes6: Nodes::new(&nodes6),
            token: Some((&token[..]).into()),
            values: (whole && !values.is_empty()).then(|| Values::picked(&values)),
            rows: (!whole && !values.is_empty()).then(|| Rows::new(&query.select, &values)),
            ..Reply::default()
        };
        self.outbox.reply(now, reply_to, reply);
    }

    fn on_listen(&mut self, now: Timestamp, reply_to: ReplyTo, listen: ListenRequest<'_>) {
        let key = listen.key;
        if key.is_zero() {
            let text = "Listen with no info_hash";
            return self.outbox.error(reply_to, ErrorCode::MALFORMED, text);
        }
        if !self.tokens.verify(reply_to.addr, &listen.token) {
            let text = "Listen with incorrect token";
            return self.outbox.error(reply_to, ErrorCode::UNAUTHORIZED, text);
        }
        self.outbox.rpc.peers_mut().on_token(now, reply_to.addr);
        let version = u8::try_from(listen.version).unwrap_or(u8::MAX);
        let listener = Listener::new(reply_to.addr, listen.socket.0, version, listen.query);
        let Ok(subscribed) = self.listeners.subscribe(now, &key, listener.clone()) else {
            return;
        };
        if let Some(at) = self.listeners.next_expiry() {
            self.outbox.timers.schedule_by(Timer::Listeners, at);
        }
        if subscribed == Subscribed::New {
            let query = listener.query().cloned().unwrap_or_default();
            let values: Vec<_> = self.storage.get(&key, &query).cloned().collect();
            for batch in batches(&values) {
                self.notify_values(now, key, &listener, batch);
            }
        }
        let token = self.tokens.token(reply_to.addr);
        let reply = Reply {
            token: Some((&token[..]).into()),
            ..Reply::default()
        };
        self.outbox.reply(now, reply_to, reply);
    }

    /// A storing node tells of values, and gives a new write token.
    fn on_update(&mut self, now: Timestamp, socket: &ListenSocket, values: &[Value], token: &[u8]) {
        let node = socket.node;
        if !token.is_empty()
            && token.len() <= super::replies::MAX_TOKEN
            && let Some(lookup) = self.lookups.get_mut(socket.lookup())
        {
            lookup.on_token(now, &node.id, token.to_vec().into());
        }
        self.outbox
            .report(self.subscriptions.on_values(now, socket, values));
        if let Some(at) = self.subscriptions.next_expiry() {
            self.outbox.timers.set(Timer::ListenedValues, at);
        }
    }
}

/// Splits values so that each batch holds about 56 KiB (`docs/spec/wire.md#9.3`).
fn batches(values: &[Value]) -> impl Iterator<Item = &[Value]> {
    let mut rest = values;
    std::iter::from_fn(move || {
        let mut size = 0;
        let count = rest
            .iter()
            .take_while(|value| {
                size += value.content_size();
                size <= UPDATE_BYTES
            })
            .count();
        let (batch, tail) = rest.split_at(count.max(1).min(rest.len()));
        rest = tail;
        (!batch.is_empty()).then_some(batch)
    })
}

/// The values that a message carries or announces.
fn carried<'a>(message: &Message<'a>) -> Option<Values<'a>> {
    match &message.payload {
        Payload::Request {
            request:
                Request::Put(PutRequest { values, .. }) | Request::Update(UpdateRequest { values, .. }),
            ..
        } => Some(*values),
        Payload::Reply { reply, .. } => reply.values,
        Payload::Request { .. }
        | Payload::Error { .. }
        | Payload::Notice { .. }
        | Payload::Parts(_) => None,
    }
}
