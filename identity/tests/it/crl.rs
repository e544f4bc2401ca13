//! Revocation lists between us, OpenSSL and certtool.

use bulla_identity::{
    Certificate, CertificateChain, CertificateParams, Identity, IdentityParams, RevocationDraft,
    RevocationList, RevocationReason, TrustError, TrustList,
};

use crate::programs::{Workshop, today};
use crate::vectors::private_key;

#[test]
fn openssl_and_certtool_verify_our_chains_and_lists() {
    let shop = Workshop::new();
    let (ca, account, device) = strict_chain();
    shop.write("ca.crt", ca.certificate().to_pem());
    shop.write("account.crt", account.certificate().to_pem());
    shop.write("chain.crt", device.chain().to_pem());
    let of_root = RevocationDraft::new(today() - 30)
        .days(30)
        .sign(&ca)
        .expect("signed");
    let of_account = RevocationDraft::new(today() - 30)
        .days(30)
        .sign(&account)
        .expect("signed");
    let revoking = RevocationDraft::extending(&of_account, today() - 20)
        .revoke(device.certificate(), RevocationReason::KeyCompromise)
        .days(30)
        .sign(&account)
        .expect("signed");
    shop.write("ca.crl", of_root.to_pem());
    shop.write("crls", of_root.to_pem() + &of_account.to_pem());
    shop.write("revoking", of_root.to_pem() + &revoking.to_pem());
    shop.write("account.crl", revoking.to_pem());

    let verify = "openssl verify -x509_strict -crl_check_all -CAfile ca.crt -untrusted account.crt";
    shop.succeed(&format!("{verify} -CRLfile crls chain.crt"));
    if let Some((valid, text)) = shop.run(&format!("{verify} -CRLfile revoking chain.crt")) {
        assert!(!valid && text.contains("certificate revoked"), "{text}");
    }
    if let Some(text) =
        shop.succeed("openssl crl -in account.crl -CAfile account.crt -noout -text -crlnumber")
    {
        for expected in [
            "verify OK",
            "sha512WithRSAEncryption",
            "Version 2",
            "Key Compromise",
            "X509v3 CRL Number",
        ] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
    }

    shop.succeed("certtool --verify --load-ca-certificate ca.crt --infile chain.crt");
    if let Some(text) =
        shop.succeed("certtool --verify-crl --load-ca-certificate ca.crt --infile ca.crl")
    {
        assert!(text.contains("Verification output: Verified."), "{text}");
    }
    if let Some(text) = shop.succeed("certtool --crl-info --infile account.crl") {
        assert!(
            text.contains("RSA-SHA512") && text.contains("CRL Number"),
            "{text}"
        );
    }
}

#[test]
fn we_use_the_lists_of_openssl_and_certtool() {
    let shop = Workshop::new();
    let (_, account, device) = strict_chain();
    shop.write("account.crt", account.certificate().to_pem());
    shop.write("account.pem", account.key().to_pem().as_bytes());
    shop.write("device.crt", device.certificate().to_pem());
    shop.write("index", "");
    shop.write("number", "1001\n");
    shop.write("template", "crl_next_update = 30\ncrl_number = 7\n");
    shop.write("config", "[ca]\ndefault_ca = own\n[own]\ndatabase = index\ncrlnumber = number\ndefault_md = sha256\ndefault_crl_days = 30\ncrl_extensions = extensions\n[extensions]\nauthorityKeyIdentifier = keyid\n");
    let authority = "-config config -cert account.crt -keyfile account.pem";
    for (commands, number, reason) in [
        (
            [
                format!("openssl ca {authority} -revoke device.crt -crl_reason superseded"),
                format!("openssl ca {authority} -gencrl -out made.crl"),
            ],
            &[0x10, 1][..],
            RevocationReason::Superseded,
        ),
        (
            [
                "certtool --version".to_owned(),
                "certtool --generate-crl --load-ca-privkey account.pem --load-ca-certificate account.crt --load-certificate device.crt --template template --outfile made.crl".to_owned(),
            ],
            &[7],
            RevocationReason::Unspecified,
        ),
    ] {
        if !commands.iter().all(|command| shop.succeed(command).is_some()) {
            continue;
        }
        let list = RevocationList::from_pem(shop.read("made.crl")).expect("a list");
        assert_eq!(list.number(), Some(number));
        let revocation = list.revocation_of(device.certificate()).expect("revoked");
        assert_eq!(revocation.reason(), reason);
        let mut trusted = TrustList::new();
        trusted.add(account.chain());
        assert_eq!(trusted.verify(device.chain(), today()), Ok(()));
        assert_eq!(trusted.add_revocation_list(list.clone()), Ok(true));
        assert_eq!(
            trusted.verify(device.chain(), today()),
            Err(TrustError::Revoked("device".to_owned()))
        );
        let extended = RevocationDraft::extending(&list, today()).sign(&account).expect("signed");
        assert_eq!(extended.revocations(), list.revocations());
    }
}

#[test]
fn a_chain_of_certtool_is_trusted_and_its_lists_are_obeyed() {
    let shop = Workshop::new();
    for (name, key) in [("ca", "ca"), ("leaf", "alice")] {
        shop.write(
            &format!("{name}.pem"),
            private_key("4.4.2", key).to_pem().as_bytes(),
        );
    }
    shop.write(
        "ca.template",
        "cn = CA\nca\ncert_signing_key\ncrl_signing_key\nserial = 1\nexpiration_days = 9\n",
    );
    shop.write(
        "leaf.template",
        "cn = leaf\nuid = someone\ndns_name = leaf.example\nserial = 2\nexpiration_days = 9\n",
    );
    let made = shop.succeed("certtool --generate-self-signed --load-privkey ca.pem --template ca.template --outfile ca.crt");
    if made.is_none() {
        return;
    }
    shop.succeed("certtool --generate-certificate --load-privkey leaf.pem --load-ca-certificate ca.crt --load-ca-privkey ca.pem --template leaf.template --outfile leaf.crt");
    let read = |name| Certificate::from_pem(shop.read(name)).expect("a certificate");
    let ca = CertificateChain::from(read("ca.crt"));
    let chain = CertificateChain::from(read("leaf.crt"));
    let leaf = chain.leaf();
    assert_eq!(leaf.serial(), [2]);
    assert_eq!(
        leaf.alternative_names(),
        ["dns:leaf.example".parse().expect("a name")]
    );
    let mut trusted = TrustList::new();
    trusted.add(&ca);
    assert_eq!(trusted.verify(&chain, today()), Ok(()));
    let ca = Identity::new(private_key("4.4.2", "ca"), ca).expect("its key");
    let list = RevocationDraft::new(today())
        .revoke(leaf, RevocationReason::AffiliationChanged)
        .sign(&ca)
        .expect("signed");
    assert_eq!(trusted.add_revocation_list(list), Ok(true));
    let verdict = trusted.verify(&chain, today());
    assert_eq!(verdict, Err(TrustError::Revoked("leaf".to_owned())));
}

/// Returns an authority, an account and a device as strict verifiers want them, valid today.
fn strict_chain() -> (Identity, Identity, Identity) {
    let params = CertificateParams::new(today() - 60).authority_key_id();
    let issue = |key, params: &IdentityParams<'_>| {
        Identity::issue(private_key("4.4.2", key), params).expect("issued")
    };
    let ca = issue(
        "ca",
        &IdentityParams::with_certificate("CA", params.clone()),
    );
    let account = IdentityParams::with_certificate("account", params.clone().path_length(0));
    let account = issue("bob", &account.issuer(&ca));
    let device = IdentityParams::with_certificate("device", params).issuer(&account);
    let device = issue("device", &device);
    (ca, account, device)
}
