//! Runs the program and looks at all it says.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value as Json;
use tempfile::{TempDir, tempdir};

/// What one run of the program left behind.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) code: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

/// The program with these arguments, free of the tester's own settings.
pub(super) fn command<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(args: I) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bulla"));
    command
        .args(args)
        .env_remove("BULLA_BOOTSTRAP")
        .env_remove("BULLA_LOG")
        // An empty keyring: nothing is there, and nothing makes it.
        .env("BULLA_HOME", concat!(env!("CARGO_TARGET_TMPDIR"), "/nobody"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs the program to its end.
pub(super) fn bulla<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(args: I) -> Run {
    finish(command(args).spawn().expect("the program starts"))
}

/// Runs the program to its end, with `input` on its standard input.
pub(super) fn bulla_with_input<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(
    args: I,
    input: &str,
) -> Run {
    let mut child = command(args)
        .stdin(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin
        .write_all(input.as_bytes())
        .expect("the program reads");
    drop(stdin);
    finish(child)
}

/// Waits for a program to end.
pub(super) fn finish(child: Child) -> Run {
    let output = child.wait_with_output().expect("the program ends");
    Run {
        code: output.status.code().expect("it ends by itself"),
        stdout: String::from_utf8(output.stdout).expect("text"),
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}

/// A keyring of its own, which goes when it is dropped.
pub(super) struct Home(TempDir);

impl Home {
    pub(super) fn new() -> Self {
        Self(tempdir().expect("a directory"))
    }

    /// One with an identity in it.
    pub(super) fn of(name: &str) -> Self {
        let home = Self::new();
        home.run(["identity", "new", name, "--bits", "2048"])
            .assert_done();
        home
    }

    /// The directory of the keyring, which is made by the program.
    pub(super) fn keyring(&self) -> PathBuf {
        self.0.path().join("config/bulla")
    }

    /// The path of a file outside of the keyring.
    pub(super) fn path(&self, file: &str) -> String {
        self.0.path().join(file).to_str().expect("text").to_owned()
    }

    /// Writes such a file, and returns its path.
    pub(super) fn file(&self, file: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(file);
        fs::write(&path, content).expect("a file");
        path
    }

    /// The program with these arguments and this keyring.
    pub(super) fn command<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, args: I) -> Command {
        let mut command = command(args);
        command.env("BULLA_HOME", self.keyring());
        command
    }

    /// Runs the program with this keyring to its end.
    pub(super) fn run<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, args: I) -> Run {
        finish(self.command(args).spawn().expect("the program starts"))
    }

    /// Runs it with `--json`, which must succeed and print one object.
    #[track_caller]
    pub(super) fn object(&self, args: &[&str]) -> Json {
        self.run(args.iter().chain(&["--json"]))
            .assert_done()
            .object()
    }
}

impl Run {
    /// The objects on standard output, which holds nothing else.
    pub(super) fn objects(&self) -> Vec<Json> {
        self.stdout
            .lines()
            .map(|line| {
                let object: Json = serde_json::from_str(line)
                    .unwrap_or_else(|error| panic!("{error}: {line:?} in {self:?}"));
                assert!(object.is_object(), "{line}");
                object
            })
            .collect()
    }

    /// The only object on standard output.
    pub(super) fn object(&self) -> Json {
        let mut objects = self.objects();
        assert_eq!(objects.len(), 1, "{self:?}");
        objects.remove(0)
    }

    /// Asserts that the run ended so, and that it said why in one line that holds `reason`.
    #[track_caller]
    pub(super) fn assert_refused(&self, code: i32, reason: &str) {
        assert_eq!(self.code, code, "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        assert!(self.stderr.contains(reason), "{self:?}");
    }

    /// Asserts success without a word on standard error.
    #[track_caller]
    pub(super) fn assert_done(&self) -> &Self {
        assert_eq!((self.code, self.stderr.as_str()), (0, ""), "{self:?}");
        self
    }
}

/// A program that runs beside the test, such as a node, and is killed with it.
pub(super) struct Running {
    child: Option<Child>,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Running {
    /// Starts the program with `--json`.
    pub(super) fn start<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Self {
        let mut child = command(args)
            .arg("--json")
            .stdin(Stdio::piped())
            .spawn()
            .expect("the program starts");
        Self {
            stdin: child.stdin.take(),
            stdout: BufReader::new(child.stdout.take().expect("a pipe")),
            child: Some(child),
        }
    }

    /// The next object that it prints.
    #[track_caller]
    pub(super) fn object(&mut self) -> Json {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("text");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// Types a line.
    pub(super) fn type_line(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("its input is open");
        writeln!(stdin, "{line}").expect("the program reads");
    }

    /// Ends its input.
    pub(super) fn end_input(&mut self) {
        self.stdin = None;
    }

    /// The process.
    pub(super) fn id(&self) -> String {
        self.child.as_ref().expect("it runs").id().to_string()
    }

    /// Waits for its end, whatever else it prints.
    pub(super) fn finish(mut self) -> Run {
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.stdout, &mut rest).expect("text");
        let run = finish(self.child.take().expect("it runs"));
        Run {
            stdout: rest,
            ..run
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A node on a loopback port of the system's choice, and where it is.
pub(super) fn node(more: &[&str]) -> (Running, String) {
    let args = ["node", "--port", "0", "--bind", "127.0.0.1"];
    let mut node = Running::start(args.iter().chain(more));
    let ready = node.object();
    assert_eq!(ready["event"], "ready");
    let address = ready["addresses"][0]
        .as_str()
        .expect("an address")
        .to_owned();
    (node, address)
}
