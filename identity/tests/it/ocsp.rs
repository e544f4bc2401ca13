use bulla_identity::{Certificate, OcspError, OcspRequest, OcspStatus, RevocationReason};

use crate::programs::{Workshop, today};
use crate::vectors::{identity, trust_vector};

/// Runs a responder of OpenSSL and returns its response to `request`. Its time is that of the
/// system.
fn respond(shop: &Workshop, request: &OcspRequest, options: &str) -> Option<Vec<u8>> {
    let ca = identity("ca");
    shop.write("ca.crt", ca.certificate().to_pem());
    shop.write("ca.pem", ca.key().to_pem().as_bytes());
    shop.write("request", request.to_der());
    let line = |status: &str, certificate: &Certificate| {
        let serial = hex::encode_upper(certificate.serial());
        format!("{status}\t{serial}\tunknown\t/CN=x\n")
    };
    let (alice, device) = (identity("alice"), identity("device"));
    shop.write(
        "index",
        line("V\t361118000000Z\t", alice.certificate())
            + &line(
                "R\t361118000000Z\t261122000000Z,keyCompromise",
                device.certificate(),
            ),
    );
    let command = format!(
        "openssl ocsp -index index -CA ca.crt -rsigner ca.crt -rkey ca.pem -reqin request -respout response {options}"
    );
    shop.succeed(command.trim_end())?;
    Some(shop.read("response"))
}

#[test]
fn openssl_responds_to_our_requests() {
    let shop = Workshop::new();
    let ca = identity("ca");
    for (name, status) in [
        ("alice", OcspStatus::Good),
        (
            "device",
            OcspStatus::Revoked {
                time: 1_795_305_600,
                reason: RevocationReason::KeyCompromise,
            },
        ),
    ] {
        let certificate = identity(name).certificate().clone();
        let request = OcspRequest::new(&certificate, ca.certificate()).expect("made");
        let Some(response) = respond(&shop, &request, "") else {
            return;
        };
        let now = today();
        assert_eq!(request.verify(&response, now), Ok(status), "{name}");
        let other = OcspRequest::new(&certificate, ca.certificate()).expect("made");
        assert_eq!(other.verify(&response, now), Err(OcspError::OtherNonce));
        assert_eq!(
            request.verify(&response, now - 1000),
            Err(OcspError::NotCurrent)
        );
        if let Some(text) = shop.succeed("openssl ocsp -reqin request -req_text -noverify") {
            assert!(
                text.contains("Hash Algorithm: sha1") && text.contains("OCSP Nonce"),
                "{text}"
            );
        }
    }
}

#[test]
fn a_response_with_one_byte_changed_does_not_count() {
    let shop = Workshop::new();
    let (ca, alice) = (identity("ca"), identity("alice"));
    let request = OcspRequest::new(alice.certificate(), ca.certificate()).expect("made");
    let Some(response) = respond(&shop, &request, "-resp_no_certs") else {
        return;
    };
    let now = today();
    assert_eq!(request.verify(&response, now), Ok(OcspStatus::Good));
    for offset in 0..response.len() {
        let mut damaged = response.clone();
        damaged[offset] ^= 1;
        assert!(request.verify(&damaged, now).is_err(), "byte {offset}");
        assert!(
            request.verify(&response[..offset], now).is_err(),
            "{offset} bytes"
        );
    }
}

#[test]
fn responses_of_others_do_not_count() {
    let shop = Workshop::new();
    let (ca, alice) = (identity("ca"), identity("alice"));
    let request = OcspRequest::new(alice.certificate(), ca.certificate()).expect("made");
    let bob = identity("bob");
    shop.write("bob.crt", bob.certificate().to_pem());
    shop.write("bob.pem", bob.key().to_pem().as_bytes());
    // Alice is certified by the authority, but not as a responder.
    shop.write("alice.crt", alice.certificate().to_pem());
    shop.write("alice.pem", alice.key().to_pem().as_bytes());
    for name in ["bob", "alice"] {
        let options = format!("-rsigner {name}.crt -rkey {name}.pem");
        if let Some(response) = respond(&shop, &request, &options) {
            assert_eq!(
                request.verify(&response, today()),
                Err(OcspError::BadSignature),
                "{name}"
            );
        }
    }
}

#[test]
fn a_responder_certified_by_the_issuer_counts() {
    let shop = Workshop::new();
    let (ca, alice, bob) = (identity("ca"), identity("alice"), identity("bob"));
    let request = OcspRequest::new(alice.certificate(), ca.certificate()).expect("made");
    shop.write("ca.crt", ca.certificate().to_pem());
    shop.write("ca.pem", ca.key().to_pem().as_bytes());
    shop.write("bob.pem", bob.key().to_pem().as_bytes());
    shop.write("usage", "extendedKeyUsage = OCSPSigning\n");
    let made = shop.succeed("openssl req -new -key bob.pem -subj /CN=responder -out bob.csr");
    if made.is_none() {
        return;
    }
    shop.succeed("openssl x509 -req -in bob.csr -CA ca.crt -CAkey ca.pem -set_serial 7 -days 2 -extfile usage -out bob.crt");
    let response = respond(&shop, &request, "-rsigner bob.crt -rkey bob.pem").expect("installed");
    assert_eq!(request.verify(&response, today()), Ok(OcspStatus::Good));
    assert_eq!(
        request.verify(&response, today() + 3 * 86_400),
        Err(OcspError::BadSignature),
        "its certificate has expired"
    );
}

#[test]
fn what_is_no_response_is_refused() {
    let (ca, alice) = (identity("ca"), identity("alice"));
    assert_eq!(
        OcspRequest::new(identity("bob").certificate(), ca.certificate()).expect_err("another's"),
        OcspError::OtherIssuer
    );
    let request = OcspRequest::new(alice.certificate(), ca.certificate()).expect("made");
    assert_eq!(request.nonce().len(), 32);
    let try_later = [0x30, 3, 0x0a, 1, 3];
    assert_eq!(request.verify(&try_later, 0), Err(OcspError::Refused(3)));
    for bytes in [
        &b""[..],
        b"hello",
        &[0x30, 3, 0x0a, 1, 0],
        &trust_vector("4.4.2").bytes("crl_der"),
    ] {
        assert_eq!(request.verify(bytes, 0), Err(OcspError::Malformed));
    }
    assert_eq!(
        request.verify(&vec![0x30; 1 << 20], 0),
        Err(OcspError::TooLarge)
    );
}
