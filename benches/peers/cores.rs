//! [`Cores`]: which cores are a node's, while the last is left to what asks it.
//!
//! Two busy threads on one core take turns of milliseconds, and such waiting would be all there is
//! to see in the delays.

use std::ffi::OsStr;
use std::fs;
use std::io::{Error, Result};
use std::process::{self, Command};

/// Cores of this machine, as `taskset` names them.
pub(crate) struct Cores(String);

impl Cores {
    /// All that this program may use.
    pub(crate) fn all() -> Result<Vec<u32>> {
        let status = fs::read_to_string("/proc/self/status")?;
        let list = status
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        Ok(list.map(numbers).unwrap_or_default())
    }

    pub(crate) fn new(numbers: &[u32]) -> Self {
        let numbers: Vec<_> = numbers.iter().map(u32::to_string).collect();
        Self(numbers.join(","))
    }

    /// A command whose process keeps to these cores, and is killed if this program ends before it.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("taskset");
        command.args(["-c", &self.0, "setpriv", "--pdeathsig", "KILL"]);
        command.arg(program);
        command
    }

    /// Has this program keep to these cores.
    pub(crate) fn confine_this(&self) -> Result<()> {
        self.confine(process::id())
    }

    /// Has all threads of a process keep to these cores.
    pub(crate) fn confine(&self, pid: u32) -> Result<()> {
        let moved = Command::new("taskset")
            .args(["-a", "-c", "-p", &self.0, &pid.to_string()])
            .output()
            .map_err(|error| {
                Error::new(error.kind(), format!("taskset, of util-linux: {error}"))
            })?;
        if moved.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&moved.stderr);
        Err(Error::other(said.trim().to_owned()))
    }
}

/// The numbers in a list such as `0-2,5`.
fn numbers(list: &str) -> Vec<u32> {
    let parts = list.trim().split(',').filter_map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse().ok()?..=last.parse().ok()?)
    });
    parts.flatten().collect()
}
