//! [`Node`]: a process under load, and what the system says of it.

use std::fs;
use std::io::{BufRead, BufReader, Error, Result};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use crate::cores::Cores;

/// What node to start.
#[derive(Clone, Debug)]
pub(crate) enum Program {
    /// This program of this package.
    Bulla(PathBuf),
    /// OpenDHT through this Python interpreter.
    OpenDht(PathBuf),
}

/// A running node. One that was started ends when this is dropped, and is killed by the system when
/// this program ends in any way: halted, it would not notice.
pub(crate) struct Node {
    pub(crate) addr: SocketAddr,
    pid: u32,
    child: Option<(Child, ChildStdin)>,
}

impl Node {
    /// Starts a node on loopback and on the cores that are its own. It gets to know `peers`.
    pub(crate) fn start(program: &Program, cores: &Cores, peers: &[SocketAddr]) -> Result<Self> {
        let addr = free_address()?;
        let port = addr.port().to_string();
        let mut command = match program {
            Program::Bulla(program) => {
                let mut command = cores.command(program);
                command.args(["node", "--json", "--interactive", "--bind", "127.0.0.1"]);
                command.args(["--rate-limit", "off", "--peer-rate-limit", "off"]);
                command.args(["--storage-limit", "off", "--port", &port]);
                for peer in peers {
                    command.arg("--bootstrap").arg(peer.to_string());
                }
                command
            }
            Program::OpenDht(python) => {
                let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../benches/peers/reference.py");
                let mut command = cores.command(python);
                command.args([script, &port]);
                command.args(peers.iter().map(SocketAddr::to_string));
                command
            }
        };
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let mut node = Self {
            addr,
            pid: child.id(),
            child: stdin.map(|stdin| (child, stdin)),
        };
        let mut ready = String::new();
        let stdout = stdout.ok_or_else(|| Error::other("no standard output"))?;
        if BufReader::new(stdout).read_line(&mut ready)? == 0 {
            node.stop();
            return Err(Error::other(format!("{program:?} does not start")));
        }
        Ok(node)
    }

    /// A node that runs already; it is moved to the cores that are to be its own.
    pub(crate) fn running(addr: SocketAddr, pid: u32, cores: &Cores) -> Result<Self> {
        cores.confine(pid)?;
        let child = None;
        Ok(Self { addr, pid, child })
    }

    /// The time that all threads have spent on a processor.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let mut nanos = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.pid))? {
            // A thread may end meanwhile.
            let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else {
                continue;
            };
            let first = text
                .split_whitespace()
                .next()
                .and_then(|it| it.parse().ok());
            nanos += first.unwrap_or(0u64);
        }
        Ok(Duration::from_nanos(nanos))
    }

    /// The memory in use, in bytes.
    pub(crate) fn memory(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kib.map(|kib| kib << 10)
            .ok_or_else(|| Error::other("the system does not tell the node's memory"))
    }

    /// Halts the node until it is its turn, or lets it run on, if it was started here: what a node
    /// does of its own accord, such as asking peers that do not listen now, would be in the way of
    /// others on the same core.
    pub(crate) fn take_turn(&self, has_turn: bool) -> Result<()> {
        match self.child {
            Some(_) => self.halt(!has_turn),
            None => Ok(()),
        }
    }

    /// Halts the node, or lets it run on.
    pub(crate) fn halt(&self, halted: bool) -> Result<()> {
        let signal = if halted { "-STOP" } else { "-CONT" };
        let status = Command::new("kill")
            .args([signal, &self.pid.to_string()])
            .status()?;
        status
            .success()
            .then_some(())
            .ok_or_else(|| Error::other("cannot signal the node"))
    }

    fn stop(&mut self) {
        if let Some((mut child, stdin)) = self.child.take() {
            drop(stdin);
            // Neither can fail for a child that was not waited for.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Program {
    /// OpenDHT through `python`, and its version, if that is there and has it.
    pub(crate) fn open_dht(python: &Path) -> Option<(String, Self)> {
        let version = "import opendht, importlib.metadata as m; print(m.version('opendht'))";
        let found = Command::new(python).args(["-c", version]).output().ok()?;
        let version = String::from_utf8_lossy(&found.stdout).trim().to_owned();
        (!version.is_empty()).then(|| (version, Self::OpenDht(python.to_owned())))
    }
}

/// Returns an address that is not in use.
fn free_address() -> Result<SocketAddr> {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
