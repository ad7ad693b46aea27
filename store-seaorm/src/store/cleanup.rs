//! Removing what has expired.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::DbBackend;
use store_core::{Result, UserSession, stored_timestamp};

use super::end::{delete_rows, remove, sessions};
use super::{Inner, SeaOrmUserSessionStore};
use crate::bind::Bind;
use crate::database::Connection;
use crate::dialect::Dialect;
use crate::failure::Failure;
use crate::locks::Locks;
use crate::retry::Attempt;
use crate::row::Columns;
use crate::statements::{Sql, Statements};

/// How fast the cleanup goes.
#[derive(Clone, Copy)]
struct Pace {
    /// How many rows a statement takes. More raise the latency of readers and writers beside them;
    /// fewer take longer in all.
    batch: u32,
    /// What is left to everybody else between two batches: so many times what the batch took, within
    /// bounds. A cleanup that takes a processor to itself shows in readers' latency; one that takes
    /// a minute more does not matter. One that is still not done after [`HURRIES_AFTER`] does.
    rests: u32,
    shortest_rest: Duration,
    longest_rest: Duration,
}

/// A server has more processors than one, and pays for every statement. It also works in the rests, at
/// what the batches have left behind.
const PACE_OF_SERVERS: Pace = Pace {
    batch: 1000,
    rests: 32,
    shortest_rest: Duration::from_millis(50),
    longest_rest: Duration::from_secs(1),
};

/// SQLite's writer keeps all others waiting until it has copied every page that it has changed, and
/// checkpoints bring all of them to the disk in the rests. A batch that takes long has waited for others
/// or for the disk, which is no reason to fall behind.
const PACE_OF_SQLITE: Pace = Pace {
    batch: 50,
    rests: 12,
    shortest_rest: Duration::from_millis(5),
    longest_rest: Duration::from_millis(60),
};

/// Rests become half as long, bounds and all but the least, each time that a cleanup has lasted so long
/// again. Where more comes to expire than it removes at rest, the next one has more to do, lasts longer and
/// so goes faster, down to the shortest rests.
const HURRIES_AFTER: Duration = Duration::from_mins(5);

/// After how long the cleanup looks at a session again, if it is not to expire before: what was
/// changed behind the store's back is found within a day.
const LOOK_AGAIN_AFTER: TimeDelta = TimeDelta::days(1);

impl Pace {
    fn on(backend: DbBackend) -> Self {
        match backend {
            DbBackend::Sqlite => PACE_OF_SQLITE,
            _ => PACE_OF_SERVERS,
        }
    }

    /// After a batch that took so long, of a cleanup that has lasted so long.
    fn rest_after(self, batch: Duration, lasted: Duration) -> Duration {
        let halvings = lasted.as_secs() / HURRIES_AFTER.as_secs();
        let parts = 2_u32.saturating_pow(u32::try_from(halvings).unwrap_or(u32::MAX));
        let rest = (batch * self.rests).min(self.longest_rest) / parts;
        rest.max(self.shortest_rest)
    }
}

/// What is bound for when the cleanup is to look at a session.
pub(super) fn cleanup_at(expires: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Bind<'static> {
    let at = look_again_at(now);
    Bind::time(expires.map_or(at, |expires| expires.min(at)))
}

/// Not later than any time that a session can have.
fn look_again_at(now: DateTime<Utc>) -> DateTime<Utc> {
    let at = now.checked_add_signed(LOOK_AGAIN_AFTER);
    at.and_then(|at| stored_timestamp(at).ok()).unwrap_or(now)
}

/// Batch by batch, each for itself: dropped, the cleanup ends after the batch at hand.
pub(super) async fn delete_expired(store: &SeaOrmUserSessionStore) -> Result<u64> {
    let as_of = store.inner.now();
    let pace = Pace::on(store.inner.database.backend());
    let started = Instant::now();
    let mut deleted = 0;
    let mut from = None;
    loop {
        let began = Instant::now();
        let given = (as_of, from);
        let batch = run!(store, Attempt::Write, given, |inner, db, (as_of, from)| {
            inner.delete_batch(db, *as_of, *from)
        });
        match batch {
            Ok((batch, until)) => {
                let Batch { removed, put_off } = batch;
                tracing::debug!(removed, put_off, "a batch of the cleanup");
                deleted += removed;
                if from.is_none() && batch.was_the_last(pace) {
                    return Ok(deleted);
                }
                // From the end it goes back to the beginning, for what others held when it came by.
                from = until.filter(|_| batch.was_full(pace));
            }
            Err(error) if deleted == 0 => return Err(error),
            Err(error) => {
                tracing::warn!(%error, deleted, "the cleanup of expired sessions stopped half-way");
                return Ok(deleted);
            }
        }
        let rest = pace.rest_after(began.elapsed(), started.elapsed());
        tokio::time::sleep(rest).await;
    }
}

/// The first batch that has sessions to hand back. Rows that cannot be sessions are gone after their
/// batch, but they are none.
pub(super) async fn end_expired(
    store: &SeaOrmUserSessionStore,
    limit: NonZeroU32,
) -> Result<Vec<UserSession>> {
    let as_of = store.inner.now();
    let pace = Pace::on(store.inner.database.backend());
    loop {
        let given = (as_of, limit);
        let (ended, batch) = run!(store, Attempt::Write, given, |inner, db, (as_of, limit)| {
            inner.end_batch(db, *as_of, limit.get())
        })?;
        if !ended.is_empty() || batch.was_the_last(pace) {
            return Ok(ended);
        }
        tokio::time::sleep(pace.shortest_rest).await;
    }
}

/// What a batch has done.
#[derive(Clone, Copy)]
struct Batch {
    removed: u64,
    put_off: u64,
}

impl Batch {
    /// What comes to be put off meanwhile, from nodes of an older version or with a slow clock, is
    /// for the next cleanup.
    fn was_the_last(self, pace: Pace) -> bool {
        self.removed == 0 && self.put_off < u64::from(pace.batch)
    }

    /// Whether there may be more behind it.
    fn was_full(self, pace: Pace) -> bool {
        self.removed + self.put_off >= u64::from(pace.batch)
    }
}

impl Inner {
    /// Rows that others hold are passed over at first. When none is left that they do not, what has
    /// expired is waited for. What was due before `from` is not looked at, where that spares something.
    ///
    /// With when the last that it looked at was due: the next one can begin there. None where it is to
    /// begin at the beginning.
    async fn delete_batch(
        &self,
        db: &mut impl Connection,
        as_of: DateTime<Utc>,
        from: Option<DateTime<Utc>>,
    ) -> Result<(Batch, Option<DateTime<Utc>>), Failure> {
        let statements = self.statements(db).await?;
        let sql = &statements.delete_expired;
        let pace = Pace::on(statements.dialect.backend());
        let limit = pace.batch;
        let (removed, mut until) = if statements.dialect.cleans_up_from_a_time() {
            delete_from(db, &sql.first, as_of, from, limit).await?
        } else {
            let values = batch_values(as_of, limit);
            let removed = change_batch(db, statements, &sql.first, &values).await?;
            (removed, None)
        };
        let put_off = put_off(db, statements, as_of, from, limit, removed).await?;
        let mut batch = Batch { removed, put_off };
        if from.is_none() && batch.was_the_last(pace) {
            let values = waiting_values(as_of, limit);
            batch.removed = change_batch(db, statements, &sql.waiting, &values).await?;
            until = None;
        }
        Ok((batch, until))
    }

    /// Likewise, with what was removed.
    async fn end_batch(
        &self,
        db: &mut impl Connection,
        as_of: DateTime<Utc>,
        limit: u32,
    ) -> Result<(Vec<UserSession>, Batch), Failure> {
        let statements = self.statements(db).await?;
        let sql = &statements.end_expired;
        let pace = Pace::on(statements.dialect.backend());
        let values = batch_values(as_of, limit);
        let mut rows = end_in_batch(db, statements, &sql.first, &values).await?;
        let removed = rows.len() as u64;
        let put_off = put_off(db, statements, as_of, None, limit, removed).await?;
        let mut batch = Batch { removed, put_off };
        if batch.was_the_last(pace) {
            let values = waiting_values(as_of, limit);
            rows = end_in_batch(db, statements, &sql.waiting, &values).await?;
            batch.removed = rows.len() as u64;
        }
        Ok((sessions(&mut rows), batch))
    }
}

/// How many it has removed, and when the last that it looked at was due. A time that no session can have
/// is none: what was removed must be told all the same.
async fn delete_from(
    db: &mut impl Connection,
    sql: &Sql,
    as_of: DateTime<Utc>,
    from: Option<DateTime<Utc>>,
    limit: u32,
) -> Result<(u64, Option<DateTime<Utc>>), Failure> {
    let values = [
        Bind::time(as_of),
        Bind::Time(from),
        Bind::integer(limit),
        Bind::time(as_of),
    ];
    // To its end: with its only row in hand it is not yet committed.
    let Some(mut row) = db.rows(sql, &values).await?.pop() else {
        return Ok((0, None));
    };
    let mut columns = Columns::of(&mut row);
    let removed = columns.integer("count")?;
    let until = columns.optional_time("cleanup_at").unwrap_or(None);
    Ok((removed.unsigned_abs(), until))
}

/// Puts off what the cleanup has found alive, if it has: a full batch was all expired.
///
/// What was removed must be told, so after a removal a failure here is not the operation's: the next
/// batch finds the same rows.
async fn put_off(
    db: &mut impl Connection,
    statements: &Statements,
    as_of: DateTime<Utc>,
    from: Option<DateTime<Utc>>,
    limit: u32,
    removed: u64,
) -> Result<u64, Failure> {
    let at = look_again_at(as_of);
    if removed >= u64::from(limit) || at <= as_of {
        return Ok(0);
    }
    let mut values = vec![Bind::time(at), Bind::time(as_of)];
    if statements.dialect.cleans_up_from_a_time() {
        values.push(Bind::Time(from));
    }
    values.push(Bind::time(as_of));
    values.push(Bind::integer(Pace::on(statements.dialect.backend()).batch));
    match change_batch(db, statements, &statements.put_off, &values).await {
        Err(failure) if removed > 0 => {
            tracing::debug!(?failure, "live sessions could not be put off");
            db.roll_back().await;
            Ok(0)
        }
        answer => answer,
    }
}

/// On MySQL and MariaDB in a transaction at READ COMMITTED: at their default isolation it would
/// lock the gaps of the index, and with them every renewal.
async fn change_batch(
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

/// What the statements take that pass over what others hold.
fn batch_values(as_of: DateTime<Utc>, limit: u32) -> [Bind<'static>; 3] {
    [Bind::time(as_of), Bind::integer(limit), Bind::time(as_of)]
}

/// What the statements take that wait for it.
fn waiting_values(as_of: DateTime<Utc>, limit: u32) -> [Bind<'static>; 4] {
    let (as_of, limit) = (Bind::time(as_of), Bind::integer(limit));
    [as_of, as_of, limit, as_of]
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn rests_as_many_times_as_long_as_the_batch_took_within_bounds() {
        let rest = |millis| PACE_OF_SERVERS.rest_after(Duration::from_millis(millis), MINUTE);
        assert_eq!(rest(20), Duration::from_millis(20 * 32));
        assert_eq!(rest(1), Duration::from_millis(50));
        assert_eq!(rest(200), Duration::from_secs(1));
    }

    #[test]
    fn a_long_cleanup_rests_half_as_long_every_five_minutes_but_never_less_than_the_least() {
        let rest = |minutes| PACE_OF_SERVERS.rest_after(MINUTE, minutes * MINUTE);
        assert_eq!(rest(4), Duration::from_secs(1));
        assert_eq!(rest(5), Duration::from_millis(500));
        assert_eq!(rest(9), Duration::from_millis(500));
        assert_eq!(rest(10), Duration::from_millis(250));
        assert_eq!(rest(25), Duration::from_millis(50));
        assert_eq!(rest(u32::MAX / 60), Duration::from_millis(50));
    }
}
