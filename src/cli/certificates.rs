//! Certificates and revocation lists in files.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use bulla_identity::{
    Certificate, MAX_CHAIN_BYTES, MAX_REVOCATION_LIST_BYTES, RevocationList, Zeroizing,
};

use super::exit::{During, Failure};

/// Reads the certificates of an identity, from the places where [`Identity::load`](bulla_identity::Identity::load) finds
/// them.
pub(crate) fn read_chain(path: &Path) -> Result<Vec<Certificate>, Failure> {
    let mut path = path.to_path_buf();
    if !path.exists() {
        path.as_mut_os_string().push(".pem");
    }
    let chain = read(&path);
    let beside = path.with_extension("crt");
    if chain.is_err() && beside.exists() {
        return read(&beside);
    }
    chain
}

/// Reads a revocation list, PEM or DER.
pub(crate) fn read_revocation_list(path: &Path) -> Result<RevocationList, Failure> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| {
            // A list too large is told from one that just fits by a byte more.
            let most = 2 * MAX_REVOCATION_LIST_BYTES as u64 + 1;
            file.take(most).read_to_end(&mut bytes)
        })
        .during(format_args!("cannot read {}", path.display()))?;
    RevocationList::from_pem(&bytes)
        .or_else(|_| RevocationList::from_der(&bytes))
        .during(format_args!("cannot use {}", path.display()))
}

/// Reads the certificates in a file. A private key may be in it as well, so the bytes are wiped.
fn read(path: &Path) -> Result<Vec<Certificate>, Failure> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_CHAIN_BYTES + 1));
    let file = File::open(path).during(format_args!("cannot read {}", path.display()))?;
    file.take(MAX_CHAIN_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .during(format_args!("cannot read {}", path.display()))?;
    Certificate::chain_from_bytes(&bytes).during(format_args!("cannot use {}", path.display()))
}
