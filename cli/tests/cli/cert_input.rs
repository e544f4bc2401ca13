//! What certificate commands are asked and given: options, names, passwords, and files that are not
//! what they should be.

use std::fs;

use super::program::bulla_with_input;
use super::workshop::Workshop;

fn root() -> Workshop {
    let shop = Workshop::new();
    shop.bulla("cert ca Root --bits 2048 --out root.pem")
        .assert_done();
    shop
}

#[test]
fn names_are_granted_when_the_authority_says_so() {
    let shop = root();
    let request = shop.object(
        "cert request --name web --new-key web.pem --bits 2048 --alt dns:web.example --alt ip:::1 --out web.csr",
    );
    let names = serde_json::json!(["dns:web.example", "ip:::1"]);
    assert_eq!(request["alternative_names"], names);
    assert_eq!(request["signed"], true);

    let plain = shop.bulla("cert sign web.csr --ca root.pem --out plain.crt --json");
    assert_eq!(plain.code, 0, "{plain:?}");
    assert!(
        plain
            .stderr
            .contains("not granted: dns:web.example, ip:::1"),
        "{plain:?}"
    );
    assert_eq!(plain.object()["alternative_names"], serde_json::json!([]));
    assert_eq!(plain.object()["request"]["alternative_names"], names);
    assert_eq!(plain.object()["ca"], false);

    let named = shop.object(
        "cert sign web.csr --ca root.pem --grant-names --path-length 2 --days 9 --out named.crt",
    );
    assert_eq!(named["alternative_names"], names);
    assert_eq!(
        (&named["ca"], &named["path_length"]),
        (&true.into(), &2.into())
    );
    shop.other_says("openssl x509 -in named.crt -noout -text", "pathlen:2");
    shop.other_says(
        "openssl x509 -in named.crt -noout -ext subjectAltName",
        "DNS:web.example",
    );
    let fingerprint = named["sha256"].as_str().unwrap();
    shop.other_says(
        "certtool --certificate-info --infile named.crt",
        fingerprint,
    );

    shop.bulla("cert request --name web --key web.pem --alt web.example")
        .assert_refused(2, "an alternative name is dns:");
}

#[test]
fn without_a_file_pem_is_printed_and_read_from_a_pipe() {
    let shop = root();
    let request = shop.bulla("cert request --identity root.pem --uid me");
    let request = &request.assert_done().stdout;
    assert!(
        request.starts_with("-----BEGIN CERTIFICATE REQUEST-----\n"),
        "{request}"
    );
    let shown = bulla_with_input(["cert", "show", "-", "--json"], request);
    assert_eq!(shown.assert_done().object()["name"], "Root");
    assert_eq!(shown.object()["uid"], "me");
    let root = shop.path("root.pem");
    let root = root.to_str().unwrap();
    let signed = bulla_with_input(["cert", "sign", "-", "--ca", root], request);
    assert_eq!(signed.code, 0, "{signed:?}");
    assert_eq!(signed.stdout.matches("BEGIN CERTIFICATE-----").count(), 2);
    assert!(signed.stderr.contains("the UID is me"), "{signed:?}");
    let verify = ["cert", "verify", "-", "--ca", root];
    bulla_with_input(verify, &signed.stdout).assert_done();
    let signed = bulla_with_input(["cert", "sign", "-", "--ca", root, "--json"], request);
    assert!(
        signed.object()["pem"]
            .as_str()
            .unwrap()
            .contains("CERTIFICATE")
    );
}

#[test]
fn keys_are_protected_by_passwords_that_come_from_files() {
    let shop = Workshop::new();
    shop.write("right", "correct horse\n");
    shop.write("wrong", "battery staple\n");
    shop.bulla("cert ca Root --bits 2048 --password-file right --out root.pem")
        .assert_done();
    let request = "cert request --name a --bits 2048 --new-key a.key --password-file right --out";
    shop.bulla(&format!("{request} a.csr")).assert_done();
    for file in ["root.pem", "a.key"] {
        let text = String::from_utf8(shop.read(file)).unwrap();
        assert!(text.contains("ENCRYPTED PRIVATE KEY"), "{file}");
    }
    shop.other_says("openssl pkey -in a.key -passin file:right -noout", "");

    for (line, option) in [
        (
            "cert sign a.csr --ca root.pem --out x",
            "--ca-password-file",
        ),
        ("cert revoke --ca root.pem --crl x", "--ca-password-file"),
        (
            "cert ca B --issuer root.pem --out x",
            "--issuer-password-file",
        ),
        (
            "cert request --identity root.pem --out x",
            "--password-file",
        ),
        (
            "cert request --name a --key a.key --out x",
            "--password-file",
        ),
    ] {
        shop.bulla(line).assert_refused(2, option);
        shop.bulla(&format!("{line} {option} wrong"))
            .assert_refused(2, "wrong password");
        shop.bulla(&format!("{line} {option} none"))
            .assert_refused(2, "cannot read password file");
        assert!(!shop.path("x").exists(), "{line}");
    }
    shop.bulla("cert request --name a --key a.key --password-file right --out b.csr")
        .assert_done();
    shop.bulla("cert sign b.csr --ca root.pem --ca-password-file right --out b.crt")
        .assert_done();
}

#[cfg(unix)]
#[test]
fn private_keys_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let shop = root();
    shop.bulla("cert request --name a --bits 2048 --new-key a.key --out a.csr")
        .assert_done();
    for file in ["root.pem", "a.key"] {
        let mode = fs::metadata(shop.path(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[test]
fn a_challenge_is_compared_and_not_shown() {
    let shop = root();
    shop.write("word", "sesame\n");
    shop.write("other", "poppy\n");
    shop.bulla("cert request --identity root.pem --challenge-file word --out a.csr")
        .assert_done();
    shop.bulla("cert request --identity root.pem --out b.csr")
        .assert_done();
    let shown = shop.bulla("cert show a.csr");
    assert!(shown.stdout.contains("challenge     yes"), "{shown:?}");
    assert!(!shown.stdout.contains("sesame"), "{shown:?}");
    shop.other_says("openssl req -in a.csr -noout -text", "sesame");
    let sign = |request: &str, word: &str| {
        shop.bulla(&format!(
            "cert sign {request} --ca root.pem --challenge-file {word} --out a.crt"
        ))
    };
    sign("a.csr", "other").assert_refused(2, "its challenge is another");
    sign("b.csr", "word").assert_refused(2, "it has no challenge");
    sign("a.csr", "word").assert_done();
}

#[test]
fn nothing_is_written_over() {
    let shop = root();
    shop.bulla("cert request --identity root.pem --out a.csr")
        .assert_done();
    shop.write("precious", "precious");
    for line in [
        "cert ca A --out precious",
        "cert request --name a --new-key precious --out b.csr",
        "cert request --name a --new-key b.key --out precious",
        "cert sign a.csr --ca root.pem --out precious",
        "cert find 1b290ff9ea0b7133ef44a847dbf62575fb76b1b1 -b 127.0.0.1:9 --out precious",
    ] {
        shop.bulla(line).assert_refused(2, "exists already");
    }
    shop.bulla("cert revoke --ca root.pem --crl precious")
        .assert_refused(2, "not a certificate revocation list");
    assert_eq!(shop.read("precious"), b"precious");
    assert!(!shop.path("b.key").exists() && !shop.path("b.csr").exists());
}

#[test]
fn files_that_are_something_else_are_refused() {
    let shop = root();
    shop.bulla("cert request --identity root.pem --out a.csr")
        .assert_done();
    shop.object("cert revoke --ca root.pem --crl a.crl");
    shop.bulla("cert sign a.csr --ca root.pem --out a.crt")
        .assert_done();
    let half = |file: &str| {
        let whole = shop.read(file);
        whole[..whole.len() / 2].to_vec()
    };
    for (name, bytes) in [
        ("empty", Vec::new()),
        ("garbage", b"no certificate".to_vec()),
        ("zeros", vec![0; 1_000_000]),
        ("nested", vec![0x30; 1_000_000]),
        ("large", shop.read("root.pem").repeat(500)),
        ("half.crt", half("a.crt")),
        ("half.csr", half("a.csr")),
        ("half.crl", half("a.crl")),
    ] {
        shop.write(name, bytes);
        for line in [
            format!("cert show {name}"),
            format!("cert verify {name} --ca root.pem"),
            format!("cert verify a.crt --ca {name}"),
            format!("cert verify a.crt --ca root.pem --crl {name}"),
            format!("cert crl {name}"),
            format!("cert crl a.crl --ca {name}"),
            format!("cert sign {name} --ca root.pem --out x"),
            format!("cert revoke {name} --ca root.pem --crl x"),
            format!("cert revoke --ca root.pem --crl {name}"),
            format!("cert request --name a --key {name} --out x"),
        ] {
            shop.bulla(&line).assert_refused(2, name);
        }
        shop.bulla(&format!("cert sign a.csr --ca {name} --out x"))
            .assert_refused(2, name);
        assert!(!shop.path("x").exists(), "{name}");
    }
    // Each is what it is and nothing else.
    shop.bulla("cert crl a.csr")
        .assert_refused(2, "not a certificate revocation list");
    shop.bulla("cert sign a.crl --ca root.pem")
        .assert_refused(2, "not a certificate request");
    shop.bulla("cert verify a.csr --ca root.pem")
        .assert_refused(2, "not an X.509 certificate");
    shop.bulla("cert show none")
        .assert_refused(2, "cannot read none");

    let request = bulla::identity::CertificateRequest::from_pem(shop.read("a.csr")).unwrap();
    let mut damaged = request.to_der().to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    shop.write("damaged.csr", damaged);
    assert_eq!(shop.object("cert show damaged.csr")["signed"], false);
    shop.bulla("cert sign damaged.csr --ca root.pem --out x")
        .assert_refused(2, "not signed by the key in it");
}

#[test]
fn every_kind_of_file_is_recognised_in_pem_and_der() {
    let shop = root();
    shop.bulla("cert request --identity root.pem --out a.csr")
        .assert_done();
    shop.object("cert revoke --ca root.pem --crl a.crl");
    let root = bulla::identity::Certificate::from_pem(shop.read("root.pem")).unwrap();
    let request = bulla::identity::CertificateRequest::from_pem(shop.read("a.csr")).unwrap();
    let list = bulla::identity::RevocationList::from_pem(shop.read("a.crl")).unwrap();
    for (pem, der, kind) in [
        ("root.pem", root.to_der(), "certificate"),
        ("a.csr", request.to_der(), "request"),
        ("a.crl", list.to_der(), "list"),
    ] {
        let shown = shop.object(&format!("cert show {pem}"));
        assert_eq!(shown["kind"], kind);
        shop.write("a.der", der);
        assert_eq!(shop.object("cert show a.der"), shown);
        let text = shop.bulla(&format!("cert show {pem}"));
        assert!(text.assert_done().stdout.contains("Root"), "{text:?}");
    }
}

#[test]
fn terms_that_cannot_be_are_refused() {
    let shop = root();
    shop.bulla("cert request --identity root.pem --out a.csr")
        .assert_done();
    shop.bulla("cert sign a.csr --ca root.pem --out leaf.crt")
        .assert_done();
    for (line, reason) in [
        ("cert ca A --bits 1024 --out x", "--bits"),
        ("cert ca A --days 0 --out x", "--days"),
        ("cert ca A --days 4000000 --out x", "--days"),
        ("cert ca A --path-length 256 --out x", "--path-length"),
        ("cert sign a.csr --ca root.pem --days 0 --out x", "--days"),
        ("cert sign a.csr --ca leaf.crt --out x", "no private key"),
        ("cert request --name a", "--new-key"),
        ("cert request --key root.pem", "--name"),
        (
            "cert request --name a --key root.pem --identity root.pem",
            "--identity",
        ),
        (
            "cert revoke --ca root.pem --crl x --reason boredom",
            "key-compromise",
        ),
        ("cert revoke --ca root.pem --crl x --days 0", "for a while"),
        ("cert verify leaf.crt", "--ca"),
        ("cert verify leaf.crt --ca root.pem --at soon", "2026-08-21"),
    ] {
        shop.bulla(line).assert_refused(2, reason);
        assert!(!shop.path("x").exists(), "{line}");
    }
    let long = shop.bulla("cert sign a.csr --ca root.pem --days 9999 --out long.crt");
    assert!(
        long.code == 0 && long.stderr.contains("outlives its issuer"),
        "{long:?}"
    );
}
