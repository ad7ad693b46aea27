//! From a row to a session.

use chrono::{DateTime, Utc};
use sea_orm::{QueryResult, TryGetable};
use store_core::{
    BoxError, Error, InvalidKey, Result, Ticket, UserSession, UserSessionKey, UserSessionSummary,
    stored_timestamp,
};

use crate::bind::StoredKey;
use crate::entity::{Text, Timestamp};

/// A row as a driver gives it. `None` is NULL; what is not of the type asked for is an error.
pub(crate) trait Row {
    fn text(&mut self, index: usize) -> Result<Option<String>, BoxError>;
    fn time(&mut self, index: usize) -> Result<Option<DateTime<Utc>>, BoxError>;
    fn integer(&mut self, index: usize) -> Result<Option<i64>, BoxError>;
    fn bytes(&mut self, index: usize) -> Result<Option<Vec<u8>>, BoxError>;
    /// A key as it is stored, legal or not.
    fn stored_key(&mut self, index: usize) -> Result<StoredKey, BoxError>;
}

impl Row for QueryResult {
    fn text(&mut self, index: usize) -> Result<Option<String>, BoxError> {
        Ok(get::<Option<Text>>(self, index)?.map(String::from))
    }

    fn time(&mut self, index: usize) -> Result<Option<DateTime<Utc>>, BoxError> {
        Ok(get::<Option<Timestamp>>(self, index)?.map(DateTime::from))
    }

    fn integer(&mut self, index: usize) -> Result<Option<i64>, BoxError> {
        get(self, index)
    }

    fn bytes(&mut self, index: usize) -> Result<Option<Vec<u8>>, BoxError> {
        get(self, index)
    }

    fn stored_key(&mut self, index: usize) -> Result<StoredKey, BoxError> {
        #[cfg(feature = "mysql")]
        if self.try_as_mysql_row().is_some() {
            return get(self, index).map(StoredKey::Bytes);
        }
        #[cfg(feature = "postgres")]
        if self.try_as_pg_row().is_some() {
            return get(self, index).map(StoredKey::Text);
        }
        get(self, index).map(StoredKey::Number)
    }
}

fn get<T: TryGetable>(row: &QueryResult, index: usize) -> Result<T, BoxError> {
    Ok(row.try_get_by_index(index)?)
}

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
pub(crate) fn session(row: &mut impl Row) -> Result<UserSession> {
    let mut columns = Columns::of(row);
    let key = columns.key()?;
    columns.session(key)
}

/// The session with this key, from [`COLUMNS_WITHOUT_KEY`].
pub(crate) fn session_with_key(row: &mut impl Row, key: &UserSessionKey) -> Result<UserSession> {
    Columns::of(row).session(key.clone())
}

/// A session without its ticket, from [`SUMMARY_COLUMNS`].
pub(crate) fn summary(row: &mut impl Row) -> Result<UserSessionSummary> {
    let mut columns = Columns::of(row);
    let key = columns.key()?;
    columns.summary(key)
}

/// A stored key, which may break the rules if something else wrote it.
pub(crate) fn checked_key<K>(column: &'static str, text: impl Into<String>) -> Result<K>
where
    K: TryFrom<String, Error = InvalidKey>,
{
    K::try_from(text.into()).map_err(|error| Error::corrupt(column, error))
}

/// A stored time, likewise.
pub(crate) fn checked_time(
    column: &'static str,
    at: impl Into<DateTime<Utc>>,
) -> Result<DateTime<Utc>> {
    stored_timestamp(at.into()).map_err(|error| Error::corrupt(column, error))
}

/// A stored version, likewise.
pub(crate) fn checked_version(version: i64) -> Result<u64> {
    u64::try_from(version).map_err(|error| Error::corrupt("version", error))
}

/// A row's columns, read from the left.
pub(crate) struct Columns<'r, R> {
    row: &'r mut R,
    next: usize,
}

impl<'r, R: Row> Columns<'r, R> {
    pub(crate) fn of(row: &'r mut R) -> Self {
        Self { row, next: 0 }
    }

    fn next<T>(
        &mut self,
        name: &'static str,
        get: impl FnOnce(&mut R, usize) -> Result<Option<T>, BoxError>,
    ) -> Result<Option<T>> {
        let value = get(self.row, self.next);
        self.next += 1;
        value.map_err(|error| Error::corrupt(name, error))
    }

    pub(crate) fn integer(&mut self, name: &'static str) -> Result<i64> {
        let integer = self.next(name, R::integer)?;
        integer.ok_or_else(|| Error::corrupt(name, IsNull))
    }

    pub(crate) fn version(&mut self) -> Result<u64> {
        checked_version(self.integer("version")?)
    }

    pub(crate) fn optional_key<K>(&mut self, name: &'static str) -> Result<Option<K>>
    where
        K: TryFrom<String, Error = InvalidKey>,
    {
        let text = self.next(name, R::text)?;
        text.map(|text| checked_key(name, text)).transpose()
    }

    fn required_key<K>(&mut self, name: &'static str) -> Result<K>
    where
        K: TryFrom<String, Error = InvalidKey>,
    {
        let key = self.optional_key(name)?;
        key.ok_or_else(|| Error::corrupt(name, IsNull))
    }

    pub(crate) fn key(&mut self) -> Result<UserSessionKey> {
        Ok(UserSessionKey {
            partition_key: self.required_key("partition_key")?,
            user_key: self.required_key("user_key")?,
        })
    }

    pub(crate) fn optional_time(&mut self, name: &'static str) -> Result<Option<DateTime<Utc>>> {
        let at = self.next(name, R::time)?;
        at.map(|at| checked_time(name, at)).transpose()
    }

    fn time(&mut self, name: &'static str) -> Result<DateTime<Utc>> {
        let at = self.optional_time(name)?;
        at.ok_or_else(|| Error::corrupt(name, IsNull))
    }

    fn summary(&mut self, key: UserSessionKey) -> Result<UserSessionSummary> {
        Ok(UserSessionSummary {
            key,
            subject_id: self.optional_key("subject_id")?,
            session_id: self.optional_key("session_id")?,
            created: self.time("created")?,
            renewed: self.time("renewed")?,
            expires: self.optional_time("expires")?,
            version: self.version()?,
        })
    }

    fn session(&mut self, key: UserSessionKey) -> Result<UserSession> {
        let summary = self.summary(key)?;
        let ticket = self.next("ticket", R::bytes)?;
        Ok(UserSession {
            key: summary.key,
            subject_id: summary.subject_id,
            session_id: summary.session_id,
            created: summary.created,
            renewed: summary.renewed,
            expires: summary.expires,
            version: summary.version,
            ticket: Ticket::from(ticket.ok_or_else(|| Error::corrupt("ticket", IsNull))?),
        })
    }
}

/// There is nothing where every session has something.
#[derive(Debug, thiserror::Error)]
#[error("it is NULL")]
struct IsNull;
