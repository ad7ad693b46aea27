//! A time's column.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{ArrayType, ColumnType, Nullable, ValueType, ValueTypeErr};
use sea_orm::{ColIdx, DbBackend, DbErr, QueryResult, TryGetError, TryGetable, Value};

/// A point in time, in whole microseconds, and the database it is for: `timestamptz` on PostgreSQL,
/// `DATETIME(6)` in UTC on MySQL and MariaDB, microseconds since 1970 on SQLite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp {
    at: DateTime<Utc>,
    backend: DbBackend,
}

impl Timestamp {
    /// This time for this database, finer digits floored.
    pub fn new(at: DateTime<Utc>, backend: DbBackend) -> Self {
        Self {
            at: store_core::floor_to_micros(at),
            backend,
        }
    }
}

impl From<Timestamp> for DateTime<Utc> {
    fn from(timestamp: Timestamp) -> Self {
        timestamp.at
    }
}

impl From<Timestamp> for Value {
    fn from(Timestamp { at, backend }: Timestamp) -> Self {
        match backend {
            DbBackend::MySql => Self::ChronoDateTime(Some(at.naive_utc())),
            DbBackend::Sqlite => Self::BigInt(Some(at.timestamp_micros())),
            _ => Self::ChronoDateTimeUtc(Some(at)),
        }
    }
}

impl TryGetable for Timestamp {
    fn try_get_by<I: ColIdx>(row: &QueryResult, index: I) -> Result<Self, TryGetError> {
        #[cfg(feature = "postgres")]
        if let Some(micros) = row.try_get_from_sqlx_postgres::<postgres::Micros, I>(index) {
            return Self::from_micros(micros?.since_1970(), DbBackend::Postgres);
        }
        #[cfg(feature = "mysql")]
        if let Some(mysql) = row.try_as_mysql_row() {
            return match chrono::NaiveDateTime::try_get_by(row, index) {
                Ok(at) => Ok(Self::new(at.and_utc(), DbBackend::MySql)),
                // sqlx takes `0000-00-00` for NULL, and what has expired would never expire.
                Err(TryGetError::Null(_)) if mysql::is_there(mysql, index) => {
                    Self::from_micros(None, DbBackend::MySql)
                }
                Err(error) => Err(error),
            };
        }
        Self::from_micros(Some(i64::try_get_by(row, index)?), DbBackend::Sqlite)
    }
}

impl Timestamp {
    fn from_micros(micros: Option<i64>, backend: DbBackend) -> Result<Self, TryGetError> {
        let at = micros
            .and_then(DateTime::from_timestamp_micros)
            .ok_or_else(|| {
                TryGetError::DbErr(DbErr::Type("the time is beyond the calendar".to_owned()))
            })?;
        Ok(Self { at, backend })
    }
}

impl ValueType for Timestamp {
    fn try_from(value: Value) -> Result<Self, ValueTypeErr> {
        match value {
            Value::ChronoDateTimeUtc(Some(at)) => Ok(Self::new(at, DbBackend::Postgres)),
            Value::ChronoDateTime(Some(at)) => Ok(Self::new(at.and_utc(), DbBackend::MySql)),
            Value::BigInt(Some(micros)) => {
                Self::from_micros(Some(micros), DbBackend::Sqlite).map_err(|_| ValueTypeErr)
            }
            _ => Err(ValueTypeErr),
        }
    }

    fn type_name() -> String {
        "Timestamp".to_owned()
    }

    fn array_type() -> ArrayType {
        ArrayType::ChronoDateTimeUtc
    }

    fn column_type() -> ColumnType {
        ColumnType::TimestampWithTimeZone
    }
}

impl Nullable for Timestamp {
    fn null() -> Value {
        Value::ChronoDateTimeUtc(None)
    }
}

#[cfg(feature = "mysql")]
mod mysql {
    use sea_orm::ColIdx;
    use sea_orm::sqlx::Row as _;
    use sea_orm::sqlx::mysql::MySqlRow;

    /// Whether the column has bytes, whatever they mean.
    pub(super) fn is_there(row: &MySqlRow, index: impl ColIdx) -> bool {
        row.try_get_unchecked::<&[u8], _>(index.as_sqlx_mysql_index())
            .is_ok()
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    //! sqlx's own decoding of `timestamptz` panics at `infinity`, which any host may have written.

    use sea_orm::sqlx::error::BoxDynError;
    use sea_orm::sqlx::postgres::{PgTypeInfo, PgValueRef, Postgres};
    use sea_orm::sqlx::{Decode, Type, TypeInfo as _};

    /// Microseconds since 2000-01-01, as PostgreSQL sends them.
    pub(super) struct Micros(i64);

    impl Micros {
        const FROM_1970_TO_2000: i64 = 946_684_800_000_000;

        pub(super) fn since_1970(self) -> Option<i64> {
            self.0.checked_add(Self::FROM_1970_TO_2000)
        }
    }

    impl Type<Postgres> for Micros {
        fn type_info() -> PgTypeInfo {
            <chrono::DateTime<chrono::Utc> as Type<Postgres>>::type_info()
        }

        fn compatible(column: &PgTypeInfo) -> bool {
            column.name() == "TIMESTAMPTZ"
        }
    }

    impl<'r> Decode<'r, Postgres> for Micros {
        fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
            let bytes: [u8; 8] = value.as_bytes()?.try_into()?;
            Ok(Self(i64::from_be_bytes(bytes)))
        }
    }
}
