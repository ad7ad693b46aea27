//! Connections to a server, held by a pool of the store's own.
//!
//! sqlx's pool asks the server for a sign of life whenever a connection is given back, since whoever
//! had it may have been dropped between asking and reading, and the connection would hand the answer
//! to the next. That is a round trip for each statement. Here a connection is marked before it is
//! asked something and unmarked when the answer is there: one that comes back marked is closed.

/// How a [`Server`] runs statements: the same words for each driver, of which each makes calls of its
/// own. `arguments` says how values are bound.
macro_rules! statements_by_sqlx {
    ($connection:ty) => {
        async fn execute(
            connection: &mut $connection,
            sql: &$crate::statements::Sql,
            values: &[Bind<'_>],
        ) -> Result<u64, SqlxError> {
            let query = sea_orm::sqlx::query_with(sql.to_sqlx(), arguments(values)?);
            Ok(connection.execute(query).await?.rows_affected())
        }

        async fn rows(
            connection: &mut $connection,
            sql: &$crate::statements::Sql,
            values: &[Bind<'_>],
        ) -> Result<Vec<sea_orm::QueryResult>, SqlxError> {
            let query = sea_orm::sqlx::query_with(sql.to_sqlx(), arguments(values)?);
            let rows = connection.fetch_all(query).await?;
            Ok(rows.into_iter().map(sea_orm::QueryResult::from).collect())
        }

        async fn one_row(
            connection: &mut $connection,
            sql: &$crate::statements::Sql,
            values: &[Bind<'_>],
        ) -> Result<Option<sea_orm::QueryResult>, SqlxError> {
            let query = sea_orm::sqlx::query_with(sql.to_sqlx(), arguments(values)?);
            let row = connection.fetch_optional(query).await?;
            Ok(row.map(sea_orm::QueryResult::from))
        }

        async fn run(connection: &mut $connection, script: String) -> Result<u64, SqlxError> {
            let script = sea_orm::sqlx::raw_sql(sea_orm::sqlx::AssertSqlSafe(script));
            Ok(connection.execute(script).await?.rows_affected())
        }
    };
}

/// How values are bound: what differs is how a key and a time are.
macro_rules! arguments_by_sqlx {
    ($arguments:ty, $text:ident => $key:expr, $at:ident => $time:expr) => {
        fn arguments(values: &[Bind<'_>]) -> Result<$arguments, SqlxError> {
            use sea_orm::sqlx::Arguments as _;
            use $crate::bind::StoredKey;

            let mut arguments = <$arguments>::default();
            for value in values {
                match *value {
                    Bind::Text($text) => arguments.add($key),
                    Bind::Time($at) => arguments.add($time),
                    Bind::Integer(integer) => arguments.add(integer),
                    Bind::Bytes(bytes) => arguments.add(bytes),
                    Bind::Stored(StoredKey::Text(text)) => arguments.add(text.as_str()),
                    Bind::Stored(StoredKey::Bytes(bytes)) => arguments.add(bytes.as_slice()),
                    Bind::Stored(StoredKey::Number(number)) => arguments.add(number),
                }
                .map_err(SqlxError::Encode)?;
            }
            Ok(arguments)
        }
    };
}

#[cfg(feature = "mysql")]
pub(crate) mod mysql;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;

use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{
    self, Manager, Metrics, Object, PoolConfig, PoolError, QueueMode, RecycleError, RecycleResult,
    TimeoutType, Timeouts,
};
use sea_orm::sqlx::error::DatabaseError;
use sea_orm::sqlx::{self, Connection as _};
use sea_orm::{ConnAcquireErr, DbErr, QueryResult, RuntimeErr, SqlxError};
use store_core::Result as StoreResult;

use super::Connection;
use crate::bind::Bind;
use crate::connect::{ACQUIRE_TIMEOUT, IDLE_TIMEOUT, MAX_LIFETIME, PING_AFTER};
use crate::failure::{Failure, Kind};
use crate::locks::Locks;
use crate::statements::{Sql, Statements};

/// How long a connection that lay idle may take for a sign of life.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// How often the pool looks for connections that nobody needs any more.
const REAP_EVERY: Duration = Duration::from_secs(60);

/// What differs between servers.
pub(crate) trait Server: Send + Sync + 'static {
    type Connection: sqlx::Connection;

    /// A connection, set up.
    fn connect(&self) -> impl Future<Output = Result<Self::Connection, SqlxError>> + Send;

    fn execute(
        connection: &mut Self::Connection,
        sql: &Sql,
        values: &[Bind<'_>],
    ) -> impl Future<Output = Result<u64, SqlxError>> + Send;

    fn rows(
        connection: &mut Self::Connection,
        sql: &Sql,
        values: &[Bind<'_>],
    ) -> impl Future<Output = Result<Vec<QueryResult>, SqlxError>> + Send;

    fn one_row(
        connection: &mut Self::Connection,
        sql: &Sql,
        values: &[Bind<'_>],
    ) -> impl Future<Output = Result<Option<QueryResult>, SqlxError>> + Send;

    /// Runs statements without values, in one round trip, and says how many rows they changed.
    fn run(
        connection: &mut Self::Connection,
        script: String,
    ) -> impl Future<Output = Result<u64, SqlxError>> + Send;

    /// Whether a connection that got this answer from the server is worth keeping: it is not if the
    /// server ends it now, or has become one that only reads.
    fn is_worth_keeping(error: &(dyn DatabaseError + 'static)) -> bool;

    /// What begins a transaction of the isolation that our locks ask for.
    const BEGIN: &'static str;
}

/// A pool of connections to a server.
pub(crate) struct Pool<S: Server>(managed::Pool<Opener<S>>);

impl<S: Server> Pool<S> {
    /// A pool with one connection in it, as the proof that the server can be reached.
    pub(crate) async fn connect(server: S, max_connections: u32) -> StoreResult<Self> {
        let config = PoolConfig {
            max_size: max_connections as usize,
            timeouts: Timeouts {
                wait: Some(ACQUIRE_TIMEOUT),
                create: Some(ACQUIRE_TIMEOUT),
                recycle: Some(PING_TIMEOUT),
            },
            // The rest of them may rest, and be closed in the end.
            queue_mode: QueueMode::Lifo,
        };
        let pool = managed::Pool::builder(Opener(server))
            .config(config)
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(store_core::Error::backend)?;
        let pool = Self(pool);
        drop(pool.get().await?);
        pool.reap();
        Ok(pool)
    }

    /// How many connections there can be.
    pub(crate) fn max_connections(&self) -> usize {
        self.0.status().max_size
    }

    pub(crate) async fn get(&self) -> Result<Held<S>, Failure> {
        // The pool's own time-outs are for each step.
        let object = tokio::time::timeout(ACQUIRE_TIMEOUT, self.0.get()).await;
        match object.unwrap_or(Err(PoolError::Timeout(TimeoutType::Wait))) {
            Ok(object) => Ok(Held(Some(object))),
            Err(PoolError::Backend(error)) => {
                Err(DbErr::Conn(RuntimeErr::SqlxError(error.into())).into())
            }
            Err(PoolError::Timeout(_)) => {
                Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout).into())
            }
            Err(
                PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_),
            ) => Err(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed).into()),
        }
    }

    /// Closes, for as long as the pool is there, what lay idle for long or has become old.
    fn reap(&self) {
        let pool = self.0.weak();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(REAP_EVERY).await;
                let Some(pool) = pool.upgrade() else { return };
                let idle = pool.retain(|_, metrics| {
                    metrics.last_used() < IDLE_TIMEOUT && metrics.age() < MAX_LIFETIME
                });
                drop(pool);
                for line in idle.removed {
                    // If it cannot be closed in order, it is closed all the same.
                    let _ = line.connection.close().await;
                }
            }
        });
    }
}

/// Opens connections, and looks at those that are to be used again.
struct Opener<S>(S);

/// A connection to a server.
struct Line<S: Server> {
    connection: S::Connection,
    /// Whether something was asked and the answer is not there.
    is_waiting: bool,
    in_transaction: bool,
}

impl<S: Server> Manager for Opener<S> {
    type Type = Line<S>;
    type Error = SqlxError;

    async fn create(&self) -> Result<Line<S>, SqlxError> {
        Ok(Line {
            connection: self.0.connect().await?,
            is_waiting: false,
            in_transaction: false,
        })
    }

    async fn recycle(&self, line: &mut Line<S>, metrics: &Metrics) -> RecycleResult<SqlxError> {
        if metrics.age() >= MAX_LIFETIME {
            return Err(RecycleError::message("it has become old"));
        }
        if metrics.last_used() < PING_AFTER {
            return Ok(());
        }
        line.connection.ping().await.map_err(RecycleError::Backend)
    }
}

/// A connection while an operation has it.
pub(crate) struct Held<S: Server>(Option<Object<Opener<S>>>);

impl<S: Server> Held<S> {
    fn line(&mut self) -> &mut Line<S> {
        self.0.as_mut().expect("only dropping takes it")
    }
}

impl<S: Server> Line<S> {
    /// The connection, marked.
    fn asked(&mut self) -> &mut S::Connection {
        self.is_waiting = true;
        &mut self.connection
    }

    /// Takes the mark away, unless the answer is that there will be none.
    fn answered<T>(&mut self, answer: Result<T, SqlxError>) -> Result<T, Failure> {
        match answer {
            Ok(answer) => {
                self.is_waiting = false;
                Ok(answer)
            }
            Err(error) => {
                let is_worth_keeping = match &error {
                    SqlxError::Database(error) => S::is_worth_keeping(&**error),
                    _ => false,
                };
                let failure = Failure::from(DbErr::Exec(RuntimeErr::SqlxError(error.into())));
                let is_open = !matches!(failure.kind(), Kind::Closed | Kind::Lost);
                self.is_waiting = !(is_worth_keeping && is_open);
                Err(failure)
            }
        }
    }
}

impl<S: Server> Connection for Held<S> {
    type Row = QueryResult;

    async fn execute(&mut self, sql: &Sql, values: &[Bind<'_>]) -> Result<u64, Failure> {
        let line = self.line();
        let answer = S::execute(line.asked(), sql, values).await;
        line.answered(answer)
    }

    async fn rows(&mut self, sql: &Sql, values: &[Bind<'_>]) -> Result<Vec<QueryResult>, Failure> {
        let line = self.line();
        let answer = S::rows(line.asked(), sql, values).await;
        line.answered(answer)
    }

    async fn one_row(
        &mut self,
        sql: &Sql,
        values: &[Bind<'_>],
    ) -> Result<Option<QueryResult>, Failure> {
        let line = self.line();
        let answer = S::one_row(line.asked(), sql, values).await;
        line.answered(answer)
    }

    async fn begin(&mut self, statements: &Statements, locks: Locks) -> Result<(), Failure> {
        let mut script = S::BEGIN.to_owned();
        let values = locks.values(statements.dialect);
        if let Some(values) = values {
            script.push_str("; ");
            script.push_str(&statements.lock.with_integers(&values));
        }
        let line = self.line();
        line.in_transaction = true;
        let answer = S::run(line.asked(), script).await;
        let locked = line.answered(answer).map_err(Failure::not_begun)?;
        match values {
            Some(_) => locks.check(statements.dialect, locked),
            None => Ok(()),
        }
    }

    async fn commit(&mut self) -> Result<(), Failure> {
        let line = self.line();
        let answer = S::run(line.asked(), "COMMIT".to_owned()).await;
        line.answered(answer)?;
        line.in_transaction = false;
        Ok(())
    }

    async fn roll_back(&mut self) {
        let line = self.line();
        // Of one that will be closed the server finds out by itself.
        if !line.in_transaction || line.is_waiting {
            return;
        }
        let answer = S::run(line.asked(), "ROLLBACK".to_owned()).await;
        match line.answered(answer) {
            Ok(_) => line.in_transaction = false,
            Err(error) => {
                tracing::debug!(error = %store_core::Error::from(error), "could not roll back");
            }
        }
    }
}

/// What is not in order is closed instead of given back.
impl<S: Server> Drop for Held<S> {
    fn drop(&mut self) {
        if let Some(object) = self.0.take()
            && (object.is_waiting || object.in_transaction)
        {
            drop(Object::take(object));
        }
    }
}
