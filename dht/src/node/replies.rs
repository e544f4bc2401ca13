//! Replies and errors: what they mean for tables, lookups and operations.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use bulla_kad::{Prefix, Scope};
use bytes::Bytes;

use super::outbox::{LookupStep, Probe};
use super::{LookupId, Node, RequestPurpose};
use crate::lookup::{LookupReply, LookupRequest};
use crate::routing::Confidence;
use crate::value::{Field, Row, Value, ValueId};
use crate::wire::{ErrorCode, Reply};
use crate::{Contact, Family, Timestamp, is_martian};

/// The longest write token that is kept (`docs/spec/wire.md#13`), in bytes.
const MAX_TOKEN: usize = 64;
/// Contacts taken from one reply and family.
const MAX_NAMED: usize = 8;
/// Contacts at one address taken from one reply, unless many nodes share it by right.
const MAX_NAMED_AT_ADDRESS: usize = 2;

impl Node {
    /// Handles a reply.
    pub(super) fn on_reply(
        &mut self,
        now: Timestamp,
        from: Contact,
        purpose: RequestPurpose,
        reply: Reply<'_>,
        values: Vec<Value>,
    ) {
        if let Some(observed) = reply.observed {
            self.votes.add(observed);
        }
        let named = self.take_named(now, from, &reply);
        if let RequestPurpose::Probe(Probe { contact, successor }) = &purpose
            && contact.id != from.id
        {
            self.on_failed(now, *contact);
            self.probe_successor(now, contact.id, *successor);
        }
        let LookupStep { id, node, ask } = match purpose {
            RequestPurpose::Lookup(step) => step,
            RequestPurpose::Page(step) => return self.on_page(now, step, reply, &values),
            RequestPurpose::HandOver(transfer) => {
                return self.on_transfer_reply(now, from, transfer, &reply, &values);
            }
            RequestPurpose::Notify(notice) => {
                let outbox = &mut self.outbox;
                return self.server.on_confirmed(now, from.addr, notice, outbox);
            }
            RequestPurpose::Probe(_) | RequestPurpose::Bootstrap => return,
        };
        if node.id != from.id {
            // Another node has this address now.
            self.contacts.on_failure(&node);
            if let Some(lookup) = self.lookups.get_mut(id) {
                lookup.on_other(now, &node, from);
            }
            return self.drive(now, id);
        }
        let token = reply.token.as_deref().and_then(usable_token);
        if token.is_none() && (ask.is_of_iteration() || matches!(ask, LookupRequest::Check(_))) {
            // As OpenDHT does, we block nodes that answer without a token.
            self.outbox.rpc.peers_mut().block(now, from.addr);
            return self.give_up_on(now, id, node);
        }
        let rows = reply
            .rows
            .map_or_else(Vec::new, |rows| rows.iter().collect());
        let mut held = None;
        let found = match &ask {
            LookupRequest::Get(question) => {
                let lookup = self.lookups.get(id);
                let operations = lookup.into_iter().flat_map(|it| it.operations(*question));
                let operations: Vec<_> = operations.collect();
                let mut found = false;
                for op in operations {
                    let (is_any, event) = self.operations.on_found(op, &values, &rows);
                    self.outbox.report(event);
                    found |= is_any;
                    self.readings.on_values(op, &values);
                    self.on_part(now, op, from, &rows, reply.rest.as_ref());
                }
                found
            }
            LookupRequest::Probe(value_id) | LookupRequest::Check(value_id) => {
                held = held_row(*value_id, &values, rows);
                false
            }
            LookupRequest::Put(..) | LookupRequest::Refresh(..) | LookupRequest::Listen { .. } => {
                self.outbox.rpc.peers_mut().on_auth(from.addr);
                false
            }
            LookupRequest::Find => false,
        };
        let answer = LookupReply {
            token,
            contacts: named,
            found,
            held: held.as_ref(),
            held_value: held
                .as_ref()
                .and_then(|row| values.iter().find(|it| Some(it.id()) == row.id)),
            renewal: (self.lookups).renewal(id.key, self.subscriptions.socket_count()),
        };
        if let Some(lookup) = self.lookups.get_mut(id) {
            lookup.on_answer(now, &from, &ask, answer);
        }
        self.drive(now, id);
    }

    /// Handles an error in place of a reply.
    pub(super) fn on_error(
        &mut self,
        now: Timestamp,
        from: SocketAddr,
        purpose: RequestPurpose,
        code: ErrorCode,
    ) {
        let LookupStep { id, node, ask } = match purpose {
            RequestPurpose::Lookup(step) => step,
            RequestPurpose::Page(step) => return self.on_page_failed(now, step),
            RequestPurpose::HandOver(transfer) => {
                return self.on_transfer_failed(now, &transfer);
            }
            RequestPurpose::Notify(notice) => {
                let outbox = &mut self.outbox;
                return self.server.on_confirmed(now, from, notice, outbox);
            }
            RequestPurpose::Probe(_) | RequestPurpose::Bootstrap => return,
        };
        let needs_token = matches!(
            ask,
            LookupRequest::Put(..) | LookupRequest::Refresh(..) | LookupRequest::Listen { .. }
        );
        let unauthorized = code == ErrorCode::UNAUTHORIZED && needs_token;
        let unknown = code == ErrorCode::NOT_FOUND && matches!(ask, LookupRequest::Refresh(..));
        if unauthorized
            && self.outbox.rpc.peers_mut().on_auth_error(from)
                > self.config.transport.max_auth_errors
        {
            self.on_failed(now, node);
        }
        if let Some(lookup) = self.lookups.get_mut(id) {
            if unauthorized || unknown {
                lookup.on_rejected(now, &node, &ask, unauthorized);
            } else {
                lookup.on_refused(now, &node, &ask);
            }
        }
        self.drive(now, id);
    }

    /// Takes in the usable contacts of a reply, and returns those of the sender's family.
    fn take_named(&mut self, now: Timestamp, from: Contact, reply: &Reply<'_>) -> Vec<Contact> {
        let mut named = Vec::new();
        let limit_private = self.config.routing.limit_private_networks;
        let lists = [(&reply.nodes4, Family::V4), (&reply.nodes6, Family::V6)];
        for (nodes, family) in lists {
            let usable = nodes
                .iter()
                .take(MAX_NAMED)
                .map(|contact| on_host_of(from, contact))
                .filter(|contact| {
                    contact.id != self.contacts.own()
                        && !contact.id.is_zero()
                        && contact.family() == family
                        && !is_martian(&contact.addr)
                        && can_be_known_to(from, contact)
                        && !self.outbox.rpc.peers().is_blocked(now, &contact.addr)
                });
            let mut at: BTreeMap<Prefix, usize> = BTreeMap::new();
            let usable = usable.filter(|contact| {
                let ip = contact.addr.ip();
                let count = at.entry(Prefix::address(ip)).or_default();
                *count += 1;
                *count <= MAX_NAMED_AT_ADDRESS || !limit_private && Scope::of(ip) != Scope::Public
            });
            let usable: Vec<_> = usable.collect();
            for contact in &usable {
                self.on_contact(now, *contact, Confidence::Named);
            }
            if family == from.family() {
                named = usable;
            }
        }
        named
    }

    /// Fails a node of a lookup that is of no use.
    fn give_up_on(&mut self, now: Timestamp, id: LookupId, node: Contact) {
        if let Some(lookup) = self.lookups.get_mut(id) {
            lookup.on_failed(now, &node);
        }
        self.on_failed(now, node);
        self.drive(now, id);
    }
}

/// Returns a copy of a write token, unless it is empty or too long to keep.
pub(super) fn usable_token(token: &[u8]) -> Option<Bytes> {
    let is_usable = !token.is_empty() && token.len() <= MAX_TOKEN;
    is_usable.then(|| Bytes::copy_from_slice(token))
}

/// Replaces a loopback address by that of the sender, as it means the sender's host
/// (`docs/spec/wire.md#4`).
fn on_host_of(from: Contact, contact: Contact) -> Contact {
    if contact.addr.ip().is_loopback() && contact.family() == from.family() {
        let addr = SocketAddr::new(from.addr.ip(), contact.addr.port());
        return Contact { addr, ..contact };
    }
    contact
}

/// Reports whether the namer of a contact may have heard of it: a node on the Internet knows none
/// in a private network, and none on this host or link but by hearsay. So a node elsewhere cannot
/// have us send datagrams into networks that it does not reach itself.
///
/// Differs: OpenDHT asks whatever is named. Nodes of a private network are met by what they send.
fn can_be_known_to(namer: Contact, contact: &Contact) -> bool {
    Scope::of(contact.addr.ip()) >= Scope::of(namer.addr.ip())
}

/// Returns what a node holds under an id, from rows or the value itself.
pub(super) fn held_row(id: ValueId, values: &[Value], rows: Vec<Row>) -> Option<Row> {
    let fields = BTreeSet::from([Field::Id, Field::Owner, Field::Seq]);
    let of_values = values.iter().map(|value| Row::of(value, &fields));
    rows.into_iter()
        .chain(of_values)
        .find(|row| row.id == Some(id))
}
