//! Values outlive the nodes that put them.

use bulla::{Config, Draft, ValueId};

use crate::{
    environment::releases,
    key,
    local::{acknowledged, address, bulla, client, crowd, get, in_time, join},
    peer::{OpenDht, Options, Put},
};

#[tokio::test]
async fn opendht_hands_out_what_a_dead_bulla_node_has_put() {
    for &release in releases() {
        let opendht = OpenDht::spawn(release, Options::default()).await;
        let writer = join(bulla(), opendht.node.address).await;
        let key = key("will");
        acknowledged(writer.put(&*key, "remember me")).await;
        in_time("a shutdown", writer.shutdown()).await.unwrap();

        let reader = join(client(), opendht.node.address).await;
        assert_eq!(get(&reader, &key).await[0].text(), Ok("remember me"));
        let joining = Options::default().bootstrap(opendht.node.address);
        let reader = OpenDht::spawn(release, joining).await;
        assert_eq!(reader.get(&key).await[0].data, b"remember me");
    }
}

#[tokio::test]
async fn half_of_the_storing_nodes_are_enough_when_the_publisher_and_the_others_have_died() {
    for &release in releases() {
        let key = key("will");
        let mut crowd = crowd(&Config::default(), &key).await;
        let options = Options::default().bootstrap(address(&crowd[7]));
        let dying = OpenDht::spawn(release, options).await;
        assert!(dying.put(&key, Put::new(1, b"remember me")).await);
        let draft = Draft::from("me too").id(ValueId(2));
        let writer = join(client(), address(&crowd[7])).await;
        acknowledged(writer.put(&*key, draft)).await;
        drop((dying, writer));
        for node in crowd.drain(..4) {
            in_time("a shutdown", node.shutdown()).await.unwrap();
        }

        let reader = OpenDht::spawn(release, options).await;
        let found = reader.get(&key).await;
        assert_eq!(found.len(), 2, "{release:?}");
        assert_eq!(found[0].data, b"remember me");
        let reader = join(client(), address(&crowd[0])).await;
        assert_eq!(get(&reader, &key).await.len(), 2);
    }
}
