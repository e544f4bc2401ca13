//! Datagrams that mean harm.

use bulla_dht::wire::{self, DecodeError, Item, Payload, PutRequest, Request};

/// A root map of these hexadecimal entries.
fn datagram(entries: u8, hex: &str) -> Vec<u8> {
    let mut bytes = vec![0x80 | entries];
    bytes.extend(hex::decode(hex.replace(' ', "")).unwrap());
    bytes
}

const ID: &str = "a26964 c414 ffffffffffffffffffffffffffffffffffffffff";

/// A request with these arguments besides the id.
fn request(name: &str, arguments: u8, hex: &str) -> Vec<u8> {
    let name = format!("{:02x}{}", 0xa0 + name.len(), hex::encode(name));
    datagram(
        2,
        &format!("a161 {:02x} {ID} {hex} a171 {name}", 0x81 + arguments),
    )
}

#[test]
fn deep_nesting_needs_no_stack() {
    let mut nested = datagram(3, &format!("a161 81 {ID} a171 a470696e67 a178"));
    nested.extend(vec![0x91; 60_000]);
    nested.push(0xc0);
    let decoded = std::thread::Builder::new()
        .stack_size(64 * 1024)
        .spawn(move || wire::decode(&nested).map(|_| ()))
        .unwrap();
    assert_eq!(decoded.join().unwrap(), Ok(()));
}

#[test]
fn lengths_beyond_the_datagram_are_refused() {
    for claim in [
        "c6ffffffff",
        "db ffffffff",
        "dd ffffffff",
        "df ffffffff",
        "c9ffffffff00",
        "c5ffff",
        "d9ff",
        "dcffff",
        "deffff",
        "9f",
        "8f",
        "bf",
        "cf00",
        "d8",
        "cb00",
        "",
    ] {
        let message = datagram(1, &format!("a178 {claim}"));
        assert!(
            matches!(wire::decode(&message), Err(DecodeError::Truncated { .. })),
            "{claim}"
        );
    }
}

#[test]
fn huge_lists_take_no_memory() {
    // An array of 4 G elements announces more than is there, wherever it stands.
    for key in [
        "a272 65",
        "a3657870",
        "a177",
        "a6 76616c756573",
        "a5 746f6b656e",
    ] {
        assert!(wire::decode(&request("update", 1, &format!("{key} ddffffffff"))).is_err());
    }
    let mut list = datagram(2, "a171 a3707574");
    list.extend(
        hex::decode(format!("a161 82 {ID} a676616c756573 dcffff").replace(' ', "")).unwrap(),
    );
    list.extend(vec![0x01; 65_535]);
    let Payload::Request {
        request: Request::Put(PutRequest { values, .. }),
        ..
    } = wire::decode(&list).unwrap().payload
    else {
        panic!();
    };
    assert_eq!(values.iter().count(), 65_535);
}

#[test]
fn bytes_that_are_no_message_are_refused() {
    for bytes in [
        &b""[..],
        b"\x01",
        b"\x90",
        b"\xc1",
        b"\x80",
        b"d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q4:ping1:t2:aa1:y1:qe",
        &[0xff; 1500],
        &[0; 1500],
    ] {
        assert!(wire::decode(bytes).is_err(), "{bytes:?}");
    }
}

#[test]
fn keys_that_are_not_str_are_no_keys() {
    assert!(wire::decode(&datagram(2, &format!("00 81 {ID} a171 a470696e67"))).is_err());
    assert!(wire::decode(&datagram(2, &format!("c40161 81 {ID} a171 a470696e67"))).is_err());
    assert!(
        wire::decode(&datagram(
            3,
            &format!("91a161 00 a161 81 {ID} a171 a470696e67")
        ))
        .is_ok()
    );
}

#[test]
fn the_last_of_a_repeated_key_counts() {
    let twice = datagram(
        4,
        &format!("a161 80 a161 81 {ID} a171 a3666f6f a171 a470696e67"),
    );
    assert!(wire::decode(&twice).is_ok());
    let tids = datagram(4, &format!("a161 81 {ID} a171 a470696e67 a17401 a17402"));
    assert_eq!(wire::decode(&tids).unwrap().tid.0, 2);
}

#[test]
fn a_known_key_of_a_wrong_type_spoils_the_message() {
    assert!(wire::decode(&request("ping", 0, "")).is_ok());
    for argument in [
        "a168 b40000000000000000000000000000000000000000",
        "a168 c41300000000000000000000000000000000000000",
        "a174 00 a6746172676574 01",
        "a177 02",
        "a5746f6b656e 01",
        "a163 ff",
        "a163 a0",
        "a3766964 cb0000000000000000",
        "a27361 a47f000001",
        "a373696 4 90",
        "a27665 cf0000000100000000",
        "a676616c756573 80",
        "a27265 91a0",
        "a3657870 01",
        "a171 90",
        "a171 81a17390",
        "a171 82a17390a1779182a16604a17601",
        "a171 82a17390a1779182a16601a176a0",
        "a666696c656473 80",
        "a666696c656473 82a16690a17690",
        "a666696c656473 82a1669109a17690",
    ] {
        let entries = if argument.starts_with("a174 00") {
            2
        } else {
            1
        };
        assert!(
            wire::decode(&request("ping", entries, argument)).is_err(),
            "{argument}"
        );
    }
    for root in [
        "a17607",
        "a17400 a16ea0",
        "a17301",
        "a174c405 0000000000",
        "a179 01",
        "a16ece",
    ] {
        let entries = if root.starts_with("a17400") { 4 } else { 3 };
        let message = datagram(entries, &format!("a161 81 {ID} a171 a470696e67 {root}"));
        assert!(wire::decode(&message).is_err(), "{root}");
    }
}

#[test]
fn unusable_values_keep_their_place() {
    let message = request(
        "put",
        1,
        "a676616c756573 95 81a2696407 cd0bb8 ce00010021 c0 82a269642aa3646174c40101",
    );
    let Payload::Request {
        request: Request::Put(PutRequest { values, .. }),
        ..
    } = wire::decode(&message).unwrap().payload
    else {
        panic!();
    };
    let items: Vec<_> = values.iter().collect();
    assert_eq!(
        items[..4],
        [
            Item::Unusable,
            Item::Announced(3000),
            Item::Unusable,
            Item::Unusable
        ]
    );
    assert!(matches!(&items[4], Item::Embedded(value) if value.id().0 == 42));
}

#[test]
fn a_reply_with_half_a_node_is_refused() {
    let reply = |len: usize| {
        let nodes = format!("a26e34 c4{len:02x} {}", "11".repeat(len));
        wire::decode(&datagram(1, &format!("a172 82 {ID} {nodes}"))).is_ok()
    };
    assert!(reply(26) && reply(52) && reply(0));
    assert!(!reply(25) && !reply(27));
}

#[test]
fn parts_that_are_none_are_skipped() {
    let message = datagram(
        2,
        "a17401 a170 85 00 82a16f01a164c40161 01 81a16f00 a0 82a16f01a164c40161 02 01 03 82a16fc0a164c40161",
    );
    let Payload::Parts(parts) = wire::decode(&message).unwrap().payload else {
        panic!();
    };
    let read: Vec<_> = parts.iter().collect();
    assert_eq!(read.len(), 1);
    assert_eq!(
        (read[0].index, read[0].offset, &read[0].data[..]),
        (0, 1, &b"a"[..])
    );
}

#[test]
fn rows_with_a_wrong_cell_are_left_out() {
    let key = "0102";
    let table = format!("82 a166 92 01 03 a176 96 07 c402{key} a161 c400 08 c0");
    let message = datagram(1, &format!("a172 82 {ID} a666696c656473 {table}"));
    let Payload::Reply { reply, .. } = wire::decode(&message).unwrap().payload else {
        panic!();
    };
    let rows = reply.rows.unwrap().iter().collect::<Vec<_>>();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].owner, Some(bulla_dht::InfoHash::of(&[1, 2])));
}
