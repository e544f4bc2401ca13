//! Certificates: where they are published, and how they are found.

use super::*;

#[test]
fn certificates_are_found_by_both_names_whoever_else_publishes_there() {
    let mut net = Net::of([Some(alice()), None, None, None]);
    let key = KeyName::from(alice().long_id()).dht_key();
    let rubbish = draft("rubbish", 3).kind(Kind::CERTIFICATE);
    // Storing nodes refuse it, but the publisher itself keeps it.
    let _ = net.hosts[1]
        .dht
        .put(net.now, key, rubbish, PutOptions::default());
    net.run(5_000);
    net.events(1);
    for (i, name) in [
        (1, KeyName::from(alice().long_id())),
        (2, alice().id().into()),
    ] {
        let op = net.hosts[i].dht.find_certificate(net.now, name).unwrap();
        let joined = net.hosts[i].dht.find_public_key(net.now, name).unwrap();
        net.run(10_000);
        let certificate = Some(alice().certificate().clone());
        let public_key = Some(alice().public_key().clone());
        assert_eq!(
            net.events(i),
            [
                SecureEvent::Certificate { op, certificate },
                SecureEvent::PublicKey {
                    op: joined,
                    key: public_key
                },
            ]
        );
    }
    let op = net.hosts[3]
        .dht
        .find_certificate(net.now, bob().id())
        .unwrap();
    net.run(10_000);
    let certificate = None;
    assert_eq!(
        net.events(3),
        [SecureEvent::Certificate { op, certificate }]
    );
}

#[test]
fn a_certificate_is_published_where_old_and_new_nodes_look_and_nowhere_else() {
    let mut net = Net::of([Some(alice()), None]);
    let mut keys: Vec<_> = net.hosts[1]
        .dht
        .node()
        .export_values()
        .iter()
        .map(|r| r.key)
        .collect();
    keys.sort();
    let mut expected = keyring::dht_keys(alice().id(), alice().long_id());
    expected.sort();
    assert_eq!(keys, expected);
    net.put_value(1, "elsewhere", certificate_value(&alice()));
    assert_eq!(net.hosts[0].dht.node().export_values().len(), 2);
}

#[test]
fn a_registered_certificate_need_not_be_searched_for() {
    let mut net = Net::of([None]);
    let dht = &mut net.hosts[0].dht;
    dht.register_certificate(bob().certificate());
    let op = dht.find_public_key(net.now, bob().long_id()).unwrap();
    let key = Some(bob().public_key().clone());
    net.run(0);
    assert_eq!(net.events(0), [SecureEvent::PublicKey { op, key }]);
}

#[test]
fn a_search_given_up_by_all_ends() {
    let mut net = Net::of([None, None]);
    let dht = &mut net.hosts[0].dht;
    let one = dht.find_certificate(net.now, bob().long_id()).unwrap();
    let two = dht.find_public_key(net.now, bob().long_id()).unwrap();
    dht.cancel(net.now, one);
    assert_eq!(dht.errands.len(), 1);
    dht.cancel(net.now, two);
    assert_eq!((dht.errands.len(), dht.stats().preparations), (0, 0));
    net.run(10_000);
    assert_eq!(net.events(0), []);
}
