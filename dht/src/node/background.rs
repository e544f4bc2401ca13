//! [`BackgroundLimiter`]: lookups for permanent puts and listens take turns, so that thousands of
//! them do not flood other nodes.
//!
//! They begin in the order in which they were queued, while few are under way and their requests
//! keep to a rate of
//! [`OperationConfig::background_rate_per_sec`](super::OperationConfig::background_rate_per_sec). A
//! lookup that has begun is not held up. What an application waits for, a get or a put for
//! once, takes no turn.

use std::collections::BTreeSet;
use std::time::Duration;

use bulla_kad::Budget;

use super::config::Config;
use super::queue::Queue;
use crate::Timestamp;
use crate::lookup::LookupId;

/// Lookups under way at a time.
const MAX_CONCURRENT: usize = 24;
/// The same while hardly any node is known: all would ask the same few.
const MAX_CONCURRENT_COLD: usize = 4;
/// The burst after a pause, as time at the rate.
const BURST: Duration = Duration::from_millis(100);

/// Which lookup may begin, and when.
#[derive(Debug)]
pub(super) struct BackgroundLimiter {
    /// Lookups that have begun and are not paused.
    under_way: BTreeSet<LookupId>,
    /// Those that have not begun.
    waiting: Queue<LookupId>,
    /// Limits the rate of requests.
    budget: Budget,
    /// Requests in a second.
    rate: u32,
    /// The shortest interval at which a listen is renewed.
    renewal: Duration,
    /// The longest such interval.
    longest_renewal: Duration,
}

impl BackgroundLimiter {
    pub(super) fn new(config: &Config) -> Self {
        let longest_renewal = config.listen.renewal_stable;
        Self {
            under_way: BTreeSet::new(),
            waiting: Queue::default(),
            budget: Budget::empty(BURST),
            rate: config.operations.background_rate_per_sec,
            renewal: if config.public_stable {
                longest_renewal
            } else {
                config.listen.renewal
            },
            longest_renewal,
        }
    }

    /// Reports whether a lookup may go on: it has begun, or may begin. If not it waits for its
    /// turn.
    pub(super) fn admits(&mut self, now: Timestamp, is_warm: bool, id: LookupId) -> bool {
        if self.under_way.contains(&id) {
            return true;
        }
        self.waiting.push(id);
        self.waiting.front() == Some(id) && self.next(now, is_warm).is_some()
    }

    /// Takes the next lookup that may begin, if there is one and it is time.
    pub(super) fn next(&mut self, now: Timestamp, is_warm: bool) -> Option<LookupId> {
        if self.next_at(is_warm)? > now {
            return None;
        }
        let id = self.waiting.pop()?;
        self.under_way.insert(id);
        Some(id)
    }

    /// Returns when the next may begin; `None` if none waits, or one of those under way must pause
    /// first.
    pub(super) fn next_at(&self, is_warm: bool) -> Option<Timestamp> {
        let places = if is_warm {
            MAX_CONCURRENT
        } else {
            MAX_CONCURRENT_COLD
        };
        let is_open = self.waiting.len() > 0 && self.under_way.len() < places;
        is_open.then(|| self.budget.paid_at())
    }

    /// Counts a request that was sent, while there are so many subscriptions.
    pub(super) fn on_request(&mut self, now: Timestamp, subscriptions: usize) {
        let price = Duration::from_secs(1) / self.rate(subscriptions);
        self.budget.spend(now, price);
    }

    /// Reports whether a lookup has begun its turn, and is not paused.
    pub(super) fn has_begun(&self, id: LookupId) -> bool {
        self.under_way.contains(&id)
    }

    /// Ends the turn of a lookup that has nothing to do for now.
    pub(super) fn rest(&mut self, id: LookupId) {
        self.under_way.remove(&id);
    }

    /// Returns how long after a reply one of so many subscriptions is to be renewed: as soon as
    /// half of all requests allow.
    pub(super) fn renewal(&self, subscriptions: usize) -> Duration {
        let subscriptions = u32::try_from(subscriptions).unwrap_or(u32::MAX);
        let round = Duration::from_secs(2) * subscriptions / self.rate;
        round.clamp(self.renewal, self.longest_renewal)
    }

    /// Returns how many lookups wait for their turn.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Returns how many requests go out in a second: as configured, unless subscriptions would run
    /// out before they are renewed.
    fn rate(&self, subscriptions: usize) -> u32 {
        let seconds = self.longest_renewal.as_secs().max(1);
        let least = u32::try_from(2 * subscriptions as u64 / seconds).unwrap_or(u32::MAX);
        self.rate.max(least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Family, InfoHash, OperationConfig};

    const MS: Duration = Duration::from_millis(1);

    fn limiter(rate: u32) -> BackgroundLimiter {
        BackgroundLimiter::new(&Config {
            operations: OperationConfig {
                background_rate_per_sec: rate,
                ..OperationConfig::default()
            },
            ..Config::default()
        })
    }

    fn which(number: u16) -> LookupId {
        LookupId {
            key: InfoHash::of(&number.to_be_bytes()),
            family: Family::V4,
        }
    }

    #[test]
    fn a_lookup_alone_need_not_wait_and_others_begin_in_the_order_in_which_they_came() {
        let mut limiter = limiter(512);
        let now = Timestamp::ZERO;
        assert!(limiter.admits(now, false, which(0)));
        assert!(limiter.admits(now, false, which(0)), "it has begun");
        let begun: Vec<_> = (0..10)
            .filter(|it| limiter.admits(now, false, which(*it)))
            .collect();
        assert_eq!(begun, [0, 1, 2, 3], "places while no node is known");
        assert_eq!((limiter.next(now, false), limiter.waiting()), (None, 6));
        limiter.rest(which(2));
        assert!(!limiter.admits(now, false, which(9)), "others came before");
        assert_eq!(limiter.next(now, false), Some(which(4)));
        assert_eq!(limiter.next(now, true), Some(which(5)));
    }

    #[test]
    fn as_many_requests_are_sent_in_a_second_as_a_second_pays_for() {
        let mut limiter = limiter(100);
        let (mut now, mut sent) = (Timestamp::ZERO, 0);
        for turn in 0..1_000 {
            while !limiter.admits(now, true, which(turn)) {
                now = limiter.next_at(true).unwrap();
            }
            for _ in 0..12 {
                limiter.on_request(now, 0);
                sent += 1;
            }
            limiter.rest(which(turn));
        }
        let seconds = Duration::from_micros(now.as_micros()).as_secs();
        assert!((119..=121).contains(&seconds), "{sent} in {seconds} s");
    }

    #[test]
    fn no_more_than_some_milliseconds_are_saved_up() {
        let mut limiter = limiter(100);
        let now = Timestamp::ZERO + 60_000 * MS;
        let mut begun = 0;
        while limiter.admits(now, true, which(begun)) {
            limiter.on_request(now, 0);
            limiter.rest(which(begun));
            begun += 1;
        }
        assert_eq!(begun, 11);
    }

    #[test]
    fn subscriptions_are_renewed_as_often_as_half_of_the_requests_allow_but_always_in_time() {
        let limiter = limiter(500);
        assert_eq!(limiter.renewal(0), 20_000 * MS);
        assert_eq!(limiter.renewal(5_000), 20_000 * MS);
        assert_eq!(limiter.renewal(40_000), 160_000 * MS);
        assert_eq!(limiter.renewal(1_000_000), 290_000 * MS);
        assert_eq!(limiter.rate(40_000), 500);
        assert_eq!(limiter.rate(290_000), 2_000);
    }
}
