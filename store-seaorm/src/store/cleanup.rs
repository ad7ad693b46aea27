//! Removing what has expired.

use std::num::NonZeroU32;
use std::time::Duration;

use chrono::{DateTime, Utc};
use store_core::{Result, UserSession};

use super::end::{remove, sessions};
use super::{Inner, SeaOrmUserSessionStore};
use crate::bind::Bind;
use crate::database::Connection;
use crate::dialect::Dialect;
use crate::failure::Failure;
use crate::locks::Locks;
use crate::retry::Attempt;
use crate::statements::{Sql, Statements};

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
        let batch = run!(store, Attempt::Write, as_of, |inner, db, as_of| inner
            .delete_batch(db, *as_of));
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
    async fn delete_batch(
        &self,
        db: &mut impl Connection,
        as_of: DateTime<Utc>,
    ) -> Result<u64, Failure> {
        let statements = self.statements(db).await?;
        let values = batch_values(as_of, BATCH);
        let batch = &statements.delete_expired;
        let deleted = delete_in_batch(db, statements, &batch.first, &values).await?;
        match &batch.waiting {
            Some(waiting) if deleted == 0 => {
                delete_in_batch(db, statements, waiting, &values).await
            }
            _ => Ok(deleted),
        }
    }

    /// Rows that cannot be sessions are gone after their batch, but they are none to hand back.
    pub(super) async fn end_expired(
        &self,
        db: &mut impl Connection,
        limit: NonZeroU32,
    ) -> Result<Vec<UserSession>, Failure> {
        let statements = self.statements(db).await?;
        let values = batch_values(self.now(), limit.get());
        let batch = &statements.end_expired;
        loop {
            let mut removed = end_in_batch(db, statements, &batch.first, &values).await?;
            if let (true, Some(waiting)) = (removed.is_empty(), &batch.waiting) {
                removed = end_in_batch(db, statements, waiting, &values).await?;
            }
            let ended = sessions(&mut removed);
            if removed.is_empty() || !ended.is_empty() {
                return Ok(ended);
            }
        }
    }
}

/// On MySQL and MariaDB in a transaction at READ COMMITTED: at their default isolation it would
/// lock the gaps of the index, and with them every renewal.
async fn delete_in_batch(
    db: &mut impl Connection,
    statements: &Statements,
    sql: &Sql,
    values: &[Bind<'_>],
) -> Result<u64, Failure> {
    match statements.dialect {
        Dialect::Postgres | Dialect::Sqlite => db.execute(sql, values).await,
        Dialect::MySql | Dialect::MariaDb => {
            db.begin(statements, Locks::NONE).await?;
            let deleted = db.execute(sql, values).await?;
            db.commit().await?;
            Ok(deleted)
        }
    }
}

async fn end_in_batch<C: Connection>(
    db: &mut C,
    statements: &Statements,
    sql: &Sql,
    values: &[Bind<'_>],
) -> Result<Vec<C::Row>, Failure> {
    match statements.dialect {
        Dialect::Postgres | Dialect::Sqlite => remove(db, statements, sql, values).await,
        Dialect::MySql | Dialect::MariaDb => {
            db.begin(statements, Locks::NONE).await?;
            let removed = remove(db, statements, sql, values).await?;
            db.commit().await?;
            Ok(removed)
        }
    }
}

fn batch_values(as_of: DateTime<Utc>, limit: u32) -> [Bind<'static>; 2] {
    [Bind::time(as_of), Bind::Integer(i64::from(limit))]
}
