//! [`Signer`]: connects keys with the library that writes certificates and requests.

use der::asn1::{AnyRef, BitStringRef};
use der::{Decode, Encode};
use rcgen::{PublicKeyData, SignatureAlgorithm, SigningKey};

use crate::asn1::SignedDer;
use crate::error::SignError;
use crate::private_key::PrivateKey;
use crate::public_key::PublicKey;
use crate::scheme::{Curve, HashAlgorithm, KeyKind, Scheme};

/// A private key as the certificate writer wants it: the hash follows the strength of the certified
/// key, not of its own.
pub(crate) struct Signer<'a> {
    key: &'a PrivateKey,
    scheme: Scheme,
    algorithm: &'static SignatureAlgorithm,
}

impl<'a> Signer<'a> {
    /// # Errors
    /// [`SignError::NeverSigns`].
    pub(crate) fn new(key: &'a PrivateKey, certified: &PublicKey) -> Result<Self, SignError> {
        let hash = match certified.kind() {
            KeyKind::Rsa | KeyKind::RsaOaep if certified.bits() > 3072 => HashAlgorithm::Sha384,
            KeyKind::Curve(Curve::P384) => HashAlgorithm::Sha384,
            _ => HashAlgorithm::Sha256,
        };
        let kind = key.public_key().kind();
        let scheme = kind.scheme(hash).ok_or(SignError::NeverSigns(kind))?;
        let algorithm = match scheme {
            Scheme::RsaPkcs1(HashAlgorithm::Sha256) => &rcgen::PKCS_RSA_SHA256,
            Scheme::RsaPkcs1(HashAlgorithm::Sha384) => &rcgen::PKCS_RSA_SHA384,
            Scheme::Ecdsa(HashAlgorithm::Sha256) => &rcgen::PKCS_ECDSA_P256_SHA256,
            Scheme::Ecdsa(HashAlgorithm::Sha384) => &rcgen::PKCS_ECDSA_P384_SHA384,
            Scheme::Ed25519 => &rcgen::PKCS_ED25519,
            Scheme::RsaPkcs1(HashAlgorithm::Sha512) | Scheme::Ecdsa(HashAlgorithm::Sha512) => {
                return Err(SignError::OtherScheme(kind));
            }
        };
        Ok(Self {
            key,
            scheme,
            algorithm,
        })
    }
}

impl PublicKeyData for Signer<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.key.public_key().subject_public_key()
    }

    /// Returns the way to sign, which in a self-signed certificate also names the kind of the key.
    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.algorithm
    }
}

impl SigningKey for Signer<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.key
            .sign_with(self.scheme, message)
            .map_err(|_| rcgen::Error::RemoteKeyError)
    }
}

/// A public key as the certificate writer wants it. It looks at the kind of key alone, not at the
/// hash.
pub(crate) struct Certified<'a>(pub(crate) &'a PublicKey);

impl PublicKeyData for Certified<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.subject_public_key()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        match self.0.kind() {
            KeyKind::Rsa | KeyKind::RsaOaep => &rcgen::PKCS_RSA_SHA256,
            KeyKind::Curve(Curve::P256) => &rcgen::PKCS_ECDSA_P256_SHA256,
            KeyKind::Curve(Curve::P384) => &rcgen::PKCS_ECDSA_P384_SHA384,
            KeyKind::Curve(Curve::Ed25519) => &rcgen::PKCS_ED25519,
        }
    }
}

/// Puts `key` into a certificate and signs it again: the certificate writer knows plain RSA keys
/// alone.
pub(crate) fn with_key(
    certificate: &[u8],
    key: &PublicKey,
    signer: &Signer<'_>,
) -> Result<Vec<u8>, SignError> {
    /// Where in the signed part the key stands (RFC 5280, section 4.1).
    const KEY: usize = 6;
    let rewrite = || {
        let certificate = SignedDer::from_der(certificate).ok()?;
        let body = certificate.body().ok()?;
        let mut fields: Vec<AnyRef<'_>> = Decode::from_der(&body).ok()?;
        *fields.get_mut(KEY)? = AnyRef::from_der(key.to_der()).ok()?;
        let body = fields.to_der().ok()?;
        let signature = signer.sign(&body).ok()?;
        SignedDer {
            body: AnyRef::from_der(&body).ok()?,
            signature: BitStringRef::from_bytes(&signature).ok()?,
            ..certificate
        }
        .to_der()
        .ok()
    };
    rewrite().ok_or(SignError::Failed)
}
