//! [`Pings`]: how long a node takes to answer while it does other things. The same for all
//! libraries, from outside.

use std::io::{IoSliceMut, Result};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bulla::InfoHash;
use bulla::wire::{self, Message, Payload, Request, Tid};
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt::ReceiveTimestampns,
};
use nix::sys::time::TimeSpec;

/// From one ping to the next.
const PACE: Duration = Duration::from_millis(2);
/// What takes longer counts as that.
const TIMEOUT: Duration = Duration::from_secs(3);

/// A thread that pings a node.
pub(crate) struct Pings {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Duration>>,
}

impl Pings {
    pub(crate) fn start(node: SocketAddr) -> Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(node)?;
        socket.set_read_timeout(Some(TIMEOUT))?;
        setsockopt(&socket, ReceiveTimestampns, &true)?;
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

/// How long the node takes to answer: until the answer has come by the system's clock, not until
/// this thread, which has to wait for its turn on a busy machine, has seen it. The node may ask as
/// well, and is not answered.
fn ping(socket: &UdpSocket, number: u32) -> Duration {
    let (begin, sent_at) = (Instant::now(), SystemTime::now());
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
    while sent.is_ok() && begin.elapsed() < TIMEOUT {
        let Ok((len, came_at)) = receive(socket, &mut buffer) else {
            break;
        };
        let is_answer = wire::decode(&buffer[..len])
            .is_ok_and(|it| it.tid == tid && matches!(it.payload, Payload::Reply { .. }));
        if is_answer {
            return came_at.duration_since(sent_at).unwrap_or_default();
        }
    }
    TIMEOUT
}

/// Receives a datagram: its length, and when the system received it.
fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> Result<(usize, SystemTime)> {
    let mut control = nix::cmsg_space!(TimeSpec);
    let mut buffers = [IoSliceMut::new(buffer)];
    let (fd, flags) = (socket.as_raw_fd(), MsgFlags::empty());
    let message = recvmsg::<()>(fd, &mut buffers, Some(&mut control), flags)?;
    let stamp = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::ScmTimestampns(at) => Some(UNIX_EPOCH + Duration::from(at)),
        _ => None,
    });
    Ok((message.bytes, stamp.unwrap_or_else(SystemTime::now)))
}
