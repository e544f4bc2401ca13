//! [`DeferredReplies`]: replies too large for an address that is not validated, kept until it
//! answers a ping.
//!
//! So a forged source address makes us send its owner a ping at most, not the reply.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::TransportConfig;
use crate::Timestamp;

/// How long a reply is kept.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Replies waiting for their address to be validated, one for each address.
#[derive(Debug)]
pub(super) struct DeferredReplies {
    replies: BTreeMap<SocketAddr, Deferred>,
    /// By age; those released already are passed over.
    order: VecDeque<(Timestamp, SocketAddr)>,
    bytes: usize,
    max_replies: usize,
    max_bytes: usize,
}

#[derive(Debug)]
struct Deferred {
    datagrams: Vec<Bytes>,
    until: Timestamp,
}

impl DeferredReplies {
    /// Begins without any reply, within the bounds of `config`.
    pub(super) fn new(config: &TransportConfig) -> Self {
        Self {
            replies: BTreeMap::new(),
            order: VecDeque::new(),
            bytes: 0,
            max_replies: config.max_deferred_replies,
            max_bytes: config.max_deferred_bytes,
        }
    }

    /// Keeps a reply, and reports whether it does: not if there is no room, or one waits already
    /// for this address.
    pub(super) fn defer(&mut self, now: Timestamp, to: SocketAddr, datagrams: Vec<Bytes>) -> bool {
        let size = size(&datagrams);
        if self.replies.len() >= self.max_replies
            || self.bytes + size > self.max_bytes
            || self.replies.contains_key(&to)
        {
            return false;
        }
        self.bytes += size;
        let until = now + TIMEOUT;
        self.order.push_back((until, to));
        self.replies.insert(to, Deferred { datagrams, until });
        true
    }

    /// Takes the reply for an address that has just been validated.
    pub(super) fn release(&mut self, to: &SocketAddr) -> Vec<Bytes> {
        let datagrams = self
            .replies
            .remove(to)
            .map_or_else(Vec::new, |reply| reply.datagrams);
        self.bytes -= size(&datagrams);
        datagrams
    }

    /// Forgets what has waited too long.
    pub(super) fn expire(&mut self, now: Timestamp) {
        while let Some(&(until, to)) = self.order.front().filter(|(until, _)| *until <= now) {
            self.order.pop_front();
            if self
                .replies
                .get(&to)
                .is_some_and(|reply| reply.until == until)
            {
                self.release(&to);
            }
        }
    }

    /// Returns when [`DeferredReplies::expire`] has something to do.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.order.front().map(|(until, _)| *until)
    }
}

fn size(datagrams: &[Bytes]) -> usize {
    datagrams.iter().map(Bytes::len).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const START: Timestamp = Timestamp::ZERO;

    #[test]
    fn a_reply_is_released_once_and_only_in_time() {
        let mut deferred = deferred();
        assert!(deferred.defer(START, peer(1), reply(b"a")));
        assert!(!deferred.defer(START, peer(1), reply(b"b")));
        assert_eq!(deferred.release(&peer(1)), ["a"]);
        assert!(deferred.release(&peer(1)).is_empty());
        assert!(deferred.defer(START, peer(1), reply(b"c")));
        deferred.expire(START + TIMEOUT);
        assert!(deferred.release(&peer(1)).is_empty());
        assert_eq!(deferred.next_deadline(), None);
    }

    #[test]
    fn each_reply_is_kept_for_its_own_time() {
        let mut deferred = deferred();
        assert_eq!(deferred.next_deadline(), None);
        assert!(deferred.defer(START, peer(1), reply(b"first")));
        assert_eq!(deferred.release(&peer(1)), ["first"]);
        assert!(deferred.defer(START + MS, peer(1), reply(b"second")));
        assert!(deferred.defer(START + MS * 2, peer(2), reply(b"other")));
        assert_eq!(deferred.next_deadline(), Some(START + TIMEOUT));
        // The time of the one that was released has passed, that of the next to this address has
        // not.
        deferred.expire(START + TIMEOUT);
        assert_eq!(deferred.next_deadline(), Some(START + MS + TIMEOUT));
        deferred.expire(START + MS + TIMEOUT);
        assert!(deferred.release(&peer(1)).is_empty());
        assert_eq!(deferred.release(&peer(2)), ["other"]);
    }

    #[test]
    fn room_is_bounded_in_replies_and_bytes() {
        let mut deferred = deferred();
        assert!(deferred.defer(START, peer(1), reply(&[0; 60])));
        assert!(!deferred.defer(START, peer(2), reply(&[0; 41])));
        assert!(deferred.defer(START, peer(2), reply(&[0; 40])));
        assert!(!deferred.defer(START, peer(3), Vec::new()), "no third one");
        assert_eq!(deferred.release(&peer(1)).len(), 1);
        assert!(!deferred.defer(START, peer(3), reply(&[0; 61])));
        assert!(deferred.defer(START, peer(3), reply(&[0; 60])));
    }

    #[test]
    fn what_has_expired_makes_room() {
        let mut deferred = deferred();
        assert!(deferred.defer(START, peer(1), reply(&[0; 100])));
        assert!(!deferred.defer(START, peer(2), reply(b"x")));
        deferred.expire(START + TIMEOUT);
        assert!(deferred.defer(START + TIMEOUT, peer(2), reply(&[0; 100])));
    }

    fn deferred() -> DeferredReplies {
        DeferredReplies::new(&TransportConfig {
            max_deferred_replies: 2,
            max_deferred_bytes: 100,
            ..TransportConfig::default()
        })
    }

    fn reply(bytes: &[u8]) -> Vec<Bytes> {
        vec![Bytes::copy_from_slice(bytes)]
    }

    fn peer(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }
}
