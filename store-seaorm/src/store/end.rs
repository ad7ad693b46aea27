//! Removing sessions by key and by filter.

use sea_orm::{ConnectionTrait, QueryResult, Value};
use store_core::{PartitionKey, UserSession, UserSessionKey, UserSessionsFilter};

use super::{Inner, execute, filter_values, key_values, rows};
use crate::failure::Failure;
use crate::row;
use crate::statements::{KEYS_AT_ONCE, Sql, Statements};
use crate::transaction::Locks;

impl Inner {
    pub(super) async fn delete(&self, key: &UserSessionKey) -> Result<bool, Failure> {
        let statements = self.statements().await?;
        let values = key_values(statements, key);
        Ok(execute(&self.writes, statements, &statements.delete, values).await? == 1)
    }

    pub(super) async fn delete_matching(
        &self,
        partition: &PartitionKey,
        filter: &UserSessionsFilter,
    ) -> Result<u64, Failure> {
        let statements = self.statements().await?;
        let sql = statements.delete_matching.of(filter);
        let values = filter_values(statements, partition, filter);
        if statements.dialect.has_one_writer() {
            return execute(&self.writes, statements, sql, values).await;
        }
        let locks = locks_of(partition, filter);
        let transaction = self.begin(statements, locks).await?;
        let deleted = execute(&transaction, statements, sql, values).await?;
        transaction.commit().await?;
        Ok(deleted)
    }

    pub(super) async fn end_matching(
        &self,
        partition: &PartitionKey,
        filter: &UserSessionsFilter,
    ) -> Result<Vec<UserSession>, Failure> {
        let statements = self.statements().await?;
        let sql = statements.end_matching.of(filter);
        let values = filter_values(statements, partition, filter);
        let mut ended = if statements.dialect.has_one_writer() {
            end(&self.writes, statements, sql, values).await?
        } else {
            let locks = locks_of(partition, filter);
            let transaction = self.begin(statements, locks).await?;
            let ended = end(&transaction, statements, sql, values).await?;
            transaction.commit().await?;
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
pub(super) async fn end<C: ConnectionTrait>(
    db: &C,
    statements: &Statements,
    sql: &Sql,
    values: Vec<Value>,
) -> Result<Vec<UserSession>, Failure> {
    Ok(sessions(&remove(db, statements, sql, values).await?))
}

/// Removes rows by one of the statements that [`Statements`] has for ending.
pub(super) async fn remove<C: ConnectionTrait>(
    db: &C,
    statements: &Statements,
    sql: &Sql,
    values: Vec<Value>,
) -> Result<Vec<QueryResult>, Failure> {
    let rows = rows(db, statements, sql, values).await?;
    if !statements.dialect.hands_back_what_it_removes() {
        delete_rows(db, statements, &rows).await?;
    }
    Ok(rows)
}

/// The sessions that removed rows were.
///
/// A row that cannot be one is gone too, and is reported instead: it must not keep alive all that
/// should end with it.
pub(super) fn sessions(removed: &[QueryResult]) -> Vec<UserSession> {
    let sessions = removed.iter().filter_map(|row| {
        row::session(row)
            .inspect_err(|error| tracing::error!(%error, "ended a session that was corrupt"))
            .ok()
    });
    sessions.collect()
}

/// Removes rows that this transaction has locked and read: MySQL's way.
async fn delete_rows<C: ConnectionTrait>(
    db: &C,
    statements: &Statements,
    rows: &[QueryResult],
) -> Result<(), Failure> {
    for chunk in rows.chunks(KEYS_AT_ONCE) {
        let mut values = Vec::with_capacity(2 * KEYS_AT_ONCE);
        // The statement names as many rows whatever is left: the last is named again.
        for index in 0..KEYS_AT_ONCE {
            let row = &chunk[index.min(chunk.len() - 1)];
            let (partition_key, user_key): (Vec<u8>, Vec<u8>) = row::two_columns(row)?;
            values.extend([Value::from(partition_key), Value::from(user_key)]);
        }
        execute(db, statements, &statements.delete_keys, values).await?;
    }
    Ok(())
}
