//! The process of a foreign node, and the JSON lines to and from it.

use std::{
    collections::BTreeMap,
    process::Stdio,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value as Json, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::{mpsc, oneshot},
    time::timeout,
};

use crate::{
    environment::Release,
    peer::{Change, DEADLINE, Found},
};

/// The process, and the lines to and from it.
pub(crate) struct Pipe {
    release: Release,
    stdin: tokio::sync::Mutex<ChildStdin>,
    waiting: Arc<Mutex<Waiting>>,
    last_id: AtomicU64,
    _process: Child,
}

impl Pipe {
    pub(crate) fn open(release: Release) -> Self {
        let mut process = Command::new(release.python())
            .args(["-c", include_str!("peer.py")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the interpreter was tried before");
        let stdin = process.stdin.take().expect("it is piped");
        let stdout = process.stdout.take().expect("it is piped");
        let waiting = Arc::default();
        tokio::spawn(distribute(stdout, Arc::clone(&waiting)));
        Self {
            release,
            stdin: stdin.into(),
            waiting,
            last_id: AtomicU64::new(0),
            _process: process,
        }
    }

    /// Gives a command to the node and waits for the answer.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, name: &str, command: Json) -> T {
        self.ask_as(self.new_id(), name, command).await
    }

    /// Lets the node listen. Gives the operation's number and what it is told.
    pub(crate) async fn listen(&self, command: Json) -> (u64, mpsc::UnboundedReceiver<Change>) {
        let (sender, changes) = mpsc::unbounded_channel();
        let id = self.new_id();
        // Before the node is asked: it may tell of values before it answers.
        self.waiting().listeners.insert(id, sender);
        self.ask_as::<u64>(id, "listen", command).await;
        (id, changes)
    }

    /// Ends a listen operation and, with it, what it is told.
    pub(crate) async fn cancel_listen(&self, id: u64) {
        self.ask::<()>("cancel_listen", json!({ "listen": id }))
            .await;
        self.waiting().listeners.remove(&id);
    }

    async fn ask_as<T: DeserializeOwned>(&self, id: u64, name: &str, mut command: Json) -> T {
        let peer = format!("OpenDHT {}, asked to {name}", self.release.version());
        command["id"] = id.into();
        command["do"] = name.into();
        let (sender, reply) = oneshot::channel();
        self.waiting().replies.insert(id, sender);
        let line = format!("{command}\n");
        self.stdin
            .lock()
            .await
            .write_all(line.as_bytes())
            .await
            .unwrap_or_else(|error| panic!("{peer}: {error}"));
        let reply = timeout(DEADLINE, reply)
            .await
            .unwrap_or_else(|_| panic!("{peer}: no answer in time"));
        let answer = reply.unwrap_or_else(|_| panic!("{peer}: the node ended"));
        let answer = answer.unwrap_or_else(|error| panic!("{peer}: {error}"));
        serde_json::from_value(answer).unwrap_or_else(|error| panic!("{peer}: {error}"))
    }

    fn new_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().expect("nobody panics with it")
    }
}

/// One line from the node.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Done {
        id: u64,
        ok: Json,
    },
    Failed {
        id: u64,
        error: String,
    },
    Changed {
        listen: u64,
        expired: bool,
        value: Found,
    },
}

/// What waits for which line. Emptied when the node ends, so that nothing waits in vain.
#[derive(Default)]
struct Waiting {
    replies: BTreeMap<u64, oneshot::Sender<Result<Json, String>>>,
    listeners: BTreeMap<u64, mpsc::UnboundedSender<Change>>,
}

/// Hands each line of the node to what waits for it, until the node ends.
async fn distribute(stdout: ChildStdout, waiting: Arc<Mutex<Waiting>>) {
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let line = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("peer.py printed {line:?}: {error}"));
        let mut waiting = waiting.lock().expect("nobody panics with it");
        // What has stopped waiting does not miss it.
        match line {
            Line::Done { id, ok } => {
                let _ = waiting.replies.remove(&id).map(|reply| reply.send(Ok(ok)));
            }
            Line::Failed { id, error } => {
                let _ = waiting
                    .replies
                    .remove(&id)
                    .map(|reply| reply.send(Err(error)));
            }
            Line::Changed {
                listen,
                expired,
                value,
            } => {
                if let Some(changes) = waiting.listeners.get(&listen) {
                    let _ = changes.send(Change { expired, value });
                }
            }
        }
    }
    *waiting.lock().expect("nobody panics with it") = Waiting::default();
}
