//! What can go wrong, one enum per verb.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// The operating system gave no randomness: nothing secret can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the operating system gave no randomness")]
pub struct NoRandomness;

/// Why a key could not be made or read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The bytes are neither DER nor PEM of a key, or they contradict themselves.
    #[error("not a key, or a damaged one")]
    Malformed,
    /// A key, but not of the `rsaEncryption` kind.
    #[error("not an RSA key: only RSA keys sign and encrypt values")]
    NotRsa,
    /// The modulus is out of bounds.
    #[error("RSA keys of {bits} bits are refused: use 2048 to 8192 bits")]
    Size {
        /// Length of the offered modulus.
        bits: usize,
    },
    /// The public exponent is even, below 3 or above 2^33.
    #[error("the RSA public exponent is out of bounds")]
    Exponent,
    /// The key file is protected and no password was given.
    #[error("the private key is protected: give its password")]
    PasswordNeeded,
    /// The password does not open the key file.
    #[error("wrong password for the private key")]
    WrongPassword,
    /// The key file is protected in a way that is not supported, or would take unreasonable work to open.
    #[error(
        "this protection of a private key is not supported: use PBES2 with PBKDF2 (at most 5 million rounds) and AES-CBC"
    )]
    UnsupportedProtection,
    /// See [`NoRandomness`].
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// Signing failed: the private key does not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the private key cannot sign")]
pub struct SignError;

/// Why something could not be encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EncryptError {
    /// A symmetric key must have 16, 24 or 32 bytes.
    #[error("a symmetric key has 16, 24 or 32 bytes, not {0}")]
    KeyLength(usize),
    /// No reader accepts an empty plaintext in the symmetric form.
    #[error("there is nothing to encrypt")]
    Empty,
    /// A shared envelope is for 2 to 64 different keys.
    #[error("one ciphertext can be for 2 to 64 different keys, not {0}")]
    Readers(usize),
    /// More than AES-GCM can encrypt, or a key that does not work.
    #[error("the data cannot be encrypted with this key")]
    Refused,
    /// See [`NoRandomness`].
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// See [`StretchError`].
    #[error(transparent)]
    Stretch(#[from] StretchError),
}

/// Decryption failed. It never says why: the reason would help whoever made the ciphertext up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("cannot be decrypted: damaged, or meant for another key")]
pub struct DecryptError;

/// Why a password could not be stretched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StretchError {
    /// Argon2 wants at least 8 bytes of salt.
    #[error("the salt must have at least 8 bytes")]
    SaltTooShort,
    /// The result has 1 to 64 bytes.
    #[error("a password can be stretched to 1 to 64 bytes, not {0}")]
    Length(usize),
    /// The 64 MiB of memory that stretching takes are not there, or the password is absurdly long.
    #[error("the password could not be stretched: 64 MiB of memory are needed")]
    Refused,
}

/// Why bytes are no certificate or certificate chain.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The bytes are neither DER nor PEM of an X.509 certificate.
    #[error("not an X.509 certificate, or a damaged one")]
    Malformed,
    /// More than [`MAX_CHAIN_BYTES`](crate::MAX_CHAIN_BYTES).
    #[error("more than {} KiB of certificates", crate::MAX_CHAIN_BYTES / 1024)]
    TooLarge,
    /// More than [`MAX_CHAIN_LENGTH`](crate::MAX_CHAIN_LENGTH) certificates.
    #[error("more than {} certificates in a chain", crate::MAX_CHAIN_LENGTH)]
    TooMany,
    /// Each certificate of a chain must name the next one as its issuer.
    #[error(
        "the certificates are not in order: the owner's comes first, each is followed by its issuer's"
    )]
    Unordered,
}

/// Why a certificate is not trusted. What a variant holds is the common name of the certificate at fault
/// (anything at all: the messages quote and escape it).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TrustError {
    /// There is no certificate to check.
    #[error("there is no certificate to check")]
    Empty,
    /// More than [`MAX_CHAIN_LENGTH`](crate::MAX_CHAIN_LENGTH) certificates, or more authorities below one than it permits.
    #[error("the chain is longer than {0:?} permits")]
    PathTooLong(String),
    /// The certificate's time is over.
    #[error("the certificate of {0:?} has expired")]
    Expired(String),
    /// The certificate's time has not begun.
    #[error("the certificate of {0:?} is not valid yet")]
    NotYetValid(String),
    /// Neither the chain nor the trusted certificates hold the issuer.
    #[error("the issuer of {0:?} is not trusted")]
    UnknownIssuer(String),
    /// The issuer did not sign this certificate.
    #[error("the signature on the certificate of {0:?} is wrong")]
    BadSignature(String),
    /// Signed by other means than RSA (2048 bits or more) with SHA-256, SHA-384 or SHA-512.
    #[error("the certificate of {0:?} is signed in a weak or unsupported way")]
    UnsupportedSignature(String),
    /// The certified key is neither RSA of 2048 to 8192 bits nor an elliptic curve of at least 256.
    #[error("the key of {0:?} is too weak")]
    WeakKey(String),
    /// A certificate was issued by one that is not a certificate authority's.
    #[error("{0:?} is not a certificate authority")]
    NotAuthority(String),
}

/// Why a certificate could not be issued.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The name is empty, longer than 64 characters, or has control characters.
    #[error("a name has 1 to 64 characters and no control characters")]
    Name,
    /// The validity is empty or ends after the year 9999.
    #[error("a certificate is valid for at least a day and not beyond the year 9999")]
    Validity,
    /// The issuer is not a certificate authority.
    #[error("the issuer is not a certificate authority")]
    NotAuthority,
    /// With the new certificate the chain would be longer than [`MAX_CHAIN_LENGTH`](crate::MAX_CHAIN_LENGTH).
    #[error("the issuer's chain is as long as a chain can be")]
    ChainTooLong,
    /// The issuer's subject name has parts that cannot be repeated in a new certificate.
    #[error("the issuer's name cannot be repeated in a certificate")]
    IssuerName,
    /// The issuer's key did not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The new key could not be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// See [`NoRandomness`].
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// Why an identity could not be loaded or put together.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is larger than any identity.
    #[error("{} is too large for an identity", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// There is no private key in the file.
    #[error("there is no private key in {}", path.display())]
    NoPrivateKey {
        /// The file.
        path: PathBuf,
    },
    /// The private key could not be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The certificates could not be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The first certificate belongs to another key.
    #[error("the certificate does not belong to the private key")]
    KeyMismatch,
}

/// Why an identity could not be saved.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SaveError {
    /// The file is there already and was left as it is.
    #[error("{} exists already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// See [`NoRandomness`].
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}
