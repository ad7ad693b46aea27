//! Transactions of several statements.

use sea_orm::{
    ConnectionTrait, DatabaseTransaction, IsolationLevel, SqliteTransactionMode,
    TransactionOptions, TransactionTrait,
};
use store_core::{Error, PartitionKey, SessionId, SubjectId};

use crate::dialect::Dialect;
use crate::failure::Failure;
use crate::locks::Lock;
use crate::statements::Statements;
use crate::store::{Inner, execute};

impl Inner {
    /// Begins a transaction, and holds these locks until its end. Dropped without a commit, it is
    /// rolled back.
    ///
    /// Every operation that takes locks takes them here, all at once and first of all, so that none
    /// waits for another in a circle.
    pub(crate) async fn begin(
        &self,
        statements: &Statements,
        locks: Locks,
    ) -> Result<DatabaseTransaction, Failure> {
        let options = match statements.dialect {
            Dialect::Sqlite => TransactionOptions {
                sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                ..TransactionOptions::default()
            },
            Dialect::Postgres | Dialect::MySql | Dialect::MariaDb => TransactionOptions {
                isolation_level: Some(IsolationLevel::ReadCommitted),
                ..TransactionOptions::default()
            },
        };
        let transaction = self
            .writes
            .begin_with_options(options)
            .await
            .map_err(Failure::NotBegun)?;
        lock(&transaction, statements, locks)
            .await
            .map_err(|failure| match failure {
                Failure::Database(error) => Failure::NotBegun(error),
                other => other,
            })?;
        Ok(transaction)
    }
}

/// At most two things to lock: a session id first, then a subject or a user key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Locks(pub(crate) Option<Lock>, pub(crate) Option<Lock>);

impl Locks {
    pub(crate) const NONE: Self = Self(None, None);

    /// What starts and the operations by filter lock.
    pub(crate) fn of(
        partition: &PartitionKey,
        session_id: Option<&SessionId>,
        subject_id: Option<&SubjectId>,
    ) -> Self {
        Self(
            session_id.map(|id| Lock::session_id(partition, id)),
            subject_id.map(|id| Lock::subject(partition, id)),
        )
    }
}

async fn lock<C: ConnectionTrait>(
    db: &C,
    statements: &Statements,
    locks: Locks,
) -> Result<(), Failure> {
    let (first, second) = match locks {
        Locks(Some(first), second) => (first, second.unwrap_or(first)),
        Locks(None, Some(only)) => (only, only),
        Locks(None, None) => return Ok(()),
    };
    match statements.dialect {
        Dialect::Sqlite => Ok(()),
        Dialect::Postgres => {
            let values = vec![first.as_i64().into(), second.as_i64().into()];
            execute(db, statements, &statements.lock, values)
                .await
                .map(drop)
        }
        Dialect::MySql | Dialect::MariaDb => {
            let stripes = [first.stripe(), second.stripe()];
            let values = stripes.map(Into::into).to_vec();
            let locked = execute(db, statements, &statements.lock, values).await?;
            let wanted = if stripes[0] == stripes[1] { 1 } else { 2 };
            // Without its row a stripe locks nothing.
            if locked == wanted {
                Ok(())
            } else {
                Err(Error::NotMigrated.into())
            }
        }
    }
}
