//! Laws of encoding and decoding, over messages made at random and datagrams damaged at random.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use bulla_dht::wire::{
    self, ErrorCode, FindRequest, GetRequest, Item, ListenRequest, Message, Nodes, Notice, Page,
    Payload, PutRequest, RefreshRequest, Reply, Request, Rest, Rows, SocketId, Tid, UpdateRequest,
    Values, Want,
};
use bulla_dht::{
    ByFamily, Condition, Contact, Draft, Field, InfoHash, Query, UnixTime, Value, ValueId,
    ValueType,
};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::vectors::{bytes, entries};

fn hash() -> impl Strategy<Value = InfoHash> {
    prop_oneof![
        Just(InfoHash::of(b"one")),
        any::<[u8; 20]>().prop_map(InfoHash::new)
    ]
}

fn contact() -> impl Strategy<Value = Contact> {
    (hash(), any::<IpAddr>(), any::<u16>())
        .prop_map(|(id, ip, port)| Contact::new(id, SocketAddr::new(ip, port)))
}

fn value() -> impl Strategy<Value = Value> {
    let data = prop::collection::vec(any::<u8>(), 0..200);
    let draft = (data, ".{0,5}", any::<u16>(), 0..3_u32, ".{0,3}").prop_map(
        |(data, user_type, value_type, priority, push_type)| Draft {
            priority,
            push_type,
            ..Draft::new(data)
                .value_type(ValueType(value_type))
                .user_type(user_type)
        },
    );
    (
        draft,
        any::<u64>(),
        0..3,
        any::<u16>(),
        prop::option::of(hash()),
    )
        .prop_map(|(draft, id, form, seq, to)| {
            let id = ValueId(id);
            match form {
                0 => wire::pack(&draft, id),
                1 => wire::pack_encrypted(&draft, id, b"ciphertext"),
                _ => {
                    let body = wire::pack_body(&draft, b"owner", seq, to);
                    wire::pack_signed(&draft, id, &body, b"signature").unwrap()
                }
            }
        })
}

fn query() -> impl Strategy<Value = Query> {
    let condition = prop_oneof![
        any::<u64>().prop_map(|id| Condition::Id(ValueId(id))),
        any::<u16>().prop_map(|value_type| Condition::ValueType(ValueType(value_type))),
        hash().prop_map(Condition::Owner),
        ".{0,8}".prop_map(|text: String| Condition::UserType(text.into())),
    ];
    let select = prop::collection::btree_set(prop::sample::select(&Field::ALL), 0..5);
    // A condition is read once, however often it was sent.
    let conditions = prop::collection::vec(condition, 0..3).prop_map(|mut conditions| {
        conditions.dedup();
        conditions
    });
    (select, conditions).prop_map(|(select, conditions)| Query { select, conditions })
}

fn token() -> impl Strategy<Value = Cow<'static, [u8]>> {
    prop::collection::vec(any::<u8>(), 0..64).prop_map(Cow::Owned)
}

fn ids() -> impl Strategy<Value = Cow<'static, [ValueId]>> {
    prop::collection::vec(any::<u64>().prop_map(ValueId), 0..4).prop_map(Cow::Owned)
}

fn want() -> impl Strategy<Value = Option<Want>> {
    prop::option::of(any::<(bool, bool)>().prop_map(|(v4, v6)| Want(ByFamily { v4, v6 })))
}

fn page() -> impl Strategy<Value = Option<Page>> {
    let id = || any::<u64>().prop_map(ValueId);
    let ids = prop::collection::vec(id(), 0..Page::MAX_IDS);
    prop::option::of(prop_oneof![
        id().prop_map(Page::From),
        ids.prop_map(Page::Of)
    ])
}

fn rest() -> impl Strategy<Value = Option<Rest<'static>>> {
    let next = prop::option::of(any::<u64>().prop_map(ValueId));
    let digests = prop::collection::vec(any::<u8>(), 0..64).prop_map(Cow::Owned);
    let rest = (any::<u64>(), next, digests);
    prop::option::of(rest.prop_map(|(total, next, digests)| Rest {
        total,
        next,
        digests,
    }))
}

fn created() -> impl Strategy<Value = Option<UnixTime>> {
    prop::option::of((0..1_u64 << 40).prop_map(UnixTime::from_secs))
}

/// Makes a request; its values are filled in by the test, which owns them.
fn request() -> impl Strategy<Value = Request<'static>> {
    prop_oneof![
        Just(Request::Ping),
        (hash(), want()).prop_map(|(target, want)| Request::Find(FindRequest { target, want })),
        (hash(), query(), want(), page()).prop_map(|(key, query, want, page)| Request::Get(
            GetRequest {
                key,
                query,
                want,
                page,
            }
        )),
        (hash(), created(), token()).prop_map(|(key, created, token)| Request::Put(PutRequest {
            key,
            values: Values::default(),
            created,
            token
        })),
        (hash(), any::<u64>(), token()).prop_map(|(key, id, token)| Request::Refresh(
            RefreshRequest {
                key,
                id: ValueId(id),
                token
            }
        )),
        (hash(), any::<u32>(), any::<u32>(), query(), token()).prop_map(
            |(key, version, socket, query, token)| {
                Request::Listen(ListenRequest {
                    key,
                    version,
                    socket: SocketId(socket),
                    query,
                    token,
                })
            }
        ),
        (
            any::<u32>(),
            prop::option::of(hash()),
            created(),
            ids(),
            ids(),
            token()
        )
            .prop_map(|(socket, key, created, refreshed, expired, token)| {
                Request::Update(UpdateRequest {
                    socket: SocketId(socket),
                    key,
                    values: Values::default(),
                    created,
                    refreshed,
                    expired,
                    token,
                })
            }),
    ]
}

fn message(payload: Payload<'_>) -> Message<'_> {
    Message {
        tid: Tid(0x0102_0304),
        network: 7,
        client: true,
        agent: Some("test"),
        payload,
    }
}

proptest! {
    #[test]
    fn requests_are_decoded_as_encoded(
        mut request in request(),
        sender in hash(),
        values in prop::collection::vec(value(), 0..4),
        (tid, network, client) in any::<(u32, u32, bool)>(),
    ) {
        if let Request::Put(PutRequest { values: slot, .. }) | Request::Update(UpdateRequest { values: slot, .. }) = &mut request {
            *slot = Values::new(&values);
        }
        let payload = Payload::Request { sender, request };
        let message = Message { tid: Tid(tid), network, client, agent: None, payload };
        let sent = wire::encode(&message);
        if sent.parts.is_empty() {
            prop_assert_eq!(wire::decode(&sent.head), Ok(message));
        } else {
            prop_assert_eq!(announced(&sent.head), values.iter().map(|value| value.packed().len()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn replies_are_decoded_as_encoded(
        sender in hash(),
        observed in prop::option::of(any::<IpAddr>()),
        nodes in prop::collection::vec(contact(), 0..8),
        values in prop::collection::vec(value(), 1..3),
        select in prop::collection::btree_set(prop::sample::select(&Field::ALL), 1..5),
        token in prop::option::of(token()),
        value_id in prop::option::of(any::<u64>().prop_map(ValueId)),
        table in any::<bool>(),
        rest in rest(),
    ) {
        let (v4, v6): (Vec<_>, Vec<_>) = nodes.iter().copied().partition(|node| node.addr.is_ipv4());
        let small = values.iter().map(|value| value.packed().len()).sum::<usize>() < 600;
        let picked: Vec<_> = values.iter().collect();
        let reply = Reply {
            observed,
            nodes4: Nodes::new(&v4),
            nodes6: Nodes::new(&v6),
            token,
            values: (small && !table).then(|| Values::picked(&picked)),
            rows: table.then(|| Rows::new(&select, &picked)),
            value_id,
            rest,
        };
        let message = message(Payload::Reply { sender, reply: reply.clone() });
        let sent = wire::encode(&message);
        prop_assert_eq!(wire::decode(&sent.head), Ok(message.clone()));
        // A list of nodes takes only those of its family.
        let mixed = Reply { nodes4: Nodes::new(&nodes), nodes6: Nodes::new(&nodes), ..reply };
        prop_assert_eq!(wire::encode(&Message { payload: Payload::Reply { sender, reply: mixed }, ..message }), sent);
    }

    #[test]
    fn errors_and_notices_are_decoded_as_encoded(
        sender in hash(), known in any::<bool>(), code in any::<u16>(), text in ".{0,40}",
        token in prop::option::of(token()), refreshed in ids(), expired in ids(),
    ) {
        let sender_if_known = Some(sender).filter(|_| known);
        let error = message(Payload::Error { sender: sender_if_known, code: ErrorCode(code), text: text.into() });
        let sent = wire::encode(&error);
        prop_assert_eq!(wire::decode(&sent.head), Ok(error));
        let notice = message(Payload::Notice { sender, notice: Notice { token, refreshed, expired } });
        let sent = wire::encode(&notice);
        prop_assert_eq!(wire::decode(&sent.head), Ok(notice));
    }

    #[test]
    fn values_survive_packing(value in value()) {
        prop_assert_eq!(wire::unpack(value.packed()), Ok(value));
    }

    #[test]
    fn parts_join_to_the_values(sizes in prop::collection::vec(0..5_000_usize, 1..5)) {
        let values: Vec<_> = sizes.iter().map(|size| wire::pack(&Draft::new(vec![7; 600 + size]), ValueId(1))).collect();
        let request = Request::Put(PutRequest {
            key: InfoHash::of(b"key"),
            values: Values::new(&values),
            created: None,
            token: Cow::Borrowed(b"token"),
        });
        let sent = wire::encode(&message(Payload::Request { sender: InfoHash::of(b"me"), request }));
        let mut joined = vec![Vec::new(); announced(&sent.head).len()];
        for datagram in &sent.parts {
            prop_assert!(datagram.len() <= 1313 + 8);
            let Payload::Parts(parts) = wire::decode(datagram).unwrap().payload else { panic!() };
            for part in parts.iter() {
                let value = &mut joined[part.index as usize];
                prop_assert_eq!(part.offset as usize, value.len());
                value.extend_from_slice(&part.data);
            }
        }
        prop_assert_eq!(joined, values.iter().map(|value| value.packed().to_vec()).collect::<Vec<_>>());
    }

    #[test]
    fn random_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        read_all(&bytes);
    }

    #[test]
    fn random_msgpack_does_no_harm(bytes in prop::collection::vec(prop_oneof![
        Just(b"\x81".to_vec()), Just(b"\x92".to_vec()), Just(b"\xa1a".to_vec()), Just(b"\xa1r".to_vec()),
        Just(b"\xa1p".to_vec()), Just(b"\xa1q\xa3put".to_vec()), Just(b"\xa6values".to_vec()), Just(b"\xa6fileds".to_vec()),
        Just(b"\xa1f".to_vec()), Just(b"\xa1v".to_vec()), Just(b"\xc4\x02ab".to_vec()), Just(b"\x05".to_vec()),
        Just(b"\xa2id\xc4\x14aaaaaaaaaaaaaaaaaaaa".to_vec()), any::<u8>().prop_map(|byte| vec![byte]),
    ], 0..40)) {
        read_all(&bytes.concat());
    }

    #[test]
    fn damaged_datagrams_do_no_harm(which in any::<Index>(), damage in prop::collection::vec(any::<(Index, u8)>(), 1..6), cut in any::<Index>()) {
        thread_local!(static CAPTURED: Vec<Vec<u8>> =
            entries("datagrams.json", "vectors").iter().map(|vector| bytes(&vector["hex"])).collect());
        let mut datagram = CAPTURED.with(|captured| which.get(captured).clone());
        read_all(&datagram[..cut.index(datagram.len())]);
        for (at, byte) in damage {
            *at.get_mut(&mut datagram) = byte;
        }
        read_all(&datagram);
    }
}

/// Returns the sizes that a put or update announces.
fn announced(datagram: &[u8]) -> Vec<usize> {
    let Payload::Request {
        request:
            Request::Put(PutRequest { values, .. }) | Request::Update(UpdateRequest { values, .. }),
        ..
    } = wire::decode(datagram).unwrap().payload
    else {
        panic!("not a put");
    };
    let sizes = values.iter().map(|item| match item {
        Item::Announced(size) => size as usize,
        Item::Embedded(_) | Item::Unusable => panic!("not announced"),
    });
    sizes.collect()
}

/// Reads everything that can be read, in every way, and checks that it is written again as the
/// same. (Comparing messages reads all nodes, values, rows and parts in them.)
fn read_all(bytes: &[u8]) {
    if let Ok(message) = wire::decode(bytes) {
        let again = wire::encode(&message).head;
        assert_eq!(wire::decode(&again), Ok(message));
    }
    if let Ok(value) = wire::unpack(bytes) {
        assert_eq!(wire::unpack(value.packed()), Ok(value));
    }
    let _ = wire::snapshot::import_nodes(bytes);
    let _ = wire::snapshot::import_values(bytes, UnixTime::default());
    let _ = wire::snapshot::import_state(bytes, UnixTime::default());
}
