//! Signed values, and their editions.

use bulla::{ValueId, secure::Protection};

use crate::{
    dhtnode::{self, Dhtnode},
    environment::{Release, has, releases},
    key,
    local::{acknowledged, address, bulla, client, get, identity, join, start},
    peer::{OpenDht, Options, Put},
};

#[tokio::test]
async fn opendht_verifies_what_bulla_signs_and_takes_the_new_for_the_old() {
    for &release in releases() {
        let opendht = OpenDht::spawn(release, Options::default()).await;
        let alice = identity("alice");
        let id = alice.id().to_string();
        let writer = join(client().identity(alice), opendht.node.address).await;
        let reader = join(client(), opendht.node.address).await;
        let key = key("seal");
        for (seq, text) in [(0, "one"), (1, "two"), (2, "three")] {
            let put = writer.put_signed(&*key, text).id(ValueId(3));
            acknowledged(put).await;
            let found = opendht.get(&key).await;
            assert_eq!(found.len(), 1, "{release:?}: {text}");
            assert_eq!(
                (&*found[0].data, found[0].seq),
                (text.as_bytes(), Some(seq))
            );
            assert_eq!(found[0].owner.as_ref().map(|owner| &owner.id), Some(&id));
        }
        let handed_out = get(&reader, &key).await;
        assert_eq!(
            (handed_out[0].text(), handed_out[0].seq()),
            (Ok("three"), 2)
        );
        assert_eq!(handed_out[0].signer(), writer.identity());
    }
}

#[tokio::test]
async fn bulla_verifies_what_the_newest_release_signs_and_takes_the_new_for_the_old() {
    if !has(Release::Newest) {
        return;
    }
    let storing = start(bulla()).await;
    let options = Options::default().bootstrap(address(&storing));
    let writer = OpenDht::spawn(Release::Newest, options.identity("alice")).await;
    let reader = join(client(), address(&storing)).await;
    let key = key("seal");
    for (seq, text) in [(0, "one"), (1, "two")] {
        assert!(writer.put_signed(&key, Put::new(3, text.as_bytes())).await);
        for node in [&storing, &reader] {
            let found = get(node, &key).await;
            assert_eq!(found.len(), 1);
            assert_eq!((found[0].text(), found[0].seq()), (Ok(text), seq));
            assert_eq!(found[0].protection(), Protection::Signed);
            let signer = found[0].signer().map(|signer| signer.to_string());
            assert_eq!(signer, writer.key().long_id);
        }
    }
}

#[tokio::test]
async fn bulla_edits_what_its_own_identity_has_signed_with_dhtnode() {
    if !has(Release::Debian) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let files = directory.path().join("alice");
    let alice = identity("alice");
    std::fs::write(files.with_extension("pem"), alice.key().to_pem()).unwrap();
    std::fs::write(files.with_extension("crt"), alice.certificate().to_pem()).unwrap();

    let storing = start(bulla()).await;
    let mut dhtnode = Dhtnode::spawn(dhtnode::DhtnodeOptions {
        bootstrap: Some(address(&storing)),
        identity: Some(&files),
        ..dhtnode::DhtnodeOptions::default()
    })
    .await;
    assert_eq!(dhtnode.key_id, alice.id().to_string());
    let key = key("seal");
    assert!(dhtnode.put_signed(&key, "old").await);
    let found = get(&storing, &key).await;
    assert_eq!((found[0].text(), found[0].seq()), (Ok("old"), 0));
    assert_eq!(found[0].signer(), Some(alice.long_id()));

    let editor = join(client().identity(alice), address(&storing)).await;
    let put = editor.put_signed(&*key, "new").id(found[0].id());
    acknowledged(put).await;
    let found = dhtnode.proxy.get(&key).await;
    assert_eq!(found.len(), 1);
    assert_eq!(
        (&found[0]["data"], &found[0]["seq"]),
        (&"bmV3".into(), &1.into())
    );
}
