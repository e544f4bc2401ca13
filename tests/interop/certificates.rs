//! Certificates, under both of their names.

use bulla::{InfoHash, identity::Certificate};

use crate::{
    environment::{Release, releases},
    local::{address, bulla, certificate_of, client, eventually, identity, in_time, join, start},
    peer::{OpenDht, Options},
};

#[tokio::test]
async fn bulla_finds_the_certificate_of_an_opendht_node_under_the_name_of_its_release() {
    for &release in releases() {
        let options = Options::default().identity("alice");
        let alice = OpenDht::spawn(release, options).await;
        let pem = alice.node.certificate.as_deref().unwrap();
        let expected = Certificate::from_pem(pem).unwrap();
        assert_eq!(alice.key().id, expected.id().to_string());

        let storing = start(bulla()).await;
        alice.bootstrap(address(&storing)).await;
        let reader = join(client(), address(&storing)).await;
        assert_eq!(certificate_of(&reader, alice.key().name()).await, expected);
    }
}

#[tokio::test]
async fn opendht_keeps_bullas_certificate_under_the_names_it_knows() {
    for &release in releases() {
        let opendht = OpenDht::spawn(release, Options::default()).await;
        let alice = identity("alice");
        let expected = alice.certificate().clone();
        let (short, long) = (alice.id(), alice.long_id());
        let places = [
            InfoHash::new(*short.as_bytes()),
            InfoHash::of(long.as_bytes()),
        ];
        let publisher = join(client().identity(alice), opendht.node.address).await;
        // 2.4.12 refuses certificates at any other place than the short id.
        let kept = match release {
            Release::Newest => &places[..],
            Release::Debian => &places[..1],
        };
        for place in kept.iter().map(InfoHash::to_string) {
            eventually("the certificate", async || {
                let found = opendht.get(&place).await;
                found
                    .first()
                    .is_some_and(|value| holds(&value.data, &expected))
            })
            .await;
        }

        in_time("a shutdown", publisher.shutdown()).await.unwrap();
        let reader = join(client(), opendht.node.address).await;
        let found = in_time("a search", reader.find_certificate(short)).await;
        assert_eq!(found.unwrap().as_ref(), Some(&expected));
        let other = join(client(), opendht.node.address).await;
        let found = in_time("a search", other.find_certificate(long)).await;
        assert_eq!(found.unwrap().is_some(), release == Release::Newest);
    }
}

/// Whether the payload of a value is a certificate, in PEM.
fn holds(data: &[u8], certificate: &Certificate) -> bool {
    let pem = certificate.to_pem();
    data.windows(pem.len()).any(|part| part == pem.as_bytes())
}
