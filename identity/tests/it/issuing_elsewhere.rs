//! Keys of every kind between us, OpenSSL and certtool: chains, requests and lists that one makes
//! and the others verify.

use bulla_identity::{
    CertificateChain, CertificateParams, CertificateRequest, Curve, Identity, IdentityParams,
    KeyKind, PrivateKey, RequestParams, RevocationDraft, RevocationList, RevocationReason,
    TrustError, TrustList,
};

use crate::issuing::{SIGNERS, key};
use crate::programs::{Workshop, today};

/// How both programs name the curves when they make a key.
const CURVES: [(Curve, &str, &str); 3] = [
    (
        Curve::P256,
        "EC -pkeyopt ec_paramgen_curve:P-256",
        "ecdsa --curve secp256r1",
    ),
    (
        Curve::P384,
        "EC -pkeyopt ec_paramgen_curve:P-384",
        "ecdsa --curve secp384r1",
    ),
    (Curve::Ed25519, "ED25519", "ed25519"),
];

#[test]
fn openssl_and_certtool_verify_our_chains_and_lists_of_every_kind() {
    let shop = Workshop::new();
    let params = CertificateParams::new(today() - 60).authority_key_id();
    for issuer in SIGNERS {
        let ca = IdentityParams::with_certificate("CA", params.clone());
        let ca = Identity::issue(key(issuer), &ca).expect("issued");
        shop.write("ca.crt", ca.certificate().to_pem());
        let list = RevocationDraft::new(today() - 30).days(30);
        let list = list.sign(&ca).expect("signed");
        shop.write("ca.crl", list.to_pem());
        if let Some(text) = shop.succeed("openssl crl -in ca.crl -CAfile ca.crt -noout") {
            assert!(text.contains("verify OK"), "{issuer}: {text}");
        }
        if let Some(text) =
            shop.succeed("certtool --verify-crl --load-ca-certificate ca.crt --infile ca.crl")
        {
            assert!(text.contains("output: Verified."), "{issuer}: {text}");
        }
        for subject in SIGNERS {
            let account =
                IdentityParams::with_certificate("account", params.clone().path_length(0));
            let account = Identity::issue(key(subject), &account.issuer(&ca)).expect("issued");
            let device =
                IdentityParams::with_certificate("device", params.clone()).issuer(&account);
            let device = Identity::issue(key(issuer), &device).expect("issued");
            shop.write("account.crt", account.certificate().to_pem());
            shop.write("device.crt", device.certificate().to_pem());
            shop.write("chain.crt", device.chain().to_pem());
            shop.succeed(
                "openssl verify -x509_strict -CAfile ca.crt -untrusted account.crt device.crt",
            );
            shop.succeed("certtool --verify --load-ca-certificate ca.crt --infile chain.crt");
            shop.succeed("certtool --verify-chain --infile chain.crt");
        }
    }
}

#[test]
fn openssl_and_certtool_read_our_keys_and_requests_on_curves() {
    let shop = Workshop::new();
    for (curve, ..) in CURVES {
        let bob = key(KeyKind::Curve(curve));
        shop.write("bob.pem", bob.to_pem().as_bytes());
        shop.write(
            "locked.pem",
            bob.to_encrypted_pem("secret").expect("protected"),
        );
        let public = bob.public_key().to_pem();
        for name in ["bob.pem", "locked.pem -passin pass:secret"] {
            if let Some(printed) = shop.succeed(&format!("openssl pkey -pubout -in {name}")) {
                assert_eq!(printed, public, "{curve}");
            }
        }
        for name in ["bob.pem", "locked.pem --password secret"] {
            let command = format!("certtool --pubkey-info --load-privkey {name}");
            if let Some(printed) = shop.succeed(&command) {
                assert!(printed.contains(&public), "{curve}: {printed}");
            }
        }
        let request = CertificateRequest::new(&bob, &RequestParams::new("bob"));
        shop.write("bob.csr", request.expect("made").to_pem());
        if let Some(text) = shop.succeed("openssl req -in bob.csr -noout -verify") {
            assert!(text.contains("verify OK"), "{curve}: {text}");
        }
        if let Some(text) = shop.succeed("certtool --crq-info --infile bob.csr") {
            assert!(text.contains("Self signature: verified"), "{curve}: {text}");
        }
    }
}

#[test]
fn we_grant_the_requests_of_openssl_and_certtool_for_their_own_keys_on_curves() {
    let shop = Workshop::new();
    shop.write("template", "cn = bob\n");
    let ca = IdentityParams::new("CA", today() - 60);
    for (curve, openssl, certtool) in CURVES {
        for commands in [
            [
                format!("openssl genpkey -algorithm {openssl} -out bob.pem"),
                "openssl req -new -key bob.pem -subj /CN=bob -out bob.csr".to_owned(),
            ],
            [
                format!("certtool --generate-privkey --key-type {certtool} --outfile bob.pem"),
                "certtool --generate-request --load-privkey bob.pem --template template --outfile bob.csr".to_owned(),
            ],
        ] {
            if !commands.iter().all(|command| shop.succeed(command).is_some()) {
                continue;
            }
            let bob = PrivateKey::from_pem(shop.read("bob.pem"), None).expect("a key");
            assert_eq!(bob.public_key().kind(), KeyKind::Curve(curve));
            let request = CertificateRequest::from_pem(shop.read("bob.csr")).expect("a request");
            assert_eq!(request.public_key(), Some(bob.public_key()));
            for issuer in SIGNERS {
                let ca = Identity::issue(key(issuer), &ca).expect("issued");
                let params = CertificateParams::new(today() - 60).authority_key_id();
                let chain = ca.certify(&request, &params).expect("granted");
                shop.write("ca.crt", ca.certificate().to_pem());
                shop.write("bob.crt", chain.to_pem());
                shop.succeed("openssl verify -x509_strict -CAfile ca.crt bob.crt");
                shop.succeed("certtool --verify --load-ca-certificate ca.crt --infile bob.crt");
            }
        }
    }
}

#[test]
fn we_trust_the_chains_of_openssl_and_certtool_on_curves_and_obey_their_lists() {
    let shop = Workshop::new();
    shop.write("config", "[req]\ndistinguished_name = name\nx509_extensions = authority\n[name]\n[authority]\nbasicConstraints = critical,CA:TRUE\nkeyUsage = critical,keyCertSign,cRLSign\nsubjectKeyIdentifier = hash\n[ca]\ndefault_ca = own\n[own]\ndatabase = index\ncrlnumber = number\ndefault_md = default\ndefault_crl_days = 9\n");
    shop.write(
        "ca.template",
        "cn = CA\nca\ncert_signing_key\ncrl_signing_key\nserial = 1\nexpiration_days = 9\n",
    );
    shop.write(
        "template",
        "cn = leaf\nserial = 2\nexpiration_days = 9\ncrl_next_update = 9\ncrl_number = 7\n",
    );
    for (curve, openssl, certtool) in CURVES {
        for (_, leaf_openssl, leaf_certtool) in CURVES {
            shop.write("index", "");
            shop.write("number", "07\n");
            for commands in [
                [
                    format!("openssl genpkey -algorithm {openssl} -out ca.pem"),
                    format!("openssl genpkey -algorithm {leaf_openssl} -out leaf.pem"),
                    "openssl req -config config -x509 -new -key ca.pem -subj /CN=CA -days 9 -out ca.crt".to_owned(),
                    "openssl req -config config -new -key leaf.pem -subj /CN=leaf -out leaf.csr".to_owned(),
                    "openssl x509 -req -in leaf.csr -CA ca.crt -CAkey ca.pem -CAcreateserial -days 9 -out leaf.crt".to_owned(),
                    "openssl ca -config config -cert ca.crt -keyfile ca.pem -revoke leaf.crt".to_owned(),
                    "openssl ca -config config -cert ca.crt -keyfile ca.pem -gencrl -out ca.crl".to_owned(),
                ],
                [
                    "certtool --version".to_owned(),
                    format!("certtool --generate-privkey --key-type {certtool} --outfile ca.pem"),
                    format!("certtool --generate-privkey --key-type {leaf_certtool} --outfile leaf.pem"),
                    "certtool --generate-self-signed --load-privkey ca.pem --template ca.template --outfile ca.crt".to_owned(),
                    "certtool --generate-certificate --load-privkey leaf.pem --load-ca-certificate ca.crt --load-ca-privkey ca.pem --template template --outfile leaf.crt".to_owned(),
                    "certtool --generate-crl --load-ca-privkey ca.pem --load-ca-certificate ca.crt --load-certificate leaf.crt --template template --outfile ca.crl".to_owned(),
                    "certtool --crl-info --infile ca.crl".to_owned(),
                ],
            ] {
                if !commands.iter().all(|command| shop.succeed(command).is_some()) {
                    continue;
                }
                let ca = CertificateChain::from_bytes(&shop.read("ca.crt")).expect("a chain");
                let chain = CertificateChain::from_bytes(&shop.read("leaf.crt")).expect("a chain");
                let mut trusted = TrustList::new();
                trusted.add(&ca);
                assert_eq!(trusted.verify(&chain, today()), Ok(()), "{curve}");
                let list = RevocationList::from_pem(shop.read("ca.crl")).expect("a list");
                assert_eq!(list.number(), Some(&[7][..]));
                assert_eq!(trusted.add_revocation_list(list.clone()), Ok(true), "{curve}");
                assert_eq!(
                    trusted.verify(&chain, today()),
                    Err(TrustError::Revoked("leaf".to_owned()))
                );
                // Our library goes on with their authority.
                let ca_key = PrivateKey::from_pem(shop.read("ca.pem"), None).expect("a key");
                let ca = Identity::new(ca_key, ca).expect("its key");
                let next = RevocationDraft::extending(&list, today())
                    .revoke(chain.leaf(), RevocationReason::Superseded)
                    .days(3)
                    .sign(&ca)
                    .expect("signed");
                assert_eq!(next.revocations(), list.revocations());
                shop.write("next.crl", next.to_pem());
                shop.succeed("openssl crl -in next.crl -CAfile ca.crt -noout");
            }
        }
    }
}
