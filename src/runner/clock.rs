//! [`Clock`]: the only place that reads the system's clocks and its entropy.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::{Origin, Seed, Timestamp, UnixTime};

/// Further ahead than any node runs, and near enough for the runtime's timers.
const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The monotonic clock of one node, and what the calendar showed when it started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
    origin: Origin,
}

impl Clock {
    /// Starts a clock at zero.
    pub(crate) fn start() -> Self {
        Self {
            started: instant_now(),
            origin: Origin::new(unix_now()),
        }
    }

    /// Returns the time on this clock.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::ZERO + instant_now().duration_since(self.started)
    }

    /// Returns what links this clock with the calendar.
    pub(crate) fn origin(&self) -> Origin {
        self.origin
    }

    /// Returns when the runtime is to wake up for `at`.
    pub(crate) fn instant(&self, at: Timestamp) -> Instant {
        self.started + at.since(Timestamp::ZERO).min(FAR)
    }
}

/// Returns the calendar's time; 1970 if the system's clock stands before that.
pub(crate) fn unix_now() -> UnixTime {
    #[expect(clippy::disallowed_methods, reason = "this is where clocks are read")]
    let now = SystemTime::now();
    let since_1970 = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    UnixTime::from_micros(u64::try_from(since_1970.as_micros()).unwrap_or(u64::MAX))
}

/// Makes a seed of the system's entropy.
///
/// # Errors
///
/// What the system says if it has none.
pub(crate) fn entropy() -> Result<Seed, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(Seed::new(bytes))
}

/// Returns the runtime's time, which tests can stop.
fn instant_now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_starts_at_zero_and_never_overflows() {
        let clock = Clock::start();
        let now = clock.now();
        assert!(now <= clock.now());
        assert!(clock.instant(now) <= instant_now());
        assert!(clock.instant(Timestamp::MAX) > instant_now());
    }

    #[test]
    fn two_seeds_differ() {
        let number = || entropy().unwrap().public().number();
        assert_ne!(number(), number());
    }
}
