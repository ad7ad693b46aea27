//! Which points in time a store can hold.

use chrono::{DateTime, Datelike, Timelike, Utc};

use crate::{Error, Result};

/// A timestamp as every store keeps it: whole microseconds, finer digits floored.
///
/// # Errors
/// [`Error::InvalidTimestamp`] for a year before 1000 or after 9999, and for a leap second: not
/// every database holds them.
pub fn stored_timestamp(at: DateTime<Utc>) -> Result<DateTime<Utc>> {
    let is_leap_second = at.nanosecond() >= 1_000_000_000;
    if is_leap_second || !(1000..=9999).contains(&at.year()) {
        return Err(Error::InvalidTimestamp);
    }
    Ok(floor_to_micros(at))
}

/// The last whole microsecond that is not after `at`.
///
/// What a store does to its clock's reading before it compares it with stored timestamps.
pub fn floor_to_micros(at: DateTime<Utc>) -> DateTime<Utc> {
    // Within chrono's whole range, microseconds since 1970 fit, so nothing is out of reach.
    DateTime::from_timestamp_micros(at.timestamp_micros()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{NaiveDate, TimeDelta};

    fn at(year: i32, nanos: u32) -> DateTime<Utc> {
        NaiveDate::from_ymd_opt(year, 12, 31)
            .and_then(|day| day.and_hms_nano_opt(23, 59, 59, nanos))
            .unwrap()
            .and_utc()
    }

    #[test]
    fn finer_digits_are_floored_before_and_after_1970() {
        assert_eq!(
            stored_timestamp(at(2026, 123_456_789)).unwrap(),
            at(2026, 123_456_000)
        );
        assert_eq!(
            stored_timestamp(at(1900, 999_999_999)).unwrap(),
            at(1900, 999_999_000)
        );
    }

    #[test]
    fn the_range_ends_with_the_years_1000_and_9999() {
        assert!(stored_timestamp(at(9999, 999_999_999)).is_ok());
        assert!(stored_timestamp(at(9999, 0) + TimeDelta::seconds(1)).is_err());
        assert!(stored_timestamp(at(999, 0) + TimeDelta::seconds(1)).is_ok());
        assert!(stored_timestamp(at(999, 999_999_999)).is_err());
    }

    #[test]
    fn leap_seconds_are_refused() {
        assert!(matches!(
            stored_timestamp(at(2016, 1_500_000_000)),
            Err(Error::InvalidTimestamp)
        ));
    }
}
