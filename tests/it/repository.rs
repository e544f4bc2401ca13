//! The files of the repository, for tests that read them as text.

use std::fs;
use std::path::{Path, PathBuf};

/// Returns the root of the workspace.
pub(crate) fn root() -> &'static Path {
    let mut places = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    places.find(|dir| dir.join("Cargo.lock").is_file()).unwrap()
}

/// Returns the files below a folder with one of these extensions, but for what was built.
pub(crate) fn files(dir: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if path.is_dir() {
            if !path.ends_with("target") && !path.ends_with(".git") {
                files.extend(self::files(&path, extensions));
            }
        } else if extension.is_some_and(|extension| extensions.contains(&extension)) {
            files.push(path);
        }
    }
    files.sort();
    files
}
