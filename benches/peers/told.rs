//! Puts told to many listeners, and bursts.

use std::io::Result;
use std::thread;
use std::time::Instant;

use bulla::wire::{ListenRequest, PutRequest, Request, SocketId, Values};
use bulla::{InfoHash, Query};

use crate::field::{Course, Field};
use crate::load::Tally;
use crate::peer::{Heard, Peer, TIMEOUT, ask};
use crate::workload::{near, value};

/// Listeners on the key, in all.
const LISTENERS: usize = 1_000;
/// Requests of a burst.
pub(crate) const BURST: usize = 1_024;
/// Number of the first value put; the listeners know values by it.
const FIRST: u64 = 1 << 40;

/// Puts so many values, each when all listeners have been told of the one before, or will not be.
pub(crate) fn tell(field: &mut Field, puts: u64) -> Result<Course> {
    let key = near(field.node_id, "told");
    let tokens = field.tokens()?;
    subscribe(field, key, &tokens)?;
    let putter = &mut field.peers[0];
    let mut ready = Vec::new();
    for number in 0..puts {
        let value = value(FIRST + number, 64);
        let tid = putter.take_tids(1);
        let request = Request::Put(PutRequest {
            key,
            values: Values::new(std::slice::from_ref(&value)),
            created: None,
            token: (&tokens[0][..]).into(),
        });
        ready.push((value.id().0, putter.encode(tid, request)));
    }
    field.watch(|field| {
        let begin = Instant::now();
        let mut tally = Tally::default();
        for (id, put) in &ready {
            tell_one(&mut field.peers, *id, put, &mut tally)?;
        }
        tally.elapsed = begin.elapsed();
        Ok(tally)
    })
}

/// Puts a value and waits until all listeners have been told of it.
fn tell_one(peers: &mut [Peer], id: u64, put: &[Vec<u8>], tally: &mut Tally) -> Result<()> {
    let begin = Instant::now();
    let mut told = vec![false; LISTENERS];
    let mut missing = LISTENERS;
    for datagram in put {
        peers[0].send(&[datagram])?;
    }
    while missing > 0 && begin.elapsed() < TIMEOUT {
        for peer in &mut *peers {
            while let Some(heard) = peer.hear()? {
                if let Heard::Request(Some((listener, value))) = heard
                    && value == id
                    && let Some(told) = told.get_mut(listener as usize)
                    && !std::mem::replace(told, true)
                {
                    missing -= 1;
                    tally.delays.push(begin.elapsed());
                }
            }
        }
        thread::yield_now();
    }
    tally.lost += missing;
    Ok(())
}

/// How many of a burst of pings are not answered if they come while the node has no processor.
pub(crate) fn burst(field: &mut Field) -> Result<usize> {
    let Field { node, peers, .. } = field;
    let peer = &mut peers[0];
    let first = peer.take_tids(BURST);
    let pings: Vec<_> = (0..BURST as u32)
        .flat_map(|number| peer.encode(first + number, Request::Ping))
        .collect();
    node.halt(true)?;
    let sent = pings.iter().try_for_each(|ping| peer.send(&[ping]));
    node.halt(false)?;
    sent?;
    let begin = Instant::now();
    let mut answered = 0;
    while answered < BURST && begin.elapsed() < TIMEOUT {
        match peer.hear()? {
            Some(heard) => answered += usize::from(matches!(heard, Heard::Answer { .. })),
            None => thread::yield_now(),
        }
    }
    Ok(BURST - answered)
}

fn subscribe(field: &mut Field, key: InfoHash, tokens: &[Vec<u8>]) -> Result<()> {
    for socket in 0..LISTENERS {
        let index = socket % field.peers.len();
        let request = Request::Listen(ListenRequest {
            key,
            version: 1,
            socket: SocketId(socket as u32),
            query: Query::default(),
            token: (&tokens[index][..]).into(),
        });
        ask(&mut field.peers, index, request)?;
    }
    Ok(())
}
