//! Certificates, requests and revocation lists by keys of every kind.

use std::ops::ControlFlow;

use bulla_identity::{
    Certificate, CertificateChain, CertificateError, CertificateParams, CertificateRequest, Curve,
    Identity, IdentityParams, IssueError, KeyKind, MAX_CHAIN_LENGTH, PrivateKey, RequestParams,
    RevocationDraft, RevocationList, RevocationReason, RevokeError, SignError, TrustError,
    TrustList, verify_chain,
};

use crate::vectors::{NOW, identity, private_key};

/// The kinds of keys that certify others.
pub(crate) const SIGNERS: [KeyKind; 4] = [
    KeyKind::Rsa,
    KeyKind::Curve(Curve::P256),
    KeyKind::Curve(Curve::P384),
    KeyKind::Curve(Curve::Ed25519),
];

/// Returns a key of this kind; those of RSA are always the same.
pub(crate) fn key(kind: KeyKind) -> PrivateKey {
    match kind {
        KeyKind::Curve(curve) => PrivateKey::generate_on(curve).expect("a key"),
        KeyKind::RsaOaep => key(KeyKind::Rsa).to_oaep().expect("an RSA key"),
        _ => private_key("4.4.2", "bob"),
    }
}

fn issue(kind: KeyKind, params: &IdentityParams<'_>) -> Identity {
    Identity::issue(key(kind), params).expect("issued")
}

fn authority(kind: KeyKind) -> Identity {
    issue(kind, &IdentityParams::new("CA", NOW))
}

/// Returns an authority below `issuer`.
fn middle(kind: KeyKind, name: &str, issuer: &Identity) -> Identity {
    let params = IdentityParams::new(name, NOW).authority();
    issue(kind, &params.issuer(issuer))
}

#[test]
fn every_key_that_signs_certifies_every_other() {
    for issuer in SIGNERS {
        let ca = authority(issuer);
        assert!(ca.certificate().is_ca());
        assert_eq!(verify_chain(ca.chain(), ca.chain(), NOW), Ok(()));
        for subject in SIGNERS.into_iter().chain([KeyKind::RsaOaep]) {
            let params = IdentityParams::new("alice", NOW).issuer(&ca);
            let alice = issue(subject, &params);
            let certificate = alice.certificate();
            assert_eq!(certificate.public_key(), Some(alice.public_key()));
            assert_eq!(alice.public_key().kind(), subject);
            let id = alice.id().to_string();
            assert_eq!(certificate.uid(), Some(&*id), "{subject} by {issuer}");
            assert!(!certificate.is_ca());
            assert_eq!(verify_chain(alice.chain(), ca.chain(), NOW), Ok(()));
        }
    }
}

#[test]
fn chains_mix_keys_of_every_kind() {
    let [rsa, p256, p384, ed25519] = SIGNERS;
    let root = authority(ed25519);
    let account = middle(
        p256,
        "account",
        &middle(rsa, "b", &middle(p384, "a", &root)),
    );
    let device = issue(rsa, &IdentityParams::new("device", NOW).issuer(&account));
    assert_eq!(device.chain().len(), 5);
    assert_eq!(verify_chain(device.chain(), root.chain(), NOW), Ok(()));
    let at_the_end = device.certificate().not_after() + 1;
    assert_eq!(
        verify_chain(device.chain(), root.chain(), at_the_end),
        Err(TrustError::Expired("device".to_owned()))
    );
}

#[test]
fn the_hash_follows_the_strength_of_the_certified_key() {
    const SHA256_WITH_RSA: &str = "06092a864886f70d01010b";
    const SHA384_WITH_RSA: &str = "06092a864886f70d01010c";
    const ECDSA_WITH_SHA256: &str = "06082a8648ce3d040302";
    const ECDSA_WITH_SHA384: &str = "06082a8648ce3d040303";
    const ED25519: &str = "06032b6570";
    let [rsa, p256, p384, ed25519] = SIGNERS;
    let long = private_key("4.4.2", "carol");
    for (issuer, subject, algorithm) in [
        (rsa, key(rsa), SHA256_WITH_RSA),
        (rsa, long.clone(), SHA384_WITH_RSA),
        (rsa, key(p256), SHA256_WITH_RSA),
        (rsa, key(p384), SHA384_WITH_RSA),
        (p256, key(p256), ECDSA_WITH_SHA256),
        (p256, key(p384), ECDSA_WITH_SHA384),
        (p256, long, ECDSA_WITH_SHA384),
        (p384, key(p384), ECDSA_WITH_SHA384),
        (p384, key(rsa), ECDSA_WITH_SHA256),
        (p384, key(ed25519), ECDSA_WITH_SHA256),
        (ed25519, key(rsa), ED25519),
    ] {
        let ca = authority(issuer);
        let params = IdentityParams::new("alice", NOW).issuer(&ca);
        let alice = Identity::issue(subject, &params).expect("issued");
        let der = hex::encode(alice.certificate().to_der());
        assert!(der.matches(algorithm).count() >= 2, "{algorithm} in {der}");
    }
}

#[test]
fn certificates_name_the_usages_of_their_keys_and_no_others() {
    let ca = authority(KeyKind::Rsa);
    for (kind, usage) in [
        // digitalSignature and dataEncipherment, in the bits of a critical keyUsage.
        (KeyKind::Rsa, "0603551d0f0101ff040403020490"),
        (KeyKind::Curve(Curve::P256), "0603551d0f0101ff040403020780"),
        (KeyKind::RsaOaep, "0603551d0f0101ff040403020410"),
    ] {
        let alice = issue(kind, &IdentityParams::new("alice", NOW).issuer(&ca));
        let der = hex::encode(alice.certificate().to_der());
        assert!(der.contains(usage), "{kind}: {der}");
    }
}

#[test]
fn requests_of_every_kind_are_made_and_granted() {
    let ca = authority(KeyKind::Curve(Curve::P384));
    for kind in SIGNERS {
        let params = RequestParams::new("bob").challenge("let me in");
        let request = CertificateRequest::new(&key(kind), &params).expect("made");
        assert!(request.is_signed(), "{kind}");
        let granted = ca
            .certify(&request, &CertificateParams::new(NOW))
            .expect("granted");
        assert_eq!(granted.leaf().public_key(), request.public_key());
        assert_eq!(verify_chain(&granted, ca.chain(), NOW), Ok(()));
    }
}

#[test]
fn lists_of_every_kind_revoke() {
    for (kind, algorithm) in SIGNERS.into_iter().zip([
        "06092a864886f70d01010d",
        "06082a8648ce3d040304",
        "06082a8648ce3d040304",
        "06032b6570",
    ]) {
        let ca = authority(kind);
        let alice = IdentityParams::new("alice", NOW).issuer(&ca);
        let alice = issue(KeyKind::Rsa, &alice);
        let empty = RevocationDraft::new(NOW).sign(&ca).expect("signed");
        let der = hex::encode(empty.to_der());
        assert!(der.matches(algorithm).count() >= 2, "{kind}: {der}");
        assert!(empty.is_issued_by(ca.certificate()));
        let mut trusted = TrustList::new();
        trusted.add(ca.chain());
        assert_eq!(trusted.add_revocation_list(empty.clone()), Ok(true));
        assert_eq!(trusted.verify(alice.chain(), NOW), Ok(()));

        let list = RevocationDraft::extending(&empty, NOW + 1)
            .revoke(alice.certificate(), RevocationReason::Superseded)
            .sign(&ca)
            .expect("signed");
        assert_eq!(trusted.add_revocation_list(list), Ok(true));
        assert_eq!(
            trusted.verify(alice.chain(), NOW + 1),
            Err(TrustError::Revoked("alice".to_owned()))
        );
    }
}

#[test]
fn a_key_that_signs_nothing_is_certified_by_others_alone() {
    let never = |error: IssueError| {
        assert_eq!(error, SignError::NeverSigns(KeyKind::RsaOaep).into());
    };
    let oaep = key(KeyKind::RsaOaep);
    let (ca, alone) = (identity("ca"), IdentityParams::new("alice", NOW));
    never(Identity::issue(oaep.clone(), &alone).expect_err("signs nothing"));
    let wanted = alone.clone().kind(KeyKind::RsaOaep);
    // Of this size the search for a key would take a minute.
    never(Identity::generate(&wanted.clone().bits(8192)).expect_err("signs nothing"));
    never(Identity::generate(&wanted.authority().issuer(&ca)).expect_err("signs nothing"));
    let request = RequestParams::new("alice");
    never(CertificateRequest::new(&oaep, &request).expect_err("signs nothing"));

    let alice = issue(KeyKind::RsaOaep, &alone.issuer(&ca));
    let ciphertext = alice.public_key().encrypt(b"for alice").expect("encrypted");
    assert_eq!(alice.key().decrypt(&ciphertext), Ok(b"for alice".to_vec()));
    let below = IdentityParams::new("below", NOW).issuer(&alice);
    let refusal = Identity::issue(key(KeyKind::Rsa), &below).expect_err("no authority");
    assert_eq!(refusal, IssueError::NotAuthority);
    let refusal = RevocationDraft::new(NOW)
        .sign(&alice)
        .expect_err("no authority");
    assert_eq!(refusal, RevokeError::NotAuthority);
}

#[test]
fn a_new_identity_has_the_kind_of_key_asked_for() {
    for kind in SIGNERS.into_iter().chain([KeyKind::RsaOaep]) {
        let ca = identity("ca");
        let params = IdentityParams::new("alice", NOW).kind(kind).bits(2048);
        let alice = Identity::generate(&params.issuer(&ca)).expect("made");
        assert_eq!(alice.public_key().kind(), kind);
        assert_eq!(verify_chain(alice.chain(), ca.chain(), NOW), Ok(()));
    }
    let params = IdentityParams::new("alice", NOW).bits(8192);
    let broken_off = Identity::generate_with(&params, |_| ControlFlow::Break(()));
    assert!(matches!(broken_off, Err(IssueError::Key(_))));
}

#[test]
fn identities_of_every_kind_are_kept_in_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let ca = identity("ca");
    for kind in SIGNERS.into_iter().chain([KeyKind::RsaOaep]) {
        let alice = issue(kind, &IdentityParams::new("alice", NOW).issuer(&ca));
        for password in [None, Some("secret")] {
            let path = folder.path().join(format!("{kind}-{}", password.is_some()));
            alice.save(&path, password).expect("saved");
            let again = Identity::load(&path, password).expect("loaded");
            assert_eq!(again.key().to_pem(), alice.key().to_pem());
            assert_eq!(again.chain(), alice.chain());
        }
        let file = alice.to_pkcs12("secret").expect("written");
        let again = Identity::from_pkcs12(&file, "secret").expect("read");
        assert_eq!(again.key().to_pem(), alice.key().to_pem(), "{kind}");
    }
}

#[test]
fn nothing_signed_on_a_curve_survives_the_change_of_a_byte() {
    for kind in SIGNERS {
        let ca = authority(kind);
        let alice = IdentityParams::new("alice", NOW).issuer(&ca);
        let alice = issue(KeyKind::Curve(Curve::P256), &alice);
        let chain = |der: &[u8]| Certificate::from_der(der).map(CertificateChain::from);
        refused_if_damaged(alice.certificate().to_der(), |der| {
            chain(der).is_ok_and(|chain| verify_chain(&chain, ca.chain(), NOW).is_ok())
        });
        refused_if_damaged(ca.certificate().to_der(), |der| {
            Certificate::from_der(der).is_ok_and(|ca| ca.is_issued_by(&ca))
        });
        let list = RevocationDraft::new(NOW)
            .revoke(alice.certificate(), RevocationReason::Superseded)
            .sign(&ca)
            .expect("signed");
        refused_if_damaged(list.to_der(), |der| {
            RevocationList::from_der(der).is_ok_and(|list| list.is_issued_by(ca.certificate()))
        });
        let request = CertificateRequest::new(&key(kind), &RequestParams::new("alice"));
        refused_if_damaged(request.expect("made").to_der(), |der| {
            CertificateRequest::from_der(der).is_ok_and(|request| request.is_signed())
        });
    }
}

#[test]
fn a_leaf_on_a_curve_cannot_issue() {
    let p256 = KeyKind::Curve(Curve::P256);
    let root = authority(KeyKind::Curve(Curve::P384));
    let leaf_key = key(p256);
    let params = IdentityParams::new("leaf", NOW).issuer(&root);
    let leaf = Identity::issue(leaf_key.clone(), &params).expect("issued");
    // The leaf makes itself an authority of the same name, and signs as that.
    let pretended = Identity::issue(leaf_key, &IdentityParams::new("leaf", NOW));
    let pretended = pretended.expect("issued");
    let mallory = IdentityParams::new("mallory", NOW).issuer(&pretended);
    let mallory = issue(p256, &mallory);
    let chain = CertificateChain::new(mallory.certificate().clone(), leaf.chain().iter().cloned());
    let chain = chain.expect("of the same name");
    assert_eq!(
        verify_chain(&chain, root.chain(), NOW),
        Err(TrustError::NotAuthority("leaf".to_owned()))
    );
}

#[test]
fn a_circle_of_issuers_on_curves_leads_nowhere() {
    let [one, two] =
        [Curve::P256, Curve::Ed25519].map(|curve| PrivateKey::generate_on(curve).expect("a key"));
    let issue = |key: &PrivateKey, name, issuer: Option<&Identity>| {
        let params = IdentityParams::new(name, NOW).authority();
        let params = issuer.map_or(params.clone(), |issuer| params.issuer(issuer));
        Identity::issue(key.clone(), &params).expect("issued")
    };
    let (first, second) = (issue(&one, "one", None), issue(&two, "two", None));
    let leaf = issue(&one, "one", Some(&second)).certificate().clone();
    let above = issue(&two, "two", Some(&first)).certificate().clone();
    let circle = |issuers| {
        let issuers = [&above, &leaf].into_iter().cycle().take(issuers);
        CertificateChain::new(leaf.clone(), issuers.cloned())
    };
    assert_eq!(circle(MAX_CHAIN_LENGTH), Err(CertificateError::TooMany));
    let circle = circle(MAX_CHAIN_LENGTH - 1).expect("a chain");
    let mut trusted = TrustList::new();
    trusted.add(identity("carol").chain());
    assert!(matches!(
        trusted.verify(&circle, NOW),
        Err(TrustError::UnknownIssuer(_))
    ));
}

/// Checks that what is accepted is refused with any byte changed, or cut off.
fn refused_if_damaged(der: &[u8], accepts: impl Fn(&[u8]) -> bool) {
    assert!(accepts(der));
    for offset in 0..der.len() {
        let mut damaged = der.to_vec();
        damaged[offset] ^= 1;
        assert!(!accepts(&damaged), "byte {offset} of {}", hex::encode(der));
        assert!(!accepts(&der[..offset]), "{offset} bytes");
    }
}
