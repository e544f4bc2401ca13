use bulla_identity::{
    AlternativeName, CertificateChain, CertificateParams, CertificateRequest, Identity,
    IdentityParams, IssueError, RequestError, RequestParams, verify_chain,
};

use crate::programs::{Workshop, today};
use crate::vectors::{NOW, VERSIONS, identity, identity_vector, private_key, trust_vector};

#[test]
fn requests_of_opendht_are_read_and_granted() {
    for version in VERSIONS {
        let vector = trust_vector(version);
        let request =
            CertificateRequest::from_pem(vector.text("csr_of_bob_pem")).expect("a request");
        assert_eq!(request.name(), Some(vector.text("csr_cn")));
        assert_eq!(request.uid(), Some(vector.text("csr_uid")));
        assert!(request.is_signed() && request.challenge().is_none());
        let bob = identity_vector(version, "bob").chain().leaf().clone();
        assert_eq!(request.public_key(), bob.public_key());

        let ca = identity("ca");
        let chain = ca
            .certify(&request, &CertificateParams::new(NOW).days(1))
            .expect("granted");
        assert_eq!(chain.leaf().name(), request.name());
        assert_eq!(chain.leaf().uid(), request.uid());
        assert_eq!(chain.leaf().public_key(), request.public_key());
        assert_eq!(chain.leaf().not_after(), NOW + 86_400);
        assert!(!chain.leaf().is_ca());
        assert_eq!(verify_chain(&chain, ca.chain(), NOW), Ok(()));
    }
}

#[test]
fn a_request_says_what_was_asked_and_grants_nothing_else() {
    let names = names();
    let params = RequestParams::new("bob")
        .alternative_names(names.clone())
        .challenge("let me in");
    assert!(!format!("{params:?}").contains("let me"));
    let request = CertificateRequest::new(&private_key("4.4.2", "bob"), &params).expect("made");
    assert_eq!(request.alternative_names(), names);
    assert_eq!(request.challenge(), Some("let me in"));
    assert_eq!(
        request.uid(),
        Some(identity("bob").id().to_string().as_str())
    );
    assert_eq!(
        CertificateRequest::from_pem(request.to_pem()),
        Ok(request.clone())
    );
    assert_eq!(
        CertificateRequest::from_der(request.to_der()),
        Ok(request.clone())
    );

    let ca = identity("ca");
    let params = CertificateParams::new(NOW);
    let bare = ca.certify(&request, &params).expect("granted");
    assert!(bare.leaf().alternative_names().is_empty());
    let params = params
        .alternative_names(request.alternative_names().to_vec())
        .path_length(1);
    let full = ca.certify(&request, &params).expect("granted");
    assert_eq!(full.leaf().alternative_names(), names);
    assert!(full.leaf().is_ca());
}

#[test]
fn what_cannot_be_requested_or_granted_is_refused() {
    let (ca, alice) = (identity("ca"), identity("alice"));
    let new = |params: RequestParams<'_>| {
        CertificateRequest::new(alice.key(), &params).expect_err("refused")
    };
    assert_eq!(new(RequestParams::new("")), IssueError::Name);
    assert_eq!(new(RequestParams::new("a").uid("")), IssueError::Name);
    assert_eq!(
        new(RequestParams::new("a").challenge("")),
        IssueError::Challenge
    );
    let unfit = AlternativeName::Dns("a b".to_owned());
    assert_eq!(
        new(RequestParams::new("a").alternative_names([unfit.clone()])),
        IssueError::AlternativeName
    );
    let request = CertificateRequest::new(alice.key(), &RequestParams::new("a")).expect("made");
    let params = CertificateParams::new(NOW);
    let refused = |issuer: &Identity, params: &CertificateParams| {
        issuer.certify(&request, params).expect_err("refused")
    };
    assert_eq!(refused(&alice, &params), IssueError::NotAuthority);
    assert_eq!(refused(&ca, &params.clone().days(0)), IssueError::Validity);
    assert_eq!(
        refused(&ca, &params.clone().alternative_names([unfit])),
        IssueError::AlternativeName
    );
}

#[test]
fn a_request_with_one_byte_changed_is_not_granted() {
    let ca = identity("ca");
    let alice = identity("alice");
    let der = CertificateRequest::new(alice.key(), &RequestParams::new("alice")).expect("made");
    let der = der.to_der();
    for offset in 0..der.len() {
        let mut damaged = der.to_vec();
        damaged[offset] ^= 1;
        if let Ok(request) = CertificateRequest::from_der(&damaged) {
            let granted = ca.certify(&request, &CertificateParams::new(NOW));
            assert_eq!(
                granted.expect_err("damaged"),
                IssueError::Request,
                "byte {offset}"
            );
        }
    }
    assert!((0..der.len()).all(|length| CertificateRequest::from_der(&der[..length]).is_err()));
    assert_eq!(
        CertificateRequest::from_der(&vec![0x30; 1 << 20]),
        Err(RequestError::TooLarge)
    );
    assert_eq!(
        CertificateRequest::from_pem(vec![b'-'; 1 << 20]),
        Err(RequestError::TooLarge)
    );
}

#[test]
fn openssl_and_certtool_read_our_requests() {
    let shop = Workshop::new();
    let params = RequestParams::new("Bøb")
        .alternative_names(names())
        .challenge("let me in");
    let request = CertificateRequest::new(&private_key("4.4.2", "bob"), &params).expect("made");
    shop.write("bob.csr", request.to_pem());
    if let Some(text) = shop.succeed("openssl req -in bob.csr -noout -verify -text -nameopt utf8") {
        for expected in [
            "self-signature verify OK",
            "CN=Bøb",
            "DNS:bob.example",
            "email:bob@example.org",
            "IP Address:192.0.2.1",
            "let me in",
        ] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
    }
    if let Some(text) = shop.succeed("certtool --crq-info --infile bob.csr") {
        for expected in [
            "Self signature: verified",
            "DNSname: bob.example",
            "RSA-SHA256",
        ] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
    }
}

#[test]
fn we_grant_the_requests_of_openssl_and_certtool() {
    let shop = Workshop::new();
    shop.write("bob.pem", private_key("4.4.2", "bob").to_pem().as_bytes());
    shop.write(
        "template",
        "cn = bob\nuid = someone\ndns_name = bob.example\n",
    );
    // Certtool knows no other time than now.
    let now = today();
    let ca = IdentityParams::new("CA", now - 60);
    let ca = Identity::issue(private_key("4.4.2", "ca"), &ca).expect("issued");
    shop.write("ca.crt", ca.certificate().to_pem());
    for command in [
        "openssl req -new -key bob.pem -subj /CN=bob/UID=someone -addext subjectAltName=DNS:bob.example -out made.csr",
        "certtool --generate-request --load-privkey bob.pem --template template --outfile made.csr",
    ] {
        if shop.succeed(command).is_none() {
            continue;
        }
        let request = CertificateRequest::from_pem(shop.read("made.csr")).expect("a request");
        assert_eq!(
            (request.name(), request.uid()),
            (Some("bob"), Some("someone"))
        );
        assert_eq!(
            request.alternative_names(),
            ["dns:bob.example".parse().expect("a name")]
        );
        let params = CertificateParams::new(now - 60)
            .authority_key_id()
            .alternative_names(request.alternative_names().to_vec());
        let chain = ca.certify(&request, &params).expect("granted");
        shop.write("made.crt", chain.to_pem());
        shop.succeed("openssl verify -x509_strict -CAfile ca.crt made.crt");
        shop.succeed("certtool --verify --load-ca-certificate ca.crt --infile made.crt");
        assert_eq!(
            CertificateChain::from_bytes(&shop.read("made.crt")),
            Ok(chain)
        );
    }
}

fn names() -> Vec<AlternativeName> {
    [
        "dns:bob.example",
        "email:bob@example.org",
        "uri:https://bob.example/",
        "ip:192.0.2.1",
        "ip:2001:db8::1",
    ]
    .map(|name| name.parse().expect("a name"))
    .to_vec()
}
