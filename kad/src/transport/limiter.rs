//! [`Limiter`]: how many requests are let in, of all and of one source (`docs/spec/wire.md#15.1`).

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use super::TransportConfig;
use crate::{Source, Timestamp};

/// Lets requests in as long as fewer than the limit were let in during the second before.
///
/// Remembers each request let in for a second, at about 50 bytes each; the total limit bounds them,
/// or 65,536 if there is none. Without any limit nothing is remembered. What was refused leaves no
/// trace. A decision takes constant time on average.
#[derive(Debug)]
pub(super) struct Limiter {
    total: usize,
    per_source: usize,
    /// Those let in during the last second, oldest first.
    admitted: VecDeque<(Timestamp, Source)>,
    /// How many of them are of each source; never zero.
    by_source: HashMap<Source, usize>,
}

const WINDOW: Duration = Duration::from_secs(1);
/// Requests that memory is kept for when there was none during a second.
const KEPT_PLACES: usize = 32;
/// Requests remembered at most. Above this rate, without a total limit, a source's window is
/// shorter than a second.
const MEMORY: usize = 65_536;

impl Limiter {
    /// Begins with the limits [`TransportConfig::rate_limit_per_sec`] and
    /// [`TransportConfig::peer_rate_limit_per_sec`].
    pub(super) fn new(config: &TransportConfig) -> Self {
        let limit = |rate: Option<u32>| rate.map_or(usize::MAX, |rate| rate as usize);
        Self {
            total: limit(config.rate_limit_per_sec),
            per_source: limit(config.peer_rate_limit_per_sec),
            admitted: VecDeque::new(),
            by_source: HashMap::new(),
        }
    }

    /// Decides whether a request that arrives from `ip` is let in; if so it counts. `now` should
    /// not run backwards.
    pub(super) fn allow(&mut self, now: Timestamp, ip: IpAddr) -> bool {
        if self.total == usize::MAX && self.per_source == usize::MAX {
            return true;
        }
        while self
            .admitted
            .front()
            .is_some_and(|(at, _)| now.since(*at) >= WINDOW)
        {
            self.forget_oldest();
        }
        if self.admitted.is_empty() && self.admitted.capacity() > KEPT_PLACES {
            self.admitted = VecDeque::new();
            self.by_source = HashMap::new();
        }
        let source = Source::of(ip);
        let admitted = self.by_source.get(&source).copied().unwrap_or(0);
        if self.admitted.len() >= self.total || admitted >= self.per_source {
            return false;
        }
        if self.admitted.len() >= MEMORY {
            self.forget_oldest();
        }
        self.admitted.push_back((now, source));
        *self.by_source.entry(source).or_default() += 1;
        true
    }

    fn forget_oldest(&mut self) {
        if let Some((_, source)) = self.admitted.pop_front()
            && let Entry::Occupied(mut count) = self.by_source.entry(source)
        {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limiter(total: Option<u32>, per_source: Option<u32>) -> Limiter {
        Limiter::new(&TransportConfig {
            rate_limit_per_sec: total,
            peer_rate_limit_per_sec: per_source,
            ..TransportConfig::default()
        })
    }

    fn millis(millis: u64) -> Timestamp {
        Timestamp::ZERO + Duration::from_millis(millis)
    }

    fn host(number: u8) -> IpAddr {
        [192, 0, 2, number].into()
    }

    proptest! {
        #[test]
        fn no_second_lets_in_more_than_the_limits(
            requests in prop::collection::vec((0..400u64, 0..4u8), 0..200),
            total in 1..12u32,
            per_source in 1..6u32,
        ) {
            let mut limiter = limiter(Some(total), Some(per_source));
            let mut now = Timestamp::ZERO;
            let mut admitted: Vec<(Timestamp, u8)> = Vec::new();
            for (wait, number) in requests {
                now = now + Duration::from_millis(wait);
                let recent = || admitted.iter().filter(|(at, _)| now.since(*at) < WINDOW);
                let fits = recent().count() < total as usize
                    && recent().filter(|(_, other)| *other == number).count() < per_source as usize;
                prop_assert_eq!(limiter.allow(now, host(number)), fits);
                if fits {
                    admitted.push((now, number));
                }
            }
        }
    }

    #[test]
    fn the_refused_do_not_count() {
        let mut limiter = limiter(Some(2), None);
        assert!(limiter.allow(millis(0), host(1)));
        assert!(limiter.allow(millis(500), host(1)));
        assert!(!limiter.allow(millis(999), host(2)));
        assert!(limiter.allow(millis(1_000), host(2)));
        assert!(!limiter.allow(millis(1_001), host(2)));
    }

    #[test]
    fn addresses_of_one_ipv6_network_share_their_limit() {
        let mut limiter = limiter(None, Some(1));
        assert!(limiter.allow(millis(0), "2001:db8::1".parse().unwrap()));
        assert!(!limiter.allow(millis(0), "2001:db8::2".parse().unwrap()));
        assert!(limiter.allow(millis(0), "2001:db8:0:1::1".parse().unwrap()));
    }

    #[test]
    fn memory_is_bounded_even_without_a_total_limit() {
        let mut limiter = limiter(None, Some(1));
        for number in 0..100_000u32 {
            assert!(limiter.allow(millis(0), number.to_be_bytes().into()));
        }
        assert_eq!(limiter.admitted.len(), MEMORY);
        assert_eq!(limiter.by_source.len(), MEMORY);
        assert!(limiter.allow(millis(1_000), host(1)));
        assert_eq!(limiter.by_source.len(), 1);
        assert!(
            limiter.admitted.capacity() <= KEPT_PLACES,
            "it was given back"
        );
    }

    #[test]
    fn without_limits_nothing_is_refused_nor_remembered() {
        let mut limiter = limiter(None, None);
        assert!((0..100).all(|_| limiter.allow(millis(0), host(1))));
        assert!(limiter.admitted.is_empty());
    }
}
