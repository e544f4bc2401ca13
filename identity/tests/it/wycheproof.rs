//! Project Wycheproof's vectors: known attacks on other implementations. Each test counts what it
//! checked, so that no filter can remove everything.

use ::wycheproof::{
    HashFunction, TestResult, aead, ecdsa, eddsa, rsa_oaep, rsa_pkcs1_decrypt, rsa_pkcs1_verify,
};
use bulla_identity::{
    DecryptError, HashAlgorithm, KeyError, PrivateKey, PublicKey, Scheme, decrypt_with_key,
};

const HASHES: [(HashFunction, HashAlgorithm); 3] = [
    (HashFunction::Sha2_256, HashAlgorithm::Sha256),
    (HashFunction::Sha2_384, HashAlgorithm::Sha384),
    (HashFunction::Sha2_512, HashAlgorithm::Sha512),
];

#[test]
fn rsa_signatures_are_judged_as_expected() {
    use rsa_pkcs1_verify::{TestName, TestSet};
    let mut checked = 0;
    for name in [
        TestName::Rsa2048Sha256,
        TestName::Rsa2048Sha384,
        TestName::Rsa2048Sha512,
        TestName::Rsa3072Sha512,
        TestName::Rsa4096Sha512,
        TestName::Rsa8192Sha512,
    ] {
        for group in TestSet::load(name).expect("vectors").test_groups {
            let key = PublicKey::from_der(&group.asn_key)
                .or_else(|_| PublicKey::from_der(&group.der))
                .expect("a key");
            let scheme = Scheme::RsaPkcs1(hash(group.hash));
            for test in group.tests {
                let verdict = key.verify_with(scheme, &test.msg, &test.sig);
                judge(test.result, verdict, &test);
                checked += 1;
            }
        }
    }
    assert!(checked > 1000, "{checked}");
}

#[test]
fn ecdsa_signatures_are_judged_as_expected() {
    use ecdsa::{TestName, TestSet};
    let mut checked = 0;
    for name in [
        TestName::EcdsaSecp256r1Sha256,
        TestName::EcdsaSecp256r1Sha512,
        TestName::EcdsaSecp384r1Sha256,
        TestName::EcdsaSecp384r1Sha384,
        TestName::EcdsaSecp384r1Sha512,
    ] {
        for group in TestSet::load(name).expect("vectors").test_groups {
            let key = PublicKey::from_der(&group.der).expect("a key");
            let scheme = Scheme::Ecdsa(hash(group.hash));
            for test in group.tests {
                let verdict = key.verify_with(scheme, &test.msg, &test.sig);
                judge(test.result, verdict, &test);
                checked += 1;
            }
        }
    }
    assert!(checked > 2000, "{checked}");
}

#[test]
fn ed25519_signatures_are_judged_as_expected() {
    use eddsa::{TestName, TestSet};
    let mut checked = 0;
    let set = TestSet::load(TestName::Ed25519).expect("vectors");
    for group in set.test_groups {
        let key = PublicKey::from_der(&group.der).expect("a key");
        for test in group.tests {
            let verdict = key.verify_with(Scheme::Ed25519, &test.msg, &test.sig);
            judge(test.result, verdict, &test);
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked}");
}

/// A block with wrong padding is not refused: it yields another message.
#[test]
fn pkcs1_blocks_with_wrong_padding_yield_another_message() {
    use rsa_pkcs1_decrypt::{TestName, TestSet};
    let mut checked = 0;
    for name in [TestName::Rsa2048, TestName::Rsa3072, TestName::Rsa4096] {
        for group in TestSet::load(name).expect("vectors").test_groups {
            let key = PrivateKey::from_der(&group.pkcs8).expect("a key");
            for test in group.tests {
                let opened = key.decrypt(&test.ct);
                let right = opened.as_deref() == Ok(test.pt.as_slice());
                judge(test.result, right, &test);
                assert!(
                    opened.is_ok()
                        || test.ct.len() != group.key_size / 8
                        || !below_modulus(&key, &test.ct),
                    "refused in words: {test:?}"
                );
                checked += 1;
            }
        }
    }
    assert!(checked > 100, "{checked}");
}

#[test]
fn oaep_blocks_are_judged_as_expected() {
    use rsa_oaep::{TestName, TestSet};
    let mut checked = 0;
    for name in [
        TestName::Rsa2048Sha256Mgf1Sha256,
        TestName::Rsa3072Sha256Mgf1Sha256,
        TestName::Rsa4096Sha256Mgf1Sha256,
        TestName::RsaMisc,
    ] {
        for group in TestSet::load(name).expect("vectors").test_groups {
            let sha256 = HashFunction::Sha2_256;
            if group.hash != sha256 || group.mgf_hash != sha256 {
                continue;
            }
            let key = match PrivateKey::from_der(&group.pkcs8) {
                Err(KeyError::Size { bits }) if bits < 2048 => continue,
                key => key.expect("a key").to_oaep().expect("an RSA key"),
            };
            for test in group.tests.iter().filter(|test| test.label.is_empty()) {
                let opened = key.decrypt(&test.ct);
                judge(
                    test.result,
                    opened.as_deref() == Ok(test.pt.as_slice()),
                    test,
                );
                if test.result.must_fail() {
                    assert_eq!(opened, Err(DecryptError));
                }
                checked += 1;
            }
        }
    }
    assert!(checked > 60, "{checked}");
}

/// Only vectors with our lengths of nonce and tag, with a plaintext and without additional data.
#[test]
fn aes_gcm_ciphertexts_are_judged_as_expected() {
    use aead::{TestName, TestSet};
    let mut checked = 0;
    let set = TestSet::load(TestName::AesGcm).expect("vectors");
    for group in set.test_groups {
        if group.nonce_size != 96 || group.tag_size != 128 {
            continue;
        }
        let ours = |test: &&aead::Test| test.aad.is_empty() && !test.ct.is_empty();
        for test in group.tests.iter().filter(ours) {
            let sealed = [&test.nonce[..], &test.ct[..], &test.tag[..]].concat();
            let opened = decrypt_with_key(&test.key, &sealed);
            judge(
                test.result,
                opened.as_deref() == Ok(test.pt.as_slice()),
                test,
            );
            checked += 1;
        }
    }
    assert!(checked > 80, "{checked}");
}

fn judge(expected: TestResult, accepted: bool, test: &impl std::fmt::Debug) {
    match expected {
        TestResult::Valid => assert!(accepted, "refused: {test:?}"),
        TestResult::Invalid => assert!(!accepted, "accepted: {test:?}"),
        // A missing NULL, for instance: both verdicts are right.
        TestResult::Acceptable => {}
    }
}

fn hash(function: HashFunction) -> HashAlgorithm {
    let known = HASHES.iter().find(|(theirs, _)| *theirs == function);
    known.expect("one of ours").1
}

/// Reports whether a block is below the modulus, which ends 5 bytes before the end of the DER.
fn below_modulus(key: &PrivateKey, block: &[u8]) -> bool {
    let der = key.public_key().to_der();
    let end = der.len() - 5;
    block < &der[end - block.len()..end]
}
