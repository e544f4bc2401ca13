//! Where the foreign nodes come from.
//!
//! The newest OpenDHT is installed from the Python package index, on first use, into a virtual
//! environment of our own under `target/interop/`. 2.4.12 is Debian 12's, from `apt-get install
//! dhtnode python3-opendht`.
//!
//! `BULLA_INTEROP` says how much is wanted: `off` leaves these tests out, `full` insists on both
//! releases, and without it 2.4.12 is used where it is installed. What is left out is said; nothing
//! that is wanted is skipped in silence.

use std::{
    env, fs,
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

/// The newest release of the `opendht` package when this was last looked at. Pinned: a test run
/// changes only with us.
const NEWEST: &str = "4.4.2";
const DEBIAN: &str = "2.4.12";
const DEBIAN_PYTHON: &str = "/usr/bin/python3";

/// A release of OpenDHT that bulla must get along with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Release {
    /// The newest, through its Python binding.
    Newest,
    /// 2.4.12, through its Python binding and through `dhtnode`.
    Debian,
}

impl Release {
    /// The version number, as the release itself gives it.
    pub(crate) fn version(self) -> &'static str {
        match self {
            Self::Newest => NEWEST,
            Self::Debian => DEBIAN,
        }
    }

    /// The Python interpreter that finds this release's binding.
    pub(crate) fn python(self) -> PathBuf {
        match self {
            Self::Newest => virtual_environment().join("bin/python"),
            Self::Debian => DEBIAN_PYTHON.into(),
        }
    }
}

/// The releases to test against, each ready to run: none if interoperation is left out.
///
/// # Panics
/// If a wanted release cannot be had, with the line that says what to do about it.
pub(crate) fn releases() -> &'static [Release] {
    static RELEASES: OnceLock<Result<Vec<Release>, String>> = OnceLock::new();
    match RELEASES.get_or_init(prepare) {
        Ok(releases) => releases,
        Err(reason) => panic!("{reason}"),
    }
}

/// Whether a release is among the [`releases`], for tests of what it alone can do.
pub(crate) fn has(release: Release) -> bool {
    releases().contains(&release)
}

fn prepare() -> Result<Vec<Release>, String> {
    let wanted = env::var("BULLA_INTEROP").unwrap_or_default();
    let full = match wanted.as_str() {
        "off" => {
            announce("left out, as BULLA_INTEROP=off asks");
            return Ok(Vec::new());
        }
        "full" => true,
        "" => false,
        _ => {
            return Err(format!(
                "BULLA_INTEROP={wanted} is not known: use off, full, or leave it unset"
            ));
        }
    };
    install_newest()?;
    if debian_is_installed() {
        return Ok(vec![Release::Newest, Release::Debian]);
    }
    let missing = format!(
        "OpenDHT {DEBIAN} is missing: on Debian 12, apt-get install dhtnode python3-opendht"
    );
    if full {
        return Err(missing);
    }
    announce(&format!("{missing}; tested without it"));
    Ok(vec![Release::Newest])
}

/// Says something even where the test runner keeps the output of passing tests to itself.
fn announce(line: &str) {
    // Nothing is lost to the tests when the terminal is gone.
    let _ = writeln!(io::stderr(), "interop: {line}");
}

fn virtual_environment() -> PathBuf {
    interop_directory().join(format!("opendht-{NEWEST}"))
}

fn interop_directory() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("../interop")
}

/// Makes the virtual environment unless it is there, once among all the processes that may want it
/// at this moment.
fn install_newest() -> Result<(), String> {
    let directory = virtual_environment();
    let ready = directory.join("ready");
    let _lock = open_lock().map_err(|error| {
        format!(
            "{} cannot be locked: {error}",
            interop_directory().display()
        )
    })?;
    if ready.exists() {
        return Ok(());
    }
    if directory.exists() {
        fs::remove_dir_all(&directory)
            .map_err(|error| format!("{} cannot be removed: {error}", directory.display()))?;
    }
    let advice = "or leave these tests out with BULLA_INTEROP=off";
    let python = capable_python().ok_or_else(|| {
        format!("Python 3.9 to 3.14 with venv is missing: apt-get install python3-venv, {advice}")
    })?;
    make_environment(python, &directory).map_err(|reason| {
        format!(
            "OpenDHT {NEWEST} could not be installed ({reason}): let pip reach a registry, {advice}"
        )
    })?;
    fs::write(&ready, "").map_err(|error| format!("{} cannot be written: {error}", ready.display()))
}

fn make_environment(python: &str, directory: &Path) -> Result<(), String> {
    run(Command::new(python).args(["-m", "venv"]).arg(directory))?;
    run(Command::new(directory.join("bin/python"))
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ])
        .args(["--only-binary", ":all:", &format!("opendht=={NEWEST}")]))
}

/// Waits for the lock; it is let go with the file, or with the process.
fn open_lock() -> io::Result<File> {
    fs::create_dir_all(interop_directory())?;
    let lock = File::create(interop_directory().join("lock"))?;
    lock.lock()?;
    Ok(lock)
}

/// The first interpreter that can make a virtual environment and for which the package has wheels.
fn capable_python() -> Option<&'static str> {
    let test =
        "import sys, venv, ensurepip; sys.exit(not (3, 9) <= sys.version_info[:2] <= (3, 14))";
    ["python3", "python3.11", DEBIAN_PYTHON]
        .into_iter()
        .find(|python| succeeds(python, test))
}

fn debian_is_installed() -> bool {
    let test = format!(
        "import opendht, shutil, sys; from importlib.metadata import version; \
         sys.exit(version('opendht') != '{DEBIAN}' or not shutil.which('dhtnode'))"
    );
    succeeds(DEBIAN_PYTHON, &test)
}

fn succeeds(python: &str, program: &str) -> bool {
    let status = Command::new(python)
        .args(["-c", program])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(complaint
        .trim()
        .lines()
        .last()
        .unwrap_or("no reason given")
        .to_owned())
}
