//! Lookups without a network: what they ask, and in which order they may.

use std::net::SocketAddr;

use super::*;
use crate::lookup::{Announcement, Creation, FindKind, OpId};
use crate::value::{Value, ValueId};
use crate::wire::{self, Payload};
use crate::{ConnectivityConfig, Draft, ListenConfig, RoutingConfig, Seed, UnixTime, ValueTypes};

const NOW: Timestamp = Timestamp::from_micros(3_600_000_000);
const OWN: InfoHash = InfoHash::new([9; InfoHash::LEN]);
const OP: OpId = OpId(1);

#[test]
fn of_many_lasting_lookups_the_nearest_are_offered_a_new_contact() {
    let mut parts = LookupParts::new(Config::default());
    let newcomer = Contact::new(InfoHash::of(b"newcomer"), addr(1));
    let mut keys: Vec<_> = (0..3_000).map(key).collect();
    let mut listen = |keys: &[InfoHash]| {
        for key in keys {
            parts.subscribe(v4(*key));
        }
        parts.lookups.interested(&newcomer, 0)
    };
    let max_introductions = Config::default().lookup.max_introductions;
    let (few, more) = keys.split_at(max_introductions);
    assert_eq!(listen(few).len(), few.len());

    let mut interested: Vec<_> = listen(more).into_iter().map(|id| id.key).collect();
    assert!((max_introductions / 4..=max_introductions).contains(&interested.len()));
    keys.sort_by_key(|key| key.distance(&newcomer.id));
    interested.sort_by_key(|key| key.distance(&newcomer.id));
    assert_eq!(interested, keys[..interested.len()]);
}

#[test]
fn only_a_contact_that_shares_nearly_the_depth_of_the_table_is_near() {
    let mut parts = LookupParts::new(Config::default());
    parts.subscribe(v4(InfoHash::ZERO));
    let sharing = |bits| Contact::new(InfoHash::ZERO.with_bit(bits, true), addr(1));
    assert!(parts.lookups.is_near_any(&sharing(7), 10));
    assert!(!parts.lookups.is_near_any(&sharing(6), 10));
    assert!(parts.lookups.is_near_any(&sharing(0), 3));
    let v6 = Contact::new(InfoHash::ZERO, ([1; 8], 1).into());
    assert!(!parts.lookups.is_near_any(&v6, 10));
}

#[test]
fn a_get_is_put_off_while_the_congestion_window_is_full() {
    let mut config = Config::default();
    config.transport.max_window = 1;
    let mut parts = LookupParts::new(config);
    let [first, second] = [1, 2].map(|number| v4(key(number)));
    parts.get(first, &[1]);
    let (node, ask) = parts.poll_request(first);
    assert!(!parts.send(first, node, ask));

    parts.get(second, &[1]);
    assert!(parts.poll(second).is_none());
    assert_eq!(parts.lookups.waiting(), 1);
    assert_eq!(parts.lookups.next_queued(&parts.outbox), None);
    let request = parts.outbox.poll_transmit().unwrap();
    let tid = wire::decode(&request.bytes).unwrap().tid;
    parts.outbox.rpc.close(NOW, addr(1), tid);
    assert_eq!(parts.lookups.next_queued(&parts.outbox), Some(second));
    assert_eq!(parts.lookups.next_queued(&parts.outbox), None);
    assert!(parts.poll(second).is_some());
}

#[test]
fn listens_take_turns_while_few_nodes_are_known() {
    let mut parts = LookupParts::new(Config::default());
    parts.connectivity.on_reply(NOW, Family::V4);
    let ids: Vec<_> = (0..6).map(|number| v4(key(number))).collect();
    for id in &ids {
        parts.subscribe(*id);
        parts.offer(*id, 1);
    }
    let mut may_begin = |id: &&LookupId| parts.poll(**id).is_some();
    assert_eq!(ids.iter().filter(&mut may_begin).count(), 4);
    assert_eq!(parts.lookups.waiting(), 2);
    assert_eq!(parts.next_background(), None);
    assert!(!parts.is_set(Timer::Background));

    let at = NOW + Duration::from_secs(1);
    parts.rest(ids[0], at);
    assert!(!parts.is_set(Timer::Background), "it waits for a reply");
    let lookup = parts.lookups.get_mut(ids[0]).unwrap();
    lookup.on_failed(NOW, &Contact::new(key(1), addr(1)));
    parts.rest(ids[0], at);
    assert!(parts.is_set(Timer::Lookup(ids[0])));
    assert!(parts.is_set(Timer::Background));
    assert_eq!(parts.next_background(), Some(ids[4]));
}

#[test]
fn lookups_that_know_no_node_need_no_turn() {
    let mut parts = LookupParts::new(Config::default());
    for number in 0..20 {
        parts.subscribe(v4(key(number)));
        assert!(parts.poll(v4(key(number))).is_some());
    }
    assert_eq!(parts.lookups.waiting(), 0);
}

#[test]
fn a_finished_get_is_remembered_for_a_while_and_a_node_lookup_is_not() {
    let mut parts = LookupParts::new(Config::default());
    let [walk, get] = [1, 2].map(|number| v4(key(number)));
    let memory = Config::default().lookup.memory;
    for id in [walk, get] {
        parts.open(id);
        parts.offer(id, 1);
    }
    parts.get(get, &[1]);
    parts.lookups.get_mut(get).unwrap().cancel(OP);
    for id in [walk, get] {
        parts.outbox.timers.set(Timer::Lookup(id), NOW);
        parts.rest(id, NOW);
    }
    assert!(parts.lookups.get(walk).is_none() && !parts.is_set(Timer::Lookup(walk)));
    assert_eq!(parts.lookups.len(), 1);
    let next = parts.outbox.timers.next();
    assert_eq!(next, Some((NOW + memory, Timer::Lookup(get))));
    assert!(parts.lookups.forget_if_idle(get));
    assert!(parts.lookups.forget_if_idle(get), "it is gone already");
    assert_eq!(parts.lookups.len(), 0);
}

#[test]
fn a_lookup_with_something_to_do_sleeps_until_then() {
    let mut parts = LookupParts::new(Config::default());
    let id = v4(key(1));
    parts.get(id, &[1]);
    let at = NOW + Duration::from_secs(7);
    parts.rest(id, at);
    assert_eq!(parts.outbox.timers.next(), Some((at, Timer::Lookup(id))));
    assert!(!parts.lookups.forget_if_idle(id));
    assert!(parts.lookups.get(id).is_some());
}

#[test]
fn as_many_lookups_are_remembered_as_the_pool_has_places_for() {
    let mut parts = LookupParts::new(Config::default());
    let ids: Vec<_> = (0..257).map(|number| v4(key(number))).collect();
    for id in &ids {
        parts.get(*id, &[1]);
        parts.lookups.get_mut(*id).unwrap().cancel(OP);
        parts.rest(*id, NOW);
    }
    assert!(parts.lookups.get(ids[0]).is_none() && !parts.is_set(Timer::Lookup(ids[0])));
    assert!(parts.lookups.get(ids[1]).is_some() && parts.is_set(Timer::Lookup(ids[1])));
}

#[test]
fn no_more_lookups_than_configured_are_opened_for_operations() {
    let mut config = Config::default();
    config.lookup.max_lookups = 2;
    let mut parts = LookupParts::new(config);
    assert!(!parts.lookups.is_full());
    for id in LookupId::of(key(1)) {
        parts.open(id);
        parts.open(id);
    }
    assert!(parts.lookups.is_full());
    let of_family: Vec<_> = parts.lookups.of_family(Family::V6).collect();
    assert_eq!(of_family, [LookupId::of(key(1))[1]]);
}

#[test]
fn a_lookup_learns_of_the_contacts_of_its_table() {
    let mut parts = LookupParts::new(Config::default());
    let contact = Contact::new(key(5), addr(5));
    let confidence = crate::routing::Confidence::Replied;
    let _ = parts.contacts.on_seen(NOW, contact, confidence);
    let [v4, v6] = LookupId::of(key(1));
    for id in [v4, v6] {
        parts.open(id);
        let find = FindKind::Value(Query::default());
        parts.lookups.get_mut(id).unwrap().ask(NOW, OP, find);
    }
    assert_eq!(parts.poll_request(v4).0, contact);
    assert!(matches!(parts.poll(v6), Some(LookupAction::Answered(..))));
}

#[test]
fn each_step_of_a_lookup_is_sent_as_its_request() {
    let mut parts = LookupParts::new(Config::default());
    let id = v4(key(1));
    let query = Query {
        conditions: vec![Condition::Id(ValueId(4))],
        ..Query::default()
    };
    parts.open(id);
    let lookup = parts.lookups.get_mut(id).unwrap();
    lookup.ask(NOW, OP, FindKind::Value(query.clone()));
    let given = UnixTime::from_secs(5);
    let put = Creation::put(NOW, Duration::from_secs(600));
    for (id, created) in [(4, Some(Creation::Given(given))), (5, Some(put))] {
        let announcement = Announcement::new(OpId(id), value(id), created, None);
        lookup.announce(NOW, announcement);
    }
    let token = || vec![7].into();
    let mut sent = |ask| {
        assert!(!parts.send(id, Contact::new(key(9), addr(9)), ask));
        let transmit = parts.outbox.poll_transmit()?;
        let message = wire::decode(&transmit.bytes).unwrap();
        assert_eq!(transmit.to, addr(9));
        match message.payload {
            Payload::Request { request, .. } => Some(format!("{request:?}")),
            _ => None,
        }
    };
    let as_sent = |request: Request<'_>| Some(format!("{request:?}"));
    let (key, token_sent) = (id.key, &[7][..]);
    let find = Request::Find(FindRequest {
        target: key,
        want: None,
    });
    assert_eq!(sent(LookupRequest::Find), as_sent(find));
    let get = |query| {
        Request::Get(GetRequest {
            key,
            query,
            want: None,
            page: None,
        })
    };
    assert_eq!(sent(LookupRequest::Get(OP)), as_sent(get(query.clone())));
    let probe = Query {
        select: [Field::Id, Field::Owner, Field::Seq].into(),
        ..query
    };
    let ask = LookupRequest::Check(ValueId(4));
    assert_eq!(sent(ask), as_sent(get(probe)));
    let refresh = Request::Refresh(RefreshRequest {
        key,
        id: ValueId(4),
        token: token_sent.into(),
    });
    let ask = LookupRequest::Refresh(ValueId(4), token());
    assert_eq!(sent(ask), as_sent(refresh));
    for (id, created) in [(4, Some(given)), (5, None)] {
        let request = sent(LookupRequest::Put(ValueId(id), token())).unwrap();
        let created = format!("created: {created:?}");
        assert!(request.contains(&created), "{request}");
    }
    assert_eq!(sent(LookupRequest::Put(ValueId(6), token())), None);
    let ask = LookupRequest::Listen {
        op: OP,
        socket: 3,
        token: token(),
    };
    let listen = Request::Listen(ListenRequest {
        key,
        version: 1,
        socket: SocketId(3),
        query: Query::default(),
        token: token_sent.into(),
    });
    assert_eq!(sent(ask), as_sent(listen));
    assert!(parts.subscriptions.socket(3, addr(9)).is_some());
}

#[test]
fn a_node_that_owes_a_reply_has_another_asked_in_its_place() {
    let mut parts = LookupParts::new(Config::default());
    let id = v4(key(1));
    parts.get(id, &[1]);
    let (node, ask) = parts.poll_request(id);
    assert!(!parts.send(id, node, ask));
    let later = NOW + Duration::from_secs(2);
    assert!(parts.outbox.rpc.poll_no_reply(later).is_some());
    parts.get(id, &[1]);
    assert!(parts.send(id, node, LookupRequest::Find));
    assert!(!parts.send(id, node, LookupRequest::Refresh(ValueId(1), vec![7].into())));
}

#[test]
fn a_node_that_cannot_be_asked_counts_as_failed() {
    let mut config = Config::default();
    config.transport.max_requests = 0;
    let mut parts = LookupParts::new(config);
    let id = v4(key(1));
    parts.get(id, &[1]);
    let (node, ask) = parts.poll_request(id);
    assert!(!parts.send(id, node, ask));
    assert!(matches!(parts.poll(id), Some(LookupAction::Answered(..))));
}

#[test]
fn listens_of_different_keys_are_renewed_at_different_times() {
    let parts = LookupParts::new(Config::default());
    let ending = |last| {
        let mut bytes = [0; InfoHash::LEN];
        bytes[InfoHash::LEN - 1] = last;
        parts.lookups.renewal(InfoHash::new(bytes), 0)
    };
    let renewal = ListenConfig::default().renewal;
    assert_eq!(ending(0), renewal);
    assert_eq!(ending(255), renewal * (1_024 - 255) / 1_024);
}

/// What lookups work with.
struct LookupParts {
    lookups: Lookups,
    contacts: Contacts,
    connectivity: Connectivity,
    subscriptions: Subscriptions,
    outbox: Outbox,
}

impl LookupParts {
    fn new(config: Config) -> Self {
        let (listen, types) = (ListenConfig::default(), ValueTypes::default());
        Self {
            lookups: Lookups::new(&config, Origin::default()),
            contacts: Contacts::new(OWN, &RoutingConfig::default(), 14),
            connectivity: Connectivity::new(NOW, &ConnectivityConfig::default()),
            subscriptions: Subscriptions::new(OWN, listen, types),
            outbox: Outbox::new(OWN, &config, Seed::from_number(1).public()),
        }
    }

    fn open(&mut self, id: LookupId) {
        self.lookups.open(NOW, id, &self.contacts);
    }

    fn offer(&mut self, id: LookupId, number: u32) {
        let contact = Contact::new(key(number), addr(number as u16));
        self.lookups.get_mut(id).unwrap().offer(&[contact], true);
    }

    /// Starts a get that knows some nodes.
    fn get(&mut self, id: LookupId, nodes: &[u32]) {
        self.open(id);
        for number in nodes {
            self.offer(id, *number);
        }
        let find = FindKind::Value(Query::default());
        self.lookups.get_mut(id).unwrap().ask(NOW, OP, find);
    }

    fn subscribe(&mut self, id: LookupId) {
        self.open(id);
        self.lookups.get_mut(id).unwrap().subscribe(NOW, OP);
        self.lookups.set_lasting(id);
    }

    fn poll(&mut self, id: LookupId) -> Option<LookupAction> {
        let view = NodeView::new(&self.contacts, &self.connectivity, &self.subscriptions);
        self.lookups.poll(NOW, id, view, &mut self.outbox)
    }

    fn poll_request(&mut self, id: LookupId) -> (Contact, LookupRequest) {
        match self.poll(id) {
            Some(LookupAction::Request(contact, ask)) => (contact, ask),
            other => panic!("{other:?}"),
        }
    }

    fn send(&mut self, id: LookupId, node: Contact, ask: LookupRequest) -> bool {
        let (subscriptions, outbox) = (&mut self.subscriptions, &mut self.outbox);
        let step = LookupStep { id, node, ask };
        self.lookups.send(NOW, step, subscriptions, outbox)
    }

    fn rest(&mut self, id: LookupId, at: Timestamp) {
        self.lookups.rest(NOW, id, at, &mut self.outbox);
        let view = NodeView::new(&self.contacts, &self.connectivity, &self.subscriptions);
        (self.lookups).schedule_background(NOW, view, &mut self.outbox);
    }

    fn next_background(&mut self) -> Option<LookupId> {
        let view = NodeView::new(&self.contacts, &self.connectivity, &self.subscriptions);
        self.lookups.next_background(NOW, view)
    }

    /// Reports whether a timer is set, and stops it.
    fn is_set(&mut self, timer: Timer) -> bool {
        let before = format!("{:?}", self.outbox.timers);
        self.outbox.timers.stop(timer);
        format!("{:?}", self.outbox.timers) != before
    }
}

fn v4(key: InfoHash) -> LookupId {
    LookupId::of(key)[0]
}

fn key(number: u32) -> InfoHash {
    InfoHash::of(&number.to_be_bytes())
}

fn addr(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

fn value(id: u64) -> Value {
    wire::pack(&Draft::from("text"), ValueId(id))
}
