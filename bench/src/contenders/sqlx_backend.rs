//! sqlx by hand: how values are bound and rows decoded on each database.

use std::str::FromStr as _;
use std::time::Duration;

use anyhow::{Result, anyhow};
use chrono::{DateTime, Utc};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{
    Arguments as _, AssertSqlSafe, ConnectOptions as _, Connection as _, Database, Executor as _,
    MySql, Pool, Postgres, Row as _, SqlSafeStr as _, SqlStr, Sqlite, mysql::MySqlConnectOptions,
    pool::PoolOptions, postgres::PgConnectOptions,
};
use store_core::{Clock as _, SystemClock};

use super::bare::Statements;
use crate::durability::SQLITE_BUSY;
use crate::operations::{Answer, Step};
use crate::samples::Sample;
use crate::site::Site;

/// A database as sqlx has it.
pub(crate) trait Backend: Database {
    /// What begins a transaction that will write.
    const BEGIN: &'static str;

    /// A pool that does not ping before it hands a connection out.
    fn pool(url: &str, connections: u32) -> impl Future<Output = Result<Pool<Self>>> + Send;

    fn connect(url: &str) -> impl Future<Output = Result<Self::Connection>> + Send;

    fn bind_text(arguments: &mut Self::Arguments, text: &str) -> Result<()>;
    fn bind_time(arguments: &mut Self::Arguments, at: DateTime<Utc>) -> Result<()>;
    fn bind_bytes(arguments: &mut Self::Arguments, bytes: &[u8]) -> Result<()>;
    fn bind_number(arguments: &mut Self::Arguments, number: i64) -> Result<()>;

    /// How many rows a statement has changed.
    fn execute(
        connection: &mut Self::Connection,
        sql: &SqlStr,
        arguments: Self::Arguments,
    ) -> impl Future<Output = Result<u64>> + Send;

    /// Runs a statement without values, unprepared.
    fn run(
        connection: &mut Self::Connection,
        sql: &'static str,
    ) -> impl Future<Output = Result<()>> + Send;

    /// The sessions that a statement has found.
    fn sessions(
        connection: &mut Self::Connection,
        sql: &SqlStr,
        arguments: Self::Arguments,
        key: Key,
    ) -> impl Future<Output = Result<Vec<Session>>> + Send;
}

/// Whether the first two columns are the key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Key {
    Selected,
    Known,
}

/// What a host would make of a row. All of it is decoded, and most of it not looked at.
#[derive(Debug)]
#[expect(dead_code, reason = "it is decoded because a host would")]
pub(crate) struct Session {
    pub(crate) user_key: Option<String>,
    subject_id: Option<String>,
    session_id: Option<String>,
    created: DateTime<Utc>,
    renewed: DateTime<Utc>,
    expires: Option<DateTime<Utc>>,
    version: i64,
    pub(crate) ticket: Vec<u8>,
}

macro_rules! backend {
    (
        $database:ty, begin: $begin:literal, options: $options:path, after_connect: $after:expr,
        text: $text:expr, from_text: $from_text:expr,
        time: $time:expr, from_time: $from_time:expr,
    ) => {
        impl Backend for $database {
            const BEGIN: &'static str = $begin;

            async fn pool(url: &str, connections: u32) -> Result<Pool<Self>> {
                let pool = PoolOptions::<$database>::new()
                    .max_connections(connections)
                    .acquire_timeout(Duration::from_secs(60))
                    .test_before_acquire(false)
                    .after_connect(|connection, _| {
                        Box::pin(async move { connection.execute($after).await.map(drop) })
                    });
                Ok(pool.connect_with($options(url)?).await?)
            }

            async fn connect(url: &str) -> Result<Self::Connection> {
                let mut connection = $options(url)?.connect().await?;
                connection.execute($after).await?;
                connection.ping().await?;
                Ok(connection)
            }

            fn bind_text(arguments: &mut Self::Arguments, text: &str) -> Result<()> {
                arguments.add($text(text)).map_err(|error| anyhow!(error))
            }

            fn bind_time(arguments: &mut Self::Arguments, at: DateTime<Utc>) -> Result<()> {
                arguments.add($time(at)).map_err(|error| anyhow!(error))
            }

            fn bind_bytes(arguments: &mut Self::Arguments, bytes: &[u8]) -> Result<()> {
                arguments.add(bytes).map_err(|error| anyhow!(error))
            }

            fn bind_number(arguments: &mut Self::Arguments, number: i64) -> Result<()> {
                arguments.add(number).map_err(|error| anyhow!(error))
            }

            async fn execute(
                connection: &mut Self::Connection,
                sql: &SqlStr,
                arguments: Self::Arguments,
            ) -> Result<u64> {
                let query = sqlx::query_with(sql.clone(), arguments);
                Ok(query.execute(connection).await?.rows_affected())
            }

            async fn run(connection: &mut Self::Connection, sql: &'static str) -> Result<()> {
                connection.execute(sql).await?;
                Ok(())
            }

            async fn sessions(
                connection: &mut Self::Connection,
                sql: &SqlStr,
                arguments: Self::Arguments,
                key: Key,
            ) -> Result<Vec<Session>> {
                let query = sqlx::query_with(sql.clone(), arguments);
                let rows = query.fetch_all(connection).await?;
                let sessions = rows.iter().map(|row| {
                    let (user_key, at) = match key {
                        Key::Selected => (Some($from_text(row.try_get(1)?)?), 2),
                        Key::Known => (None, 0),
                    };
                    let text = |index: usize| -> Result<Option<String>> {
                        row.try_get::<Option<_>, _>(index)?
                            .map($from_text)
                            .transpose()
                    };
                    let time =
                        |index: usize| -> Result<DateTime<Utc>> { $from_time(row.try_get(index)?) };
                    Ok(Session {
                        user_key,
                        subject_id: text(at)?,
                        session_id: text(at + 1)?,
                        created: time(at + 2)?,
                        renewed: time(at + 3)?,
                        expires: row
                            .try_get::<Option<_>, _>(at + 4)?
                            .map($from_time)
                            .transpose()?,
                        version: row.try_get(at + 5)?,
                        ticket: row.try_get(at + 6)?,
                    })
                });
                sessions.collect()
            }
        }
    };
}

backend! {
    Postgres, begin: "BEGIN", options: postgres_options, after_connect: "",
    text: |text| text, from_text: anyhow::Ok::<String>,
    time: |at| at, from_time: anyhow::Ok::<DateTime<Utc>>,
}

backend! {
    MySql, begin: "BEGIN", options: mysql_options,
    // As the store has it; the default would make of every write by index a lock on a gap.
    after_connect: "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    text: str::as_bytes,
    from_text: |bytes: Vec<u8>| anyhow::Ok(String::from_utf8(bytes)?),
    time: |at: DateTime<Utc>| at.naive_utc(),
    from_time: |at: chrono::NaiveDateTime| anyhow::Ok(at.and_utc()),
}

backend! {
    Sqlite, begin: "BEGIN IMMEDIATE", options: sqlite_options, after_connect: "",
    text: |text| text, from_text: anyhow::Ok::<String>,
    time: |at: DateTime<Utc>| at.timestamp_micros(),
    from_time: |micros: i64| {
        DateTime::from_timestamp_micros(micros).ok_or_else(|| anyhow!("no time"))
    },
}

fn postgres_options(url: &str) -> Result<PgConnectOptions> {
    Ok(PgConnectOptions::from_str(url)?.disable_statement_logging())
}

fn mysql_options(url: &str) -> Result<MySqlConnectOptions> {
    Ok(MySqlConnectOptions::from_str(url)?.disable_statement_logging())
}

pub(crate) fn sqlite_options(url: &str) -> Result<SqliteConnectOptions> {
    Ok(SqliteConnectOptions::from_str(url)?
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(SQLITE_BUSY)
        .disable_statement_logging())
}

/// The store's statements, as sqlx takes them: cheap to clone.
#[derive(Debug)]
pub(crate) struct Prepared {
    ends_by_reading: bool,
    get: SqlStr,
    insert: SqlStr,
    update: SqlStr,
    cleanup_batch: i64,
    renew: SqlStr,
    delete: SqlStr,
    query: SqlStr,
    delete_matching: SqlStr,
    end_by_session_id: SqlStr,
    delete_expired: SqlStr,
}

impl Prepared {
    pub(crate) async fn of(site: &Site) -> Result<Self> {
        let statements = Statements::of(site).await?;
        let text = |sql: &str| AssertSqlSafe(std::sync::Arc::<str>::from(sql)).into_sql_str();
        Ok(Self {
            ends_by_reading: statements.ends_by_reading(),
            get: text(&statements.get),
            insert: text(&statements.insert),
            update: text(&statements.update),
            cleanup_batch: statements.cleanup_batch,
            renew: text(&statements.renew),
            delete: text(&statements.delete),
            query: text(&statements.query),
            delete_matching: text(&statements.delete_matching),
            end_by_session_id: text(&statements.end_by_session_id),
            delete_expired: text(&statements.delete_expired),
        })
    }

    /// Any step, on one connection.
    pub(crate) async fn perform<B: Backend>(
        &self,
        connection: &mut B::Connection,
        step: Step,
        sample: Sample,
    ) -> Result<Answer> {
        let now = SystemClock.now();
        let mut values = B::Arguments::default();
        Ok(match step {
            Step::Get => {
                B::bind_text(&mut values, "")?;
                B::bind_text(&mut values, &sample.user_key)?;
                B::bind_time(&mut values, now)?;
                found(&B::sessions(connection, &self.get, values, Key::Known).await?)
            }
            Step::Query => {
                B::bind_text(&mut values, "")?;
                B::bind_text(&mut values, &sample.subject_id)?;
                B::bind_time(&mut values, now)?;
                found(&B::sessions(connection, &self.query, values, Key::Selected).await?)
            }
            Step::Create => Answer::Changed(self.insert::<B>(connection, &sample).await?),
            // Logins that have nothing to do with each other deadlock on MySQL and MariaDB; a host
            // would try again.
            Step::Start => loop {
                match self.start::<B>(connection, &sample).await {
                    Ok(ended) => break Answer::Changed(ended),
                    Err(error) if is_deadlock(&error) => B::run(connection, "ROLLBACK").await?,
                    Err(error) => return Err(error),
                }
            },
            Step::Update => {
                B::bind_text(&mut values, &sample.subject_id)?;
                B::bind_text(&mut values, &sample.session_id)?;
                B::bind_time(&mut values, sample.created)?;
                B::bind_time(&mut values, sample.created)?;
                B::bind_time(&mut values, sample.expires)?;
                B::bind_bytes(&mut values, sample.ticket.as_bytes())?;
                B::bind_time(&mut values, sample.expires)?;
                B::bind_text(&mut values, "")?;
                B::bind_text(&mut values, &sample.user_key)?;
                B::bind_time(&mut values, now)?;
                Answer::Changed(B::execute(connection, &self.update, values).await?)
            }
            Step::Renew => {
                B::bind_time(&mut values, sample.created)?;
                B::bind_time(&mut values, sample.expires)?;
                B::bind_time(&mut values, sample.expires)?;
                B::bind_text(&mut values, "")?;
                B::bind_text(&mut values, &sample.user_key)?;
                B::bind_time(&mut values, now)?;
                Answer::Changed(B::execute(connection, &self.renew, values).await?)
            }
            Step::Delete => Answer::Changed(self.delete::<B>(connection, &sample.user_key).await?),
            Step::DeleteMatching => {
                B::bind_text(&mut values, "")?;
                B::bind_text(&mut values, &sample.subject_id)?;
                Answer::Changed(B::execute(connection, &self.delete_matching, values).await?)
            }
            Step::Cleanup => {
                let mut deleted = 0;
                loop {
                    let mut values = B::Arguments::default();
                    B::bind_time(&mut values, now)?;
                    B::bind_time(&mut values, now)?;
                    B::bind_number(&mut values, self.cleanup_batch)?;
                    B::bind_time(&mut values, now)?;
                    match B::execute(connection, &self.delete_expired, values).await? {
                        0 => break Answer::Changed(deleted),
                        batch => deleted += batch,
                    }
                }
            }
        })
    }

    async fn start<B: Backend>(
        &self,
        connection: &mut B::Connection,
        sample: &Sample,
    ) -> Result<u64> {
        B::run(connection, B::BEGIN).await?;
        let mut values = B::Arguments::default();
        B::bind_text(&mut values, "")?;
        B::bind_text(&mut values, &sample.session_id)?;
        let sql = &self.end_by_session_id;
        let ended = B::sessions(connection, sql, values, Key::Selected).await?;
        if self.ends_by_reading {
            for user_key in ended.iter().filter_map(|ended| ended.user_key.as_deref()) {
                self.delete::<B>(connection, user_key).await?;
            }
        }
        self.insert::<B>(connection, sample).await?;
        B::run(connection, "COMMIT").await?;
        Ok(ended.len() as u64)
    }

    async fn insert<B: Backend>(
        &self,
        connection: &mut B::Connection,
        sample: &Sample,
    ) -> Result<u64> {
        let mut values = B::Arguments::default();
        B::bind_text(&mut values, "")?;
        B::bind_text(&mut values, &sample.user_key)?;
        B::bind_text(&mut values, &sample.subject_id)?;
        B::bind_text(&mut values, &sample.session_id)?;
        B::bind_time(&mut values, sample.created)?;
        B::bind_time(&mut values, sample.created)?;
        B::bind_time(&mut values, sample.expires)?;
        B::bind_number(&mut values, 0)?;
        B::bind_bytes(&mut values, sample.ticket.as_bytes())?;
        B::bind_time(&mut values, sample.expires)?;
        B::execute(connection, &self.insert, values).await
    }

    async fn delete<B: Backend>(
        &self,
        connection: &mut B::Connection,
        user_key: &str,
    ) -> Result<u64> {
        let mut values = B::Arguments::default();
        B::bind_text(&mut values, "")?;
        B::bind_text(&mut values, user_key)?;
        B::execute(connection, &self.delete, values).await
    }
}

fn is_deadlock(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<sqlx::Error>();
    let code = error.and_then(|error| error.as_database_error()?.code());
    matches!(code.as_deref(), Some("40001" | "40P01"))
}

fn found(sessions: &[Session]) -> Answer {
    Answer::Found {
        sessions: sessions.len() as u64,
        bytes: sessions.iter().map(|session| session.ticket.len()).sum(),
    }
}
