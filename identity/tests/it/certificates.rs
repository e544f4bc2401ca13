use bulla_identity::{
    Certificate, CertificateChain, CertificateError, MAX_CHAIN_BYTES, MAX_CHAIN_LENGTH,
};
use proptest::prelude::*;

use crate::vectors::{VERSIONS, identities, identity_vector, openssl_certificate, value};

#[test]
fn certificates_of_opendht_are_read_as_opendht_reads_them() {
    for vector in identities() {
        let der = vector.bytes("certificate_der");
        let certificate = Certificate::from_der(&der).expect("a certificate");
        let name = vector.name();
        assert_eq!(certificate.to_der(), der, "{name}");
        assert_eq!(
            certificate.id().to_string(),
            vector.text("key_id"),
            "{name}"
        );
        assert_eq!(
            certificate.long_id().to_string(),
            vector.text("long_key_id"),
            "{name}"
        );
        assert_eq!(
            certificate.name(),
            Some(vector.text("subject_cn")),
            "{name}"
        );
        assert_eq!(
            certificate.uid(),
            Some(vector.text("subject_uid")),
            "{name}"
        );
        assert_eq!(
            certificate.issuer_name(),
            Some(vector.text("issuer_cn")),
            "{name}"
        );
        assert_eq!(
            certificate.issuer_uid(),
            Some(vector.text("issuer_uid")),
            "{name}"
        );
        assert_eq!(certificate.is_ca(), vector.flag("is_ca"), "{name}");
        assert_eq!(
            certificate.not_after() - certificate.not_before(),
            3650 * 86_400,
            "{name}"
        );
        let expected = match vector.text("name") {
            "erin_ec" => ("EC", 384),
            "carol" => ("RSA", 4096),
            _ => ("RSA", 2048),
        };
        assert_eq!(
            (certificate.algorithm(), certificate.bits()),
            expected,
            "{name}"
        );
        let key = certificate.public_key().map(|key| key.to_der().to_vec());
        assert_eq!(key, Some(vector.bytes("public_key_der")), "{name}");
    }
}

#[test]
fn chains_are_read_and_written_the_same() {
    for vector in identities() {
        let text = vector.text("certificate_chain_pem");
        let chain = CertificateChain::from_bytes(text.as_bytes()).expect("a chain");
        assert_eq!(chain.to_pem(), text, "{}", vector.name());
        assert_eq!(chain.leaf().to_der(), vector.bytes("certificate_der"));
        assert_eq!(Certificate::from_pem(text), Ok(chain.leaf().clone()));
    }
}

#[test]
fn the_published_value_is_read_as_it_is() {
    for version in VERSIONS {
        let alice = identity_vector(version, "alice");
        let chain = CertificateChain::from_bytes(&value(version, "type.certificate.alice"))
            .expect("a chain");
        assert_eq!(chain, alice.chain());
        assert_eq!(chain.len(), 2);
        let bare =
            CertificateChain::from_bytes(&alice.bytes("certificate_der")).expect("a certificate");
        assert_eq!(bare, chain.leaf().clone().into());
    }
}

#[test]
fn issuers_are_known_by_name_and_signature() {
    for version in VERSIONS {
        let certificate = |name| identity_vector(version, name).chain().leaf().clone();
        let (ca, alice, bob, carol) = (
            certificate("ca"),
            certificate("alice"),
            certificate("bob"),
            certificate("carol"),
        );
        assert!(alice.is_issued_by(&ca));
        assert!(ca.is_issued_by(&ca));
        assert!(carol.is_issued_by(&carol));
        assert!(!alice.is_issued_by(&bob));
        assert!(!alice.is_issued_by(&alice));
        assert!(!ca.is_issued_by(&alice));
        assert!(certificate("erin_ec").is_issued_by(&certificate("erin_ec")));
        assert!(!certificate("erin_ec").is_issued_by(&ca));
    }
}

#[test]
fn weak_signatures_and_keys_do_not_count() {
    let sha1 = openssl_certificate("sha1");
    assert!(sha1.is_ca());
    assert!(!sha1.is_issued_by(&sha1));
    let small = openssl_certificate("rsa_1024");
    assert_eq!(
        (small.algorithm(), small.bits(), small.public_key()),
        ("RSA", 1024, None)
    );
    assert!(!small.is_issued_by(&small));
    assert!(!openssl_certificate("no_key_usage").is_ca());
    let fine = openssl_certificate("email");
    assert!(fine.is_ca() && fine.is_issued_by(&fine));
}

#[test]
fn what_is_no_certificate_is_refused() {
    let alice = identity_vector("4.4.2", "alice");
    let der = alice.bytes("certificate_der");
    for bytes in [
        &b""[..],
        b"hello",
        &alice.bytes("public_key_der"),
        &[&der[..], b"\0"].concat(),
    ] {
        assert_eq!(
            Certificate::from_der(bytes),
            Err(CertificateError::Malformed)
        );
        assert_eq!(
            CertificateChain::from_bytes(bytes),
            Err(CertificateError::Malformed)
        );
    }
    assert!((0..der.len()).all(|length| Certificate::from_der(&der[..length]).is_err()));
    let pem = alice.text("certificate_chain_pem");
    let first = pem.find("-----END").expect("an end");
    assert_eq!(
        CertificateChain::from_bytes(&pem.as_bytes()[..first]),
        Err(CertificateError::Malformed)
    );
}

#[test]
fn sizes_are_bounded() {
    for size in [MAX_CHAIN_BYTES + 1, 1 << 20] {
        let bytes = vec![0x30; size];
        assert_eq!(
            Certificate::from_der(&bytes),
            Err(CertificateError::TooLarge)
        );
        assert_eq!(
            Certificate::from_pem(&bytes),
            Err(CertificateError::TooLarge)
        );
        assert_eq!(
            CertificateChain::from_bytes(&bytes),
            Err(CertificateError::TooLarge)
        );
    }
    let ca = identity_vector("4.4.2", "ca").chain();
    let most = ca.to_pem().repeat(MAX_CHAIN_LENGTH);
    assert_eq!(
        CertificateChain::from_bytes(most.as_bytes()).map(|chain| chain.len()),
        Ok(MAX_CHAIN_LENGTH)
    );
    let more = ca.to_pem().repeat(MAX_CHAIN_LENGTH + 1);
    assert_eq!(
        CertificateChain::from_bytes(more.as_bytes()),
        Err(CertificateError::TooMany)
    );
}

#[test]
fn a_chain_out_of_order_is_refused() {
    let chain = identity_vector("4.4.2", "alice").chain();
    let reversed: String = chain.iter().rev().map(Certificate::to_pem).collect();
    assert_eq!(
        CertificateChain::from_bytes(reversed.as_bytes()),
        Err(CertificateError::Unordered)
    );
    assert_eq!(
        CertificateChain::new(chain[1].clone(), [chain[0].clone()]),
        Err(CertificateError::Unordered)
    );
}

#[test]
fn a_chain_without_its_leaf_is_the_chain_of_the_issuer() {
    let chain = identity_vector("4.4.2", "alice").chain();
    assert_eq!(chain.len(), 2);
    let above = chain.issuer_chain().expect("an issuer");
    assert_eq!(*above, *chain.issuers());
    assert_eq!(above.leaf(), &chain[1]);
    assert_eq!(above.issuer_chain(), None);
    assert_eq!(above, CertificateChain::from(chain[1].clone()));
    let issuers = above.iter().cloned();
    assert_eq!(
        CertificateChain::new(chain.leaf().clone(), issuers),
        Ok(chain)
    );
}

proptest! {
    #[test]
    fn damaged_certificates_never_pass_for_issued(at: usize, flip in 1u8..) {
        let alice = identity_vector("2.4.12", "alice");
        let chain = alice.chain();
        let ca = &chain[1];
        let mut der = alice.bytes("certificate_der");
        let length = der.len();
        der[at % length] ^= flip;
        if let Ok(certificate) = Certificate::from_der(&der) {
            // Some bytes outside of the signed part have two spellings. What is certified has not.
            let says = |certificate: &Certificate| {
                let dates = (certificate.not_before(), certificate.not_after());
                (certificate.name().map(str::to_owned), certificate.long_id(), dates, certificate.is_ca())
            };
            prop_assert!(!certificate.is_issued_by(ca) || says(&certificate) == says(chain.leaf()));
            let _ = (certificate.bits(), format!("{certificate:?}"));
        }
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
        let _ = CertificateChain::from_bytes(&bytes);
        let armoured = [b"-----BEGIN CERTIFICATE-----\n", &bytes[..], b"\n-----END CERTIFICATE-----\n"].concat();
        let _ = CertificateChain::from_bytes(&armoured);
    }
}
