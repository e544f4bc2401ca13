//! Requests of peers: one function for each kind (`docs/spec/wire.md#5` to `docs/spec/wire.md#11`;
//! `docs/spec/node.md#5`).

use super::answers::Answer;
use super::outbox::Outbox;
use super::pending_puts::RemotePut;
use super::replies::usable_token;
use super::server::Server;
use super::{Contacts, Node, Timer};
use crate::rpc::ReplyTo;
use crate::storage::{Listener, Subscribed};
use crate::value::Value;
use crate::wire::{
    ErrorCode, FindRequest, GetRequest, ListenRequest, Nodes, Reply, Request, Rows, Tid,
    UpdateRequest, Values,
};
use crate::{Contact, Family, Timestamp};

/// Values that may be looked at for a request; to look at as many more counts as another request.
const WALK_PER_REQUEST: usize = 256;

impl Node {
    /// Handles a request of a peer.
    pub(super) fn on_request(
        &mut self,
        now: Timestamp,
        from: Contact,
        tid: Tid,
        request: Request<'_>,
        values: Vec<Value>,
        datagram: &[u8],
    ) {
        let addr = from.addr;
        let reply_to = ReplyTo { addr, tid };
        let (server, outbox) = (&mut self.server, &mut self.outbox);
        match request {
            Request::Ping => outbox.reply(now, reply_to, Reply::default()),
            Request::Find(find) => server.on_find(now, reply_to, find, &self.contacts, outbox),
            Request::Get(get) => {
                server.on_get(now, reply_to, get, datagram, &self.contacts, outbox);
            }
            Request::Put(put) => {
                if server.may_put(now, reply_to, &put, outbox) {
                    let is_far = (self.contacts).is_far_from(now, from.family(), &put.key);
                    for (number, value) in values.into_iter().enumerate() {
                        // The rates are for values: the message has paid for the first.
                        if number > 0 && !outbox.rpc.admit_another(now, addr) {
                            break;
                        }
                        let put = RemotePut {
                            reply_to,
                            key: put.key,
                            value,
                            created: put.created,
                        };
                        server.on_put(now, put, is_far, &mut self.subscriptions, outbox);
                    }
                }
            }
            Request::Refresh(refresh) => server.on_refresh(now, reply_to, refresh, outbox),
            Request::Listen(listen) => server.on_listen(now, reply_to, listen, outbox),
            Request::Update(update) => {
                outbox.reply(now, reply_to, Reply::default());
                self.on_update(now, from, update, &values);
            }
        }
    }

    /// Handles a notification: what changed at a storing node, and a new write token of it.
    fn on_update(
        &mut self,
        now: Timestamp,
        from: Contact,
        update: UpdateRequest<'_>,
        values: &[Value],
    ) {
        let subscriptions = &mut self.subscriptions;
        let Some(socket) = subscriptions.socket(update.socket.0, from.addr) else {
            return;
        };
        if let Some(token) = usable_token(&update.token)
            && let Some(lookup) = self.lookups.get_mut(socket.lookup())
        {
            lookup.on_token(now, &socket.node, token);
        }
        let event = subscriptions.on_values(now, &socket, values);
        self.outbox.report(event);
        let next = subscriptions.next_expiry();
        self.outbox.set_if_any(Timer::ListenedValues, next);
        let (refreshed, expired) = (&update.refreshed, &update.expired);
        let event = subscriptions.on_ids(now, &socket, refreshed, expired);
        self.outbox.report(event);
    }
}

impl Server {
    pub(super) fn on_find(
        &self,
        now: Timestamp,
        reply_to: ReplyTo,
        find: FindRequest,
        contacts: &Contacts,
        outbox: &mut Outbox,
    ) {
        let family = Family::of(&reply_to.addr);
        let [nodes4, nodes6] = contacts.for_reply(now, family, find.target, find.want);
        let token = self.tokens.token(reply_to.addr);
        let reply = Reply {
            nodes4: Nodes::new(&nodes4),
            nodes6: Nodes::new(&nodes6),
            token: Some((&token[..]).into()),
            ..Reply::default()
        };
        outbox.reply(now, reply_to, reply);
    }

    pub(super) fn on_get(
        &self,
        now: Timestamp,
        reply_to: ReplyTo,
        get: GetRequest,
        datagram: &[u8],
        contacts: &Contacts,
        outbox: &mut Outbox,
    ) {
        let GetRequest {
            key,
            query,
            want,
            page,
        } = get;
        if key.is_zero() {
            let text = "Get_values with no info_hash";
            return outbox.error(reply_to, ErrorCode::MALFORMED, text);
        }
        if !outbox.rpc.peers().is_validated(now, &reply_to.addr)
            && self.is_for_validated(&key, &query, page.as_ref(), self.unvalidated_bytes)
        {
            return outbox.defer(now, reply_to.addr, datagram);
        }
        let family = Family::of(&reply_to.addr);
        let [nodes4, nodes6] = contacts.for_reply(now, family, key, want);
        let token = self.tokens.token(reply_to.addr);
        let Answer {
            values,
            rest,
            walked,
        } = self.answer(&key, &query, page.as_ref());
        outbox.charge(now, reply_to.addr, walked / WALK_PER_REQUEST);
        let whole = query.select.is_empty();
        let reply = Reply {
            nodes4: Nodes::new(&nodes4),
            nodes6: Nodes::new(&nodes6),
            token: Some((&token[..]).into()),
            values: (whole && !values.is_empty()).then(|| Values::picked(&values)),
            rows: (!whole && !values.is_empty()).then(|| Rows::new(&query.select, &values)),
            rest,
            ..Reply::default()
        };
        outbox.reply_or_defer(now, reply_to, reply, datagram);
    }

    pub(super) fn on_listen(
        &mut self,
        now: Timestamp,
        reply_to: ReplyTo,
        listen: ListenRequest<'_>,
        outbox: &mut Outbox,
    ) {
        let (key, addr) = (listen.key, reply_to.addr);
        if key.is_zero() {
            let text = "Listen with no info_hash";
            return outbox.error(reply_to, ErrorCode::MALFORMED, text);
        }
        if !self.tokens.verify(addr, &listen.token) {
            let text = "Listen with incorrect token";
            return outbox.error(reply_to, ErrorCode::UNAUTHORIZED, text);
        }
        outbox.rpc.peers_mut().on_token(now, addr);
        let version = u8::try_from(listen.version).unwrap_or(u8::MAX);
        let listener = Listener::new(addr, listen.socket.0, version, listen.query);
        let Ok(subscribed) = self.listeners.subscribe(now, &key, listener.clone()) else {
            return;
        };
        if let Some(at) = self.listeners.next_expiry() {
            outbox.timers.schedule_by(Timer::Listeners, at);
        }
        let token = self.tokens.token(addr);
        if subscribed == Subscribed::New {
            if listener
                .query()
                .is_some_and(|query| !query.conditions.is_empty())
            {
                outbox.charge(now, addr, self.storage.count(&key) / WALK_PER_REQUEST);
            }
            self.tell_all(now, key, &listener, outbox);
        }
        let reply = Reply {
            token: Some((&token[..]).into()),
            ..Reply::default()
        };
        outbox.reply(now, reply_to, reply);
    }
}
