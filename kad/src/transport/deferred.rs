//! [`DeferredReplies`]: answers too large for an address that has proved nothing, kept until it answers a ping.
//!
//! Who forges a source address so makes us send the forged one at most a ping, not the answer.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::Timestamp;

/// How long an answer is kept.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Answers waiting for their address to prove itself.
#[derive(Debug)]
pub struct DeferredReplies {
    answers: BTreeMap<SocketAddr, Answer>,
    /// By age; those released already are passed over.
    order: VecDeque<(Timestamp, SocketAddr)>,
    bytes: usize,
    limit: usize,
    max_bytes: usize,
}

#[derive(Debug)]
struct Answer {
    datagrams: Vec<Bytes>,
    until: Timestamp,
}

impl DeferredReplies {
    /// At most `limit` answers of `max_bytes` in all, one to an address.
    pub fn new(limit: usize, max_bytes: usize) -> Self {
        Self {
            answers: BTreeMap::new(),
            order: VecDeque::new(),
            bytes: 0,
            limit,
            max_bytes,
        }
    }

    /// Keeps an answer; `false` if there is no room, or one waits already for this address.
    pub fn defer(&mut self, now: Timestamp, to: SocketAddr, datagrams: Vec<Bytes>) -> bool {
        let size = size(&datagrams);
        if self.answers.len() >= self.limit
            || self.bytes + size > self.max_bytes
            || self.answers.contains_key(&to)
        {
            return false;
        }
        self.bytes += size;
        let until = now + TIMEOUT;
        self.order.push_back((until, to));
        self.answers.insert(to, Answer { datagrams, until });
        true
    }

    /// The answer for an address that has proved itself.
    pub fn release(&mut self, to: &SocketAddr) -> Vec<Bytes> {
        let datagrams = self
            .answers
            .remove(to)
            .map_or_else(Vec::new, |answer| answer.datagrams);
        self.bytes -= size(&datagrams);
        datagrams
    }

    /// Forgets what has waited too long.
    pub fn expire(&mut self, now: Timestamp) {
        while let Some(&(until, to)) = self.order.front().filter(|(until, _)| *until <= now) {
            self.order.pop_front();
            if self
                .answers
                .get(&to)
                .is_some_and(|answer| answer.until == until)
            {
                self.release(&to);
            }
        }
    }

    /// Returns when [`DeferredReplies::expire`] has something to do.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.order.front().map(|(until, _)| *until)
    }
}

fn size(datagrams: &[Bytes]) -> usize {
    datagrams.iter().map(Bytes::len).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_BYTES: usize = 8 << 20;

    #[test]
    fn an_answer_is_released_once_and_only_in_time() {
        let mut held = DeferredReplies::new(2, MAX_BYTES);
        assert!(held.defer(Timestamp::ZERO, peer(1), vec![Bytes::from_static(b"a")]));
        assert!(!held.defer(Timestamp::ZERO, peer(1), vec![Bytes::from_static(b"b")]));
        assert_eq!(held.release(&peer(1)), [Bytes::from_static(b"a")]);
        assert!(held.release(&peer(1)).is_empty());
        assert!(held.defer(Timestamp::ZERO, peer(1), vec![Bytes::from_static(b"c")]));
        held.expire(Timestamp::ZERO + TIMEOUT);
        assert!(held.release(&peer(1)).is_empty());
    }

    #[test]
    fn room_is_bounded_in_answers_and_bytes() {
        let mut held = DeferredReplies::new(2, MAX_BYTES);
        assert!(held.defer(
            Timestamp::ZERO,
            peer(1),
            vec![Bytes::from(vec![0; MAX_BYTES])]
        ));
        assert!(!held.defer(Timestamp::ZERO, peer(2), vec![Bytes::from_static(b"x")]));
        assert_eq!(held.release(&peer(1)).len(), 1);
        assert!(held.defer(Timestamp::ZERO, peer(2), Vec::new()));
        assert!(held.defer(Timestamp::ZERO, peer(3), Vec::new()));
        assert!(!held.defer(Timestamp::ZERO, peer(4), Vec::new()));
    }

    fn peer(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }
}
