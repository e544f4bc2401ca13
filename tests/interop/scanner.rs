//! A scan of the network, as OpenDHT's `dhtscanner` does it: gets all over the key space, and which
//! nodes answered them. Debian's packages do not bring that program, so the binding makes the gets.

use std::collections::BTreeSet;

use crate::{
    environment::releases,
    local::{address, bulla, client, join, start},
    peer::{OpenDht, Options},
};

#[tokio::test]
async fn a_scan_by_opendht_finds_every_bulla_node_and_no_client() {
    if releases().is_empty() {
        return;
    }
    let first = start(bulla()).await;
    let mut expected = BTreeSet::from([first.id().to_string()]);
    let mut nodes = Vec::new();
    for _ in 0..11 {
        let node = join(bulla(), address(&first)).await;
        expected.insert(node.id().to_string());
        nodes.push(node);
    }
    let hidden = join(client(), address(&first)).await;
    let options = Options::default().bootstrap(address(&first));
    // Kept until the end, so that no node waits for replies of one that is gone.
    let mut scanners = Vec::new();
    for &release in releases() {
        scanners.push((release, OpenDht::spawn(release, options).await));
    }
    for (release, scanner) in &scanners {
        let mut seen = BTreeSet::new();
        for digit in "0123456789abcdef".chars() {
            let key = format!("{digit}{}", "8".repeat(39));
            seen.extend(scanner.nodes_near(&key).await);
        }
        assert!(seen.is_superset(&expected), "{release:?}: {seen:?}");
        assert!(!seen.contains(&hidden.id().to_string()), "{release:?}");
    }
}
