//! The files of the keyring: for their owner alone, never half written, changed by one program at a
//! time.

use std::fs::{DirBuilder, File};
use std::io::{self, Read};
use std::path::Path;

use crate::exit::{Context, Failure};
use crate::file;

/// The most bytes that a file of the keyring may have: thousands of contacts.
pub(super) const MAX_BYTES: usize = 1024 * 1024;

/// Makes a directory, and those above it, for their owner alone. One that exists stays as it is.
pub(super) fn make_directory(path: &Path) -> Result<(), Failure> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(path)
        .context(format_args!("cannot make directory {}", path.display()))
}

/// Waits until no other program changes the keyring in this directory, and keeps others from it
/// until the file is dropped.
pub(super) fn lock(directory: &Path) -> Result<File, Failure> {
    let path = directory.join("lock");
    let lock = || {
        let mut options = File::options();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path)?;
        file.lock()?;
        Ok(file)
    };
    lock().map_err(|error: io::Error| {
        Failure::new(format!("cannot lock {}: {error}", path.display()))
    })
}

/// Reads a text file; `None` if there is none.
pub(super) fn read(path: &Path) -> Result<Option<String>, Failure> {
    let doing = || format!("cannot read {}", path.display());
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.context(doing())?,
    };
    let mut text = String::new();
    file.take(MAX_BYTES as u64 + 1)
        .read_to_string(&mut text)
        .context(doing())?;
    if text.len() > MAX_BYTES {
        return Err(Failure::new(format!("{}: it is too large", doing())));
    }
    Ok(Some(text))
}

/// Writes a text file, or replaces it.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    if text.len() > MAX_BYTES {
        let path = path.display();
        return Err(Failure::new(format!(
            "cannot write {path}: it would be too large"
        )));
    }
    file::write_secret(path, text.as_bytes())
}
