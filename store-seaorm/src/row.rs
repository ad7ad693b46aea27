//! From a row to a session.

use chrono::{DateTime, Utc};
use sea_orm::{QueryResult, TryGetable};
use store_core::{
    Error, InvalidKey, Result, Ticket, UserSession, UserSessionKey, UserSessionSummary,
    stored_timestamp,
};

use crate::entity::{Text, Timestamp};

/// What statements select of a session, in this order.
pub(crate) const COLUMNS: &str = "partition_key, user_key, subject_id, session_id, created, \
                                  renewed, expires, version, ticket";

/// [`COLUMNS`] without the ticket.
pub(crate) const SUMMARY_COLUMNS: &str = "partition_key, user_key, subject_id, session_id, \
                                          created, renewed, expires, version";

/// [`COLUMNS`] without the key, for a session whose key is known.
pub(crate) const COLUMNS_WITHOUT_KEY: &str =
    "subject_id, session_id, created, renewed, expires, version, ticket";

/// A session from [`COLUMNS`].
pub(crate) fn session(row: &QueryResult) -> Result<UserSession> {
    let mut columns = Columns::of(row);
    let key = columns.key()?;
    columns.session(key)
}

/// The session with this key, from [`COLUMNS_WITHOUT_KEY`].
pub(crate) fn session_with_key(row: &QueryResult, key: &UserSessionKey) -> Result<UserSession> {
    Columns::of(row).session(key.clone())
}

/// A session without its ticket, from [`SUMMARY_COLUMNS`].
pub(crate) fn summary(row: &QueryResult) -> Result<UserSessionSummary> {
    let mut columns = Columns::of(row);
    let key = columns.key()?;
    columns.summary(key)
}

/// A single column.
pub(crate) fn column<T: TryGetable>(row: &QueryResult, name: &'static str) -> Result<T> {
    Columns::of(row).next(name)
}

/// Two columns of keys.
pub(crate) fn two_columns<A: TryGetable, B: TryGetable>(row: &QueryResult) -> Result<(A, B)> {
    let mut columns = Columns::of(row);
    Ok((
        columns.next("the first column")?,
        columns.next("the second column")?,
    ))
}

/// A stored key, which may break the rules if something else wrote it.
pub(crate) fn checked_key<K>(column: &'static str, text: Text) -> Result<K>
where
    K: TryFrom<String, Error = InvalidKey>,
{
    K::try_from(text.into()).map_err(|error| Error::corrupt(column, error))
}

/// A stored time, likewise.
pub(crate) fn checked_time(column: &'static str, at: Timestamp) -> Result<DateTime<Utc>> {
    stored_timestamp(at.into()).map_err(|error| Error::corrupt(column, error))
}

/// A stored version, likewise.
pub(crate) fn checked_version(version: i64) -> Result<u64> {
    u64::try_from(version).map_err(|error| Error::corrupt("version", error))
}

/// A row's columns, read from the left.
struct Columns<'r> {
    row: &'r QueryResult,
    next: usize,
}

impl<'r> Columns<'r> {
    fn of(row: &'r QueryResult) -> Self {
        Self { row, next: 0 }
    }

    fn next<T: TryGetable>(&mut self, name: &'static str) -> Result<T> {
        let value = self.row.try_get_by_index(self.next);
        self.next += 1;
        value.map_err(|error| Error::corrupt(name, error))
    }

    fn key(&mut self) -> Result<UserSessionKey> {
        Ok(UserSessionKey {
            partition_key: checked_key("partition_key", self.next("partition_key")?)?,
            user_key: checked_key("user_key", self.next("user_key")?)?,
        })
    }

    fn optional_key<K>(&mut self, name: &'static str) -> Result<Option<K>>
    where
        K: TryFrom<String, Error = InvalidKey>,
    {
        self.next::<Option<Text>>(name)?
            .map(|text| checked_key(name, text))
            .transpose()
    }

    fn time(&mut self, name: &'static str) -> Result<DateTime<Utc>> {
        checked_time(name, self.next(name)?)
    }

    fn summary(&mut self, key: UserSessionKey) -> Result<UserSessionSummary> {
        Ok(UserSessionSummary {
            key,
            subject_id: self.optional_key("subject_id")?,
            session_id: self.optional_key("session_id")?,
            created: self.time("created")?,
            renewed: self.time("renewed")?,
            expires: self
                .next::<Option<Timestamp>>("expires")?
                .map(|at| checked_time("expires", at))
                .transpose()?,
            version: checked_version(self.next("version")?)?,
        })
    }

    fn session(&mut self, key: UserSessionKey) -> Result<UserSession> {
        let summary = self.summary(key)?;
        Ok(UserSession {
            key: summary.key,
            subject_id: summary.subject_id,
            session_id: summary.session_id,
            created: summary.created,
            renewed: summary.renewed,
            expires: summary.expires,
            version: summary.version,
            ticket: Ticket::from(self.next::<Vec<u8>>("ticket")?),
        })
    }
}
