//! Removing what has expired.

use std::num::NonZeroU32;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::{QueryResult, Value};
use store_core::{Result, UserSession};

use super::end::{remove, sessions};
use super::{Inner, SeaOrmUserSessionStore, execute};
use crate::dialect::Dialect;
use crate::failure::Failure;
use crate::retry::Attempt;
use crate::statements::{Sql, Statements};
use crate::transaction::Locks;

/// Larger batches raise the latency of readers and writers beside them; smaller ones take longer in
/// all.
const BATCH: u32 = 1000;

/// What is left to everybody else between two batches.
const PAUSE: Duration = Duration::from_millis(5);

/// Batch by batch, each in a task of its own: dropped, the cleanup ends after the batch at hand.
pub(super) async fn delete_expired(store: &SeaOrmUserSessionStore) -> Result<u64> {
    let as_of = store.inner.now();
    let mut deleted = 0;
    loop {
        let batch = detached!(store, Attempt::Write, |inner| inner.delete_batch(as_of));
        match batch {
            Ok(0) => return Ok(deleted),
            Ok(batch) => deleted += batch,
            Err(error) if deleted == 0 => return Err(error),
            Err(error) => {
                tracing::warn!(%error, deleted, "the cleanup of expired sessions stopped half-way");
                return Ok(deleted);
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

impl Inner {
    /// None only if there is none left: rows that others hold are waited for at last.
    async fn delete_batch(&self, as_of: DateTime<Utc>) -> Result<u64, Failure> {
        let statements = self.statements().await?;
        let values = batch_values(statements, as_of, BATCH);
        let batch = &statements.delete_expired;
        let deleted = self
            .delete_in_batch(statements, &batch.first, values.clone())
            .await?;
        match &batch.waiting {
            Some(waiting) if deleted == 0 => {
                self.delete_in_batch(statements, waiting, values).await
            }
            _ => Ok(deleted),
        }
    }

    /// On MySQL and MariaDB in a transaction at READ COMMITTED: at their default isolation it would
    /// lock the gaps of the index, and with them every renewal.
    async fn delete_in_batch(
        &self,
        statements: &Statements,
        sql: &Sql,
        values: Vec<Value>,
    ) -> Result<u64, Failure> {
        match statements.dialect {
            Dialect::Postgres | Dialect::Sqlite => {
                execute(&self.writes, statements, sql, values).await
            }
            Dialect::MySql | Dialect::MariaDb => {
                let transaction = self.begin(statements, Locks::NONE).await?;
                let deleted = execute(&transaction, statements, sql, values).await?;
                transaction.commit().await?;
                Ok(deleted)
            }
        }
    }

    /// Rows that cannot be sessions are gone after their batch, but they are none to hand back.
    pub(super) async fn end_expired(&self, limit: NonZeroU32) -> Result<Vec<UserSession>, Failure> {
        let statements = self.statements().await?;
        let values = batch_values(statements, self.now(), limit.get());
        let batch = &statements.end_expired;
        loop {
            let mut removed = self
                .end_in_batch(statements, &batch.first, values.clone())
                .await?;
            if let (true, Some(waiting)) = (removed.is_empty(), &batch.waiting) {
                removed = self
                    .end_in_batch(statements, waiting, values.clone())
                    .await?;
            }
            let ended = sessions(&removed);
            if removed.is_empty() || !ended.is_empty() {
                return Ok(ended);
            }
        }
    }

    async fn end_in_batch(
        &self,
        statements: &Statements,
        sql: &Sql,
        values: Vec<Value>,
    ) -> Result<Vec<QueryResult>, Failure> {
        match statements.dialect {
            Dialect::Postgres | Dialect::Sqlite => {
                remove(&self.writes, statements, sql, values).await
            }
            Dialect::MySql | Dialect::MariaDb => {
                let transaction = self.begin(statements, Locks::NONE).await?;
                let removed = remove(&transaction, statements, sql, values).await?;
                transaction.commit().await?;
                Ok(removed)
            }
        }
    }
}

fn batch_values(statements: &Statements, as_of: DateTime<Utc>, limit: u32) -> Vec<Value> {
    vec![statements.dialect.time(as_of), i64::from(limit).into()]
}
