//! Values that only one can read.

use bulla::secure::{Protection, Recipient};

use crate::{
    dhtnode::{self, Dhtnode},
    environment::{Release, has, releases},
    key,
    local::{
        acknowledged, address, bulla, certificate_of, eventually, get, identity, join, next, start,
    },
    peer::{OpenDht, Options, Put},
};

#[tokio::test]
async fn opendht_reads_what_bulla_encrypts_for_it_under_the_name_of_its_release() {
    for &release in releases() {
        let storing = start(bulla()).await;
        let options = Options::default().bootstrap(address(&storing));
        let bob = OpenDht::spawn(release, options.identity("bob")).await;
        let eve = OpenDht::spawn(release, options.identity("eve")).await;
        let alice = identity("alice");
        let id = alice.id().to_string();
        let alice = join(bulla().identity(alice), address(&storing)).await;
        let key = key("letter");
        let mut inbox = bob.listen(&key).await;
        let name = bob.key().name();
        certificate_of(&storing, name).await;
        acknowledged(alice.put_encrypted(&*key, Recipient::Name(name), "secret")).await;

        let letters = bob.get(&key).await;
        assert_eq!(letters.len(), 1);
        assert_eq!(inbox.next().await.value, letters[0]);
        assert_eq!(
            (&*letters[0].data, letters[0].decrypted),
            (&b"secret"[..], true)
        );
        assert_eq!(letters[0].owner.as_ref().map(|owner| &owner.id), Some(&id));
        assert_eq!(letters[0].recipient.as_ref(), Some(&bob.key().id));
        assert_eq!(eve.get(&key).await, []);
    }
}

#[tokio::test]
async fn bulla_reads_what_the_newest_release_encrypts_for_it() {
    if !has(Release::Newest) {
        return;
    }
    let bob = start(bulla().identity(identity("bob"))).await;
    let options = Options::default().bootstrap(address(&bob));
    let alice = OpenDht::spawn(Release::Newest, options.identity("alice")).await;
    let key = key("letter");
    let to = bob.identity().unwrap().to_string();
    eventually("bob's certificate", async || {
        alice.put_encrypted(&key, &to, Put::new(4, b"secret")).await
    })
    .await;

    let letters = get(&bob, &key).await;
    assert_eq!(next(&mut bob.listen(&*key)).await.value(), &letters[0]);
    assert_eq!(
        (letters[0].text(), letters[0].protection()),
        (Ok("secret"), Protection::Encrypted)
    );
    let signer = letters[0].signer().map(|signer| signer.to_string());
    assert_eq!(signer, alice.key().long_id);
    let eve = join(bulla().identity(identity("eve")), address(&bob)).await;
    assert_eq!(get(&eve, &key).await, []);
}

#[tokio::test]
async fn bulla_reads_what_dhtnode_encrypts_for_it() {
    if !has(Release::Debian) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let bob = identity("bob");
    let id = bob.id().to_string();
    let bob = start(bulla().identity(bob)).await;
    let mut dhtnode = Dhtnode::spawn(dhtnode::DhtnodeOptions {
        bootstrap: Some(address(&bob)),
        identity: Some(&directory.path().join("alice")),
        ..dhtnode::DhtnodeOptions::default()
    })
    .await;
    let key = key("letter");
    eventually("bob's certificate", async || {
        dhtnode.put_encrypted(&key, &id, "secret").await
    })
    .await;

    let letters = get(&bob, &key).await;
    assert_eq!(
        (letters[0].text(), letters[0].protection()),
        (Ok("secret"), Protection::Encrypted)
    );
    let signer = letters[0].signer_key().map(|key| key.id().to_string());
    assert_eq!(signer, Some(dhtnode.key_id));
}
