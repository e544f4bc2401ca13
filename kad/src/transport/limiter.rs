//! [`Limiter`]: how many requests are let in, of all and of one source (`docs/spec/wire.md#15.1`).

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use super::TransportConfig;
use crate::{Source, Timestamp};

/// Lets requests in as long as fewer than the limit were let in during the second before.
///
/// Half of the total is for validated addresses, so that forged ones cannot use it up. The last
/// quarter is for sources that have sent few, so that a few with much to ask leave something to
/// others.
///
/// Remembers each request let in for a second, at about 50 bytes each; the total limit bounds them,
/// or 65,536 if there is none. Without any limit nothing is remembered. What was refused leaves no
/// trace. A decision takes constant time on average.
#[derive(Debug)]
pub(super) struct Limiter {
    total: usize,
    per_source: usize,
    /// Those let in during the last second, oldest first.
    admitted: VecDeque<Admitted>,
    /// What they count for, and those of them whose addresses are not validated.
    used: usize,
    strangers: usize,
    /// What those of each source count for; never zero.
    by_source: HashMap<Source, usize>,
}

/// A request that was let in.
#[derive(Clone, Copy, Debug)]
struct Admitted {
    at: Timestamp,
    source: Source,
    weight: u32,
    is_stranger: bool,
}

const WINDOW: Duration = Duration::from_secs(1);
/// Requests that memory is kept for when there was none during a second.
const KEPT_PLACES: usize = 32;
/// Requests remembered at most. Above this rate, without a total limit, a source's window is
/// shorter than a second.
const MEMORY: usize = 65_536;
/// One in so many of all is what a source may have that has sent few.
const FEW: usize = 64;

impl Limiter {
    /// Begins with the limits [`TransportConfig::rate_limit_per_sec`] and
    /// [`TransportConfig::peer_rate_limit_per_sec`].
    pub(super) fn new(config: &TransportConfig) -> Self {
        let limit = |rate: Option<u32>| rate.map_or(usize::MAX, |rate| rate as usize);
        Self {
            total: limit(config.rate_limit_per_sec),
            per_source: limit(config.peer_rate_limit_per_sec),
            admitted: VecDeque::new(),
            used: 0,
            strangers: 0,
            by_source: HashMap::new(),
        }
    }

    /// Reports whether there is any limit.
    pub(super) fn is_limited(&self) -> bool {
        self.total < usize::MAX || self.per_source < usize::MAX
    }

    /// Decides whether a request that arrives from `ip` is let in; if so it counts. `now` should
    /// not run backwards.
    pub(super) fn allow(&mut self, now: Timestamp, ip: IpAddr, is_validated: bool) -> bool {
        if !self.is_limited() {
            return true;
        }
        self.forget_old(now);
        let source = Source::of(ip);
        let own = self.by_source.get(&source).copied().unwrap_or(0);
        let is_crowded = self.used >= self.total - self.total / 4;
        if self.used >= self.total
            || own >= self.per_source
            || (is_crowded && own >= (self.total / FEW).max(1))
            || (!is_validated && self.strangers >= self.total.div_ceil(2))
        {
            return false;
        }
        if self.admitted.len() >= MEMORY {
            self.forget_oldest();
        }
        self.add(Admitted {
            at: now,
            source,
            weight: 1,
            is_stranger: !is_validated,
        });
        true
    }

    /// Counts a request that was let in for so many more.
    pub(super) fn charge(&mut self, now: Timestamp, ip: IpAddr, count: usize) {
        if count > 0 && self.is_limited() {
            self.add(Admitted {
                at: now,
                source: Source::of(ip),
                weight: u32::try_from(count).unwrap_or(u32::MAX),
                is_stranger: false,
            });
        }
    }

    fn add(&mut self, admitted: Admitted) {
        let weight = admitted.weight as usize;
        self.used += weight;
        self.strangers += if admitted.is_stranger { weight } else { 0 };
        *self.by_source.entry(admitted.source).or_default() += weight;
        self.admitted.push_back(admitted);
    }

    fn forget_old(&mut self, now: Timestamp) {
        while (self.admitted.front()).is_some_and(|it| now.since(it.at) >= WINDOW) {
            self.forget_oldest();
        }
        if self.admitted.is_empty() && self.admitted.capacity() > KEPT_PLACES {
            self.admitted = VecDeque::new();
            self.by_source = HashMap::new();
        }
    }

    fn forget_oldest(&mut self) {
        let Some(oldest) = self.admitted.pop_front() else {
            return;
        };
        let weight = oldest.weight as usize;
        self.used -= weight;
        self.strangers -= if oldest.is_stranger { weight } else { 0 };
        if let Entry::Occupied(mut count) = self.by_source.entry(oldest.source) {
            *count.get_mut() -= weight;
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
                let (all, own) = (recent().count(), recent().filter(|it| it.1 == number).count());
                let fits = all < total as usize && own < per_source as usize;
                let is_crowded = all * 4 >= total as usize * 3;
                let is_allowed = limiter.allow(now, host(number), true);
                prop_assert!(fits || !is_allowed);
                prop_assert!(is_allowed || !fits || (is_crowded && own > 0));
                if is_allowed {
                    admitted.push((now, number));
                }
            }
        }
    }

    #[test]
    fn forged_addresses_use_up_half_and_a_few_busy_sources_leave_something_to_others() {
        let mut limiter = limiter(Some(8_192), Some(1_024));
        let stranger = |number: u32| IpAddr::from(number.to_be_bytes());
        let let_in = (0..82_000).filter(|it| limiter.allow(millis(0), stranger(*it), false));
        assert_eq!(let_in.count(), 4_096);
        assert!((0..60).all(|number| limiter.allow(millis(0), host(number), true)));
        let mut limiter = self::limiter(Some(8_192), Some(1_024));
        let busy = (0..16 * 1_024_u32).filter(|it| {
            let host = IpAddr::from([198, 51, 100, (it % 16) as u8]);
            limiter.allow(millis(0), host, true)
        });
        assert_eq!(busy.count(), 6_144);
        assert!((0..60).all(|number| limiter.allow(millis(0), host(number), true)));
        assert!(limiter.allow(millis(0), host(99), false));
    }

    #[test]
    fn a_request_may_count_for_several() {
        let mut limiter = limiter(Some(100), Some(10));
        assert!(limiter.allow(millis(0), host(1), true));
        limiter.charge(millis(0), host(1), 20);
        assert!(!limiter.allow(millis(999), host(1), true));
        assert!(limiter.allow(millis(999), host(2), true));
        assert!(limiter.allow(millis(1_000), host(1), true));
    }

    #[test]
    fn the_refused_do_not_count() {
        let mut limiter = limiter(Some(2), None);
        assert!(limiter.allow(millis(0), host(1), true));
        assert!(limiter.allow(millis(500), host(1), true));
        assert!(!limiter.allow(millis(999), host(2), true));
        assert!(limiter.allow(millis(1_000), host(2), true));
        assert!(!limiter.allow(millis(1_001), host(2), true));
    }

    #[test]
    fn addresses_of_one_ipv6_network_share_their_limit() {
        let mut limiter = limiter(None, Some(1));
        assert!(limiter.allow(millis(0), "2001:db8::1".parse().unwrap(), true));
        assert!(!limiter.allow(millis(0), "2001:db8::2".parse().unwrap(), true));
        assert!(limiter.allow(millis(0), "2001:db8:0:1::1".parse().unwrap(), true));
    }

    #[test]
    fn memory_is_bounded_even_without_a_total_limit() {
        let mut limiter = limiter(None, Some(1));
        for number in 0..100_000u32 {
            assert!(limiter.allow(millis(0), number.to_be_bytes().into(), true));
        }
        assert_eq!(limiter.admitted.len(), MEMORY);
        assert_eq!(limiter.by_source.len(), MEMORY);
        assert!(limiter.allow(millis(1_000), host(1), true));
        assert_eq!(limiter.by_source.len(), 1);
        assert!(
            limiter.admitted.capacity() <= KEPT_PLACES,
            "it was given back"
        );
    }

    #[test]
    fn without_limits_nothing_is_refused_nor_remembered() {
        let mut limiter = limiter(None, None);
        assert!((0..100).all(|_| limiter.allow(millis(0), host(1), true)));
        assert!(limiter.admitted.is_empty());
    }
}
