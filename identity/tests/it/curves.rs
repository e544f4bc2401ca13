use bulla_identity::{
    Curve, DecryptError, EncryptError, HashAlgorithm, KeyError, KeyKind, PrivateKey, PublicKey,
    Scheme, SignError,
};

use crate::vectors::{VERSIONS, Vector, crypto, identity_vector, private_key};

const CURVES: [Curve; 3] = [Curve::P256, Curve::P384, Curve::Ed25519];

#[test]
fn curve_keys_of_opendht_are_read_with_their_ids() {
    for vector in VERSIONS.map(erin) {
        let key = PrivateKey::from_pem(vector.text("private_key_pem"), None).expect("a key");
        let public = key.public_key();
        assert_eq!(public.kind(), KeyKind::Curve(Curve::P384));
        assert_eq!(public.bits(), 384);
        assert_eq!(public.to_der(), vector.bytes("public_key_der"));
        assert_eq!(public.id().to_string(), vector.text("key_id"));
        assert_eq!(public.long_id().to_string(), vector.text("long_key_id"));
        assert_eq!(PublicKey::from_der(public.to_der()).as_ref(), Ok(public));

        let pem = vector.text("private_key_encrypted_pem");
        let opened = PrivateKey::from_pem(pem, Some(vector.text("password"))).expect("a key");
        assert_eq!(opened.public_key(), public);
    }
}

#[test]
fn curve_keys_are_written_as_opendht_writes_them() {
    let vector = erin("4.4.2");
    let key = PrivateKey::from_pem(vector.text("private_key_pem"), None).expect("a key");
    assert_eq!(key.to_pem().as_str(), vector.text("private_key_pem"));
}

/// The library under 2.4.12 puts a zero before a number with the highest bit set, and the number is
/// then too long.
#[test]
fn a_zero_before_the_number_is_read_and_not_repeated() {
    let vector = erin("2.4.12");
    let key = PrivateKey::from_pem(vector.text("private_key_pem"), None).expect("a key");
    let written = key.to_pem();
    assert_ne!(written.as_str(), vector.text("private_key_pem"));
    let again = PrivateKey::from_pem(&*written, None).expect("a key");
    assert_eq!(again.public_key(), key.public_key());
}

/// It also leaves out a zero that the number begins with, in one key of 512: OpenSSL reads it as we
/// do.
#[test]
fn a_zero_left_out_before_the_number_is_read_and_written() {
    let pem = include_str!("../vectors/gnutls/short.pem");
    let key = PrivateKey::from_pem(pem, None).expect("a key");
    let id = "25cd2e85f918417ab6686dbe2afbdff535bad54c";
    assert_eq!(key.public_key().id().to_string(), id);
    let written = key.to_pem();
    let again = PrivateKey::from_pem(&*written, None).expect("a key");
    assert_eq!(again.public_key(), key.public_key());
}

#[test]
fn signatures_of_opendhts_curve_keys_verify_as_ecdsa_and_never_as_those_of_values() {
    for vector in crypto("rsa").iter().filter(|vector| vector.has("message")) {
        let key = erin(vector.text("made_by")).bytes("public_key_der");
        let key = PublicKey::from_der(&key).expect("a key");
        let (message, signature) = (vector.bytes("message"), vector.bytes("signature"));
        let sha512 = Scheme::Ecdsa(HashAlgorithm::Sha512);
        assert!(key.verify_with(sha512, &message, &signature));
        assert!(!key.verify_with(sha512, b"another", &signature));
        assert!(!key.verify(&message, &signature));
    }
}

#[test]
fn each_key_signs_in_its_own_ways_alone() {
    let message = b"hello";
    let keys = CURVES.map(|curve| PrivateKey::generate_on(curve).expect("a key"));
    let rsa = private_key("4.4.2", "alice");
    for key in keys.iter().chain([&rsa]) {
        for scheme in schemes() {
            let fits = match (scheme, key.public_key().kind()) {
                (Scheme::Ecdsa(_), KeyKind::Curve(curve)) => curve != Curve::Ed25519,
                (Scheme::Ed25519, KeyKind::Curve(curve)) => curve == Curve::Ed25519,
                (Scheme::RsaPkcs1(_), kind) => kind == KeyKind::Rsa,
                _ => false,
            };
            match key.sign_with(scheme, message) {
                Ok(signature) => {
                    assert!(fits);
                    for other in keys.iter().chain([&rsa]) {
                        for as_scheme in schemes() {
                            assert_eq!(
                                other
                                    .public_key()
                                    .verify_with(as_scheme, message, &signature),
                                other.public_key() == key.public_key() && as_scheme == scheme
                            );
                        }
                    }
                }
                Err(error) => {
                    assert!(!fits);
                    assert_eq!(error, SignError::OtherScheme(key.public_key().kind()));
                }
            }
        }
    }
}

#[test]
fn what_a_curve_key_cannot_do_is_an_error() {
    for curve in CURVES {
        let key = PrivateKey::generate_on(curve).expect("a key");
        let kind = KeyKind::Curve(curve);
        assert_eq!(key.sign(b"a value"), Err(SignError::NotForValues(kind)));
        assert_eq!(
            key.public_key().encrypt(b"a message"),
            Err(EncryptError::NotForEncryption(kind))
        );
        assert_eq!(key.decrypt(&[7; 300]), Err(DecryptError));
        assert_eq!(key.to_oaep().err(), Some(KeyError::Unsupported));
    }
}

#[test]
fn new_keys_are_read_as_they_were_written() {
    for curve in CURVES {
        let key = PrivateKey::generate_on(curve).expect("a key");
        let again = PrivateKey::from_pem(&*key.to_pem(), None).expect("a key");
        assert_eq!(again.public_key(), key.public_key());
        assert_eq!(again.to_pem(), key.to_pem());
        let public = PublicKey::from_der(key.public_key().to_pem().as_bytes());
        assert_eq!(public.as_ref(), Ok(key.public_key()));
        let other = PrivateKey::generate_on(curve).expect("a key");
        assert_ne!(other.public_key(), key.public_key());
    }
}

#[test]
fn points_off_the_curve_or_compressed_are_refused() {
    for curve in CURVES {
        let key = PrivateKey::generate_on(curve).expect("a key");
        let der = key.public_key().to_der().to_vec();
        let last = der.len() - 1;
        if curve != Curve::Ed25519 {
            let mut off = der.clone();
            off[last] ^= 1;
            assert_eq!(PublicKey::from_der(&off), Err(KeyError::Malformed));
            let mut compressed = der.clone();
            let point = der.len() - (1 + 2 * key.public_key().bits() / 8);
            compressed[point] = 2;
            assert_eq!(PublicKey::from_der(&compressed), Err(KeyError::Malformed));
        }
        for length in 0..der.len() {
            assert!(PublicKey::from_der(&der[..length]).is_err());
        }
    }
    // The neutral point of Edwards 25519: anything verifies under it.
    let mut neutral = hex::decode("302a300506032b6570032100").expect("hex");
    neutral.extend([&[1][..], &[0; 31]].concat());
    assert_eq!(PublicKey::from_der(&neutral), Err(KeyError::Malformed));
}

#[test]
fn truncated_private_keys_are_refused() {
    for curve in CURVES {
        let pem = PrivateKey::generate_on(curve).expect("a key").to_pem();
        for length in 0..pem.trim_end().len() {
            assert!(PrivateKey::from_pem(&pem.as_bytes()[..length], None).is_err());
        }
        let (_, der) = pkcs8::Document::from_pem(&pem).expect("PEM");
        for length in 0..der.as_bytes().len() {
            assert!(PrivateKey::from_der(&der.as_bytes()[..length]).is_err());
        }
    }
}

#[test]
fn a_private_key_with_the_public_half_of_another_is_refused() {
    let der = |key: &PrivateKey| {
        pkcs8::Document::from_pem(&key.to_pem())
            .expect("PEM")
            .1
            .to_vec()
    };
    let key = PrivateKey::generate_on(Curve::P256).expect("a key");
    let other = PrivateKey::generate_on(Curve::P256).expect("a key");
    let (mut mixed, other) = (der(&key), der(&other));
    let point = mixed.len() - 65;
    mixed[point..].copy_from_slice(&other[point..]);
    assert_eq!(
        PrivateKey::from_der(&mixed).err(),
        Some(KeyError::Malformed)
    );
}

#[test]
fn keys_on_other_curves_are_unsupported_and_not_malformed() {
    // A key of X25519.
    let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VuBCIEIPiGRiM9QlfgaZ0/lKPU6G+8S/4YiOmV1R7BZgMrHuZ7\n-----END PRIVATE KEY-----\n";
    assert_eq!(
        PrivateKey::from_pem(pem, None).err(),
        Some(KeyError::Unsupported)
    );
}

fn schemes() -> Vec<Scheme> {
    let hashes = [
        HashAlgorithm::Sha256,
        HashAlgorithm::Sha384,
        HashAlgorithm::Sha512,
    ];
    hashes
        .into_iter()
        .flat_map(|hash| [Scheme::RsaPkcs1(hash), Scheme::Ecdsa(hash)])
        .chain([Scheme::Ed25519])
        .collect()
}

fn erin(version: &str) -> Vector {
    identity_vector(version, "erin_ec")
}
