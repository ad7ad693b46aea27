//! The host's own connection, by SeaORM.

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, IsolationLevel,
    QueryResult, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait, Value,
};
use store_core::Error;

use super::Connection;
use crate::bind::{Bind, StoredKey};
use crate::entity::Timestamp;
use crate::failure::Failure;
use crate::locks::Locks;
use crate::statements::{Sql, Statements};

/// The host's pool.
pub(crate) struct Host(DatabaseConnection);

impl Host {
    pub(crate) fn new(db: DatabaseConnection) -> Self {
        Self(db)
    }

    pub(crate) fn backend(&self) -> DbBackend {
        self.0.get_database_backend()
    }

    pub(crate) fn connection(&self) -> HostConnection<'_> {
        HostConnection {
            db: &self.0,
            transaction: None,
        }
    }
}

/// Any connections of the host's pool, but one from the beginning of a transaction to its end.
pub(crate) struct HostConnection<'a> {
    db: &'a DatabaseConnection,
    transaction: Option<DatabaseTransaction>,
}

impl HostConnection<'_> {
    fn statement(&self, sql: &Sql, values: &[Bind<'_>]) -> Statement {
        let backend = self.db.get_database_backend();
        let values = values.iter().map(|bind| value(*bind, backend));
        Statement::from_sql_and_values(backend, &*sql.0, values)
    }
}

impl Connection for HostConnection<'_> {
    type Row = QueryResult;

    async fn execute(&mut self, sql: &Sql, values: &[Bind<'_>]) -> Result<u64, Failure> {
        let statement = self.statement(sql, values);
        let result = match &self.transaction {
            Some(transaction) => transaction.execute_raw(statement).await,
            None => self.db.execute_raw(statement).await,
        };
        Ok(result?.rows_affected())
    }

    async fn rows(&mut self, sql: &Sql, values: &[Bind<'_>]) -> Result<Vec<QueryResult>, Failure> {
        let statement = self.statement(sql, values);
        Ok(match &self.transaction {
            Some(transaction) => transaction.query_all_raw(statement).await,
            None => self.db.query_all_raw(statement).await,
        }?)
    }

    async fn one_row(
        &mut self,
        sql: &Sql,
        values: &[Bind<'_>],
    ) -> Result<Option<QueryResult>, Failure> {
        let statement = self.statement(sql, values);
        Ok(match &self.transaction {
            Some(transaction) => transaction.query_one_raw(statement).await,
            None => self.db.query_one_raw(statement).await,
        }?)
    }

    async fn begin(&mut self, statements: &Statements, locks: Locks) -> Result<(), Failure> {
        let options = match self.db.get_database_backend() {
            DbBackend::Sqlite => TransactionOptions {
                sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                ..TransactionOptions::default()
            },
            _ => TransactionOptions {
                isolation_level: Some(IsolationLevel::ReadCommitted),
                ..TransactionOptions::default()
            },
        };
        let transaction = self.db.begin_with_options(options).await;
        self.transaction = Some(transaction.map_err(Failure::NotBegun)?);
        let Some([first, second]) = locks.values(statements.dialect) else {
            return Ok(());
        };
        let values = [Bind::integer(first), Bind::integer(second)];
        let locked = self.execute(&statements.lock, &values).await;
        locks.check(statements.dialect, locked.map_err(Failure::not_begun)?)
    }

    async fn commit(&mut self) -> Result<(), Failure> {
        match self.transaction.take() {
            Some(transaction) => Ok(transaction.commit().await?),
            None => Ok(()),
        }
    }

    async fn roll_back(&mut self) {
        if let Some(transaction) = self.transaction.take()
            && let Err(error) = transaction.rollback().await
        {
            tracing::debug!(error = %Error::from(Failure::from(error)), "could not roll back");
        }
    }
}

fn value(bind: Bind<'_>, backend: DbBackend) -> Value {
    let is_bytes = backend == DbBackend::MySql;
    match bind {
        Bind::Text(text) if is_bytes => Value::Bytes(text.map(|text| text.as_bytes().to_vec())),
        Bind::Text(text) => Value::String(text.map(str::to_owned)),
        Bind::Time(Some(at)) => Timestamp::new(at, backend).into(),
        Bind::Time(None) => match backend {
            DbBackend::MySql => Value::ChronoDateTime(None),
            DbBackend::Sqlite => Value::BigInt(None),
            _ => Value::ChronoDateTimeUtc(None),
        },
        Bind::Integer(integer) => integer.into(),
        Bind::Bytes(bytes) => bytes.to_vec().into(),
        Bind::Stored(StoredKey::Text(text)) => text.as_str().into(),
        Bind::Stored(StoredKey::Bytes(bytes)) => bytes.clone().into(),
        Bind::Stored(StoredKey::Number(number)) => (*number).into(),
    }
}
