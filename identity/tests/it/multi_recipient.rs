use bulla_identity::{DecryptError, EncryptError, PrivateKey, PublicKey, SharedEnvelope};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use crate::vectors::private_key;

const BLOCK: usize = 256;
const HEADER: usize = 33;

/// Sealed by an independent program (Python, `cryptography`) for alice (2048 bits), bob (2048) and
/// carol (4096), with plaintext "to all of you".
const GOLDEN: &str = include_str!("../vectors/shared.hex");

fn alice() -> PrivateKey {
    private_key("4.4.2", "alice")
}

fn bob() -> PrivateKey {
    private_key("4.4.2", "bob")
}

fn carol() -> PrivateKey {
    private_key("4.4.2", "carol")
}

fn seal(recipients: &[&PrivateKey], plaintext: &[u8]) -> Vec<u8> {
    let keys: Vec<PublicKey> = recipients
        .iter()
        .map(|key| key.public_key().clone())
        .collect();
    SharedEnvelope::seal(&keys, plaintext).expect("sealed")
}

fn open(sealed: &[u8], recipient: &PrivateKey) -> Result<Vec<u8>, DecryptError> {
    SharedEnvelope::parse(sealed)
        .ok_or(DecryptError)?
        .open(recipient)
}

#[test]
fn each_recipient_opens_it_and_no_other_key_does() {
    let sealed = seal(&[&alice(), &carol()], b"hello");
    assert_eq!(sealed.len(), HEADER + (4 + 256) + (4 + 512) + 28 + 5);
    let envelope = SharedEnvelope::parse(&sealed).expect("an envelope");
    for recipient in [alice(), carol()] {
        assert!(envelope.may_be_for(recipient.public_key()));
        assert_eq!(envelope.open(&recipient), Ok(b"hello".to_vec()));
    }
    assert_eq!(envelope.open(&bob()), Err(DecryptError));
}

#[test]
fn the_form_stays_readable() {
    let sealed = hex::decode(GOLDEN.trim()).expect("hex");
    for recipient in [alice(), bob(), carol()] {
        assert_eq!(open(&sealed, &recipient), Ok(b"to all of you".to_vec()));
    }
}

#[test]
fn hints_are_hashes_of_salt_and_long_id() {
    let sealed = hex::decode(GOLDEN.trim()).expect("hex");
    let of = |key: &PrivateKey| {
        let hash = Sha256::new_with_prefix(b"bulla shared hint 1")
            .chain_update(&sealed[17..33])
            .chain_update(key.public_key().long_id().as_bytes())
            .finalize();
        [hash[0], hash[1]]
    };
    let mut hints = [of(&alice()), of(&bob()), of(&carol())];
    hints.sort_unstable();
    assert_eq!(sealed[33..35], hints[0]);
    assert_eq!(&sealed[..8], &[0xff; 8]);
    assert_eq!(&sealed[8..17], b"bulla/s1\x03");
}

#[test]
fn the_forms_for_one_and_for_several_are_not_mistaken_for_each_other() {
    let alice = alice();
    let shared = seal(&[&alice, &bob()], b"hello");
    assert!(SharedEnvelope::is_meant(&shared));
    assert_eq!(alice.decrypt(&shared), Err(DecryptError));
    let single = alice.public_key().encrypt(&[7; 300]).expect("encrypted");
    assert!(!SharedEnvelope::is_meant(&single));
    assert!(SharedEnvelope::parse(&single).is_none());
}

#[test]
fn too_few_and_too_many_recipients_are_refused() {
    let alice = alice().public_key().clone();
    let refused = |recipients: &[PublicKey]| SharedEnvelope::seal(recipients, b"x").unwrap_err();
    assert_eq!(refused(&[]), EncryptError::Recipients(0));
    assert_eq!(
        refused(&vec![alice.clone(); 2]),
        EncryptError::Recipients(1)
    );
    let numbered = |number| {
        let mut der = alice.to_der().to_vec();
        der[100] = number;
        PublicKey::from_der(&der).expect("a key without an owner")
    };
    let many: Vec<_> = (0..65).map(numbered).collect();
    assert_eq!(refused(&many), EncryptError::Recipients(65));
    assert!(SharedEnvelope::seal(&many[..64], b"x").is_ok());
    let empty = SharedEnvelope::seal(
        &[bob().public_key().clone(), carol().public_key().clone()],
        b"",
    );
    assert_eq!(empty, Err(EncryptError::Empty));
}

#[test]
fn headers_out_of_bounds_are_not_read() {
    let sealed = seal(&[&alice(), &bob()], b"hello");
    let with = |at: usize, bytes: &[u8]| {
        let mut sealed = sealed.clone();
        sealed[at..at + bytes.len()].copy_from_slice(bytes);
        SharedEnvelope::parse(&sealed).is_none()
    };
    for count in [0, 1, 65, 255] {
        assert!(with(16, &[count]), "{count} recipients");
    }
    for length in [0, 255, 1025, u16::MAX] {
        assert!(with(HEADER + 2, &length.to_be_bytes()), "{length} bytes");
    }
    let second = HEADER + 4 + BLOCK;
    assert!(with(HEADER, &sealed[second..second + 2]), "equal hints");
    assert!(with(HEADER, &[0xff, 0xff]), "descending hints");
    for length in 0..second + 4 + BLOCK {
        assert!(SharedEnvelope::parse(&sealed[..length]).is_none());
    }
    assert_eq!(
        open(&sealed[..sealed.len() - 1], &alice()),
        Err(DecryptError)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_change_is_refused_by_every_recipient(at: usize, flip in 1u8..) {
        let mut sealed = hex::decode(GOLDEN.trim()).expect("hex");
        let length = sealed.len();
        sealed[at % length] ^= flip;
        for recipient in [alice(), bob(), carol()] {
            prop_assert_eq!(open(&sealed, &recipient), Err(DecryptError));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let bytes = [&b"\xff\xff\xff\xff\xff\xff\xff\xffbulla/s1\x02"[..], &bytes].concat();
        if let Some(envelope) = SharedEnvelope::parse(&bytes) {
            prop_assert_eq!(envelope.open(&alice()), Err(DecryptError));
        }
    }
}
