//! [`Timers`]: every deadline of a node in one ordered structure.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Family, InfoHash, Timestamp};

/// Why a node wakes up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Timer {
    /// An answer is overdue, or parts of a value or an answer held for an unproven address have waited too long.
    Requests,
    /// A lookup has something to do: ask, announce again, renew a listen.
    Lookup(InfoHash, Family),
    /// The next lookup for a permanent put or a listen may begin.
    Turn,
    /// A stored value runs out.
    Storage,
    /// A remote listener runs out.
    Listeners,
    /// A value that a listen reported runs out.
    Feeds,
    /// A value was parked for too long.
    Parked,
    /// The secret of the write tokens is replaced.
    Tokens,
    /// Addresses of bootstrap nodes are pinged again.
    Bootstrap,
    /// Contacts of this family's table are confirmed.
    Confirm(Family),
    /// Dead contacts of this family's table are dropped.
    Purge(Family),
    /// Some more contacts of a snapshot are asked whether they are still there.
    RollCall(Family),
    /// Few answered when the node looked for its neighbours; it looks again.
    Explore(Family),
    /// Operations that waited for a connection start without one.
    Patience,
    /// Nothing is due.
    Never,
}

/// Which timer goes off when. Setting a timer anew moves it.
#[derive(Default, Debug)]
pub(super) struct Timers {
    order: BTreeSet<(Timestamp, Timer)>,
    due: BTreeMap<Timer, Timestamp>,
}

impl Timers {
    /// Lets `timer` go off at `at` and at no other time.
    pub(super) fn set(&mut self, timer: Timer, at: Timestamp) {
        if self.due.get(&timer) == Some(&at) {
            return;
        }
        self.stop(timer);
        self.due.insert(timer, at);
        self.order.insert((at, timer));
    }

    /// As [`Timers::set`], but never later than already set.
    pub(super) fn hasten(&mut self, timer: Timer, at: Timestamp) {
        if self.due.get(&timer).is_none_or(|&due| at < due) {
            self.set(timer, at);
        }
    }

    /// Stops `timer`.
    pub(super) fn stop(&mut self, timer: Timer) {
        if let Some(at) = self.due.remove(&timer) {
            self.order.remove(&(at, timer));
        }
    }

    /// Takes a timer that is due at `now`, the earliest first.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Option<Timer> {
        let &(at, timer) = self.order.first()?;
        (at <= now).then(|| {
            self.stop(timer);
            timer
        })
    }

    /// The next moment something is due, and what.
    pub(super) fn next(&self) -> (Timestamp, Timer) {
        self.order
            .first()
            .copied()
            .unwrap_or((Timestamp::MAX, Timer::Never))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_set_anew_goes_off_once() {
        let mut timers = Timers::default();
        let at = Timestamp::from_micros;
        timers.set(Timer::Tokens, at(5));
        timers.set(Timer::Tokens, at(9));
        timers.hasten(Timer::Tokens, at(7));
        timers.hasten(Timer::Tokens, at(8));
        assert_eq!(timers.next(), (at(7), Timer::Tokens));
        assert_eq!(timers.take_due(at(6)), None);
        assert_eq!(timers.take_due(at(7)), Some(Timer::Tokens));
        assert_eq!(timers.next(), (Timestamp::MAX, Timer::Never));
    }
}
