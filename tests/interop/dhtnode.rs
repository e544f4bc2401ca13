//! OpenDHT 2.4.12's command line program, for what its Python binding lacks: permanent, signed and encrypted puts, an
//! identity from files, and the saved state of a node.
//!
//! The program is meant for people, so we send one command at a time and look for the words of its answer. Data is a
//! single word, and is put with the user type `text/plain` and an id of the program's choice.

use std::{net::SocketAddr, path::Path, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use crate::peer::DEADLINE;

/// How the program is started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options<'a> {
    /// Nodes of other networks are not heard.
    pub(crate) network: u32,
    /// A node to start from.
    pub(crate) bootstrap: SocketAddr,
    /// A path without its ending: the identity is read from `.crt` and `.pem`, or else made (RSA-4096) and saved there.
    pub(crate) identity: &'a Path,
    /// Where the state is saved when the node stops, and read from when it starts.
    pub(crate) state: &'a Path,
}

/// A running `dhtnode`. It is killed when dropped.
pub(crate) struct Dhtnode {
    /// Hexadecimal.
    pub(crate) node_id: String,
    /// The short id of its key, hexadecimal.
    pub(crate) key_id: String,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    process: Child,
}

impl Dhtnode {
    pub(crate) async fn spawn(options: Options<'_>) -> Self {
        let (certificate, key) = (
            options.identity.with_extension("crt"),
            options.identity.with_extension("pem"),
        );
        let mut command = Command::new("dhtnode");
        command.args([
            "-p",
            "0",
            "-n",
            &options.network.to_string(),
            "-b",
            &options.bootstrap.to_string(),
        ]);
        command.arg("-f").arg(options.state);
        if certificate.exists() {
            command
                .arg("--certificate")
                .arg(certificate)
                .arg("--privkey")
                .arg(key);
        } else {
            command
                .arg("-i")
                .arg("--save-identity")
                .arg(options.identity);
        }
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("dhtnode was found before");
        let stdin = process.stdin.take().expect("it is piped");
        let stdout = process.stdout.take().expect("it is piped");
        let lines = BufReader::new(stdout).lines();
        let mut node = Self {
            node_id: String::new(),
            key_id: String::new(),
            stdin,
            lines,
            process,
        };
        node.node_id = word_after(&node.line_with("OpenDHT node").await, "OpenDHT node");
        node.key_id = word_after(&node.line_with("Public key ID").await, "Public key ID");
        node
    }

    /// Puts a word and announces it until [`Self::cancel_put`]. Gives the value id.
    pub(crate) async fn put_permanent(&mut self, key: &str, word: &str) -> u64 {
        let answer = self.ask(&format!("pp {key} {word}"), "Put:").await;
        assert!(answer.contains("success"), "dhtnode: {answer}");
        u64::from_str_radix(&word_after(&answer, "Value ID:"), 16)
            .expect("dhtnode prints ids in hexadecimal")
    }

    /// Ends a permanent put.
    pub(crate) async fn cancel_put(&mut self, key: &str, value_id: u64) {
        self.send(&format!("cpp {key} {value_id:x}")).await;
    }

    /// Signs and puts a word; whether the nodes asked have acknowledged it.
    pub(crate) async fn put_signed(&mut self, key: &str, word: &str) -> bool {
        self.ask(&format!("s {key} {word}"), "Put signed:")
            .await
            .contains("success")
    }

    /// Encrypts a word for the owner of a *short* key id and puts it; whether that one's certificate was found at that
    /// id and the nodes asked have acknowledged the value.
    pub(crate) async fn put_encrypted(&mut self, key: &str, to: &str, word: &str) -> bool {
        self.ask(&format!("e {key} {to} {word}"), "Put encrypted:")
            .await
            .contains("success")
    }

    /// Ends the node in good order: it saves its state.
    pub(crate) async fn stop(mut self) {
        self.send("x").await;
        let ended = timeout(DEADLINE, self.process.wait())
            .await
            .expect("dhtnode did not end in time");
        assert!(ended.expect("its end can be waited for").success());
    }

    async fn ask(&mut self, command: &str, answer: &str) -> String {
        self.send(command).await;
        self.line_with(answer).await
    }

    async fn send(&mut self, command: &str) {
        self.stdin
            .write_all(format!("{command}\n").as_bytes())
            .await
            .expect("dhtnode ended");
    }

    async fn line_with(&mut self, words: &str) -> String {
        let search = async {
            loop {
                let line = self
                    .lines
                    .next_line()
                    .await
                    .expect("dhtnode prints text")
                    .expect("dhtnode ended");
                let line = without_prompt(&line);
                if line.contains(words) {
                    return line;
                }
            }
        };
        timeout(DEADLINE, search)
            .await
            .unwrap_or_else(|_| panic!("dhtnode did not print {words:?} in time"))
    }
}

/// The program's prompt, `>> `, comes from another of its threads and turns up anywhere in a line.
fn without_prompt(line: &str) -> String {
    let words = line.replace('>', " ");
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn word_after(line: &str, words: &str) -> String {
    let rest = line.split_once(words).map_or("", |(_, rest)| rest);
    rest.split_whitespace()
        .next()
        .unwrap_or_else(|| panic!("dhtnode: nothing after {words:?} in {line:?}"))
        .to_owned()
}
