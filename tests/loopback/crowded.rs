//! A key with more values than an ordinary receive buffer holds datagrams.

use std::future::IntoFuture;

use tokio::time::Instant;

use super::*;

/// The kernel gives twice that, which is what `net.core.rmem_max` allows on an ordinary system.
const BUFFER: usize = 212_992 / 2;

#[tokio::test(flavor = "multi_thread")]
async fn a_crowded_key_is_read_through_an_ordinary_buffer() {
    within(crowd_and_read(4, 2_000)).await;
}

/// As long as it takes to put the values where they are to be read.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute"]
async fn ten_thousand_values_under_one_key_are_read_through_an_ordinary_buffer() {
    timeout(Duration::from_secs(300), crowd_and_read(8, 10_000))
        .await
        .expect("done in five minutes");
}

/// Lets all nodes of a network hold so many values of 100 bytes, and reads them ten times.
async fn crowd_and_read(nodes: usize, count: u64) {
    let first = local().start().await.unwrap();
    let puts: Vec<_> = (1..=count)
        .map(|id| {
            let id = ValueId(id.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let put = first.put("crowded", Draft::new(vec![7; 100]).id(id));
            tokio::spawn(put.into_future())
        })
        .collect();
    let values = loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if first.node_info().await.unwrap().stats.storage.values as u64 == count {
            break first.export_values().await.unwrap();
        }
    };
    drop(puts);
    let mut others = Vec::new();
    for _ in 1..nodes {
        let other = join(local(), &first).await;
        assert_eq!(other.import_values(&values).await.unwrap() as u64, count);
        others.push(other);
    }
    for round in 0..10 {
        let reader = join(local().client(true).receive_buffer(BUFFER), &first).await;
        let began = Instant::now();
        let found = reader.get_all("crowded").await.unwrap();
        let took = began.elapsed();
        println!("{round}: {} of {count} values in {took:?}", found.len());
        assert_eq!(found.len() as u64, count);
    }
    drop(others);
}
