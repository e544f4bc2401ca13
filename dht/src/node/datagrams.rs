//! Received datagrams: admitted, completed if their values come in parts, and handed on.

use std::net::SocketAddr;

use bytes::Bytes;

use super::Node;
use super::store_requests::refuse_put_token;
use crate::Timestamp;
use crate::rpc::ReplyTo;
use crate::rpc::reassembly::{Completed, Slot};
use crate::value::Value;
use crate::wire::{
    self, Item, Message, Payload, PutRequest, Reply, Request, Rest, UpdateRequest, Values,
};

impl Node {
    /// Admits a datagram, and hands it on once all its values are there.
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
        self.on_message(now, from, message, values, datagram);
    }

    /// An address was validated: what it asked before is answered.
    pub(super) fn take_up_deferred(&mut self, now: Timestamp, from: SocketAddr) {
        for datagram in self.outbox.rpc.take_deferred(&from) {
            if let Ok(message) = wire::decode(&datagram) {
                self.on_message(now, from, message, Vec::new(), &datagram);
            }
        }
    }

    /// Handles a message when all its announced values have come. What is no value is passed over,
    /// as in a message that has its values in it.
    ///
    /// Differs: others drop the whole message, with which a single value that they themselves store
    /// would hide all others of its key.
    fn on_complete(&mut self, now: Timestamp, from: SocketAddr, complete: Completed<Bytes>) {
        if let Ok(message) = wire::decode(&complete.context) {
            let values = values_of(&message, &complete);
            self.on_message(now, from, message, values, &complete.context);
        }
    }

    /// Handles a reply of which not all announced values have come: what is missing is asked for as
    /// if the sender had left it out.
    pub(super) fn on_incomplete(
        &mut self,
        now: Timestamp,
        from: SocketAddr,
        partial: &Completed<Bytes>,
    ) {
        let Ok(mut message) = wire::decode(&partial.context) else {
            return;
        };
        let values = values_of(&message, partial);
        let total = carried(&message).map_or(0, |values| values.iter().count() as u64);
        if let Payload::Reply { reply, .. } = &mut message.payload {
            reply.rest = Some(Rest {
                total,
                ..Rest::default()
            });
        }
        self.on_message(now, from, message, values, &partial.context);
    }

    /// Reports whether the announced values of a message are worth waiting for.
    fn may_assemble(&mut self, now: Timestamp, from: SocketAddr, message: &Message<'_>) -> bool {
        match &message.payload {
            Payload::Request {
                request: Request::Put(PutRequest { token, .. }),
                ..
            } => {
                let authorized = self.server.tokens.verify(from, token);
                if !authorized {
                    let reply_to = ReplyTo {
                        addr: from,
                        tid: message.tid,
                    };
                    refuse_put_token(reply_to, &mut self.outbox);
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
}

/// Returns the values in a message and those that came in parts.
fn values_of(message: &Message<'_>, complete: &Completed<Bytes>) -> Vec<Value> {
    let embedded = carried(message).into_iter();
    let embedded = embedded.flat_map(|values| values.iter().filter_map(Item::into_value));
    let in_parts = complete.values.iter();
    let in_parts = in_parts.filter_map(|(_, packed)| wire::unpack(packed).ok());
    embedded.chain(in_parts).collect()
}

/// Returns the values that a message carries or announces.
fn carried<'a>(message: &Message<'a>) -> Option<Values<'a>> {
    match &message.payload {
        Payload::Request {
            request: Request::Put(PutRequest { values, .. }),
            ..
        }
        | Payload::Request {
            request: Request::Update(UpdateRequest { values, .. }),
            ..
        } => Some(*values),
        Payload::Reply { reply, .. } => reply.values,
        Payload::Request { .. }
        | Payload::Error { .. }
        | Payload::Notice { .. }
        | Payload::Parts(_) => None,
    }
}
