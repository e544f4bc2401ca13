//! Values for several recipients: in the form that all read, and in the form that OpenDHT only
//! stores.

use bulla::{
    PutError,
    identity::PublicKey,
    secure::{Protection, Recipient},
};

use crate::{
    environment::releases,
    key,
    local::{certificate_of, client, identity, join},
    peer::{OpenDht, Options},
};

#[tokio::test]
async fn opendht_reads_its_own_copy_of_a_compatible_value() {
    for &release in releases() {
        let bob = OpenDht::spawn(release, Options::default().identity("bob")).await;
        let joining = Options::default().bootstrap(bob.node.address);
        let carol = OpenDht::spawn(release, joining.identity("carol")).await;
        let eve = OpenDht::spawn(release, joining.identity("eve")).await;
        let dave = identity("dave");
        let to = [
            Recipient::Name(bob.key().name()),
            Recipient::Name(carol.key().name()),
            dave.public_key().clone().into(),
        ];
        let dave = join(client().identity(dave), bob.node.address).await;
        let alice = join(client().identity(identity("alice")), bob.node.address).await;
        for reader in [&bob, &carol] {
            certificate_of(&alice, reader.key().name()).await;
        }
        let key = key("room");
        let placed = alice.put_encrypted_to_many(&*key, to, "to all of you");
        let placed: Result<Vec<_>, PutError> = placed.compatible().await.into_iter().collect();
        assert_eq!(placed.unwrap().len(), 3);

        for reader in [&bob, &carol] {
            let letters = reader.get(&key).await;
            assert_eq!(letters.len(), 1);
            assert_eq!(
                (&*letters[0].data, letters[0].decrypted),
                (&b"to all of you"[..], true)
            );
            assert_eq!(letters[0].recipient.as_ref(), Some(&reader.key().id));
        }
        let letters = dave.get_all(&*key).await.unwrap();
        assert_eq!((letters.len(), letters[0].text()), (1, Ok("to all of you")));
        assert_eq!(eve.get(&key).await, []);
    }
}

#[tokio::test]
async fn opendht_stores_what_several_recipients_on_bulla_share() {
    for &release in releases() {
        let storing = OpenDht::spawn(release, Options::default().identity("storing")).await;
        let names = ["alice", "bob", "carol", "eve"];
        let [alice, bob, carol, eve] = names.map(identity);
        let to: Vec<PublicKey> = [&bob, &carol]
            .map(|reader| reader.public_key().clone())
            .into();
        let signer = alice.long_id();
        let alice = join(client().identity(alice), storing.node.address).await;
        let key = key("room");
        let put = alice
            .put_encrypted_to_many(&*key, to, "for both of you")
            .bound();
        assert!(put.await.unwrap().report.acknowledged > 0);

        for reader in [bob, carol] {
            let reader = join(client().identity(reader), storing.node.address).await;
            let values = reader.get(&*key).bound_only().all().await.unwrap();
            assert_eq!(values.len(), 1);
            assert_eq!(
                (values[0].text(), values[0].protection()),
                (Ok("for both of you"), Protection::Encrypted)
            );
            assert_eq!(
                (values[0].signer(), values[0].recipients().len()),
                (Some(signer), 2)
            );
        }
        let eve = join(client().identity(eve), storing.node.address).await;
        assert_eq!(eve.get_all(&*key).await.unwrap(), []);
        // It cannot be read there, and does no harm.
        assert_eq!(storing.get(&key).await, []);
    }
}
