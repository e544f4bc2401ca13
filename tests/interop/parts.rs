//! Values that are too large for one datagram.

use bulla::{Config, Draft, ValueId};

use crate::{
    environment::releases,
    key,
    local::{acknowledged, address, bulla, client, crowd, get, join, next, start},
    peer::{OpenDht, Options, Put},
};

/// Bytes that show where in the value they belong.
fn large() -> Vec<u8> {
    (0..25_000_u16).flat_map(u16::to_be_bytes).collect()
}

#[tokio::test]
async fn opendht_puts_parts_together_and_sends_its_own() {
    for &release in releases() {
        let opendht = OpenDht::spawn(release, Options::default()).await;
        let writer = join(client(), opendht.node.address).await;
        let reader = join(client(), opendht.node.address).await;
        let key = key("large");
        let draft = Draft::from(large()).id(ValueId(1));
        acknowledged(writer.put(&*key, draft)).await;
        assert_eq!(opendht.get(&key).await[0].data, large());
        assert_eq!(get(&reader, &key).await[0].data(), large());
    }
}

#[tokio::test]
async fn bulla_puts_parts_together_and_sends_its_own() {
    for &release in releases() {
        let storing = start(bulla()).await;
        let joining = Options::default().bootstrap(address(&storing));
        let writer = OpenDht::spawn(release, joining).await;
        let key = key("large");
        assert!(writer.put(&key, Put::new(1, &large())).await);
        assert_eq!(get(&storing, &key).await[0].data(), large());

        drop(writer);
        let reader = OpenDht::spawn(release, joining).await;
        assert_eq!(reader.get(&key).await[0].data, large());
    }
}

#[tokio::test]
async fn opendht_tells_bulla_in_parts() {
    for &release in releases() {
        let opendht = OpenDht::spawn(release, Options::default()).await;
        let listener = join(client(), opendht.node.address).await;
        let key = key("large");
        assert!(!opendht.put(&key, Put::new(1, &large())).await);
        let mut listen = listener.listen(&*key);
        assert_eq!(next(&mut listen).await.value().data(), large());
        let writer = join(client(), opendht.node.address).await;
        let draft = Draft::from(large()).id(ValueId(2));
        acknowledged(writer.put(&*key, draft)).await;
        assert_eq!(next(&mut listen).await.value().data(), large());
    }
}

#[tokio::test]
async fn bulla_tells_opendht_in_parts() {
    for &release in releases() {
        let key = key("large");
        let crowd = crowd(&Config::default(), &key).await;
        let writer = join(client(), address(&crowd[1])).await;
        let draft = Draft::from(large()).id(ValueId(1));
        acknowledged(writer.put(&*key, draft)).await;
        let options = Options::default().bootstrap(address(&crowd[0]));
        let listener = OpenDht::spawn(release, options).await;
        let mut listen = listener.listen(&key).await;
        assert_eq!(listen.next().await.value.data, large());
        let draft = Draft::from(large()).id(ValueId(2));
        acknowledged(writer.put(&*key, draft)).await;
        let news = listen.next().await.value;
        assert_eq!((news.id, news.data), (2, large()));
    }
}
