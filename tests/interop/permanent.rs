//! Puts that are repeated before their values expire.

use bulla::{ValueId, ValueType};
use serde_json::json;

use crate::{
    dhtnode::{self, Dhtnode},
    environment::{Release, has, releases},
    key,
    local::{acknowledged, address, brief, bulla, client, eventually, get, join, start},
    peer::{OpenDht, Options, Put},
};

#[tokio::test]
async fn bulla_repeats_its_permanent_puts_at_opendht() {
    for &release in releases() {
        let options = Options::default().lifetimes(&[(0, 4)]);
        let opendht = OpenDht::spawn(release, options).await;
        let writer = join(
            client().config(brief(ValueType::USER_DATA, 4)).client(true),
            opendht.node.address,
        )
        .await;
        let (stay, pass) = (key("stay"), key("pass"));
        acknowledged(writer.put_permanent(&*stay, "here").id(ValueId(2))).await;
        // Put later, it outlives the other unless that one is repeated.
        acknowledged(writer.put(&*pass, "gone")).await;
        eventually("the end of a value", async || {
            opendht.get(&pass).await.is_empty()
        })
        .await;
        eventually("the value again", async || {
            !opendht.get(&stay).await.is_empty()
        })
        .await;

        assert_eq!(writer.cancel_put(&*stay, ValueId(2)).await, Ok(true));
        eventually("the end", async || opendht.get(&stay).await.is_empty()).await;
    }
}

#[tokio::test]
async fn the_newest_release_repeats_its_permanent_puts_at_bulla() {
    if !has(Release::Newest) {
        return;
    }
    // OpenDHT repeats ten seconds before the end.
    let storing = start(bulla().config(brief(ValueType::USER_DATA, 12))).await;
    let options = Options::default().lifetimes(&[(0, 12)]);
    let writer = OpenDht::spawn(Release::Newest, options.bootstrap(address(&storing))).await;
    let reader = join(client(), address(&storing)).await;
    let (stay, pass) = (key("stay"), key("pass"));
    assert!(writer.put(&stay, Put::new(2, b"here").permanent()).await);
    assert!(writer.put(&pass, Put::new(2, b"gone")).await);
    eventually("the end of a value", async || {
        get(&reader, &pass).await.is_empty()
    })
    .await;
    eventually("the value again", async || {
        !get(&reader, &stay).await.is_empty()
    })
    .await;

    writer.cancel_put(&stay, 2).await;
    eventually("the end", async || get(&reader, &stay).await.is_empty()).await;
}

#[tokio::test]
async fn dhtnode_repeats_its_permanent_puts_at_bulla() {
    if !has(Release::Debian) {
        return;
    }
    // No option tells dhtnode about lifetimes, and the shortest it knows, of type 5, is a minute.
    // It repeats such a put after fifty seconds, when bulla has long forgotten it.
    let storing = start(bulla().config(brief(ValueType::ICE_CANDIDATES, 25))).await;
    let dhtnode = Dhtnode::spawn(dhtnode::DhtnodeOptions {
        bootstrap: Some(address(&storing)),
        ..dhtnode::DhtnodeOptions::default()
    })
    .await;
    let reader = join(client(), address(&storing)).await;
    let key = key("stay");
    let value = json!({ "id": "2", "type": 5, "data": "aGVyZQ==", "permanent": true });
    dhtnode.proxy.put(&key, &value).await;
    let stored = async || storing.node_info().await.unwrap().stats.storage.values;
    assert_eq!(stored().await, 1);
    eventually("the end of a value", async || stored().await == 0).await;
    eventually("the value again", async || stored().await == 1).await;
    assert_eq!(get(&reader, &key).await[0].text(), Ok("here"));
}
