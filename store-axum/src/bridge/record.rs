//! A record as a row holds it.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use time::error::ComponentRange;
use tower_sessions_core::session::{Id, Record};

/// What is sealed of a record. Not its id, which is the cookie's value and stands nowhere.
#[derive(Serialize)]
pub(super) struct SealedRef<'a> {
    expires: Moment,
    data: &'a HashMap<String, Value>,
}

/// What was sealed of a record.
#[derive(Deserialize)]
pub(super) struct Sealed {
    expires: Moment,
    data: HashMap<String, Value>,
}

/// Written as seconds since 1970 and nanoseconds.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(into = "(i64, u32)", try_from = "(i64, u32)")]
struct Moment(OffsetDateTime);

impl From<Moment> for (i64, u32) {
    fn from(Moment(at): Moment) -> Self {
        (at.unix_timestamp(), at.nanosecond())
    }
}

impl TryFrom<(i64, u32)> for Moment {
    type Error = ComponentRange;

    fn try_from((seconds, nanos): (i64, u32)) -> Result<Self, ComponentRange> {
        let at = OffsetDateTime::from_unix_timestamp(seconds)?;
        Ok(Self(at.replace_nanosecond(nanos)?))
    }
}

impl<'a> From<&'a Record> for SealedRef<'a> {
    fn from(record: &'a Record) -> Self {
        Self {
            expires: Moment(record.expiry_date.min(last())),
            data: &record.data,
        }
    }
}

impl Sealed {
    /// The record with this id, whose row says that it expires then. The earlier of both counts, so
    /// that whoever can write the column makes no session last longer.
    pub(super) fn into_record(self, id: Id, expires: Option<DateTime<Utc>>) -> Record {
        let Moment(sealed) = self.expires;
        let expiry_date = match expires {
            Some(column) if column < stored_expiry(sealed) => {
                let column = (column.timestamp(), column.timestamp_subsec_nanos());
                // What every store can hold, every `OffsetDateTime` can.
                Moment::try_from(column).map_or(sealed, |Moment(column)| column)
            }
            _ => sealed,
        };
        Record {
            id,
            data: self.data,
            expiry_date,
        }
    }
}

/// The last moment of the year 9999. There are later ones where a host has switched that on in the
/// `time` crate, which another node may not have.
fn last() -> OffsetDateTime {
    const LAST: (i64, u32) = (253_402_300_799, 999_999_999);

    let Moment(last) = Moment::try_from(LAST).expect("the year 9999 is within its range");
    last
}

/// A record's expiry as every store can hold it: in whole microseconds, finer digits floored. What
/// lies before the year 1000 or after the year 9999 becomes their first or last moment: the one is
/// over all the same, the other is far away.
pub(super) fn stored_expiry(at: OffsetDateTime) -> DateTime<Utc> {
    /// 1000-01-01T00:00:00Z and 9999-12-31T23:59:59.999999Z.
    const RANGE: (i128, i128) = (-30_610_224_000_000_000, 253_402_300_799_999_999);

    let micros = at.unix_timestamp_nanos().div_euclid(1_000);
    let micros = micros.clamp(RANGE.0, RANGE.1) as i64;
    DateTime::from_timestamp_micros(micros).expect("these years are within chrono's")
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use store_core::stored_timestamp;
    use time::{Date, Month, Time, UtcOffset};

    fn record(expiry_date: OffsetDateTime) -> Record {
        Record {
            id: Id(7),
            data: HashMap::from([("n".to_owned(), 1.into())]),
            expiry_date,
        }
    }

    fn sealed(record: &Record) -> Sealed {
        Sealed {
            expires: SealedRef::from(record).expires,
            data: record.data.clone(),
        }
    }

    fn at(year: i32, nanos: u32) -> OffsetDateTime {
        let date = Date::from_calendar_date(year, Month::December, 31).expect("a date");
        let time = Time::from_hms_nano(23, 59, 59, nanos).expect("a time");
        date.with_time(time).assume_utc()
    }

    #[test]
    fn the_row_has_microseconds_and_the_record_keeps_its_nanoseconds() {
        for year in [1000, 1969, 2026, 9999] {
            let record = record(at(year, 123_456_789));
            let expires = stored_expiry(record.expiry_date);
            assert_eq!(expires.timestamp_subsec_nanos(), 123_456_000);
            assert_eq!(
                stored_timestamp(expires).expect("it can be stored"),
                expires
            );
            let back = sealed(&record).into_record(record.id, Some(expires));
            assert_eq!(back, record);
        }
    }

    #[test]
    fn an_offset_is_the_same_moment() {
        let offset = UtcOffset::from_hms(-5, 30, 0).expect("an offset");
        let there = at(2026, 999_999_999).to_offset(offset);
        assert_eq!(stored_expiry(there), stored_expiry(at(2026, 999_999_999)));
        let back = sealed(&record(there)).into_record(Id(7), None);
        assert_eq!(back.expiry_date, there);
    }

    #[test]
    fn what_no_store_holds_becomes_the_first_or_the_last_moment() {
        let first = stored_expiry(at(-9999, 0));
        assert_eq!(first.to_rfc3339(), "1000-01-01T00:00:00+00:00");
        assert_eq!(stored_expiry(at(999, 999_999_999)), first);
        let last = stored_expiry(at(9999, 999_999_999));
        assert_eq!(last.to_rfc3339(), "9999-12-31T23:59:59.999999+00:00");
        for moment in [first, last] {
            assert!(stored_timestamp(moment).is_ok());
        }
    }

    #[test]
    fn the_earlier_expiry_counts() {
        let record = record(at(2026, 123_456_789));
        let expires = stored_expiry(record.expiry_date);
        let of = |column| sealed(&record).into_record(record.id, column);
        let earlier = expires - TimeDelta::microseconds(1);
        assert_eq!(stored_expiry(of(Some(earlier)).expiry_date), earlier);
        for later in [Some(expires + TimeDelta::days(1)), None] {
            assert_eq!(of(later), record);
        }
    }

    #[test]
    fn nonsense_is_no_moment() {
        assert!(Moment::try_from((i64::MAX, 0)).is_err());
        assert!(Moment::try_from((0, 1_000_000_000)).is_err());
        assert_eq!(last(), at(9999, 999_999_999));
    }
}
