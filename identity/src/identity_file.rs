//! Identities in PEM files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::certificate::MAX_CHAIN_BYTES;
use crate::chain::CertificateChain;
use crate::error::{LoadError, LoadWarning, SaveError};
use crate::identity::Identity;
use crate::pem;
use crate::private_key::PrivateKey;
use crate::random::{self, NoRandomness};

impl Identity {
    /// Loads an identity from PEM files.
    ///
    /// The key is read from `path`, or from `path` with `.pem` added if there is no such file. The
    /// certificates are read from the same file, or if it has none, from the one with the extension
    /// `.crt` instead. So `alice.pem` with everything in it and OpenDHT's pair of `alice.pem` and
    /// `alice.crt` can both be given as `alice` or `alice.pem`.
    ///
    /// # Errors
    /// [`LoadError`]: a file that cannot be read or used, a wrong or missing password, or a
    /// certificate of another key.
    pub fn load(path: impl AsRef<Path>, password: Option<&str>) -> Result<Self, LoadError> {
        Self::load_with_warning(path, password).map(|(identity, _)| identity)
    }

    /// Loads like [`load`](Self::load), and returns what should be put right: that others can read
    /// the file (where files have Unix permissions).
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_with_warning(
        path: impl AsRef<Path>,
        password: Option<&str>,
    ) -> Result<(Self, Option<LoadWarning>), LoadError> {
        let mut path = path.as_ref().to_path_buf();
        if !path.exists() {
            path.as_mut_os_string().push(".pem");
        }
        let (text, mode) = read(&path)?;
        if !pem::blocks(&text).any(|block| block.label.ends_with(pem::PRIVATE_KEY)) {
            return Err(LoadError::NoPrivateKey { path });
        }
        let key = PrivateKey::from_pem(&text[..], password)?;
        let chain = if pem::blocks(&text).any(|block| block.label == pem::CERTIFICATE) {
            CertificateChain::from_bytes(&text)?
        } else {
            CertificateChain::from_bytes(&read(&path.with_extension("crt"))?.0)?
        };
        let warning = (mode & 0o077 != 0).then_some(LoadWarning::Exposed { path, mode });
        Ok((Self::new(key, chain)?, warning))
    }

    /// Saves the key, protected if there is a password, and the chain to a new PEM file that only
    /// its owner can read.
    ///
    /// Until the identity is complete the file is empty, and if writing fails it is gone.
    ///
    /// # Errors
    /// [`SaveError::Exists`] if there is such a file, which stays as it is; [`SaveError::Write`] if
    /// writing fails.
    pub fn save(&self, path: impl AsRef<Path>, password: Option<&str>) -> Result<(), SaveError> {
        let path = path.as_ref();
        let text = self.to_pem(password)?;
        // Claiming the name first makes this safe against another program that saves there at the
        // same moment.
        private_file(path).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => SaveError::Exists {
                path: path.to_path_buf(),
            },
            _ => SaveError::Write {
                path: path.to_path_buf(),
                source,
            },
        })?;
        write(path, &text).inspect_err(|_| drop(fs::remove_file(path)))
    }

    /// Saves like [`save`](Self::save), over whatever is there. Until the new file is complete the
    /// old one stays.
    ///
    /// # Errors
    /// [`SaveError::Write`] if writing fails.
    pub fn replace(&self, path: impl AsRef<Path>, password: Option<&str>) -> Result<(), SaveError> {
        write(path.as_ref(), &self.to_pem(password)?)
    }

    fn to_pem(&self, password: Option<&str>) -> Result<Zeroizing<String>, NoRandomness> {
        let key = match password {
            Some(password) => Zeroizing::new(self.key().to_encrypted_pem(password)?),
            None => self.key().to_pem(),
        };
        Ok(Zeroizing::new(
            [key.as_str(), &self.chain().to_pem()].concat(),
        ))
    }
}

/// Returns what is in a file, and its permission bits.
fn read(path: &Path) -> Result<(Zeroizing<Vec<u8>>, u32), LoadError> {
    let failed = |source| LoadError::Read {
        path: path.to_path_buf(),
        source,
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_CHAIN_BYTES + 1));
    let file = File::open(path).map_err(failed)?;
    let mode = permissions(&file).map_err(failed)?;
    file.take(MAX_CHAIN_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() > MAX_CHAIN_BYTES {
        return Err(LoadError::TooLarge {
            path: path.to_path_buf(),
        });
    }
    Ok((bytes, mode))
}

#[cfg(unix)]
fn permissions(file: &File) -> io::Result<u32> {
    use std::os::unix::fs::PermissionsExt;
    Ok(file.metadata()?.permissions().mode() & 0o777)
}

#[cfg(not(unix))]
fn permissions(_: &File) -> io::Result<u32> {
    Ok(0o600)
}

/// Writes a file beside `path` and renames it to `path`, so that it is never seen incomplete.
fn write(path: &Path, text: &str) -> Result<(), SaveError> {
    let mut name = path.as_os_str().to_os_string();
    let suffix = u64::from_be_bytes(*random::bytes::<8>()?);
    name.push(format!(".{suffix:016x}.tmp"));
    let temporary = PathBuf::from(name);
    let write = || {
        let mut file = private_file(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|source| {
        drop(fs::remove_file(&temporary));
        SaveError::Write {
            path: path.to_path_buf(),
            source,
        }
    })
}

/// Creates a file that was not there, for its owner alone.
fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
