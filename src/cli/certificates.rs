//! Certificates in files.

use std::path::Path;

use bulla_identity::{Certificate, MAX_CHAIN_BYTES};

use super::exit::{During, Failure};
use super::file;

/// Reads the certificates of an identity, from the places where [`Identity::load`](bulla_identity::Identity::load) finds
/// them.
pub(crate) fn read_chain(path: &Path) -> Result<Vec<Certificate>, Failure> {
    let mut path = path.to_path_buf();
    if !path.exists() && path != Path::new("-") {
        path.as_mut_os_string().push(".pem");
    }
    let chain = read(&path);
    let beside = path.with_extension("crt");
    if chain.is_err() && beside.exists() {
        return read(&beside);
    }
    chain
}

/// Reads the certificates in a file.
fn read(path: &Path) -> Result<Vec<Certificate>, Failure> {
    let bytes = file::read(path, MAX_CHAIN_BYTES)?;
    Certificate::chain_from_bytes(&bytes).during(format_args!("cannot use {}", path.display()))
}
