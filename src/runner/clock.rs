//! [`Clock`]: the only place that reads the system's clocks and its entropy.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::{Origin, Seed, Timestamp, UnixTime};

/// Further ahead than any node runs, and near enough for the runtime's timers.
const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How long after a look at the system's clocks the next is worth while.
const CHECK_PERIOD: Duration = Duration::from_secs(1);
/// How far the calendar may be from where it should be before it is said to have been set.
const TOLERANCE: Duration = Duration::from_secs(1);

/// The clock of one node, which goes on while the system sleeps, and what the calendar showed when
/// it started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
    origin: Origin,
    /// How long the system has slept since the start: the runtime's clock stands still meanwhile.
    slept: Duration,
    /// How long the system had slept, since it started, at the last check.
    suspended: Duration,
    checked: Instant,
}

/// What a check of the clocks has found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ClockChange {
    /// How long the system has slept since the check before.
    pub(crate) slept: Duration,
    /// How far the calendar was set, either way, if it was.
    pub(crate) set_by: Option<Duration>,
}

/// What the system's clocks show.
#[derive(Clone, Copy, Debug)]
struct Reading {
    now: Instant,
    calendar: UnixTime,
    suspended: Duration,
}

impl Clock {
    /// Starts a clock at zero.
    pub(crate) fn start() -> Self {
        let reading = Reading::take();
        Self {
            started: reading.now,
            origin: Origin::new(reading.calendar),
            slept: Duration::ZERO,
            suspended: reading.suspended,
            checked: reading.now,
        }
    }

    /// Returns the time on this clock.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::ZERO + instant_now().duration_since(self.started) + self.slept
    }

    /// Returns what links this clock with the calendar.
    pub(crate) fn origin(&self) -> Origin {
        self.origin
    }

    /// Returns when the runtime is to wake up for `at`.
    pub(crate) fn instant(&self, at: Timestamp) -> Instant {
        let awake = at.since(Timestamp::ZERO).saturating_sub(self.slept);
        self.started + awake.min(FAR)
    }

    /// Looks at the system's clocks, not more than once in a second, and reports what they have
    /// done: whether the system slept, or its calendar was set.
    pub(crate) fn check(&mut self) -> Option<ClockChange> {
        if instant_now().duration_since(self.checked) < CHECK_PERIOD {
            return None;
        }
        self.compare(Reading::take())
    }

    fn compare(&mut self, reading: Reading) -> Option<ClockChange> {
        self.checked = reading.now;
        let slept = reading.suspended.saturating_sub(self.suspended);
        self.suspended = reading.suspended;
        self.slept += slept;
        let now = Timestamp::ZERO + reading.now.duration_since(self.started) + self.slept;
        let (expected, shown) = (self.origin.to_unix(now), reading.calendar);
        let difference = expected.as_micros().abs_diff(shown.as_micros());
        let difference = Duration::from_micros(difference);
        let set_by = (difference >= TOLERANCE).then_some(difference);
        if set_by.is_some() {
            let at_zero = shown.as_micros().saturating_sub(now.as_micros());
            self.origin = Origin::new(UnixTime::from_micros(at_zero));
        }
        let change = ClockChange { slept, set_by };
        (slept >= TOLERANCE || set_by.is_some()).then_some(change)
    }
}

impl ClockChange {
    /// Reports whether the host may be in another network by now.
    pub(crate) fn is_long(&self) -> bool {
        let longest = self.slept.max(self.set_by.unwrap_or_default());
        longest >= Duration::from_secs(10)
    }
}

impl Reading {
    fn take() -> Self {
        Self {
            now: instant_now(),
            calendar: unix_now(),
            suspended: suspended(),
        }
    }
}

/// Returns how long the system has slept since it started.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn suspended() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    let read = |clock| Duration::try_from(clock_gettime(clock)).unwrap_or_default();
    let awake = read(ClockId::Monotonic);
    read(ClockId::Boottime).saturating_sub(awake)
}

/// Elsewhere a sleep shows only as a calendar that jumps.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn suspended() -> Duration {
    Duration::ZERO
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

    fn reading(clock: &Clock, seconds: u64) -> Reading {
        let awake = Duration::from_secs(seconds);
        Reading {
            now: clock.started + awake,
            calendar: clock.origin.to_unix(Timestamp::ZERO) + awake,
            suspended: clock.suspended,
        }
    }

    #[test]
    fn clocks_that_agree_have_not_changed() {
        let mut clock = Clock::start();
        let mut reading = reading(&clock, 3_600);
        assert_eq!(clock.compare(reading), None);
        reading.calendar = reading.calendar + TOLERANCE / 2;
        assert_eq!(clock.compare(reading), None);
        assert_eq!(clock.check(), None, "too soon");
    }

    #[test]
    fn the_clock_goes_on_while_the_system_sleeps() {
        let mut clock = Clock::start();
        let hour = Duration::from_secs(3_600);
        let mut reading = reading(&clock, 10);
        reading.suspended += hour;
        reading.calendar = reading.calendar + hour;
        let slept = ClockChange {
            slept: hour,
            set_by: None,
        };
        assert_eq!(clock.compare(reading), Some(slept));
        assert!(slept.is_long());
        assert!(clock.now() >= Timestamp::ZERO + hour);
        let at = Timestamp::ZERO + hour + Duration::from_secs(20);
        assert_eq!(clock.instant(at), clock.started + Duration::from_secs(20));
        assert_eq!(clock.compare(reading), None, "that is known");
    }

    #[test]
    fn a_calendar_that_is_set_either_way_is_believed() {
        let mut clock = Clock::start();
        let day = Duration::from_secs(86_400);
        let mut reading = reading(&clock, 10);
        let shown = reading.calendar;
        let now = Timestamp::ZERO + Duration::from_secs(10);
        for calendar in [shown + day, shown] {
            reading.calendar = calendar;
            let change = clock.compare(reading).unwrap();
            assert_eq!((change.slept, change.set_by), (Duration::ZERO, Some(day)));
            assert_eq!(clock.origin().to_unix(now), calendar);
        }
    }

    #[test]
    fn two_seeds_differ() {
        let number = || entropy().unwrap().public().number();
        assert_ne!(number(), number());
    }
}
