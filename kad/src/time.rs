//! Time as an argument: [`Timestamp`] for deadlines, [`UnixTime`] for the calendar, [`Origin`] to
//! link them.
//!
//! Nothing below the drivers reads a clock. A simulation starts at zero and prints the same
//! everywhere.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A moment on the driver's monotonic clock, in microseconds since its origin.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Timestamp(u64);

/// A moment of the calendar, in microseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct UnixTime(u64);

/// What the calendar showed when the monotonic clock stood at zero.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Origin(UnixTime);

impl Timestamp {
    /// The origin of the clock.
    pub const ZERO: Self = Self(0);
    /// Further away than any deadline.
    pub const MAX: Self = Self(u64::MAX);

    /// Returns the moment `micros` microseconds after the origin.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Returns the microseconds since the origin.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Returns the time from `earlier` to `self`; zero if `earlier` lies later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(micros(span)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(micros(span)))
    }
}

impl UnixTime {
    /// Further away than any expiry.
    pub const MAX: Self = Self(u64::MAX);

    /// Returns the moment `seconds` after 1970-01-01 UTC.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Returns the moment `micros` microseconds after 1970-01-01 UTC.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Returns the whole seconds since 1970-01-01 UTC.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000_000
    }

    /// Returns the microseconds since 1970-01-01 UTC.
    pub const fn as_micros(self) -> u64 {
        self.0
    }
}

impl Add<Duration> for UnixTime {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(micros(span)))
    }
}

impl Origin {
    /// Links the zero of the monotonic clock to a moment of the calendar.
    pub const fn new(at_zero: UnixTime) -> Self {
        Self(at_zero)
    }

    /// Returns the calendar's reading at `at`.
    pub fn to_unix(self, at: Timestamp) -> UnixTime {
        UnixTime(self.0.0.saturating_add(at.0))
    }

    /// Returns the monotonic moment of a calendar time; the origin if it lies before.
    pub fn to_timestamp(self, at: UnixTime) -> Timestamp {
        Timestamp(at.0.saturating_sub(self.0.0))
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp::MAX + Duration::from_secs(1), Timestamp::MAX);
        assert_eq!(Timestamp::ZERO - Duration::from_secs(1), Timestamp::ZERO);
        assert_eq!(Timestamp::ZERO.since(Timestamp::MAX), Duration::ZERO);
        assert_eq!(Timestamp::ZERO + Duration::MAX, Timestamp::MAX);
    }

    #[test]
    fn origin_maps_both_ways_and_clamps() {
        let origin = Origin::new(UnixTime::from_secs(1_000));
        let at = Timestamp::from_micros(5_000_000);
        assert_eq!(origin.to_unix(at), UnixTime::from_secs(1_005));
        assert_eq!(origin.to_timestamp(UnixTime::from_secs(1_005)), at);
        assert_eq!(origin.to_timestamp(UnixTime::from_secs(3)), Timestamp::ZERO);
    }
}
