//! A server without a network: what it answers, what it stores, and which listeners it tells.

use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::node::answers;
use crate::node::contacts::Contacts;
use crate::node::notices::NoticeStep;
use crate::node::pending_puts::RemotePut;
use crate::node::{Event, Transmit};
use crate::routing::Confidence;
use crate::rpc::ReplyTo;
use crate::value::sample::sample;
use crate::value::{Condition, Field, Query};
use crate::wire::{
    self, FindRequest, GetRequest, Item, ListenRequest, Payload, PutRequest, RefreshRequest,
    Request, SocketId, Tid, UpdateRequest,
};
use crate::{Contact, Draft, Family, ListenConfig, Policy, RoutingConfig, TypeRules, ValueType};

const SECOND: Duration = Duration::from_secs(1);
const NOW: Timestamp = Timestamp::from_micros(3_600_000_000);
const OWN: InfoHash = InfoHash::new([0x55; InfoHash::LEN]);
const KEY: InfoHash = InfoHash::new([0x56; InfoHash::LEN]);
/// A type with signed values that have to be proved.
const SECURED: ValueType = ValueType(77);
const LIFETIME: Duration = Duration::from_secs(600);

#[test]
fn a_find_is_answered_with_contacts_and_a_token() {
    let mut parts = ServerParts::new();
    parts.know(3);
    let find = FindRequest {
        target: KEY,
        want: None,
    };
    let contacts = &parts.contacts;
    (parts.server).on_find(NOW, asker(1), find, contacts, &mut parts.outbox);
    assert_eq!(parts.sent(), ["1: reply, 3 nodes, token"]);
}

#[test]
fn a_get_is_answered_with_what_it_selects() {
    let mut parts = ServerParts::new();
    parts.know(1);
    parts.store(7);
    parts.store(8);
    assert_eq!(
        parts.get(Query::default()),
        "1: reply, 1 nodes, token, values [7, 8]"
    );
    let one = Query {
        conditions: vec![Condition::Id(ValueId(8))],
        ..Query::default()
    };
    assert_eq!(
        parts.get(one.clone()),
        "1: reply, 1 nodes, token, values [8]"
    );
    let rows = Query {
        select: [Field::Id].into(),
        ..one
    };
    assert_eq!(parts.get(rows), "1: reply, 1 nodes, token, 1 rows");
    let none = Query {
        conditions: vec![Condition::Id(ValueId(9))],
        ..Query::default()
    };
    assert_eq!(parts.get(none), "1: reply, 1 nodes, token");
}

#[test]
fn requests_about_no_key_are_malformed() {
    let mut parts = ServerParts::new();
    let get = GetRequest {
        key: InfoHash::ZERO,
        query: Query::default(),
        want: None,
        page: None,
    };
    let contacts = &parts.contacts;
    (parts.server).on_get(NOW, asker(1), get, b"get", contacts, &mut parts.outbox);
    assert_eq!(parts.sent(), ["1: error 203"]);
    let token = parts.token(1);
    let listen = ListenRequest {
        key: InfoHash::ZERO,
        ..listen_request(1, &token)
    };
    parts
        .server
        .on_listen(NOW, asker(1), listen, &mut parts.outbox);
    assert_eq!(parts.sent(), ["1: error 203"]);
    assert!(!parts.may_put(InfoHash::ZERO, &token));
    assert_eq!(parts.sent(), ["1: error 203"]);
}

#[test]
fn without_a_token_of_this_node_nothing_is_stored_or_listened_to() {
    let mut parts = ServerParts::new();
    let wrong = parts.token(2);
    assert!(!parts.may_put(KEY, &wrong));
    assert_eq!(parts.sent(), ["1: error 401"]);
    let listen = listen_request(1, &wrong);
    parts
        .server
        .on_listen(NOW, asker(1), listen, &mut parts.outbox);
    assert_eq!(parts.sent(), ["1: error 401"]);
    parts.refresh(7, &wrong);
    assert_eq!(parts.sent(), ["1: error 401"]);
    assert_eq!(parts.server.listeners.len(), 0);
    assert!(!parts.outbox.rpc.peers().is_validated(NOW, &addr(1)));

    let right = parts.token(1);
    assert!(parts.may_put(KEY, &right));
    assert!(parts.outbox.rpc.peers().is_validated(NOW, &addr(1)));
}

#[test]
fn a_listener_is_told_what_is_stored_and_what_changes() {
    let mut parts = ServerParts::new();
    parts.store(7);
    parts.listen(1);
    let first = "1: update 9, values [7]";
    assert_eq!(parts.sent(), [first, "1: reply, token"]);
    assert!(parts.timer(Timer::Listeners).is_some());
    parts.listen(1);
    assert_eq!(parts.sent(), ["1: reply, token"], "it has been told");

    parts.put(value(8));
    let stored = "1: update 9, values [8]";
    assert_eq!(parts.sent(), [stored, "1: reply, id 8"]);
    parts.put(value(8));
    let refreshed = "1: update 9, refreshed [8]";
    assert_eq!(parts.sent(), [refreshed, "1: reply, id 8"]);
    let token = parts.token(1);
    parts.refresh(8, &token);
    assert_eq!(parts.sent(), [refreshed, "1: reply, id 8"]);

    let later = NOW + Duration::from_secs(3_600);
    parts.expire(later);
    let gone = ["1: update 9, expired [7]", "1: update 9, expired [8]"];
    assert_eq!(parts.sent(), gone);
    parts.gone(1);
    parts.put(value(9));
    assert_eq!(parts.sent(), ["1: reply, id 9"]);
}

#[test]
fn a_listener_of_the_first_version_is_told_by_bare_replies() {
    let mut parts = ServerParts::new();
    parts.store(7);
    let token = parts.token(1);
    let listen = ListenRequest {
        version: 0,
        ..listen_request(1, &token)
    };
    parts
        .server
        .on_listen(NOW, asker(1), listen, &mut parts.outbox);
    let told = "9: reply, token, values [7]";
    assert_eq!(parts.sent_with_tid(), [told, "1: reply, token"]);
    parts.refresh(7, &token);
    let refreshed = "9: notice, refreshed [7]";
    assert_eq!(parts.sent_with_tid(), [refreshed, "1: reply, id 7"]);
    parts.expire(NOW + Duration::from_secs(3_600));
    assert_eq!(parts.sent_with_tid(), ["9: notice, expired [7]"]);
}

#[test]
fn many_values_are_told_in_several_updates() {
    let mut parts = ServerParts::new();
    for id in 1..=4 {
        let value = wire::pack(&Draft::new(vec![7; 20_000]), ValueId(id));
        assert!(
            parts
                .server
                .store_own(NOW, &KEY, &value, parts.today(), true)
        );
    }
    parts.listen(1);
    let updates = |parts: &mut ServerParts| {
        let sent = parts.sent();
        let heads = sent.iter().filter(|it| it.starts_with("1: update"));
        heads.count()
    };
    assert_eq!(updates(&mut parts), 1);
    parts.confirm(1, 1);
    assert_eq!(updates(&mut parts), 1, "when the first is confirmed");
    parts.confirm(1, 1);
    parts.gone(1);
    parts.confirm(1, 2);
    assert_eq!(updates(&mut parts), 0);
}

#[test]
fn a_listener_that_is_slow_is_told_the_rest_in_few_updates() {
    let mut parts = ServerParts::new();
    parts.listen(1);
    for id in 1..=20 {
        parts.put(value(id));
    }
    let sent = parts.sent();
    let updates = sent.iter().filter(|it| it.starts_with("1: update"));
    assert_eq!(updates.count(), 16);
    let token = parts.token(1);
    parts.refresh(18, &token);
    parts.refresh(3, &token);
    parts.sent();
    parts.confirm(1, 1);
    assert_eq!(parts.sent(), ["1: update 9, values [17, 18, 19, 20]"]);
    parts.confirm(1, 2);
    assert_eq!(parts.sent(), ["1: update 9, refreshed [3]"]);
    (3..=18).for_each(|number| parts.confirm(1, number));
    assert!(parts.sent().is_empty() && parts.server.notices.at(addr(1)).is_empty());
}

#[test]
fn a_listener_that_confirms_nothing_is_forgotten() {
    let mut parts = ServerParts::new();
    parts.listen(1);
    for id in 1..=2_000 {
        parts.put(value(id));
    }
    assert_eq!(parts.server.listeners.len(), 0);
    assert_eq!(parts.server.listeners.displaced(), 1);
    assert_eq!(parts.outbox.rpc.pending_count(), 0);
}

#[test]
fn notices_have_a_bound_in_bytes_and_the_source_that_has_most_gives_way() {
    let mut config = Config::default();
    config.listen.max_notice_bytes = 200_000;
    let mut parts = ServerParts::with(config);
    let listen = |parts: &mut ServerParts, from: SocketAddr| {
        let token = parts.server.tokens.token(from).to_vec();
        let listen = listen_request(1, &token);
        let reply_to = ReplyTo {
            addr: from,
            tid: Tid(1),
        };
        (parts.server).on_listen(NOW, reply_to, listen, &mut parts.outbox);
    };
    let large = |id| wire::pack(&Draft::new(vec![7; 40_000]), ValueId(id));
    let [first, second] = [addr(1), ([192, 0, 2, 1], 1).into()];
    listen(&mut parts, first);
    listen(&mut parts, addr(2));
    parts.put_from(3, large(1));
    parts.put_from(3, large(2));
    assert_eq!(parts.outbox.rpc.pending_count(), 3, "the fourth waits");
    listen(&mut parts, second);
    // Its first notice has the values in it that one of the others loses its place for.
    assert_eq!(parts.server.listeners.len(), 2);
    assert!(parts.server.listeners.find(&KEY, second, 9).is_some());
    assert!(parts.outbox.rpc.pending_count() <= 3);
    let _ = parts.sent();
    for number in 1..=9 {
        parts.confirm(1, number);
        parts.confirm(2, number);
        let notice = NoticeStep {
            key: KEY,
            socket: 9,
            number,
        };
        (parts.server).on_confirmed(NOW, second, notice, &mut parts.outbox);
    }
    for at in [first, addr(2), second] {
        assert!(parts.server.notices.at(at).is_empty());
    }
    assert_eq!(parts.server.listeners.displaced(), 1);
}

#[test]
fn an_answer_has_room_for_values_of_all_sources_and_signed_ones_first() {
    let mut parts = ServerParts::new();
    for id in 1..=500 {
        parts.put_from(1, wire::pack(&Draft::new(vec![7; 100]), ValueId(id)));
    }
    let lone = wire::pack(&Draft::new(vec![7; 100]), ValueId(501));
    let proved = sample(502).data(&[7; 100]);
    let proved = proved.signed(b"owner", 1, b"signature").build();
    for (host, value) in [(2, lone), (1, proved)] {
        let incoming = Incoming {
            value,
            source: Some(Source::of([192, 0, 2, host].into())),
            created: NOW,
            expires: NOW + SECOND,
        };
        let _ = parts.server.storage.store(NOW, &KEY, incoming);
    }
    let query = Query::default();
    let answer = parts.server.answer(&KEY, &query, None);
    let total: usize = answer.values.iter().map(|it| answers::cost(it)).sum();
    assert!((31 << 10..=32 << 10).contains(&total), "{total}");
    let first: Vec<_> = answer.values[..3].iter().map(|it| it.id().0).collect();
    assert!(first.contains(&501) && first.contains(&502), "{first:?}");
    assert_eq!(answer.rest.map(|rest| rest.total), Some(502));
}

#[test]
fn rows_fit_into_a_datagram_however_many_there_are() {
    let mut parts = ServerParts::new();
    let today = parts.today();
    for id in 0..20_000_u64 {
        let value = wire::pack(&Draft::from("text"), ValueId(u64::MAX - id * 7));
        assert!(parts.server.store_own(NOW, &KEY, &value, today, false));
    }
    let query = Query {
        select: Field::ALL.into(),
        conditions: Vec::new(),
    };
    parts.outbox.rpc.peers_mut().on_token(NOW, addr(1));
    let get = |page| GetRequest {
        key: KEY,
        query: query.clone(),
        want: None,
        page,
    };
    let mut answer = |page| {
        let contacts = &parts.contacts;
        let outbox = &mut parts.outbox;
        (parts.server).on_get(NOW, asker(1), get(page), &[], contacts, outbox);
        let sent = parts.outbox.poll_transmit().unwrap();
        assert!(parts.outbox.poll_transmit().is_none());
        sent.bytes
    };
    let plain = answer(None);
    assert!((40_000..65_000).contains(&plain.len()), "{}", plain.len());
    let (mut from, mut rows, mut pages) = (Some(ValueId(0)), 0, 0);
    while let Some(id) = from {
        let page = answer(Some(wire::Page::From(id)));
        assert!(page.len() < 17_000, "{}", page.len());
        let Payload::Reply { reply, .. } = wire::decode(&page).unwrap().payload else {
            panic!("no reply");
        };
        let count = reply.rows.unwrap().iter().count();
        let rest = reply.rest.unwrap();
        assert_eq!(rest.digests.len(), 8 * count);
        (from, rows, pages) = (rest.next, rows + count, pages + 1);
    }
    assert_eq!(rows, 20_000);
    assert!(pages > 20, "{pages}");
}

#[test]
fn listens_of_the_application_hear_of_what_is_stored_here() {
    let mut parts = ServerParts::new();
    let op = crate::node::OpId(1);
    parts.subscriptions.start(op, KEY, Query::default());
    parts.put(value(7));
    let values = vec![value(7)];
    let stored = Event::Values { op, values };
    assert_eq!(parts.outbox.poll_event(), Some(stored));
    parts.expire(NOW + Duration::from_secs(3_600));
    let values = vec![value(7)];
    let gone = Event::Expired { op, values };
    assert_eq!(parts.outbox.poll_event(), Some(gone));
    assert_eq!(parts.outbox.poll_event(), None);
}

#[test]
fn a_put_is_stored_and_acknowledged_unless_it_cannot_be() {
    let mut parts = ServerParts::new();
    parts.put(value(0));
    assert_eq!(parts.sent(), ["1: error 203"]);
    parts.put_if(value(7), true);
    assert_eq!(parts.sent(), ["1: reply, id 7"]);
    assert!(parts.server.find(&KEY, ValueId(7)).is_none(), "it is far");
    parts.put(value(7));
    assert_eq!(parts.sent(), ["1: reply, id 7"]);
    assert!(parts.server.find(&KEY, ValueId(7)).is_some());
    assert!(parts.timer(Timer::Storage).is_some());
    let other = wire::pack(&Draft::from("other"), ValueId(7));
    parts.put(other);
    assert_eq!(parts.sent(), ["1: reply, id 7"]);
    assert_eq!(parts.server.find(&KEY, ValueId(7)), Some(&value(7)));
    assert_eq!(parts.server.refused_puts, 1);
}

#[test]
fn a_value_lives_from_its_creation_on_but_not_from_the_future() {
    let mut parts = ServerParts::new();
    let today = parts.today();
    let lifetime = parts.server.lifetime(&value(1));
    let before =
        |span: Duration| UnixTime::from_micros(today.as_micros() - span.as_micros() as u64);
    for (id, created) in [
        (1, before(lifetime)),
        (2, before(SECOND)),
        (3, today + SECOND),
    ] {
        let put = RemotePut {
            created: Some(created),
            ..remote_put(value(id))
        };
        parts.on_put(put);
        assert_eq!(parts.sent(), [format!("1: reply, id {id}")]);
    }
    let expiry = |id| {
        let entry = parts.server.export().into_iter();
        let mut of_id = entry.filter(|record| record.value.id() == ValueId(id));
        of_id.next().map(|record| record.expiry)
    };
    assert_eq!(expiry(1), None);
    assert_eq!(expiry(2), Some(Some(before(SECOND) + lifetime)));
    assert_eq!(expiry(3), Some(Some(today + lifetime)));
}

#[test]
fn a_value_that_there_is_no_room_for_is_refused() {
    let mut config = Config::default();
    config.storage.max_values_per_key = 1;
    let mut parts = ServerParts::with(config);
    parts.store(1);
    parts.put(value(2));
    assert_eq!(parts.server.refused_puts, 1);
    assert_eq!(
        parts.server.batch(&KEY, &Query::default(), ValueId(0)).0,
        [value(1)]
    );
}

#[test]
fn a_large_answer_is_not_made_for_an_address_that_is_not_validated() {
    let mut parts = ServerParts::new();
    for id in 1..=40 {
        parts.store(id);
    }
    let rows = Query {
        select: [Field::Id].into(),
        conditions: Vec::new(),
    };
    for query in [Query::default(), rows] {
        assert_eq!(parts.get(query.clone()), "", "it waits");
        let page = Some(wire::Page::From(ValueId(0)));
        let unvalidated = (parts.server).is_for_validated(&KEY, &query, page.as_ref(), 600);
        assert!(unvalidated);
    }
    parts.outbox.rpc.peers_mut().on_token(NOW, addr(1));
    assert!(parts.get(Query::default()).starts_with("1: reply, token"));
}

#[test]
fn values_that_give_way_are_told_of() {
    let mut config = Config::default();
    config.storage.limit_bytes = 100_000;
    let mut parts = ServerParts::with(config);
    parts.listen(1);
    parts.sent();
    let large = |id| wire::pack(&Draft::new(vec![7; 40_000]), ValueId(id));
    for id in 1..=3 {
        parts.put(large(id));
    }
    let sent = parts.sent();
    let gone: Vec<_> = sent.iter().filter(|it| it.contains("expired")).collect();
    assert_eq!(gone, ["1: update 9, expired [1]"]);
}

#[test]
fn a_value_to_be_proved_is_stored_when_it_is() {
    for holds in [true, false] {
        let mut parts = ServerParts::new();
        parts.put(signed(1));
        assert_eq!(parts.sent(), [""; 0]);
        assert!(parts.timer(Timer::PendingPuts).is_some());
        let check = parts.server.poll_check().unwrap();
        parts.verdict(check.id, holds);
        assert_eq!(parts.sent(), ["1: reply, id 7"]);
        assert_eq!(parts.server.find(&KEY, ValueId(7)).is_some(), holds);
        assert_eq!(parts.server.refused_puts, u64::from(!holds));
        parts.verdict(check.id, holds);
        assert_eq!(parts.sent(), [""; 0], "the check is over");
    }
}

#[test]
fn a_value_is_weighed_anew_if_another_was_stored_meanwhile() {
    let mut parts = ServerParts::new();
    parts.put(signed(1));
    parts.put_from(2, signed(2));
    let [first, second] = [(); 2].map(|()| parts.server.poll_check().unwrap());
    parts.verdict(second.id, true);
    assert_eq!(parts.sent(), ["2: reply, id 7"]);
    parts.verdict(first.id, true);
    assert_eq!(parts.sent(), ["1: reply, id 7"], "it is older, and refused");
    assert_eq!(parts.server.refused_puts, 1);
    let stored = parts.server.find(&KEY, ValueId(7)).unwrap();
    assert_eq!(*stored, signed(2));
    parts.put(signed(3));
    let check = parts.server.poll_check().unwrap();
    assert_eq!(check.replaces, Some(signed(2)));
}

#[test]
fn a_put_whose_check_is_dropped_or_late_may_be_tried_again() {
    let mut parts = ServerParts::new();
    parts.put(signed(1));
    let first = parts.server.poll_check().unwrap();
    parts.put(signed(1));
    assert!(parts.server.poll_check().is_none());
    parts.server.drop_check(first.id);
    parts.put(signed(1));
    assert!(parts.server.poll_check().is_some());
    let deadline = parts.timer(Timer::PendingPuts).unwrap();
    parts.server.expire_puts(deadline, &mut parts.outbox);
    assert_eq!(parts.timer(Timer::PendingPuts), Some(Timestamp::MAX));
    parts.put(signed(1));
    assert!(parts.server.poll_check().is_some());
}

#[test]
fn a_refresh_lets_a_value_live_on() {
    let mut parts = ServerParts::new();
    let token = parts.token(1);
    parts.refresh(7, &token);
    assert_eq!(parts.sent(), ["1: error 404"]);
    parts.put(value(7));
    parts.put(value(8));
    parts.sent();
    parts.refresh(9, &token);
    assert_eq!(parts.sent(), ["1: reply, id 9"]);
    let lifetime = parts.server.lifetime(&value(7));
    assert_eq!(parts.timer(Timer::Storage), Some(NOW + lifetime));
    let later = NOW + SECOND;
    for id in [7, 8] {
        let refresh = refresh_request(id, &token);
        (parts.server).on_refresh(later, asker(1), refresh, &mut parts.outbox);
    }
    assert_eq!(parts.timer(Timer::Storage), Some(later + lifetime));
}

#[test]
fn the_address_of_a_service_is_that_of_its_sender() {
    let mut parts = ServerParts::new();
    let announced: SocketAddr = ([10, 0, 0, 1], 5_000).into();
    let mut data = crate::msgpack::Writer::default();
    data.bin(&crate::sockaddr::to_raw(&announced));
    let draft = Draft::new(data.into_bytes()).value_type(ValueType::SERVICE);
    parts.put(wire::pack(&draft, ValueId(7)));
    let stored = parts.server.find(&KEY, ValueId(7)).unwrap();
    let mut expected = crate::msgpack::Writer::default();
    expected.bin(&crate::sockaddr::to_raw(&([127, 0, 0, 1], 5_000).into()));
    assert_eq!(stored.data(), expected.into_bytes());
    assert_eq!(stored.value_type(), ValueType::SERVICE);
}

#[test]
fn own_values_do_not_replace_signed_ones_nor_live_beyond_their_time() {
    let mut parts = ServerParts::new();
    let today = parts.today();
    let mut store = |value: &Value, created, permanent| {
        parts.server.store_own(NOW, &KEY, value, created, permanent)
    };
    assert!(store(&signed(1), today, false));
    assert!(!store(&value(7), today, false), "a signed one is there");
    assert!(store(&signed(2), today, false));
    let long_ago = UnixTime::from_secs(0);
    assert!(!store(&value(8), long_ago, false));
    assert!(store(&value(8), long_ago, true));
    let expiries: Vec<_> = (parts.server.export().iter())
        .map(|record| (record.value.id().0, record.expiry, record.source))
        .collect();
    assert_eq!(
        expiries,
        [(7, Some(today + LIFETIME), None), (8, None, None)]
    );
}

#[test]
fn values_of_a_snapshot_live_for_what_is_left_of_their_life() {
    let mut parts = ServerParts::new();
    let today = parts.today();
    let lifetime = parts.server.lifetime(&value(1));
    let record = |id, created, expiry| Record {
        key: KEY,
        value: value(id),
        created,
        expiry,
        source: Some(addr(5)),
    };
    let before = UnixTime::from_micros(today.as_micros() - 5_000_000);
    let all = [
        (record(1, before, None), Some(before + lifetime)),
        (
            record(2, before, Some(today + SECOND)),
            Some(today + SECOND),
        ),
        (record(3, today + SECOND, None), Some(today + lifetime)),
        (record(4, UnixTime::from_secs(0), None), None),
        (record(5, before, Some(today)), None),
    ];
    for (record, expiry) in &all {
        assert_eq!(parts.server.import(NOW, record), expiry.is_some());
    }
    let exported = parts.server.export();
    assert_eq!(exported.len(), 3);
    for (record, (_, expiry)) in exported.iter().zip(&all) {
        assert_eq!(record.expiry, *expiry);
        assert_eq!(record.source, Some(([127, 0, 0, 1], 0).into()));
    }
}

#[test]
fn a_token_is_good_until_the_secret_has_been_replaced_twice() {
    let mut parts = ServerParts::new();
    let token = parts.token(1);
    parts.server.schedule_rotation(&mut parts.outbox);
    for may_put in [true, true, false] {
        assert_eq!(parts.may_put(KEY, &token), may_put);
        let at = parts.timer(Timer::Tokens).unwrap();
        parts.server.rotate_tokens(at, &mut parts.outbox);
        assert!(parts.timer_is_after(Timer::Tokens, at));
    }
}

#[test]
fn listeners_that_do_not_renew_are_forgotten() {
    let mut parts = ServerParts::new();
    parts.listen(1);
    let at = parts.timer(Timer::Listeners).unwrap();
    parts
        .server
        .expire_listeners(at - SECOND, &mut parts.outbox);
    assert_eq!(parts.timer(Timer::Listeners), Some(at));
    parts.outbox.timers.stop(Timer::Listeners);
    parts.server.expire_listeners(at, &mut parts.outbox);
    assert_eq!(parts.server.listeners.len(), 0);
    assert_eq!(parts.timer(Timer::Listeners), None);
}

/// A server and what it works with.
struct ServerParts {
    server: Server,
    contacts: Contacts,
    subscriptions: Subscriptions,
    outbox: Outbox,
}

impl ServerParts {
    fn new() -> Self {
        Self::with(Config::default())
    }

    fn with(mut config: Config) -> Self {
        let rules = TypeRules {
            lifetime: LIFETIME,
            policy: Policy::Secured,
        };
        config.value_types.register(SECURED, rules);
        let seed = Seed::from_number(1);
        let origin = Origin::new(UnixTime::from_secs(1_000_000));
        let types = config.value_types.clone();
        Self {
            server: Server::new(NOW, OWN, origin, &config, &seed),
            contacts: Contacts::new(OWN, &RoutingConfig::default(), 14),
            subscriptions: Subscriptions::new(OWN, ListenConfig::default(), types),
            outbox: Outbox::new(OWN, &config, seed.public()),
        }
    }

    fn today(&self) -> UnixTime {
        self.server.origin.to_unix(NOW)
    }

    fn token(&self, port: u16) -> Vec<u8> {
        self.server.tokens.token(addr(port)).to_vec()
    }

    /// Lets so many contacts be known.
    fn know(&mut self, count: u16) {
        for port in 1..=count {
            let id = InfoHash::of(&port.to_be_bytes());
            let contact = Contact::new(id, addr(port));
            let _ = (self.contacts).on_seen(NOW, contact, Confidence::Replied);
        }
        assert_eq!(
            self.contacts.counts(NOW, Family::V4).good,
            usize::from(count)
        );
    }

    fn store(&mut self, id: u64) {
        let today = self.today();
        assert!(self.server.store_own(NOW, &KEY, &value(id), today, false));
    }

    fn get(&mut self, query: Query) -> String {
        let get = GetRequest {
            key: KEY,
            query,
            want: None,
            page: None,
        };
        let contacts = &self.contacts;
        (self.server).on_get(NOW, asker(1), get, b"get", contacts, &mut self.outbox);
        self.sent().concat()
    }

    fn may_put(&mut self, key: InfoHash, token: &[u8]) -> bool {
        let put = PutRequest {
            key,
            values: wire::Values::default(),
            created: None,
            token: token.into(),
        };
        (self.server).may_put(NOW, asker(1), &put, &mut self.outbox)
    }

    fn put(&mut self, value: Value) {
        self.put_if(value, false);
    }

    fn put_if(&mut self, value: Value, is_far: bool) {
        let (subscriptions, outbox) = (&mut self.subscriptions, &mut self.outbox);
        (self.server).on_put(NOW, remote_put(value), is_far, subscriptions, outbox);
    }

    fn put_from(&mut self, port: u16, value: Value) {
        self.on_put(RemotePut {
            reply_to: asker(port),
            ..remote_put(value)
        });
    }

    fn on_put(&mut self, put: RemotePut) {
        let (subscriptions, outbox) = (&mut self.subscriptions, &mut self.outbox);
        (self.server).on_put(NOW, put, false, subscriptions, outbox);
    }

    fn verdict(&mut self, check: CheckId, holds: bool) {
        let (subscriptions, outbox) = (&mut self.subscriptions, &mut self.outbox);
        (self.server).on_verdict(NOW, check, holds, subscriptions, outbox);
    }

    fn refresh(&mut self, id: u64, token: &[u8]) {
        let refresh = refresh_request(id, token);
        (self.server).on_refresh(NOW, asker(1), refresh, &mut self.outbox);
    }

    fn listen(&mut self, port: u16) {
        let token = self.token(port);
        let listen = listen_request(1, &token);
        (self.server).on_listen(NOW, asker(port), listen, &mut self.outbox);
    }

    /// Lets a listener confirm a notice.
    fn confirm(&mut self, port: u16, number: u64) {
        let notice = NoticeStep {
            key: KEY,
            socket: 9,
            number,
        };
        (self.server).on_confirmed(NOW, addr(port), notice, &mut self.outbox);
    }

    fn gone(&mut self, port: u16) {
        self.server.on_gone(NOW, addr(port), &mut self.outbox);
    }

    fn expire(&mut self, now: Timestamp) {
        let (subscriptions, outbox) = (&mut self.subscriptions, &mut self.outbox);
        self.server.expire_values(now, subscriptions, outbox);
    }

    /// Returns when a timer goes off, without those before.
    fn timer(&mut self, timer: Timer) -> Option<Timestamp> {
        while let Some((at, next)) = self.outbox.timers.next() {
            if next == timer {
                return Some(at);
            }
            self.outbox.timers.stop(next);
        }
        None
    }

    fn timer_is_after(&mut self, timer: Timer, at: Timestamp) -> bool {
        self.timer(timer).is_some_and(|next| next > at)
    }

    /// Returns in words what was sent, each with the port that it goes to.
    fn sent(&mut self) -> Vec<String> {
        self.transmits(|transmit, _| transmit.to.port().into())
    }

    /// Returns the same, each with its transaction id.
    fn sent_with_tid(&mut self) -> Vec<String> {
        self.transmits(|_, tid| tid.0)
    }

    fn transmits(&mut self, number: impl Fn(&Transmit, Tid) -> u32) -> Vec<String> {
        let all = std::iter::from_fn(|| self.outbox.poll_transmit());
        all.filter_map(|transmit| {
            let message = wire::decode(&transmit.bytes).unwrap();
            let number = number(&transmit, message.tid);
            Some(format!("{number}: {}", in_words(&message.payload)?))
        })
        .collect()
    }
}

fn in_words(payload: &Payload<'_>) -> Option<String> {
    let ids = |values: &wire::Values<'_>| -> Vec<_> {
        let values = values.iter().filter_map(Item::into_value);
        values.map(|value| value.id().0).collect()
    };
    let numbers = |ids: &[ValueId]| ids.iter().map(|id| id.0).collect::<Vec<_>>();
    let mut words = Vec::new();
    match payload {
        Payload::Reply { reply, .. } => {
            words.push("reply".to_owned());
            let nodes = reply.nodes4.iter().count() + reply.nodes6.iter().count();
            words.extend((nodes > 0).then(|| format!("{nodes} nodes")));
            words.extend(reply.token.as_ref().map(|_| "token".to_owned()));
            let values = reply.values.as_ref();
            words.extend(values.map(|values| format!("values {:?}", ids(values))));
            let rows = reply.rows.as_ref();
            words.extend(rows.map(|rows| format!("{} rows", rows.iter().count())));
            words.extend(reply.value_id.map(|id| format!("id {}", id.0)));
        }
        Payload::Request {
            request: Request::Update(update),
            ..
        } => {
            let UpdateRequest {
                values,
                refreshed,
                expired,
                ..
            } = update;
            words.push(format!("update {}", update.socket.0));
            let values = ids(values);
            words.extend((!values.is_empty()).then(|| format!("values {values:?}")));
            let of = |name, ids: &[ValueId]| {
                (!ids.is_empty()).then(|| format!("{name} {:?}", numbers(ids)))
            };
            words.extend(of("refreshed", refreshed));
            words.extend(of("expired", expired));
        }
        Payload::Notice { notice, .. } => {
            words.push("notice".to_owned());
            let of = |name, ids: &[ValueId]| {
                (!ids.is_empty()).then(|| format!("{name} {:?}", numbers(ids)))
            };
            words.extend(of("refreshed", &notice.refreshed));
            words.extend(of("expired", &notice.expired));
        }
        Payload::Error { code, .. } => words.push(format!("error {}", code.0)),
        // Pings of addresses that have not been validated, and parts.
        Payload::Request { .. } | Payload::Parts(_) => return None,
    }
    Some(words.join(", "))
}

fn remote_put(value: Value) -> RemotePut {
    RemotePut {
        reply_to: asker(1),
        key: KEY,
        value,
        created: None,
    }
}

fn listen_request(version: u32, token: &[u8]) -> ListenRequest<'_> {
    ListenRequest {
        key: KEY,
        version,
        socket: SocketId(9),
        query: Query::default(),
        token: token.into(),
    }
}

fn refresh_request(id: u64, token: &[u8]) -> RefreshRequest<'_> {
    RefreshRequest {
        key: KEY,
        id: ValueId(id),
        token: token.into(),
    }
}

fn asker(port: u16) -> ReplyTo {
    ReplyTo {
        addr: addr(port),
        tid: Tid(port.into()),
    }
}

fn addr(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

fn value(id: u64) -> Value {
    wire::pack(&Draft::from("text"), ValueId(id))
}

/// Returns a signed value of a type with values that have to be proved.
fn signed(seq: u16) -> Value {
    let signed = sample(7).value_type(SECURED).data(&seq.to_be_bytes());
    signed.signed(b"owner", seq, b"signature").build()
}
