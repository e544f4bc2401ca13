//! Files, read up to the size that can be of use, and written whole or not at all.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use bulla_identity::Zeroizing;
use tempfile::NamedTempFile;

use super::exit::{Context, Failure};

/// The name that stands for standard input.
const STANDARD_INPUT: &str = "-";

/// The readers of a file that is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Readers {
    /// Its owner alone.
    Owner,
    /// All that the system permits.
    All,
}

/// Reads a file of `most` bytes or less, `-` for standard input. A private key may be in it, so the
/// bytes are wiped.
pub(crate) fn read(path: &Path, most: usize) -> Result<Zeroizing<Vec<u8>>, Failure> {
    // Room for all: a vector that grows would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(most + 1));
    let mut fill = |source: &mut dyn Read| source.take(most as u64 + 1).read_to_end(&mut bytes);
    let outcome = if path == Path::new(STANDARD_INPUT) {
        fill(&mut io::stdin().lock())
    } else {
        File::open(path).and_then(|mut file| fill(&mut file))
    };
    outcome.context(format_args!("cannot read {}", path.display()))?;
    if bytes.len() > most {
        let (path, most) = (path.display(), most / 1024);
        return Err(Failure::new(format!(
            "cannot use {path}: it is larger than {most} KiB"
        )));
    }
    Ok(bytes)
}

/// Fails if a file exists, before work is done for it.
pub(crate) fn refuse_existing(path: &Path) -> Result<(), Failure> {
    if path.exists() {
        return Err(exists(path));
    }
    Ok(())
}

/// Writes a new file. One that is there stays as it is.
pub(crate) fn write_new(path: &Path, bytes: &[u8], readers: Readers) -> Result<(), Failure> {
    let doing = format!("cannot write {}", path.display());
    let file = write_beside(path, bytes, readers).context(&doing)?;
    file.persist_noclobber(path)
        .map(drop)
        .map_err(|refused| refused.error)
        .or_else(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Err(exists(path)),
            _ => Err(error).context(&doing),
        })
}

/// Replaces a file that all may read, keeping its permissions. Until the new one is complete the
/// old one stays.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let replace = || {
        // What a link points to is replaced, not the link.
        let path = fs::canonicalize(path)?;
        let file = write_beside(&path, bytes, Readers::All)?;
        file.as_file()
            .set_permissions(fs::metadata(&path)?.permissions())?;
        file.persist(&path).map_err(|refused| refused.error)
    };
    replace()
        .map(drop)
        .context(format_args!("cannot write {}", path.display()))
}

/// Writes a file for its owner alone, or replaces it.
pub(crate) fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let write = || {
        let file = write_beside(path, bytes, Readers::Owner)?;
        file.persist(path).map_err(|refused| refused.error)
    };
    write()
        .map(drop)
        .context(format_args!("cannot write {}", path.display()))
}

fn exists(path: &Path) -> Failure {
    Failure::new(format!(
        "{} exists already: choose another file",
        path.display()
    ))
}

/// Writes a file with a temporary name into the folder of `path`.
fn write_beside(path: &Path, bytes: &[u8], readers: Readers) -> io::Result<NamedTempFile> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    if readers == Readers::All {
        // The system takes away what the user's mask forbids.
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    }
    #[cfg(not(unix))]
    let _ = readers;
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_is_written_once_and_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list");
        write_new(&path, b"one", Readers::All).unwrap();
        let refused = write_new(&path, b"two", Readers::All).unwrap_err();
        assert!(refused.to_string().contains("exists already"), "{refused}");
        assert_eq!(fs::read(&path).unwrap(), b"one");
        replace(&path, b"three").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"three");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(write_new(&folder.path().join("no/file"), b"", Readers::All).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_secret_is_for_its_owner_and_a_replaced_file_keeps_its_permissions() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        write_new(&path, b"secret", Readers::Owner).unwrap();
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        replace(&path, b"other").unwrap();
        assert_eq!(mode(), 0o640);
    }

    #[test]
    fn no_more_is_read_than_is_of_use() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        fs::write(&path, [0; 100]).unwrap();
        assert!(read(&path, 99).is_err());
        assert_eq!(read(&path, 100).unwrap().len(), 100);
        assert!(read(&folder.path().join("none"), 1).is_err());
    }
}
