//! Values bound to their place: OpenDHT takes them as any other, bulla refuses them elsewhere.

use bulla::{
    Draft, ValueId,
    identity::{KeyId, LongKeyId},
    secure::{Checked, Protection},
};

use crate::{
    environment::releases,
    key,
    local::{client, identity, join},
    peer::{OpenDht, Options, Put},
};

const SUFFIX: &str = ";bulla-bound=1.";

#[tokio::test]
async fn opendht_stores_verifies_and_reads_bound_values() {
    for &release in releases() {
        let storing = OpenDht::spawn(release, Options::default()).await;
        let options = Options::default().bootstrap(storing.node.address);
        let reading = OpenDht::spawn(release, options).await;
        let alice = identity("alice");
        let id = alice.id().to_string();
        let alice = join(client().identity(alice), storing.node.address).await;
        let key = key("door");
        for text in ["open", "shut"] {
            let draft = Draft::from(text).id(ValueId(7)).user_type("state");
            let placed = alice.put_signed(&*key, draft).bound().await.unwrap();
            assert!(placed.report.acknowledged > 0);
        }

        // An edit replaces, so the storing nodes have verified both.
        let found = reading.get(&key).await;
        assert_eq!(found.len(), 1);
        assert_eq!((&*found[0].data, found[0].seq), (&b"shut"[..], Some(1)));
        assert_eq!(found[0].owner.as_ref().map(|owner| &owner.id), Some(&id));
        assert_eq!(
            found[0].user_type,
            format!("state{SUFFIX}{key}.0000000000000007")
        );

        let reader = join(client(), storing.node.address).await;
        let values = reader.get(&*key).bound_only().all().await.unwrap();
        assert_eq!(values.len(), 1);
        assert_eq!(
            (values[0].text(), &*values[0].user_type()),
            (Ok("shut"), "state")
        );
        assert_eq!(values[0].protection(), Protection::Signed);
        assert!(values[0].binding().is_some());
    }
}

#[tokio::test]
async fn a_replay_that_opendht_stores_and_verifies_is_refused_by_bulla() {
    for &release in releases() {
        let storing = OpenDht::spawn(release, Options::default()).await;
        let alice = join(client().identity(identity("alice")), storing.node.address).await;
        let mallory = join(client(), storing.node.address).await;
        alice.put_signed("door", "open").bound().await.unwrap();
        alice.put_signed("door", "free").await.unwrap();
        for value in mallory.get_all("door").await.unwrap() {
            let replay = mallory.put_value("window", value.value().clone());
            assert!(replay.await.unwrap().report.acknowledged > 0);
        }

        let found = storing.get(&key("window")).await;
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|value| value.owner.is_some()));
        let mut get = mallory.get("window");
        assert_eq!(get.next().await.unwrap().text(), Ok("free"));
        assert!(get.next().await.is_none());
        assert_eq!(get.dropped(), 1);
    }
}

#[tokio::test]
async fn opendht_opens_bound_letters() {
    for &release in releases() {
        let storing = OpenDht::spawn(release, Options::default()).await;
        let options = Options::default().bootstrap(storing.node.address);
        let bob = OpenDht::spawn(release, options.identity("bob")).await;
        let alice = join(client().identity(identity("alice")), storing.node.address).await;
        let key = key("inbox");
        let to: KeyId = bob.key().id.parse().unwrap();
        let draft = Draft::from("secret").user_type("letter");
        let letter = match &bob.key().long_id {
            Some(long) => alice.put_encrypted(&*key, long.parse::<LongKeyId>().unwrap(), draft),
            None => alice.put_encrypted(&*key, to, draft),
        };
        letter.bound().await.unwrap();

        let letters = bob.get(&key).await;
        assert_eq!(letters.len(), 1);
        assert_eq!(
            (&*letters[0].data, letters[0].decrypted),
            (&b"secret"[..], true)
        );
        assert!(
            letters[0]
                .user_type
                .starts_with(&format!("letter{SUFFIX}{key}."))
        );
    }
}

#[tokio::test]
async fn values_of_opendht_are_not_bound() {
    for &release in releases() {
        let storing = OpenDht::spawn(release, Options::default()).await;
        let key = key("door");
        assert!(
            !storing
                .put(&key, Put::new(7, b"open").user_type("state"))
                .await
        );
        let reader = join(client(), storing.node.address).await;
        let values: Vec<Checked> = reader.get_all(&*key).await.unwrap();
        assert_eq!((values.len(), values[0].binding()), (1, None));
        assert_eq!(reader.get(&*key).bound_only().all().await.unwrap(), []);
    }
}
