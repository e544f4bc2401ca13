//! A node among peers: every message of theirs is made by hand.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::node::{Core, Event, LookupId, Node, Output, PutOptions, Status, Timer, Transmit};
use crate::value::{Query, Value, ValueId};
use crate::wire::{
    self, ErrorCode, FindRequest, GetRequest, ListenRequest, Message, Nodes, Payload, Reply,
    Request, SocketId, Tid, UpdateRequest, Values,
};
use crate::{Config, Contact, Draft, Family, InfoHash, Origin, Seed, Timestamp};

const SECOND: Duration = Duration::from_secs(1);
const KEY: InfoHash = InfoHash::new([0x56; InfoHash::LEN]);

#[test]
fn a_sender_of_requests_is_pinged_and_good_when_it_answers() {
    let mut node = Alone::new();
    node.ask(1, Request::Ping);
    let ping = node.request("ping");
    assert_eq!(ping.to, addr(1));
    assert!(node.sent.is_empty(), "but for the answer");
    node.ask(1, Request::Ping);
    assert!(node.find("ping").is_none(), "it has been pinged");
    assert_eq!(node.it.status(Family::V4), Status::Disconnected);
    node.answer(&ping, 1, Reply::default());
    assert_eq!(node.it.status(Family::V4), Status::Connected);
    let status = Status::Connected;
    let family = Family::V4;
    assert_eq!(node.events, [Event::StatusChanged { family, status }]);
}

#[test]
fn a_client_does_not_become_a_contact() {
    let mut node = Alone::new();
    node.receive(1, Tid(1), true, request(1, Request::Ping));
    assert!(node.find("ping").is_none());
    node.bootstrap(2);
    let ping = node.request("ping");
    let tid = wire::decode(&ping.bytes).unwrap().tid;
    let (sender, reply) = (id(2), Reply::default());
    node.receive(2, tid, true, Payload::Reply { sender, reply });
    assert_ne!(node.it.status(Family::V4), Status::Connected);
}

#[test]
fn the_lookup_of_the_own_id_is_repeated_while_few_are_known() {
    let mut node = Alone::connected();
    let walk = node.request_to_own("find");
    node.answer_with_token(&walk, 1, &[]);
    node.run(SECOND / 2);
    let again = node.request_to_own("find");
    assert_eq!(again.to, addr(1));
}

#[test]
fn a_token_is_kept_if_it_has_at_most_64_bytes() {
    for (len, is_kept) in [(0, false), (1, true), (64, true), (65, false)] {
        let mut node = Alone::connected();
        node.it.get(node.now, KEY, Query::default()).unwrap();
        node.drain();
        let get = node.request("get");
        let token = vec![7; len];
        let reply = Reply {
            token: Some(token.into()),
            ..Reply::default()
        };
        node.answer(&get, 1, reply);
        let dropped = node.it.stats(node.now).traffic.dropped_source;
        node.ask(1, Request::Ping);
        let dropped = node.it.stats(node.now).traffic.dropped_source - dropped;
        assert_eq!(dropped == 0, is_kept, "{len} bytes");
    }
}

#[test]
fn contacts_that_a_reply_names_are_asked_as_far_as_they_can_be_any() {
    let mut node = Alone::connected();
    node.it.get(node.now, KEY, Query::default()).unwrap();
    node.drain();
    let get = node.request("get");
    let own = node.it.id();
    let named = [
        Contact::new(id(2), addr(2)),
        Contact::new(own, addr(3)),
        Contact::new(InfoHash::ZERO, addr(4)),
        Contact::new(id(5), ([0, 0, 0, 1], 5).into()),
    ];
    node.answer_with_token(&get, 1, &named);
    let asked: Vec<_> = std::iter::from_fn(|| node.find("get")).collect();
    assert_eq!(asked.iter().map(|it| it.to).collect::<Vec<_>>(), [addr(2)]);
}

#[test]
fn a_loopback_address_in_a_reply_names_the_host_of_its_sender() {
    let mut node = Alone::new();
    let far: SocketAddr = ([192, 0, 2, 1], 7).into();
    node.it.bootstrap(node.now, &[far]);
    node.drain();
    let ping = node.request("ping");
    let sender = id(7);
    let tid = wire::decode(&ping.bytes).unwrap().tid;
    let reply = Reply::default();
    node.receive_from(far, tid, false, Payload::Reply { sender, reply });
    node.it.get(node.now, KEY, Query::default()).unwrap();
    node.drain();
    let get = node.request("get");
    let contacts = [Contact::new(id(2), addr(2))];
    let reply = Reply {
        nodes4: Nodes::new(&contacts),
        token: Some((&[7][..]).into()),
        ..Reply::default()
    };
    let tid = wire::decode(&get.bytes).unwrap().tid;
    node.receive_from(far, tid, false, Payload::Reply { sender, reply });
    let next = node.request("get");
    assert_eq!(next.to, ([192, 0, 2, 1], 2).into());
}

#[test]
fn a_node_can_name_contacts_of_its_own_network_and_of_wider_ones() {
    let all = [
        [127, 0, 0, 1],
        [169, 254, 0, 1],
        [192, 168, 1, 1],
        [100, 64, 0, 1],
        [203, 0, 113, 1],
    ];
    for (place, namer) in all.into_iter().enumerate() {
        let mut node = Alone::new();
        let namer: SocketAddr = (namer, 7).into();
        node.it.bootstrap(node.now, &[namer]);
        node.drain();
        let ping = node.request("ping");
        node.answer(&ping, 7, Reply::default());
        node.it.get(node.now, KEY, Query::default()).unwrap();
        node.drain();
        let get = node.request("get");
        let contacts = (11..).zip(all);
        let contacts = contacts.map(|(number, ip)| Contact::new(id(number), (ip, number).into()));
        node.answer_with_token(&get, 7, &contacts.collect::<Vec<_>>());
        let known = node.it.contacts.table(Family::V4).candidates(&KEY, 9);
        let mut known: Vec<_> = known.into_iter().map(|it| it.addr.ip()).collect();
        known.sort_by_key(|ip| all.iter().position(|it| IpAddr::from(*it) == *ip));
        known.dedup();
        let expected: Vec<_> = all.into_iter().skip(place).map(IpAddr::from).collect();
        assert_eq!(known, expected, "{namer}");
    }
}

#[test]
fn no_more_than_eight_contacts_are_taken_from_a_reply() {
    let mut node = Alone::connected();
    let named: Vec<_> = (2..20)
        .map(|number| Contact::new(id(number), addr(number)))
        .collect();
    node.it.get(node.now, KEY, Query::default()).unwrap();
    node.drain();
    let get = node.request("get");
    node.answer_with_token(&get, 1, &named);
    let known = node.it.stats(node.now).families.v4.contacts;
    assert_eq!(known.good + known.dubious, 9);
}

#[test]
fn another_node_at_the_address_of_a_contact_takes_its_place() {
    let mut node = Alone::connected();
    node.it.get(node.now, KEY, Query::default()).unwrap();
    node.drain();
    let get = node.request("get");
    node.answer_with_token(&get, 2, &[]);
    let again = node.request("get");
    assert_eq!(again.to, addr(1));
    node.answer_with_token(&again, 2, &[]);
    node.run(SECOND / 10);
    assert!(node.has_ended());
    let good = node.it.export_contacts(node.now);
    assert_eq!(good, [Contact::new(id(2), addr(1))]);
}

#[test]
fn a_contact_that_has_become_another_node_is_dropped() {
    let mut node = Alone::new();
    node.it
        .insert_contacts(node.now, &[Contact::new(id(1), addr(1))]);
    node.drain();
    let ping = node.request("ping");
    node.answer(&ping, 2, Reply::default());
    let known = node.it.stats(node.now).families.v4.contacts;
    assert_eq!((known.good, known.dubious), (1, 0));
    assert_eq!(node.it.export_contacts(node.now)[0].id, id(2));
}

#[test]
fn one_address_that_speaks_for_all_contacts_gets_the_place_of_none() {
    let mut node = Alone::connected();
    for number in 2..12 {
        node.join(number);
    }
    let before = node.it.export_contacts(node.now);
    assert_eq!(before.len(), 11);
    node.now = node.now + SECOND * 20;
    node.sent.clear();
    let foe: SocketAddr = ([127, 0, 0, 9], 9).into();
    for number in 1..12 {
        for _ in 0..3 {
            node.receive_from(foe, Tid(9), false, request(number, Request::Ping));
        }
        node.drop_replies();
        let ping = node.request("ping");
        assert_eq!(ping.to, addr(number), "the contact is asked");
        assert!(node.find("ping").is_none(), "once");
        node.answer(&ping, number, Reply::default());
        node.receive_from(foe, Tid(9), false, request(number, Request::Ping));
        node.drop_replies();
        assert!(node.find("ping").is_none(), "it has just replied");
    }
    assert_eq!(node.it.export_contacts(node.now), before);
}

#[test]
fn one_address_has_two_contacts_under_however_many_ids_it_answers() {
    let mut config = Config::default();
    config.routing.limit_private_networks = true;
    let mut node = Alone::with(config);
    node.bootstrap(1);
    let ping = node.request("ping");
    node.answer(&ping, 1, Reply::default());
    node.it.get(node.now, KEY, Query::default()).unwrap();
    node.drain();
    let get = node.request("get");
    let named: Vec<_> = (2..10).map(|it| Contact::new(id(it), addr(it))).collect();
    node.answer_with_token(&get, 1, &named);
    while let Some(get) = node.find("get") {
        let number = get.to.port();
        node.answer_with_token(&get, number, &[]);
    }
    let v4 = node.it.stats(node.now).families.v4;
    assert_eq!(v4.contacts.good, 2);
    assert!(v4.crowded_out > 0);
}

#[test]
fn a_contact_that_has_another_address_now_is_known_there_within_seconds() {
    let mut node = Alone::connected();
    node.join(2);
    node.now = node.now + SECOND * 20;
    node.sent.clear();
    let moved: SocketAddr = ([127, 0, 0, 1], 77).into();
    node.receive_from(moved, Tid(9), false, request(2, Request::Ping));
    node.drop_replies();
    let ping = loop {
        let ping = node.wait_for("ping", SECOND * 10);
        if ping.to == moved {
            break ping;
        }
        assert_eq!(ping.to, addr(2));
    };
    node.answer(&ping, 2, Reply::default());
    let good = node.it.export_contacts(node.now);
    assert!(good.contains(&Contact::new(id(2), moved)), "{good:?}");
    assert_eq!(good.len(), 2);
}

#[test]
fn a_put_that_is_refused_for_good_is_not_repeated() {
    let mut node = Alone::connected();
    let put = node.put_with_token();
    node.refuse(&put, ErrorCode(999));
    node.run(SECOND / 10);
    assert!(node.find("put").is_none());
    assert_eq!(node.put_report(), (0, 1));
}

#[test]
fn accepted_tokens_clear_the_record_of_refused_ones() {
    let mut node = Alone::connected();
    let put = node.put_with_token();
    for _ in 0..Config::default().transport.max_auth_errors {
        node.outcome_of_auth_error();
    }
    node.acknowledge(&put);
    let errors = node.outcome_of_auth_error();
    assert_eq!(errors, 1);
}

#[test]
fn a_find_that_is_refused_ends_without_its_answer() {
    let mut node = Alone::connected();
    node.it.get(node.now, KEY, Query::default()).unwrap();
    node.drain();
    let get = node.request("get");
    node.refuse(&get, ErrorCode::UNAUTHORIZED);
    node.run(SECOND / 10);
    assert!(node.has_ended());
}

#[test]
fn a_listen_hears_of_updates_by_its_storing_node_alone() {
    let mut node = Alone::connected();
    let op = node.it.listen(node.now, KEY, Query::default()).unwrap();
    node.drain();
    let walk = node.request_for_key();
    node.answer_with_token(&walk, 1, &[]);
    let listen = node.request("listen");
    let Request::Listen(asked) = request_of(&listen) else {
        panic!("a listen");
    };
    assert_eq!((asked.key, &asked.token[..]), (KEY, &[7][..]));
    let socket = asked.socket;
    node.answer(&listen, 1, Reply::default());
    node.events.clear();
    let values = [value(3)];
    let update = |expired: &'static [ValueId], values: &'static [Value]| UpdateRequest {
        socket,
        key: Some(KEY),
        values: Values::new(values),
        created: None,
        refreshed: (&[][..]).into(),
        expired: expired.into(),
        token: (&[8][..]).into(),
    };
    let told: &'static [Value] = Vec::leak(values.to_vec());
    node.receive(
        2,
        Tid(5),
        false,
        request(2, Request::Update(update(&[], told))),
    );
    assert!(node.events.is_empty());
    node.receive(
        1,
        Tid(6),
        false,
        request(1, Request::Update(update(&[], told))),
    );
    let values = told.to_vec();
    assert_eq!(node.events, [Event::Values { op, values }]);
    node.events.clear();
    let gone: &'static [ValueId] = &[ValueId(3)];
    node.receive(
        1,
        Tid(7),
        false,
        request(1, Request::Update(update(gone, &[]))),
    );
    let values = told.to_vec();
    assert_eq!(node.events, [Event::Expired { op, values }]);

    // The other address replies in the name of the same node, so that is asked there as well.
    let renewal = loop {
        let listen = node.wait_for("listen", SECOND * 60);
        if listen.to == addr(1) {
            break listen;
        }
    };
    let Request::Listen(renewed) = request_of(&renewal) else {
        panic!("a listen");
    };
    assert_eq!(&renewed.token[..], [8], "the token of the last update");
}

#[test]
fn listens_of_an_address_end_when_it_confirms_nothing_and_not_when_it_answers_under_another_id() {
    let mut node = Alone::connected();
    node.join(2);
    let find = Request::Find(FindRequest {
        target: KEY,
        want: None,
    });
    node.receive(2, Tid(9), false, request(2, find));
    let token =
        node.sent
            .iter()
            .find_map(|sent| match wire::decode(&sent.bytes).unwrap().payload {
                Payload::Reply { reply, .. } => reply.token.map(|token| token.to_vec()),
                _ => None,
            });
    let listen = ListenRequest {
        key: KEY,
        version: 1,
        socket: SocketId(9),
        query: Query::default(),
        token: token.unwrap().into(),
    };
    node.ask(2, Request::Listen(listen));
    let listeners = |node: &Alone| node.it.stats(node.now).listeners;
    assert_eq!(listeners(&node), 1);

    node.sent.clear();
    node.receive(2, Tid(9), false, request(3, Request::Ping));
    let ping = node.request("ping");
    assert_eq!(ping.to, addr(2));
    node.answer(&ping, 2, Reply::default());
    node.receive(2, Tid(9), false, request(4, Request::Ping));
    node.run(SECOND * 20);
    assert_eq!(listeners(&node), 1, "nor when it does not answer a ping");

    let _ = node
        .it
        .put(node.now, KEY, value(7), PutOptions::default())
        .unwrap();
    node.drain();
    let update = node.wait_for("update", SECOND * 20);
    assert_eq!(update.to, addr(2));
    node.run(SECOND * 20);
    assert_eq!(listeners(&node), 0);
}

#[test]
fn what_is_exported_can_be_imported_and_is_told_to_listens() {
    let mut node = Alone::new();
    let put = PutOptions::default();
    let _ = node.it.put(node.now, KEY, value(7), put).unwrap();
    let records = node.it.export_values();
    let mut other = Alone::new();
    let op = other.it.listen(other.now, KEY, Query::default()).unwrap();
    assert_eq!(other.it.import_values(other.now, &records), 1);
    other.drain();
    let values = vec![value(7)];
    assert_eq!(other.events, [Event::Values { op, values }]);
    let lifetime = Config::default()
        .value_types
        .rules(value(7).value_type())
        .lifetime;
    other.run(lifetime.saturating_sub(SECOND));
    assert_eq!(other.it.list_stored(other.now)[0].values.len(), 1);
    other.run(SECOND * 2);
    assert!(other.it.list_stored(other.now).is_empty());
}

#[test]
fn what_a_node_has_is_listed() {
    let mut node = Alone::connected();
    let permanent = PutOptions {
        permanent: true,
        created: None,
    };
    let _ = node.it.put(node.now, KEY, value(7), permanent).unwrap();
    let _ = node
        .it
        .put(node.now, KEY, value(8), PutOptions::default())
        .unwrap();
    let stored = node.it.list_stored(node.now);
    let lifetime = Config::default()
        .value_types
        .rules(value(8).value_type())
        .lifetime;
    let expiries: Vec<_> = stored[0].values.iter().map(|it| it.expires_in).collect();
    assert_eq!(expiries, [None, Some(lifetime)]);
    let contacts = node.it.list_contacts(node.now);
    assert_eq!(contacts.len(), 1);
    assert_eq!(node.it.list_lookups(Some(KEY)).len(), 2);
    assert_eq!(node.it.list_lookups(Some(id(99))).len(), 0);
    assert!(node.it.list_lookups(None).len() > 2);
    let stats = node.it.stats(node.now);
    assert_eq!((stats.operations, stats.storage.values), (2, 2));
}

#[test]
fn permanent_puts_and_listens_learn_of_a_contact_that_was_just_validated() {
    let mut node = Alone::connected();
    let _ = node.it.listen(node.now, KEY, Query::default()).unwrap();
    node.drain();
    let walk = node.request_for_key();
    node.answer_with_token(&walk, 1, &[]);
    node.sent.clear();
    node.join(2);
    let asked = node.request_for_key();
    assert_eq!(asked.to, addr(2));
}

#[test]
fn a_value_too_large_or_without_an_id_or_a_key_is_not_put() {
    use crate::node::OpError;

    let mut node = Alone::new();
    let mut put = |key, value| node.it.put(node.now, key, value, PutOptions::default());
    assert_eq!(put(KEY, value(0)), Err(OpError::ZeroId));
    assert_eq!(put(InfoHash::ZERO, value(1)), Err(OpError::ZeroKey));
    let largest = wire::pack(&Draft::new(vec![7; Value::MAX_CONTENT - 100]), ValueId(1));
    assert!(put(KEY, largest).is_ok());
    let large = wire::pack(&Draft::new(vec![7; Value::MAX_CONTENT + 1]), ValueId(1));
    assert!(matches!(put(KEY, large), Err(OpError::TooLarge(_))));
}

#[test]
fn a_put_replaces_an_older_one_of_the_same_value_id() {
    let mut node = Alone::connected();
    let first = node
        .it
        .put(node.now, KEY, value(7), PutOptions::default())
        .unwrap();
    let second = node
        .it
        .put(node.now, KEY, value(7), PutOptions::default())
        .unwrap();
    node.drain();
    let done: Vec<_> = node.events.iter().filter_map(ended).collect();
    assert_eq!(done, [first]);
    assert!(node.it.announced(KEY, ValueId(7)).is_some());
    assert!(node.it.announced(KEY, ValueId(8)).is_none());
    assert!(node.it.cancel_put(node.now, KEY, ValueId(7)));
    node.drain();
    let done: Vec<_> = node.events.iter().filter_map(ended).collect();
    assert_eq!(done, [first, second]);
    assert!(
        !node.it.cancel_put(node.now, KEY, ValueId(7)),
        "nothing is left of it"
    );
    assert!(node.it.stored(KEY, ValueId(7)).is_none());
}

#[test]
fn a_cancelled_get_is_heard_of_no_more() {
    let mut node = Alone::connected();
    let op = node.it.get(node.now, KEY, Query::default()).unwrap();
    node.it.cancel(node.now, op);
    node.drain();
    node.run(SECOND * 5);
    assert!(!node.events.iter().any(|event| ended(event) == Some(op)));
    assert!(
        node.it
            .lookups
            .get(LookupId::of(KEY)[0])
            .is_none_or(crate::lookup::Lookup::is_idle)
    );
}

fn ended(event: &Event) -> Option<crate::node::OpId> {
    match event {
        Event::PutDone { op, .. } | Event::GetDone { op, .. } => Some(*op),
        Event::Values { .. }
        | Event::Expired { .. }
        | Event::Rows { .. }
        | Event::StatusChanged { .. } => None,
    }
}

/// A node, and what it has said so far.
struct Alone {
    it: Node,
    now: Timestamp,
    sent: VecDeque<Transmit>,
    events: Vec<Event>,
    wake: (Timestamp, Timer),
}

impl Alone {
    fn new() -> Self {
        Self::with(Config::default())
    }

    fn with(config: Config) -> Self {
        let seed = Seed::from_number(1);
        let mut node = Self {
            it: Node::new(config, seed, Origin::default()).unwrap(),
            now: Timestamp::ZERO + SECOND * 3_600,
            sent: VecDeque::new(),
            events: Vec::new(),
            wake: (Timestamp::ZERO, Timer::Never),
        };
        node.drain();
        node
    }

    /// A node that knows the first peer.
    fn connected() -> Self {
        let mut node = Self::new();
        node.bootstrap(1);
        let ping = node.request("ping");
        node.answer(&ping, 1, Reply::default());
        node
    }

    fn bootstrap(&mut self, number: u16) {
        self.it.bootstrap(self.now, &[addr(number)]);
        self.drain();
    }

    /// Lets a peer ask something, and answer the ping for that.
    fn join(&mut self, number: u16) {
        self.ask(number, Request::Ping);
        let ping = self.request("ping");
        self.answer(&ping, number, Reply::default());
    }

    /// Starts a put; returns the request that the first peer gets.
    fn put_with(&mut self, options: PutOptions) -> Transmit {
        let _ = self.it.put(self.now, KEY, value(7), options).unwrap();
        self.drain();
        let walk = self.request_for_key();
        self.answer_with_token(&walk, 1, &[]);
        self.request("put")
    }

    fn put_with_token(&mut self) -> Transmit {
        self.put_with(PutOptions::default())
    }

    fn put_report(&self) -> (usize, usize) {
        let report = self.events.iter().find_map(|event| match event {
            Event::PutDone { report, .. } => Some(*report),
            _ => None,
        });
        let report = report.expect("the put is over");
        (report.acknowledged, report.asked)
    }

    /// Notes one more refused token of the first peer; returns how many there are.
    fn outcome_of_auth_error(&mut self) -> u32 {
        self.it.outbox.rpc.peers_mut().on_auth_error(addr(1))
    }

    fn has_ended(&self) -> bool {
        self.events.iter().any(|event| ended(event).is_some())
    }

    fn ask(&mut self, number: u16, asked: Request<'_>) {
        self.receive(number, Tid(9), false, request(number, asked));
        self.drop_replies();
    }

    fn answer(&mut self, asked: &Transmit, number: u16, reply: Reply<'_>) {
        let tid = wire::decode(&asked.bytes).unwrap().tid;
        let sender = id(number);
        let payload = Payload::Reply { sender, reply };
        self.receive_from(asked.to, tid, false, payload);
    }

    fn answer_with_token(&mut self, asked: &Transmit, number: u16, named: &[Contact]) {
        let reply = Reply {
            nodes4: Nodes::new(named),
            token: Some((&[7][..]).into()),
            ..Reply::default()
        };
        self.answer(asked, number, reply);
    }

    fn acknowledge(&mut self, put: &Transmit) {
        let reply = Reply {
            value_id: Some(ValueId(7)),
            ..Reply::default()
        };
        self.answer(put, 1, reply);
    }

    fn refuse(&mut self, asked: &Transmit, code: ErrorCode) {
        let tid = wire::decode(&asked.bytes).unwrap().tid;
        let (sender, text) = (Some(id(1)), "".into());
        let payload = Payload::Error { sender, code, text };
        self.receive_from(asked.to, tid, false, payload);
    }

    fn receive(&mut self, number: u16, tid: Tid, client: bool, payload: Payload<'_>) {
        self.receive_from(addr(number), tid, client, payload);
    }

    fn receive_from(&mut self, from: SocketAddr, tid: Tid, client: bool, payload: Payload<'_>) {
        let message = Message {
            tid,
            network: 0,
            client,
            agent: None,
            payload,
        };
        for bytes in wire::encode(&message) {
            self.it.handle_datagram(self.now, from, &bytes);
        }
        self.drain();
    }

    /// Lets time pass.
    fn run(&mut self, span: Duration) {
        self.timers_until(span);
    }

    /// Lets time pass; returns the timers that went off.
    fn timers_until(&mut self, span: Duration) -> Vec<Timer> {
        let end = self.now + span;
        let mut timers = Vec::new();
        while self.wake.0 <= end {
            self.now = self.now.max(self.wake.0);
            timers.push(self.wake.1);
            self.it.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
        timers
    }

    /// Lets time pass until a request is sent, while the first peer answers all others.
    fn wait_for(&mut self, name: &str, longest: Duration) -> Transmit {
        let end = self.now + longest;
        loop {
            if let Some(found) = self.find(name) {
                return found;
            }
            while let Some(other) = self.sent.pop_front() {
                if is_request(&other) {
                    self.answer_with_token(&other, 1, &[]);
                    if let Some(found) = self.find(name) {
                        return found;
                    }
                }
            }
            assert!(self.wake.0 <= end, "no {name}");
            self.now = self.now.max(self.wake.0);
            self.it.handle_timeout(self.now);
            self.drain();
        }
    }

    fn drain(&mut self) {
        loop {
            match self.it.poll_output() {
                Output::Transmit(transmit) => self.sent.push_back(transmit),
                Output::Event(event) => self.events.push(event),
                Output::Job(_) => {}
                Output::Wake(at, timer) => {
                    self.wake = (at, timer);
                    return;
                }
            }
        }
    }

    fn drop_replies(&mut self) {
        self.sent.retain(is_request);
    }

    /// Takes the first request of a name.
    fn find(&mut self, name: &str) -> Option<Transmit> {
        let index = self
            .sent
            .iter()
            .position(|it| is_request(it) && request_of(it).name() == name)?;
        self.sent.remove(index)
    }

    fn request(&mut self, name: &str) -> Transmit {
        self.find(name).unwrap_or_else(|| panic!("no {name}"))
    }

    fn request_to_own(&mut self, name: &str) -> Transmit {
        let own = self.it.id();
        loop {
            let found = self.request(name);
            if target(&found) == own {
                return found;
            }
        }
    }

    /// Takes the first request about the key.
    fn request_for_key(&mut self) -> Transmit {
        let index = self.sent.iter().position(|it| {
            is_request(it)
                && match request_of(it) {
                    Request::Find(find) => find.target == KEY,
                    Request::Get(GetRequest { key, .. }) => key == KEY,
                    _ => false,
                }
        });
        let index = index.expect("a request about the key");
        self.sent.remove(index).unwrap()
    }
}

fn request_of(transmit: &Transmit) -> Request<'_> {
    match wire::decode(&transmit.bytes).unwrap().payload {
        Payload::Request { request, .. } => request,
        other => panic!("{other:?}"),
    }
}

fn is_request(transmit: &Transmit) -> bool {
    let payload = wire::decode(&transmit.bytes).unwrap().payload;
    matches!(payload, Payload::Request { .. })
}

fn target(transmit: &Transmit) -> InfoHash {
    match request_of(transmit) {
        Request::Find(find) => find.target,
        other => panic!("{other:?}"),
    }
}

fn request(number: u16, request: Request<'_>) -> Payload<'_> {
    let sender = id(number);
    Payload::Request { sender, request }
}

fn id(number: u16) -> InfoHash {
    InfoHash::of(&number.to_be_bytes())
}

fn addr(number: u16) -> SocketAddr {
    ([127, 0, 0, 1], number).into()
}

fn value(id: u64) -> Value {
    wire::pack(&Draft::from("text"), ValueId(id))
}
