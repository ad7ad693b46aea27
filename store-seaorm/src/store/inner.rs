//! What every operation stands on: connections, clock, statements.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, QueryResult, Statement, Value};
use store_core::{
    Clock, Error, PartitionKey, Result, SubjectId, UserKey, UserSessionKey, UserSessionsFilter,
    floor_to_micros,
};
use tokio::sync::OnceCell;

use crate::dialect::Dialect;
use crate::failure::{Failure, Kind};
use crate::names::TableNames;
use crate::row;
use crate::statements::{Sql, Statements};

pub(crate) struct Inner {
    /// For single reads, and for whoever asks for a connection.
    pub(super) reads: DatabaseConnection,
    /// For everything else. The same pool, but for SQLite files: there it has one connection, since
    /// SQLite has one writer, and waiting in line is fairer and faster than SQLite's own waiting.
    pub(crate) writes: DatabaseConnection,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) max_ticket_len: usize,
    /// Or why there can be none.
    pub(super) statements: Result<StatementsOf, String>,
}

pub(super) enum StatementsOf {
    One(Box<Statements>),
    /// Which of the two answers is known after the first operation.
    MySqlOrMariaDb {
        mysql: Box<Statements>,
        mariadb: Box<Statements>,
        is_mariadb: OnceCell<bool>,
    },
}

impl StatementsOf {
    /// # Errors
    /// Says that the database is none of those that there are statements for.
    pub(super) fn new(backend: DbBackend, names: TableNames) -> Result<Self, String> {
        let of = |dialect| Box::new(Statements::new(dialect, names.clone()));
        match backend {
            DbBackend::Postgres => Ok(Self::One(of(Dialect::Postgres))),
            DbBackend::MySql => Ok(Self::MySqlOrMariaDb {
                mysql: of(Dialect::MySql),
                mariadb: of(Dialect::MariaDb),
                is_mariadb: OnceCell::new(),
            }),
            DbBackend::Sqlite => Ok(Self::One(of(Dialect::Sqlite))),
            _ => Err("this database is not supported".to_owned()),
        }
    }
}

impl Inner {
    pub(crate) fn now(&self) -> DateTime<Utc> {
        floor_to_micros(self.clock.now())
    }

    pub(crate) async fn statements(&self) -> Result<&Statements, Failure> {
        match &self.statements {
            Ok(StatementsOf::One(statements)) => Ok(statements),
            Ok(StatementsOf::MySqlOrMariaDb {
                mysql,
                mariadb,
                is_mariadb,
            }) => {
                let is_mariadb = is_mariadb
                    .get_or_try_init(|| self.asks_whether_mariadb())
                    .await?;
                Ok(if *is_mariadb { mariadb } else { mysql })
            }
            Err(what) => Err(Error::configuration(what.clone()).into()),
        }
    }

    /// MariaDB puts its name into its version.
    async fn asks_whether_mariadb(&self) -> Result<bool, Failure> {
        let select = Statement::from_string(DbBackend::MySql, "SELECT VERSION()");
        let row = self.reads.query_one_raw(select).await?;
        let version: String = row
            .map(|row| row::column(&row, "VERSION()"))
            .transpose()?
            .unwrap_or_default();
        Ok(version.contains("MariaDB"))
    }

    /// What the caller is told. SQLite has one code for every error in a statement, so whether it
    /// was a missing table is looked up.
    pub(super) async fn answer<T>(&self, answer: Result<T, Failure>) -> Result<T> {
        match answer {
            Ok(value) => Ok(value),
            Err(failure) if failure.kind() == Kind::SqliteGeneric => {
                // If the look-up fails too, the first failure tells more.
                if self.has_sqlite_table().await.unwrap_or(true) {
                    Err(failure.into())
                } else {
                    Err(Error::NotMigrated)
                }
            }
            Err(failure) => Err(failure.into()),
        }
    }

    async fn has_sqlite_table(&self) -> Result<bool> {
        let statements = self.statements().await?;
        let columns = row::COLUMNS.split(", ").count();
        let schema = statements.names.schema().unwrap_or("main");
        let select = Statement::from_sql_and_values(
            DbBackend::Sqlite,
            // By way of the list, since to ask about a schema that is not attached is an error.
            "SELECT COUNT(*) FROM pragma_database_list AS attached, \
             pragma_table_info(?, attached.name) AS found \
             WHERE attached.name = ? COLLATE NOCASE \
             AND instr(', ' || ? || ', ', ', ' || found.name || ', ') > 0",
            [
                statements.names.table().into(),
                schema.into(),
                row::COLUMNS.into(),
            ],
        );
        let row = self
            .reads
            .query_one_raw(select)
            .await
            .map_err(Failure::from)?;
        let found: i64 = row
            .map(|row| row::column(&row, "count"))
            .transpose()?
            .unwrap_or_default();
        Ok(usize::try_from(found).is_ok_and(|found| found == columns))
    }
}

/// Runs a statement, and says how many rows it changed.
pub(crate) async fn execute<C: ConnectionTrait>(
    db: &C,
    statements: &Statements,
    sql: &Sql,
    values: Vec<Value>,
) -> Result<u64, Failure> {
    Ok(db
        .execute_raw(bound(statements, sql, values))
        .await?
        .rows_affected())
}

/// Runs a statement, and hands back its rows.
pub(super) async fn rows<C: ConnectionTrait>(
    db: &C,
    statements: &Statements,
    sql: &Sql,
    values: Vec<Value>,
) -> Result<Vec<QueryResult>, Failure> {
    Ok(db.query_all_raw(bound(statements, sql, values)).await?)
}

/// Runs a statement, and hands back its only row.
pub(super) async fn one_row<C: ConnectionTrait>(
    db: &C,
    statements: &Statements,
    sql: &Sql,
    values: Vec<Value>,
) -> Result<Option<QueryResult>, Failure> {
    Ok(db.query_one_raw(bound(statements, sql, values)).await?)
}

fn bound(statements: &Statements, sql: &Sql, values: Vec<Value>) -> Statement {
    Statement::from_sql_and_values(statements.dialect.backend(), &sql.0, values)
}

/// Partition and user key, as every statement by key takes them.
pub(super) fn key_values(statements: &Statements, key: &UserSessionKey) -> Vec<Value> {
    let dialect = statements.dialect;
    vec![
        dialect.text(key.partition_key.as_str()),
        dialect.text(key.user_key.as_str()),
    ]
}

/// The filter's values, as every statement by filter takes them.
pub(super) fn filter_values(
    statements: &Statements,
    partition: &PartitionKey,
    filter: &UserSessionsFilter,
) -> Vec<Value> {
    let texts = [
        Some(partition.as_str()),
        filter.subject_id().map(SubjectId::as_str),
        filter.session_id().map(|id| id.as_str()),
        filter.except_user_key().map(UserKey::as_str),
    ];
    texts
        .into_iter()
        .flatten()
        .map(|text| statements.dialect.text(text))
        .collect()
}
