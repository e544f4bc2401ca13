//! bulla against real OpenDHT nodes, all on the loopback interface.
//!
//! The nodes and how to get or leave them out: [`environment`]. The tests here prove the harness itself: they let the
//! foreign nodes talk to each other.

mod dhtnode;
mod environment;
mod peer;

use sha1::{Digest, Sha1};

use crate::{
    dhtnode::Dhtnode,
    environment::{Release, has_debian, releases},
    peer::{OpenDht, Options, Put},
};

/// The DHT key of a name, hexadecimal.
fn key(name: &str) -> String {
    hex::encode(Sha1::digest(name))
}

#[tokio::test]
async fn every_release_reads_what_every_release_puts() {
    for &writer in releases() {
        for &reader in releases() {
            let first = OpenDht::spawn(writer, Options::default()).await;
            let options = Options {
                bootstrap: Some(first.node.address),
                ..Options::default()
            };
            let second = OpenDht::spawn(reader, options).await;
            let data = vec![7; 3000];
            let put = Put {
                value_id: 5,
                data: &data,
                user_type: "kind",
                ..Put::default()
            };
            assert!(first.put(&key("name"), put).await);
            assert!(
                first
                    .put(
                        &key("name"),
                        Put {
                            value_id: 6,
                            data: b"other",
                            ..Put::default()
                        }
                    )
                    .await
            );

            let found = second.get(&key("name")).await;
            assert_eq!(
                found.iter().map(|value| value.id).collect::<Vec<_>>(),
                [5, 6]
            );
            assert_eq!(
                (&found[0].data, found[0].user_type.as_str()),
                (&data, "kind")
            );
            assert_eq!(
                (found[0].seq, &found[0].owner, found[0].decrypted),
                (None, &None, false)
            );
            assert_eq!(
                second.get_where(&key("name"), "WHERE id=6").await,
                found[1..]
            );
        }
    }
}

#[tokio::test]
async fn a_listener_is_told_of_values_and_of_their_end() {
    for &release in releases() {
        let options = Options {
            lifetimes: &[(0, 2)],
            ..Options::default()
        };
        let first = OpenDht::spawn(release, options).await;
        let second = OpenDht::spawn(
            release,
            Options {
                bootstrap: Some(first.node.address),
                ..options
            },
        )
        .await;
        let mut listener = second.listen(&key("news")).await;
        assert!(
            first
                .put(
                    &key("news"),
                    Put {
                        value_id: 9,
                        data: b"brief",
                        ..Put::default()
                    }
                )
                .await
        );
        let news = listener.next().await;
        assert_eq!(
            (news.expired, news.value.id, news.value.data.as_slice()),
            (false, 9, b"brief".as_slice())
        );
        let end = listener.next().await;
        assert_eq!((end.expired, end.value.id), (true, 9));
        assert_eq!(listener.cancel().await, []);
    }
}

#[tokio::test]
async fn releases_meet_over_ipv6_in_a_network_of_their_own() {
    for &release in releases() {
        let first = OpenDht::spawn(
            Release::Newest,
            Options {
                network: 7,
                ..Options::default()
            },
        )
        .await;
        let options = Options {
            network: 7,
            bootstrap: Some(first.node.address6),
            ..Options::default()
        };
        let second = OpenDht::spawn(release, options).await;
        assert!(
            second
                .put(
                    &key("name"),
                    Put {
                        value_id: 1,
                        data: b"six",
                        ..Put::default()
                    }
                )
                .await
        );
        assert_eq!(first.get(&key("name")).await[0].data, b"six");
    }
}

#[tokio::test]
async fn the_newest_release_signs_edits_and_encrypts() {
    if !releases().contains(&Release::Newest) {
        return;
    }
    let alice = OpenDht::spawn(
        Release::Newest,
        Options {
            identity: Some("alice"),
            ..Options::default()
        },
    )
    .await;
    let from_alice = Options {
        bootstrap: Some(alice.node.address),
        ..Options::default()
    };
    let bob = OpenDht::spawn(
        Release::Newest,
        Options {
            identity: Some("bob"),
            ..from_alice
        },
    )
    .await;
    assert!(
        alice
            .node
            .certificate
            .as_deref()
            .is_some_and(|pem| pem.starts_with("-----BEGIN CERTIFICATE-----"))
    );

    assert!(
        alice
            .put_signed(
                &key("seal"),
                Put {
                    value_id: 3,
                    data: b"one",
                    ..Put::default()
                }
            )
            .await
    );
    assert!(
        alice
            .put_signed(
                &key("seal"),
                Put {
                    value_id: 3,
                    data: b"two",
                    ..Put::default()
                }
            )
            .await
    );
    let sealed = bob.get(&key("seal")).await;
    assert_eq!(sealed.len(), 1);
    assert_eq!(
        (sealed[0].data.as_slice(), sealed[0].seq),
        (b"two".as_slice(), Some(1))
    );
    assert_eq!(sealed[0].owner.as_ref(), Some(alice.key()));

    let to = bob
        .key()
        .long_id
        .as_deref()
        .expect("the newest release tells it");
    assert!(
        alice
            .put_encrypted(
                &key("letter"),
                to,
                Put {
                    value_id: 4,
                    data: b"secret",
                    ..Put::default()
                }
            )
            .await
    );
    let letters = bob.get(&key("letter")).await;
    assert_eq!(letters.len(), 1);
    assert_eq!(
        (letters[0].data.as_slice(), letters[0].decrypted),
        (b"secret".as_slice(), true)
    );
    assert_eq!(letters[0].recipient.as_ref(), Some(&bob.key().id));
    assert_eq!(alice.get(&key("letter")).await, []);
}

#[tokio::test]
async fn the_newest_release_cancels_a_permanent_put() {
    if !releases().contains(&Release::Newest) {
        return;
    }
    let node = OpenDht::spawn(Release::Newest, Options::default()).await;
    let mut listener = node.listen(&key("stay")).await;
    node.put(
        &key("stay"),
        Put {
            value_id: 2,
            data: b"here",
            permanent: true,
            ..Put::default()
        },
    )
    .await;
    assert!(!listener.next().await.expired);
    node.cancel_put(&key("stay"), 2).await;
    assert!(listener.next().await.expired);
}

#[tokio::test]
async fn dhtnode_signs_and_encrypts_and_keeps_its_identity_and_state() {
    if !has_debian() {
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let (identity, state) = (directory.path().join("me"), directory.path().join("state"));
    let reader = OpenDht::spawn(
        Release::Debian,
        Options {
            identity: Some("reader"),
            ..Options::default()
        },
    )
    .await;
    let options = dhtnode::Options {
        network: 0,
        bootstrap: reader.node.address,
        identity: &identity,
        state: &state,
    };
    let mut writer = Dhtnode::spawn(options).await;

    assert!(writer.put_signed(&key("seal"), "signed").await);
    let sealed = reader.get(&key("seal")).await;
    assert_eq!(sealed.len(), 1);
    assert_eq!(
        (sealed[0].data.as_slice(), sealed[0].seq),
        (b"signed".as_slice(), Some(0))
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
        (b"secret".as_slice(), true)
    );

    let value_id = writer.put_permanent(&key("stay"), "here").await;
    assert_eq!(reader.get(&key("stay")).await[0].id, value_id);
    writer.cancel_put(&key("stay"), value_id).await;

    let (node_id, key_id) = (writer.node_id.clone(), writer.key_id.clone());
    writer.stop().await;
    assert!(
        std::fs::read(&state)
            .expect("the state was saved")
            .starts_with(b"\x84\xa1v\x01\xa2id")
    );
    let again = Dhtnode::spawn(options).await;
    assert_eq!((&again.node_id, &again.key_id), (&node_id, &key_id));
}
