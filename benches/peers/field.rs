//! [`Field`]: one node and the peers around it.

use std::io::{Error, Result};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bulla::InfoHash;
use bulla::wire::{FindRequest, Request};

use crate::load::{self, Batch, Pace, Rest, Tally};
use crate::node::Node;
use crate::peer::{Peer, ask};

/// Nodes that a node names when asked for those near a key.
const NAMED: usize = 8;
/// How long a node may take to get to know the peers.
const ACQUAINTANCE: Duration = Duration::from_secs(20);

/// A node, and peers that it knows.
pub(crate) struct Field {
    pub(crate) node: Node,
    pub(crate) node_id: InfoHash,
    pub(crate) peers: Vec<Peer>,
    serial: usize,
    /// Whether the node and the peers share a core.
    is_shared: bool,
}

/// What a load did to a node.
pub(crate) struct Course {
    pub(crate) tally: Tally,
    pub(crate) cpu: Duration,
    /// How much the node's memory has grown, in bytes.
    pub(crate) growth: i64,
}

impl Course {
    /// The CPU time for each reply.
    pub(crate) fn cpu_each(&self) -> Duration {
        self.cpu / self.tally.replies().max(1) as u32
    }

    /// How much the memory has grown for each reply, in bytes.
    pub(crate) fn growth_each(&self) -> f64 {
        self.growth as f64 / self.tally.replies().max(1) as f64
    }
}

impl Field {
    /// Has a node started among so many peers, and waits until it knows enough of them.
    pub(crate) fn open(
        peers: u8,
        is_shared: bool,
        start: impl FnOnce(&[SocketAddr]) -> Result<Node>,
    ) -> Result<Self> {
        let mut peers: Vec<_> = (0..peers).map(Peer::bind).collect::<Result<_>>()?;
        let addresses: Vec<_> = peers.iter().map(Peer::addr).collect::<Result<_>>()?;
        let node = start(&addresses)?;
        for peer in &mut peers {
            peer.connect(node.addr)?;
        }
        let target = InfoHash::of(b"anything");
        let end = Instant::now() + ACQUAINTANCE;
        let (mut node_id, mut known) = (InfoHash::ZERO, 0);
        while known < NAMED.min(peers.len()) {
            if Instant::now() > end {
                return Err(Error::other(format!("the node names {known} peers only")));
            }
            for index in 0..peers.len() {
                // It may not listen yet.
                if let Ok(answer) = ask(
                    &mut peers,
                    index,
                    Request::Find(FindRequest { target, want: None }),
                ) {
                    (node_id, known) = (answer.sender, answer.nodes);
                }
            }
        }
        Ok(Self {
            node,
            node_id,
            peers,
            serial: 0,
            is_shared,
        })
    }

    /// A write token for each peer. They answer meanwhile what the node has asked them.
    pub(crate) fn tokens(&mut self) -> Result<Vec<Vec<u8>>> {
        let target = InfoHash::of(b"anything");
        let indices = 0..self.peers.len();
        let mut find = |index| {
            ask(
                &mut self.peers,
                index,
                Request::Find(FindRequest { target, want: None }),
            )
        };
        indices.map(|index| Ok(find(index)?.token)).collect()
    }

    /// So many numbers that nothing else of this node has; the first of them.
    pub(crate) fn take_serial(&mut self, count: usize) -> usize {
        let first = self.serial;
        self.serial += count;
        first
    }

    /// Sends requests and watches the node.
    pub(crate) fn load(&mut self, batches: &[Batch], pace: Pace) -> Result<Course> {
        let rest = if self.is_shared {
            Rest::Sleep
        } else {
            Rest::Yield
        };
        if let Pace::Rate(_) = pace {
            self.peers.iter_mut().try_for_each(Peer::stamp)?;
        }
        self.watch(|field| load::run(&mut field.peers, batches, pace, rest))
    }

    /// Watches the node while something is done to it.
    pub(crate) fn watch(&mut self, act: impl FnOnce(&mut Self) -> Result<Tally>) -> Result<Course> {
        let (memory, cpu) = (self.node.memory()?, self.node.cpu()?);
        let tally = act(self)?;
        // What it still does about it is part of the price.
        std::thread::sleep(Duration::from_millis(50));
        Ok(Course {
            tally,
            cpu: self.node.cpu()?.saturating_sub(cpu),
            growth: self.node.memory()? as i64 - memory as i64,
        })
    }
}
