//! Messages of OpenDHT nodes: each is read, and written again byte for byte.

use bulla_dht::wire::{
    self, FindRequest, GetRequest, Item, Message, Payload, PutRequest, Request, UpdateRequest,
};
use bulla_dht::{InfoHash, Query, ValueId};
use serde_json::Value as Json;

use crate::vectors::{bytes, entries};

/// Encodes a decoded message.
fn again(message: &Message<'_>) -> Vec<u8> {
    let datagrams = wire::encode(message);
    assert!(datagrams.parts.is_empty());
    datagrams.head.to_vec()
}

/// Reports whether the message is written differently on purpose: with the IPv6 numbers of all
/// operating systems.
fn names_families(message: &Message<'_>) -> bool {
    matches!(
        message.payload,
        Payload::Request {
            request: Request::Find(FindRequest { want: Some(_), .. })
                | Request::Get(GetRequest { want: Some(_), .. }),
            ..
        }
    )
}

#[track_caller]
fn reads_and_writes_alike(datagram: &[u8], name: &Json) {
    let message = wire::decode(datagram).unwrap_or_else(|e| panic!("{name}: {e}"));
    let written = again(&message);
    if names_families(&message) {
        assert_eq!(wire::decode(&written), Ok(message), "{name}");
    } else {
        assert_eq!(hex::encode(written), hex::encode(datagram), "{name}");
    }
}

#[test]
fn captured_datagrams_are_written_again_byte_for_byte() {
    let vectors = entries("datagrams.json", "vectors");
    assert_eq!(vectors.len(), 177);
    for vector in vectors {
        reads_and_writes_alike(&bytes(&vector["hex"]), &vector["name"]);
    }
}

#[test]
fn captured_datagrams_are_read_as_the_kind_they_are() {
    for vector in entries("datagrams.json", "vectors") {
        let (name, decoded) = (&vector["name"], &vector["decoded"]);
        let datagram = bytes(&vector["hex"]);
        let message = wire::decode(&datagram).unwrap();
        assert_eq!(decoded["t"], message.tid.0, "{name}");
        assert_eq!(
            decoded["n"].as_u64().unwrap_or(0),
            u64::from(message.network),
            "{name}"
        );
        assert_eq!(decoded["s"] == true, message.client, "{name}");
        assert_eq!(decoded["v"].as_str(), message.agent, "{name}");
        match &message.payload {
            Payload::Request { sender, request } => {
                assert_eq!(decoded["q"], request.name(), "{name}");
                assert_eq!(decoded["a"]["id"]["bin"], sender.to_string(), "{name}");
            }
            Payload::Reply { sender, reply } => {
                assert_eq!(decoded["r"]["id"]["bin"], sender.to_string(), "{name}");
                assert_eq!(
                    !decoded["r"]["token"].is_null(),
                    reply.token.is_some(),
                    "{name}"
                );
                assert_eq!(
                    !decoded["r"]["fileds"].is_null(),
                    reply.rows.is_some(),
                    "{name}"
                );
                assert_eq!(
                    decoded["r"]["vid"].as_u64().map(ValueId),
                    reply.value_id,
                    "{name}"
                );
                let n4 = &decoded["r"]["n4"];
                let hex_len = n4["bin"].as_str().map_or(0, str::len);
                let len = n4["len"].as_u64().map_or(hex_len / 2, |len| len as usize);
                assert_eq!(26 * reply.nodes4.iter().count(), len, "{name}");
            }
            Payload::Parts(parts) => {
                let (index, part) = decoded["p"].as_object().unwrap().iter().next().unwrap();
                let read = parts.iter().next().unwrap();
                assert_eq!(index, &read.index.to_string(), "{name}");
                assert_eq!(part["o"], read.offset, "{name}");
                assert!(
                    hex::encode(&read.data).starts_with(&part["d"]["bin"].as_str().unwrap()[..60])
                );
            }
            Payload::Error { .. } | Payload::Notice { .. } => panic!("none is among them: {name}"),
        }
    }
}

#[test]
fn answers_of_a_network_are_written_again_byte_for_byte() {
    for vector in entries("network.json", "vectors") {
        reads_and_writes_alike(&bytes(&vector["request"]), &vector["name"]);
        for answer in vector["answers"].as_array().unwrap() {
            reads_and_writes_alike(&bytes(answer), &vector["name"]);
        }
    }
}

#[test]
fn nodes_of_a_reply_come_nearest_first() {
    let mut replies = 0;
    for vector in entries("network.json", "vectors") {
        let request = bytes(&vector["request"]);
        let target = match wire::decode(&request).unwrap().payload {
            Payload::Request {
                request: Request::Find(FindRequest { target, .. }),
                ..
            } => target,
            Payload::Request {
                request: Request::Get(GetRequest { key, .. }),
                ..
            } => key,
            _ => continue,
        };
        let answer = bytes(&vector["answers"][0]);
        let Payload::Reply { reply, .. } = wire::decode(&answer).unwrap().payload else {
            panic!("{}", vector["name"]);
        };
        let distances: Vec<_> = reply
            .nodes4
            .iter()
            .map(|node| node.id.distance(&target))
            .collect();
        assert!(
            (1..=8).contains(&distances.len()) && distances.is_sorted(),
            "{}",
            vector["name"]
        );
        replies += 1;
    }
    assert!(replies > 0);
}

#[test]
fn exchanges_are_written_again_and_their_parts_join_to_values() {
    let vectors = entries("exchanges.json", "vectors");
    assert_eq!(vectors.len(), 16);
    let mut joined = 0;
    for vector in vectors {
        let name = &vector["name"];
        let mut sizes = Vec::new();
        let mut values: Vec<Vec<u8>> = Vec::new();
        for datagram in vector["datagrams"].as_array().unwrap() {
            let datagram = bytes(&datagram["hex"]);
            reads_and_writes_alike(&datagram, name);
            let announced = match wire::decode(&datagram).unwrap().payload {
                Payload::Request {
                    request:
                        Request::Put(PutRequest { values, .. })
                        | Request::Update(UpdateRequest { values, .. }),
                    ..
                } => values,
                Payload::Reply { reply, .. } => reply.values.unwrap_or_default(),
                Payload::Parts(parts) => {
                    for part in parts.iter() {
                        let value = &mut values[part.index as usize];
                        assert_eq!(part.offset as usize, value.len(), "{name}");
                        value.extend_from_slice(&part.data);
                    }
                    continue;
                }
                _ => continue,
            };
            for item in announced.iter() {
                match item {
                    Item::Announced(size) => {
                        sizes.push(size as usize);
                        values.push(Vec::new());
                    }
                    Item::Embedded(_) => {}
                    Item::Unusable => panic!("{name}"),
                }
            }
        }
        assert_eq!(
            values.iter().map(Vec::len).collect::<Vec<_>>(),
            sizes,
            "{name}"
        );
        for packed in values {
            let value = wire::unpack(&packed).unwrap();
            assert_eq!(hex::encode(value.packed()), hex::encode(packed), "{name}");
            joined += 1;
        }
    }
    assert!(joined >= 6, "only {joined} values came in parts");
}

#[test]
fn large_values_are_sent_as_captured() {
    for vector in entries("exchanges.json", "vectors") {
        let datagrams: Vec<_> = vector["datagrams"]
            .as_array()
            .unwrap()
            .iter()
            .map(|d| bytes(&d["hex"]))
            .collect();
        let Ok(Message {
            payload:
                Payload::Request {
                    request: Request::Put(PutRequest { values, .. }),
                    ..
                },
            ..
        }) = wire::decode(&datagrams[0])
        else {
            continue;
        };
        if !values.iter().any(|item| matches!(item, Item::Announced(_))) {
            continue;
        }
        let mut packed = Vec::new();
        for part in &datagrams[1..datagrams.len() - 1] {
            let Payload::Parts(parts) = wire::decode(part).unwrap().payload else {
                panic!("{}", vector["name"]);
            };
            packed.extend(parts.iter().flat_map(|part| part.data.into_owned()));
        }
        let whole = [wire::unpack(&packed).unwrap()];
        let mut message = wire::decode(&datagrams[0]).unwrap();
        let Payload::Request {
            request: Request::Put(PutRequest { values, .. }),
            ..
        } = &mut message.payload
        else {
            unreachable!()
        };
        *values = wire::Values::new(&whole);
        let sent: Vec<_> = wire::encode(&message).into_iter().collect();
        assert_eq!(sent, datagrams[..datagrams.len() - 1], "{}", vector["name"]);
    }
}

/// A datagram that OpenDHT silently drops must not be read, and one that it answers must be. The
/// answers themselves are tested elsewhere.
#[test]
fn probes_are_read_if_and_only_if_they_were_answered() {
    /// Read without error, but not answered: the sender is the receiver, is of another network,
    /// puts nothing or too much, or answers what was not asked.
    const READ_BUT_SILENT: [&str; 6] = [
        "ping id of target itself",
        "ping network 1",
        "put no values",
        "reply with unknown tid",
        "error with unknown tid",
        "fragmented put data 65579 packed 65611",
    ];
    for vector in entries("probes.json", "vectors") {
        let name = vector["name"].as_str().unwrap();
        let probe = &vector["4.4.2"];
        let answered = !probe["answers"].as_array().unwrap().is_empty();
        for (number, datagram) in probe["sent"].as_array().unwrap().iter().enumerate() {
            let datagram = bytes(datagram);
            let read = wire::decode(&datagram);
            let expected = answered || READ_BUT_SILENT.contains(&name);
            assert_eq!(
                read.is_ok(),
                expected,
                "{name}, datagram {number}: {read:?}"
            );
        }
        for answer in probe["answers"].as_array().unwrap() {
            reads_and_writes_alike(&bytes(answer), &vector["name"]);
        }
    }
}

#[test]
fn queries_are_encoded_as_the_original_does() {
    for vector in entries("queries.json", "vectors") {
        let text = vector["text"].as_str().unwrap();
        let query = text.parse::<Query>();
        let Some(encoded) = vector["hex"].as_str() else {
            assert!(query.is_err(), "{text} cannot be encoded");
            continue;
        };
        let query = query.unwrap();
        let message = Message {
            tid: wire::Tid(1),
            network: 0,
            client: false,
            agent: None,
            payload: Payload::Request {
                sender: InfoHash::of(b"me"),
                request: Request::Get(GetRequest {
                    key: InfoHash::of(b"key"),
                    query,
                    want: None,
                    page: None,
                }),
            },
        };
        let datagram = again(&message);
        assert!(
            hex::encode(&datagram).contains(&format!("a171{encoded}a171")),
            "{text}"
        );
        assert_eq!(wire::decode(&datagram), Ok(message), "{text}");
    }
}
