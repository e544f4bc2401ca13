//! What a peer can try from one socket.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use bulla::{Condition, Draft, Field, InfoHash, Query, Value, ValueId};
use bulla_dht::wire::{
    self, FindRequest, GetRequest, ListenRequest, Message, Payload, PutRequest, Reply, Request,
    SocketId, Tid, Values,
};

/// The pause between two rounds.
const PAUSE: Duration = Duration::from_millis(8);
/// Listens, finds, gets and small puts in each round.
const REQUESTS: u64 = 8;
/// Rounds between two large puts.
const ROUNDS_PER_LARGE: u64 = 8;
/// Values in one small put.
const EMPTIES: u64 = 20;

struct Attacker {
    socket: UdpSocket,
    victim: SocketAddr,
    key: InfoHash,
    /// A write token of the victim.
    token: Vec<u8>,
    /// What has been made up so far: transactions, ids, numbers.
    count: u64,
    sent: u64,
}

/// Attacks as a client, under ever other ids, until it is over; returns how many datagrams that
/// took.
pub(crate) fn run(victim: SocketAddr, key: InfoHash, is_over: &AtomicBool) -> u64 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut attacker = Attacker {
        socket,
        victim,
        key,
        token: Vec::new(),
        count: 0,
        sent: 0,
    };
    for round in 0.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        attacker.receive();
        attacker.find();
        if !attacker.token.is_empty() {
            attacker.round(round);
        }
        thread::sleep(PAUSE);
    }
    attacker.sent
}

impl Attacker {
    /// Replies to pings, so that the address is validated, and takes each new token. What it is
    /// told as a listener it does not confirm.
    fn receive(&mut self) {
        let mut buffer = [0; 2_048];
        loop {
            let len = match self.socket.recv(&mut buffer) {
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("{error}"),
            };
            let Ok(message) = wire::decode(&buffer[..len]) else {
                continue;
            };
            match message.payload {
                Payload::Reply { reply, .. } => {
                    if let Some(token) = reply.token {
                        self.token = token.to_vec();
                    }
                }
                Payload::Request {
                    request: Request::Ping | Request::Find(_),
                    ..
                } => {
                    let sender = self.id();
                    let reply = Reply {
                        token: Some(b"token"[..].into()),
                        ..Reply::default()
                    };
                    self.send(message.tid, Payload::Reply { sender, reply }, usize::MAX);
                }
                Payload::Request { .. }
                | Payload::Error { .. }
                | Payload::Notice { .. }
                | Payload::Parts(_) => {}
            }
        }
    }

    fn round(&mut self, round: u64) {
        for _ in 0..REQUESTS {
            self.find();
            self.listen();
            self.put_empties();
            self.get();
        }
        self.begin_put();
        if round.is_multiple_of(ROUNDS_PER_LARGE) {
            self.put_large();
        }
    }

    /// Looks for an id in the name of another node.
    fn find(&mut self) {
        let target = self.id();
        self.request(
            Request::Find(FindRequest { target, want: None }),
            usize::MAX,
        );
    }

    /// Listens to everything under the key, under another number each time.
    fn listen(&mut self) {
        let (key, token) = (self.key, self.token.clone());
        let version = u64::from(!self.count.is_multiple_of(4)) as u32;
        let socket = SocketId(self.next() as u32);
        let listen = ListenRequest {
            key,
            version,
            socket,
            query: Query::default(),
            token: (&token[..]).into(),
        };
        self.request(Request::Listen(listen), usize::MAX);
    }

    fn put_empties(&mut self) {
        let values: Vec<_> = (0..EMPTIES).map(|_| self.value(0)).collect();
        self.put(&values, usize::MAX);
    }

    /// Puts sixty thousand bytes.
    fn put_large(&mut self) {
        let values = [self.value(60_000)];
        self.put(&values, usize::MAX);
    }

    /// Announces many values, and sends the first piece of one.
    fn begin_put(&mut self) {
        let values: Vec<_> = (0..32).map(|_| self.value(2_000)).collect();
        self.put(&values, 1);
    }

    /// Asks for all there is, or for what is dear to find.
    fn get(&mut self) {
        let mut query = Query::default();
        if self.count.is_multiple_of(2) {
            query.select = Field::ALL.into();
            query.conditions = vec![Condition::Owner(InfoHash::ZERO); 30];
        }
        let get = GetRequest {
            key: self.key,
            query,
            want: None,
            page: None,
        };
        self.request(Request::Get(get), usize::MAX);
    }

    /// Puts values, and sends so many of their pieces.
    fn put(&mut self, values: &[Value], parts: usize) {
        let (key, token) = (self.key, self.token.clone());
        let put = PutRequest {
            key,
            values: Values::new(values),
            created: None,
            token: (&token[..]).into(),
        };
        self.request(Request::Put(put), parts);
    }

    fn value(&mut self, len: usize) -> Value {
        let id = ValueId(self.next());
        wire::pack(&Draft::new(vec![7; len]), id)
    }

    fn request(&mut self, request: Request<'_>, parts: usize) {
        let sender = self.id();
        let tid = Tid(self.next() as u32);
        self.send(tid, Payload::Request { sender, request }, parts);
    }

    fn send(&mut self, tid: Tid, payload: Payload<'_>, parts: usize) {
        let message = Message {
            tid,
            network: 0,
            client: true,
            agent: None,
            payload,
        };
        let datagrams = wire::encode(&message);
        let (head, rest) = (datagrams.head, datagrams.parts);
        for bytes in [head].into_iter().chain(rest.into_iter().take(parts)) {
            // What the system has no room for is lost, as on any path.
            self.sent += u64::from(self.socket.send_to(&bytes, self.victim).is_ok());
        }
    }

    /// Returns another node id each time.
    fn id(&mut self) -> InfoHash {
        InfoHash::of(&self.next().to_be_bytes())
    }

    fn next(&mut self) -> u64 {
        self.count += 1;
        self.count
    }
}
