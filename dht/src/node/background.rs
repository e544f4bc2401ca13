//! [`BackgroundLimiter`]: lookups for permanent puts and listens take turns, so that thousands of
//! them do not flood other nodes.
//!
//! First come those that have something to renew, in the order in which it would run out, then
//! those that begin, in the order in which they were queued; and they begin while few are under way
//! and their requests keep to a rate of
//! [`OperationConfig::background_rate_per_sec`](super::OperationConfig::background_rate_per_sec),
//! or what it takes to renew all in time. A lookup that has begun is not held up. What an
//! application waits for, a get or a put for once, takes no turn.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bulla_kad::Budget;

use super::config::Config;
use crate::Timestamp;
use crate::lookup::LookupId;

/// Lookups under way at a time, or more if the rate is high.
const MAX_CONCURRENT: usize = 24;
/// Requests in a second for which one more may be under way.
const RATE_PER_LOOKUP: u32 = 22;
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
    waiting: Waiting,
    /// Limits the rate of requests.
    budget: Budget,
    /// Requests in a second, unless more are needed.
    rate: u32,
    /// What the rate was when the last request was sent.
    last_rate: u32,
    /// While something waits that runs out so soon, the rate is doubled.
    urgency: Duration,
    /// The shortest interval at which a listen is renewed.
    renewal: Duration,
    /// The longest such interval.
    longest_renewal: Duration,
}

/// Lookups that have not begun, by when it is their turn.
#[derive(Default, Debug)]
struct Waiting {
    order: BTreeSet<(Turn, LookupId)>,
    turns: BTreeMap<LookupId, Turn>,
    /// The number of the last that had nothing to renew.
    last: u64,
}

/// When it is a lookup's turn.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Turn {
    /// What it has brought about runs out then.
    Renewal(Timestamp),
    /// It has brought about nothing yet; they go by number.
    New(u64),
}

impl Waiting {
    /// Adds a lookup; one that waits already keeps its turn unless this is an earlier one.
    fn push(&mut self, id: LookupId, runs_out: Option<Timestamp>) {
        let known = self.turns.get(&id).copied();
        let turn = match (runs_out, known) {
            (Some(at), _) => Turn::Renewal(at),
            (None, Some(_)) => return,
            (None, None) => {
                self.last += 1;
                Turn::New(self.last)
            }
        };
        if known.is_none_or(|known| turn < known) {
            if let Some(known) = known {
                self.order.remove(&(known, id));
            }
            self.order.insert((turn, id));
            self.turns.insert(id, turn);
        }
    }

    fn front(&self) -> Option<LookupId> {
        self.order.first().map(|(_, id)| *id)
    }

    fn pop(&mut self) -> Option<LookupId> {
        let (_, id) = self.order.pop_first()?;
        self.turns.remove(&id);
        Some(id)
    }
}

impl BackgroundLimiter {
    pub(super) fn new(config: &Config) -> Self {
        let longest_renewal = config.listen.renewal_stable;
        Self {
            under_way: BTreeSet::new(),
            waiting: Waiting::default(),
            budget: Budget::empty(BURST),
            rate: config.operations.background_rate_per_sec,
            last_rate: config.operations.background_rate_per_sec,
            urgency: config.operations.announce_margin / 2,
            renewal: if config.public_stable {
                longest_renewal
            } else {
                config.listen.renewal
            },
            longest_renewal,
        }
    }

    /// Reports whether a lookup may go on: it has begun, or may begin. If not it waits for its
    /// turn, which depends on when what it has brought about `runs_out`.
    pub(super) fn admits(
        &mut self,
        now: Timestamp,
        is_warm: bool,
        id: LookupId,
        runs_out: Option<Timestamp>,
    ) -> bool {
        if self.under_way.contains(&id) {
            return true;
        }
        self.waiting.push(id, runs_out);
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
            MAX_CONCURRENT.max((self.last_rate / RATE_PER_LOOKUP) as usize)
        } else {
            MAX_CONCURRENT_COLD
        };
        let is_open = self.waiting() > 0 && self.under_way.len() < places;
        is_open.then(|| self.budget.paid_at())
    }

    /// Counts a request that was sent, while there are so many subscriptions, and permanent puts
    /// take so many requests in a second.
    pub(super) fn on_request(&mut self, now: Timestamp, subscriptions: usize, puts: u32) {
        let soon = Turn::Renewal(now + self.urgency);
        let is_urgent = (self.waiting.order.first()).is_some_and(|(turn, _)| *turn <= soon);
        let rate = self.rate(subscriptions, puts);
        self.last_rate = if is_urgent {
            rate.saturating_mul(2)
        } else {
            rate
        };
        self.budget
            .spend(now, Duration::from_secs(1) / self.last_rate);
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
        self.waiting.order.len()
    }

    /// Iterates over those that wait though what they have brought about may have run out.
    pub(super) fn overdue(&self, now: Timestamp) -> impl Iterator<Item = LookupId> {
        let waiting = self.waiting.order.iter();
        waiting
            .take_while(move |(turn, _)| *turn <= Turn::Renewal(now))
            .map(|(_, id)| *id)
    }

    /// Returns how many requests go out in a second: as configured, unless subscriptions or puts
    /// would run out before they are renewed.
    fn rate(&self, subscriptions: usize, puts: u32) -> u32 {
        let per_sec = |renewal: Duration| {
            let renewals = subscriptions as u64 / renewal.as_secs().max(1);
            u32::try_from(renewals).unwrap_or(u32::MAX)
        };
        let listens = per_sec(self.longest_renewal).saturating_mul(2);
        let both = per_sec(self.renewal(subscriptions)).saturating_add(puts);
        self.rate.max(listens).max(both)
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
        assert!(limiter.admits(now, false, which(0), None));
        assert!(limiter.admits(now, false, which(0), None), "it has begun");
        let begun: Vec<_> = (0..10)
            .filter(|it| limiter.admits(now, false, which(*it), None))
            .collect();
        assert_eq!(begun, [0, 1, 2, 3], "places while no node is known");
        assert_eq!((limiter.next(now, false), limiter.waiting()), (None, 6));
        limiter.rest(which(2));
        assert!(
            !limiter.admits(now, false, which(9), None),
            "others came before"
        );
        assert_eq!(limiter.next(now, false), Some(which(4)));
        assert_eq!(limiter.next(now, true), Some(which(5)));
    }

    #[test]
    fn what_runs_out_first_is_renewed_first_and_before_anything_new() {
        let mut limiter = limiter(512);
        let now = Timestamp::ZERO + 60_000 * MS;
        for busy in 0..4 {
            assert!(limiter.admits(now, false, which(busy), None));
        }
        let waiting = [
            (4, None),
            (5, Some(9)),
            (6, Some(2)),
            (7, None),
            (4, Some(5)),
        ];
        for (number, runs_out) in waiting {
            let runs_out = runs_out.map(|seconds| now + seconds * 1_000 * MS);
            assert!(!limiter.admits(now, false, which(number), runs_out));
        }
        assert_eq!(limiter.overdue(now).count(), 0);
        let overdue: Vec<_> = limiter.overdue(now + 5_000 * MS).collect();
        assert_eq!(overdue, [which(6), which(4)]);
        let order: Vec<_> = std::iter::from_fn(|| limiter.next(now, true)).collect();
        assert_eq!(order, [6, 4, 5, 7].map(which));
    }

    #[test]
    fn as_many_requests_are_sent_in_a_second_as_a_second_pays_for() {
        let mut limiter = limiter(100);
        let (mut now, mut sent) = (Timestamp::ZERO, 0);
        for turn in 0..1_000 {
            while !limiter.admits(now, true, which(turn), None) {
                now = limiter.next_at(true).unwrap();
            }
            for _ in 0..12 {
                limiter.on_request(now, 0, 0);
                sent += 1;
            }
            limiter.rest(which(turn));
        }
        let seconds = Duration::from_micros(now.as_micros()).as_secs();
        assert!((119..=121).contains(&seconds), "{sent} in {seconds} s");
    }

    #[test]
    fn the_rate_is_doubled_while_something_runs_out_soon() {
        let mut limiter = limiter(100);
        let now = Timestamp::ZERO + 60_000 * MS;
        limiter.on_request(now, 0, 0);
        assert_eq!(limiter.last_rate, 100);
        limiter.waiting.push(which(0), Some(now + 6_000 * MS));
        limiter.on_request(now, 0, 0);
        assert_eq!(limiter.last_rate, 100);
        limiter.on_request(now + 1_000 * MS, 0, 0);
        assert_eq!(limiter.last_rate, 200);
    }

    #[test]
    fn no_more_than_some_milliseconds_are_saved_up() {
        let mut limiter = limiter(100);
        let now = Timestamp::ZERO + 60_000 * MS;
        let mut begun = 0;
        while limiter.admits(now, true, which(begun), None) {
            limiter.on_request(now, 0, 0);
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
        assert_eq!(limiter.rate(40_000, 250), 500);
        assert_eq!(limiter.rate(40_000, 1_000), 1_250);
        assert_eq!(limiter.rate(290_000, 0), 2_000);
    }
}
