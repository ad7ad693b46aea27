//! Removing sessions by key and by filter.

use store_core::{BoxError, Error, PartitionKey, UserSession, UserSessionKey, UserSessionsFilter};

use super::{Inner, filter_values, key_values};
use crate::bind::Bind;
use crate::database::Connection;
use crate::failure::Failure;
use crate::locks::Locks;
use crate::row::{self, Row};
use crate::statements::{KEYS_AT_ONCE, Sql, Statements};

impl Inner {
    pub(super) async fn delete(
        &self,
        db: &mut impl Connection,
        key: &UserSessionKey,
    ) -> Result<bool, Failure> {
        let statements = self.statements(db).await?;
        Ok(db.execute(&statements.delete, &key_values(key)).await? == 1)
    }

    pub(super) async fn delete_matching(
        &self,
        db: &mut impl Connection,
        partition: &PartitionKey,
        filter: &UserSessionsFilter,
    ) -> Result<u64, Failure> {
        let statements = self.statements(db).await?;
        let sql = statements.delete_matching.of(filter);
        let values = filter_values(partition, filter);
        if statements.dialect.has_one_writer() {
            return db.execute(sql, &values).await;
        }
        db.begin(statements, locks_of(partition, filter)).await?;
        let deleted = db.execute(sql, &values).await?;
        db.commit().await?;
        Ok(deleted)
    }

    pub(super) async fn end_matching(
        &self,
        db: &mut impl Connection,
        partition: &PartitionKey,
        filter: &UserSessionsFilter,
    ) -> Result<Vec<UserSession>, Failure> {
        let statements = self.statements(db).await?;
        let sql = statements.end_matching.of(filter);
        let values = filter_values(partition, filter);
        let mut ended = if statements.dialect.has_one_writer() {
            end(db, statements, sql, &values).await?
        } else {
            db.begin(statements, locks_of(partition, filter)).await?;
            let ended = end(db, statements, sql, &values).await?;
            db.commit().await?;
            ended
        };
        ended.sort_by(UserSession::by_age);
        Ok(ended)
    }
}

/// What a start with the filter's session id or subject locks too.
fn locks_of(partition: &PartitionKey, filter: &UserSessionsFilter) -> Locks {
    Locks::of(partition, filter.session_id(), filter.subject_id())
}

/// Removes rows by one of the statements that [`Statements`] has for ending, and hands them back as
/// sessions.
pub(super) async fn end(
    db: &mut impl Connection,
    statements: &Statements,
    sql: &Sql,
    values: &[Bind<'_>],
) -> Result<Vec<UserSession>, Failure> {
    Ok(sessions(&mut remove(db, statements, sql, values).await?))
}

/// Removes rows by one of the statements that [`Statements`] has for ending.
pub(super) async fn remove<C: Connection>(
    db: &mut C,
    statements: &Statements,
    sql: &Sql,
    values: &[Bind<'_>],
) -> Result<Vec<C::Row>, Failure> {
    let mut rows = db.rows(sql, values).await?;
    if !statements.dialect.hands_back_what_it_removes() {
        delete_rows(db, statements, &mut rows).await?;
    }
    Ok(rows)
}

/// The sessions that removed rows were.
///
/// A row that cannot be one is gone too, and is reported instead: it must not keep alive all that
/// should end with it.
pub(super) fn sessions(removed: &mut [impl Row]) -> Vec<UserSession> {
    let sessions = removed.iter_mut().filter_map(|row| {
        row::session(row)
            .inspect_err(|error| tracing::error!(%error, "ended a session that was corrupt"))
            .ok()
    });
    sessions.collect()
}

/// Removes rows that this transaction has locked and read: MySQL's way.
pub(super) async fn delete_rows<C: Connection>(
    db: &mut C,
    statements: &Statements,
    rows: &mut [C::Row],
) -> Result<(), Failure> {
    for chunk in rows.chunks_mut(KEYS_AT_ONCE) {
        let keys = chunk
            .iter_mut()
            .map(|row| Ok([row.stored_key(0)?, row.stored_key(1)?]))
            .collect::<Result<Vec<_>, BoxError>>()
            .map_err(Error::backend)?;
        if let [key] = &keys[..] {
            db.execute(&statements.delete, &key.each_ref().map(Bind::Stored))
                .await?;
            continue;
        }
        // The statement names as many rows whatever is left: the last is named again.
        let values = (0..KEYS_AT_ONCE)
            .flat_map(|index| &keys[index.min(keys.len() - 1)])
            .map(Bind::Stored)
            .collect::<Vec<_>>();
        db.execute(&statements.delete_keys, &values).await?;
    }
    Ok(())
}
