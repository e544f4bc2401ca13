use bulla_identity::{
    DecryptError, HashAlgorithm, KeyError, KeyKind, PrivateKey, PublicKey, Scheme, SignError,
};

use crate::vectors::private_key;

const BLOCK: usize = 256;

#[test]
fn plaintexts_for_an_oaep_key_come_back_in_both_forms() {
    let key = bob();
    for (plaintext, ciphertext) in [
        (0, BLOCK),
        (190, BLOCK),
        (191, BLOCK + 28 + 191),
        (5000, BLOCK + 28 + 5000),
    ] {
        let plaintext = vec![7; plaintext];
        let sealed = key.public_key().encrypt(&plaintext).expect("encrypted");
        assert_eq!(sealed.len(), ciphertext);
        assert_eq!(key.decrypt(&sealed), Ok(plaintext));
    }
}

#[test]
fn damage_anywhere_is_refused_alike() {
    let key = bob();
    for plaintext in [&[3; 100][..], &[3; 300]] {
        let sealed = key.public_key().encrypt(plaintext).expect("encrypted");
        for at in [0, 1, BLOCK / 2, BLOCK - 1, sealed.len() - 1] {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert_eq!(key.decrypt(&damaged), Err(DecryptError), "byte {at}");
        }
    }
}

#[test]
fn a_ciphertext_padded_in_one_way_does_not_open_in_the_other() {
    let (oaep, plain) = (bob(), private_key("4.4.2", "bob"));
    let sealed = plain.public_key().encrypt(&[3; 300]).expect("encrypted");
    assert_eq!(oaep.decrypt(&sealed), Err(DecryptError));
    let sealed = oaep.public_key().encrypt(&[3; 300]).expect("encrypted");
    assert_eq!(plain.decrypt(&sealed), Err(DecryptError));
}

#[test]
fn an_oaep_key_is_another_key_which_does_not_sign() {
    let (oaep, plain) = (bob(), private_key("4.4.2", "bob"));
    assert_eq!(oaep.public_key().kind(), KeyKind::RsaOaep);
    assert_ne!(oaep.public_key(), plain.public_key());
    assert_ne!(oaep.public_key().id(), plain.public_key().id());
    assert_eq!(
        oaep.sign(b"hello"),
        Err(SignError::NotForValues(KeyKind::RsaOaep))
    );
    let scheme = Scheme::RsaPkcs1(HashAlgorithm::Sha256);
    assert_eq!(
        oaep.sign_with(scheme, b"hello"),
        Err(SignError::OtherScheme(KeyKind::RsaOaep))
    );
    let signature = plain.sign(b"hello").expect("signed");
    assert!(!oaep.public_key().verify(b"hello", &signature));
}

#[test]
fn oaep_keys_are_read_as_they_were_written() {
    let key = bob();
    let again = PrivateKey::from_pem(&*key.to_pem(), None).expect("a key");
    assert_eq!(again.public_key(), key.public_key());
    assert_eq!(again.to_pem(), key.to_pem());
    let public = PublicKey::from_der(key.public_key().to_der());
    assert_eq!(public.as_ref(), Ok(key.public_key()));
}

#[test]
fn other_parameters_are_refused_by_name() {
    let der = bob().public_key().to_der().to_vec();
    // id-sha256 ends in 04 02 01; ..02 is SHA-384. Once for the hash, once for the mask.
    let hashes: Vec<_> = (0..der.len() - 2)
        .filter(|at| der[*at..].starts_with(&[4, 2, 1]))
        .collect();
    assert_eq!(hashes.len(), 2);
    for at in hashes {
        let mut der = der.clone();
        der[at + 2] = 2;
        assert_eq!(PublicKey::from_der(&der), Err(KeyError::OaepParameters));
    }
}

/// GnuTLS 3.8.10 writes an arbitrary algorithm for the source of the empty label, another one each
/// time.
#[test]
fn oaep_keys_of_gnutls_are_read() {
    let private = include_bytes!("../vectors/gnutls/oaep.key.der");
    let public = include_bytes!("../vectors/gnutls/oaep.pub.der");
    let key = PrivateKey::from_der(private).expect("a key");
    assert_eq!(key.public_key().kind(), KeyKind::RsaOaep);
    assert_eq!(PublicKey::from_der(public).as_ref(), Ok(key.public_key()));
}

fn bob() -> PrivateKey {
    private_key("4.4.2", "bob").to_oaep().expect("an RSA key")
}
