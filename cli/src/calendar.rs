//! Times of the calendar, as they are read, written and judged by.

use std::time::{SystemTime, UNIX_EPOCH};

/// Returns the seconds since 1970; 0 if the system's clock stands before that.
#[expect(
    clippy::disallowed_methods,
    reason = "making and judging certificates runs no node whose clock could be asked"
)]
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// Writes seconds since 1970 as RFC 3339 does, in UTC: `2026-08-21T09:00:00Z`.
pub(crate) fn rfc3339(seconds: u64) -> String {
    let (mut year, mut days) = (1970, seconds / 86_400);
    // A cycle of 400 years has the same number of days wherever it begins.
    year += 400 * (days / 146_097);
    days %= 146_097;
    while days >= days_of_year(year) {
        days -= days_of_year(year);
        year += 1;
    }
    let mut month = 1;
    while days >= days_of_month(year, month) {
        days -= days_of_month(year, month);
        month += 1;
    }
    let of_day = seconds % 86_400;
    format!(
        "{year:04}-{month:02}-{:02}T{:02}:{:02}:{:02}Z",
        days + 1,
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60
    )
}

/// Reads a time: seconds since 1970, a date (its first second), or a date with a time of day as
/// [`rfc3339`] writes it.
pub(crate) fn time(text: &str) -> Result<u64, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(seconds);
    }
    let whole = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        _ => text.to_owned(),
    };
    let date = humantime::parse_rfc3339(&whole).ok();
    let since = date.and_then(|date| date.duration_since(UNIX_EPOCH).ok());
    since.map(|since| since.as_secs()).ok_or_else(|| {
        "expected a time such as 2026-08-21, 2026-08-21T09:00:00Z, or seconds since 1970".to_owned()
    })
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of_year(year: u64) -> u64 {
    365 + u64::from(is_leap(year))
}

fn days_of_month(year: u64, month: u32) -> u64 {
    match month {
        2 => 28 + u64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, date) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_700_000_000, "2023-11-14T22:13:20Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(seconds), date);
            assert_eq!(time(date), Ok(seconds));
        }
        assert!(rfc3339(u64::MAX).ends_with('Z'));
    }

    #[test]
    fn times_are_seconds_or_dates() {
        assert_eq!(time("0"), Ok(0));
        assert_eq!(time("1700000000"), Ok(1_700_000_000));
        assert_eq!(time("2000-02-29"), Ok(951_782_400));
        for text in [
            "",
            "tomorrow",
            "-1",
            "1969-12-31",
            "2023-02-29",
            "2023-13-01",
            "2023-00-01",
            "2023-01-00",
            "2023-01-01T24:00:00Z",
            "2023-01-01T00:00:00",
            "2023-01-01T00:00:00+01:00",
            "+023-01-01",
            "2023-01-01T00:00:00Z ",
            "2023-01-ü",
            "99999999999999999999",
        ] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
