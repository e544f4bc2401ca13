//! Can one address keep a node from serving others?
//!
//! From one socket everything is tried at once that a peer can make a node keep, send or compute.
//! Meanwhile honest peers ping the node, put values under the attacked key, find them and hear of
//! them. What is attacked is a client's only storing node, so nothing else can help.
//!
//! The ordinary test takes some seconds and attacks a node in this process. The long form attacks a
//! program for a minute, whose memory is then its own:
//!
//! ```text
//! BULLA=target/release/bulla cargo test --release --test hostile -- --ignored --nocapture
//! ```
#![cfg(target_os = "linux")]
#![expect(
    clippy::disallowed_methods,
    reason = "how long a reply takes is what is tested"
)]

mod attack;

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bulla::{Change, Dht, Draft, InfoHash, ValueId};
use bulla_dht::wire::{self, Message, Payload, Request, Tid};
use tokio::time::timeout;

const KEY: &str = "attacked";
/// How long a reply to a ping may take.
const LONGEST_REPLY: Duration = Duration::from_millis(50);
/// How long an application looks for a value, or waits for it.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much memory an attack may take, in bytes.
const MOST_MEMORY: u64 = 64 << 20;

/// What honest peers met with.
#[derive(Debug)]
struct Outcome {
    /// How long replies to pings took, ascending; the longest wait if there was none.
    replies: Vec<Duration>,
    /// Honest values put, found, and heard of.
    put: usize,
    found: usize,
    heard: usize,
    /// How much the memory grew, in bytes.
    memory: u64,
    /// Datagrams of the attacker.
    sent: u64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_serves_others_while_one_address_attacks_it() {
    let victim = Dht::builder().bind(any("127.0.0.1")).workers(1).start();
    let victim = victim.await.unwrap();
    let (address, id) = (victim.addresses()[0], std::process::id());
    let outcome = attacked(address, id, Duration::from_secs(5)).await;
    let stats = victim.node_info().await.unwrap().stats;
    println!("{stats:#?}");
    // Other tests run on the same processors: a node that gets no time loses datagrams.
    outcome.check(75, 50);
    assert!(stats.listeners <= 16, "{} listeners", stats.listeners);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a minute, and a program"]
async fn a_program_serves_others_while_one_address_attacks_it_for_a_minute() {
    let program = std::env::var("BULLA").expect("BULLA names the program");
    let mut child = Command::new(program)
        .args(["node", "--port", "0", "--bind", "127.0.0.1", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let out = child.stdout.take().unwrap();
    BufReader::new(out).read_line(&mut line).unwrap();
    let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
    let address = ready["addresses"][0].as_str().unwrap().parse().unwrap();
    let child = Killed(child);
    let outcome = attacked(address, child.0.id(), Duration::from_secs(60)).await;
    outcome.check(95, 95);
}

/// Attacks a node for so long while others use it.
async fn attacked(victim: SocketAddr, process: u32, span: Duration) -> Outcome {
    let client = async |address| {
        let dht = Dht::builder().bind(any(address)).client(true).workers(1);
        let dht = dht.bootstrap(victim.to_string()).start().await.unwrap();
        dht.wait_connected().await.unwrap();
        dht
    };
    let writer = client("127.0.0.2").await;
    let reader = client("127.0.0.3").await;
    let listener = client("127.0.0.4").await;
    let before = memory_of(process);
    let is_over = Arc::new(AtomicBool::new(false));
    let attacker = thread::spawn({
        let is_over = is_over.clone();
        move || attack::run(victim, InfoHash::from_key(KEY), &is_over)
    });
    let pinger = thread::spawn({
        let is_over = is_over.clone();
        move || replies(victim, &is_over)
    });
    let mut changes = listener.listen(KEY);
    let mut outcome = Outcome {
        replies: Vec::new(),
        put: 0,
        found: 0,
        heard: 0,
        memory: 0,
        sent: 0,
    };
    // The attack has begun when honest values come.
    tokio::time::sleep(span / 5).await;
    let start = Instant::now();
    while start.elapsed() < span * 4 / 5 {
        let id = ValueId(u64::MAX / 2 + outcome.put as u64);
        let draft = Draft::from("honest").id(id);
        writer.put(KEY, draft).await.unwrap();
        outcome.put += 1;
        let is_found = timeout(PATIENCE, async {
            loop {
                let mut values = reader.get(KEY);
                while let Some(value) = values.next().await {
                    if value.id() == id {
                        return;
                    }
                }
            }
        });
        outcome.found += usize::from(is_found.await.is_ok());
        let is_heard = timeout(PATIENCE, async {
            while let Some(change) = changes.next().await {
                if matches!(&change, Change::Added(value) if value.id() == id) {
                    return true;
                }
            }
            false
        });
        outcome.heard += usize::from(is_heard.await == Ok(true));
        let grown = memory_of(process).saturating_sub(before);
        outcome.memory = outcome.memory.max(grown);
        tokio::time::sleep(span / 50).await;
    }
    is_over.store(true, Ordering::Relaxed);
    outcome.sent = attacker.join().unwrap();
    outcome.replies = pinger.join().unwrap();
    outcome.replies.sort();
    outcome
}

impl Outcome {
    /// Checks that so many per cent of honest values were found and heard of, and so many per cent
    /// of pings replied to in time.
    fn check(&self, served: usize, in_time: usize) {
        let Self {
            replies,
            put,
            found,
            heard,
            memory,
            sent,
        } = self;
        let at = |percent: usize| replies[(replies.len() - 1) * percent / 100];
        println!(
            "{sent} datagrams of the attacker; {put} honest values put, {found} found, {heard} \
             heard; replies to {} pings: half within {:?}, 95 % within {:?}, the last after {:?}; \
             memory grew by {} KiB",
            replies.len(),
            at(50),
            at(95),
            at(100),
            memory >> 10,
        );
        assert!(*put > 1 && *found.min(heard) * 100 >= put * served);
        assert!(at(in_time) <= LONGEST_REPLY);
        assert!(*memory <= MOST_MEMORY);
    }
}

/// A program that ends with its owner.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Pings a node again and again; returns how long each reply took.
fn replies(victim: SocketAddr, is_over: &AtomicBool) -> Vec<Duration> {
    const LONGEST_WAIT: Duration = Duration::from_secs(1);
    let socket = UdpSocket::bind("127.0.0.5:0").unwrap();
    socket.set_read_timeout(Some(LONGEST_WAIT)).unwrap();
    let mut taken = Vec::new();
    let mut buffer = [0; 2_048];
    while !is_over.load(Ordering::Relaxed) {
        let tid = Tid(taken.len() as u32 + 1);
        let ping = Message {
            tid,
            network: 0,
            client: true,
            agent: None,
            payload: Payload::Request {
                sender: InfoHash::of(b"pinger"),
                request: Request::Ping,
            },
        };
        let start = Instant::now();
        socket.send_to(&wire::encode(&ping).head, victim).unwrap();
        let is_reply = |bytes: &[u8]| {
            wire::decode(bytes)
                .is_ok_and(|it| it.tid == tid && matches!(it.payload, Payload::Reply { .. }))
        };
        loop {
            match socket.recv(&mut buffer) {
                Ok(len) if is_reply(&buffer[..len]) => break,
                Ok(_) => {}
                Err(_) => break,
            }
        }
        taken.push(start.elapsed());
        thread::sleep(Duration::from_millis(20));
    }
    taken
}

/// Returns the memory that a process has in use, in bytes.
fn memory_of(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap() << 10
}

fn any(address: &str) -> SocketAddr {
    SocketAddr::new(address.parse().unwrap(), 0)
}
