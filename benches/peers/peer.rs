//! [`Peer`]: an address of ours that behaves as a node does: it answers what it is asked, and takes
//! tokens before it puts.

use std::io::{Error, ErrorKind, Result};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use bulla::InfoHash;
use bulla::wire::{self, Item, Message, Payload, Reply, Request, Tid, UpdateRequest};

use crate::line::Line;

/// How often something is asked that must be known before requests are made.
const ATTEMPTS: usize = 3;
/// How long the node may be silent before what was asked counts as lost.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(1);

/// A source of requests.
pub(crate) struct Peer {
    pub(crate) id: InfoHash,
    line: Line,
    /// Where the node is.
    node: Option<IpAddr>,
    next_tid: u32,
    /// When that came which was heard last, if it is known.
    pub(crate) came_at: Option<SystemTime>,
}

/// What the node sent.
pub(crate) enum Heard {
    /// An answer, with so many bytes of values to follow.
    Answer {
        tid: Tid,
        answer: Answer,
        follow: usize,
    },
    /// So many bytes of values.
    Parts { tid: Tid, bytes: usize },
    /// A refusal.
    Refusal(Tid),
    /// A request, which has been answered; of an update with values the listener's number and the
    /// first value's id.
    Request(Option<(u32, u64)>),
}

/// What an answer says that the peers need to know.
pub(crate) struct Answer {
    pub(crate) sender: InfoHash,
    /// Empty if it gives none.
    pub(crate) token: Vec<u8>,
    /// How many nodes it names.
    pub(crate) nodes: usize,
}

impl Peer {
    /// The `number`th address of ours.
    pub(crate) fn bind(number: u8) -> Result<Self> {
        Ok(Self {
            id: InfoHash::of(&[number]),
            line: Line::bind(Ipv4Addr::new(127, 0, 1, number + 1))?,
            node: None,
            next_tid: 1 << 24,
            came_at: None,
        })
    }

    /// Has the system say from now on when each datagram came.
    pub(crate) fn stamp(&mut self) -> Result<()> {
        self.line.stamp()
    }

    pub(crate) fn addr(&self) -> Result<SocketAddr> {
        self.line.addr()
    }

    /// Talks to this node only.
    pub(crate) fn connect(&mut self, node: SocketAddr) -> Result<()> {
        self.node = Some(node.ip());
        self.line.connect(node)
    }

    /// Numbers for so many requests; the first is returned, the others follow.
    pub(crate) fn take_tids(&mut self, count: usize) -> u32 {
        let first = self.next_tid;
        self.next_tid += count as u32;
        first
    }

    /// A request as it is sent.
    pub(crate) fn encode(&self, tid: u32, request: Request<'_>) -> Vec<Vec<u8>> {
        let sender = self.id;
        let payload = Payload::Request { sender, request };
        let datagrams = wire::encode(&message(Tid(tid), payload));
        datagrams.into_iter().map(Vec::from).collect()
    }

    /// Sends datagrams.
    pub(crate) fn send(&self, datagrams: &[&[u8]]) -> Result<()> {
        self.line.send(datagrams)
    }

    /// Takes the next datagram of the node, and answers it if it is a request; `None` if there is
    /// none.
    pub(crate) fn hear(&mut self) -> Result<Option<Heard>> {
        let Some((datagram, came_at)) = self.line.take()? else {
            return Ok(None);
        };
        self.came_at = came_at;
        let message = wire::decode(datagram).map_err(Error::other)?;
        let tid = message.tid;
        let heard = match message.payload {
            Payload::Reply { sender, reply } => Heard::Answer {
                tid,
                answer: Answer {
                    sender,
                    token: reply.token.unwrap_or_default().into_owned(),
                    nodes: reply.nodes4.iter().count(),
                },
                follow: reply.values.map_or(0, |values| announced(values.iter())),
            },
            Payload::Parts(parts) => Heard::Parts {
                tid,
                bytes: parts.iter().map(|part| part.data.len()).sum(),
            },
            Payload::Error { .. } => Heard::Refusal(tid),
            Payload::Notice { .. } => Heard::Request(None),
            Payload::Request { request, .. } => {
                let heard = Heard::Request(told(&request));
                let answer = answer(self.id, self.node, tid, &request);
                self.send(&[&answer])?;
                heard
            }
        };
        Ok(Some(heard))
    }
}

/// Of an update with values, the listener's number and the first value's id.
fn told(request: &Request<'_>) -> Option<(u32, u64)> {
    let Request::Update(UpdateRequest { socket, values, .. }) = request else {
        return None;
    };
    let first = values.iter().find_map(Item::into_value)?;
    Some((socket.0, first.id().0))
}

/// What a peer answers to the node; nodes that give no token are shunned.
fn answer(
    sender: InfoHash,
    observed: Option<IpAddr>,
    tid: Tid,
    request: &Request<'_>,
) -> Box<[u8]> {
    let token = matches!(request, Request::Find(_) | Request::Get(_));
    let reply = Reply {
        observed,
        token: token.then(|| (&b"token"[..]).into()),
        ..Reply::default()
    };
    let payload = Payload::Reply { sender, reply };
    wire::encode(&message(tid, payload)).head.to_vec().into()
}

/// Makes a request from one of the peers, again if need be, and waits for the answer. All of them
/// answer the node meanwhile.
pub(crate) fn ask(peers: &mut [Peer], index: usize, request: Request<'_>) -> Result<Answer> {
    let asked = peers[index].take_tids(1);
    let datagrams = peers[index].encode(asked, request);
    for _ in 0..ATTEMPTS {
        for datagram in &datagrams {
            peers[index].send(&[datagram])?;
        }
        if let Some(answer) = hear_answer(peers, index, asked)? {
            return Ok(answer);
        }
    }
    Err(Error::new(ErrorKind::TimedOut, "the node does not answer"))
}

/// Waits for the answer to what a peer asked.
fn hear_answer(peers: &mut [Peer], index: usize, asked: u32) -> Result<Option<Answer>> {
    let begin = Instant::now();
    while begin.elapsed() < TIMEOUT {
        for (number, peer) in peers.iter_mut().enumerate() {
            while let Some(heard) = peer.hear()? {
                match heard {
                    _ if number != index => {}
                    Heard::Answer { tid, answer, .. } if tid.0 == asked => return Ok(Some(answer)),
                    Heard::Refusal(tid) if tid.0 == asked => {
                        return Err(Error::other("the node refuses a request"));
                    }
                    _ => {}
                }
            }
        }
        thread::sleep(Duration::from_micros(20));
    }
    Ok(None)
}

fn message(tid: Tid, payload: Payload<'_>) -> Message<'_> {
    Message {
        tid,
        network: 0,
        client: false,
        agent: Some("bench"),
        payload,
    }
}

fn announced(items: impl Iterator<Item = Item>) -> usize {
    items
        .map(|item| match item {
            Item::Announced(bytes) => bytes as usize,
            Item::Embedded(_) | Item::Unusable => 0,
        })
        .sum()
}
