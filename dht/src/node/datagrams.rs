//! Received datagrams: admitted, completed if their values come in parts, and handed on.

use std::net::SocketAddr;

use bytes::Bytes;

use super::Node;
use super::store_requests::refuse_put_token;
use crate::Timestamp;
use crate::rpc::ReplyTo;
use crate::rpc::reassembly::{Completed, Slot};
use crate::wire::{
    self, Item, Message, Payload, PutRequest, Reply, Request, UpdateRequest, Values,
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
        self.on_message(now, from, message, values);
    }

    /// Handles a message when all its announced values have come.
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
        self.on_message(now, from, message, values);
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
