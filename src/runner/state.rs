//! [`StateFile`]: what a node keeps over a restart, in OpenDHT's own form (`docs/spec/node.md#10`),
//! and [`Saver`], which writes it from time to time.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tracing::warn;

use crate::client::StateError;
use crate::wire::snapshot::{State, export_state, import_state};
use crate::{ByFamily, Family, UnixTime};

/// How often the state is saved: what a crash may lose.
const SAVE_PERIOD: Duration = Duration::from_secs(5 * 60);

/// A file with id, contacts and values of a node, and beside it `<path>_port.txt` with its ports.
#[derive(Clone, Debug)]
pub(crate) struct StateFile {
    path: PathBuf,
}

/// The ports that a node used, 0 for none.
pub(crate) type Ports = ByFamily<u16>;

/// Saves the state from time to time.
pub(crate) struct Saver {
    file: StateFile,
    ticks: Interval,
    /// A save under way.
    running: Option<JoinHandle<Result<(), StateError>>>,
}

/// Returns the ports of these addresses.
pub(crate) fn ports_of(addresses: &[SocketAddr]) -> Ports {
    Ports::from_fn(|family| {
        let mut ports = addresses.iter().filter(|addr| Family::of(addr) == family);
        ports.next().map_or(0, SocketAddr::port)
    })
}

impl StateFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Reads the state; `None` if there is none yet.
    ///
    /// # Errors
    ///
    /// [`StateError`] if there is a file that is of no use.
    pub(crate) fn read(&self, now: UnixTime) -> Result<Option<State>, StateError> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                let path = self.path.clone();
                return Err(StateError::Read { path, source });
            }
        };
        let state = import_state(&bytes, now).map_err(|source| StateError::Decode {
            path: self.path.clone(),
            source,
        })?;
        Ok(Some(state))
    }

    /// Replaces the saved state: whoever reads the file finds the old or the new one, whole.
    ///
    /// # Errors
    ///
    /// [`StateError::Write`].
    pub(crate) fn write(&self, state: &State) -> Result<(), StateError> {
        replace(&self.path, &export_state(state))
    }

    /// Reads the ports used last; 0 for what is not known.
    pub(crate) fn read_ports(&self) -> Ports {
        let text = fs::read_to_string(self.beside("_port.txt")).unwrap_or_default();
        let mut ports = text.lines().map(|line| line.trim().parse().unwrap_or(0));
        Ports::from_fn(|_| ports.next().unwrap_or(0))
    }

    /// Writes the ports in use.
    ///
    /// # Errors
    ///
    /// [`StateError::Write`].
    pub(crate) fn write_ports(&self, ports: Ports) -> Result<(), StateError> {
        let text = format!("{}\n{}\n", ports.v4, ports.v6);
        replace(&self.beside("_port.txt"), text.as_bytes())
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        beside(&self.path, suffix)
    }
}

impl Saver {
    pub(crate) fn new(file: StateFile, now: Instant) -> Self {
        let mut ticks = interval_at(now + SAVE_PERIOD, SAVE_PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            file,
            ticks,
            running: None,
        }
    }

    /// Waits until it is time to save.
    pub(crate) async fn is_due(&mut self) {
        self.ticks.tick().await;
    }

    /// Saves without holding up the driver; not if the last save is still under way.
    pub(crate) fn save(&mut self, state: State) {
        if self
            .running
            .as_ref()
            .is_some_and(|save| !save.is_finished())
        {
            return;
        }
        let file = self.file.clone();
        self.running = Some(spawn_blocking(move || {
            file.write(&state)
                .inspect_err(|error| warn!(%error, "state not saved"))
        }));
    }

    /// Saves once more, after a save that is under way.
    pub(crate) async fn save_last(self, state: State) -> Result<(), StateError> {
        if let Some(running) = self.running {
            let _ = running.await;
        }
        spawn_blocking(move || self.file.write(&state))
            .await
            // It cannot be run any more if the runtime is going down.
            .unwrap_or(Ok(()))
    }
}

fn replace(path: &Path, bytes: &[u8]) -> Result<(), StateError> {
    let failed = |source| StateError::Write {
        path: path.to_owned(),
        source,
    };
    let draft = beside(path, ".new");
    let mut file = File::create(&draft).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    drop(file);
    fs::rename(&draft, path).map_err(failed)
}

/// Returns the path of a file whose name is that of `path` and a suffix.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or(OsStr::new("state")).to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Contact, InfoHash};

    fn state(name: &[u8]) -> State {
        let contact = Contact::new(InfoHash::of(b"peer"), "192.0.2.1:4222".parse().unwrap());
        State {
            id: InfoHash::of(name),
            nodes: vec![contact],
            records: Vec::new(),
        }
    }

    #[test]
    fn the_last_state_written_is_the_one_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = StateFile::new(dir.path().join("node.state"));
        assert_eq!(file.read(UnixTime::MAX).unwrap(), None);
        for name in [b"one", b"two"] {
            file.write(&state(name)).unwrap();
        }
        assert_eq!(file.read(UnixTime::MAX).unwrap(), Some(state(b"two")));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_no_state_is_named_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.state");
        fs::write(&path, "hello").unwrap();
        let error = StateFile::new(path.clone())
            .read(UnixTime::MAX)
            .unwrap_err();
        assert!(error.to_string().contains("node.state"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"hello");
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = StateFile::new(dir.path().join("missing/node.state"));
        let error = file.write(&state(b"one")).unwrap_err();
        assert!(error.to_string().contains("missing"), "{error}");
    }

    #[test]
    fn ports_stand_beside_the_state_as_in_opendht() {
        let dir = tempfile::tempdir().unwrap();
        let file = StateFile::new(dir.path().join("node.state"));
        assert_eq!(file.read_ports(), Ports::default());
        let ports = Ports { v4: 4222, v6: 4223 };
        file.write_ports(ports).unwrap();
        let text = fs::read_to_string(dir.path().join("node.state_port.txt")).unwrap();
        assert_eq!(text, "4222\n4223\n");
        assert_eq!(file.read_ports(), ports);
        fs::write(dir.path().join("node.state_port.txt"), "x\n").unwrap();
        assert_eq!(file.read_ports(), Ports::default());
    }
}
