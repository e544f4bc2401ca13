//! Packed values of OpenDHT's libraries: each is read, and packed again byte for byte.

use std::net::SocketAddr;

use bulla_dht::wire;
use bulla_dht::{
    CertificatePayload, Content, DhtMessage, Draft, IceCandidates, ImMessage, ImStatus, InfoHash,
    ServiceAnnouncement, TrustRequest, Typed, Value, ValueId, ValueType,
};
use serde_json::Value as Json;

use crate::vectors::{bytes, entries};

/// Returns the vectors with this prefix of their name, one of each version.
fn named(prefix: &str) -> Vec<Json> {
    let mut vectors = entries("values.json", "vectors");
    vectors.retain(|vector| vector["name"].as_str().unwrap().starts_with(prefix));
    assert!(vectors.len() >= 2, "{prefix}");
    vectors
}

fn value(vector: &Json) -> Value {
    wire::unpack(&bytes(&vector["hex"])).unwrap()
}

#[test]
fn values_are_packed_again_byte_for_byte() {
    for vector in entries("values.json", "vectors") {
        let name = &vector["name"];
        let packed = bytes(&vector["hex"]);
        if name == "owner_unsigned" {
            assert!(wire::unpack(&packed).is_err(), "{name}");
            continue;
        }
        let value = wire::unpack(&packed).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(hex::encode(value.packed()), hex::encode(&packed), "{name}");
        if let Some(id) = vector["decoded"]["id"].as_u64() {
            assert_eq!(id, value.id().0, "{name}");
        }
    }
}

#[test]
fn signed_bytes_and_signature_are_those_of_the_signer() {
    for vector in named("signed_") {
        if vector["signed_bytes"].is_null() {
            continue;
        }
        let value = value(&vector);
        let signed = value.signed().unwrap();
        assert_eq!(hex::encode(signed.signed_bytes), vector["signed_bytes"]);
        assert_eq!(hex::encode(signed.signature), vector["signature"]);

        let draft = Draft::new(signed.body.data.to_vec())
            .value_type(signed.body.value_type)
            .user_type(value.user_type());
        let body = wire::pack_body(&draft, signed.owner, signed.seq, signed.to);
        assert_eq!(body, signed.signed_bytes);
        let again = wire::pack_signed(&draft, value.id(), &body, signed.signature);
        assert_eq!(again, Ok(value));
    }
}

#[test]
fn a_changed_bit_is_kept_for_the_verifier_to_find() {
    for vector in named("signed_alice, one bit") {
        assert_eq!(value(&vector).packed()[..], bytes(&vector["hex"]));
    }
}

#[test]
fn envelopes_open_to_the_value_that_was_encrypted() {
    for vector in named("enc_") {
        let outer = value(&vector);
        let Content::Encrypted(ciphertext) = outer.content() else {
            panic!("{}", vector["name"]);
        };
        assert_eq!(outer.value_type(), ValueType::USER_DATA);
        let plaintext = bytes(&vector["plaintext_dat"]);
        let inner = wire::open_envelope(&outer, &plaintext).unwrap();
        let signed = inner.signed().unwrap();
        assert_eq!(inner.id(), outer.id());
        assert_eq!(inner.priority(), outer.priority());
        assert!(signed.to.is_some());
        assert_eq!(
            wire::pack_envelope(signed.signed_bytes, signed.signature),
            plaintext
        );

        let draft = Draft {
            priority: outer.priority(),
            ..Draft::default()
        };
        assert_eq!(wire::pack_encrypted(&draft, outer.id(), ciphertext), outer);
    }
}

#[test]
fn drafts_are_packed_as_the_original_does() {
    let text = Draft::from("hi");
    let typed = Draft::from("hi").user_type("text/plain");
    let draft = |vector: &Json| match vector["name"].as_str().unwrap() {
        "plain" => text.clone(),
        "utype" => typed.clone(),
        "utype_prio1" => Draft {
            priority: 1,
            ..typed.clone()
        },
        "pushtype" => Draft {
            push_type: "audioCall".into(),
            ..typed.clone()
        },
        "prio_pushtype" => Draft {
            priority: 1,
            push_type: "audioCall".into(),
            ..typed.clone()
        },
        name => panic!("{name}"),
    };
    for prefix in ["plain", "utype", "pushtype", "prio_pushtype"] {
        for vector in entries("values.json", "vectors") {
            if vector["name"].as_str().unwrap().starts_with(prefix) {
                assert_eq!(
                    wire::pack(&draft(&vector), ValueId(42)),
                    value(&vector),
                    "{prefix}"
                );
            }
        }
    }
}

/// Reads the payload of each such vector and packs it again.
fn payloads<T: Typed>(name: &str) -> Vec<T> {
    let payloads = named(name).into_iter().map(|vector| {
        let value = value(&vector);
        let payload = T::read(value.body().unwrap()).unwrap();
        assert_eq!(wire::pack(&payload.draft(), value.id()), value, "{name}");
        payload
    });
    payloads.collect()
}

#[test]
fn default_payloads_are_read_and_packed_as_the_original_does() {
    for message in payloads::<DhtMessage>("type.dhtmessage") {
        assert_eq!(message.service, "svc");
        assert_eq!(message.data, [1, 2, 3][..]);
    }
    for message in payloads::<ImMessage>("type.immessage") {
        assert!(message.text.starts_with("hello"));
        let read = message.id == 56;
        assert_eq!(
            message.status,
            if read { ImStatus::Read } else { ImStatus::None }
        );
        assert_eq!(message.metadata.contains_key("k"), !read);
    }
    for request in payloads::<TrustRequest>("type.trustrequest") {
        assert_eq!(
            (request.service.as_str(), request.conversation.as_str()),
            ("svc", "conv")
        );
        assert!(request.confirm);
    }
    for candidates in payloads::<IceCandidates>("type.icecandidates") {
        assert_eq!(candidates.id, 99);
    }
    for service in payloads::<ServiceAnnouncement>("type.ipservice") {
        assert_eq!(service.addr.port(), 4321);
        assert!(service.addr.ip().is_unspecified());
    }
    for chain in payloads::<CertificatePayload>("type.certificate") {
        assert!(chain.encoded.starts_with(b"-----BEGIN CERTIFICATE-----"));
    }
}

#[test]
fn fields_of_odd_types_are_read_and_packed_in_the_canonical_form() {
    let canonical = wire::pack(&Draft::from("hi"), ValueId(42));
    for (what, packed) in [
        (
            "data as str",
            "82a269642aa364617481a4626f647982a47479706500a464617461a26869",
        ),
        (
            "data as array",
            "82a269642aa364617481a4626f647982a47479706500a464617461926869",
        ),
        (
            "wide integers",
            "82a26964cf000000000000002aa364617481a4626f647982a474797065d100 00a464617461c4026869",
        ),
        (
            "another order",
            "82a364617481a4626f647982a464617461c4026869a47479706500a269642a",
        ),
        (
            "unknown keys",
            "83a3666f6fc0a269642aa364617481a4626f647983a3666f6f93010203a47479706500a464617461c4026869",
        ),
        (
            "number keys",
            "8301a0a269642aa364617481a4626f647982a47479706500a464617461c4026869",
        ),
        (
            "repeated keys, of which the first counts",
            "83a269642aa2696407a364617481a4626f647982a47479706500a464617461c4026869",
        ),
        (
            "signature without owner",
            "82a269642aa364617482a4626f647982a47479706500a464617461c4026869a3736967c40101",
        ),
        (
            "priority 0, no push type",
            "84a269642aa364617481a4626f647982a47479706500a464617461c4026869a17000a27074a0",
        ),
        (
            "more after it",
            "82a269642aa364617481a4626f647982a47479706500a464617461c4026869ffff",
        ),
    ] {
        let value = wire::unpack(&hex::decode(packed.replace(' ', "")).unwrap());
        assert_eq!(value.as_ref(), Ok(&canonical), "{what}");
        assert_eq!(value.unwrap().data(), b"hi", "{what}");
    }
}

#[test]
fn malformed_values_are_refused() {
    for (what, packed) in [
        ("nothing", ""),
        ("no map", "93010203"),
        (
            "no id",
            "81a364617481a4626f647982a47479706500a464617461c4026869",
        ),
        ("no content", "81a269642a"),
        ("no body", "82a269642aa364617480"),
        (
            "no type",
            "82a269642aa364617481a4626f647981a464617461c4026869",
        ),
        ("no data", "82a269642aa364617481a4626f647981a47479706500"),
        (
            "negative id",
            "82a26964ffa364617481a4626f647982a47479706500a464617461c4026869",
        ),
        (
            "type beyond 16 bits",
            "82a269642aa364617481a4626f647982a474797065ce00010000a464617461c4026869",
        ),
        ("ciphertext as str", "82a269642aa3646174a26869"),
        (
            "array beyond bytes",
            "82a269642aa364617481a4626f647982a47479706500a46461746191cd0100",
        ),
        (
            "owner without seq",
            "82a269642aa364617482a4626f647983a56f776e6572c40101a47479706500a464617461c4026869a3736967c40101",
        ),
        (
            "owner with empty signature",
            "82a269642aa364617482a4626f647984a373657101a56f776e6572c40101a47479706500a464617461c4026869a3736967c400",
        ),
        (
            "cut off",
            "82a269642aa364617481a4626f647982a47479706500a464617461c40268",
        ),
    ] {
        let packed = hex::decode(packed).unwrap();
        assert!(wire::unpack(&packed).is_err(), "{what}");
    }
    let data = vec![0; Value::MAX_PACKED];
    let huge = wire::pack(&Draft::new(data), ValueId(1));
    assert!(wire::unpack(huge.packed()).is_err(), "too large");
}

#[test]
fn no_ciphertext_at_all_is_empty_user_data() {
    let value = wire::unpack(&hex::decode("82a269642aa3646174c400").unwrap()).unwrap();
    assert!(!value.is_encrypted());
    assert_eq!(value, wire::pack(&Draft::default(), ValueId(42)));
}

#[test]
fn a_zero_recipient_is_none() {
    let body = wire::pack_body(&Draft::from("hi"), b"key", 1, Some(InfoHash::ZERO));
    let value = wire::pack_signed(&Draft::default(), ValueId(1), &body, b"signature").unwrap();
    assert_eq!(value.signed().unwrap().to, None);
}

#[test]
fn the_size_that_limits_count_is_that_of_the_contents() {
    let draft = Draft {
        push_type: "call".into(),
        ..Draft::from("hi").user_type("text")
    };
    let value = wire::pack(&draft, ValueId(1));
    assert_eq!(value.content_size(), 10);
    assert_eq!(value.content_size(), draft.content_size());
}

#[test]
fn services_keep_their_address() {
    for addr in ["1.2.3.4:5", "[2001:db8::1]:5"] {
        let addr: SocketAddr = addr.parse().unwrap();
        let service = ServiceAnnouncement { addr };
        assert_eq!(
            ServiceAnnouncement::from_data(&service.to_data()),
            Ok(service)
        );
    }
}
