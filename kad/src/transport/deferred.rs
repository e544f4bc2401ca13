//! [`DeferredRequests`]: requests whose reply is too large for an address that is not validated,
//! kept until it answers a ping.
//!
//! So a forged source address makes us send its owner a ping at most, not the reply; and what it
//! makes us keep is as small as what it sent. When there is no room, the source that has most loses
//! a request, in the network that has most.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::TransportConfig;
use crate::{Shares, Source, Timestamp};

/// How long a request is kept.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Requests kept for one address.
const MAX_PER_ADDRESS: usize = 128;

/// Requests waiting for their address to be validated.
#[derive(Debug)]
pub(super) struct DeferredRequests {
    /// Of each address, oldest first.
    requests: BTreeMap<SocketAddr, Vec<Deferred>>,
    /// By age; those released already are passed over.
    order: VecDeque<(Timestamp, SocketAddr)>,
    /// How many each source has.
    shares: Shares,
    count: usize,
    bytes: usize,
    max_requests: usize,
    max_bytes: usize,
}

#[derive(Debug)]
struct Deferred {
    request: Bytes,
    until: Timestamp,
}

impl DeferredRequests {
    /// Begins without any request, within the bounds of `config`.
    pub(super) fn new(config: &TransportConfig) -> Self {
        Self {
            requests: BTreeMap::new(),
            order: VecDeque::new(),
            shares: Shares::default(),
            count: 0,
            bytes: 0,
            max_requests: config.max_deferred_requests,
            max_bytes: config.max_deferred_bytes,
        }
    }

    /// Keeps a request, and reports whether it does: not if there is no room, or the same one waits
    /// already for this address.
    pub(super) fn defer(&mut self, now: Timestamp, to: SocketAddr, request: &[u8]) -> bool {
        let waiting = self.requests.get(&to).map_or(&[][..], Vec::as_slice);
        if request.len() > self.max_bytes
            || waiting.len() >= MAX_PER_ADDRESS
            || waiting.iter().any(|it| it.request == request)
        {
            return false;
        }
        let source = Source::of(to.ip());
        while self.count >= self.max_requests || self.bytes + request.len() > self.max_bytes {
            let loser = self.shares.heaviest_with(source, 1);
            if loser == source || !self.drop_one_of(loser) {
                return false;
            }
        }
        self.shares.add(source, 1);
        self.count += 1;
        self.bytes += request.len();
        let until = now + TIMEOUT;
        self.order.push_back((until, to));
        let request = Bytes::copy_from_slice(request);
        let waiting = self.requests.entry(to).or_default();
        waiting.push(Deferred { request, until });
        true
    }

    /// Takes the requests of an address that has just been validated.
    pub(super) fn release(&mut self, to: &SocketAddr) -> Vec<Bytes> {
        let requests = self.requests.remove(to).unwrap_or_default();
        let requests: Vec<_> = requests.into_iter().map(|it| it.request).collect();
        self.shares.remove(Source::of(to.ip()), requests.len());
        self.count -= requests.len();
        self.bytes -= requests.iter().map(Bytes::len).sum::<usize>();
        requests
    }

    /// Forgets what has waited too long.
    pub(super) fn expire(&mut self, now: Timestamp) {
        while let Some(&(_, to)) = self.order.front().filter(|(until, _)| *until <= now) {
            self.order.pop_front();
            let Some(waiting) = self.requests.get_mut(&to) else {
                continue;
            };
            let (count, bytes) = (&mut self.count, &mut self.bytes);
            let before = waiting.len();
            waiting.retain(|it| {
                let is_kept = it.until > now;
                *count -= usize::from(!is_kept);
                *bytes -= if is_kept { 0 } else { it.request.len() };
                is_kept
            });
            let gone = before - waiting.len();
            self.shares.remove(Source::of(to.ip()), gone);
            if waiting.is_empty() {
                self.requests.remove(&to);
            }
        }
    }

    /// Forgets the oldest request of an address of a source. Reports whether there was one.
    fn drop_one_of(&mut self, source: Source) -> bool {
        let from = SocketAddr::new(source.into(), 0);
        let Some((&to, waiting)) = self.requests.range_mut(from..).next() else {
            return false;
        };
        let gone = waiting.remove(0);
        if waiting.is_empty() {
            self.requests.remove(&to);
        }
        self.count -= 1;
        self.bytes -= gone.request.len();
        self.shares.remove(Source::of(to.ip()), 1);
        true
    }

    /// Returns when [`DeferredRequests::expire`] has something to do.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.order.front().map(|(until, _)| *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const START: Timestamp = Timestamp::ZERO;

    #[test]
    fn requests_are_released_together_once_and_only_in_time() {
        let mut deferred = deferred(9);
        assert!(deferred.defer(START, peer(1), b"a"));
        assert!(deferred.defer(START, peer(1), b"b"));
        assert!(!deferred.defer(START, peer(1), b"a"), "it waits already");
        assert_eq!(deferred.release(&peer(1)), ["a", "b"]);
        assert!(deferred.release(&peer(1)).is_empty());
        assert!(deferred.defer(START, peer(1), b"c"));
        deferred.expire(START + TIMEOUT);
        assert!(deferred.release(&peer(1)).is_empty());
        assert_eq!(deferred.next_deadline(), None);
    }

    #[test]
    fn each_request_is_kept_for_its_own_time() {
        let mut deferred = deferred(9);
        assert_eq!(deferred.next_deadline(), None);
        assert!(deferred.defer(START, peer(1), b"first"));
        assert!(deferred.defer(START + MS, peer(1), b"second"));
        assert!(deferred.defer(START + MS * 2, peer(2), b"other"));
        assert_eq!(deferred.next_deadline(), Some(START + TIMEOUT));
        deferred.expire(START + TIMEOUT);
        assert_eq!(deferred.next_deadline(), Some(START + MS + TIMEOUT));
        assert_eq!(deferred.release(&peer(1)), ["second"]);
        deferred.expire(START + MS + TIMEOUT);
        assert_eq!(deferred.release(&peer(2)), ["other"]);
    }

    #[test]
    fn room_is_bounded_in_requests_and_bytes() {
        let mut deferred = deferred(2);
        assert!(deferred.defer(START, peer(1), &[0; 60]));
        assert!(!deferred.defer(START, peer(2), &[0; 41]));
        assert!(deferred.defer(START, peer(2), &[0; 40]));
        assert_eq!(deferred.shares.of(Source::of(peer(1).ip())), 2);
        assert!(!deferred.defer(START, peer(3), b""), "no third one");
        assert_eq!(deferred.release(&peer(1)).len(), 1);
        assert!(!deferred.defer(START, peer(3), &[0; 61]));
        assert!(deferred.defer(START, peer(3), &[0; 60]));
    }

    #[test]
    fn room_is_bounded_for_each_address() {
        let mut deferred = DeferredRequests::new(&TransportConfig::default());
        for number in 0..MAX_PER_ADDRESS {
            assert!(deferred.defer(START, peer(1), &number.to_be_bytes()));
        }
        assert!(!deferred.defer(START, peer(1), b"one more"));
        assert!(deferred.defer(START, peer(2), b"another"));
    }

    #[test]
    fn a_source_that_has_many_gives_way_to_others() {
        let mut deferred = deferred(8);
        let from = |ip: [u8; 4], port: u16| SocketAddr::from((ip, port));
        for port in 0..6 {
            assert!(deferred.defer(START, from([192, 0, 2, 1], port), b"a"));
        }
        assert!(deferred.defer(START, from([198, 51, 100, 1], 1), b"a"));
        assert!(deferred.defer(START, from([198, 51, 100, 2], 1), b"a"));
        assert!(!deferred.defer(START, from([192, 0, 2, 1], 9), b"a"));
        for host in 1..=4 {
            assert!(deferred.defer(START, from([203, 0, 113, host], 1), b"a"));
        }
        // The last of these found both networks with three.
        assert_eq!(deferred.shares.of(Source::of([192, 0, 2, 1].into())), 3);
        assert!(deferred.defer(START, from([10, 0, 0, 1], 1), b"a"));
        assert_eq!(deferred.release(&from([198, 51, 100, 1], 1)), ["a"]);
        deferred.expire(START + TIMEOUT);
        assert!(deferred.shares.is_empty() && deferred.requests.is_empty());
        assert_eq!((deferred.count, deferred.bytes), (0, 0));
    }

    #[test]
    fn what_has_expired_makes_room() {
        let mut deferred = deferred(2);
        assert!(deferred.defer(START, peer(1), &[0; 100]));
        assert!(!deferred.defer(START, peer(2), b"x"));
        deferred.expire(START + TIMEOUT);
        assert!(deferred.defer(START + TIMEOUT, peer(2), &[0; 100]));
    }

    fn deferred(max_deferred_requests: usize) -> DeferredRequests {
        DeferredRequests::new(&TransportConfig {
            max_deferred_requests,
            max_deferred_bytes: 100,
            ..TransportConfig::default()
        })
    }

    fn peer(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }
}
