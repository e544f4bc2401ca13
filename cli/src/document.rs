//! [`Document`]: what the files of a certificate authority hold, in PEM or DER.

use std::path::Path;

use bulla_identity::{
    Certificate, CertificateChain, CertificateRequest, MAX_REVOCATION_LIST_BYTES, RequestError,
    RevocationList, RevocationListError,
};

use super::exit::{Context, Failure};
use super::file;

/// The longest file that is read, in bytes: a revocation list of the greatest size in PEM.
const MAX_BYTES: usize = 2 * MAX_REVOCATION_LIST_BYTES;

/// What a file holds.
pub(crate) enum Document {
    /// A certificate, with its issuers if there are some.
    Chain(CertificateChain),
    /// A request for a certificate.
    Request(CertificateRequest),
    /// A revocation list.
    List(RevocationList),
}

impl Document {
    /// Reads a file that may hold any of them. Other blocks of PEM text, such as a private key, are
    /// ignored.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = file::read(path, MAX_BYTES)?;
        let bytes = bytes.as_slice();
        let doing = format!("cannot use {}", path.display());
        if has_block(bytes, "CERTIFICATE") {
            return CertificateChain::from_bytes(bytes)
                .map(Self::Chain)
                .context(doing);
        }
        if has_block(bytes, "CERTIFICATE REQUEST") || has_block(bytes, "NEW CERTIFICATE REQUEST") {
            return request(bytes).map(Self::Request).context(doing);
        }
        if has_block(bytes, "X509 CRL") {
            return list(bytes).map(Self::List).context(doing);
        }
        let certificate = |_| Certificate::from_der(bytes).map(|found| Self::Chain(found.into()));
        RevocationList::from_der(bytes)
            .map(Self::List)
            .or_else(|_| CertificateRequest::from_der(bytes).map(Self::Request))
            .or_else(certificate)
            .map_err(|_| {
                Failure::new(format!(
                    "{doing}: neither a certificate nor a request or revocation list, or a damaged one"
                ))
            })
    }
}

/// Reads a request.
pub(crate) fn read_request(path: &Path) -> Result<CertificateRequest, Failure> {
    let bytes = file::read(path, MAX_BYTES)?;
    request(&bytes).context(format_args!("cannot use {}", path.display()))
}

/// Reads a revocation list, and returns whether it is PEM.
pub(crate) fn read_list(path: &Path) -> Result<(RevocationList, bool), Failure> {
    let bytes = file::read(path, MAX_BYTES)?;
    let list = list(&bytes).context(format_args!("cannot use {}", path.display()))?;
    Ok((list, has_block(&bytes, "X509 CRL")))
}

fn request(bytes: &[u8]) -> Result<CertificateRequest, RequestError> {
    CertificateRequest::from_der(bytes).or_else(|_| CertificateRequest::from_pem(bytes))
}

fn list(bytes: &[u8]) -> Result<RevocationList, RevocationListError> {
    match RevocationList::from_der(bytes) {
        Err(RevocationListError::Malformed | RevocationListError::TooLarge) => {
            RevocationList::from_pem(bytes)
        }
        outcome => outcome,
    }
}

/// Whether a PEM block with this label begins in the bytes.
fn has_block(bytes: &[u8], label: &str) -> bool {
    contains(bytes, &format!("-----BEGIN {label}-----"))
}

/// Whether a text is anywhere in the bytes.
pub(crate) fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}
