//! OpenDHT 2.4.12's command line program, for what its Python binding lacks: permanent, signed and
//! encrypted puts, an identity from files, and the saved state of a node.
//!
//! The program is meant for people, so we send one command at a time and look for the words of its
//! answer. Data is a single word, and is put with the user type `text/plain` and an id of the
//! program's choice.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::Stdio,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use crate::{peer::DEADLINE, proxy::Proxy};

/// How the program is started.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DhtnodeOptions<'a> {
    /// A node to start from.
    pub(crate) bootstrap: Option<SocketAddr>,
    /// A path without its ending: the identity is read from `.crt` and `.pem`, or else made
    /// (RSA-4096) and saved there.
    pub(crate) identity: Option<&'a Path>,
    /// Where the state is saved when the node stops, and read from when it starts.
    pub(crate) state: Option<&'a Path>,
}

/// A running `dhtnode`. It is killed when dropped.
pub(crate) struct Dhtnode {
    /// Hexadecimal.
    pub(crate) node_id: String,
    /// On 127.0.0.1.
    pub(crate) address: SocketAddr,
    /// The short id of its key, hexadecimal; empty if it has none.
    pub(crate) key_id: String,
    /// The program's other face.
    pub(crate) proxy: Proxy,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    process: Child,
}

impl Dhtnode {
    /// Starts the program and, if it is to start from another node, waits until it has reached it.
    pub(crate) async fn spawn(options: DhtnodeOptions<'_>) -> Self {
        let proxy = Proxy::on_a_free_port();
        let mut process = command(options, proxy)
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
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            key_id: String::new(),
            proxy,
            stdin,
            lines,
            process,
        };
        let greeting = node.line_with("OpenDHT node").await;
        node.node_id = word_after(&greeting, "OpenDHT node");
        let port = word_after(&greeting, "on port").parse();
        node.address.set_port(port.expect("a port is a number"));
        if options.identity.is_some() {
            node.key_id = word_after(&node.line_with("Public key ID").await, "Public key ID");
        }
        if options.bootstrap.is_some() {
            node.proxy.wait_connected().await;
        }
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

    /// Encrypts a word for the owner of a *short* key id and puts it; whether that one's
    /// certificate was found at that id and the nodes asked have acknowledged the value.
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

fn command(options: DhtnodeOptions<'_>, proxy: Proxy) -> Command {
    let mut command = Command::new("dhtnode");
    command.args(["-p", "0", "--proxyserver", &proxy.port().to_string()]);
    if let Some(address) = options.bootstrap {
        command.args(["-b", &address.to_string()]);
    }
    if let Some(state) = options.state {
        command.arg("-f").arg(state);
    }
    if let Some(identity) = options.identity {
        let certificate = identity.with_extension("crt");
        if certificate.exists() {
            command.arg("--certificate").arg(certificate);
            command.arg("--privkey").arg(identity.with_extension("pem"));
        } else {
            command.arg("-i").arg("--save-identity").arg(identity);
        }
    }
    command
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
