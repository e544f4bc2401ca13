//! Chains of certificates with keys of every type, and which verifiers trust them.

use bulla::identity::{
    Certificate, CertificateChain, Curve, Identity, IdentityParams, KeyKind, TrustError, TrustList,
};

use crate::{
    environment::releases,
    peer::{OpenDht, Options},
};

/// The start of 2025, when our certificates begin.
const START: u64 = 1_735_689_600;

const KINDS: [KeyKind; 4] = [
    KeyKind::Rsa,
    KeyKind::Curve(Curve::P256),
    KeyKind::Curve(Curve::P384),
    KeyKind::Curve(Curve::Ed25519),
];

#[tokio::test]
async fn opendht_trusts_our_chains_whatever_the_keys() {
    for &release in releases() {
        let opendht = OpenDht::spawn(release, Options::default()).await;
        let stranger = issue("root", KeyKind::Rsa, None);
        for kind in KINDS {
            let root = issue("root", kind, None);
            let account = issue("account", KINDS[1], Some(&root));
            for leaf in KINDS {
                let device = issue("device", leaf, Some(&account));
                let chain = device.chain().to_pem();
                let by = async |root: &Identity| {
                    let authority = root.certificate().to_pem();
                    opendht.trusts(&authority, &chain).await
                };
                assert!(by(&root).await, "{leaf} under {kind}, {release:?}");
                assert!(!by(&stranger).await, "{leaf} under {kind}, {release:?}");
            }
        }
    }
}

#[tokio::test]
async fn we_trust_the_chains_of_opendht_whatever_the_keys() {
    for &release in releases() {
        let opendht = OpenDht::spawn(release, Options::default()).await;
        for kinds in [
            ["EC", "EC", "EC"],
            ["EC", "RSA", "EC"],
            ["RSA", "EC", "RSA"],
        ] {
            let chain = opendht.make_chain(&kinds).await;
            let chain = CertificateChain::from_bytes(chain.as_bytes()).unwrap();
            let algorithms: Vec<_> = chain.iter().rev().map(Certificate::algorithm).collect();
            assert_eq!(algorithms, kinds);
            let mut trusted = TrustList::new();
            let now = chain.leaf().not_before();
            assert_eq!(
                trusted.verify(&chain, now),
                Err(TrustError::UnknownIssuer("authority 0".to_owned()))
            );
            trusted.add(&chain[2..]);
            assert_eq!(
                trusted.verify(&chain, now),
                Ok(()),
                "{kinds:?}, {release:?}"
            );
        }
    }
}

fn issue(name: &str, kind: KeyKind, issuer: Option<&Identity>) -> Identity {
    let parameters = IdentityParams::new(name, START).kind(kind).bits(2048);
    let parameters = match issuer {
        Some(issuer) if name != "device" => parameters.issuer(issuer).authority(),
        Some(issuer) => parameters.issuer(issuer),
        None => parameters,
    };
    Identity::generate(&parameters).unwrap()
}
