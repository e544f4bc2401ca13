//! What listeners hear of.

use bulla::{Change, Config, ValueId, ValueType};

use crate::{
    environment::{Release, releases},
    key,
    local::{acknowledged, address, brief, client, crowd, identity, join, next},
    peer::{OpenDht, Options, Put},
};

#[tokio::test]
async fn opendht_tells_bulla_of_new_and_edited_values() {
    for &release in releases() {
        let opendht = OpenDht::spawn(release, Options::default()).await;
        let writer = join(client().identity(identity("alice")), opendht.node.address).await;
        let listener = join(client(), opendht.node.address).await;
        let key = key("news");
        let mut there = opendht.listen(&key).await;
        acknowledged(writer.put_signed(&*key, "one").id(ValueId(1))).await;
        let mut here = listener.listen(&*key);
        for text in ["one", "two", "three"] {
            if text != "one" {
                acknowledged(writer.put_signed(&*key, text).id(ValueId(1))).await;
            }
            let Change::Added(value) = next(&mut here).await else {
                panic!("{text} has been put, and nothing has expired");
            };
            assert_eq!(
                (value.text(), value.signer()),
                (Ok(text), writer.identity())
            );
            let change = there.next().await;
            assert_eq!(
                (change.expired, &*change.value.data),
                (false, text.as_bytes())
            );
        }
    }
}

#[tokio::test]
async fn bulla_tells_opendht_of_new_and_edited_values() {
    for &release in releases() {
        let key = key("news");
        let crowd = crowd(&Config::default(), &key).await;
        let options = Options::default().bootstrap(address(&crowd[0]));
        let listener = OpenDht::spawn(release, options).await;
        let writer = join(client().identity(identity("alice")), address(&crowd[1])).await;
        acknowledged(writer.put_signed(&*key, "one").id(ValueId(1))).await;
        let mut listen = listener.listen(&key).await;
        let mut hears = async |id, seq, text: &str| {
            let change = listen.next().await;
            assert_eq!((change.expired, change.value.id), (false, id));
            assert_eq!(
                (&*change.value.data, change.value.seq),
                (text.as_bytes(), Some(seq))
            );
        };
        hears(1, 0, "one").await;
        acknowledged(writer.put_signed(&*key, "other").id(ValueId(2))).await;
        hears(2, 0, "other").await;
        acknowledged(writer.put_signed(&*key, "two").id(ValueId(1))).await;
        // 2.4.12 is told as well, but passes over what has an id that it knows.
        if release == Release::Newest {
            hears(1, 1, "two").await;
        }
    }
}

#[tokio::test]
async fn opendht_tells_bulla_of_expired_values() {
    for &release in releases() {
        let options = Options::default().lifetimes(&[(0, 2)]);
        let opendht = OpenDht::spawn(release, options).await;
        // The listener believes that values live for ten minutes: it must be told.
        let listener = join(client(), opendht.node.address).await;
        let key = key("news");
        let mut listen = listener.listen(&*key);
        assert!(!opendht.put(&key, Put::new(9, b"brief")).await);
        let Change::Added(value) = next(&mut listen).await else {
            panic!("the value has been put");
        };
        assert_eq!(value.text(), Ok("brief"));
        assert_eq!(next(&mut listen).await, Change::Expired(value));
    }
}

#[tokio::test]
async fn bulla_tells_opendht_of_expired_values() {
    for &release in releases() {
        let key = key("news");
        let crowd = crowd(&brief(ValueType::USER_DATA, 2), &key).await;
        let options = Options::default().bootstrap(address(&crowd[0]));
        let listener = OpenDht::spawn(release, options).await;
        let mut listen = listener.listen(&key).await;
        let writer = join(client(), address(&crowd[1])).await;
        acknowledged(writer.put(&*key, "brief").id(ValueId(9))).await;
        let news = listen.next().await;
        assert_eq!((news.expired, news.value.id), (false, 9));
        let end = listen.next().await;
        assert_eq!((end.expired, end.value.id), (true, 9));
    }
}
