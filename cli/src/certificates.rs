//! Certificates in files.

use std::path::Path;

use bulla_identity::{CertificateChain, MAX_CHAIN_BYTES};

use super::document::contains;
use super::exit::{Context, Failure};
use super::file;
use super::keyring::Keyring;

/// Reads the certificates of an identity in the keyring, or those in a file.
pub(crate) fn read_named(named: &Path) -> Result<CertificateChain, Failure> {
    read_chain(&Keyring::open()?.identity_path(named))
}

/// Reads the certificates of an identity, from the places where
/// [`Identity::load`](bulla_identity::Identity::load) finds them.
pub(crate) fn read_chain(path: &Path) -> Result<CertificateChain, Failure> {
    let mut path = path.to_path_buf();
    if !path.exists() && path != Path::new("-") {
        path.as_mut_os_string().push(".pem");
    }
    let beside = path.with_extension("crt");
    if path.exists() || !beside.exists() {
        let bytes = file::read(&path, MAX_CHAIN_BYTES)?;
        // A key alone is one half of a pair. Anything else without a certificate is a mistake,
        // whatever lies beside it.
        if !(is_key_alone(&bytes) && beside.exists()) {
            return chain_in(&path, &bytes);
        }
    }
    chain_in(&beside, &file::read(&beside, MAX_CHAIN_BYTES)?)
}

fn chain_in(path: &Path, bytes: &[u8]) -> Result<CertificateChain, Failure> {
    CertificateChain::from_bytes(bytes).context(format_args!("cannot use {}", path.display()))
}

fn is_key_alone(bytes: &[u8]) -> bool {
    contains(bytes, "PRIVATE KEY-----") && !contains(bytes, "-----BEGIN CERTIFICATE-----")
}
