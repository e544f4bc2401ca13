use bulla_identity::{
    Certificate, CertificateChain, Identity, IdentityParams, IssueError, TrustError, verify_chain,
};

use crate::vectors::{NOW, VERSIONS, identity, identity_vector, openssl_certificate, private_key};

#[test]
fn verdicts_are_those_of_opendhts_trust_list() {
    for version in VERSIONS {
        let chain = |name| identity_vector(version, name).chain();
        let roots = chain("ca");
        assert_eq!(verify_chain(&chain("alice"), &roots, NOW), Ok(()));
        assert_eq!(verify_chain(&chain("device"), &roots, NOW), Ok(()));
        assert_eq!(verify_chain(&roots, &roots, NOW), Ok(()));
        let name = "bob".to_owned();
        assert_eq!(
            verify_chain(&chain("bob"), &roots, NOW),
            Err(TrustError::UnknownIssuer(name))
        );
    }
}

#[test]
fn a_leaf_alone_is_enough_where_its_issuer_is_trusted() {
    let alice = identity_vector("4.4.2", "alice").chain();
    let leaf = CertificateChain::from(alice.leaf().clone());
    assert_eq!(verify_chain(&leaf, alice.issuers(), NOW), Ok(()));
    assert_eq!(verify_chain(&leaf, &leaf, NOW), Ok(()), "trusted itself");
}

#[test]
fn nothing_is_trusted_without_roots() {
    let alice = identity_vector("4.4.2", "alice").chain();
    let name = "Test CA k_new".to_owned();
    assert_eq!(
        verify_chain(&alice, &[], NOW),
        Err(TrustError::UnknownIssuer(name))
    );
}

#[test]
fn certificates_count_from_their_first_to_their_last_second() {
    let alice = identity_vector("4.4.2", "alice").chain();
    let (leaf, name) = (alice.leaf(), "alice".to_owned());
    let at = |now| verify_chain(&alice, alice.issuers(), now);
    assert_eq!(at(leaf.not_before()), Ok(()));
    assert_eq!(
        at(leaf.not_before() - 1),
        Err(TrustError::NotYetValid(name.clone()))
    );
    let last = leaf.not_after().min(alice[1].not_after());
    assert_eq!(at(last), Ok(()));
    assert_eq!(at(leaf.not_after() + 1), Err(TrustError::Expired(name)));
}

#[test]
fn a_chain_under_an_expired_root_is_not_trusted() {
    let ca = issued("ca", &IdentityParams::new("Old CA", NOW).days(10));
    let alice = issued(
        "alice",
        &IdentityParams::new("alice", NOW).issuer(&ca).days(100),
    );
    assert_eq!(verify_chain(alice.chain(), ca.chain(), NOW), Ok(()));
    let name = "Old CA".to_owned();
    assert_eq!(
        verify_chain(alice.chain(), ca.chain(), NOW + 11 * 86_400),
        Err(TrustError::Expired(name))
    );
}

#[test]
fn a_root_of_the_same_name_with_another_key_does_not_count() {
    let real = issued("ca", &IdentityParams::new("CA", NOW));
    let alice = issued("alice", &IdentityParams::new("alice", NOW).issuer(&real));
    let mut damaged = alice.certificate().to_der().to_vec();
    *damaged.last_mut().expect("a signature") ^= 1;
    let damaged = Certificate::from_der(&damaged).expect("still a certificate");
    let name = "alice".to_owned();
    assert_eq!(
        verify_chain(&damaged.into(), real.chain(), NOW),
        Err(TrustError::BadSignature(name))
    );
}

#[test]
fn a_leaf_cannot_issue() {
    let alice = identity("alice");
    let by_alice = IdentityParams::new("mallory", NOW).issuer(&alice);
    assert_eq!(
        Identity::issue(private_key("4.4.2", "bob"), &by_alice).expect_err("a leaf"),
        IssueError::NotAuthority
    );

    // With her key Alice can make an authority of the same name and sign as that. Her real
    // certificate is none of an authority.
    let pretended = issued("alice", &IdentityParams::new("alice", NOW));
    let mallory = issued(
        "bob",
        &IdentityParams::new("mallory", NOW).issuer(&pretended),
    );
    let issuers = alice.chain().iter().cloned();
    let chain = CertificateChain::new(mallory.certificate().clone(), issuers);
    let chain = chain.expect("of the same name");
    let name = "alice".to_owned();
    assert_eq!(
        verify_chain(&chain, alice.chain().issuers(), NOW),
        Err(TrustError::NotAuthority(name))
    );
}

#[test]
fn intermediate_authorities_count_as_far_as_permitted() {
    let root = issued("ca", &IdentityParams::new("Root", NOW));
    let middle = issued(
        "bob",
        &IdentityParams::new("Middle", NOW).issuer(&root).authority(),
    );
    let alice = issued("alice", &IdentityParams::new("alice", NOW).issuer(&middle));
    assert_eq!(alice.chain().len(), 3);
    assert_eq!(verify_chain(alice.chain(), root.chain(), NOW), Ok(()));

    let short = Identity::new(
        private_key("4.4.2", "bob"),
        openssl_certificate("path_length_zero").into(),
    );
    let short = short.expect("bob's key");
    let direct = issued("alice", &IdentityParams::new("alice", NOW).issuer(&short));
    assert_eq!(verify_chain(direct.chain(), short.chain(), NOW), Ok(()));
    let middle = issued(
        "ca",
        &IdentityParams::new("Middle", NOW)
            .issuer(&short)
            .authority(),
    );
    let below = issued("alice", &IdentityParams::new("alice", NOW).issuer(&middle));
    let name = "Short path".to_owned();
    assert_eq!(
        verify_chain(below.chain(), short.chain(), NOW),
        Err(TrustError::PathTooLong(name))
    );
}

#[test]
fn weak_signatures_are_not_trusted_on_the_way() {
    let sha1 = CertificateChain::from(openssl_certificate("sha1"));
    assert_eq!(
        verify_chain(&sha1, &[], NOW),
        Err(TrustError::UnknownIssuer("Weak hash".to_owned()))
    );
    // As a root it is trusted whatever its signature.
    assert_eq!(verify_chain(&sha1, &sha1, NOW), Ok(()));
}

#[test]
fn a_weak_key_is_not_trusted_and_an_elliptic_curve_is() {
    let small = CertificateChain::from(openssl_certificate("rsa_1024"));
    let name = "Small key".to_owned();
    assert_eq!(
        verify_chain(&small, &small, NOW),
        Err(TrustError::WeakKey(name))
    );
    let curve = identity_vector("4.4.2", "erin_ec").chain();
    assert_eq!(verify_chain(&curve, &curve, NOW), Ok(()));
}

#[test]
fn messages_escape_the_names_in_certificates() {
    let verdict = TrustError::Expired("\u{1b}[2J".to_owned());
    assert_eq!(
        verdict.to_string(),
        r#"the certificate of "\u{1b}[2J" has expired"#
    );
}

fn issued(key: &str, params: &IdentityParams<'_>) -> Identity {
    Identity::issue(private_key("4.4.2", key), params).expect("issued")
}
