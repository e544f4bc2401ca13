//! Other programs, OpenSSL and GnuTLS' certtool: they read what we make and make what we read.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// A folder in which programs are run.
pub(crate) struct Workshop(tempfile::TempDir);

impl Workshop {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        fs::write(self.path().join(name), contents).expect("written");
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path().join(name)).expect("such a file")
    }

    /// Runs a command, with spaces between its words, and returns whether it succeeded and what it
    /// printed; `None`, with a note, if the program is not installed.
    pub(crate) fn run(&self, command: &str) -> Option<(bool, String)> {
        let words: Vec<_> = command.split(' ').collect();
        let Ok(output) = Command::new(words[0])
            .args(&words[1..])
            .current_dir(self.path())
            .output()
        else {
            eprintln!("{} is not installed: not checked", words[0]);
            return None;
        };
        let printed = [output.stdout, output.stderr].concat();
        Some((
            output.status.success(),
            String::from_utf8_lossy(&printed).into_owned(),
        ))
    }

    /// Runs a command that must succeed, and returns what it printed.
    pub(crate) fn succeed(&self, command: &str) -> Option<String> {
        let (succeeded, printed) = self.run(command)?;
        assert!(succeeded, "{command}: {printed}");
        Some(printed)
    }
}

/// Returns the present time by the clock that the programs use, and a little more.
#[expect(
    clippy::disallowed_methods,
    reason = "programs that have no option for the time go by the clock"
)]
pub(crate) fn today() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    since_1970.expect("after 1970").as_secs() + 5
}
