//! [`Pings`]: how long a node takes to answer while it does other things. The same for all libraries, from outside.

use std::io::Result;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bulla::InfoHash;
use bulla::wire::{self, Message, Payload, Request, Tid};

/// From one ping to the next.
const PACE: Duration = Duration::from_millis(2);
/// What takes longer counts as that.
const PATIENCE: Duration = Duration::from_secs(3);

/// A thread that pings a node.
pub(crate) struct Pings {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Duration>>,
}

impl Pings {
    pub(crate) fn start(node: SocketAddr) -> Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(node)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let is_over = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            let mut delays = Vec::new();
            while !until.load(Ordering::Relaxed) {
                delays.push(ping(&socket, delays.len() as u32));
                thread::sleep(PACE);
            }
            delays
        });
        Ok(Self { is_over, thread })
    }

    /// What each ping took.
    pub(crate) fn stop(self) -> Vec<Duration> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

/// How long the node takes to answer. It may ask as well, and is not answered.
fn ping(socket: &UdpSocket, number: u32) -> Duration {
    let begin = Instant::now();
    let tid = Tid(number);
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
    let sent = socket.send(&wire::encode(&ping).head);
    let mut buffer = [0; 2048];
    while sent.is_ok() && begin.elapsed() < PATIENCE {
        let Ok(len) = socket.recv(&mut buffer) else {
            break;
        };
        let is_answer = wire::decode(&buffer[..len])
            .is_ok_and(|it| it.tid == tid && matches!(it.payload, Payload::Reply { .. }));
        if is_answer {
            return begin.elapsed();
        }
    }
    PATIENCE
}
