//! Values for several recipients.

use super::*;

fn bound() -> SignOptions {
    SignOptions {
        scope: Scope::Bound,
        ..SignOptions::default()
    }
}

#[test]
fn a_value_for_several_is_read_by_each_of_them_and_no_other() {
    let mut net = Net::of([Some(alice()), Some(bob()), Some(carol()), None]);
    let to = [bob().long_id(), carol().long_id()];
    let text = "for both of you";
    assert_eq!(
        put(&mut net, &to, draft(text, 7), SignOptions::default()),
        Ok(3)
    );
    let mut readers = to;
    readers.sort_unstable();
    for i in [1, 2] {
        let (values, dropped) = net.get(i, "room");
        assert_eq!((values.len(), dropped), (1, 0));
        assert_eq!(
            (values[0].protection(), values[0].text()),
            (Protection::Encrypted, Ok(text))
        );
        assert_eq!(values[0].signer(), Some(alice().long_id()));
        assert_eq!(
            (values[0].recipients(), values[0].recipient()),
            (&readers[..], None)
        );
        assert_eq!(values[0].id(), ValueId(7));
    }
    for i in [0, 3] {
        assert_eq!(net.get(i, "room"), (vec![], 1));
    }
}

#[test]
fn what_is_no_recipient_decrypts_nothing() {
    let mut net = Net::of([Some(alice()), Some(bob()), Some(carol()), Some(alice())]);
    let to = [bob().long_id(), carol().long_id()];
    put(
        &mut net,
        &to,
        draft("for both of you", 7),
        SignOptions::default(),
    )
    .unwrap();
    let done = net.jobs_done(3);
    assert_eq!(net.get(3, "room"), (vec![], 1));
    assert_eq!(net.jobs_done(3), done);
}

#[test]
fn a_bound_value_for_several_is_read_at_its_place_alone() {
    let mut net = Net::of([Some(alice()), Some(bob()), Some(carol())]);
    let to = [bob().long_id(), carol().long_id()];
    put(&mut net, &to, draft("here", 7).user_type("note"), bound()).unwrap();
    let (values, _) = net.get(1, "room");
    assert_eq!(values[0].user_type(), "note");
    let key = InfoHash::from_key("room");
    assert_eq!(values[0].binding().map(|binding| binding.key), Some(key));
    let records = net.nodes[2].node().export_values();
    let record = records.iter().find(|record| record.key == key).unwrap();
    net.put_value(2, "elsewhere", record.value.clone());
    assert_eq!(net.get(1, "elsewhere"), (vec![], 1));
}

#[test]
fn a_value_for_one_named_twice_is_an_ordinary_one() {
    let mut net = Net::of([Some(alice()), Some(bob()), None]);
    let to = [bob().long_id(), bob().long_id()];
    put(&mut net, &to, draft("for you", 7), SignOptions::default()).unwrap();
    let (values, _) = net.get(1, "room");
    assert_eq!(values[0].recipient(), Some(bob().id()));
    assert_eq!(values[0].recipients(), []);
}

#[test]
fn without_the_key_of_each_recipient_nothing_is_put() {
    let mut net = Net::of([Some(alice()), Some(bob()), None]);
    let to = [carol().long_id(), bob().long_id()];
    let outcome = put(
        &mut net,
        &to,
        draft("for both of you", 7),
        SignOptions::default(),
    );
    assert_eq!(outcome, Err(SecurePutError::NoCertificate));
    assert_eq!(net.nodes[0].stats().preparations, 0);
    assert_eq!(net.get(1, "room"), (vec![], 0));
}

#[test]
fn the_number_of_recipients_is_bounded() {
    let mut net = Net::of([Some(alice())]);
    for count in [0, 65] {
        let to = vec![bob().long_id(); count];
        let refusal = put(&mut net, &to, draft("x", 7), SignOptions::default());
        assert_eq!(refusal, Err(SecurePutError::Recipients(count)));
    }
}

fn put(
    net: &mut Net<SecureDht>,
    to: &[bulla_identity::LongKeyId],
    draft: Draft,
    options: SignOptions,
) -> Result<usize, SecurePutError> {
    let key = InfoHash::from_key("room");
    let dht = &mut net.nodes[0];
    let (op, _) = dht.put_encrypted_to_many(net.now, key, to.iter().copied(), draft, options)?;
    net.end_of_put(0, op)
}
