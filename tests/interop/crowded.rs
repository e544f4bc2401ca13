//! Keys with more values than one answer has room for.

use std::future::IntoFuture;
use std::time::Duration;

use bulla::{Config, Dht, Draft, ValueId};

use tokio::time::{Instant, sleep};

use crate::{
    environment::releases,
    key,
    local::{address, client, crowd, get, join},
    peer::{OpenDht, Options, Put},
};

/// The kernel gives twice that, which is what `net.core.rmem_max` allows on an ordinary system.
const BUFFER: usize = 212_992 / 2;

/// An id as others draw them, anywhere in their range.
fn id(number: u64) -> u64 {
    (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Lets all nodes of a crowd hold so many values of 100 bytes.
async fn fill(crowd: &[Dht], key: &str, count: u64) {
    let put = |number| {
        let put = crowd[0].put(key, Draft::new(vec![7; 100]).id(ValueId(id(number))));
        tokio::spawn(put.into_future())
    };
    let puts: Vec<_> = (0..count).map(put).collect();
    let values = loop {
        sleep(Duration::from_millis(50)).await;
        if crowd[0].node_info().await.unwrap().stats.storage.values as u64 == count {
            break crowd[0].export_values().await.unwrap();
        }
    };
    drop(puts);
    for node in &crowd[1..] {
        node.import_values(&values).await.unwrap();
    }
}

async fn opendht_reads(count: u64, config: Config) {
    let key = key("crowded");
    for &release in releases() {
        let crowd = crowd(&config, &key).await;
        fill(&crowd, &key, count).await;
        let options = Options::default().bootstrap(address(&crowd[0]));
        let reader = OpenDht::spawn(release, options).await;
        let began = Instant::now();
        let found = reader.get(&key).await.len() as u64;
        let took = began.elapsed();
        println!(
            "OpenDHT {}: {found} of {count} in {took:?}",
            release.version()
        );
        let least = if count > 6_000 {
            count * 98 / 100
        } else {
            count
        };
        assert!(found >= least, "{release:?}: {found}");
        let reader = join(client().receive_buffer(BUFFER), address(&crowd[0])).await;
        let began = Instant::now();
        let found = get(&reader, &key).await.len() as u64;
        println!("bulla: {found} of {count} in {:?}", began.elapsed());
        assert_eq!(found, count);
    }
}

#[tokio::test]
async fn opendht_reads_a_crowded_key_of_bulla() {
    opendht_reads(1_000, Config::default()).await;
}

#[tokio::test]
#[ignore = "takes minutes"]
async fn opendht_reads_ten_thousand_values_of_bulla() {
    // Its ids do not fit into one datagram: each node tells of others, some two thirds. What none
    // of them tells of it does not find.
    let mut config = Config::default();
    config.transport.rate_limit_per_sec = None;
    config.transport.peer_rate_limit_per_sec = None;
    opendht_reads(10_000, config).await;
}

#[tokio::test]
async fn bulla_reads_a_crowded_key_of_opendht() {
    const COUNT: u64 = 1_000;
    for &release in releases() {
        let key = key("crowded");
        let opendht = OpenDht::spawn(release, Options::default()).await;
        for number in 0..COUNT {
            // There is no other node that could acknowledge them; it stores them itself.
            opendht.put(&key, Put::new(id(number), &[7; 100])).await;
        }
        let reader = join(client().receive_buffer(BUFFER), opendht.node.address).await;
        let began = Instant::now();
        let found = get(&reader, &key).await.len() as u64;
        let took = began.elapsed();
        println!(
            "bulla from {}: {found} of {COUNT} in {took:?}",
            release.version()
        );
        assert_eq!(found, COUNT, "{release:?}");
    }
}
