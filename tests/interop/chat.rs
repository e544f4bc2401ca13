//! Chat messages, as OpenDHT's `dhtchat` puts and reads them: signed, or encrypted, values of type
//! 3.
//!
//! No package brings that program, and no face of a foreign node signs values of another type than
//! 0. What OpenDHT sends here is therefore packed by it, or signed by bulla and verified, taken
//! apart and put together by it.

use bulla::{
    ImMessage, ImStatus, Typed, ValueType,
    secure::{Checked, Protection},
};
use serde_json::json;

use crate::{
    dhtnode::{self, Dhtnode},
    environment::{Release, has, releases},
    key,
    local::{
        acknowledged, address, bulla, certificate_of, client, get, identity, join, next, start,
    },
    peer::{OpenDht, Options},
};

fn message() -> ImMessage {
    ImMessage {
        id: 7,
        text: "hello, room".into(),
        date: 1_767_225_600,
        media_type: "text/plain".into(),
        ..ImMessage::default()
    }
}

fn read(value: &Checked) -> ImMessage {
    ImMessage::read(value.value().body().unwrap()).unwrap()
}

#[tokio::test]
async fn opendht_verifies_and_finds_by_kind_what_bulla_says() {
    for &release in releases() {
        let opendht = OpenDht::spawn(release, Options::default()).await;
        let alice = join(client().identity(identity("alice")), opendht.node.address).await;
        let room = key("room");
        let mut listener = opendht.listen(&room).await;
        acknowledged(alice.put_signed(&*room, message().draft())).await;
        acknowledged(alice.put(&*room, "something else")).await;
        assert_eq!(listener.next().await.value.data, message().to_data());

        let found = opendht.get_where(&room, "WHERE value_type=3").await;
        assert_eq!(found.len(), 1, "{release:?}");
        assert_eq!(
            (&found[0].data[..], found[0].seq),
            (&message().to_data()[..], Some(0))
        );
    }
}

#[tokio::test]
async fn opendht_decrypts_what_bulla_says_to_one() {
    if !has(Release::Newest) {
        return;
    }
    let bob = OpenDht::spawn(Release::Newest, Options::default().identity("bob")).await;
    let alice = join(bulla().identity(identity("alice")), bob.node.address).await;
    let room = key("room");
    let to = certificate_of(&alice, bob.key().name()).await;
    let to = to.public_key().unwrap().clone();
    acknowledged(alice.put_encrypted(&*room, to, message().draft())).await;
    let found = bob.get(&room).await;
    assert_eq!(
        (&found[0].data[..], found[0].decrypted),
        (&message().to_data()[..], true)
    );
}

#[tokio::test]
async fn bulla_hears_what_dhtnode_passes_on() {
    if !has(Release::Debian) {
        return;
    }
    let storing = start(bulla()).await;
    let alice = join(client().identity(identity("alice")), address(&storing)).await;
    let dhtnode = Dhtnode::spawn(dhtnode::DhtnodeOptions {
        bootstrap: Some(address(&storing)),
        ..dhtnode::DhtnodeOptions::default()
    })
    .await;
    let (room, hall) = (key("room"), key("hall"));
    acknowledged(alice.put_signed(&*room, message().draft())).await;
    let value = dhtnode.proxy.get(&room).await.remove(0);
    assert_eq!((&value["type"], &value["seq"]), (&json!(3), &json!(0)));

    let listener = join(client(), address(&storing)).await;
    let mut listen = listener.listen(&*hall);
    dhtnode.proxy.put(&hall, &value).await;
    let heard = next(&mut listen).await.into_value();
    assert_eq!(
        (heard.protection(), heard.signer()),
        (Protection::Signed, alice.identity())
    );
    assert_eq!(read(&heard), message());
}

#[tokio::test]
async fn bulla_reads_what_opendht_has_packed() {
    if !has(Release::Debian) {
        return;
    }
    // The payload of the vector `type.immessage_read`, which both releases have written.
    let packed = "hqJpZDijbXNnpmhlbGxvMqRkYXRlzmVT8QGmc3RhdHVzA6hkYXRhdHlwZaCpbWV0YWRhdGFzgA==";
    let storing = start(bulla()).await;
    let dhtnode = Dhtnode::spawn(dhtnode::DhtnodeOptions {
        bootstrap: Some(address(&storing)),
        ..dhtnode::DhtnodeOptions::default()
    })
    .await;
    let room = key("room");
    let value = json!({ "id": "13", "type": 3, "data": packed });
    dhtnode.proxy.put(&room, &value).await;
    let found = get(&storing, &room).await;
    assert_eq!(
        (found[0].value_type(), found[0].protection()),
        (ValueType::IM_MESSAGE, Protection::Clear)
    );
    let expected = ImMessage {
        id: 56,
        text: "hello2".into(),
        date: 1_700_000_001,
        status: ImStatus::Read,
        ..ImMessage::default()
    };
    assert_eq!(read(&found[0]), expected);
}
