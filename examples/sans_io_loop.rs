//! The whole run loop by hand, over a blocking socket and without a runtime.

#![expect(clippy::disallowed_methods, reason = "a driver reads the clock")]

use std::io;
use std::net::UdpSocket;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bulla::node::{Core, Node, PutOptions};
use bulla::secure::{SecureConfig, SecureDht, SecureEvent, SecureOutput};
use bulla::{Config, InfoHash, Origin, Query, Seed, Timestamp, UnixTime};

struct Host {
    dht: SecureDht,
    socket: UdpSocket,
    started: Instant,
    buffer: Vec<u8>,
}

impl Host {
    /// Makes a node of a seed that is a number, to keep this short; one on a network takes its seed
    /// from the system's entropy.
    fn new(seed: u64) -> Result<Self, Box<dyn std::error::Error>> {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let origin = Origin::new(UnixTime::from_secs(unix));
        let node = Node::new(Config::default(), Seed::from_number(seed), origin)?;
        let seed = Seed::from_number(seed + 1_000);
        Ok(Self {
            dht: SecureDht::new(node, None, seed, SecureConfig::default()),
            socket: UdpSocket::bind("127.0.0.1:0")?,
            started: Instant::now(),
            buffer: vec![0; 65_535],
        })
    }

    fn now(&self) -> Timestamp {
        Timestamp::ZERO + self.started.elapsed()
    }

    /// Runs the node until something happens.
    fn next_event(&mut self) -> io::Result<SecureEvent> {
        loop {
            // 1. Do what the node says, until it has nothing more to say.
            let wake = loop {
                let now = self.now();
                match self.dht.poll_output() {
                    SecureOutput::Transmit(datagram) => {
                        self.socket.send_to(&datagram.bytes, datagram.to)?;
                    }
                    SecureOutput::Job(job) => self.dht.handle_done(now, job.run()),
                    SecureOutput::Event(event) => return Ok(event),
                    SecureOutput::Wake(at, _timer) => break at,
                }
            };
            // 2. Wait for a datagram, but no longer than until the node wants to be woken.
            let timeout = wake.since(self.now());
            let timeout = timeout.clamp(Duration::from_millis(1), Duration::from_secs(3_600));
            self.socket.set_read_timeout(Some(timeout))?;
            match self.socket.recv_from(&mut self.buffer) {
                // 3. Tell the node what came, and that time has passed.
                Ok((len, from)) => {
                    let now = self.now();
                    self.dht.handle_datagram(now, from, &self.buffer[..len]);
                }
                Err(error) if is_timeout(&error) => {}
                Err(error) => return Err(error),
            }
            self.dht.handle_timeout(self.now());
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut alice = Host::new(1)?;
    let mut bob = Host::new(2)?;
    bob.dht.bootstrap(bob.now(), &[alice.socket.local_addr()?]);
    std::thread::spawn(move || while alice.next_event().is_ok() {});

    let key = InfoHash::from_key("greeting");
    let (put, _) = bob
        .dht
        .put(bob.now(), key, "hello", PutOptions::default())?;
    loop {
        match bob.next_event()? {
            SecureEvent::PutDone { op, report } if op == put => {
                println!("{} nodes acknowledged it", report.acknowledged);
                bob.dht.get(bob.now(), key, Query::default())?;
            }
            SecureEvent::Values { values, .. } => {
                for value in values {
                    println!("{}", value.text()?);
                }
            }
            SecureEvent::GetDone { .. } => return Ok(()),
            event => println!("{event:?}"),
        }
    }
}
