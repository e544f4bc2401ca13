//! What a node saves of the network, read by another program.

use std::fs;

use crate::{
    dhtnode::{self, Dhtnode},
    environment::{Release, has, releases},
    key,
    local::{acknowledged, address, bulla, client, get, in_time, join, start},
    peer::{OpenDht, Options},
};

#[tokio::test]
async fn bulla_goes_on_where_dhtnode_has_stopped() {
    if !has(Release::Debian) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    let other = start(bulla()).await;
    let dhtnode = Dhtnode::spawn(dhtnode::DhtnodeOptions {
        bootstrap: Some(address(&other)),
        state: Some(&state),
        ..dhtnode::DhtnodeOptions::default()
    })
    .await;
    let writer = join(client(), dhtnode.address).await;
    acknowledged(writer.put(&*key("greeting"), "hello")).await;
    let node_id = dhtnode.node_id.clone();
    dhtnode.stop().await;

    let again = start(bulla().state(&state)).await;
    assert_eq!(again.id().to_string(), node_id);
    in_time("a known node", again.wait_connected())
        .await
        .unwrap();
    let info = again.node_info().await.unwrap();
    assert_eq!(info.stats.storage.values, 1);
}

#[tokio::test]
async fn dhtnode_goes_on_where_bulla_has_stopped() {
    if !has(Release::Debian) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    let other = start(bulla()).await;
    let first = join(bulla().state(&state), address(&other)).await;
    let node_id = first.id().to_string();
    in_time("a shutdown", first.shutdown()).await.unwrap();
    assert!(
        fs::read(&state)
            .unwrap()
            .starts_with(b"\x84\xa1v\x01\xa2id")
    );

    let dhtnode = Dhtnode::spawn(dhtnode::DhtnodeOptions {
        state: Some(&state),
        ..dhtnode::DhtnodeOptions::default()
    })
    .await;
    assert_eq!(dhtnode.node_id, node_id);
    dhtnode.proxy.wait_connected().await;
}

#[tokio::test]
async fn exported_opendht_nodes_are_a_way_into_the_network() {
    for &release in releases() {
        let opendht = OpenDht::spawn(release, Options::default()).await;
        let writer = join(client(), opendht.node.address).await;
        let key = key("greeting");
        acknowledged(writer.put(&*key, "hello")).await;
        let nodes = writer.export_nodes().await.unwrap();

        let reader = start(client()).await;
        assert_eq!(reader.import_nodes(&nodes).await.unwrap(), 1);
        in_time("a known node", reader.wait_connected())
            .await
            .unwrap();
        assert_eq!(get(&reader, &key).await.len(), 1);
    }
}
