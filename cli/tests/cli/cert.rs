//! The life of a certificate authority, by commands, beside what OpenSSL and GnuTLS make of it.

use bulla::identity::{Certificate, CertificateParams, Identity, IdentityParams, PrivateKey};

use super::workshop::Workshop;

/// Makes a root, an authority below it, and a certificate of that for alice.
fn authorities() -> Workshop {
    let shop = Workshop::new();
    shop.bulla("cert ca Root --bits 2048 --out root.pem")
        .assert_done();
    shop.bulla(
        "cert ca Issuing --bits 2048 --issuer root.pem --path-length 0 --days 1825 --out issuing.pem",
    )
    .assert_done();
    shop.bulla("cert request --name alice --new-key alice.pem --bits 2048 --out alice.csr")
        .assert_done();
    shop.bulla("cert sign alice.csr --ca issuing.pem --out alice.crt")
        .assert_done();
    shop
}

#[test]
fn a_certificate_lives_from_its_request_to_its_revocation() {
    let shop = authorities();
    shop.other_says("openssl req -in alice.csr -noout -verify", "verify OK");
    shop.other_says("certtool --crq-info --infile alice.csr", "CN=alice");
    shop.other_says(
        "openssl verify -x509_strict -CAfile root.pem -untrusted issuing.pem alice.crt",
        "alice.crt: OK",
    );
    shop.other_says(
        "certtool --verify --verify-profile medium --load-ca-certificate root.pem --infile alice.crt",
        "The certificate is trusted",
    );
    // The pair of key and chain is an identity.
    assert_eq!(shop.object("identity show alice")["name"], "alice");
    assert_eq!(
        shop.bulla("cert verify alice.crt --ca root.pem")
            .assert_done()
            .stdout,
        "trusted\n"
    );

    let revoked = shop
        .object("cert revoke alice.crt --ca issuing.pem --reason key-compromise --crl issuing.crl");
    assert_eq!(revoked["count"], 1);
    assert_eq!(revoked["revoked"][0]["reason"], "key-compromise");
    let [alice, issuing] = &shop.bulla("cert show alice.crt --json").objects()[..2] else {
        panic!("a chain");
    };
    assert_eq!(alice["issuer_key_id"], issuing["id"]);
    assert_eq!(issuing["path_length"], 0);
    assert_eq!(revoked["revoked"][0]["serial"], alice["serial"]);

    let verdict = shop.bulla("cert verify alice.crt --ca root.pem --crl issuing.crl --json");
    assert_eq!(verdict.code, 1, "{verdict:?}");
    assert_eq!(verdict.object()["trusted"], false);
    assert_eq!(verdict.object()["refusal"], "revoked");
    let check = "openssl verify -crl_check -CAfile root.pem -untrusted issuing.pem -CRLfile issuing.crl alice.crt";
    if let Some((succeeded, printed)) = shop.other(check) {
        assert!(
            !succeeded && printed.contains("certificate revoked"),
            "{printed}"
        );
    }

    let list = shop.object("cert crl issuing.crl --ca issuing.pem");
    assert_eq!(list["valid"], true);
    assert_eq!(list["number"], revoked["number"]);
    assert_eq!(list["revocations"].as_array().unwrap().len(), 1);
    shop.other_says(
        "openssl crl -in issuing.crl -noout -CAfile issuing.pem -text",
        "Key Compromise",
    );
    shop.other_says(
        "certtool --crl-info --infile issuing.crl",
        list["number"].as_str().unwrap(),
    );
}

#[test]
fn a_list_grows_in_the_form_that_it_has() {
    let shop = authorities();
    shop.bulla("cert sign alice.csr --ca issuing.pem --out second.crt")
        .assert_done();
    let first = shop.object("cert revoke alice.crt --ca issuing.pem --crl list");
    let list = bulla::identity::RevocationList::from_pem(shop.read("list")).unwrap();
    shop.write("list", list.to_der());
    let second = shop.object("cert revoke second.crt --ca issuing.pem --reason hold --crl list");
    assert_eq!(second["count"], 2);
    let number = |list: &serde_json::Value| {
        u64::from_str_radix(list["number"].as_str().unwrap(), 16).unwrap()
    };
    assert_eq!(number(&second), number(&first) + 1);
    assert_eq!(shop.read("list")[0], 0x30, "it stays DER");
    shop.other_says(
        "openssl crl -inform DER -in list -noout -text",
        "Certificate Hold",
    );

    let again = shop.bulla("cert revoke alice.crt --ca issuing.pem --reason superseded --crl list");
    assert_eq!(again.code, 0, "{again:?}");
    assert!(again.stderr.contains("was revoked before"), "{again:?}");
    let renewed = shop.object("cert revoke --ca issuing.pem --crl list --days 7");
    assert_eq!(
        (number(&renewed), &renewed["count"]),
        (number(&first) + 3, &2.into())
    );
    assert_eq!(renewed["revoked"].as_array().unwrap().len(), 0);

    let before = shop.read("list");
    shop.bulla("cert revoke alice.crt --ca root.pem --crl list")
        .assert_refused(2, "another authority");
    shop.bulla("cert revoke issuing.pem --ca issuing.pem --crl list")
        .assert_refused(2, "issued by another authority");
    assert_eq!(shop.read("list"), before);
    let shown = shop.bulla("cert crl list --ca root.pem");
    assert_eq!(shown.code, 1, "{shown:?}");
    assert!(
        shown.stdout.contains("not valid: it is not signed by Root"),
        "{shown:?}"
    );
}

#[cfg(unix)]
#[test]
fn lists_extended_at_the_same_time_lose_nothing() {
    let shop = authorities();
    for number in 0..4 {
        shop.bulla(&format!(
            "cert sign alice.csr --ca issuing.pem --out {number}.crt"
        ))
        .assert_done();
    }
    let revoke = |number| {
        shop.start(&format!(
            "cert revoke {number}.crt --ca issuing.pem --crl list"
        ))
    };
    let runs: Vec<_> = (0..4).map(revoke).collect();
    for run in runs {
        super::program::finish(run).assert_done();
    }
    let list = shop.object("cert crl list --ca issuing.pem");
    assert_eq!(list["revocations"].as_array().unwrap().len(), 4);
}

#[test]
fn an_authority_in_the_chain_is_revoked_by_the_one_above() {
    let shop = authorities();
    shop.object("cert revoke --ca issuing.pem --crl issuing.crl");
    shop.object("cert revoke --ca root.pem --crl root.crl");
    let verify = "cert verify alice.crt --ca root.pem --crl issuing.crl --crl root.crl";
    shop.bulla(verify).assert_done();
    // A list without a trusted issuer must not be ignored.
    shop.bulla("cert ca Other --bits 2048 --out other.pem")
        .assert_done();
    shop.object("cert revoke --ca other.pem --crl other.crl");
    shop.bulla("cert verify alice.crt --ca root.pem --crl other.crl")
        .assert_refused(2, "other.crl");

    shop.object("cert revoke issuing.pem --ca root.pem --reason ca-compromise --crl root.crl");
    let verdict = shop.bulla(&format!("{verify} --json"));
    assert_eq!(
        (verdict.code, &verdict.object()["refusal"]),
        (1, &"revoked".into())
    );
    let reason = verdict.object()["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("Issuing"), "{reason}");
}

#[test]
fn every_refusal_has_its_reason() {
    let shop = authorities();
    shop.bulla("cert ca Other --bits 2048 --out other.pem")
        .assert_done();
    let refusal = |line: &str| {
        let verdict = shop.bulla(&format!("cert verify {line} --json"));
        assert_eq!(
            (verdict.code, verdict.stderr.as_str()),
            (1, ""),
            "{verdict:?}"
        );
        verdict.object()["refusal"].as_str().unwrap().to_owned()
    };
    let at = |time: &str| refusal(&format!("alice.crt --ca root.pem --at {time}"));
    assert_eq!(at("2000-01-01"), "not-yet-valid");
    assert_eq!(at("9999-12-31T23:59:59Z"), "expired");
    assert_eq!(refusal("alice.crt --ca other.pem"), "unknown-issuer");

    let mut damaged = Certificate::from_pem(shop.read("alice.crt"))
        .unwrap()
        .to_der()
        .to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    shop.write("damaged.der", damaged);
    assert_eq!(refusal("damaged.der --ca issuing.pem"), "bad-signature");

    // What the program itself refuses to issue.
    let issuing = Identity::load(shop.path("issuing.pem"), None).unwrap();
    let key = PrivateKey::from_pem(shop.read("alice.pem"), None).unwrap();
    let terms = CertificateParams::new(issuing.certificate().not_before()).authority();
    let parameters = IdentityParams::with_certificate("below", terms).issuer(&issuing);
    let below = Identity::issue(key.clone(), &parameters).unwrap();
    let parameters = IdentityParams::new("leaf", below.certificate().not_before());
    let leaf = Identity::issue(key, &parameters.issuer(&below)).unwrap();
    shop.write("leaf.crt", leaf.chain().to_pem());
    assert_eq!(refusal("leaf.crt --ca root.pem"), "path-too-long");
    shop.bulla("cert sign alice.csr --authority --ca issuing.pem --out x.crt")
        .assert_done();
    below.save(shop.path("below.pem"), None).unwrap();
    shop.bulla("cert sign alice.csr --ca below.pem --out y.crt")
        .assert_refused(2, "longer than \"Issuing\" permits");

    let issue =
        "openssl x509 -req -in alice.csr -CA alice.crt -CAkey alice.pem -CAcreateserial -out z.crt";
    if shop.other(issue).is_some() {
        shop.write(
            "z.crt",
            [shop.read("z.crt"), shop.read("alice.crt")].concat(),
        );
        assert_eq!(refusal("z.crt --ca root.pem"), "not-a-ca");
    }
}

#[test]
fn requests_of_other_programs_are_signed_and_ours_by_them() {
    let shop = authorities();
    let request = "openssl req -new -newkey rsa:2048 -nodes -keyout web.key -out web.csr -subj /CN=web -addext subjectAltName=DNS:web.example,IP:192.0.2.1";
    if shop.other(request).is_some() {
        let line = "cert sign web.csr --ca issuing.pem --grant-names --out web.crt";
        let signed = shop.bulla(line);
        assert_eq!(signed.code, 0, "{signed:?}");
        assert!(signed.stderr.contains("the UID is (none)"), "{signed:?}");
        shop.other_says(
            "openssl verify -x509_strict -CAfile root.pem -untrusted issuing.pem -verify_hostname web.example web.crt",
            "OK",
        );
        let issue = "openssl x509 -req -in alice.csr -days 9 -CA issuing.pem -CAkey issuing.pem -CAcreateserial -out by-openssl.crt";
        shop.other_says(issue, "");
        shop.write(
            "by-openssl.crt",
            [shop.read("by-openssl.crt"), shop.read("issuing.pem")].concat(),
        );
        shop.bulla("cert verify by-openssl.crt --ca root.pem")
            .assert_done();
        // Serial numbers are those that OpenSSL shows.
        let serial = shop.bulla("cert show alice.crt --json").objects()[0]["serial"]
            .as_str()
            .unwrap()
            .to_uppercase();
        shop.other_says("openssl x509 -in alice.crt -noout -serial", &serial);
    }
    shop.write("template", "cn = mail\nemail = \"mail@example.org\"\n");
    let request = "certtool --generate-request --load-privkey alice.pem --template template --outfile mail.csr";
    if shop.other(request).is_some() {
        let shown = shop.object("cert show mail.csr");
        assert_eq!(shown["alternative_names"][0], "email:mail@example.org");
        let signed = shop.bulla("cert sign mail.csr --ca issuing.pem --grant-names --out mail.crt");
        assert_eq!(signed.code, 0, "{signed:?}");
        shop.other_says(
            "certtool --verify --verify-profile medium --verify-email mail@example.org --load-ca-certificate root.pem --infile mail.crt",
            "The certificate is trusted",
        );
    }
}

#[test]
fn keys_on_curves_ask_sign_and_revoke() {
    let shop = Workshop::new();
    for curve in ["ed25519", "p256", "p384"] {
        shop.bulla(&format!("cert ca {curve} --key {curve} --out {curve}.pem"))
            .assert_done();
        shop.bulla(&format!(
            "cert request --identity {curve}.pem --name a-{curve} --out {curve}.csr"
        ))
        .assert_done();
        shop.other_says(
            &format!("openssl req -in {curve}.csr -noout -verify"),
            "verify OK",
        );
        shop.bulla(&format!(
            "cert sign {curve}.csr --ca {curve}.pem --out {curve}.crt"
        ))
        .assert_done();
        shop.other_says(
            &format!("openssl verify -CAfile {curve}.pem {curve}.crt"),
            "OK",
        );
        shop.object(&format!(
            "cert revoke {curve}.crt --ca {curve}.pem --crl {curve}.crl"
        ));
        let verdict = shop.bulla(&format!(
            "cert verify {curve}.crt --ca {curve}.pem --crl {curve}.crl --json"
        ));
        assert_eq!(verdict.object()["refusal"], "revoked");
        shop.other_says(
            &format!("openssl crl -in {curve}.crl -noout -CAfile {curve}.pem"),
            "verify OK",
        );
    }
}
