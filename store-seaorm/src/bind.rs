//! The values of a statement's placeholders.

use chrono::{DateTime, Utc};
use store_core::Ticket;

/// A value for a placeholder, borrowed: each driver copies it once, into what it sends.
#[derive(Clone, Copy)]
pub(crate) enum Bind<'a> {
    /// A key: text, but on MySQL and MariaDB bytes, whose comparison no collation bends.
    Text(Option<&'a str>),
    Time(Option<DateTime<Utc>>),
    Integer(Option<i64>),
    Bytes(&'a [u8]),
    /// A key as the database gave it.
    Stored(&'a StoredKey),
}

/// What a row is found by, as it is stored: it need not be a legal key.
#[derive(Clone)]
#[cfg_attr(
    not(all(feature = "postgres", feature = "mysql", feature = "sqlite")),
    allow(dead_code, reason = "not every database stores every kind")
)]
pub(crate) enum StoredKey {
    Text(String),
    Bytes(Vec<u8>),
    /// SQLite's number of the row.
    Number(i64),
}

impl<'a> Bind<'a> {
    pub(crate) fn text(text: &'a str) -> Self {
        Self::Text(Some(text))
    }

    pub(crate) fn optional_text(text: Option<&'a impl AsRef<str>>) -> Self {
        Self::Text(text.map(AsRef::as_ref))
    }

    pub(crate) fn time(at: DateTime<Utc>) -> Self {
        Self::Time(Some(at))
    }

    pub(crate) fn ticket(ticket: &'a Ticket) -> Self {
        Self::Bytes(ticket.as_bytes())
    }

    pub(crate) fn integer(integer: impl Into<i64>) -> Self {
        Self::Integer(Some(integer.into()))
    }

    /// A version that no database can hold matches no row.
    pub(crate) fn version(version: u64) -> Self {
        Self::integer(i64::try_from(version).unwrap_or(-1))
    }
}
