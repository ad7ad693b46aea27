//! What every operation stands on: connections, clock, statements.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use store_core::{
    Clock, Error, PartitionKey, Result, SessionId, SubjectId, UserKey, UserSessionKey,
    UserSessionsFilter, floor_to_micros,
};
use tokio::sync::OnceCell;

use super::together::AllWaiting;
use crate::bind::Bind;
use crate::database::{Connection, Database};
use crate::dialect::Dialect;
use crate::failure::{Failure, Kind};
use crate::names::TableNames;
use crate::row::{self, Row as _};
use crate::statements::{Sql, Statements};

pub(crate) struct Inner {
    /// Where the operations run.
    pub(crate) database: Database,
    /// The same database, for whoever asks for a connection.
    pub(crate) connection: DatabaseConnection,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) max_ticket_len: usize,
    /// Or why there can be none.
    pub(super) statements: Result<StatementsOf, String>,
    pub(super) waiting: AllWaiting,
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

    pub(crate) fn names(&self) -> Result<&TableNames> {
        match &self.statements {
            Ok(
                StatementsOf::One(statements)
                | StatementsOf::MySqlOrMariaDb {
                    mysql: statements, ..
                },
            ) => Ok(&statements.names),
            Err(what) => Err(Error::configuration(what.clone())),
        }
    }

    pub(crate) async fn statements(
        &self,
        db: &mut impl Connection,
    ) -> Result<&Statements, Failure> {
        match &self.statements {
            Ok(StatementsOf::One(statements)) => Ok(statements),
            Ok(StatementsOf::MySqlOrMariaDb {
                mysql,
                mariadb,
                is_mariadb,
            }) => {
                let is_mariadb = is_mariadb
                    .get_or_try_init(|| asks_whether_mariadb(db))
                    .await?;
                Ok(if *is_mariadb { mariadb } else { mysql })
            }
            Err(what) => Err(Error::configuration(what.clone()).into()),
        }
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
        let Ok(StatementsOf::One(statements)) = &self.statements else {
            return Ok(false);
        };
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
        let row = self.connection.query_one_raw(select).await;
        let found = match row.map_err(Failure::from)? {
            Some(mut row) => row::Columns::of(&mut row).integer("count")?,
            None => 0,
        };
        Ok(usize::try_from(found).is_ok_and(|found| found == columns))
    }
}

/// MariaDB puts its name into its version.
async fn asks_whether_mariadb(db: &mut impl Connection) -> Result<bool, Failure> {
    let select = Sql("SELECT CAST(VERSION() AS BINARY)".into());
    let version = match db.one_row(&select, &[]).await? {
        Some(mut row) => row.bytes(0).map_err(Error::backend)?,
        None => None,
    };
    let name = b"MariaDB";
    Ok(version.is_some_and(|version| version.windows(name.len()).any(|part| part == name)))
}

/// Partition and user key, as every statement by key takes them.
pub(super) fn key_values(key: &UserSessionKey) -> [Bind<'_>; 2] {
    [
        Bind::text(key.partition_key.as_str()),
        Bind::text(key.user_key.as_str()),
    ]
}

/// The filter's values, as every statement by filter takes them.
pub(super) fn filter_values<'a>(
    partition: &'a PartitionKey,
    filter: &'a UserSessionsFilter,
) -> Vec<Bind<'a>> {
    let texts = [
        Some(partition.as_str()),
        filter.subject_id().map(SubjectId::as_str),
        filter.session_id().map(SessionId::as_str),
        filter.except_user_key().map(UserKey::as_str),
    ];
    texts.into_iter().flatten().map(Bind::text).collect()
}
