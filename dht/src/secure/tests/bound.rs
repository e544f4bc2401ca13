//! Bound values, and replays of them elsewhere or later.

use std::time::Duration;

use super::*;
use crate::UnixTime;
use crate::value::Content;

/// A type with signatures that are not checked on storing.
const UNCHECKED: ValueType = ValueType(4711);

#[test]
fn a_bound_value_is_found_with_its_binding_and_its_own_user_type() {
    let mut net = Net::of([Some(alice()), None, None]);
    let draft = draft("open", 7).user_type("text/plain");
    assert_eq!(net.put_within(0, "door", draft, Scope::Bound), Ok(2));
    for wanted in [GetOptions::default(), bound_only()] {
        let (values, dropped) = net.get_wanted(2, "door", wanted);
        assert_eq!((values.len(), dropped), (1, 0));
        assert_eq!(values[0].text(), Ok("open"));
        assert_eq!(values[0].user_type(), "text/plain");
        assert_eq!(values[0].protection(), Protection::Signed);
        let binding = Binding {
            key: InfoHash::from_key("door"),
            id: ValueId(7),
            expires: None,
        };
        assert_eq!(values[0].binding(), Some(binding));
    }
}

#[test]
fn bound_only_leaves_out_what_is_not_bound() {
    let mut net = Net::of([Some(alice()), None, None]);
    net.put_signed(0, "door", draft("signed", 7)).unwrap();
    net.put_value(1, "door", wire::pack(&draft("clear", 8), ValueId(8)));
    // A binding that is not signed proves nothing.
    let claimed = draft("claimed", 9).user_type(suffix("door", 9));
    net.put_value(1, "door", wire::pack(&claimed, ValueId(9)));
    let (values, _) = net.get(2, "door");
    assert_eq!(values.len(), 3);
    assert!(values.iter().all(|value| value.binding().is_none()));
    let (values, dropped) = net.get_wanted(2, "door", bound_only());
    assert_eq!((values.len(), dropped), (0, 3));
}

#[test]
fn a_bound_value_under_another_key_or_id_is_dropped_whoever_asks() {
    let mut net = Net::of([None, None, None]);
    let value = made(UNCHECKED, &suffix("door", 7), 7);
    net.put_value(0, "window", value.clone());
    let signed = value.signed().unwrap();
    let renumbered = wire::pack_signed(
        &Draft::default(),
        ValueId(8),
        signed.signed_bytes,
        signed.signature,
    );
    net.put_value(0, "door", renumbered.unwrap());
    for key in ["window", "door"] {
        let (values, dropped) = net.get(2, key);
        assert_eq!((values.len(), dropped), (0, 1), "{key}");
    }
    net.put_value(0, "door", value);
    assert_eq!(net.get(2, "door").0.len(), 1);
}

#[test]
fn a_misplaced_value_is_not_stored_where_signatures_are_checked() {
    let mut net = Net::of([None, None, None]);
    let value = made(ValueType::USER_DATA, &suffix("door", 7), 7);
    net.put_value(0, "window", value.clone());
    assert_eq!(net.nodes[1].node().export_values(), []);
    net.put_value(0, "door", value);
    assert_eq!(net.nodes[1].node().export_values().len(), 1);
}

#[test]
fn a_bound_value_is_dropped_after_its_time_and_the_tolerance() {
    let mut net = Net::of([Some(alice()), None, None]);
    let scope = Scope::BoundUntil(Duration::from_secs(100).into());
    net.put_within(0, "door", draft("open", 7), scope).unwrap();
    assert_eq!(net.get(2, "door").0.len(), 1);
    let expires = net.get(2, "door").0[0].binding().unwrap().expires;
    assert!(expires.is_some_and(|end| (100..=106).contains(&(end.as_secs() - 1_700_000_000))));
    net.run(80_000);
    // Over by now, but for clocks that differ.
    assert_eq!(net.get(2, "door").0.len(), 1);
    net.run(40_000);
    let (values, dropped) = net.get(2, "door");
    assert_eq!((values.len(), dropped), (0, 1));
    assert_eq!(net.get_wanted(2, "door", bound_only()), (vec![], 1));
}

#[test]
fn an_expired_value_is_edited_all_the_same() {
    let mut net = Net::of([Some(alice()), None, None]);
    let past = Scope::BoundUntil(UnixTime::default().into());
    net.put_within(0, "door", draft("open", 7), past).unwrap();
    net.run(100_000);
    assert_eq!(net.texts(2, "door"), []);
    let later = Scope::BoundUntil(Duration::from_secs(100).into());
    net.put_within(0, "door", draft("shut", 7), later).unwrap();
    assert_eq!(net.texts(2, "door"), [("shut".to_owned(), 1)]);
}

#[test]
fn who_was_told_of_a_bound_value_is_told_of_its_end() {
    let mut net = Net::of([Some(alice()), None, None]);
    let key = InfoHash::from_key("door");
    let listener = &mut net.nodes[2];
    listener.listen(net.now, key, bound_only()).unwrap();
    net.run(2_000);
    let brief = Scope::BoundUntil(Duration::from_secs(1).into());
    let draft = draft("open", 7).value_type(ValueType::ICE_CANDIDATES);
    net.put_within(0, "door", draft, brief).unwrap();
    net.run(120_000);
    let events = net.events(2);
    let [
        SecureEvent::Values { values, .. },
        SecureEvent::Expired {
            values: expired, ..
        },
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!(values, expired);
}

#[test]
fn a_listen_is_not_told_of_replays() {
    let mut net = Net::of([None, None, None]);
    let key = InfoHash::from_key("window");
    let listener = &mut net.nodes[2];
    listener.listen(net.now, key, Query::default()).unwrap();
    net.run(2_000);
    net.put_value(0, "window", made(UNCHECKED, &suffix("door", 7), 7));
    assert_eq!(net.events(2), []);
    assert_eq!(net.nodes[2].stats().dropped_values, 1);
}

#[test]
fn bound_values_are_found_by_their_own_user_type() {
    let mut net = Net::of([Some(alice()), Some(bob()), None]);
    for (id, user_type) in [(7, "note"), (8, "draft")] {
        let draft = draft(user_type, id).user_type(user_type);
        net.put_within(0, "door", draft, Scope::Bound).unwrap();
    }
    let wanted = GetOptions {
        query: "WHERE user_type=note".parse().unwrap(),
        bound_only: true,
    };
    let (values, dropped) = net.get_wanted(2, "door", wanted.clone());
    assert_eq!((texts(&values), dropped), (vec![("note".to_owned(), 0)], 0));
    // Storing nodes compare it whole.
    let whole = GetOptions {
        bound_only: false,
        ..wanted
    };
    assert_eq!(net.get_wanted(2, "door", whole), (vec![], 0));
}

#[test]
fn a_bound_letter_opens_at_its_place_alone() {
    let mut net = Net::of([Some(alice()), Some(bob()), None]);
    let key = InfoHash::from_key("inbox");
    let options = SignOptions {
        scope: Scope::BoundUntil(Duration::from_secs(1_000).into()),
        ..SignOptions::default()
    };
    let draft = draft("for your eyes", 7).user_type("letter");
    let to = bob().public_key().clone();
    let dht = &mut net.nodes[0];
    let (op, _) = dht.put_encrypted(net.now, key, to, draft, options).unwrap();
    assert_eq!(net.end_of_put(0, op), Ok(2));
    let (values, dropped) = net.get_wanted(1, "inbox", bound_only());
    assert_eq!(
        (texts(&values), dropped),
        (vec![("for your eyes".to_owned(), 0)], 0)
    );
    assert_eq!(
        (values[0].protection(), &*values[0].user_type()),
        (Protection::Encrypted, "letter")
    );
    assert!(
        values[0]
            .binding()
            .is_some_and(|binding| binding.expires.is_some())
    );

    let letters = net.nodes[2].node().export_values();
    let letter = &letters
        .iter()
        .find(|record| record.key == key)
        .unwrap()
        .value;
    let Content::Encrypted(ciphertext) = letter.content() else {
        panic!("{letter:?}");
    };
    let renumbered = wire::pack_encrypted(&Draft::default(), ValueId(8), ciphertext);
    net.put_value(2, "inbox", renumbered);
    net.put_value(2, "elsewhere", letter.clone());
    let (values, dropped) = net.get(1, "inbox");
    assert_eq!((values.len(), dropped), (1, 1));
    let (values, dropped) = net.get(1, "elsewhere");
    assert_eq!((values.len(), dropped), (0, 1));
}

#[test]
fn the_mark_of_bound_values_is_not_for_applications() {
    let mut net = Net::of([Some(alice()), None]);
    let refusal = Err(SecurePutError::ReservedUserType);
    for scope in [Scope::Anywhere, Scope::Bound] {
        let draft = draft("x", 7).user_type("a;bulla-bound=b");
        assert_eq!(net.put_within(0, "door", draft, scope), refusal);
    }
    assert_eq!(net.nodes[0].stats().preparations, 0);
}

#[test]
fn a_binding_that_cannot_be_read_is_not_ignored() {
    let mut net = Net::of([None, None, None]);
    let of_a_later_version = made(UNCHECKED, ";bulla-bound=2.x", 7);
    net.put_value(0, "door", of_a_later_version);
    assert_eq!(net.get(2, "door"), (vec![], 1));
}

fn bound_only() -> GetOptions {
    GetOptions {
        bound_only: true,
        ..GetOptions::default()
    }
}

fn suffix(key: &str, id: u64) -> String {
    let binding = Binding {
        key: InfoHash::from_key(key),
        id: ValueId(id),
        expires: None,
    };
    binding.suffix()
}

/// A value signed by Alice; any node may have it.
fn made(value_type: ValueType, user_type: &str, id: u64) -> Value {
    let draft = draft("open", id)
        .value_type(value_type)
        .user_type(user_type);
    let body = wire::pack_body(&draft, alice().public_key().to_der(), 0, None);
    let signature = alice().key().sign(&body).unwrap();
    wire::pack_signed(&draft, draft.id, &body, &signature).unwrap()
}
