//! [`Subscriptions`]: the listens of the application, and what storing nodes tell of them
//! (`docs/spec/wire.md#11`).

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use bulla_kad::Schedule;

use super::{Event, LookupId};
use crate::lookup::{ListenView, OpId};
use crate::value::{Query, Value, ValueId};
use crate::{Contact, InfoHash, ListenConfig, Timestamp, ValueTypes};

/// What each listen has reported, and the sockets on which storing nodes tell of changes. Returns
/// what the application is to be told.
#[derive(Debug)]
pub(super) struct Subscriptions {
    /// The id of this node, for what is stored here.
    own: InfoHash,
    /// How long values live.
    value_types: ValueTypes,
    /// Bounds of what is remembered of one listen.
    config: ListenConfig,
    listens: BTreeMap<OpId, Listen>,
    /// Values of listens that gave way to others since the start.
    forgotten: u64,
    /// The listens on each key.
    by_key: BTreeMap<InfoHash, BTreeSet<OpId>>,
    /// By the socket id that storing nodes send back.
    sockets: BTreeMap<u32, ListenSocket>,
    /// When the first value of each listen runs out that a storing node reported.
    expiries: Schedule<OpId>,
}

/// A listen of the application.
#[derive(Debug)]
struct Listen {
    key: InfoHash,
    query: Query,
    view: ListenView,
}

/// A subscription at a storing node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ListenSocket {
    /// The listen it serves.
    pub(super) op: OpId,
    pub(super) key: InfoHash,
    /// The storing node.
    pub(super) node: Contact,
}

impl ListenSocket {
    /// Returns the lookup that opened it.
    pub(super) fn lookup(&self) -> LookupId {
        LookupId {
            key: self.key,
            family: self.node.family(),
        }
    }
}

impl Subscriptions {
    pub(super) fn new(own: InfoHash, config: ListenConfig, value_types: ValueTypes) -> Self {
        Self {
            own,
            value_types,
            config,
            listens: BTreeMap::new(),
            forgotten: 0,
            by_key: BTreeMap::new(),
            sockets: BTreeMap::new(),
            expiries: Schedule::default(),
        }
    }

    /// Starts a listen.
    pub(super) fn start(&mut self, op: OpId, key: InfoHash, query: Query) {
        let view = ListenView::new(self.config.max_values, self.config.max_holders);
        self.by_key.entry(key).or_default().insert(op);
        self.listens.insert(op, Listen { key, query, view });
    }

    /// Ends a listen, if it is one. Its sockets stay until they are closed.
    pub(super) fn end(&mut self, op: OpId) {
        let Some(ended) = self.listens.remove(&op) else {
            return;
        };
        self.expiries.stop(op);
        if let Some(listens) = self.by_key.get_mut(&ended.key) {
            listens.remove(&op);
            if listens.is_empty() {
                self.by_key.remove(&ended.key);
            }
        }
    }

    /// Reports whether there is a listen on `key`.
    pub(super) fn is_on(&self, key: &InfoHash) -> bool {
        self.by_key.contains_key(key)
    }

    /// Opens a socket for a listen request to a storing node. Returns the query to send.
    pub(super) fn open(&mut self, number: u32, socket: ListenSocket) -> Query {
        self.sockets.insert(number, socket);
        let listen = self.listens.get(&socket.op);
        listen.map(|it| it.query.clone()).unwrap_or_default()
    }

    /// Closes a socket; notifications on it are ignored from now on.
    pub(super) fn close(&mut self, number: u32) {
        self.sockets.remove(&number);
    }

    /// Returns how many sockets are open.
    pub(super) fn socket_count(&self) -> usize {
        self.sockets.len()
    }

    /// Returns how many values of listens gave way to others: those listens had more than they can
    /// remember.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Returns the socket of this number, if it was opened at the node of this address.
    pub(super) fn socket(&self, number: u32, from: SocketAddr) -> Option<ListenSocket> {
        let socket = self.sockets.get(&number).copied();
        socket.filter(|socket| socket.node.addr == from)
    }

    /// Takes in what is stored here when a listen starts.
    pub(super) fn on_stored_before(&mut self, op: OpId, values: &[Value]) -> Option<Event> {
        let listen = self.listens.get_mut(&op)?;
        listen.add(op, self.own, values, |_| Timestamp::MAX)
    }

    /// Takes in a value that was stored or edited here.
    pub(super) fn on_stored(&mut self, key: &InfoHash, value: &Value) -> Vec<Event> {
        let (own, listens) = (self.own, &mut self.listens);
        on_key(&self.by_key, key)
            .filter_map(|op| {
                let values = std::slice::from_ref(value);
                listens
                    .get_mut(&op)?
                    .add(op, own, values, |_| Timestamp::MAX)
            })
            .collect()
    }

    /// Takes in that a value is no longer stored here.
    pub(super) fn on_removed(&mut self, key: &InfoHash, id: ValueId) -> Vec<Event> {
        let (own, listens) = (self.own, &mut self.listens);
        on_key(&self.by_key, key)
            .filter_map(|op| {
                let values = listens.get_mut(&op)?.view.remove(&own, id);
                Event::Expired { op, values }.unless_empty()
            })
            .collect()
    }

    /// Takes in values that a storing node sent on a socket. Each counts for a lifetime, or until
    /// the node says otherwise.
    pub(super) fn on_values(
        &mut self,
        now: Timestamp,
        socket: &ListenSocket,
        values: &[Value],
    ) -> Option<Event> {
        let listen = self.listens.get_mut(&socket.op)?;
        let value_types = &self.value_types;
        let expires = |value: &Value| now + value_types.rules(value.value_type()).lifetime;
        let event = listen.add(socket.op, socket.node.id, values, expires);
        self.forgotten += listen.view.take_forgotten();
        schedule(&mut self.expiries, socket.op, &listen.view);
        event
    }

    /// Takes in which of its values a storing node refreshed, and which it lost.
    pub(super) fn on_ids(
        &mut self,
        now: Timestamp,
        socket: &ListenSocket,
        refreshed: &[ValueId],
        expired: &[ValueId],
    ) -> Option<Event> {
        let (op, holder) = (socket.op, &socket.node.id);
        let view = &mut self.listens.get_mut(&op)?.view;
        let value_types = &self.value_types;
        for id in refreshed {
            view.refresh(holder, *id, |value| {
                now + value_types.rules(value.value_type()).lifetime
            });
        }
        let lost = expired.iter().flat_map(|id| view.remove(holder, *id));
        let values = lost.collect();
        schedule(&mut self.expiries, op, view);
        Event::Expired { op, values }.unless_empty()
    }

    /// Forgets values that no storing node has confirmed for a lifetime.
    pub(super) fn expire(&mut self, now: Timestamp) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(op) = self.expiries.take_due(now) {
            let Some(listen) = self.listens.get_mut(&op) else {
                continue;
            };
            let values = listen.view.expire(now);
            events.extend(Event::Expired { op, values }.unless_empty());
            schedule(&mut self.expiries, op, &listen.view);
        }
        events
    }

    /// Returns when to call [`Subscriptions::expire`].
    pub(super) fn next_expiry(&self) -> Option<Timestamp> {
        self.expiries.next().map(|(at, _)| at)
    }
}

impl Listen {
    /// Takes in that `holder` has these values, and returns those that are new.
    fn add(
        &mut self,
        op: OpId,
        holder: InfoHash,
        values: &[Value],
        expires: impl Fn(&Value) -> Timestamp,
    ) -> Option<Event> {
        let mut new = Vec::new();
        for value in values.iter().filter(|value| self.query.matches(value)) {
            if self.view.add(holder, value, expires(value)) {
                new.push(value.clone());
            }
        }
        Event::Values { op, values: new }.unless_empty()
    }
}

/// Notes when the first value of a listen runs out.
fn schedule(expiries: &mut Schedule<OpId>, op: OpId, view: &ListenView) {
    match view.next_expiry() {
        Some(at) => expiries.set(op, at),
        None => expiries.stop(op),
    }
}

fn on_key(
    by_key: &BTreeMap<InfoHash, BTreeSet<OpId>>,
    key: &InfoHash,
) -> impl Iterator<Item = OpId> {
    by_key.get(key).into_iter().flatten().copied()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::value::Condition;
    use crate::{Draft, ValueType, wire};

    const OWN: InfoHash = InfoHash::new([9; InfoHash::LEN]);
    const KEY: InfoHash = InfoHash::new([1; InfoHash::LEN]);
    const NOW: Timestamp = Timestamp::from_micros(7);
    const OP: OpId = OpId(1);

    #[test]
    fn a_value_is_reported_when_it_appears_and_when_its_last_holder_lost_it() {
        let mut subscriptions = listening(Query::default());
        let [one, two] = [1, 2].map(|number| open(&mut subscriptions, number));
        let values = vec![value(5)];
        let new = Event::Values { op: OP, values };
        let reported = subscriptions.on_values(NOW, &one, &[value(5)]);
        assert_eq!(reported, Some(new));
        assert_eq!(subscriptions.on_values(NOW, &two, &[value(5)]), None);
        assert_eq!(subscriptions.on_ids(NOW, &one, &[], &[ValueId(5)]), None);
        let values = vec![value(5)];
        let gone = Event::Expired { op: OP, values };
        let reported = subscriptions.on_ids(NOW, &two, &[], &[ValueId(5)]);
        assert_eq!(reported, Some(gone));
    }

    #[test]
    fn values_that_a_listen_does_not_ask_for_are_not_reported() {
        let query = Query {
            conditions: vec![Condition::Id(ValueId(5))],
            ..Query::default()
        };
        let mut subscriptions = listening(query.clone());
        let socket = ListenSocket {
            op: OP,
            key: KEY,
            node: contact(1),
        };
        assert_eq!(subscriptions.open(1, socket), query);
        assert_eq!(subscriptions.on_values(NOW, &socket, &[value(6)]), None);
        assert_eq!(subscriptions.next_expiry(), None);
        assert!(subscriptions.on_stored(&KEY, &value(6)).is_empty());
        assert_eq!(subscriptions.on_stored(&KEY, &value(5)).len(), 1);
    }

    #[test]
    fn what_no_node_confirms_runs_out_after_a_lifetime() {
        let mut subscriptions = listening(Query::default());
        let socket = open(&mut subscriptions, 1);
        let lifetime = |it: &Value| ValueTypes::default().rules(it.value_type()).lifetime;
        let short = wire::pack(
            &Draft::from("ice").value_type(ValueType::ICE_CANDIDATES),
            ValueId(1),
        );
        let [first, second] = [lifetime(&short), lifetime(&value(2))];
        assert!(first < second);
        subscriptions.on_values(NOW, &socket, &[value(2), short.clone()]);
        assert_eq!(subscriptions.next_expiry(), Some(NOW + first));

        let later = NOW + Duration::from_secs(1);
        assert_eq!(
            subscriptions.on_ids(later, &socket, &[short.id()], &[]),
            None
        );
        assert!(subscriptions.expire(NOW + first).is_empty());
        assert_eq!(subscriptions.next_expiry(), Some(later + first));
        let values = vec![short];
        let gone = Event::Expired { op: OP, values };
        assert_eq!(subscriptions.expire(later + first), [gone]);
        assert_eq!(subscriptions.next_expiry(), Some(NOW + second));
        assert_eq!(subscriptions.expire(NOW + second).len(), 1);
        assert_eq!(subscriptions.next_expiry(), None);
    }

    #[test]
    fn what_is_stored_here_does_not_run_out_by_itself() {
        let mut subscriptions = listening(Query::default());
        let event = subscriptions.on_stored_before(OP, &[value(1)]);
        let values = vec![value(1)];
        assert_eq!(event, Some(Event::Values { op: OP, values }));
        assert!(subscriptions.on_stored(&KEY, &value(1)).is_empty());
        assert_eq!(subscriptions.on_stored(&KEY, &value(2)).len(), 1);
        assert!(
            subscriptions
                .expire(Timestamp::MAX - Duration::from_secs(1))
                .is_empty()
        );
        assert_eq!(subscriptions.next_expiry(), None);
        let values = vec![value(1)];
        let gone = Event::Expired { op: OP, values };
        assert_eq!(subscriptions.on_removed(&KEY, ValueId(1)), [gone]);
        assert!(subscriptions.on_removed(&KEY, ValueId(1)).is_empty());
        let other = InfoHash::ZERO;
        assert!(subscriptions.on_stored(&other, &value(3)).is_empty());
        assert!(subscriptions.on_removed(&other, ValueId(2)).is_empty());
    }

    #[test]
    fn a_socket_belongs_to_the_node_it_was_opened_at_until_it_is_closed() {
        let mut subscriptions = listening(Query::default());
        let socket = open(&mut subscriptions, 1);
        let [its, other] = [1, 2].map(|port| contact(port).addr);
        assert_eq!(subscriptions.socket_count(), 1);
        assert_eq!(subscriptions.socket(1, its), Some(socket));
        assert_eq!(subscriptions.socket(1, other), None);
        assert_eq!(subscriptions.socket(2, its), None);
        subscriptions.close(1);
        assert_eq!(subscriptions.socket(1, its), None);
        assert_eq!(subscriptions.socket_count(), 0);
    }

    #[test]
    fn nothing_is_reported_to_a_listen_that_has_ended() {
        let mut subscriptions = listening(Query::default());
        let socket = open(&mut subscriptions, 1);
        subscriptions.start(OpId(2), KEY, Query::default());
        subscriptions.end(OP);
        assert!(subscriptions.is_on(&KEY));
        assert_eq!(subscriptions.on_values(NOW, &socket, &[value(1)]), None);
        assert_eq!(subscriptions.on_ids(NOW, &socket, &[], &[ValueId(1)]), None);
        assert_eq!(subscriptions.on_stored(&KEY, &value(1)).len(), 1);
        subscriptions.end(OpId(2));
        subscriptions.end(OpId(2));
        assert!(!subscriptions.is_on(&KEY));
    }

    /// A listen of 40,000 values with four holders each: 160,000 copies run out one by one. This
    /// takes a second; when each made the listen look through all values it took most of an hour.
    #[test]
    fn each_of_many_values_that_run_out_costs_little() {
        const COUNT: u64 = 40_000;
        let config = ListenConfig {
            max_values: COUNT as usize,
            ..ListenConfig::default()
        };
        let mut subscriptions = Subscriptions::new(OWN, config, ValueTypes::default());
        subscriptions.start(OP, KEY, Query::default());
        let sockets = [1, 2, 3, 4].map(|number| open(&mut subscriptions, number));
        for id in 1..=COUNT {
            let value = [value(id)];
            for (socket, late) in sockets.iter().zip(0..) {
                let heard_at = Timestamp::from_micros(id * 10 + late);
                let event = subscriptions.on_values(heard_at, socket, &value);
                assert_eq!(event.is_some(), late == 0);
            }
        }
        let (mut gone, mut wakes) = (0, 0);
        while let Some(at) = subscriptions.next_expiry() {
            gone += subscriptions.expire(at).len();
            wakes += 1;
        }
        assert_eq!((gone as u64, wakes), (COUNT, 4 * COUNT));
    }

    fn listening(query: Query) -> Subscriptions {
        let mut subscriptions =
            Subscriptions::new(OWN, ListenConfig::default(), ValueTypes::default());
        subscriptions.start(OP, KEY, query);
        subscriptions
    }

    fn open(subscriptions: &mut Subscriptions, number: u32) -> ListenSocket {
        let node = contact(number as u16);
        let (op, key) = (OP, KEY);
        let socket = ListenSocket { op, key, node };
        subscriptions.open(number, socket);
        socket
    }

    fn contact(port: u16) -> Contact {
        let id = InfoHash::of(&port.to_be_bytes());
        Contact::new(id, ([127, 0, 0, 1], port).into())
    }

    fn value(id: u64) -> Value {
        wire::pack(&Draft::from("text"), ValueId(id))
    }
}
