//! One network of everybody.

use bulla::Dht;

use crate::{
    environment::releases,
    key,
    local::{acknowledged, address, bulla, eventually, get, join, start},
    peer::{OpenDht, Options, Put},
};

#[tokio::test]
async fn everybody_gets_what_everybody_puts() {
    if releases().is_empty() {
        return;
    }
    let first = start(bulla()).await;
    let options = Options::default().bootstrap(address(&first));
    let mut theirs = Vec::new();
    for &release in releases() {
        for _ in 0..3 {
            theirs.push(OpenDht::spawn(release, options).await);
        }
    }
    let mut ours: Vec<Dht> = vec![first];
    for peer in theirs.iter().take(3) {
        ours.push(join(bulla(), peer.node.address).await);
    }
    let count = ours.len() + theirs.len();
    for node in &ours {
        eventually("eight others", async || {
            let info = node.node_info().await.unwrap();
            info.stats.families.v4.contacts.good >= 8.min(count - 1)
        })
        .await;
    }

    let keys: Vec<_> = (0..count)
        .map(|number| key(&format!("key {number}")))
        .collect();
    let (our_keys, their_keys) = keys.split_at(ours.len());
    for (node, key) in ours.iter().zip(our_keys) {
        acknowledged(node.put(&**key, key.as_str())).await;
    }
    for (node, key) in theirs.iter().zip(their_keys) {
        assert!(node.put(key, Put::new(1, key.as_bytes())).await);
    }
    for key in &keys {
        for node in &ours {
            assert_eq!(get(node, key).await[0].text(), Ok(key.as_str()));
        }
        for node in &theirs {
            let found = node.get(key).await;
            assert_eq!(found[0].data, key.as_bytes(), "{}", node.node.version);
        }
    }
}
