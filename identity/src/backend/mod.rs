//! The seam between this crate and the library that does the RSA arithmetic.
//!
//! Two back-ends offer the same two types, [`RsaPublic`] and [`RsaPrivate`], with the same functions and the same answers; the
//! feature `aws-lc` chooses. Both are handed keys whose size and exponent have been checked, in canonical DER.
//!
//! `decrypt_block` rejects implicitly: a block with wrong padding does not fail, it yields a pseudo-random message that depends
//! on the key and the block alone. So no caller can tell a wrong padding from a right one, nor pass the difference on (the
//! attacks of Bleichenbacher and their successors live on that difference).

#[cfg(feature = "aws-lc")]
mod aws_lc;
#[cfg(any(test, not(feature = "aws-lc")))]
mod pure;

#[cfg(feature = "aws-lc")]
pub(crate) use aws_lc::{RsaPrivate, RsaPublic};
#[cfg(not(feature = "aws-lc"))]
pub(crate) use pure::{RsaPrivate, RsaPublic};

/// The hash under an RSASSA-PKCS1-v1_5 signature. Values always use SHA-512; certificates say which they use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

/// What the padding of RSAES-PKCS1-v1_5 and RSASSA-PKCS1-v1_5 takes of a block (RFC 8017, section 7.2.1).
pub(crate) const PADDING: usize = 11;

#[cfg(all(test, feature = "aws-lc"))]
mod tests {
    use pkcs8::Document;

    use super::{Hash, aws_lc, pure};

    const HASHES: [Hash; 3] = [Hash::Sha256, Hash::Sha384, Hash::Sha512];

    #[test]
    fn back_ends_make_the_same_signatures_and_accept_each_others() {
        let (fast, fast_public, portable, portable_public) = alice();
        for hash in HASHES {
            let signature = fast.sign(hash, b"hello").expect("signed");
            assert_eq!(portable.sign(hash, b"hello").as_ref(), Some(&signature));
            assert!(fast_public.verify(hash, b"hello", &signature));
            assert!(portable_public.verify(hash, b"hello", &signature));
        }
    }

    #[test]
    fn back_ends_refuse_the_same_signatures() {
        let (fast, fast_public, _, portable_public) = alice();
        let signature = fast.sign(Hash::Sha512, b"hello").expect("signed");
        let longer = [&signature[..], &[0]].concat();
        let shorter = &signature[..signature.len() - 1];
        for (hash, message, signature) in [
            (Hash::Sha512, &b"hellp"[..], &signature[..]),
            (Hash::Sha256, b"hello", &signature),
            (Hash::Sha384, b"hello", &signature),
            (Hash::Sha512, b"hello", &longer),
            (Hash::Sha512, b"hello", shorter),
            (Hash::Sha512, b"hello", &[]),
            (Hash::Sha512, b"hello", &[0xff; 256]),
            (Hash::Sha512, b"hello", &[0; 256]),
        ] {
            assert!(!fast_public.verify(hash, message, signature));
            assert!(!portable_public.verify(hash, message, signature));
        }
    }

    #[test]
    fn back_ends_open_each_others_blocks() {
        let (fast, fast_public, portable, portable_public) = alice();
        for length in [0, 1, 32, 245] {
            let message = vec![7; length];
            for block in [
                fast_public.encrypt_block(&message),
                portable_public.encrypt_block(&message),
            ] {
                let block = block.expect("encrypted");
                assert_eq!(
                    fast.decrypt_block(&block).expect("decrypted").to_vec(),
                    message
                );
                assert_eq!(
                    portable.decrypt_block(&block).expect("decrypted").to_vec(),
                    message
                );
            }
        }
        assert_eq!(fast_public.encrypt_block(&[7; 246]), None);
        assert_eq!(portable_public.encrypt_block(&[7; 246]), None);
    }

    #[test]
    fn back_ends_reject_wrong_padding_without_a_word_and_always_alike() {
        let (fast, _, portable, _) = alice();
        let lengths = |decrypt: &dyn Fn(&[u8]) -> Vec<u8>| -> Vec<usize> {
            (1..=8)
                .map(|seed| {
                    let block = [seed; 256];
                    let message = decrypt(&block);
                    assert_eq!(decrypt(&block), message, "the same block, the same message");
                    assert!(message.len() <= 245);
                    message.len()
                })
                .collect()
        };
        for lengths in [
            lengths(&|block| fast.decrypt_block(block).expect("no error").to_vec()),
            lengths(&|block| portable.decrypt_block(block).expect("no error").to_vec()),
        ] {
            assert!(
                lengths.iter().any(|length| *length != lengths[0]),
                "lengths vary: {lengths:?}"
            );
        }
    }

    fn alice() -> (
        aws_lc::RsaPrivate,
        aws_lc::RsaPublic,
        pure::RsaPrivate,
        pure::RsaPublic,
    ) {
        let pem = include_str!("../../tests/vectors/alice.pem");
        let key = &pem[..pem.find("-----BEGIN CERTIFICATE").expect("a certificate")];
        let (_, pkcs8) = Document::from_pem(key).expect("PEM");
        let key = crate::PrivateKey::from_pem(pem, None).expect("a key");
        let (pkcs8, spki) = (pkcs8.as_bytes(), key.public_key().to_der());
        (
            aws_lc::RsaPrivate::from_pkcs8(pkcs8).expect("a key"),
            aws_lc::RsaPublic::from_spki(spki).expect("a key"),
            pure::RsaPrivate::from_pkcs8(pkcs8).expect("a key"),
            pure::RsaPublic::from_spki(spki).expect("a key"),
        )
    }
}
