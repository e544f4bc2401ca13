//! Values that one puts and the other gets.

use bulla::{Draft, ValueId};

use crate::{
    environment::releases,
    key,
    local::{acknowledged, address, bulla, client, get, join, start},
    peer::{OpenDht, Options, Put},
};

#[tokio::test]
async fn opendht_stores_and_hands_out_what_bulla_puts() {
    for &release in releases() {
        let opendht = OpenDht::spawn(release, Options::default()).await;
        let writer = join(client(), opendht.node.address).await;
        let reader = join(client(), opendht.node.address).await;
        let key = key("greeting");
        for (id, text) in [(5, "hello"), (6, "")] {
            let draft = Draft::from(text).id(ValueId(id)).user_type("kind");
            acknowledged(writer.put(&*key, draft)).await;
        }

        let found = opendht.get(&key).await;
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].id, &*found[0].data), (5, &b"hello"[..]));
        assert_eq!((found[1].id, &*found[1].data), (6, &b""[..]));
        assert!(found.iter().all(|value| value.user_type == "kind"));

        let handed_out = get(&reader, &key).await;
        assert_eq!(handed_out.len(), 2);
        assert_eq!(handed_out[0].text(), Ok("hello"));
        assert_eq!(handed_out[0].user_type(), "kind");
    }
}

#[tokio::test]
async fn bulla_stores_and_hands_out_what_opendht_puts() {
    for &release in releases() {
        let storing = start(bulla()).await;
        let joining = Options::default().bootstrap(address(&storing));
        let writer = OpenDht::spawn(release, joining).await;
        let key = key("greeting");
        let put = Put::new(5, b"hello").user_type("kind");
        assert!(writer.put(&key, put).await);
        assert!(writer.put(&key, Put::new(6, b"")).await);

        let found = get(&storing, &key).await;
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].id(), found[0].text()), (ValueId(5), Ok("hello")));
        assert_eq!(found[0].user_type(), "kind");

        drop(writer);
        let reader = OpenDht::spawn(release, joining).await;
        let handed_out = reader.get(&key).await;
        assert_eq!(handed_out.len(), 2);
        assert_eq!(handed_out[0].data, b"hello");
    }
}

#[tokio::test]
async fn many_values_under_one_key_are_all_handed_out() {
    const COUNT: u64 = 100;
    for &release in releases() {
        let storing = start(bulla()).await;
        let joining = Options::default().bootstrap(address(&storing));
        let opendht = OpenDht::spawn(release, joining).await;
        let writer = join(client(), opendht.node.address).await;
        let key = key("many");
        for id in 1..=COUNT {
            let draft = Draft::from(format!("value {id}")).id(ValueId(id));
            acknowledged(writer.put(&*key, draft)).await;
        }
        let reader = OpenDht::spawn(release, joining).await;
        assert_eq!(reader.get(&key).await.len() as u64, COUNT);
        drop((storing, reader));
        let reader = join(client(), opendht.node.address).await;
        assert_eq!(get(&reader, &key).await.len() as u64, COUNT);
    }
}
