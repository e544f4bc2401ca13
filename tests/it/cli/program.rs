//! Runs the program and looks at all it says.

use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value as Json;

/// What one run of the program left behind.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// The program with these arguments, free of the tester's own settings.
pub fn command<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(args: I) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bulla"));
    command
        .args(args)
        .env_remove("BULLA_BOOTSTRAP")
        .env_remove("BULLA_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs the program to its end.
pub fn bulla<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(args: I) -> Run {
    finish(command(args).spawn().expect("the program starts"))
}

/// Runs the program to its end, with `input` on its standard input.
pub fn bulla_with_input<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(args: I, input: &str) -> Run {
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
pub fn finish(child: std::process::Child) -> Run {
    let output = child.wait_with_output().expect("the program ends");
    Run {
        code: output.status.code().expect("it ends by itself"),
        stdout: String::from_utf8(output.stdout).expect("text"),
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}

impl Run {
    /// The objects on standard output, which holds nothing else.
    pub fn objects(&self) -> Vec<Json> {
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
    pub fn object(&self) -> Json {
        let mut objects = self.objects();
        assert_eq!(objects.len(), 1, "{self:?}");
        objects.remove(0)
    }

    /// Asserts that the run ended so, and that it said why in one line that holds `reason`.
    #[track_caller]
    pub fn assert_refused(&self, code: i32, reason: &str) {
        assert_eq!(self.code, code, "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        assert!(self.stderr.contains(reason), "{self:?}");
    }

    /// Asserts success without a word on standard error.
    #[track_caller]
    pub fn assert_done(&self) -> &Self {
        assert_eq!((self.code, self.stderr.as_str()), (0, ""), "{self:?}");
        self
    }
}
