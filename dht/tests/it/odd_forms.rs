//! Legal msgpack that no node writes: what OpenDHT reads of it, 2.4.12 and 4.4.2 alike where
//! nothing else is said, bulla reads as well. Each form was sent to both; `true` is what they
//! answered or stored.

use bulla_dht::wire;

fn text(text: &str) -> Vec<u8> {
    [&[0xa0 | text.len() as u8], text.as_bytes()].concat()
}

fn bin(bytes: &[u8]) -> Vec<u8> {
    [&[0xc4, bytes.len() as u8], bytes].concat()
}

fn map(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let head = vec![0x80 | entries.len() as u8];
    let entries = entries
        .iter()
        .map(|(key, it)| [text(key), it.clone()].concat());
    entries.fold(head, |map, entry| [map, entry].concat())
}

const NIL: &[u8] = &[0xc0];
const FLOAT_ONE: &[u8] = &[0xca, 0x3f, 0x80, 0, 0];

#[test]
fn fields_of_messages() {
    let id = || bin(&[7; 20]);
    let ping = |changed: &str, to: &[u8]| {
        let fields = [
            ("a", map(&[("id", id())])),
            ("q", text("ping")),
            ("t", vec![9]),
            ("y", text("q")),
            ("v", text("xx")),
        ];
        let mut fields = Vec::from(fields);
        fields.retain(|(key, _)| *key != changed);
        fields.push((changed, to.to_vec()));
        wire::decode(&map(&fields)).is_ok()
    };
    for (key, form, is_read) in [
        ("q", &bin(b"ping")[..], true),
        ("y", &bin(b"q"), true),
        ("v", &bin(b"xx"), true),
        ("v", NIL, false),
        ("n", NIL, false),
        ("s", NIL, false),
        ("s", &[0], false),
        ("t", &[0xd3, 0, 0, 0, 0, 0, 0, 0, 9], true),
        ("t", FLOAT_ONE, false),
        ("t", NIL, false),
        ("z", &[0xd4, 1, 1], true),
        ("n", &[0xd6, 0xff, 0, 0, 0, 0], false),
        ("bulla", NIL, true),
        ("bulla", &[1], true),
    ] {
        assert_eq!(ping(key, form), is_read, "{key} {form:02x?}");
    }
    let get = |key: &str, form: &[u8]| {
        let fields = [("id", id()), ("h", id()), (key, form.to_vec())];
        let get = [("a", map(&fields)), ("q", text("get")), ("t", vec![9])];
        wire::decode(&map(&get)).is_ok()
    };
    for key in [
        "w", "q", "values", "ve", "vid", "token", "sid", "re", "sa", "fileds", "target",
    ] {
        assert!(!get(key, NIL), "{key}");
    }
    assert!(!get("c", FLOAT_ONE));
    assert!(get("unknown", NIL));
    // A key in the longer form is the same key, and one that is a bin is none.
    let ping = |a: &[u8]| {
        let rest = map(&[("q", text("ping")), ("t", vec![9])]);
        let message = [&[0x83], a, &map(&[("id", id())]), &rest[1..]].concat();
        wire::decode(&message).is_ok()
    };
    assert!(ping(b"\xd9\x01a"));
    assert!(!ping(b"\xc4\x01a"));
}

#[test]
fn fields_of_values() {
    let value = |place: &str, key: &str, form: &[u8]| {
        let mut body = vec![("type", vec![0]), ("data", bin(b"d"))];
        let mut dat = Vec::new();
        let mut outer = vec![("id", vec![5])];
        let fields = match place {
            "body" => &mut body,
            "dat" => &mut dat,
            _ => &mut outer,
        };
        fields.retain(|(name, _)| *name != key);
        if !form.is_empty() {
            fields.push((key, form.to_vec()));
        }
        dat.push(("body", map(&body)));
        outer.push(("dat", map(&dat)));
        wire::unpack(&map(&outer))
    };
    for (place, key, form, is_read) in [
        ("body", "utype", &bin(b"u")[..], true),
        ("body", "utype", NIL, false),
        ("body", "utype", &[0x91, 1], false),
        ("body", "data", &text("x"), true),
        ("body", "data", NIL, false),
        ("body", "data", b"", false),
        ("body", "type", b"", false),
        ("body", "type", FLOAT_ONE, false),
        ("body", "type", &[0xd1, 0, 7], true),
        ("body", "type", &[0xce, 0, 1, 0, 0], false),
        ("body", "type", &[0xff], false),
        ("body", "seq", &[5], true),
        ("body", "seq", NIL, true),
        ("body", "to", NIL, true),
        ("body", "owner", NIL, false),
        ("dat", "sig", &bin(b"sig"), true),
        ("dat", "sig", NIL, true),
        ("", "p", NIL, false),
        ("", "p", &[0xff], false),
        ("", "p", FLOAT_ONE, false),
        // 2.4.12 knows no push types.
        ("", "pt", &bin(b"n"), true),
        ("", "pt", NIL, false),
        ("", "id", FLOAT_ONE, false),
        ("", "id", &[0xd3, 0, 0, 0, 0, 0, 0, 0, 5], true),
    ] {
        let read = value(place, key, form).is_ok();
        assert_eq!(read, is_read, "{place} {key} {form:02x?}");
    }
    let written = value("body", "utype", &bin(b"u")).unwrap();
    assert_eq!(written, value("body", "utype", &text("u")).unwrap());
}
