//! What can go wrong, one enum per verb.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::random::NoRandomness;
use crate::scheme::KeyKind;

/// Why a key could not be made or read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The bytes are neither DER nor PEM of a key, or they contradict themselves.
    #[error("not a key, or a damaged one")]
    Malformed,
    /// A key, but of a kind that is not supported, such as DSA, RSA-PSS or another curve.
    #[error("keys of this kind are not supported: use RSA, P-256, P-384 or Ed25519")]
    Unsupported,
    /// A key for RSA-OAEP that asks for something else than SHA-256 and no label.
    #[error("RSA-OAEP is supported with SHA-256 (for the mask too) and without label only")]
    OaepParameters,
    /// The modulus is out of bounds.
    #[error(
        "RSA keys of {bits} bits are refused: use 2048 to 8192 bits, for a new key a multiple of 8"
    )]
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
    /// The key file is protected in a way that is not supported, or would take unreasonable work to
    /// open.
    #[error(
        "this protection of a private key is not supported: convert the file by `openssl pkcs8 -topk8 -v2 aes-256-cbc`"
    )]
    UnsupportedProtection,
    /// The caller cancelled the search for a new key.
    #[error("no key was made: it was broken off")]
    Cancelled,
    /// See [`NoRandomness`].
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// Why something could not be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SignError {
    /// A value was to be signed with a key of another kind than RSA: every node would refuse it.
    #[error(
        "values are signed with RSA keys alone, and this key is one of {0}: use an RSA identity"
    )]
    NotForValues(KeyKind),
    /// A certificate, a request for one or a revocation list was to be signed with a key that signs
    /// nothing.
    #[error(
        "keys of {0} do not sign: let an authority with a key of another kind certify this one"
    )]
    NeverSigns(KeyKind),
    /// The key is of another kind than the scheme.
    #[error("a key of {0} does not sign in this way")]
    OtherScheme(KeyKind),
    /// The private key does not work.
    #[error("the private key cannot sign")]
    Failed,
}

/// Why something could not be encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EncryptError {
    /// Only RSA keys encrypt.
    #[error("one can encrypt for RSA keys alone, and this key is one of {0}")]
    NotForEncryption(KeyKind),
    /// A symmetric key must have 16, 24 or 32 bytes.
    #[error("a symmetric key has 16, 24 or 32 bytes, not {0}")]
    KeyLength(usize),
    /// No implementation decrypts an empty plaintext in the symmetric form.
    #[error("there is nothing to encrypt")]
    Empty,
    /// A shared envelope is for 2 to 64 different keys.
    #[error("one ciphertext can be for 2 to 64 different keys, not {0}")]
    Recipients(usize),
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

/// Decryption failed. It never says why: the reason would help an attacker with a forged
/// ciphertext.
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
    /// The 64 MiB of memory that stretching takes are not there, or the password is far too long.
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

/// Why a certificate is not trusted. What a variant holds is the common name of the certificate at
/// fault (anything at all: the messages quote and escape it).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TrustError {
    /// There are more authorities below one than it permits.
    #[error("the chain is longer than {0:?} permits")]
    PathTooLong(String),
    /// The certificate has expired.
    #[error("the certificate of {0:?} has expired")]
    Expired(String),
    /// The certificate is not valid yet.
    #[error("the certificate of {0:?} is not valid yet")]
    NotYetValid(String),
    /// Neither the chain nor the trusted certificates hold the issuer.
    #[error("the issuer of {0:?} is not trusted")]
    UnknownIssuer(String),
    /// The issuer did not sign this certificate.
    #[error("the signature on the certificate of {0:?} is wrong")]
    BadSignature(String),
    /// Signed by other means than Ed25519, or RSA (2048 bits or more) or ECDSA with SHA-256,
    /// SHA-384 or SHA-512.
    #[error("the certificate of {0:?} is signed in a weak or unsupported way")]
    UnsupportedSignature(String),
    /// The certified key is neither RSA of 2048 to 8192 bits nor an elliptic curve of at least 256.
    #[error("the key of {0:?} is too weak")]
    WeakKey(String),
    /// The issuer of a certificate is not a certificate authority.
    #[error("{0:?} is not a certificate authority")]
    NotAuthority(String),
    /// The issuer has revoked the certificate.
    #[error("the certificate of {0:?} was revoked by its issuer")]
    Revoked(String),
    /// The certificate has an extension that must be understood and is not, such as name
    /// constraints.
    #[error("the certificate of {0:?} has a critical extension that is not supported")]
    CriticalExtension(String),
}

/// Why bytes are no revocation list, or one that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RevocationListError {
    /// The bytes are neither DER nor PEM of an X.509 revocation list.
    #[error("not a certificate revocation list, or a damaged one")]
    Malformed,
    /// More than [`MAX_REVOCATION_LIST_BYTES`](crate::MAX_REVOCATION_LIST_BYTES).
    #[error("a revocation list of more than {} KiB", crate::MAX_REVOCATION_LIST_BYTES / 1024)]
    TooLarge,
    /// It is not complete by itself: a delta or indirect list, or one of some reasons or
    /// certificates only.
    #[error("a revocation list with critical extensions, such as a delta list, is not supported")]
    Unsupported,
    /// None of the trusted certificates has the name of its issuer and may sign revocation lists.
    #[error("the issuer of the revocation list is not trusted")]
    UnknownIssuer,
    /// Its issuer did not sign it, or in a weak or unsupported way.
    #[error("the signature on the revocation list is wrong")]
    BadSignature,
}

/// Why a revocation list could not be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RevokeError {
    /// The issuer is not a certificate authority that may sign revocation lists.
    #[error("the issuer is not an authority that may sign revocation lists")]
    NotAuthority,
    /// A certificate to revoke was issued by another. What it holds is its common name.
    #[error("the certificate of {0:?} was issued by another authority")]
    NotIssuedHere(String),
    /// The list to extend was signed by another.
    #[error("the list to extend was signed by another authority")]
    OtherList,
    /// The list would end before it begins, or after the year 9999.
    #[error("a revocation list is valid for a while and not beyond the year 9999")]
    Validity,
    /// A list number has 1 to 20 bytes, the first below 128.
    #[error("a list number is a positive number of at most 20 bytes")]
    Number,
    /// The issuer's name or a serial number cannot be written.
    #[error("the list cannot be written")]
    Encoding,
    /// The issuer's key did not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// See [`NoRandomness`].
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// Why bytes are no certificate request.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The bytes are neither DER nor PEM of a PKCS#10 request.
    #[error("not a certificate request, or a damaged one")]
    Malformed,
    /// More bytes than any request has.
    #[error("the certificate request is too large")]
    TooLarge,
}

/// Why a certificate or a request for one could not be made.
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
    /// With the new certificate the chain would be longer than
    /// [`MAX_CHAIN_LENGTH`](crate::MAX_CHAIN_LENGTH).
    #[error("the issuer's chain is as long as a chain can be")]
    ChainTooLong,
    /// The issuer's subject name has parts that cannot be repeated in a new certificate.
    #[error("the issuer's name cannot be repeated in a certificate")]
    IssuerName,
    /// An alternative name is empty, longer than 255 bytes, or not printable ASCII.
    #[error("an alternative name has 1 to 255 ASCII characters without spaces")]
    AlternativeName,
    /// The challenge password of a request has more than 64 characters or control characters.
    #[error("a challenge password has 1 to 64 characters and no control characters")]
    Challenge,
    /// The request is not signed by the key in it, the key is none that can be certified, or its
    /// name cannot be repeated.
    #[error("the certificate request cannot be granted: its signature, key or name is not right")]
    Request,
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

/// What should be put right about an identity that was loaded all the same.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LoadWarning {
    /// Others than the owner may read the file with the private key.
    #[error("others can read the private key in {} (mode {mode:03o}): make it 600", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
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

/// Why a PKCS#12 file could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Pkcs12Error {
    /// The bytes are no PKCS#12 file with a check value, or a damaged one.
    #[error("not a PKCS#12 file, or a damaged one")]
    Malformed,
    /// More than [`MAX_CHAIN_BYTES`](crate::MAX_CHAIN_BYTES).
    #[error("the PKCS#12 file is too large")]
    TooLarge,
    /// The password does not open the file.
    #[error("wrong password for the PKCS#12 file")]
    WrongPassword,
    /// The file is protected in a way that is not supported, or would take unreasonable work to
    /// open.
    #[error(
        "this protection of a PKCS#12 file is not supported: use PBES2 or triple DES, and at most a million rounds"
    )]
    UnsupportedProtection,
    /// There is no private key with a certificate of it.
    #[error("there is no private key with its certificate in the PKCS#12 file")]
    NoIdentity,
    /// The private key could not be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The identity could not be written in this format.
    #[error("the identity cannot be written as PKCS#12")]
    NotWritten,
}

/// Why an OCSP request could not be made, or its response does not count.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OcspError {
    /// The certificate to ask about was issued by another.
    #[error("the certificate was issued by another authority")]
    OtherIssuer,
    /// The bytes are no basic OCSP response, or a damaged one.
    #[error("not an OCSP response, or a damaged one")]
    Malformed,
    /// More bytes than any response has.
    #[error("the OCSP response is too large")]
    TooLarge,
    /// The responder refused; what it holds is the status (RFC 6960, section 4.2.1).
    #[error("the OCSP responder refused with status {0}")]
    Refused(u8),
    /// It is signed neither by the issuer nor by a responder that the issuer has certified.
    #[error("the signature on the OCSP response is wrong")]
    BadSignature,
    /// The response does not repeat the nonce: it may be an old one.
    #[error("the OCSP response does not repeat the nonce of the request")]
    OtherNonce,
    /// The response is about another certificate.
    #[error("the OCSP response is about another certificate")]
    OtherCertificate,
    /// The response is from the future, or there should be a newer one.
    #[error("the OCSP response is not of this time")]
    NotCurrent,
    /// See [`NoRandomness`].
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}
