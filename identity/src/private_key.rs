//! Private keys: signing, decryption, and their files.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use pkcs8::der::Decode;
use pkcs8::{PrivateKeyInfoRef, SecretDocument};
use rsa::RsaPrivateKey;
use rsa::pkcs1::{EncodeRsaPrivateKey, EncodeRsaPublicKey, RsaPrivateKeyRef};
use zeroize::Zeroizing;

use crate::backend::{Hash, Padding, RsaPrivate};
use crate::curve::CurvePrivate;
use crate::error::{DecryptError, KeyError, SignError};
use crate::public_key::PublicKey;
use crate::random::NoRandomness;
use crate::rsa_keygen::{self, Progress};
use crate::scheme::{Curve, KeyKind, Scheme};
use crate::{encrypted_key, envelope, pem, rsa_key};

/// A private key: RSA of 2048 to 8192 bits, or on one of the supported [curves](Curve).
///
/// [`KeyKind`] tells what a key can do: only RSA keys sign values and decrypt. A clone costs a
/// counter. The key is wiped from memory when its last clone goes, and `Debug` shows the public id
/// alone.
#[derive(Clone)]
pub struct PrivateKey(Arc<PrivateKeyParts>);

struct PrivateKeyParts {
    pkcs8: SecretDocument,
    public: PublicKey,
    secret: PrivateNumbers,
}

enum PrivateNumbers {
    Rsa(RsaPrivate),
    Curve(CurvePrivate),
}

impl PrivateKey {
    /// Makes a new RSA key with exponent 65537, on all cores.
    ///
    /// Takes tens of milliseconds for 2048 bits and half a second for 4096, several times as long
    /// with bad luck: keep it off an event loop.
    ///
    /// # Errors
    /// [`KeyError::Size`] outside of 2048 to 8192 bits or for a size that is no multiple of 8,
    /// [`KeyError::NoRandomness`].
    pub fn generate(bits: usize) -> Result<Self, KeyError> {
        Self::generate_with(bits, |_| ControlFlow::Continue(()))
    }

    /// Makes a new RSA key like [`generate`](Self::generate) and calls `on_progress` ten times a
    /// second or more often. What that returns decides whether the search goes on.
    ///
    /// ```
    /// use std::ops::ControlFlow;
    ///
    /// use bulla_identity::PrivateKey;
    ///
    /// let key = PrivateKey::generate_with(2048, |progress| {
    ///     eprint!("\r{} of 2 primes, {} candidates", progress.primes, progress.candidates);
    ///     ControlFlow::Continue(())
    /// })?;
    /// assert_eq!(key.public_key().bits(), 2048);
    /// # Ok::<(), bulla_identity::KeyError>(())
    /// ```
    ///
    /// # Errors
    /// [`KeyError::Cancelled`] after a `Break`; else as `generate`.
    pub fn generate_with(
        bits: usize,
        on_progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Self, KeyError> {
        if !rsa_key::KEY_BITS.contains(&bits) || !bits.is_multiple_of(8) {
            return Err(KeyError::Size { bits });
        }
        Self::from_rsa(Padding::Pkcs1, &rsa_keygen::rsa_key(bits, on_progress)?)
    }

    /// Makes a new key on a curve. It signs certificates, but cannot sign values or decrypt.
    ///
    /// # Errors
    /// [`KeyError::NoRandomness`].
    pub fn generate_on(curve: Curve) -> Result<Self, KeyError> {
        Self::from_curve(CurvePrivate::generate(curve)?)
    }

    /// Returns an RSA key with the same numbers that is for RSA-OAEP alone (`id-RSAES-OAEP`,
    /// SHA-256). Its padding gives no hold to attacks that send changed ciphertexts, but it cannot
    /// sign. It has ids of its own.
    ///
    /// # Errors
    /// [`KeyError::Unsupported`] for a key on a curve.
    pub fn to_oaep(&self) -> Result<Self, KeyError> {
        let info = PrivateKeyInfoRef::from_der(self.0.pkcs8.as_bytes())
            .map_err(|_| KeyError::Malformed)?;
        match self.0.secret {
            PrivateNumbers::Rsa(_) => Self::from_pkcs1(Padding::Oaep, info.private_key.as_bytes()),
            PrivateNumbers::Curve(_) => Err(KeyError::Unsupported),
        }
    }

    /// Reads the first private key in PEM text: PKCS#8 (`PRIVATE KEY`), the same with a password
    /// (`ENCRYPTED PRIVATE KEY`, PBES2 with AES or triple DES), PKCS#1 (`RSA PRIVATE KEY`), or `EC
    /// PRIVATE KEY` (RFC 5915). Other blocks are passed over, and so is the password if the key has
    /// none.
    ///
    /// Opening a protected key takes a tenth of a second as commonly written, a second at most.
    ///
    /// # Errors
    /// [`KeyError::PasswordNeeded`], [`KeyError::WrongPassword`] and
    /// [`KeyError::UnsupportedProtection`] for protected keys; else as
    /// [`from_der`](Self::from_der).
    pub fn from_pem(pem: impl AsRef<[u8]>, password: Option<&str>) -> Result<Self, KeyError> {
        for block in pem::blocks(pem.as_ref()) {
            let der = || block.decode().ok_or(KeyError::Malformed);
            match block.label {
                pem::PRIVATE_KEY => return Self::from_pkcs8(&der()?),
                pem::RSA_PRIVATE_KEY | pem::EC_PRIVATE_KEY if block.is_encrypted() => {
                    return Err(KeyError::UnsupportedProtection);
                }
                pem::RSA_PRIVATE_KEY => return Self::from_pkcs1(Padding::Pkcs1, &der()?),
                pem::EC_PRIVATE_KEY => {
                    return Self::from_curve(CurvePrivate::from_sec1(None, &der()?)?);
                }
                pem::ENCRYPTED_PRIVATE_KEY => {
                    let password = password.ok_or(KeyError::PasswordNeeded)?;
                    return Self::from_pkcs8(encrypted_key::open(&der()?, password)?.as_bytes());
                }
                _ => {}
            }
        }
        Err(KeyError::Malformed)
    }

    /// Reads a DER private key: PKCS#8, PKCS#1 or `ECPrivateKey`, not protected.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] if it is none, or its numbers do not fit together;
    /// [`KeyError::Unsupported`] for another kind of key; [`KeyError::Size`],
    /// [`KeyError::Exponent`] and [`KeyError::OaepParameters`] for RSA keys out of bounds.
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        if PrivateKeyInfoRef::from_der(der).is_ok() {
            return Self::from_pkcs8(der);
        }
        match CurvePrivate::from_sec1(None, der) {
            Err(KeyError::Malformed) => Self::from_pkcs1(Padding::Pkcs1, der),
            other => Self::from_curve(other?),
        }
    }

    fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let info = PrivateKeyInfoRef::from_der(der).map_err(|_| KeyError::Malformed)?;
        match rsa_key::padding_of(&info.algorithm) {
            Some(padding) => Self::from_pkcs1(padding?, info.private_key.as_bytes()),
            None => Self::from_curve(CurvePrivate::from_pkcs8(&info)?),
        }
    }

    fn from_pkcs1(padding: Padding, der: &[u8]) -> Result<Self, KeyError> {
        let numbers = RsaPrivateKeyRef::from_der(der).map_err(|_| KeyError::Malformed)?;
        let public = der::Encode::to_der(&numbers.public_key()).map_err(|_| KeyError::Malformed)?;
        // Sizes come first: numbers out of bounds cost no work.
        rsa_key::check(&public)?;
        Self::from_rsa(
            padding,
            &RsaPrivateKey::try_from(numbers).map_err(|_| KeyError::Malformed)?,
        )
    }

    fn from_rsa(padding: Padding, key: &RsaPrivateKey) -> Result<Self, KeyError> {
        let pkcs1 = key.to_pkcs1_der().map_err(|_| KeyError::Malformed)?;
        let public = key.to_public_key();
        let public = EncodeRsaPublicKey::to_pkcs1_der(&public).map_err(|_| KeyError::Malformed)?;
        let public = PublicKey::from_pkcs1(padding, public.as_bytes())?;
        let encode =
            |padding| rsa_key::to_pkcs8(padding, pkcs1.as_bytes()).ok_or(KeyError::Malformed);
        // The back-ends know one kind of RSA key, whatever it is for.
        let plain = encode(Padding::Pkcs1)?;
        let rsa = RsaPrivate::from_pkcs8(padding, plain.as_bytes()).ok_or(KeyError::Malformed)?;
        Ok(Self(Arc::new(PrivateKeyParts {
            pkcs8: encode(padding)?,
            public,
            secret: PrivateNumbers::Rsa(rsa),
        })))
    }

    fn from_curve(secret: CurvePrivate) -> Result<Self, KeyError> {
        let spki = secret.to_spki().ok_or(KeyError::Malformed)?;
        Ok(Self(Arc::new(PrivateKeyParts {
            pkcs8: secret.to_pkcs8().ok_or(KeyError::Malformed)?,
            public: PublicKey::from_der(&spki)?,
            secret: PrivateNumbers::Curve(secret),
        })))
    }

    /// Returns the PEM text (`PRIVATE KEY`, PKCS#8). It is the key: keep it secret.
    pub fn to_pem(&self) -> Zeroizing<String> {
        pem::encode_secret(pem::PRIVATE_KEY, &self.0.pkcs8)
    }

    /// Returns the PEM text protected by a password (`ENCRYPTED PRIVATE KEY`: PBES2 with
    /// PBKDF2-HMAC-SHA-256, 600,000 rounds, and AES-256-CBC, which OpenDHT, OpenSSL and GnuTLS
    /// read). Takes about a tenth of a second.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn to_encrypted_pem(&self, password: &str) -> Result<String, NoRandomness> {
        let protected = encrypted_key::seal(&self.0.pkcs8, password)?;
        Ok(pem::encode(
            pem::ENCRYPTED_PRIVATE_KEY,
            protected.as_bytes(),
        ))
    }

    /// Returns the public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.0.public
    }

    /// Signs `message` as values are signed: RSASSA-PKCS1-v1_5 with SHA-512. The same message gives
    /// the same signature, as long as the modulus.
    ///
    /// Differs: OpenDHT signs values with keys on curves too, and then refuses the signature
    /// itself.
    ///
    /// # Errors
    /// [`SignError::NotForValues`] for a key that is not [`KeyKind::Rsa`], [`SignError::Failed`].
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        match self.0.public.kind() {
            KeyKind::Rsa => self.sign_with(Scheme::RsaPkcs1(Hash::Sha512), message),
            other => Err(SignError::NotForValues(other)),
        }
    }

    /// Signs `message` in this way, as certificates and others than values may be signed.
    ///
    /// # Errors
    /// [`SignError::OtherScheme`] if the key does not sign in this way, [`SignError::Failed`].
    pub fn sign_with(&self, scheme: Scheme, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let kind = self.0.public.kind();
        let signature = match (scheme, kind, &self.0.secret) {
            (Scheme::RsaPkcs1(hash), KeyKind::Rsa, PrivateNumbers::Rsa(key)) => {
                key.sign(hash, message)
            }
            (
                Scheme::Ecdsa(hash),
                KeyKind::Curve(Curve::P256 | Curve::P384),
                PrivateNumbers::Curve(key),
            ) => key.sign_ecdsa(hash, message),
            (Scheme::Ed25519, KeyKind::Curve(Curve::Ed25519), PrivateNumbers::Curve(key)) => {
                key.sign_ed25519(message)
            }
            _ => return Err(SignError::OtherScheme(kind)),
        };
        signature.ok_or(SignError::Failed)
    }

    /// Decrypts what was [encrypted](PublicKey::encrypt) for the public half.
    ///
    /// A damaged ciphertext longer than one block always fails. One of exactly a block carries no
    /// proof of being whole: if damaged it yields an arbitrary message, so check what is inside.
    ///
    /// # Errors
    /// [`DecryptError`], which never says why.
    pub fn decrypt(&self, ciphertext: &[u8]) -> Result<Vec<u8>, DecryptError> {
        match (&self.0.secret, self.0.public.rsa()) {
            (PrivateNumbers::Rsa(key), Some(public)) => {
                envelope::open(key, &public.modulus, ciphertext)
            }
            (PrivateNumbers::Rsa(_), None) | (PrivateNumbers::Curve(_), _) => Err(DecryptError),
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey(of {}, elided)", self.public_key().id())
    }
}
