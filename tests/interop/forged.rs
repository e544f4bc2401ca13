//! Forged signatures, which no node stores or hands out.

use bulla::{Dht, Query, Value, ValueId, wire};

use crate::{
    dhtnode::{self, Dhtnode},
    environment::{Release, has, releases},
    key,
    local::{
        acknowledged, address, bulla, client, eventually, get, identity, in_time, join, start,
    },
    peer::{OpenDht, Options},
};

/// A copy of a signed value with one byte of its text changed.
fn forge(genuine: &Value) -> Value {
    let mut packed = genuine.packed().to_vec();
    let text = b"genuine";
    let at = packed.windows(text.len()).position(|part| part == text);
    packed[at.unwrap()] = b'G';
    wire::unpack(&packed).unwrap()
}

/// The ids of all values that nodes hold under a key, whether they are right or not.
async fn held(reader: &Dht, key: &str) -> Vec<u64> {
    let query: Query = "SELECT id".parse().unwrap();
    let rows = in_time("a query", reader.query(key, query)).await.unwrap();
    let mut ids: Vec<_> = rows.iter().filter_map(|row| Some(row.id?.0)).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn neither_opendht_nor_bulla_believes_or_stores_what_bulla_forges() {
    for &release in releases() {
        let storing = start(bulla()).await;
        let options = Options::default().bootstrap(address(&storing));
        let opendht = OpenDht::spawn(release, options).await;
        let alice = join(client().identity(identity("alice")), address(&storing)).await;
        let (seal, copy) = (key("seal"), key("copy"));
        acknowledged(alice.put_signed(&*seal, "genuine one").id(ValueId(1))).await;
        let genuine = get(&alice, &seal).await.remove(0).value().clone();

        // The forger keeps a copy of its own, and hands it out to everyone.
        let forger = join(bulla(), opendht.node.address).await;
        let there = [address(&storing), address(&alice)];
        forger.bootstrap_addrs(&there).await.unwrap();
        opendht.bootstrap(address(&forger)).await;
        eventually("contact between all", async || {
            let known = forger
                .node_info()
                .await
                .unwrap()
                .stats
                .families
                .v4
                .contacts
                .good;
            let asked = opendht.nodes_near(&copy).await;
            known == 2 && asked.contains(&forger.id().to_string())
        })
        .await;
        acknowledged(forger.put_value(&*copy, forge(&genuine))).await;
        assert_eq!(opendht.get(&copy).await, [], "{release:?}");
        for node in [&alice, &storing] {
            eventually("a forged value", async || {
                let mut values = node.get(&*copy);
                assert_eq!(in_time("a get", values.next()).await, None);
                values.dropped() == 1
            })
            .await;
        }
        assert!(storing.node_info().await.unwrap().stats.refused_puts > 0);

        // Nor does a forged edition take the place of the genuine one.
        acknowledged(alice.put_signed(&*seal, "genuine two").id(ValueId(1))).await;
        let edition = get(&alice, &seal).await.remove(0).value().clone();
        acknowledged(alice.put_value(&*copy, genuine)).await;
        acknowledged(forger.put_value(&*copy, forge(&edition))).await;
        in_time("a shutdown", forger.shutdown()).await.unwrap();
        assert_eq!(held(&alice, &copy).await, [1]);
        assert_eq!(opendht.get(&copy).await[0].data, b"genuine one");
        let reader = join(client(), address(&storing)).await;
        assert_eq!(get(&reader, &copy).await[0].text(), Ok("genuine one"));
    }
}

#[tokio::test]
async fn bulla_neither_believes_nor_stores_what_dhtnode_forges() {
    if !has(Release::Debian) {
        return;
    }
    let storing = start(bulla()).await;
    let alice = join(client().identity(identity("alice")), address(&storing)).await;
    let (seal, copy) = (key("seal"), key("copy"));
    let dhtnode = Dhtnode::spawn(dhtnode::DhtnodeOptions {
        bootstrap: Some(address(&storing)),
        ..dhtnode::DhtnodeOptions::default()
    })
    .await;
    acknowledged(alice.put_signed(&*seal, "genuine").id(ValueId(1))).await;
    let mut value = dhtnode.proxy.get(&seal).await.remove(0);
    dhtnode.proxy.put(&copy, &value).await;
    assert_eq!(get(&storing, &copy).await[0].text(), Ok("genuine"));

    value["data"] = "Zm9yZ2Vk".into();
    value["id"] = "2".into();
    dhtnode.proxy.put(&copy, &value).await;
    let mut values = alice.get(&*copy);
    let found = in_time("a get", values.next()).await.unwrap();
    assert_eq!(found.text(), Ok("genuine"));
    assert_eq!(in_time("a get", values.next()).await, None);
    assert_eq!(values.dropped(), 1);
    assert_eq!(held(&alice, &copy).await, [1, 2]);

    drop(dhtnode);
    let reader = join(client(), address(&storing)).await;
    assert_eq!(held(&reader, &copy).await, [1]);
    assert_eq!(storing.node_info().await.unwrap().stats.refused_puts, 1);
}
