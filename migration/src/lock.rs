//! One migration at a time, and all of it on one connection.

use sea_orm_migration::sea_orm::{
    AccessMode, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, IsolationLevel,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};

use crate::{dialect::Dialect, names::Names};

/// How long MySQL and MariaDB wait for another process's migration. PostgreSQL waits as long as the
/// connection's `lock_timeout` and `statement_timeout` let it, SQLite as long as its busy timeout.
const MYSQL_TIMEOUT_SECONDS: u32 = 600;

/// The right to migrate, held by the connection that does it.
///
/// Each lock covers a whole database rather than one table: creating a schema is then covered too,
/// and so are two ways to name one table, with its schema and without.
pub(crate) struct Lock {
    names: Names,
    transaction: DatabaseTransaction,
}

impl Lock {
    pub(crate) async fn take(db: &DatabaseConnection, names: &Names) -> Result<Self, DbErr> {
        let transaction = match names.dialect() {
            Dialect::Postgres => {
                // Under a stricter level the snapshot is older than the lock, and would not show
                // what its last holder did. Writing is named because a host may default to reading.
                let transaction = db
                    .begin_with_config(
                        Some(IsolationLevel::ReadCommitted),
                        Some(AccessMode::ReadWrite),
                    )
                    .await?;
                // Ends with the transaction: a pooler that hands the session on takes no lock along.
                transaction
                    .execute_unprepared(
                        "SELECT pg_advisory_xact_lock(hashtextextended('store-migration', 0))",
                    )
                    .await?;
                transaction
            }
            Dialect::MySql => {
                // Only pins the connection: DDL commits, and the lock belongs to the session.
                let transaction = db.begin().await?;
                get_lock(&transaction, names).await?;
                transaction
            }
            Dialect::Sqlite => {
                let options = TransactionOptions {
                    sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                    ..Default::default()
                };
                db.begin_with_options(options).await?
            }
        };
        Ok(Self {
            names: names.clone(),
            transaction,
        })
    }

    /// Where the migrations run while the lock is held.
    pub(crate) fn connection(&self) -> &DatabaseTransaction {
        &self.transaction
    }

    /// Commits what went well, rolls back what did not, and answers with what went wrong first.
    pub(crate) async fn release(self, outcome: Result<(), DbErr>) -> Result<(), DbErr> {
        let released = match self.names.dialect() {
            Dialect::MySql => release_lock(&self.transaction, &self.names).await,
            Dialect::Postgres | Dialect::Sqlite => Ok(()),
        };
        let ended = match outcome {
            Ok(()) => self.transaction.commit().await,
            Err(_) => self.transaction.rollback().await,
        };
        outcome.and(released).and(ended)
    }
}

/// `GET_LOCK` knows the node it is asked on. On Galera two nodes may migrate at once; there it is
/// the statements, each of which may be repeated, that keep the tables right.
async fn get_lock(db: &DatabaseTransaction, names: &Names) -> Result<(), DbErr> {
    let name = lock_name(names);
    let sql = format!("SELECT CAST(GET_LOCK({name}, {MYSQL_TIMEOUT_SECONDS}) AS SIGNED)");
    let row = db
        .query_one_raw(Statement::from_string(db.get_database_backend(), sql))
        .await?;
    // 0 after the time is up, NULL when the server gave up waiting.
    let taken: Option<i64> = row
        .map(|row| row.try_get_by_index(0))
        .transpose()?
        .flatten();
    match taken {
        Some(1) => Ok(()),
        _ => Err(DbErr::Migration(format!(
            "another process has been migrating this database for {MYSQL_TIMEOUT_SECONDS} \
             seconds, or the server ended the wait: nothing was changed"
        ))),
    }
}

async fn release_lock(db: &DatabaseTransaction, names: &Names) -> Result<(), DbErr> {
    let name = lock_name(names);
    db.execute_unprepared(&format!("SELECT RELEASE_LOCK({name})"))
        .await?;
    Ok(())
}

/// An expression for the name, which is the server's for all databases and has at most 64
/// characters, as a database's name may have by itself. With no database at all, the first
/// statement says so better than the lock could.
fn lock_name(names: &Names) -> String {
    let schema = match names.schema() {
        Some(schema) => format!("'{schema}'"),
        None => "COALESCE(DATABASE(), '')".to_owned(),
    };
    format!("CONCAT('store-migration.', LEFT(SHA2(LOWER({schema}), 256), 40))")
}
