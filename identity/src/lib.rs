//! Identities as OpenDHT uses them: keys, certificates, signatures and encryption.
//!
//! | type or function | promise |
//! |---|---|
//! | [`PrivateKey`], [`PublicKey`] | sign and verify, encrypt and decrypt (RSA) |
//! | [`KeyKind`], [`Curve`], [`Scheme`] | what other keys than RSA can do: sign certificates |
//! | [`SharedEnvelope`] | encrypt for several keys at once |
//! | [`KeyId`], [`LongKeyId`], [`Fingerprint`] | the names of a key, for programs and in words |
//! | [`Certificate`], [`CertificateChain`], [`verify_chain`] | read X.509, and judge it |
//! | [`TrustList`], [`RevocationList`], [`OcspRequest`] | trusted and revoked certificates |
//! | [`Identity`] | a key with its certificates: made, saved, loaded |
//! | [`CertificateRequest`] | asks an authority to certify a key |
//! | [`encrypt_with_key`], [`encrypt_with_password`], [`stretch`] | authenticated encryption |
//!
//! Values are signed by RSASSA-PKCS1-v1_5 with SHA-512, and encrypted by RSA, hybrid with AES-GCM
//! where they are longer than a block.
//!
//! The crate knows nothing of the DHT and does no I/O but to load and save identities. It reads
//! whatever others publish: sizes are bounded before work is done, no bytes make it panic, and
//! secrets are wiped from memory and shown nowhere.
//!
//! ```
//! # let pem = include_str!("../tests/vectors/alice.pem");
//! use bulla_identity::PrivateKey;
//!
//! let alice = PrivateKey::from_pem(pem, None)?;
//! let signature = alice.sign(b"hello")?;
//! assert!(alice.public_key().verify(b"hello", &signature));
//! assert!(!alice.public_key().verify(b"goodbye", &signature));
//!
//! let ciphertext = alice.public_key().encrypt(b"for alice alone")?;
//! assert_eq!(alice.decrypt(&ciphertext)?, b"for alice alone");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! RSA is done by aws-lc-rs (feature `aws-lc`, on by default; needs a C compiler) or by the
//! pure-Rust `rsa`, with the same results. Prefer the default where others can measure how long
//! decryption takes: `rsa` is hardened against that attack, but not proven safe from it.

mod alternative_name;
mod asn1;
mod backend;
mod certificate;
mod chain;
mod crl;
mod crl_builder;
mod curve;
mod encrypted_key;
mod envelope;
mod error;
mod fingerprint;
mod identity;
mod identity_file;
mod issue;
mod key_id;
mod multi_recipient;
mod name;
mod ocsp;
mod pem;
mod pkcs12;
mod private_key;
mod public_key;
mod random;
mod request;
mod rsa_key;
mod rsa_keygen;
mod scheme;
mod signature;
mod signer;
mod symmetric;
mod trust;

pub use alternative_name::{AlternativeName, ParseAlternativeNameError};
pub use certificate::{Certificate, MAX_CHAIN_BYTES};
pub use chain::{CertificateChain, MAX_CHAIN_LENGTH};
pub use crl::{MAX_REVOCATION_LIST_BYTES, Revocation, RevocationList, RevocationReason};
pub use crl_builder::RevocationDraft;
pub use error::{
    CertificateError, DecryptError, EncryptError, IssueError, KeyError, LoadError, LoadWarning,
    OcspError, Pkcs12Error, RequestError, RevocationListError, RevokeError, SaveError, SignError,
    StretchError, TrustError,
};
pub use fingerprint::{Fingerprint, ParseFingerprintError};
pub use identity::Identity;
pub use issue::{CertificateParams, IdentityParams};
pub use key_id::{KeyId, LongKeyId, ParseKeyIdError};
pub use multi_recipient::{MAX_RECIPIENTS, SharedEnvelope};
pub use ocsp::{OcspRequest, OcspStatus};
pub use private_key::PrivateKey;
pub use public_key::PublicKey;
pub use random::NoRandomness;
pub use request::{CertificateRequest, RequestParams};
pub use rsa_keygen::Progress;
pub use scheme::{Curve, HashAlgorithm, KeyKind, Scheme};
pub use symmetric::{
    decrypt_with_key, decrypt_with_password, encrypt_with_key, encrypt_with_password,
    encrypt_with_salted_password, stretch,
};
pub use trust::{TrustList, is_issued_under, verify_chain};
pub use zeroize::Zeroizing;
