//! The databases, and how a value is bound on each.

use chrono::{DateTime, Utc};
use sea_orm::{DbBackend, Value};
use store_core::Ticket;

use crate::entity::Timestamp;

/// MariaDB speaks MySQL's protocol but has `DELETE … RETURNING`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Postgres,
    MySql,
    MariaDb,
    Sqlite,
}

impl Dialect {
    pub(crate) fn backend(self) -> DbBackend {
        match self {
            Self::Postgres => DbBackend::Postgres,
            Self::MySql | Self::MariaDb => DbBackend::MySql,
            Self::Sqlite => DbBackend::Sqlite,
        }
    }

    /// Whether a single statement that writes excludes all others, so that it needs no lock.
    pub(crate) fn has_one_writer(self) -> bool {
        match self {
            Self::Sqlite => true,
            Self::Postgres | Self::MySql | Self::MariaDb => false,
        }
    }

    /// Whether it has `DELETE … RETURNING`.
    pub(crate) fn hands_back_what_it_removes(self) -> bool {
        match self {
            Self::Postgres | Self::MariaDb | Self::Sqlite => true,
            Self::MySql => false,
        }
    }

    /// A key: text, but on MySQL and MariaDB bytes, whose comparison no collation bends.
    pub(crate) fn text(self, text: &str) -> Value {
        match self {
            Self::Postgres | Self::Sqlite => Value::String(Some(text.to_owned())),
            Self::MySql | Self::MariaDb => Value::Bytes(Some(text.as_bytes().to_vec())),
        }
    }

    pub(crate) fn optional_text(self, text: Option<&impl AsRef<str>>) -> Value {
        match (self, text) {
            (_, Some(text)) => self.text(text.as_ref()),
            (Self::Postgres | Self::Sqlite, None) => Value::String(None),
            (Self::MySql | Self::MariaDb, None) => Value::Bytes(None),
        }
    }

    pub(crate) fn time(self, at: DateTime<Utc>) -> Value {
        Timestamp::new(at, self.backend()).into()
    }

    pub(crate) fn optional_time(self, at: Option<DateTime<Utc>>) -> Value {
        match (self, at) {
            (_, Some(at)) => self.time(at),
            (Self::Postgres, None) => Value::ChronoDateTimeUtc(None),
            (Self::MySql | Self::MariaDb, None) => Value::ChronoDateTime(None),
            (Self::Sqlite, None) => Value::BigInt(None),
        }
    }

    pub(crate) fn ticket(self, ticket: &Ticket) -> Value {
        Value::Bytes(Some(ticket.as_bytes().to_vec()))
    }

    /// A version that no database can hold matches no row.
    pub(crate) fn version(self, version: u64) -> Value {
        Value::BigInt(Some(i64::try_from(version).unwrap_or(-1)))
    }
}
