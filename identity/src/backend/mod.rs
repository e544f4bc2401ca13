//! The seam between this crate and the library that does the RSA arithmetic.
//!
//! Two back-ends offer the same two types, [`RsaPublic`] and [`RsaPrivate`], with the same
//! functions and the same results; the feature `aws-lc` chooses. Both get keys of checked size and
//! exponent, in canonical DER that names `rsaEncryption` even for a key of OAEP.
//!
//! With the padding of PKCS#1 v1.5, `decrypt_block` rejects implicitly: a block with wrong padding
//! does not fail, it yields a pseudo-random message that depends on the key and the block alone. So
//! no caller can tell a wrong padding from a right one, nor pass the difference on, which is what
//! Bleichenbacher's attack and its successors need. With OAEP a wrong block is `None`, whatever is
//! wrong with it.

#[cfg(feature = "aws-lc")]
mod aws_lc;
#[cfg(any(test, not(feature = "aws-lc")))]
mod pure;

#[cfg(feature = "aws-lc")]
pub(crate) use aws_lc::{RsaPrivate, RsaPublic};
#[cfg(not(feature = "aws-lc"))]
pub(crate) use pure::{RsaPrivate, RsaPublic};

pub(crate) use crate::scheme::HashAlgorithm as Hash;

/// How a message is padded to a block for encryption. It goes with the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Padding {
    /// RSAES-PKCS1-v1_5 (RFC 8017, section 7.2).
    Pkcs1,
    /// RSAES-OAEP with SHA-256 and no label (RFC 8017, section 7.1).
    Oaep,
}

impl Padding {
    /// Returns how many bytes of a block are not for the message.
    pub(crate) const fn overhead(self) -> usize {
        match self {
            Self::Pkcs1 => 11,
            Self::Oaep => 2 * 32 + 2,
        }
    }
}

#[cfg(all(test, feature = "aws-lc"))]
mod tests {
    use pkcs8::Document;

    use super::{Hash, Padding, aws_lc, pure};

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
    fn back_ends_reject_wrong_padding_without_an_error_and_always_alike() {
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

    #[test]
    fn back_ends_open_each_others_oaep_blocks_and_refuse_damaged_ones() {
        let (fast, fast_public, portable, portable_public) = pairs(Padding::Oaep);
        for length in [0, 1, 32, 190] {
            let message = vec![7; length];
            for block in [
                fast_public.encrypt_block(&message),
                portable_public.encrypt_block(&message),
            ] {
                let mut block = block.expect("encrypted");
                let opened = [fast.decrypt_block(&block), portable.decrypt_block(&block)];
                assert!(
                    opened
                        .iter()
                        .all(|opened| opened.as_deref() == Some(&message))
                );
                block[255] ^= 1;
                assert_eq!(fast.decrypt_block(&block), None);
                assert_eq!(portable.decrypt_block(&block), None);
            }
        }
        assert_eq!(fast_public.encrypt_block(&[7; 191]), None);
        assert_eq!(portable_public.encrypt_block(&[7; 191]), None);
    }

    type Pairs = (
        aws_lc::RsaPrivate,
        aws_lc::RsaPublic,
        pure::RsaPrivate,
        pure::RsaPublic,
    );

    fn alice() -> Pairs {
        pairs(Padding::Pkcs1)
    }

    fn pairs(padding: Padding) -> Pairs {
        let pem = include_str!("../../tests/vectors/alice.pem");
        let key = &pem[..pem.find("-----BEGIN CERTIFICATE").expect("a certificate")];
        let (_, pkcs8) = Document::from_pem(key).expect("PEM");
        let key = crate::PrivateKey::from_pem(pem, None).expect("a key");
        let (pkcs8, spki) = (pkcs8.as_bytes(), key.public_key().to_der());
        (
            aws_lc::RsaPrivate::from_pkcs8(padding, pkcs8).expect("a key"),
            aws_lc::RsaPublic::from_spki(padding, spki).expect("a key"),
            pure::RsaPrivate::from_pkcs8(padding, pkcs8).expect("a key"),
            pure::RsaPublic::from_spki(padding, spki).expect("a key"),
        )
    }
}
