//! Removing what has expired.

use std::num::NonZeroU32;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use store_core::{Result, UserSession, stored_timestamp};

use super::end::{delete_rows, remove, sessions};
use super::{Inner, SeaOrmUserSessionStore};
use crate::bind::Bind;
use crate::database::Connection;
use crate::dialect::Dialect;
use crate::failure::Failure;
use crate::locks::Locks;
use crate::retry::Attempt;
use crate::statements::{self, Sql, Statements};

/// Larger batches raise the latency of readers and writers beside them; smaller ones take longer in
/// all.
const BATCH: u32 = 1000;

/// What is left to everybody else between two batches.
const PAUSE: Duration = Duration::from_millis(5);

/// After how long the cleanup looks at a session again, if it is not to expire before: what was
/// changed behind the store's back is found within a day.
const LOOK_AGAIN_AFTER: TimeDelta = TimeDelta::days(1);

/// What is bound for when the cleanup is to look at a session, where it goes by that.
pub(super) fn cleanup_at(
    statements: &Statements,
    expires: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Option<Bind<'static>> {
    let at = look_again_at(now);
    let at = expires.map_or(at, |expires| expires.min(at));
    statements
        .dialect
        .puts_cleanup_off()
        .then_some(Bind::time(at))
}

/// Not later than any time that a session can have.
fn look_again_at(now: DateTime<Utc>) -> DateTime<Utc> {
    let at = now.checked_add_signed(LOOK_AGAIN_AFTER);
    at.and_then(|at| stored_timestamp(at).ok()).unwrap_or(now)
}

/// Batch by batch, each for itself: dropped, the cleanup ends after the batch at hand.
pub(super) async fn delete_expired(store: &SeaOrmUserSessionStore) -> Result<u64> {
    let as_of = store.inner.now();
    let mut deleted = 0;
    loop {
        let batch = run!(store, Attempt::Write, as_of, |inner, db, as_of| inner
            .delete_batch(db, *as_of));
        match batch {
            Ok(Batch {
                removed: 0,
                put_off: 0,
            }) => return Ok(deleted),
            Ok(batch) => deleted += batch.removed,
            Err(error) if deleted == 0 => return Err(error),
            Err(error) => {
                tracing::warn!(%error, deleted, "the cleanup of expired sessions stopped half-way");
                return Ok(deleted);
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What a batch has done. Nothing only if there is nothing left to do.
#[derive(Clone, Copy)]
struct Batch {
    removed: u64,
    put_off: u64,
}

impl Inner {
    /// Rows that others hold are passed over at first, and waited for at last.
    async fn delete_batch(
        &self,
        db: &mut impl Connection,
        as_of: DateTime<Utc>,
    ) -> Result<Batch, Failure> {
        let statements = self.statements(db).await?;
        let values = batch_values(statements, as_of, BATCH);
        let sql = &statements.delete_expired;
        for (removing, putting_off) in passes(statements, sql) {
            let removed = delete_in_batch(db, statements, removing, &values).await?;
            let put_off = put_off(db, putting_off, as_of, BATCH, removed).await?;
            if removed > 0 || put_off > 0 {
                return Ok(Batch { removed, put_off });
            }
        }
        Ok(Batch {
            removed: 0,
            put_off: 0,
        })
    }

    /// Rows that cannot be sessions are gone after their batch, but they are none to hand back.
    pub(super) async fn end_expired(
        &self,
        db: &mut impl Connection,
        limit: NonZeroU32,
    ) -> Result<Vec<UserSession>, Failure> {
        let statements = self.statements(db).await?;
        let (as_of, limit) = (self.now(), limit.get());
        let values = batch_values(statements, as_of, limit);
        let sql = &statements.end_expired;
        'batches: loop {
            for (removing, putting_off) in passes(statements, sql) {
                let mut rows = end_in_batch(db, statements, removing, &values).await?;
                let removed = rows.len() as u64;
                let put_off = put_off(db, putting_off, as_of, limit, removed).await?;
                let ended = sessions(&mut rows);
                if !ended.is_empty() {
                    return Ok(ended);
                }
                if removed > 0 || put_off > 0 {
                    continue 'batches;
                }
            }
            return Ok(Vec::new());
        }
    }
}

/// Two passes over what is left: past what others hold, and waiting for it.
fn passes<'a>(
    statements: &'a Statements,
    removing: &'a statements::Batch,
) -> impl Iterator<Item = (&'a Sql, Option<&'a Sql>)> {
    let putting_off = statements.put_off.as_ref();
    let first = (&removing.first, putting_off.map(|batch| &batch.first));
    let waiting = removing.waiting.as_ref().map(|waiting| {
        let putting_off = putting_off.and_then(|batch| batch.waiting.as_ref());
        (waiting, putting_off)
    });
    [Some(first), waiting].into_iter().flatten()
}

/// Puts off what the cleanup has found alive, if it has: a full batch was all expired.
async fn put_off(
    db: &mut impl Connection,
    sql: Option<&Sql>,
    as_of: DateTime<Utc>,
    limit: u32,
    removed: u64,
) -> Result<u64, Failure> {
    let at = look_again_at(as_of);
    match sql {
        Some(sql) if removed < u64::from(limit) && at > as_of => {
            let values = [
                Bind::time(at),
                Bind::time(as_of),
                Bind::time(as_of),
                Bind::Integer(i64::from(limit)),
            ];
            db.execute(sql, &values).await
        }
        _ => Ok(0),
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
            let mut removed = db.rows(sql, values).await?;
            delete_rows(db, statements, &mut removed).await?;
            db.commit().await?;
            Ok(removed)
        }
    }
}

fn batch_values(statements: &Statements, as_of: DateTime<Utc>, limit: u32) -> Vec<Bind<'static>> {
    let mut values = vec![Bind::time(as_of), Bind::Integer(i64::from(limit))];
    if statements.dialect.puts_cleanup_off() {
        values.push(Bind::time(as_of));
    }
    values
}
