//! Identities as PKCS#12 files (RFC 7292): key and chain under one password, as browsers and mail
//! programs exchange them.

use der::asn1::AnyRef;
use der::{Decode, Sequence};
use p12_keystore::error::Error;
use p12_keystore::{KeyStore, KeyStoreEntry, Pkcs12Archive, PrivateKeyChain};
use zeroize::Zeroizing;

use crate::certificate::{Certificate, MAX_CHAIN_BYTES};
use crate::chain::{CertificateChain, MAX_CHAIN_LENGTH};
use crate::error::Pkcs12Error;
use crate::identity::Identity;
use crate::pem;
use crate::private_key::PrivateKey;

/// The rounds of PBKDF2 when a file is written, once for encryption and once for the check value.
/// More than other programs make, and less than what they refuse.
const ROUNDS: u32 = 100_000;

/// The outside of a file: the check value is what a password is tried against first, so that a file
/// without one, which needs no password to be made, is refused before the work of opening it.
#[derive(Sequence)]
struct Outside<'a> {
    version: u8,
    contents: AnyRef<'a>,
    check: AnyRef<'a>,
}

impl Identity {
    /// Returns the identity as a PKCS#12 file, protected by `password`: PBES2 with
    /// PBKDF2-HMAC-SHA-256 and AES-256-CBC, and a check value by HMAC-SHA-256, which OpenSSL since
    /// 1.1 and GnuTLS read. Takes some tenths of a second.
    ///
    /// # Errors
    /// [`Pkcs12Error::NotWritten`] for what the format cannot hold.
    pub fn to_pkcs12(&self, password: &str) -> Result<Vec<u8>, Pkcs12Error> {
        let pem = self.key().to_pem();
        let der = pem::blocks(pem.as_bytes())
            .next()
            .and_then(|block| block.decode())
            .ok_or(Pkcs12Error::NotWritten)?;
        let write = || {
            let key = p12_keystore::PrivateKey::from_der(&der)?;
            let chain = self
                .chain()
                .iter()
                .map(|certificate| p12_keystore::Certificate::from_der(certificate.to_der()))
                .collect::<Result<Vec<_>, _>>()?;
            let chain = PrivateKeyChain::new(&self.id().as_bytes()[..], key, chain);
            let mut store = KeyStore::new();
            let name = self.certificate().display_name();
            store.add_entry(&name, KeyStoreEntry::PrivateKeyChain(chain));
            store
                .writer(password)
                .encryption_iterations(ROUNDS)
                .mac_iterations(ROUNDS)
                .write()
        };
        write().map_err(|_: Error| Pkcs12Error::NotWritten)
    }

    /// Reads the identity in a PKCS#12 file: its first private key, the certificate of that key,
    /// and what is there of the chain above it. Both PBES2, today's protection, and the old one by
    /// triple DES are read, as OpenSSL and GnuTLS write them. At most a million rounds are made for
    /// each key and part of the file, and none for a file without a check value.
    ///
    /// # Errors
    /// [`Pkcs12Error`]: damaged, a wrong password, protection that is not supported, or no key with
    /// its certificate.
    pub fn from_pkcs12(bytes: &[u8], password: &str) -> Result<Self, Pkcs12Error> {
        if bytes.len() > MAX_CHAIN_BYTES {
            return Err(Pkcs12Error::TooLarge);
        }
        Outside::from_der(bytes).map_err(|_| Pkcs12Error::Malformed)?;
        let archive = Pkcs12Archive::from_pkcs12(bytes, password).map_err(|error| match error {
            Error::MacError(_) | Error::UnpadError | Error::Pkcs5Error(_) => {
                Pkcs12Error::WrongPassword
            }
            Error::InvalidParameters
            | Error::UnsupportedEncryptionScheme
            | Error::UnsupportedMacAlgorithm
            | Error::UnsupportedContentType => Pkcs12Error::UnsupportedProtection,
            _ => Pkcs12Error::Malformed,
        })?;
        let key = archive.keys.first().ok_or(Pkcs12Error::NoIdentity)?;
        let key = PrivateKey::from_der(&Zeroizing::new(key.key.as_der().to_vec()))?;
        let certificates = archive
            .certs
            .iter()
            .map(|bag| Certificate::from_der(bag.cert.as_der()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| Pkcs12Error::Malformed)?;
        let chain = chain_of(&key, &certificates).ok_or(Pkcs12Error::NoIdentity)?;
        Self::new(key, chain).map_err(|_| Pkcs12Error::NoIdentity)
    }
}

/// Returns the certificate of `key` and its issuers, in order, from certificates in any.
fn chain_of(key: &PrivateKey, certificates: &[Certificate]) -> Option<CertificateChain> {
    let own = |certificate: &&Certificate| certificate.public_key() == Some(key.public_key());
    let mut chain = vec![certificates.iter().find(own)?.clone()];
    while let Some(last) = chain.last()
        && chain.len() < MAX_CHAIN_LENGTH
    {
        let issuer = certificates
            .iter()
            .find(|issuer| last.names_as_issuer(issuer) && !chain.contains(issuer));
        match issuer {
            Some(issuer) if *last.subject_der() != *issuer.subject_der() => {
                chain.push(issuer.clone());
            }
            _ => break,
        }
    }
    let mut chain = chain.into_iter();
    CertificateChain::new(chain.next()?, chain).ok()
}
