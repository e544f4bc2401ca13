//! Signed and encrypted values among hundreds of nodes, some of which forge.

use bulla_dht::secure::Protection;
use bulla_dht::{Draft, InfoHash, Query, Value, ValueId, ValueType, wire};
use bulla_sim::{Behaviour, Scenario};

use crate::world::{World, identity, key, secs, seed};

#[test]
fn signed_values_are_stored_edited_and_found_by_all() {
    let mut world = World::settled(&Scenario::new(seed(701)));
    let alice = world.join_as("alice");
    for edition in 1..=5 {
        let draft = message(&format!("edition {edition}"));
        let put = world.put_signed(alice, key(1), &draft, false).unwrap();
        world.finish_all(&[put]);
        assert!(world.operation(put).put_report().unwrap().acknowledged >= 8);
        assert!(world.holders(put).len() >= 8);
        let get = world.get_anywhere(1, Query::default());
        let last = world.operation(get).values().pop().unwrap();
        assert_eq!(last.data(), draft.data);
        assert_eq!(last.signer(), Some(identity("alice").long_id()));
    }
    world.check();
}

#[test]
fn forgeries_are_neither_stored_nor_handed_out() {
    let mut world = World::settled(&Scenario {
        hosts: 100,
        ..Scenario::new(seed(702))
    });
    let alice = world.join_as("alice");
    let put = world
        .put_signed(alice, key(1), &message("genuine"), false)
        .unwrap();
    world.finish_all(&[put]);
    world.run_for(secs(5));
    let holders = world.holders(put);
    assert!(holders.len() >= 8);
    let mut forgers = world.hosts();
    forgers.retain(|host| !holders.contains(host));
    for (forger, forged) in forgers.into_iter().zip([
        signed(identity("alice").public_key().to_der(), 2, "forged"),
        signed(b"mallory", 3, "stolen"),
        wire::pack(&message("unsigned"), ValueId(7)),
    ]) {
        world.put_forged(forger, key(1), forged).unwrap();
        world.run_for(secs(5));
    }
    assert_eq!(world.holders(put), holders);
    for reader in &holders {
        let get = world.get(*reader, key(1), Query::default()).unwrap();
        world.finish_all(&[get]);
        let values = world.operation(get).values();
        let signed: Vec<_> = values
            .iter()
            .filter(|value| value.protection() == Protection::Signed)
            .collect();
        assert_eq!(signed.len(), 1);
        assert_eq!(signed[0].data(), b"genuine");
    }
    world.inspect_storage();
}

#[test]
fn forgers_among_the_storing_nodes_do_not_replace_what_is_signed() {
    let mut world = World::settled(&Scenario {
        hosts: 140,
        hostile: vec![(Behaviour::Forger, 60)],
        ..Scenario::new(seed(703))
    });
    let alice = world.join_as("alice");
    for number in 0..20 {
        let put = world
            .put_signed(alice, key(number), &message("genuine"), false)
            .unwrap();
        world.finish_all(&[put]);
        let get = world.get_anywhere(number, Query::default());
        let values = world.operation(get).values();
        let signed: Vec<_> = values
            .iter()
            .filter(|value| value.protection() == Protection::Signed)
            .collect();
        assert_eq!(signed.len(), 1);
        assert_eq!(signed[0].data(), b"genuine");
    }
    world.check();
}

#[test]
fn only_the_recipient_reads_what_is_encrypted() {
    let mut world = World::settled(&Scenario {
        hosts: 100,
        ..Scenario::new(seed(704))
    });
    let alice = world.join_as("alice");
    let bob = world.join_as("bob");
    world.run_for(secs(10));
    let to = identity("bob").long_id();
    let put = world
        .put_encrypted(alice, key(1), to, &message("for bob"))
        .unwrap();
    world.finish_all(&[put]);
    assert!(world.operation(put).put_report().unwrap().acknowledged >= 8);
    let get = world.get(bob, key(1), Query::default()).unwrap();
    world.finish_all(&[get]);
    let values = world.operation(get).values();
    assert_eq!(values[0].data(), b"for bob");
    assert_eq!(values[0].protection(), Protection::Encrypted);
    assert_eq!(values[0].signer(), Some(identity("alice").long_id()));
    let other = world.hosts()[3];
    let get = world.get(other, key(1), Query::default()).unwrap();
    world.finish_all(&[get]);
    assert!(world.operation(get).values().is_empty());
    assert!(world.operation(get).dropped > 0);
}

#[test]
fn listeners_hear_each_edition_of_a_signed_value_in_order() {
    let mut world = World::settled(&Scenario {
        hosts: 100,
        ..Scenario::new(seed(705))
    });
    let alice = world.join_as("alice");
    let listener = world.hosts()[9];
    let listen = world.listen(listener, key(1), Query::default()).unwrap();
    world.run_for(secs(5));
    for edition in 1..=5 {
        let draft = message(&format!("edition {edition}"));
        let put = world.put_signed(alice, key(1), &draft, true).unwrap();
        world.finish_all(&[put]);
        world.run_for(secs(5));
    }
    let heard: Vec<_> = world
        .operation(listen)
        .observations
        .iter()
        .filter(|observations| !observations.expired)
        .map(|observations| observations.value.seq())
        .collect();
    assert_eq!(heard.len(), 5, "{heard:?}");
    assert!(heard.is_sorted());
    world.check();
}

fn message(text: &str) -> Draft {
    Draft {
        id: ValueId(7),
        ..Draft::from(text).value_type(ValueType::USER_DATA)
    }
}

/// A value that says that `owner` signed it.
fn signed(owner: impl AsRef<[u8]>, seq: u16, text: &str) -> Value {
    let draft = message(text);
    let body = wire::pack_body(&draft, owner.as_ref(), seq, None::<InfoHash>);
    wire::pack_signed(&draft, ValueId(7), &body, b"signature").unwrap()
}
