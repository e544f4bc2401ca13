//! A folder in which the program and others are run: OpenSSL, and GnuTLS' certtool.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value as Json;
use tempfile::{TempDir, tempdir};

use super::program::{Run, command, finish};

/// A folder of files that are named without a path, and a keyring in it.
pub(super) struct Workshop(TempDir);

impl Workshop {
    pub(super) fn new() -> Self {
        Self(tempdir().expect("a folder"))
    }

    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    pub(super) fn write(&self, file: &str, contents: impl AsRef<[u8]>) {
        fs::write(self.path(file), contents).expect("written");
    }

    pub(super) fn read(&self, file: &str) -> Vec<u8> {
        fs::read(self.path(file)).expect("such a file")
    }

    /// Runs the program with words parted by spaces.
    pub(super) fn bulla(&self, line: &str) -> Run {
        finish(self.start(line))
    }

    /// Starts the program with words parted by spaces.
    pub(super) fn start(&self, line: &str) -> Child {
        command(line.split(' '))
            .current_dir(self.0.path())
            .env("BULLA_HOME", self.path("home"))
            .spawn()
            .expect("the program starts")
    }

    /// Runs the program, which must succeed without a note, and returns the object that it
    /// prints.
    #[track_caller]
    pub(super) fn object(&self, line: &str) -> Json {
        self.bulla(&format!("{line} --json")).assert_done().object()
    }

    /// Runs another program with words parted by spaces, and returns whether it succeeded and what
    /// it printed; `None`, and says so, if it is not installed.
    pub(super) fn other(&self, line: &str) -> Option<(bool, String)> {
        let words: Vec<_> = line.split(' ').collect();
        let run = Command::new(words[0])
            .args(&words[1..])
            .current_dir(self.0.path())
            .stdin(Stdio::null())
            .output();
        let Ok(output) = run else {
            eprintln!("{} is not installed: not checked", words[0]);
            return None;
        };
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8_lossy(&printed).into_owned();
        Some((output.status.success(), printed))
    }

    /// Runs another program, which must succeed and print `expected`, if it is installed.
    #[track_caller]
    pub(super) fn other_says(&self, line: &str, expected: &str) {
        if let Some((succeeded, printed)) = self.other(line) {
            assert!(succeeded, "{line}: {printed}");
            assert!(printed.contains(expected), "{line}: {printed}");
        }
    }
}
