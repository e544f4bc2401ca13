//! Networks: into them, apart from them, and at their edge.

use bulla::{Dht, node::Status};

use crate::{
    environment::releases,
    key,
    local::{acknowledged, address, bulla, client, eventually, get, join, start},
    peer::{OpenDht, Options, Put},
};

#[tokio::test]
async fn nodes_meet_over_ipv6() {
    let on_v6 = || Dht::builder().bind("[::1]:0".parse().unwrap()).workers(1);
    for &release in releases() {
        let key = key("name");
        let opendht = OpenDht::spawn(release, Options::default()).await;
        let node = join(on_v6(), opendht.node.address6).await;
        assert_eq!(node.status().v6, Status::Connected);
        acknowledged(node.put(&*key, "six")).await;
        assert_eq!(opendht.get(&key).await[0].data, b"six");

        let joining = Options::default().bootstrap(address(&node));
        let second = OpenDht::spawn(release, joining).await;
        assert_eq!(second.get(&key).await[0].data, b"six");
    }
}

#[tokio::test]
async fn a_node_with_both_families_puts_in_both() {
    for &release in releases() {
        let opendht = OpenDht::spawn(release, Options::default()).await;
        let both = bulla().bind("[::1]:0".parse().unwrap());
        let node = join(both, opendht.node.address).await;
        node.bootstrap_addrs(&[opendht.node.address6])
            .await
            .unwrap();
        eventually("both families", async || {
            let status = node.status();
            (status.v4, status.v6) == (Status::Connected, Status::Connected)
        })
        .await;
        let key = key("name");
        acknowledged(node.put(&*key, "both")).await;
        assert_eq!(opendht.get(&key).await[0].data, b"both");
        assert_eq!(get(&node, &key).await.len(), 1);
    }
}

#[tokio::test]
async fn networks_do_not_mix() {
    for &release in releases() {
        let public = OpenDht::spawn(release, Options::default()).await;
        let own = OpenDht::spawn(release, Options::default().network(7)).await;
        let builder = || {
            client()
                .network(7)
                .bootstrap(public.node.address.to_string())
        };
        let node = join(builder(), own.node.address).await;
        let key = key("name");
        acknowledged(node.put(&*key, "ours")).await;
        assert!(!public.put(&key, Put::new(1, b"theirs")).await);
        assert_eq!(own.get(&key).await.len(), 1);
        assert_eq!(public.get(&key).await[0].data, b"theirs");
        let found = get(&join(builder(), own.node.address).await, &key).await;
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].text(), Ok("ours"));
    }
}

#[tokio::test]
async fn clients_use_the_network_and_are_not_used() {
    for &release in releases() {
        let opendht = OpenDht::spawn(release, Options::default()).await;
        let edge = join(client(), opendht.node.address).await;
        let writer = join(bulla(), opendht.node.address).await;
        let key = key("name");
        assert!(opendht.put(&key, Put::new(1, b"one")).await);
        acknowledged(writer.put(&*key, "two")).await;
        assert_eq!(get(&edge, &key).await.len(), 2);
        let info = edge.node_info().await.unwrap();
        assert_eq!(info.stats.storage.values, 0, "{release:?}");
    }
}

#[tokio::test]
async fn a_node_that_starts_alone_is_found_later() {
    for &release in releases() {
        let opendht = OpenDht::spawn(release, Options::default()).await;
        let node = start(bulla()).await;
        opendht.bootstrap(address(&node)).await;
        eventually("the other one", async || node.status().is_connected()).await;
    }
}
