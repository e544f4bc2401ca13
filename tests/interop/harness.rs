//! Proof of the harness itself: the foreign nodes talk to each other.

use std::fs;

use crate::{
    dhtnode::{self, Dhtnode},
    environment::{Release, has, releases},
    key,
    peer::{OpenDht, Options, Put},
};

#[tokio::test]
async fn every_release_reads_what_every_release_puts() {
    for &writer in releases() {
        for &reader in releases() {
            let first = OpenDht::spawn(writer, Options::default()).await;
            let joining = Options::default().bootstrap(first.node.address);
            let second = OpenDht::spawn(reader, joining).await;
            let (key, long) = (key("name"), vec![7; 3000]);
            assert!(first.put(&key, Put::new(5, &long).user_type("kind")).await);
            assert!(first.put(&key, Put::new(6, b"other")).await);

            let found = second.get(&key).await;
            assert_eq!(found.len(), 2);
            assert_eq!((found[0].id, &found[0].data), (5, &long));
            assert_eq!(found[0].user_type, "kind");
            assert_eq!((found[0].seq, &found[0].owner), (None, &None));
            assert_eq!(second.get_where(&key, "WHERE id=6").await, found[1..]);
        }
    }
}

#[tokio::test]
async fn a_listener_is_told_of_values_and_of_their_end() {
    for &release in releases() {
        let brief = Options::default().lifetimes(&[(0, 2)]);
        let first = OpenDht::spawn(release, brief).await;
        let second = OpenDht::spawn(release, brief.bootstrap(first.node.address)).await;
        let mut listener = second.listen(&key("news")).await;
        assert!(first.put(&key("news"), Put::new(9, b"brief")).await);

        let news = listener.next().await;
        assert!(!news.expired);
        assert_eq!((news.value.id, news.value.data), (9, b"brief".to_vec()));
        let end = listener.next().await;
        assert_eq!((end.expired, end.value.id), (true, 9));
        assert_eq!(listener.cancel().await, []);
    }
}

#[tokio::test]
async fn releases_meet_over_ipv6_in_a_network_of_their_own() {
    for &release in releases() {
        let own = Options::default().network(7);
        let first = OpenDht::spawn(Release::Newest, own).await;
        let second = OpenDht::spawn(release, own.bootstrap(first.node.address6)).await;
        assert!(second.put(&key("name"), Put::new(1, b"six")).await);
        assert_eq!(first.get(&key("name")).await[0].data, b"six");
    }
}

#[tokio::test]
async fn the_newest_release_signs_edits_and_encrypts() {
    if !has(Release::Newest) {
        return;
    }
    let alice = OpenDht::spawn(Release::Newest, Options::default().identity("alice")).await;
    let joining = Options::default().bootstrap(alice.node.address);
    let bob = OpenDht::spawn(Release::Newest, joining.identity("bob")).await;
    let certificate = alice.node.certificate.as_deref();
    assert!(certificate.is_some_and(|pem| pem.starts_with("-----BEGIN CERTIFICATE-----")));

    assert!(alice.put_signed(&key("seal"), Put::new(3, b"one")).await);
    assert!(alice.put_signed(&key("seal"), Put::new(3, b"two")).await);
    let sealed = bob.get(&key("seal")).await;
    assert_eq!(sealed.len(), 1);
    assert_eq!(
        (sealed[0].data.as_slice(), sealed[0].seq),
        (&b"two"[..], Some(1))
    );
    assert_eq!(sealed[0].owner.as_ref(), Some(alice.key()));

    let to = bob
        .key()
        .long_id
        .as_deref()
        .expect("the newest release tells it");
    assert!(
        alice
            .put_encrypted(&key("letter"), to, Put::new(4, b"secret"))
            .await
    );
    let letters = bob.get(&key("letter")).await;
    assert_eq!(letters.len(), 1);
    assert_eq!(
        (letters[0].data.as_slice(), letters[0].decrypted),
        (&b"secret"[..], true)
    );
    assert_eq!(letters[0].recipient.as_ref(), Some(&bob.key().id));
    assert_eq!(alice.get(&key("letter")).await, []);
}

#[tokio::test]
async fn the_newest_release_cancels_a_permanent_put() {
    if !has(Release::Newest) {
        return;
    }
    let alone = OpenDht::spawn(Release::Newest, Options::default()).await;
    let mut listener = alone.listen(&key("stay")).await;
    let acknowledged = alone
        .put(&key("stay"), Put::new(2, b"here").permanent())
        .await;
    assert!(!acknowledged && !listener.next().await.expired);
    alone.cancel_put(&key("stay"), 2).await;
    assert!(listener.next().await.expired);
}

#[tokio::test]
async fn dhtnode_signs_and_encrypts_and_keeps_its_identity_and_state() {
    if !has(Release::Debian) {
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let reader = OpenDht::spawn(Release::Debian, Options::default().identity("reader")).await;
    let options = dhtnode::DhtnodeOptions {
        bootstrap: Some(reader.node.address),
        identity: Some(&directory.path().join("me")),
        state: Some(&directory.path().join("state")),
    };
    let mut writer = Dhtnode::spawn(options).await;

    assert!(writer.put_signed(&key("seal"), "signed").await);
    let sealed = reader.get(&key("seal")).await;
    assert_eq!(sealed.len(), 1);
    assert_eq!(
        (sealed[0].data.as_slice(), sealed[0].seq),
        (&b"signed"[..], Some(0))
    );
    assert_eq!(
        sealed[0].owner.as_ref().map(|owner| &owner.id),
        Some(&writer.key_id)
    );

    assert!(
        writer
            .put_encrypted(&key("letter"), &reader.key().id, "secret")
            .await
    );
    let letters = reader.get(&key("letter")).await;
    assert_eq!(
        (letters[0].data.as_slice(), letters[0].decrypted),
        (&b"secret"[..], true)
    );

    let value_id = writer.put_permanent(&key("stay"), "here").await;
    assert_eq!(reader.get(&key("stay")).await[0].id, value_id);
    writer.cancel_put(&key("stay"), value_id).await;

    let (node_id, key_id) = (writer.node_id.clone(), writer.key_id.clone());
    writer.stop().await;
    let state = fs::read(directory.path().join("state")).expect("the state was saved");
    assert!(state.starts_with(b"\x84\xa1v\x01\xa2id"));
    let again = Dhtnode::spawn(options).await;
    assert_eq!((again.node_id, again.key_id), (node_id, key_id));
}
